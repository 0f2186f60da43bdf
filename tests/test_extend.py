"""The page on extending the library: its Python blocks run, one after the other, and do what it says."""

import re
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest

from tqttfs_lite.experiments import datasets, paths
from tqttfs_lite.spiking import losses, neuron, surrogate

PAGE = (paths.REPOSITORY / "book" / "extend.md").read_text("utf-8")


def test_the_blocks_of_the_page_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # the page writes folders
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    scope: dict[str, object] = {}
    with ExitStack() as stack:
        for table in (datasets.DATASETS, losses.LOSSES, surrogate.SURROGATES, neuron.RESPONSES):
            stack.enter_context(patch.dict(table))  # what the page adds is taken out again
        for block in blocks:
            exec(compile(block, "extend.md", "exec"), scope)
    assert "last-potential" not in losses.LOSSES and "stripes" not in datasets.DATASETS
    printed = capsys.readouterr().out
    accuracy = re.search(r"(\d+) % right after \d\.\d time steps", printed)
    assert accuracy and int(accuracy[1]) > 95
    for name in ("last-potential", "triangle", "leaky"):
        validation = re.search(rf"{name}: ([\d.]+) % of the validation images", printed)
        assert validation and float(validation[1]) > 80
    alike = re.findall(r"(\d+ % right after \d\.\d time steps)", printed)
    assert len(alike) == 2 and alike[0] == alike[1]  # as trained, and with NumPy
    assert "spikes_1 IF {'q': 2}" in printed.replace("np.int64(2)", "2")
    assert f"taken over: {64 * 16 + 16 * 2} weights" in printed

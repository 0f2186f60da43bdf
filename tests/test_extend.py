"""The page on extending the library: its Python blocks run, one after the other, and do what it says."""

import re
from pathlib import Path

import pytest

from tqttfs_lite.experiments import datasets, paths
from tqttfs_lite.spiking import losses, neuron, surrogate

PAGE = (paths.REPOSITORY / "book" / "extend.md").read_text("utf-8")


def test_the_blocks_of_the_page_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for table in (datasets.DATASETS, losses.LOSSES, surrogate.SURROGATES, neuron.RESPONSES):
        for name in list(table):  # so that what the page adds is taken out again
            monkeypatch.setitem(table, name, table[name])
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "extend.md", "exec"), scope)
    printed = capsys.readouterr().out
    accuracy = re.search(r"(\d+) % right after \d\.\d time steps", printed)
    assert accuracy and int(accuracy[1]) > 95
    for name in ("last-potential", "triangle", "leaky"):
        validation = re.search(rf"{name}: ([\d.]+) % of the validation images", printed)
        assert validation and float(validation[1]) > 80

"""The page on extending the library: its Python blocks run, one after the other, and do what it says."""

import re
from pathlib import Path

import pytest

from tqttfs_lite.experiments import datasets, paths

PAGE = (paths.REPOSITORY / "book" / "extend.md").read_text("utf-8")


def test_the_blocks_of_the_page_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(datasets, "DATASETS", dict(datasets.DATASETS))
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "extend.md", "exec"), scope)
    accuracy = re.search(r"(\d+) % right after \d\.\d time steps", capsys.readouterr().out)
    assert accuracy and int(accuracy[1]) > 95

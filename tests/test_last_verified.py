"""The status page says when the numbers were verified last, from what the command wrote down."""

import json
from pathlib import Path

import pytest

from book import last_verified
from tqttfs_lite import cli
from tqttfs_lite.paper import verification


def test_the_record_of_the_command_becomes_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [
        verification.Entry("arithmetic", "file", "what", "1", "1", str(found), found == 1) for found in (1, 1, 2)
    ]
    monkeypatch.setattr(verification, "verify", lambda *_, **__: iter(entries))
    record = tmp_path / "new" / "verified.json"
    assert "recorded" in last_verified.sentences(record)
    assert cli.main(["verify", "--level", "arithmetic", "--record", str(record)]) == 1
    text = last_verified.sentences(record)
    made = json.loads(record.read_text("utf-8"))["made"]
    assert "`arithmetic`" in text and "3 numbers" in text and "**1 of them differ**" in text
    assert all(str(made[key])[:10] in text for key in ("date", "processor", "commit", "torch"))
    entries.pop()
    assert cli.main(["verify", "--level", "arithmetic", "--record", str(record)]) == 0
    assert "2 numbers were computed again, and all of them agree" in last_verified.sentences(record)


def test_every_level_has_its_meaning() -> None:
    assert tuple(last_verified.MEANING) == verification.LEVELS

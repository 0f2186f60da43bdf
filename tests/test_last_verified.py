"""The status page says when the numbers were verified last, from what the command wrote down."""

import json
import re
from collections.abc import Iterator
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
    assert not re.search(r"\d\.\d", re.sub("`[^`]*`", "", text)), "a version in prose looks like a result"
    entries.pop()
    assert cli.main(["verify", "--level", "arithmetic", "--record", str(record)]) == 0
    assert "2 numbers were recomputed, and all of them agree" in last_verified.sentences(record)


def test_the_record_is_of_the_library_that_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(*_: object, **__: object) -> Iterator[verification.Entry]:
        monkeypatch.setattr(verification, "library_sums", lambda: {"spiking/neuron.py": "changed since"})
        yield verification.Entry("arithmetic", "file", "what", "1", "1", "1", agrees=True)

    before = verification.library_sums()
    monkeypatch.setattr(verification, "verify", verify)
    record = tmp_path / "verified.json"
    assert cli.main(["verify", "--level", "arithmetic", "--record", str(record)]) == 0
    assert json.loads(record.read_text("utf-8"))["library"] == before


def test_every_level_has_its_meaning() -> None:
    assert tuple(last_verified.MEANING) == verification.LEVELS


def test_a_page_is_flagged_unless_the_record_speaks_for_todays_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [verification.Entry("checkpoints", "file", "what", "1", "1", "1", agrees=True)] * 2
    monkeypatch.setattr(verification, "verify", lambda *_, **__: iter(entries))
    record = tmp_path / "verified.json"
    assert last_verified.flag(record).startswith("No verification was recorded")
    cli.main(["verify", "--level", "arithmetic", "--record", str(record)])
    assert "did not run the stored networks" in last_verified.flag(record)
    cli.main(["verify", "--level", "checkpoints", "--record", str(record)])
    assert last_verified.flag(record) == ""

    sums = verification.library_sums()
    assert {Path(file).parts[0] for file in sums} == set(verification.MAKERS)
    monkeypatch.setattr(verification, "library_sums", lambda: {**sums, "spiking/neuron.py": "another"})
    assert last_verified.flag(record).endswith(": spiking/neuron.py.")
    four = {f"energy/new_{n}.py": "" for n in range(4)}
    monkeypatch.setattr(verification, "library_sums", lambda: {**sums, **four})
    assert last_verified.flag(record).endswith(": energy/new_0.py, energy/new_1.py, energy/new_2.py and 1 more.")

    entries[1] = entries[1]._replace(agrees=False)
    cli.main(["verify", "--level", "checkpoints", "--record", str(record)])
    assert "1 of 2 numbers differ" in last_verified.flag(record)

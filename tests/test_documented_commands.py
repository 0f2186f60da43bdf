"""Every call of `tqttfs` that the documentation and the Makefile show is understood by the command."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tqttfs_lite.cli import COMMANDS, _parser, main
from tqttfs_lite.experiments import paths

PAGES = [paths.REPOSITORY / "README.md", paths.REPOSITORY / "CONTRIBUTING.md"]
PAGES += [*(paths.REPOSITORY / "book").glob("*.md"), *(paths.REPOSITORY / "data").glob("*.md")]
OF_SNAKEMAKE = {"--profile", "--dry-run", "--cores"}  # which `tqttfs study` passes on


def shown(page: Path) -> list[list[str]]:
    """The words of the calls on a page, which begin a line; a name alone, with what it does, is not a call."""
    lines = [line for line in page.read_text("utf-8").splitlines() if line.startswith("tqttfs ")]
    calls = [shlex.split(line, comments=True)[1:] for line in lines]
    return [words for words in calls if len(words) > 1]


def of_make(target: str) -> list[list[str]]:
    command = ["make", "--dry-run", "--old-file=.venv/.installed", target]
    printed = subprocess.check_output(command, cwd=paths.REPOSITORY, text=True)
    return [shlex.split(line)[1:] for line in printed.splitlines() if re.match(r"\S*/tqttfs ", line)]


CALLS = [words for page in PAGES for words in shown(page)] + of_make("open") + of_make("queue")


def test_there_are_calls_of_nearly_all_commands() -> None:
    assert set(COMMANDS) - {words[0] for words in CALLS} <= {"data", "verify"}


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_a_call_that_is_shown_is_understood(words: list[str]) -> None:
    _, others = _parser(words).parse_known_args(words)
    assert {word for word in others if word.startswith("-")} <= (OF_SNAKEMAKE if words[0] == "study" else set())


def test_an_option_that_no_command_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["energy", "a.safetensors", "--cores", "1"])
    assert "unrecognized arguments: --cores 1" in capsys.readouterr().err

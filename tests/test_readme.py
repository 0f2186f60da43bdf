"""The README says what the files say."""

import re
import shlex
import subprocess

import pytest

from book import readme
from tqttfs_lite import cli
from tqttfs_lite.experiments import paths

TEXT = readme.README.read_text(encoding="utf-8")


def test_the_table_of_results_is_the_stored_results() -> None:
    assert readme.updated(TEXT) == TEXT, "run `python book/readme.py`"


def test_the_file_tree_names_every_module_and_nothing_else() -> None:
    tree = TEXT.split("```\ntqttfs_lite/")[1].split("notebooks/ ")[0]
    rooms = re.split(r"^  (\w+)/ ", f"  tqttfs_lite/ {tree}", flags=re.MULTILINE)[1:]
    named = dict(zip(rooms[::2], rooms[1::2], strict=True))
    for room, text in named.items():
        folder = paths.PACKAGE if room == "tqttfs_lite" else paths.PACKAGE / room
        lines = text.partition("  commands.py")[0] if room == "report" else text
        lines += "commands.py, cli.py" if room == "tqttfs_lite" else ""
        assert set(re.findall(r"\w+\.py", lines)) == {path.name for path in folder.glob("*.py")} - {"__init__.py"}, room
    assert set(named) - {"tqttfs_lite"} == {path.parent.name for path in paths.PACKAGE.glob("*/__init__.py")}


def test_the_files_it_links_to_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (paths.REPOSITORY / target).exists(), target


DOCUMENTS = [*(paths.REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")), *paths.REPOSITORY.glob("*/*.md")]


def documented(program: str) -> list[list[str]]:
    """The words behind a program's name wherever a document has a shell command of it."""
    blocks = [
        block for path in DOCUMENTS for block in re.findall(r"```bash\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    ]
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [words[words.index(program) + 1 :] for words in lines if program in words]


def of_make(target: str) -> list[list[str]]:
    """The words behind `tqttfs` in what `make` would do for a target."""
    command = ["make", "--dry-run", "--old-file=.venv/.installed", target]
    printed = subprocess.check_output(command, cwd=paths.REPOSITORY, text=True)
    calls = [line.partition(">")[0] for line in printed.splitlines() if re.match(r"\S*/tqttfs ", line)]
    return [shlex.split(call)[1:] for call in calls]


def test_every_documented_command_is_one_that_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    """In the documents and in the Makefile; `tqttfs study` passes on to Snakemake what it does not know itself."""
    commands = documented("tqttfs")
    assert {words[0] for words in commands} == set(cli.COMMANDS)
    commands += [*of_make("open"), *of_make("queue")]
    for words in [words for words in commands if len(words) > 1]:  # a bare name is in a list of them
        try:
            _, others = cli._parser(words).parse_known_args(words)
        except SystemExit:
            pytest.fail(f"tqttfs {' '.join(words)}: {capsys.readouterr().err}")
        passed_on = {"--profile", "--dry-run", "--cores"} if words[0] == "study" else set()
        assert {word for word in others if word.startswith("-")} <= passed_on, words
        assert words[0] == "study" or not others, words


def test_every_documented_target_is_one_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z-]+):", (paths.REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE)
    asked = {word for words in documented("make") for word in words if re.fullmatch("[a-z-]+", word)}
    assert asked and asked <= set(targets)

"""The README says what the files say."""

import re

from book import readme
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

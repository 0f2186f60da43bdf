"""The README says what the files say."""

import re

from book import readme
from tqttfs_lite.experiments import paths

TEXT = readme.README.read_text(encoding="utf-8")


def test_the_table_of_results_is_the_stored_results() -> None:
    assert readme.updated(TEXT) == TEXT, "run `python book/readme.py`"


def test_the_file_tree_names_every_module_and_nothing_else() -> None:
    tree = TEXT.split("```\ntqttfs_lite/")[1].split("notebooks/ ")[0]
    modules = {path.name for path in (paths.REPOSITORY / "tqttfs_lite").glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"\w+\.py", tree.replace("equal to neuron.py", ""))) == modules


def test_the_files_it_links_to_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (paths.REPOSITORY / target).exists(), target

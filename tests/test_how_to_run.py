"""Every chapter says how to run it, with parameters that it has; links elsewhere are there with a repository only."""

import re
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest

from book import how_to_run
from book.publishing import Site
from tqttfs_lite.experiments import paths

NOTEBOOKS = {path.stem: path for path in sorted((paths.REPOSITORY / "notebooks").glob("*.ipynb"))}
SITE = Site("owner", "tqttfs")


def notebook(name: str) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS[name], as_version=4)


def test_every_notebook_has_an_alternative() -> None:
    assert how_to_run.ALTERNATIVES.keys() == NOTEBOOKS.keys()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_alternative_is_another_value_of_the_same_type(name: str) -> None:
    defaults = {}
    for parameter in how_to_run.parameters(notebook(name)):
        exec(f"value: {parameter.type} = {parameter.default}", scope := {})
        defaults[parameter.name] = scope["value"]
    assert how_to_run.ALTERNATIVES[name]
    for key, value in how_to_run.ALTERNATIVES[name].items():
        assert type(value) is type(defaults[key])
        assert value != defaults[key]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_section_has_the_command_and_every_parameter_and_nothing_that_needs_a_repository(name: str) -> None:
    section = how_to_run.run_section(name, notebook(name))
    (command,) = re.findall(r"```bash\n(.*\n.*)\n```", section)
    assert command.startswith(f".venv/bin/papermill --cwd notebooks notebooks/{name}.ipynb \\\n  _build/mine.ipynb ")
    pairs = dict(re.findall(r"-p (\S+) (\S+)", command))
    assert pairs == {key: str(value) for key, value in how_to_run.ALTERNATIVES[name].items()}
    for parameter in how_to_run.parameters(notebook(name)):
        assert f"| `{parameter.name}` | `{parameter.default}` | {parameter.meaning} |" in section
    assert "http" not in section


def test_all_lines_of_the_cell_of_parameters_are_read() -> None:
    for name in NOTEBOOKS:
        (cell,) = (cell for cell in notebook(name).cells if "parameters" in cell.metadata.get("tags", []))
        assert len(how_to_run.parameters(notebook(name))) == len(cell.source.splitlines())


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_with_a_repository_the_links_name_files_that_exist(name: str) -> None:
    section = how_to_run.run_section(name, notebook(name), SITE)

    binder, colab = (urlsplit(link) for link in re.findall(r"\]\((https://\S+)\)", section))
    assert binder.netloc == "mybinder.org"
    assert binder.path == "/v2/gh/owner/tqttfs/main"
    (in_lab,) = parse_qs(binder.query)["urlpath"]
    assert (paths.REPOSITORY / in_lab.removeprefix("lab/tree/")) == NOTEBOOKS[name]
    assert colab.netloc == "colab.research.google.com"
    in_colab = colab.path.removeprefix("/github/owner/tqttfs/blob/main/")
    assert (paths.REPOSITORY / in_colab) == NOTEBOOKS[name]
    for named in re.findall(r"`(binder/\w+)`", section):
        assert (paths.REPOSITORY / named).is_file()
    assert f"!git clone --quiet --depth 1 {SITE.repository}\n%cd tqttfs/notebooks\n" in section


def test_what_binder_runs_exists() -> None:
    script = paths.REPOSITORY / "binder" / "postBuild"
    assert script.stat().st_mode & 0o100, "Binder needs it to be executable"
    named = re.findall(r"--constraint (\S+) --editable '\.\[(\w+)\]'", script.read_text("utf-8"))
    ((constraints, extra),) = named
    assert (paths.REPOSITORY / constraints).is_file()
    assert f"\n{extra} = [" in (paths.REPOSITORY / "pyproject.toml").read_text("utf-8")


def test_the_badge_leads_to_the_checks_where_there_is_a_repository() -> None:
    assert how_to_run.checks_badge(None) == ""
    workflow = how_to_run.checks_badge(SITE).partition("/actions/workflows/")[2].partition("?")[0]
    assert (paths.REPOSITORY / ".github" / "workflows" / workflow).is_file()

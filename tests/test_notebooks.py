"""What all notebooks promise: checked parameters, described figures, clean outputs."""

import ast
import re
from pathlib import Path

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import datasets, paths
from tqttfs_lite.experiments.config import recipe
from tqttfs_lite.report import notebook
from tqttfs_lite.report.notebook import SEED, Within, check_parameters

FOLDER = paths.REPOSITORY / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PARAMETER = re.compile(r"^(\w+): (int|str|float) = .+  # .+$")


def cells(path: Path, kind: str = "code") -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def parameters(path: Path) -> dict[str, str]:
    """Name and type of every parameter."""
    (cell,) = (cell for cell in cells(path) if "parameters" in cell.metadata.get("tags", []))
    matches = [PARAMETER.match(line) for line in cell.source.splitlines()]
    assert all(matches), f"{path.name}: a parameter is one line of `name: type = value  # what it is`"
    return {match[1]: match[2] for match in matches if match}


def test_there_are_eleven() -> None:
    assert len(NOTEBOOKS) == 11


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_parameter_is_checked(path: Path) -> None:
    calls = [
        node
        for cell in cells(path)
        for node in ast.walk(ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.MULTILINE)))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "check_parameters"
    ]
    assert len(calls) == 1
    assert {keyword.arg for keyword in calls[0].keywords} == parameters(path).keys()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_parameter_has_a_range_that_is_checked_before_any_work(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cells up to the check run as they are; the check itself takes what is committed and refuses the rest."""

    class Checked(Exception):
        pass

    allowed: dict[str, object] = {}
    names: dict[str, object] = {}

    def check(given: dict[str, object], **ranges: object) -> None:
        check_parameters(given, **ranges)
        allowed.update(ranges)
        names.update({name: given[name] for name in ranges})
        raise Checked

    monkeypatch.setattr(notebook, "check_parameters", check)
    namespace: dict[str, object] = {"__name__": "notebook"}
    with pytest.raises(Checked):
        for cell in cells(path):
            exec(cell.source, namespace)
    for name, kind in parameters(path).items():
        wanted = allowed[name]
        assert isinstance(wanted, Within if kind in ("int", "float") else (tuple, type)), name
        if isinstance(wanted, Within):
            assert wanted.type.__name__ == kind
        wrong = wanted.least - 1 if isinstance(wanted, Within) else "another" if isinstance(wanted, tuple) else 1
        with pytest.raises(InputError, match=f"parameter {name} must be"):
            check_parameters({**names, name: wrong}, **allowed)
        with pytest.raises(InputError, match=f"parameter {name} must be"):
            check_parameters({**names, name: b"of another type"}, **allowed)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_has_a_description_a_name_and_a_caption(path: Path) -> None:
    names = []
    for cell in cells(path):
        if "plt.show()" in cell.source:
            about = cell.metadata["mystnb"]
            assert len(about["image"]["alt"]) > 30
            assert about["figure"]["caption"]
            names.append(about["figure"]["name"])
        assert not any("image/png" in output.get("data", {}) for output in cell.outputs), "figures are SVG"
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_text_refers_to_every_figure(path: Path) -> None:
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    drawn = [about["name"] for cell in cells(path) if (about := cell.metadata.get("mystnb", {}).get("figure"))]
    assert [name for name in drawn if f"{{numref}}`{name}`" not in text] == []


def test_the_first_chapter_shows_the_images_that_the_others_follow() -> None:
    (cell,) = (cell for cell in cells(NOTEBOOKS[0]) if "parameters" in cell.metadata.get("tags", []))
    given: dict[str, object] = {}
    exec(cell.source, given)
    assert given["mnist_index"] == given["fashion_index"] == datasets.EXAMPLE


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_committed_outputs_are_whole_and_clean(path: Path) -> None:
    executed = [cell for cell in cells(path) if cell.source.strip()]
    assert [cell.execution_count for cell in executed] == list(range(1, len(executed) + 1))
    for cell in executed:
        assert not any(output.get("name") == "stderr" or output.output_type == "error" for output in cell.outputs)
    assert set(nbformat.read(path, as_version=4).metadata) == {"kernelspec", "language_info"}
    assert str(paths.REPOSITORY) not in path.read_text()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_table_is_cut(path: Path) -> None:
    tables = [
        out.data["text/html"] for cell in cells(path) for out in cell.outputs if "text/html" in out.get("data", {})
    ]
    assert not any(re.search(r"<t[dh]>[^<]*\.\.\.</t[dh]>", table) for table in tables)
    assert any("use_style()" in cell.source for cell in cells(path))


def test_degrees_that_contradict_one_another_are_refused() -> None:
    with pytest.raises(
        InputError, match=re.escape("the degrees in 784-400(1)-10(4) are not 2-2: leave out the parentheses")
    ):
        notebook.configuration("784-400(1)-10(4)", "2-2", "mnist", 8)
    same = notebook.configuration("784-400(2)-10(2)", "2-2", "mnist", 8, seed=1, epochs=3)
    assert same == recipe("784-400(2)-10(2)", "mnist", 8, seed=1, epochs=3)
    assert notebook.configuration("784-400-10", "2-2", "mnist", 8).epochs == recipe("784-400-10", "mnist", 8).epochs


def run(name: str, tmp_path: Path, **values: object) -> None:
    papermill.execute_notebook(
        FOLDER / f"{name}.ipynb", tmp_path / "out.ipynb", values, cwd=FOLDER, kernel_name="python3", progress_bar=False
    )


NOISE = pytest.mark.filterwarnings("ignore")  # Jupyter's own, about event loops and sockets


@NOISE
def test_a_parameter_that_papermill_does_not_know_ends_the_run(tmp_path: Path) -> None:
    """One run, since a kernel takes ten seconds to start; the other refusals are tested without one, above."""
    with pytest.raises(PapermillExecutionError, match="unknown parameter leekage: this notebook takes supply_thresh"):
        run("09_audit", tmp_path, leekage=0.1)


@NOISE
@pytest.mark.data
def test_another_quantization_runs(tmp_path: Path) -> None:
    run("04_mnist_smlp", tmp_path, quantization="2-4", epochs=2)


@NOISE
@pytest.mark.data
def test_a_network_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PapermillExecutionError, match="a quantization degree"):
        run("10_your_own_quantization", tmp_path, quantization="2-0")


def test_a_notebook_may_be_run_again_in_its_kernel_and_a_misspelt_parameter_is_told_once() -> None:
    names: dict[str, object] = {"seed": 0}
    check_parameters(names, seed=SEED)
    names |= {"F": 1, "seed": 3}  # what the cells below assign, and a parameter that the reader changes
    check_parameters(names, seed=SEED)
    with pytest.raises(InputError, match="parameter seed must be of type int"):
        check_parameters({**names, "seed": "3"}, seed=SEED)
    with pytest.raises(InputError, match="unknown parameter sed"):
        check_parameters({"sed": 1, "seed": 0}, seed=SEED)
    with pytest.raises(InputError, match="parameter seed is missing"):
        check_parameters({}, seed=SEED)

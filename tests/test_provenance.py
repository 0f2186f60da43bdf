"""The files behind a cell's output: followed through names, functions and loops, and the same at every run."""

import ast
from hashlib import sha256
from pathlib import Path

import nbformat
import papermill
import pytest

from tqttfs_lite.experiments import paths, sources
from tqttfs_lite.report import provenance
from tqttfs_lite.report.provenance import HOOK, MIME, Tracker

READ = "def read(name):\n    sources.note('paper', name)\n    return [name]"


class Notebook:
    """Runs cells as IPython does, as far as the tracker sees it."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {"sources": sources}
        self.values[HOOK] = self.tracker = Tracker(self.values)
        sources.take()
        assert self.run(READ) == []

    def run(self, cell: str, *, shows_value: bool = False) -> list[str]:
        tree = self.tracker.visit(ast.parse(cell))
        exec(compile(tree, "cell", "exec"), self.values)
        return [file.removeprefix("paper/") for file in self.tracker.finish_cell(shows_value)]


@pytest.mark.parametrize(
    ("cells", "last"),
    [
        (["read('a')"], ["a"]),
        (["x = read('a')", "print(1)"], []),
        (["x = read('a')", "print(x)"], ["a"]),
        (["x = read('a'); y = read('b')", "print(y)"], ["b"]),
        (["x = read('a')", "y = 2 * x", "y"], ["a"]),
        (["x = read('a')", "x = 1", "x"], []),
        (["x = read('a')", "x += read('b')", "x"], ["a", "b"]),
        (["x = read('a')", "if False:\n    x = 1", "x"], ["a"]),
        (["x, (y, *z) = 1, (2, read('a'))", "z"], ["a"]),
        (["rows = []\nfor name in 'ab':\n    rows.append(read(name))", "rows"], ["a", "b"]),
        (["rows = []", "rows.append(read('a'))", "rows"], ["a"]),
        (["rows = {}", "rows['x'] = read('a')", "rows"], ["a"]),
        (["rows = {}", "rows.setdefault('x', []).append(read('a'))", "rows"], ["a"]),
        (["def fill(x):\n    x.extend(read('a'))", "rows = []\nfill(rows)", "rows"], ["a"]),
        (["x = read('a')", "def f():\n    return x", "f()"], ["a"]),
        (["def f():\n    return x", "x = read('a')", "f()"], ["a"]),
        (["def f():\n    return x\ndef g():\n    return f()", "x = read('a')", "g()"], ["a"]),
        (["f = lambda: x", "x = read('a')", "f()"], ["a"]),
        (["x = read('a')", "def f(y=x):\n    return y", "f()"], ["a"]),
        (["rows = []\ndef add():\n    rows.append(read('a'))", "add()", "rows"], ["a"]),
        (["w = 0\ndef f():\n    global w\n    w = read('a')", "f()", "w"], ["a"]),
        (["[y := x for x in read('a')]", "y"], ["a"]),
        (["x = read('a')", "with open('/dev/null'):\n    z = x", "z"], ["a"]),
        (["class A:\n    x = read('a')", "A.x"], ["a"]),
        # and no more than is needed
        (["x = read('a')", "def f(x):\n    return x", "f(1)"], []),
        (["x = read('a')", "[x for x in range(3)]"], []),
        (["x = read('a')", "for x in range(3):\n    print(x)"], []),
        (
            ["group = read('a')", "rows = []\nfor _ in 'x':\n    if group := read('b'):\n        rows.append(group)"],
            ["b"],
        ),
        (["x = read('a')", "for y in range(3):\n    x = y\n    print(x)"], []),
        (["import math", "math.pow(2, len(read('a')))", "math.pi"], []),
        (["x = 'text'", "print(x, read('a'))", "x"], []),
    ],
)
def test_the_last_cell_has_these_files_behind_it(cells: list[str], last: list[str]) -> None:
    notebook = Notebook()
    assert [notebook.run(cell) for cell in cells][-1] == last


def test_what_a_cell_is_there_to_show_is_not_what_it_changes() -> None:
    notebook = Notebook()
    notebook.run("table = []\nshow = lambda table: read('a')")
    assert notebook.run("show(table)", shows_value=True) == ["a"]
    assert notebook.run("table") == []


def test_a_cell_that_fails_leaves_the_next_one_alone() -> None:
    notebook = Notebook()
    with pytest.raises(ZeroDivisionError):
        notebook.run("x = read('a')\n1 / 0")
    notebook.tracker.finish_cell()
    assert notebook.run("2 + 2") == []
    assert notebook.run("x") == ["a"]


def test_a_cell_that_is_no_python_is_left_to_python() -> None:
    tree = ast.parse("nonlocal x")
    assert Tracker({}).visit(tree) is tree


def test_outside_of_a_notebook_nothing_happens() -> None:
    provenance.mark_cells()


CELLS = [
    "from tqttfs_lite.paper import reported\nfrom tqttfs_lite.report.provenance import mark_cells\n\n"
    "mark_cells()\nmark_cells()",
    "tables = reported.layers(), reported.claims()",
    "sum(layer.flops for layer in tables[0])",
    "%time 1 + 1",
    "2 + 2",
]


@pytest.mark.filterwarnings("ignore")  # Jupyter's own, about event loops and sockets
def test_a_notebook_says_the_same_every_time_and_names_no_folder(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "in.ipynb")
    runs = []
    for name in ("first.ipynb", "second.ipynb"):
        found = papermill.execute_notebook(
            tmp_path / "in.ipynb", tmp_path / name, cwd=paths.REPOSITORY, kernel_name="python3", progress_bar=False
        )
        runs.append([[o.data[MIME] for o in cell.outputs if MIME in o.get("data", {})] for cell in found.cells])
    names = ("claims.csv", "layers.csv")
    behind = {f"paper/{name}": sha256((paths.paper_directory() / name).read_bytes()).hexdigest()[:16] for name in names}
    assert runs == [[[], [behind], [behind], [], []]] * 2

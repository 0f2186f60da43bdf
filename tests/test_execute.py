"""The environment of executed notebooks: what a reader's shell has set changes nothing in them."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from book import build, execute
from tqttfs_lite.experiments import paths

TROUBLE = {
    "MPLBACKEND": "Agg",  # draws figures nowhere
    "PYTHONOPTIMIZE": "2",  # leaves assertions out
    "LC_ALL": "tr_TR.UTF-8",
    "OMP_NUM_THREADS": "64",
    "COLUMNS": "20",
}


def test_what_changes_an_execution_is_dropped_and_the_rest_kept() -> None:
    found = execute.environment({**TROUBLE, "PYTHONPATH": "/code", "PATH": "/bin", "TQTTFS_DATA": "/data"})
    kept = {name: value for name, value in found.items() if name not in execute.SET}
    assert kept == {"PYTHONPATH": "/code", "PATH": "/bin", "TQTTFS_DATA": "/data"}
    assert found["OMP_WAIT_POLICY"] == "passive"


@pytest.mark.slow
def test_a_figure_is_drawn_whatever_the_shell_and_the_home_folder_say(tmp_path: Path) -> None:
    startup = tmp_path / "startup.py"
    startup.write_text("def sum(x): return 'another sum'\n", "utf-8")
    for profile in (".ipython", "ipython"):
        (folder := tmp_path / profile / "profile_default" / "startup").mkdir(parents=True)
        (folder / "00.py").write_text(startup.read_text("utf-8"), "utf-8")
    sources = [
        "import os\nimport matplotlib.pyplot as plt\nfrom tqttfs_lite.report import method_figures, style\n"
        "style.use_style()",
        "method_figures.surrogate_gradient()\nplt.show()",
        "print(sum([1, 2]), __debug__, os.environ['OMP_NUM_THREADS'])",
    ]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[1].metadata["mystnb"] = {"figure": {"name": "fig-one"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "in.ipynb")
    home = {"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONSTARTUP": str(startup)}
    command = ["-m", "book.execute", sys.executable, "-m", "papermill", "-k", "python3", "--no-progress-bar"]
    subprocess.run(
        [sys.executable, *command, str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb")],
        env={**os.environ, **TROUBLE, **home},
        cwd=paths.REPOSITORY,
        check=True,
    )
    _, figure, printed = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert not build.lacks_figure(figure)
    assert "image/svg+xml" in figure.outputs[0].data
    assert printed.outputs[0].text == "3 True 1\n"


def test_notebooks_are_executed_nowhere_else() -> None:
    """By the graph and by `make test`, through `book.execute`."""
    makefile, graph = ((paths.REPOSITORY / name).read_text("utf-8") for name in ("Makefile", "Snakefile"))
    assert "PYTEST_2 := $(BIN)/python -m book.execute $(BIN)/pytest" in makefile
    assert all("$(PYTEST_2)" in line for line in makefile.splitlines() if "nbval" in line)
    assert graph.count("papermill ") == graph.count("python -m book.execute papermill ") == 1

"""What the notebooks' cells and the first page take numbers from is what they cite."""

import ast
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import papermill
import pytest
import torch
from torch import Tensor

from book import compared, findings
from tqttfs_lite.experiments import (
    answers,
    bit_widths,
    checkpoints,
    conventional,
    datasets,
    dial,
    paths,
    results,
    search,
    study,
    used_files,
)
from tqttfs_lite.experiments.config import TrainingConfig, recipe
from tqttfs_lite.experiments.datasets import Images
from tqttfs_lite.experiments.evaluation import Answers
from tqttfs_lite.experiments.results import ANSWERS, DIALS, Result, Trial
from tqttfs_lite.experiments.used_files import MIME
from tqttfs_lite.paper import benchmarks, comparisons, reported
from tqttfs_lite.report import provenance, result_figures, tables
from tqttfs_lite.spiking.notation import Architecture

# Modules that import by name what a `Log` replaces have to be there before it.
assert result_figures and tables
NOTEBOOKS = sorted((paths.REPOSITORY / "notebooks").glob("*.ipynb"))
# The fields by which a record is found; each of the others is a number that was measured, or says where.
IDENTITY = {
    Result: {"config", "checkpoint_sha256", "data_sha256", "released", "folder"},
    Trial: {"config", "data_sha256"},
    benchmarks.Measurement: {"kind", "network", "quantization", "dtype", "threads", "weights"},
}
# What reads the paper's tables only to find a network or its name.
LOOK_UP = (
    comparisons.paper_time_steps,
    comparisons.scnn_configurations,
    comparisons.short,
    comparisons.pairs_of_trials,
)


def few_images(name: str, split: str) -> Images:
    """Enough for every cell to run."""
    generator = torch.Generator().manual_seed(len(split))
    images = torch.randint(0, 256, (20, 28, 28), generator=generator, dtype=torch.uint8)
    return Images(images, torch.randint(0, 10, (20,), generator=generator))


def few_answers(result: Result, labels: Tensor) -> Answers:
    """Of a network that decides at once and answers as it is seeded."""
    ones = torch.ones(len(labels), dtype=torch.uint8)
    return Answers((labels + result.config.seed % 3 > 4).to(torch.uint8), ones, ones.bool())


class Log:
    """The files out of which numbers are taken, and those that are cited."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: set[str] = set()
        self.cited: set[str] = set()
        self.monkeypatch = monkeypatch
        for record, identity in IDENTITY.items():
            self.watch_fields(record, {field.name for field in fields(record)} - identity)
        self.watch(reported._rows, lambda table: table)
        self.watch(checkpoints.read, lambda network, path, digest: used_files.name(path))
        self.watch(conventional.read, used_files.name)
        self.watch(search.read, used_files.name)
        self.watch(bit_widths.read, lambda result: used_files.name(results.beside(result, *bit_widths.FIXED_POINT)))
        self.watch(dial.read, lambda result: used_files.name(results.beside(result, *DIALS)))
        self.watch(answers.read, lambda result, labels: used_files.name(results.beside(result, *ANSWERS)), few_answers)
        self.watch(datasets.load, lambda name, split: f"{name}/{split}", instead=few_images)
        for function in LOOK_UP:
            self.leave_out(function)
        self.replace(provenance.cite, lambda *made_from: self.cited.update(used_files.names(*made_from)))

    def watch_fields(self, record: type, measured: set[str]) -> None:
        known: dict[int, tuple[Any, tuple[str, ...]]] = {}  # by id, with the record, so that no other gets its id

        def get(stored: Any, name: str) -> Any:
            if name in measured:
                if id(stored) not in known:
                    known[id(stored)] = stored, stored.used_files
                self.read.update(known[id(stored)][1])
            return object.__getattribute__(stored, name)

        self.monkeypatch.setattr(record, "__getattribute__", get)

    def watch(
        self, function: Callable[..., Any], file: Callable[..., str], instead: Callable[..., Any] | None = None
    ) -> None:
        def watched(*arguments: Any) -> Any:
            self.read.add(file(*arguments))
            return (instead or function)(*arguments)

        self.replace(function, watched)

    def leave_out(self, function: Callable[..., Any]) -> None:
        def unwatched(*arguments: Any) -> Any:
            before = set(self.read)
            value = function(*arguments)
            self.read = before
            return value

        self.replace(function, unwatched)

    def replace(self, function: Callable[..., Any], other: Callable[..., Any]) -> None:
        """In every module that has imported it."""
        for name, module in list(sys.modules.items()):
            if name.startswith("tqttfs_lite") and vars(module).get(function.__name__) is function:
                self.monkeypatch.setattr(module, function.__name__, other)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    monkeypatch.setattr(Architecture, "parse", cache(Architecture.parse))  # slow where types are checked
    return Log(monkeypatch)


def uncited(cells: list[nbformat.NotebookNode], log: Log) -> Iterator[str]:
    """What is wrong with the citations of a notebook's cells, run one after another.

    A cell with an output has to cite what it reads.  It has to cite something, if it uses a name that an earlier cell
    made from files, and nothing that no cell has read.
    """
    values: dict[str, object] = {}
    behind: defaultdict[str, set[str]] = defaultdict(set)  # the files behind each name
    read_before: set[str] = set()
    for cell in cells:
        log.read, log.cited = set(), set()
        tree = ast.parse(cell.source)
        exec(compile(tree, cell.id, "exec", optimize=1), values)  # without assertions, which are about all images
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        made |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        used = set().union(*(behind[node.id] for node in names if node.id not in made))
        behind |= {name: used | log.read for name in made}
        read_before |= log.read
        if any(MIME not in output.get("data", {}) for output in cell.outputs):
            yield from (f"{cell.id} reads {file} and does not cite it" for file in sorted(log.read - log.cited))
            if used and not log.cited:
                yield f"{cell.id} shows what was made from files and cites none"
        yield from (f"{cell.id} cites {file}, which was not read" for file in sorted(log.cited - read_before))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_cites_what_it_shows(path: Path, log: Log) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert list(uncited([cell for cell in cells if cell.cell_type == "code"], log)) == []


RESULTS = [path for path in NOTEBOOKS if path.stem[:2] in ("07", "08", "09", "11")]
MNIST_PAIR = [recipe(network, "mnist", 8) for network in ("784-400(1)-10(1)", "784-400(1)-10(2)")]


@pytest.mark.parametrize("trained", [study.read(study.released_file()), MNIST_PAIR], ids=["study", "one pair"])
@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.stem[:2] in ("07", "08", "09", "11")], ids=lambda path: path.stem
)
def test_a_chapter_about_results_runs_on_a_data_folder_of_ones_own(
    path: Path, trained: list[TrainingConfig], log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `make results` fills it, without trials and former recipes, and as a short study does."""
    fill(tmp_path, trained, monkeypatch)
    cells = nbformat.read(path, as_version=4).cells
    list(uncited([cell for cell in cells if cell.cell_type == "code"], log))  # what it lacks is said in a sentence


def test_the_first_page_is_made_from_the_released_study_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raw").symlink_to(paths.raw_directory().resolve())
    fill(tmp_path, study.read(study.released_file()), monkeypatch)
    findings.write(tmp_path, compared.facts())
    assert (tmp_path / "findings.svg").stat().st_size


def fill(folder: Path, trained: list[TrainingConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder the data folder, with what is stored of these networks and nothing else."""
    for config in trained:
        for kind, suffix in (("results", ".json"), ("checkpoints", ".safetensors"), ANSWERS, DIALS):
            stored = paths.data_directory() / kind / f"{config.name}{suffix}"
            (folder / kind).mkdir(exist_ok=True)
            if stored.exists():
                shutil.copy(stored, folder / kind)
    monkeypatch.setenv("TQTTFS_DATA", str(folder))


SHOWN = [nbformat.v4.new_output("stream", text="1")]
READ = "from tqttfs_lite.paper import reported\nfrom tqttfs_lite.report.provenance import cite\n\n"


@pytest.mark.parametrize(
    ("sources_of_cells", "complaint"),
    [
        (["len(reported.layers())"], "1 reads paper/layers.csv and does not cite it"),
        (["cite(reported.LAYERS)\nlen(reported.energy())"], "1 reads paper/energy.csv and does not cite it"),
        (["n = len(reported.coding()); cite(reported.CODING)", "2 * n"], "2 shows what was made from files"),
        (["def f():\n    return reported.coding()", "f()"], "2 reads paper/coding.csv and does not cite it"),
        (["cite(reported.LAYERS)\n2 + 2"], "1 cites paper/layers.csv, which was not read"),
    ],
)
def test_what_is_read_and_not_cited_is_found(sources_of_cells: list[str], complaint: str, log: Log) -> None:
    cells = [nbformat.v4.new_code_cell(READ, id="0")]
    cells += [nbformat.v4.new_code_cell(s, id=f"{n}", outputs=SHOWN) for n, s in enumerate(sources_of_cells, start=1)]
    (found,) = uncited(cells, log)
    assert found.startswith(complaint)


def test_a_result_that_is_read_and_not_cited_is_found(log: Log) -> None:
    result = results.read_all()[0]
    assert log.read == set()
    assert result.test.accuracy
    assert log.read == {f"results/{result.config.name}.json"}


def test_the_first_page_cites_what_it_says(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings.marks, "mark", lambda files: log.cited.update(files) or "")
    findings.write(tmp_path, compared.facts())
    assert log.read == log.cited


@pytest.mark.filterwarnings("ignore")  # Jupyter's own, about event loops and sockets
def test_a_citation_becomes_an_output_with_names_and_sums(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(s) for s in (READ, "cite([reported.LAYERS, None], reported.CLAIMS)", "cite()")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "in.ipynb")
    found = papermill.execute_notebook(
        tmp_path / "in.ipynb", tmp_path / "out.ipynb", cwd=paths.REPOSITORY, kernel_name="python3", progress_bar=False
    )
    files = {name: paths.paper_directory() / name for name in ("claims.csv", "layers.csv")}
    record = {f"paper/{name}": sha256(path.read_bytes()).hexdigest()[:16] for name, path in files.items()}
    assert [[output.data for output in cell.outputs] for cell in found.cells] == [[], [{MIME: record}], []]


def test_outside_of_a_notebook_a_file_that_is_gone_is_an_error_all_the_same() -> None:
    provenance.cite(reported.LAYERS)
    with pytest.raises(FileNotFoundError):
        provenance.cite("paper/nothing.csv")

"""The marks beside what came from a run, and a finder of numbers in the built pages that come from nowhere.

A number on a page is accounted for in one of three ways.  The output of a cell has a mark, unless no file is behind it,
which `test_provenance` sees to.  A text that the build wrote has a mark behind it.  And what people wrote is searched
for numbers with a decimal point or a per cent sign: each is one of the paper's, a constant of the energy models, or
listed here with its reason.
"""

import ast
import csv
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from nbformat.v4 import new_code_cell, new_notebook, new_output

from book import build, marks
from tqttfs_lite import cli
from tqttfs_lite.energy import models
from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments import bit_widths, conventional, experiment, paths, results, used_files
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.experiments.used_files import MIME
from tqttfs_lite.paper import degree_search, random_search

PAGES = build.toc_pages(build.REPOSITORY / "book" / "_toc.yml")
NOTEBOOKS = [page for page in PAGES if page.startswith("notebooks/")]

# What people wrote into a page besides the paper's numbers, and why it is there.
WRITTEN = {
    ("book/differences", "95 %"): "the level of the intervals, by convention",
    ("book/differences", "5 percent"): "the level of the tests, likewise",
    ("book/intro", "95 percent"): "likewise",
    ("book/report", "95 %"): "likewise",
    ("book/reproduce", "3.11"): "the Python that pyproject.toml asks for",
    ("book/reproduce", "99.9 %"): "the level of the prediction intervals, by convention",
    ("notebooks/02_neuron", "0.75"): "the weight of an example, as in the code below it",
    ("notebooks/04_mnist_smlp", "0.155"): "10 e⁻⁴ / (1 + 10 e⁻⁴), as the formula before it",
    ("notebooks/04_mnist_smlp", "1.3 percent"): "4,000 of 317,600 weights, worked out in the exercise",
    ("notebooks/07_accuracy", "95 %"): "the level of the confidence intervals, by convention",
    ("notebooks/08_energy", "95 %"): "likewise",
    ("notebooks/09_audit", "95 %"): "likewise",
    ("notebooks/09_audit", "5.7 percent"): "of the cited work, from the table break_even.csv",
    ("notebooks/09_audit", "5.7 %"): "likewise",
    ("notebooks/09_audit", "0.15"): "likewise",
    ("notebooks/09_audit", "1.38"): "likewise",
    ("notebooks/09_audit", "3.7"): "picojoules of a multiplication, in the chapter's table of constants",
    ("notebooks/10_your_own_quantization", "95 %"): "the level of the confidence intervals, by convention",
    ("notebooks/10_your_own_quantization", "0.1"): "points of accuracy that rounding may take, `bit_widths.ALLOWED`",
    ("notebooks/07_accuracy", "98 percent"): "an example of an accuracy for the formula before it",
    ("notebooks/07_accuracy", "88 percent"): "likewise",
    ("notebooks/07_accuracy", "0.14"): "that formula at 98 percent",
    ("notebooks/07_accuracy", "0.32"): "that formula at 88 percent",
}
# Files that a mark links to.
KEPT = (
    *("results/", "dials/", "answers/", "search/", "anytime/", "conventional/", "fixed_point/", "rankings/"),
    *("benchmarks/", "paper/"),
)
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)*(?:\s*(?:%|per ?cent\b))?")
# Numbers that Sphinx counts: of sections, figures and equations, and where they are referred to.
COUNTED = ".section-number, .caption-number, .eqno, .std-numref, a[href*='#equation-']"
NOT_WRITTEN = "div.cell, pre, code, script, style, .math, .citation, .headerlink, details.made-by"


def parsed(html: Path, page: str) -> BeautifulSoup:
    return BeautifulSoup((html / f"{page}.html").read_text("utf-8"), "html.parser")


def executed_cells(page: str) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(build.EXECUTED.parent / f"{page}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def record(cell: nbformat.NotebookNode) -> list[str]:
    """The files behind the output of a cell, as the notebook says."""
    return [file for output in cell.outputs for file in output.get("data", {}).get(MIME, [])]


def shows_something(cell: nbformat.NotebookNode) -> bool:
    return any(MIME not in output.get("data", {}) for output in cell.outputs)


# The outputs of cells


def mark_behind(element: Tag) -> Tag | None:
    """The mark of a cell, or of a text that the build wrote: what comes next, if it is one."""
    follows = element.find_next_sibling()
    return follows if isinstance(follows, Tag) and "made-by" in (follows.get("class") or []) else None


def unmarked(document: BeautifulSoup, cells: list[nbformat.NotebookNode]) -> list[str]:
    """The cells of a page with files behind their output and no mark that links to them all."""
    shown = document.select("article div.cell")
    assert len(shown) == len(cells), "a code cell is not on the page, or is there twice"
    found = []
    for element, cell in zip(shown, cells, strict=True):
        mark = mark_behind(element)
        links = {str(a["href"]).removeprefix("../data/") for a in mark.select("a[href]")} if mark else set()
        stored = {file for file in record(cell) if file.startswith(KEPT)}
        if shows_something(cell) and record(cell) and (mark is None or not stored <= links):
            found.append(cell.id)
        assert mark is None or record(cell), f"{cell.id} has a mark and no file behind it"
    return found


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_every_output_from_a_file_has_a_mark_that_leads_to_it(html: Path, page: str) -> None:
    assert unmarked(parsed(html, page), executed_cells(page)) == []


def test_a_mark_that_is_lost_is_missed(html: Path) -> None:
    document, cells = parsed(html, "notebooks/07_accuracy"), executed_cells("notebooks/07_accuracy")
    mark = document.select("article details.made-by")[1]
    mark.decompose()
    assert unmarked(document, cells) == ["rows-table"]


def test_a_mark_that_leaves_a_file_out_is_found(html: Path) -> None:
    document, cells = parsed(html, "notebooks/07_accuracy"), executed_cells("notebooks/07_accuracy")
    link = document.select_one("article details.made-by a[href*=results]")
    assert link is not None
    link.decompose()
    assert unmarked(document, cells) == ["groups"]


# What people wrote


def known_numbers() -> set[str]:
    """As they are printed: the paper's accuracies and claims, and the constants of the energy models."""
    constants = {str(value) for value in vars(models).values() if type(value) is float}
    names = ("claims.csv", "accuracy_mnist.csv", "accuracy_fashion_mnist.csv")
    lines = [line for name in names for line in (paths.paper_directory() / name).read_text("utf-8").splitlines()]
    return constants | {cell for row in csv.reader(lines) for cell in row if re.fullmatch(r"\d+\.\d+", cell)}


def numbers(text: str) -> Iterator[str]:
    """The numbers with a decimal point or a per cent sign, one blank between number and sign.

    Not dates, not whole numbers.
    """
    for match in NUMBER.findall(text):
        number = " ".join(re.sub(r"(?<=\d)(?=%|per)", " ", match.replace("per cent", "percent")).split())
        if "." in number or " " in number:
            yield number


def written(document: BeautifulSoup) -> Iterator[str]:
    """The texts of a page that people wrote: prose, captions and descriptions of figures."""
    article = document.select_one("article")
    assert article is not None
    for element in [e for e in article.find_all(True) if mark_behind(e) and "cell" not in (e.get("class") or [])]:
        element.decompose()
    for element in article.select(COUNTED):
        element.decompose()
    for element in article.select("figcaption"):
        yield element.get_text(" ")
    for image in article.select("img[alt]"):
        yield str(image["alt"])
    for element in article.select(NOT_WRITTEN):
        element.decompose()
    yield article.get_text(" ")


ACCOUNTED = {
    "book/status": "article table",  # papermill's record
    "book/api": "article dl.py",  # docstrings, whose examples the doctests run, and defaults
}


def from_nowhere(page: str, document: BeautifulSoup) -> list[str]:
    """The numbers in a page's text that nothing accounts for; spoils the document."""
    for element in document.select(ACCOUNTED[page]) if page in ACCOUNTED else ():
        element.decompose()
    known = known_numbers()
    return [
        number
        for text in written(document)
        for number in numbers(text)
        if number not in known and number.split()[0] not in known and (page, number) not in WRITTEN
    ]


@pytest.mark.parametrize("page", PAGES)
def test_no_number_in_a_text_comes_from_nowhere(html: Path, page: str) -> None:
    assert from_nowhere(page, parsed(html, page)) == []


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_no_number_in_the_words_of_a_cell_comes_from_nowhere(page: str) -> None:
    """A string in code can be printed into a table, where it would look like a result."""
    found = [
        number
        for cell in executed_cells(page)
        for node in ast.walk(ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.MULTILINE)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for number in numbers(node.value)
        if number not in known_numbers() and (page, number) not in WRITTEN
    ]
    assert found == []


def typed_results(cell: str) -> list[float]:
    """The numbers in code that are too exact for a setting, which has one digit or two.

    >>> typed_results("x = [0.15, 100.0, 98.7]")
    [98.7]
    """
    tree = ast.parse(re.sub(r"^%.*$", "", cell, flags=re.MULTILINE))
    literals = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [x for x in literals if isinstance(x, float) and len(repr(x).replace(".", "").strip("0")) > 2]


@pytest.mark.parametrize("page", NOTEBOOKS[3:])  # the chapters about the method calculate with examples
def test_no_number_in_code_looks_like_a_result(page: str) -> None:
    assert [number for cell in executed_cells(page) for number in typed_results(cell.source)] == []


def into_a_paragraph(document: BeautifulSoup) -> Tag:
    return document.select("article section > p")[0]


def into_a_heading(document: BeautifulSoup) -> Tag:
    return document.select("article h2")[0]


def into_a_caption(document: BeautifulSoup) -> Tag:
    return document.select("article figcaption p")[0]


def into_a_solution(document: BeautifulSoup) -> Tag:
    return document.select("article details.sd-dropdown p")[0]


@pytest.mark.parametrize("place", [into_a_paragraph, into_a_heading, into_a_caption, into_a_solution])
@pytest.mark.parametrize("words", ["it scores 97.31 now", "it scores 97.31 %", "it saves 41 percent", "16% are silent"])
def test_a_number_that_somebody_types_is_found(html: Path, place: Callable[[BeautifulSoup], Tag], words: str) -> None:
    document = parsed(html, "notebooks/07_accuracy")
    place(document).append(words)
    (number,) = set(from_nowhere("notebooks/07_accuracy", document))
    assert number.replace(" ", "") in words.replace(" ", "")


def test_every_reason_is_still_needed(html: Path) -> None:
    there = {(page, number) for page in PAGES for text in written(parsed(html, page)) for number in numbers(text)}
    assert there >= WRITTEN.keys()


# book/marks.py itself


def test_the_record_becomes_a_mark_behind_its_cell() -> None:
    about = new_output("display_data", data={MIME: ["paper/layers.csv"]})
    shown = new_output("stream", name="stdout", text="1")
    cells = [new_code_cell("1", outputs=[shown, about]), new_code_cell("2", outputs=[about]), new_code_cell("3")]
    notebook = new_notebook(cells=cells)
    marks.add(notebook)
    nbformat.validate(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["code", "markdown", "code", "code"]
    assert [len(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"] == [1, 0, 0]
    assert "../data/paper/layers.csv" in notebook.cells[1].source
    assert "\n\n" not in notebook.cells[1].source, "a blank line ends a block of HTML in Markdown"


def commands(mark: str) -> list[str]:
    return [code.get_text() for code in BeautifulSoup(mark, "html.parser").select("code.again")]


@pytest.mark.parametrize("path", sorted(paths.results_directory().glob("*.json")), ids=lambda path: path.stem)
def test_the_command_of_a_mark_makes_the_same_configuration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, asked = results.read(path), []

    def run_together(configs: list[TrainingConfig], *, release: bool, at_once: int, device: str | None) -> list[Result]:
        asked.append((configs, release))
        return [result]

    monkeypatch.setattr(experiment, "run_together", run_together)
    (line,) = commands(marks.mark(result.used_files))
    assert cli.main(shlex.split(line)[1:]) == 0
    assert asked == [([result.config], True)]


def test_a_mark_says_where_a_result_comes_from() -> None:
    result = results.read_all()[0]
    text = BeautifulSoup(marks.mark(result.used_files), "html.parser").get_text()
    made = {key: str(value) for key, value in result.made.items()}
    facts = [result.config.hash[:8], made["commit"][:12], made["date"][:10], made["torch"], made["python"]]
    assert all(fact in text for fact in facts)
    assert "its weights were run" not in text
    assert "its weights were run" in marks.mark(result.run_on("test"))


def test_a_search_file_is_listed_with_the_command_that_makes_it() -> None:
    shared, own = degree_search.stored(degree_search.SEARCHES[0][0])
    assert shared and own
    mark = marks.mark(used_files.names(shared, own[0]))
    text = BeautifulSoup(mark, "html.parser").get_text()
    assert "made from 2 search files" in text and "T = 16, weights that all degrees share, seed 0" in text
    assert commands(mark)[0].startswith("tqttfs search '784-400-400-10' --dataset fashion-mnist --time-steps 16")


def test_conventional_networks_and_weights_of_few_bits_have_their_own_commands() -> None:
    stored = next(iter(conventional.released().values()))
    mark = marks.mark(used_files.names(stored))
    assert commands(mark) == [conventional.COMMAND]
    assert f'"../data/{stored[0].used_files[0]}"' in mark and "learning rate" in mark
    _, measured = bit_widths.released()[0]
    assert commands(marks.mark(measured.used_files)) == [bit_widths.COMMAND]


def test_random_settings_of_a_network_are_listed_together() -> None:
    searches, _ = random_search.stored()
    mark = marks.mark(searches[0].used_files)
    assert commands(mark) == [random_search.COMMAND] * 2  # one for each side
    assert mark.count("<a href=") == len(searches[0].used_files) > 2 and mark.count("random settings") == 2


def test_a_file_of_an_unknown_folder_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no mark knows what makes elsewhere/one\.json"):
        marks.mark(["elsewhere/one.json"])


def test_many_results_are_listed_by_configuration() -> None:
    stored = results.read_all()
    mark = marks.mark(used_files.names(stored))
    assert len(commands(mark)) == len({replace(result.config, seed=0) for result in stored})
    assert any("--seed 0,1" in line for line in commands(mark))
    assert mark.count("<a href=") == len(stored)
    assert len(commands(marks.mark(used_files.names(stored[: marks.FEW])))) == marks.FEW


def test_a_result_that_is_gone_is_an_error() -> None:
    with pytest.raises(ResultError, match="missing"):
        marks.mark(["results/nothing.json"])

"""The outputs in the committed notebooks are those that the notebooks give: figures, tables, texts.

The notebooks' last execution, which the book is built from, is compared with the committed one.
"""

import base64
import io
import re
from math import isclose
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from book.refresh import COMMITTED, EXECUTED, cleaned
from tests.conftest import missing
from tqttfs_lite.report import style

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
# What may differ between two runs: addresses, durations, dates, and the ids that pandas makes up.
VARYING = re.compile(
    r"\b0x[0-9a-fA-F]{6,16}|\b\d+min \d+(\.\d+)? ?s\b|\b\d+(\.\d+)? ?(s|ms|µs|ns|seconds|minutes|min)\b"
    r"|\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?(Z|[+-]\d\d:?\d\d)?|\bT_[0-9a-f]{5,}"
)
PICTURE = re.compile(r"data:image/png;base64,([\sA-Za-z0-9+/=]+)")


def texts(path: Path) -> list[str]:
    """What each cell says, of those that say the same in every run; for a figure only that it is there."""
    cells = [cell for cell in cleaned(nbformat.read(path, as_version=4)).cells if cell.cell_type == "code"]
    said = [cell.outputs for cell in cells if "nbval-ignore-output" not in cell.metadata.get("tags", [])]
    return [VARYING.sub("...", "".join(map(text, outputs))) for outputs in said]


def text(output: nbformat.NotebookNode) -> str:
    if "data" not in output:
        return str(output.get("text", output))
    return "".join(f"{kind}: {'' if 'svg' in kind else content}\n" for kind, content in sorted(output.data.items()))


def executed(committed: Path) -> Path:
    if not (path := EXECUTED / committed.name).is_file():
        missing("the notebooks are not executed: run `make book`")
    return path


def figures(path: Path) -> list[str]:
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    return [output.data["image/svg+xml"] for output in outputs if "image/svg+xml" in output.get("data", {})]


def difference(one: str, other: str) -> str:
    """The first place in which two SVG files do not look alike; empty where there is none.

    Coordinates may differ by a tenth of a point and pictures by two of 255 shades, which no eye sees.
    """
    pictures = [PICTURE.findall(svg) for svg in (one, other)]
    for encoded in zip(*pictures, strict=False):
        before, after = (np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))).astype(int) for png in encoded)
        if before.shape != after.shape or abs(before - after).max() > 2:
            return "another picture"
    drawn = [renamed(PICTURE.sub("", re.sub(r"(?s)<metadata>.*?</metadata>", "", svg))) for svg in (one, other)]
    words, numbers = ([read(svg) for svg in drawn] for read in (NUMBER.split, NUMBER.findall))
    for before, after in zip(*words, strict=False):
        if before != after:
            return f"{before!r} is now {after!r}"
    if len(words[0]) != len(words[1]):
        return "another number of elements"
    moved = [pair for pair in zip(*numbers, strict=True) if not isclose(*map(float, pair), abs_tol=0.1, rel_tol=0)]
    return "{} is now {}".format(*moved[0]) if moved else ""


def renamed(svg: str) -> str:
    """With its elements named in their order: matplotlib's names are sums of all the digits of their coordinates."""
    names: dict[str, str] = {}
    return re.sub(r'(\bid="|href="#|url\(#)([^")]+)', lambda m: m[1] + names.setdefault(m[2], str(len(names))), svg)


each_notebook = pytest.mark.parametrize("committed", sorted(COMMITTED.glob("*.ipynb")), ids=lambda path: path.stem)


@each_notebook
def test_what_a_committed_notebook_says_is_what_it_says_when_it_runs(committed: Path) -> None:
    known, found = texts(committed), texts(executed(committed))
    assert found == known, "`make notebooks` renews it"


def test_a_number_that_changes_is_seen_and_a_duration_is_not(tmp_path: Path) -> None:
    def notebook(name: str, printed: str) -> Path:
        output = nbformat.v4.new_output("stream", name="stdout", text=printed)
        cell = nbformat.v4.new_code_cell("print()", outputs=[output])
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path := tmp_path / name)
        return path

    committed = texts(notebook("a.ipynb", "97.31 % in 1.5 s"))
    assert texts(notebook("b.ipynb", "97.31 % in 0.25 s")) == committed
    assert texts(notebook("c.ipynb", "97.32 % in 1.5 s")) != committed


@each_notebook
def test_a_committed_figure_is_the_one_that_its_notebook_draws(committed: Path) -> None:
    known, drawn = figures(committed), figures(executed(committed))
    assert len(known) == len(drawn)
    for number, pair in enumerate(zip(known, drawn, strict=True), 1):
        found = difference(*pair)
        assert not found, f"figure {number} of {committed.name} has changed, {found}: `make notebooks` renews it"


def drawn(height: float = 0.5, color: str = "C0", label: str = "a", shade: float = 0.2, points: int = 3) -> str:
    with mpl.rc_context(style.STYLE):
        figure = Figure(figsize=(2, 2))
        line, picture = figure.subplots(1, 2)
        line.plot(range(points), [0.0, *[height] * (points - 2), 1.0], "o-", color=color, label=label)
        line.set(ylim=(0, 1))
        line.legend()
        picture.imshow([[0.0, shade], [shade, 1.0]], vmin=0, vmax=1, interpolation="none")
        figure.savefig(file := io.StringIO(), format="svg")
    return file.getvalue()


@pytest.mark.parametrize(
    "other", [{"height": 0.51}, {"color": "C1"}, {"label": "b"}, {"shade": 0.25}, {"points": 4}], ids=str
)
def test_a_figure_of_other_data_is_another_figure(other: dict[str, object]) -> None:
    assert difference(drawn(), drawn(**other))


def test_the_last_digits_of_a_coordinate_are_no_difference() -> None:
    assert drawn() != drawn(height=0.5 + 1e-6)
    assert difference(drawn(), drawn(height=0.5 + 1e-6)) == ""

"""The figures in the committed notebooks are those that the notebooks draw.

nbval compares all other outputs but takes every SVG for the same one, since coordinates differ in the last digits
between machines.  Here the notebooks' last execution, which the book is built from, is compared with the committed one.
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

from book.refresh import COMMITTED, EXECUTED
from tests.conftest import missing
from tqttfs_lite.report import style

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
PICTURE = re.compile(r"data:image/png;base64,([\sA-Za-z0-9+/=]+)")


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


@pytest.mark.parametrize("committed", sorted(COMMITTED.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_committed_figure_is_the_one_that_its_notebook_draws(committed: Path) -> None:
    executed = EXECUTED / committed.name
    if not executed.is_file():
        missing("the notebooks are not executed: run `make book`")
    known, drawn = figures(committed), figures(executed)
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

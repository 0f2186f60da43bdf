"""The page of symbols has every symbol of the chapters' numbered equations."""

import re
from itertools import chain

import nbformat
import pytest

from tqttfs_lite.experiments import paths

PAGE = (paths.REPOSITORY / "book" / "symbols.md").read_text("utf-8")
EQUATION = re.compile(r"^```\{math\}\n:label: (\S+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What is set and is no symbol: environments, words, the names of functions.
WORDS = re.compile(r"\\(?:text|operatorname\*?|begin|end|label)\{[^}]*\}")
SYMBOL = re.compile(
    r"(?P<tilde>\\tilde )?(?P<base>\\[A-Za-z]+|FLOPs|[A-Za-z])(?P<star>\^\*)?(?:_(?P<below>\{\w+\}|\w))?"
)
# Commands that are layout, operators, or constants that every reader knows; e is one too.
LAYOUT = {r"\left", r"\right", r"\big", r"\bigl", r"\bigr", r"\Big", r"\frac", r"\tfrac", r"\quad", r"\qquad"}
OPERATORS = {r"\sum", r"\prod", r"\log", r"\arctan", r"\partial", r"\le", r"\ge", r"\in", r"\bmod", r"\cdot"}
KNOWN = LAYOUT | OPERATORS | {r"\to", r"\min", r"\leftarrow", r"\Longrightarrow", r"\propto", r"\pi", "e"}


def symbols(tex: str) -> set[str]:
    """The symbols of a formula; a subscript counts where it is a word, a number, or l, the layer.

    Other subscripts are symbols of their own.
    """
    found = set()
    for match in SYMBOL.finditer(WORDS.sub(" ", tex)):
        below = (match["below"] or "").strip("{}")
        named = match["base"] not in KNOWN and (below.isdigit() or below == "l" or len(below) > 1) and below != "ji"
        found.add((match["tilde"] or "") + match["base"] + (match["star"] or "") + (f"_{below}" if named else ""))
        if below and not named:
            found.update(below)
    return found - KNOWN


def equations() -> dict[str, str]:
    """Every numbered equation of the chapters, by its label."""
    cells = chain.from_iterable(
        nbformat.read(path, as_version=4).cells for path in sorted((paths.REPOSITORY / "notebooks").glob("*.ipynb"))
    )
    return {
        label: tex for cell in cells if cell.cell_type == "markdown" for label, tex in EQUATION.findall(cell.source)
    }


def explained() -> set[str]:
    """The symbols in the first column of the tables."""
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| $")]
    return set().union(*(symbols(tex) for row in rows for tex in re.findall(r"\$([^$]+)\$", row)))


def test_symbols_are_told_apart_by_their_tildes_stars_and_names_below() -> None:
    assert symbols(r"\tilde S_i[k] = \frac{1}{2} V_{reset} \alpha_l t^* \text{ of } W_{ji}^l") == {
        r"\tilde S", "i", "k", "V_reset", r"\alpha_l", "t^*", "W", "j", "l"
    }  # fmt: skip


def test_there_are_equations() -> None:
    assert len(equations()) >= 28


@pytest.mark.parametrize("label", equations())
def test_every_symbol_of_a_numbered_equation_is_explained(label: str) -> None:
    assert symbols(equations()[label]) - explained() == set()


def test_every_row_says_where_its_symbol_is_defined_and_by_whom() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| $")]
    for symbol, _, meaning, where, source in rows:
        assert meaning and source and "../notebooks/" in where, symbol


TERMS = """IF neuron, TTFS, TQ-TTFS, SMLP, SCNN, silent image, inference time steps, decision step, synaptic operation,
FLOPs, recipe, baseline, passed on, mean field, causal count, latency"""


@pytest.mark.parametrize("term", re.split(r",\s", TERMS))
def test_every_term_is_explained(term: str) -> None:
    heads = re.findall(r"^(\S.*)\n  \S", PAGE.partition("```{glossary}")[2], re.MULTILINE)
    assert term in ", ".join(heads).split(", ")

"""A Sphinx extension: the bibliography names its entries as the text does, "Yang et al., 2024" instead of a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from string import ascii_lowercase
from typing import Any

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style
from pybtex.style.labels import BaseLabelStyle

NAME = "author_year"


def label(entry: Entry) -> str:
    """The authors' last names, at most two of them, and the year."""
    latex = (" ".join(person.prelast_names + person.last_names) for person in entry.persons["author"])
    names = [str(Text.from_latex(name)) for name in latex]
    return f"{' and '.join(names) if len(names) < 3 else f'{names[0]} et al.'}, {entry.fields['year']}"


class AuthorYearLabels(BaseLabelStyle):
    """Labels of entries; those of the same authors and year get a letter each."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        labels = [label(entry) for entry in sorted_entries]
        total, seen = Counter(labels), Counter[str]()
        for text in labels:
            yield text + (ascii_lowercase[seen[text]] if total[text] > 1 else "")
            seen[text] += 1


class AuthorYearStyle(Style):
    """The plain style with these labels."""

    default_label_style = NAME


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    register_plugin("pybtex.style.labels", NAME, AuthorYearLabels)
    register_plugin("pybtex.style.formatting", NAME, AuthorYearStyle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

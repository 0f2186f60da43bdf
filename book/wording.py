"""Words and Markdown that several of the written pages share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tqttfs_lite.paper.seed_statistics import Spread


def seeds(count: int) -> str:
    """The number with its noun.

    >>> seeds(1), seeds(5)
    ('1 seed', '5 seeds')
    """
    return f"{count} seed" if count == 1 else f"{count} seeds"


def listed(items: Sequence[str]) -> str:
    """The items as a sentence has them.

    >>> listed([]), listed(["a"]), listed(["a", "b", "c"])
    ('', 'a', 'a, b and c')
    """
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def interval(saved: Spread) -> str:
    """A mean with its 95 % interval, where there is one.

    >>> from tqttfs_lite.paper.seed_statistics import spread
    >>> interval(spread([1.0, 3.0])), interval(spread([1.0]))
    ('2.0 (-10.7 to 14.7)', '1.0')
    """
    ends = saved.interval_text(1)
    return f"{saved.mean:.1f}" + (f" ({ends})" if ends else "")


def rows(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table in which no line ends within 0.1 ± 0.2 or 1-2-4.

    >>> print(rows(["degrees"], [["SMLP 1-2"]]))
    | degrees |
    | --- |
    | SMLP 1‑2 |
    """
    whole = [[re.sub(r"(?<=\d)-(?=\d)", "\N{NON-BREAKING HYPHEN}", cell) for cell in line] for line in body]
    whole = [[cell.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}") for cell in line] for line in whole]
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *whole])


def folded(title: str, content: str) -> str:
    """Content that a reader opens; empty where there is none."""
    return f":::{{dropdown}} {title}\n{content}\n:::" if content else ""

"""What is changed in every built page: mends of the theme for assistive technology, and tags for link previews."""

from __future__ import annotations

import re
from html import escape

from bs4 import BeautifulSoup

# Each is a pattern and what takes its place, under a comment with the rule of axe-core that asks for it.
MENDS = (
    # The search button shows "Search Ctrl+K", which has to be its name: label-content-name-mismatch.
    (r'(<button class="btn search-button-field[^>]*?)\s+aria-label="Search"', r"\1"),
    # The titles of its three icons become text of the button, which is called "Color mode": the same.
    (r'(<i class="theme-switch [^>]*?)\s+title="[^"]*"', r"\1"),
    # A folded cell says "Show code cell output" or "Hide code cell output", and is called something else: the same.
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    # A list may hold list items only, and this one holds anchors too; its items' role is out of use:
    # aria-required-children, aria-deprecated-role.
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
    (r' role="doc-biblioentry"', ""),
    # The corner of a data frame is no header of anything: empty-table-header.
    (r"<th></th>", "<td></td>"),
    # A cell of numbers alone, or of a network's degrees, is told to the style sheet, which keeps it on one line.
    (
        r"<td>(?=(?:S[CM]\w\w |TQ-TTFS, )?[\d.,+±%–− -]*\d(?:[\d.,+±%–− -]|to)*(?: \([\d.–]+\))?</td>)",
        '<td class="number">',
    ),
)
# What the library made.
RESULTS = r'href="\.\./data/(?:results|dials|answers|search|anytime|rankings|fixed_point|conventional)/'
DESCRIPTION_LENGTH = 200  # characters; previews cut longer ones


def mended(page: str) -> str:
    """A page with `MENDS` applied, and its data frames without numbers of rows.

    >>> mended('<summary aria-label="Toggle hidden content">')
    '<summary>'
    """
    page = re.sub(r'<table border="1" class="dataframe">.*?</table>', _without_row_numbers, page, flags=re.DOTALL)
    for pattern, replacement in MENDS:
        page = re.sub(pattern, replacement, page)
    return page


def _without_row_numbers(match: re.Match[str]) -> str:
    """A data frame without the numbers 0, 1, 2, … that pandas gives to rows that have no names."""
    table, named = match[0], r"(<tr[^>]*>\s*)<th>(\d*)</th>\s*"
    first, *numbers = [number for _, number in re.findall(named, table)] or [None]
    counted = first == "" and numbers == [str(row) for row in range(table.count("<tr") - 1)]
    return re.sub(named, r"\1", table) if counted else table


def with_preview(page: str, address: str, image: str) -> str:
    """A page with the tags that a link preview is made of (https://ogp.me).

    The title and the first paragraph are the page's own.  `address` is the page's absolute address and `image` that of
    a picture; where the book has no public address both are empty and left out, since they may not be relative.
    A page without a title or a paragraph is returned as it is.
    """
    document = BeautifulSoup(page, "html.parser")
    article = document.select_one("article")
    title = article and article.select_one("h1")
    paragraph = article and article.select_one("section > p")
    if not title or not paragraph:
        return page
    for link in title.select(".headerlink"):
        link.decompose()
    description = shortened(" ".join(paragraph.get_text().split()))
    tags = {
        "og:type": "article",
        "og:title": title.get_text().strip(),
        "og:description": description,
        "og:url": address,
        "og:image": image,
    }
    lines = [f'<meta property="{key}" content="{escape(value)}" />' for key, value in tags.items() if value]
    lines.append(f'<meta name="description" content="{escape(description)}" />')
    return page.replace("</head>", "\n".join(["", *lines, "</head>"]), 1)


def with_flag(page: str, flag: str) -> str:
    """A page that links to results, with the flag beneath its title and a link to the status page; others as they are.

    >>> print(with_flag('<h1>One</h1> <a href="../data/results/one.json">', "The library has changed."))
    <h1>One</h1>
    <div class="flag" role="note">The library has changed. <a href="../book/status.html#the-numbers">Status</a></div>
     <a href="../data/results/one.json">
    """
    if not flag or not re.search(RESULTS, page):
        return page
    line = f'<div class="flag" role="note">{escape(flag)} <a href="../book/status.html#the-numbers">Status</a></div>'
    return page.replace("</h1>", f"</h1>\n{line}\n", 1)


def redirect(target: str, page: str) -> str:
    """A page that leads on to `target`, with the title and the preview of `page`, which is what is found there."""
    document = BeautifulSoup(page, "html.parser")
    told = document.select('title, link[rel="canonical"], meta[property^="og:"], meta[name="description"]')
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8" />',
            *map(str, told),
            f'<meta http-equiv="Refresh" content="0; url={target}" /></head>',
            f'<body><a href="{target}">Go to the book</a></body>',
            "</html>\n",
        ]
    )


def shortened(text: str) -> str:
    """The text, or its beginning up to a whole word and an ellipsis.

    >>> shortened("word " * 100)[-8:]
    'd word …'
    """
    if len(text) <= DESCRIPTION_LENGTH:
        return text
    return text[:DESCRIPTION_LENGTH].rpartition(" ")[0] + " …"

"""What the build changes in a page, on small pages; tests/test_accessibility.py holds the built ones."""

import re

import pytest

from book import build, html_pages
from tqttfs_lite.experiments import paths
from tqttfs_lite.report import result_figures, style

PAGE = """<html><head><title>T</title></head><body><article><section><h1>A "title"<a class="headerlink">#</a></h1>
<p>First,\n<em>here</em>.</p><p>Second.</p></section></article></body></html>"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '<button class="btn search-button-field x"\n title="Search"\n aria-label="Search"\n data-y="z">',
            '<button class="btn search-button-field x"\n title="Search"\n data-y="z">',
        ),
        (
            '<i class="theme-switch fa-sun" data-mode="light" title="Light"></i>',
            '<i class="theme-switch fa-sun" data-mode="light"></i>',
        ),
        ('<div role="list" class="citation-list">', '<div class="citation-list">'),
        ("<th></th>", "<td></td>"),
        ("<td>SCNN 1-2-2-4-4</td>", '<td class="number">SCNN 1-2-2-4-4</td>'),
        ("<td>SMLP of 2024</td>", "<td>SMLP of 2024</td>"),
        ("<td>98.70 ± 0.05</td>", '<td class="number">98.70 ± 0.05</td>'),
        ("<td>-0.05 to 0.45</td>", '<td class="number">-0.05 to 0.45</td>'),
        ("<td>1.45 (1.40–1.48)</td>", '<td class="number">1.45 (1.40–1.48)</td>'),
        ("<td>1, 2, … to 8</td>", "<td>1, 2, … to 8</td>"),
        ("<td>784-400(1)-10(2)</td>", "<td>784-400(1)-10(2)</td>"),
        ("<td></td>", "<td></td>"),
    ],
)
def test_a_page_is_mended(before: str, after: str) -> None:
    assert html_pages.mended(before) == after


def frame(*names: str, header: str = "") -> str:
    rows = "".join(f"<tr>\n<th>{name}</th>\n<td>x</td></tr>" for name in names)
    return (
        f'<table border="1" class="dataframe"><thead><tr style="s">\n<th>{header}</th>\n<th>a</th></tr>{rows}</table>'
    )


def test_rows_without_names_lose_their_numbers() -> None:
    assert "<th>0</th>" not in html_pages.mended(frame("0", "1", "2"))
    assert "<th>a</th>" in html_pages.mended(frame("0", "1", "2"))
    assert html_pages.mended(frame("0", "1")).count("<td>x</td>") == 2


@pytest.mark.parametrize("table", [frame("1", "2"), frame("0", "2"), frame("0", "1", header="t"), frame("conv", "0")])
def test_rows_with_names_keep_them(table: str) -> None:
    assert html_pages.mended(table).count("<tr") == table.count("<tr")
    assert html_pages.mended(table).count("<th>") + html_pages.mended(table).count("<td>") == table.count(
        "<th>"
    ) + table.count("<td>")


def tags(page: str) -> dict[str, str]:
    return dict(re.findall(r'<meta (?:property|name)="([\w:]+)" content="([^"]*)" />', page))


def test_a_preview_has_the_pages_own_words_and_no_address_without_one() -> None:
    found = tags(html_pages.with_preview(PAGE, "", ""))
    assert found == {
        "og:type": "article",
        "og:title": "A &quot;title&quot;",
        "og:description": "First, here.",
        "description": "First, here.",
    }


def test_a_preview_has_a_picture_where_the_book_has_an_address() -> None:
    found = tags(html_pages.with_preview(PAGE, "https://book.org/a.html", "https://book.org/_static/findings.png"))
    assert found["og:image"] == "https://book.org/_static/findings.png"
    assert found["og:url"] == "https://book.org/a.html"


def test_a_page_without_a_paragraph_is_left_alone() -> None:
    assert html_pages.with_preview("<head></head>", "", "") == "<head></head>"


def test_the_colours_of_the_pages_are_those_of_the_figures() -> None:
    css = (paths.REPOSITORY / "book" / "_static" / "custom.css").read_text("utf-8")
    names = "primary|link|secondary|accent|inline-code-links"
    used = {colour.upper() for colour in re.findall(rf"--pst-color-(?:{names}): (#\w+);", css)}
    palette = {colour.upper() for colour in [*style.COLORS.values(), *result_figures.LAYERS]}
    assert used and used <= palette


@pytest.mark.parametrize("page", ['<h1>T</h1> <a href="../data/paper/claims.csv">', "<h1>T</h1> <p>data/results/</p>"])
def test_a_page_without_results_has_no_flag(page: str) -> None:
    assert html_pages.with_flag(page, "It has changed.") == page


@pytest.mark.parametrize("folder", sorted({*build.LINKED} - {"data/benchmarks"}))
def test_a_page_with_what_the_library_made_has_a_flag(folder: str) -> None:
    assert 'class="flag"' in html_pages.with_flag(f'<h1>T</h1> <a href="../{folder}/one.json">', "It has changed.")


def test_without_anything_to_say_there_is_no_flag() -> None:
    page = '<h1>T</h1> <a href="../data/dials/one.csv">'
    assert html_pages.with_flag(page, "") == page
    assert html_pages.with_flag(page, "a < b").count("a &lt; b") == 1

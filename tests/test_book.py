"""The built book: pages are there, links lead somewhere, figures have words, nothing loads from elsewhere."""

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag

from book import build, citing

PAGES = build.toc_pages(build.REPOSITORY / "book" / "_toc.yml")
NOTEBOOKS = [page for page in PAGES if page.startswith("notebooks/")]

# What a browser loads by itself, as opposed to where a reader may click.
LOADED = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
    "embed": "src",
}
NOT_LOADED = {"canonical", "author", "license"}  # a <link> with one of these is metadata


@pytest.fixture(scope="module")
def documents(html: Path) -> dict[Path, BeautifulSoup]:
    """Every HTML file, parsed."""
    return {
        path: BeautifulSoup(path.read_text("utf-8"), "html.parser")
        for path in sorted(html.rglob("*.html"))
        if "_static" not in path.parts
    }


def is_elsewhere(address: str) -> bool:
    return bool(urlsplit(address).netloc)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_the_toc_is_built(html: Path, page: str) -> None:
    assert (html / f"{page}.html").is_file()


def test_the_parts_of_the_crate_are_published(html: Path) -> None:
    assert [part for part in ("ro-crate-metadata.json", *citing.PARTS) if not (html / part).exists()] == []


def test_the_front_page_leads_into_the_book(documents: dict[Path, BeautifulSoup], html: Path) -> None:
    (refresh,) = documents[html / "index.html"].select('meta[http-equiv="Refresh" i]')
    assert str(refresh["content"]).partition("url=")[2].strip() == f"{PAGES[0]}.html"


def test_pages_load_nothing_from_elsewhere(documents: dict[Path, BeautifulSoup], html: Path) -> None:
    found = [
        f"{path.relative_to(html)}: {tag.name} {tag[attribute]}"
        for path, document in documents.items()
        for name, attribute in LOADED.items()
        for tag in document.find_all(name, **{attribute: True})
        if is_elsewhere(str(tag[attribute])) and not NOT_LOADED & set(tag.get("rel") or [])
    ]
    assert not found


@pytest.mark.parametrize(
    ("suffix", "pattern"),
    [
        ("css", r"""url\(\s*["']?(?:https?:)?//|@import\s+["'](?:https?:)?//"""),
        ("html", r"""url\(\s*["']?(?:https?:)?//|@import\s+["'](?:https?:)?//"""),
        ("html", r"""\b(?:import|from)\s*\(?\s*["'](?:https?:)?//"""),
        ("js", r"""\b(?:import|from)\s*\(?\s*["'](?:https?:)?//"""),
    ],
)
def test_styles_and_scripts_import_nothing_from_elsewhere(html: Path, suffix: str, pattern: str) -> None:
    files = list(html.rglob(f"*.{suffix}"))
    assert files
    found = [path for path in files if re.search(pattern, path.read_text("utf-8"))]
    assert not found


def test_every_internal_link_and_anchor_leads_somewhere(documents: dict[Path, BeautifulSoup], html: Path) -> None:
    anchors = {
        path: {str(tag.get("id") or tag.get("name")) for tag in document.find_all(id=True)}
        | {str(tag["name"]) for tag in document.find_all("a", attrs={"name": True})}
        for path, document in documents.items()
    }

    def is_broken(path: Path, address: str) -> bool:
        parts = urlsplit(address)
        if parts.scheme in {"http", "https", "mailto", "data", "javascript"} or parts.netloc:
            return False
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if parts.scheme or html.resolve() not in target.parents or not target.is_file():
            return True
        return bool(parts.fragment) and target in anchors and unquote(parts.fragment) not in anchors[target]

    found = [
        f"{path.relative_to(html)}: {tag.name} {tag[attribute]}"
        for path, document in documents.items()
        for name, attribute in {**LOADED, "a": "href"}.items()
        for tag in document.find_all(name, **{attribute: True})
        if tag[attribute] != "#" and is_broken(path, str(tag[attribute]))
    ]
    assert not found


def test_every_figure_says_in_words_what_it_shows(documents: dict[Path, BeautifulSoup], html: Path) -> None:
    def is_silent(image: Tag) -> bool:
        # An image without alternative text gets its own file name from docutils.
        text = str(image.get("alt") or "").strip()
        return not text or Path(text).name == Path(str(image["src"])).name

    found = [
        f"{path.relative_to(html)}: {image['src']}"
        for path, document in documents.items()
        for image in document.find_all("img")
        if is_silent(image)
    ]
    assert not found, "give the cell metadata mystnb.image.alt"


def test_hosts_that_hide_folders_with_an_underscore_show_styles_and_figures(html: Path) -> None:
    assert (html / "_static").is_dir()
    assert (html / ".nojekyll").is_file()


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_the_download_is_the_executed_notebook(html: Path, documents: dict[Path, BeautifulSoup], page: str) -> None:
    (button,) = documents[html / f"{page}.html"].select("a.btn-download-source-button")
    downloaded = (html / f"{page}.html").parent / str(button["href"])
    assert json.loads(downloaded.read_text("utf-8"))["metadata"]["papermill"]["end_time"]


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_the_status_page_lists_the_notebook(html: Path, documents: dict[Path, BeautifulSoup], page: str) -> None:
    status = documents[html / "book" / "status.html"]
    assert any(str(link["href"]).endswith(f"{page}.html") for link in status.select("article table a[href]"))


# book/build.py itself


def write_notebook(path: Path, source: str, **papermill: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [nbformat.v4.new_markdown_cell("# A title"), nbformat.v4.new_code_cell(source)]
    language = {"name": "python", "version": "3.11"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"language_info": language})
    if papermill:
        injected = nbformat.v4.new_code_cell("seed = 1", metadata={"tags": ["injected-parameters"]})
        notebook.cells.insert(1, injected)
        notebook.metadata.papermill = papermill
    nbformat.write(notebook, path)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one notebook."""
    monkeypatch.setattr(build, "REPOSITORY", tmp_path)
    monkeypatch.setattr(build, "EXECUTED", tmp_path / "_build" / "notebooks")
    write_notebook(tmp_path / "notebooks" / "one.ipynb", "x = 1")
    return tmp_path


RUN = {"start_time": "2026-01-02T03:04:05+00:00", "end_time": "2026-01-02T03:04:07+00:00", "duration": 2.0}


def test_an_execution_is_read_from_papermills_record(repository: Path) -> None:
    write_notebook(repository / "_build/notebooks/one.ipynb", "x = 1", **RUN, exception=None)
    execution = build.read_execution("notebooks/one")
    assert (execution.title, execution.seconds, execution.cells) == ("A title", 2.0, 1)


@pytest.mark.parametrize(
    ("source", "papermill", "complaint"),
    [
        ("x = 1", {**RUN, "exception": True}, "failed or was interrupted"),
        ("x = 1", {**RUN, "end_time": None}, "failed or was interrupted"),
        ("x = 1", {}, "failed or was interrupted"),
        ("x = 2", RUN, "has changed since it was executed"),
    ],
)
def test_an_execution_that_proves_nothing_is_refused(
    repository: Path, source: str, papermill: dict[str, object], complaint: str
) -> None:
    write_notebook(repository / "_build/notebooks/one.ipynb", source, **papermill)
    with pytest.raises(build.BookError, match=complaint):
        build.read_execution("notebooks/one")


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ([], "executed without its figures fig-one"),
        ([nbformat.v4.new_output("stream", name="stderr", text="Agg is non-interactive")], "executed without its"),
        ([nbformat.v4.new_output("stream", name="stdout", text="not trained yet")], ""),
        ([nbformat.v4.new_output("display_data", {"image/svg+xml": "<svg/>"})], ""),
    ],
)
def test_a_figure_is_there_or_the_cell_says_why_not(
    repository: Path, output: list[nbformat.NotebookNode], complaint: str
) -> None:
    path = repository / "_build/notebooks/one.ipynb"
    write_notebook(path, "x = 1", **RUN)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].metadata["mystnb"] = {"figure": {"name": "fig-one"}}
    notebook.cells[-1].outputs = output
    nbformat.write(notebook, path)
    if complaint:
        with pytest.raises(build.BookError, match=complaint):
            build.read_execution("notebooks/one")
    else:
        assert build.read_execution("notebooks/one").cells == 1


def test_a_missing_notebook_and_a_missing_execution_are_told_apart(repository: Path) -> None:
    with pytest.raises(build.BookError, match="has not been executed: run `make book`"):
        build.read_execution("notebooks/one")
    with pytest.raises(build.BookError, match="no such notebook"):
        build.read_execution("notebooks/two")


def test_a_page_that_did_not_come_out_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "HTML", tmp_path)
    (tmp_path / "index.html").touch()
    with pytest.raises(build.BookError, match=r"did not write book/intro\.html$"):
        build.check_html(["book/intro"])


@pytest.mark.parametrize("text", ["no mark", "<!-- m --> and <!-- m -->"])
def test_a_page_without_its_one_mark_is_refused(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    with pytest.raises(build.BookError, match=r"page\.md needs the line <!-- m --> once"):
        build.fill(page, "<!-- m -->", "")
    page.write_text("before <!-- m -->", "utf-8")
    build.fill(page, "<!-- m -->", "after")
    assert page.read_text("utf-8") == "before after"

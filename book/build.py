"""Build the book from the executed notebooks: stage the sources, fill in what is made from data, build, check.

    python -m book.build        `make book` puts the executed notebooks into _build/notebooks and calls this

The sources are staged into `_build/book-source` in the repository's own layout, with the executed notebooks
in place of the committed ones, so that a relative link means the same in the repository and in the book.
Nothing is executed here.  The pages come out in `_build/html`; a warning of Sphinx, a notebook without a
complete execution, and a page that did not come out are errors.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import files, version
from pathlib import Path
from typing import Any

import nbformat
import yaml

from book import (
    citing,
    claims,
    compared,
    core_hours,
    findings,
    how_to_run,
    html_pages,
    interactive,
    last_verified,
    letter,
    marks,
    plan,
    publishing,
    since_2024,
)
from book.compared import FindingsError
from book.publishing import Site
from tqttfs_lite.errors import DatasetError, ResultError
from tqttfs_lite.experiments import datasets, experiment, paths, results
from tqttfs_lite.paper import reported, seed_statistics, verification

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / "_build"
EXECUTED = BUILD / "notebooks"
STAGE = BUILD / "book-source"
HTML = BUILD / "html"
STATUS_MARK = "<!-- status table -->"
NUMBERS_MARK = "<!-- numbers -->"
LINKED = (
    "data/results",
    "data/dials",
    "data/answers",
    "data/search",
    "data/anytime",
    "data/conventional",
    "data/rankings",
    "data/fixed_point",
    "data/benchmarks",
)  # by the pages and by their marks
FINDINGS_MARK = "<!-- findings -->"
VERIFIED = BUILD / "verified.json"
PREVIEW = f"_static/{findings.PREVIEW}"  # the picture of a link preview, seen from the book's root


class BookError(Exception):
    """What keeps the book from being built, in a sentence for whoever builds it."""


@dataclass(frozen=True)
class Execution:
    """What papermill recorded about the run of one notebook."""

    page: str
    """The page in the table of contents, as in `notebooks/01_coding`."""
    title: str
    started: datetime
    seconds: float
    cells: int
    python: str


def toc_pages(toc: Path) -> list[str]:
    """The pages that a table of contents names, in reading order, as paths without a suffix."""
    pages: list[str] = []

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            pages.extend(str(node[key]) for key in ("root", "file") if key in node)
            for key in ("parts", "chapters", "sections"):
                visit(node.get(key))
        elif isinstance(node, list):
            for child in node:
                visit(child)

    visit(yaml.safe_load(toc.read_text("utf-8")))
    return pages


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The code cells that an author wrote: all but the one that papermill injects for `-p`."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
    ]


def lacks_figure(cell: nbformat.NotebookNode) -> bool:
    """Whether an executed cell that is to draw shows neither its figure nor, in words, why there is none."""
    drawn = any("image/svg+xml" in output.get("data", {}) or output.get("name") == "stdout" for output in cell.outputs)
    return "figure" in cell.metadata.get("mystnb", {}) and not drawn


def read_execution(page: str) -> Execution:
    """The record of `page`'s execution.

    Raises:
        BookError: the executed copy is missing, incomplete, failed, not a run of the committed notebook, or without
            one of its figures.
    """
    executed, source = EXECUTED.parent / f"{page}.ipynb", REPOSITORY / f"{page}.ipynb"
    if not source.exists():
        raise BookError(f"{page}.ipynb: the table of contents names it, but there is no such notebook")
    if not executed.exists():
        raise BookError(f"{page}.ipynb has not been executed: run `make book`")
    notebook, committed = (nbformat.read(path, as_version=4) for path in (executed, source))
    record = notebook.metadata.get("papermill", {})
    if record.get("exception") or not record.get("end_time"):
        raise BookError(f"{page}.ipynb: its execution failed or was interrupted: run `make book`")
    cells = code_cells(notebook)
    if [cell.source for cell in cells] != [cell.source for cell in code_cells(committed)]:
        raise BookError(f"{page}.ipynb has changed since it was executed: run `make book`")
    if bare := [cell.metadata["mystnb"]["figure"]["name"] for cell in cells if lacks_figure(cell)]:
        raise BookError(f"{page}.ipynb was executed without its figures {', '.join(bare)}: run `make book`")
    headings = (line for cell in notebook.cells for line in cell.source.splitlines() if line.startswith("# "))
    return Execution(
        page=page,
        title=next(headings, f"# {page}").removeprefix("# ").strip(),
        started=datetime.fromisoformat(record["start_time"]).astimezone(UTC),
        seconds=float(record["duration"]),
        cells=len(cells),
        python=notebook.metadata.language_info.version,
    )


def status_table(executions: list[Execution], torch: str) -> str:
    """The executions as a Markdown table, one row each and a row of totals.

    >>> from datetime import datetime
    >>> run = Execution("notebooks/01_coding", "Coding", datetime(2026, 1, 2, 3, 4), 5.06, 7, "3.11.9")
    >>> print(status_table([run], torch="2.0"))
    | notebook | executed (UTC) | seconds | result | Python | PyTorch |
    |---|---|--:|---|---|---|
    | [Coding](../notebooks/01_coding.ipynb) | 2026&#8209;01&#8209;02 03:04 | 5.1 | 7 cells passed | 3.11.9 | 2.0 |
    | all 1 | | 5.1 | 7 cells passed | | |
    """
    rows = [
        # With hyphens at which no line ends.
        f"| [{run.title}](../{run.page}.ipynb) | {run.started:%Y&#8209;%m&#8209;%d %H:%M} | {run.seconds:.1f}"
        f" | {run.cells} cells passed | {run.python} | {torch} |"
        for run in executions
    ]
    seconds, cells = sum(run.seconds for run in executions), sum(run.cells for run in executions)
    return "\n".join(
        [
            "| notebook | executed (UTC) | seconds | result | Python | PyTorch |",
            "|---|---|--:|---|---|---|",
            *rows,
            f"| all {len(executions)} | | {seconds:.1f} | {cells} cells passed | | |",
        ]
    )


def numbers_sentence() -> str:
    """What was computed again of the book's numbers while the book was built.

    Raises `BookError` that names a number which does not hold: such a book is not built.
    """
    stored = results.read_all()
    entries = [entry for entry in verification.verify("arithmetic") if not entry.file.startswith("notebooks/")]
    if wrong := [f"{entry.file}, {entry.what}" for entry in entries if not entry.agrees]:
        raise BookError(f"{'; '.join(wrong)}: `tqttfs verify --level arithmetic` tells more")
    weights = sum(result.checkpoint.exists() for result in stored)
    return (
        f"The book is based on {len(stored)} trainings, {weights} of which are kept with their weights.\n"
        f"When it was built, {len(entries)} numbers and file checksums were recomputed, as by"
        " `tqttfs verify --level arithmetic`, and all of them agree."
    )


def copy_mathjax(target: Path) -> None:
    """Copy MathJax and its fonts from the sphinx-mathjax-offline wheel: no reader fetches them elsewhere.

    `tex-chtml-full.js` holds every TeX extension, so nothing but fonts is loaded later.
    """
    copied = 0
    for file in files("sphinx-mathjax-offline") or []:
        path = file.as_posix().partition("/static/mathjax/")[2]
        if path == "tex-chtml-full.js" or (path.startswith("output/chtml/fonts/") and path.endswith(".woff")):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target / path)
            copied += 1
    if copied < 2:
        raise BookError("the installed sphinx-mathjax-offline holds no MathJax where it was expected")


def stage(executions: list[Execution], site: Site | None = None) -> None:
    """Lay out `_build/book-source`: pages, executed notebooks with their marks, the data they link to, MathJax."""
    shutil.rmtree(STAGE, ignore_errors=True)
    no_pages = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(REPOSITORY / "book", STAGE / "book", ignore=no_pages)
    if site:
        file = STAGE / "book" / "_config.yml"
        config = publishing.configured(yaml.safe_load(file.read_text("utf-8")), site)
        file.write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    (STAGE / "notebooks").mkdir()
    for run in executions:
        notebook = nbformat.read(EXECUTED.parent / f"{run.page}.ipynb", as_version=4)
        try:
            marks.add(notebook)
        except (ResultError, FileNotFoundError) as error:
            raise BookError(f"{run.page}.ipynb: {error}: run `make book`") from error
        section = how_to_run.run_section(Path(run.page).stem, notebook, site)
        notebook.cells.append(nbformat.v4.new_markdown_cell(section, id="run-it-yourself"))
        nbformat.write(notebook, STAGE / f"{run.page}.ipynb")
    for folder in LINKED:
        if (REPOSITORY / folder).is_dir():
            shutil.copytree(REPOSITORY / folder, STAGE / folder)
    shutil.copytree(paths.paper_directory(), STAGE / "data" / "paper")
    sums = {file: expected for name in reported.ACCURACY for file, expected in datasets.data_sums(name).items()}
    (STAGE / "data" / "checksums.sha256").write_text("".join(f"{sums[file]}  {file}\n" for file in sums), "utf-8")
    copy_mathjax(STAGE / "book" / "_static" / "mathjax")

    table = [status_table(executions, version("torch")), how_to_run.checks_badge(site)]
    fill(STAGE / "book" / "status.md", STATUS_MARK, "\n\n".join(table).rstrip())
    fill(STAGE / "book" / "status.md", NUMBERS_MARK, numbers_sentence())
    fill(STAGE / "book" / "status.md", "<!-- last verified -->", last_verified.sentences(VERIFIED))
    try:
        facts = compared.facts()
        fill(STAGE / "book" / "intro.md", FINDINGS_MARK, findings.write(STAGE / "book", facts))
        for page, parts in (("differences.md", plan.parts()), ("letter.md", letter.write(STAGE / "book"))):
            for mark, text in parts.items():
                fill(STAGE / "book" / page, mark, text)
        fill_chapter_since_2024()
        fill_report_and_citation(site, facts)
    except (FindingsError, DatasetError, ResultError, FileNotFoundError) as error:
        raise BookError(str(error)) from error


def fill_chapter_since_2024() -> None:
    """Put the tables into the chapter about other works."""
    page = STAGE / "book" / "since_2024.md"
    fill(page, "<!-- networks -->", since_2024.networks_table(seed_statistics.released()))
    for theme in since_2024.THEMES:
        fill(page, f"<!-- {theme} -->", since_2024.statements_table(theme))


def fill_report_and_citation(site: Site | None, facts: compared.Facts) -> None:
    """Complete the pages for referees and citers, and write what is published beside the pages for programs."""
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text("utf-8"))
    book = yaml.safe_load((STAGE / "book" / "_config.yml").read_text("utf-8"))
    entries = citing.bibtex(citation, book["copyright"], site, experiment.commit())
    fill(STAGE / "book" / "cite.md", "<!-- bibtex -->", f"```bibtex\n{entries}\n```")
    records = claims.records(facts)
    stored, trials = results.read_all(), results.read_trials()
    fill(STAGE / "book" / "report.md", "<!-- claims -->", claims.table(records))
    fill(STAGE / "book" / "report.md", "<!-- hours -->", core_hours.marked(stored, trials))
    (STAGE / "beside").mkdir()
    for name, content in (
        ("claims.json", claims.document(records, citation)),
        ("ro-crate-metadata.json", citing.ro_crate(citation, site, datetime.now(UTC))),
    ):
        (STAGE / "beside" / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def fill(page: Path, mark: str, text: str) -> None:
    """Put the text in the place of a page's mark; raises `BookError` unless the mark is there once."""
    source = page.read_text("utf-8")
    if source.count(mark) != 1:
        raise BookError(f"{page.name} needs the line {mark} once: something made by the build goes there")
    page.write_text(source.replace(mark, text), "utf-8")


def build_html() -> None:
    """Run Jupyter Book on the staged sources, every page anew; warnings are errors."""
    shutil.rmtree(HTML, ignore_errors=True)  # a page that is gone from the table of contents must not survive
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(STAGE)]
    command += ["--config", str(STAGE / "book" / "_config.yml"), "--toc", str(STAGE / "book" / "_toc.yml")]
    command += ["--path-output", str(REPOSITORY), "--all", "-q", "-W", "-n", "--keep-going"]
    # From here Sphinx imports the book's own extension.
    if subprocess.run(command, check=False, cwd=REPOSITORY).returncode:
        raise BookError("Jupyter Book ended with errors or warnings: see above")
    shutil.copytree(STAGE / "data", HTML / "data")  # to which the marks link
    shutil.copytree(STAGE / "beside", HTML, dirs_exist_ok=True)
    (HTML / ".nojekyll").touch()  # GitHub Pages otherwise leaves out folders such as _static


def finish_html(front: str, site: Site | None) -> None:
    """Mend every page for assistive technology, flag it where need be, and give it the tags of a link preview.

    The address without a page, which people share, leads to the page `front` and has the same preview.
    """
    base = f"{site.address}/" if site else ""
    flag = last_verified.flag(VERIFIED)
    for path in sorted(HTML.rglob("*.html")):
        if "_static" not in path.parts:
            address, image = (f"{base}{path.relative_to(HTML)}", f"{base}{PREVIEW}") if base else ("", "")
            page = html_pages.with_flag(html_pages.mended(path.read_text("utf-8")), flag)
            path.write_text(html_pages.with_preview(page, address, image), "utf-8")
    first = (HTML / f"{front}.html").read_text("utf-8")
    (HTML / "index.html").write_text(html_pages.redirect(f"{front}.html", first), "utf-8")


def check_html(pages: list[str]) -> None:
    """Assert that every page came out: Jupyter Book has ways of ending well without writing them."""
    expected = ["index.html", *(f"{page}.html" for page in pages)]
    if missing := [page for page in expected if not (HTML / page).is_file()]:
        raise BookError(f"the build ended well but did not write {', '.join(missing)}")


def main() -> None:
    """Stage, build, check, and complete the interactive figures; an error ends the program with one sentence."""
    try:
        site = publishing.site(os.environ)
        pages = toc_pages(REPOSITORY / "book" / "_toc.yml")
        executions = [read_execution(page) for page in pages if page.startswith("notebooks/")]
        stage(executions, site)
        build_html()
        check_html(pages)
        finish_html(pages[0], site)
        interactive.install(HTML)
    except (BookError, interactive.FigureError, publishing.SiteError) as error:
        sys.exit(f"book/build.py: {error}")
    print(f"the book is built: {len(pages)} pages, open {(HTML / 'index.html').relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()

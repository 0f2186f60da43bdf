"""Put the outputs of executed notebooks into the committed ones: `make notebooks` calls this after papermill.

    python book/refresh.py              all of them, from _build/notebooks
    python book/refresh.py FILE …       clean these notebooks as they are, before a commit

What differs from run to run is left out: papermill's record of times and paths, what went to stderr, and the names of
clip paths in figures.
"""

from __future__ import annotations

import re
import sys
from hashlib import sha256
from pathlib import Path

import nbformat

REPOSITORY = Path(__file__).resolve().parent.parent
EXECUTED = REPOSITORY / "_build" / "notebooks"
COMMITTED = REPOSITORY / "notebooks"


def numbered_clips(svg: str) -> str:
    """A figure with its clip paths numbered: matplotlib names them by the last bits of the layout, which vary.

    The names also hold a hash of the figure, since a page with several figures needs different ones.
    """
    names = dict.fromkeys(re.findall(r'<clipPath id="(\w+)"', svg))
    if not names:  # it has none, or they are numbered already
        return svg
    for number, name in enumerate(names):
        svg = svg.replace(f'"{name}"', f'"clip-{number}"').replace(f"url(#{name})", f"url(#clip-{number})")
    return re.sub(r'(?<=["#])clip-(?=\d)', f"clip-{sha256(svg.encode()).hexdigest()[:8]}-", svg)


def cleaned(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without what a second run would change."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if not cell.metadata.get("tags", True):
            cell.metadata.pop("tags")
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if svg := output.get("data", {}).get("image/svg+xml"):
                    output["data"]["image/svg+xml"] = numbered_clips(svg)
    return notebook


def write(notebook: nbformat.NotebookNode, path: Path) -> bool:
    """Write the cleaned notebook where it says something else than the file; returns whether it did."""
    text = nbformat.writes(cleaned(notebook)) + "\n"
    if text == path.read_text(encoding="utf-8"):
        return False
    path.write_text(text, encoding="utf-8")
    return True


def main(paths: list[str]) -> None:
    for path in map(Path, paths):
        write(nbformat.read(path, as_version=4), path)
    for committed in [] if paths else sorted(COMMITTED.glob("*.ipynb")):
        executed = EXECUTED / committed.name
        if write(nbformat.read(executed, as_version=4), committed):
            executed.touch()  # it is not older than its source for that


if __name__ == "__main__":
    main(sys.argv[1:])

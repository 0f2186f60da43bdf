"""What the build adds to a chapter's page: how to run it with other parameters, here or elsewhere.

Where the book is built for a public repository, there are links to run the notebook on Binder and on Colab; elsewhere
nothing that needs one is there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import nbformat

from book.publishing import BRANCH, Site

Value = int | float | str

# For every notebook one run with other values: none takes more than minutes, most take seconds.
ALTERNATIVES: dict[str, dict[str, Value]] = {
    "01_coding": {"time_steps": 16},
    "02_neuron": {"theta": 1.5},
    "03_temporal_quantization": {"quantization": 2},
    "04_mnist_smlp": {"quantization": "2-4"},
    "05_fashion_smlp": {"quantization": "2-2-4", "epochs": 1},
    "06_fashion_scnn": {"quantization": "1-4-4-4-4", "epochs": 1},
    "07_accuracy": {"decimals": 1},
    "08_energy": {"addition_pj": 0.03},
    "09_audit": {"leakage": 0.4},
    "10_your_own_quantization": {"quantization": "4-4", "epochs": 3},
    "11_speed": {"dtype": "bfloat16"},
}
PARAMETER = re.compile(r"^(\w+): (int|str|float) = (.+?)  # (.+)$", re.MULTILINE)
COLAB_CELL = """!git clone --quiet --depth 1 {url}
%cd {folder}/notebooks
%pip install --quiet --editable ..[notebooks]
import sys; sys.path.insert(0, "..")  # the kernel is older than the installation"""


class Parameter(NamedTuple):
    """One line of a notebook's cell of parameters, as it is written there."""

    name: str
    type: str
    default: str
    meaning: str


def parameters(notebook: nbformat.NotebookNode) -> list[Parameter]:
    """The parameters of a notebook, from its cell with that tag."""
    (cell,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    return [Parameter(*match.groups()) for match in PARAMETER.finditer(cell.source)]


def run_section(name: str, notebook: nbformat.NotebookNode, site: Site | None = None) -> str:
    """The section "Run it yourself" of the chapter `name`, in MyST Markdown.

    Raises `KeyError` for a notebook without an alternative.
    """
    values = " ".join(f"-p {key} {value}" for key, value in ALTERNATIVES[name].items())
    rows = [f"| `{p.name}` | `{p.default}` | {p.meaning} |" for p in parameters(notebook)]
    lines = [
        "## Run it yourself",
        "",
        "Once `make book` has set everything up, this command runs a copy of the page with other values:",
        "",
        "```bash",
        f".venv/bin/papermill --cwd notebooks notebooks/{name}.ipynb \\",
        f"  _build/mine.ipynb {values}",
        "```",
        "",
        "| parameter | default | meaning |",
        "|---|---|---|",
        *rows,
        "",
        f"{{download}}`The notebook as it was run <{name}.ipynb>` opens in Jupyter.",
        "To print the page or save it as a PDF, with every fold open: *.pdf* under the download button at the top.",
    ]
    return "\n".join(lines + (elsewhere(name, site) if site else []))


def elsewhere(name: str, site: Site) -> list[str]:
    """Links that run the chapter on Binder and on Colab, in lines of MyST Markdown."""
    path = f"notebooks/{name}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{site.owner}/{site.name}/{BRANCH}?urlpath=lab/tree/{path}"
    colab = f"https://colab.research.google.com/github/{site.owner}/{site.name}/blob/{BRANCH}/{path}"
    return [
        "",
        "To run it without installing anything,",
        f"[use Binder]({binder}), which `binder/postBuild` sets up, or [open it in Colab]({colab}) and add these lines"
        " as the first cell:",
        "",
        "```",
        COLAB_CELL.format(url=site.repository, folder=site.name),
        "```",
    ]


def checks_badge(site: Site | None) -> str:
    """A badge that leads to the continuous checks; empty without a public repository.

    It is drawn by the page's own style sheet, since readers load nothing from elsewhere.
    """
    if not site:
        return ""
    runs = f"{site.repository}/actions/workflows/check.yml?query=branch%3A{BRANCH}"
    return f"{{bdg-link-primary}}`Checks of every push <{runs}>`"

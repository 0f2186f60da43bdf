"""The common style of all figures: colours, sizes, and how a notebook shows them.

The colours are those of Okabe and Ito, which readers with a colour vision deficiency can distinguish, and each neuron
has the same colour everywhere.  Figures are dark on a white card, so that they look the same on light and dark pages.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

COLORS = {"IF": "#0072B2", "TTFS": "#D55E00", "TQ-TTFS": "#009E73"}
INK, MUTED, FAINT, CARD = "#333333", "#767676", "#D0D0D0", "#FFFFFF"
WIDTH = 7.2  # inches, the book's column

STYLE: dict[Any, Any] = {
    **dict.fromkeys(("figure.facecolor", "savefig.facecolor", "axes.facecolor"), CARD),
    **dict.fromkeys(("text.color", "axes.titlecolor", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), MUTED),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "svg.hashsalt": "tqttfs-lite",  # the same figure is the same file
}


def use_style() -> None:
    """Apply `STYLE` to matplotlib, make pandas show whole tables and, in a notebook, make figures reproducible SVG."""
    mpl.rcParams.update(STYLE)
    # Otherwise, the last degrees of a long network would be cut off, and the middle rows of a long table.
    for limit in ("max_colwidth", "max_rows", "max_columns"):
        pd.set_option(f"display.{limit}", None)
    if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()) is not None:
        from matplotlib_inline.config import InlineBackend

        backend = InlineBackend.instance(parent=shell)
        backend.shell = shell
        backend.print_figure_kwargs = dict[str, Any](bbox_inches="tight", metadata={"Date": None})
        backend.figure_formats = {"svg"}


def save_svg(figure: Figure, file: Path) -> None:
    """Write a figure, cropped to its content, to a file that is the same on every run, and close the figure."""
    figure.savefig(file, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def panels(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure as wide as the book's column, `height` inches high, and its axes [rows, columns]."""
    return plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, **options)

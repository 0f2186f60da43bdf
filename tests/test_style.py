"""Colours that can be told apart, and tables that are shown whole."""

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb

from tqttfs_lite.report import style


def luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(color: str) -> float:
    """With the card, as WCAG defines it."""
    return (luminance(style.CARD) + 0.05) / (luminance(color) + 0.05)


def test_text_and_lines_stand_out_from_the_card() -> None:
    assert contrast(style.INK) >= 7
    assert contrast(style.MUTED) >= 4.5
    assert min(map(contrast, style.COLORS.values())) >= 3


def test_a_table_in_a_notebook_is_shown_whole() -> None:
    name = "28x28-16C5(1)-P2-32C5(2)-P2-800(2)-128(4)-10(4)"
    with pd.option_context("display.max_rows", 10, "display.max_columns", 5, "display.max_colwidth", 20):
        style.use_style()
        shown = pd.DataFrame({f"column {i}": [name] * 80 for i in range(30)})._repr_html_()
    assert shown.count(name) == 80 * 30

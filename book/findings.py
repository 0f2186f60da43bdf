"""What the first page says: the result in one figure and a few sentences, written from the stored results.

Every number comes from `data/results/`, from the paper's tables and from the test images, and so does
every verdict: with more seeds or another recipe the words change with the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from book import marks
from book.compared import Compared, Facts, Savings, found, label, name
from book.findings_sentences import (
    baselines_sentence,
    bounds_sentence,
    controls_sentence,
    energy_at_equal_steps_sentence,
    energy_sentence,
    equal_steps_sentence,
    fewer_steps_sentence,
    gains_sentence,
    layers_sentence,
    others_sentence,
    pooling_sentence,
    reproduction_sentences,
    slides_steps_sentence,
    steps_sentence,
    strongest_sentence,
)
from book.findings_tables import controls_table, energy_table, findings_table, loss_table, networks_table
from book.wording import folded
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.paper import comparisons, operating_points
from tqttfs_lite.paper.seed_statistics import Group
from tqttfs_lite.report import method_figures, result_figures, style

FIGURE, METHOD, PREVIEW = "findings.svg", "method.svg", "findings.png"
CAPTION = (
    "Top: accuracy against the mean time steps until a decision, unquantized (orange) and quantized (green), as the"
    " output threshold is varied. Discs mark the networks as trained, bands 95 % intervals over seeds; rings and dotted"
    " lines are the paper's, which gives steps only for the convolutional network. Bottom: the energy that this network"
    " saves under each accounting; the paper's rings are its own counts, for several shares of spikes that pooling may"
    " pass on."
)


def write(folder: Path, facts: Facts) -> str:
    """Write the two figures into `folder`, and a copy of the result's for link previews into its `_static`.

    Returns the page's part with the figure, the words and the mark of what they are made from, in MyST Markdown.
    """
    groups, compared, images, saved, partly, controlled, fewer, earlier, pooled = facts
    with plt.rc_context(style.STYLE):
        draw_result(folder, groups, saved)
        draw_method(folder)
    directive = [
        f"```{{figure}} {FIGURE}",
        ":name: fig-findings",
        f":alt: {alternative(compared, saved)}",
        CAPTION,
        "```",
    ]
    claims = found(compared, saved)
    points = {
        "Accuracy.": f"{gains_sentence(compared)} {strongest_sentence(controlled)}".strip(),
        "Energy.": energy_sentence(compared, saved),
        "Where it comes from.": f"{layers_sentence(partly)} {controls_sentence(controlled)}".strip(),
    }
    parts = [
        "\n".join(f"- **{title}** {said}" for title, said in points.items() if said),
        "\n".join(directive),
        equal_steps_sentence(compared),
        energy_at_equal_steps_sentence(compared),
        fewer_steps_sentence(fewer),
        controls_table(controlled),
        f"{slides_steps_sentence(compared)}\n{baselines_sentence(compared)}",
        folded("The claims one by one", f"{reproduction_sentences(claims)}\n\n{findings_table(claims)}"),
        folded(
            "The networks behind them",
            "\n\n".join(filter(None, [networks_table(compared), steps_sentence(compared), pooling_sentence(pooled)])),
        ),
        folded("What the loss does", loss_table(earlier)),
        folded(
            "Energy under every accounting",
            f"Energy saved by {label(compared[-1].claim)}, in %, under each accounting. The slides do not say how many"
            f" spikes pooling passes on, so the paper's columns show several assumptions.\n\n{energy_table(saved)}\n\n"
            f"{bounds_sentence(images)}\n{others_sentence(compared)}",
        ),
    ]
    # One element, which the mark is of.
    words = ["::::{container} findings", *"\n\n".join(filter(None, parts)).splitlines(), "::::"]
    return "\n".join([*words, "", marks.mark(facts.used_files)])


def alternative(compared: Sequence[Compared], saved: Savings) -> str:
    """The figure in words."""
    gains = [f"{name(c.claim)} {c.gain.mean:.2f} (paper: {c.claim.points})" for c in compared]
    cuts = [
        f"{key} {ours.mean:.0f} (paper: {min(papers.values()):.0f} to {max(papers.values()):.0f})"
        for key, (papers, ours) in saved.items()
    ]
    return (
        f"Ours and the paper's. Accuracy gained, in points: {', '.join(gains)}. Energy saved, in %: {', '.join(cuts)}."
    )


def draw_result(folder: Path, groups: Mapping[TrainingConfig, Group], saved: Savings) -> None:
    """Write the figure of the result, and a copy for link previews."""
    claimed = {label(c.claim): operating_points.of_comparison(c) for c in comparisons.of_claims(groups)}
    operating = {name: found for name, found in claimed.items() if found}
    ends = {key: (min(papers.values()), max(papers.values()), ours) for key, (papers, ours) in saved.items()}
    figure = result_figures.findings(operating, ends)
    style.save_svg(figure, folder / FIGURE)
    (folder / "_static").mkdir(exist_ok=True)
    figure.savefig(folder / "_static" / PREVIEW, bbox_inches="tight", dpi=200)


def draw_method(folder: Path) -> None:
    """Write the picture of the method: one neuron of each kind on three input spikes, the second of which inhibits."""
    weights = torch.tensor([[1.5, -1.0, 0.75]])
    spikes = torch.stack([torch.tensor([[1, 2, 5]]) == t for t in range(8)]).float()
    figure = method_figures.membrane_traces(spikes, weights, q=4)
    style.save_svg(figure, folder / METHOD)

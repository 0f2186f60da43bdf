"""What the first page says: the result in one figure and a few sentences, written from the stored results.

Every number comes from `data/results/`, from the paper's tables in `data/paper/` and from the test images, and so does
every verdict: with more seeds or another recipe the words change with the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from book import marks
from book.marks import DATASETS
from tqttfs_lite import analysis, audit, charts, figures, notebook, paper, sources, summary
from tqttfs_lite.config import TrainingConfig
from tqttfs_lite.energy import CAUSAL, MEMORY, SLIDES, WITHOUT_ALPHA
from tqttfs_lite.notation import Architecture
from tqttfs_lite.notebook import Comparison
from tqttfs_lite.summary import Group, Spread

FIGURE, PREVIEW = "findings.svg", "findings.png"
CAPTION = (
    "What temporal quantization gains in accuracy, and what it saves in energy by four accountings."
    " Lines through ours are 95 % intervals over seeds, where there are two or more;"
    " the paper's rings are scenarios of what its slides leave open."
)
FEWEST = 3  # seeds: the interval of two is wide enough for nearly anything


class FindingsError(Exception):
    """A result that the first page needs and that is not there, in a sentence."""


def missing(claim: paper.Improvement) -> FindingsError:
    """The error for a network that is not trained, with its baseline or without."""
    network = f"the {name(claim)} with degrees {claim.degrees}"
    return FindingsError(f"the first page needs a result of {network}, and of its baseline with the same seed")


class Saving(NamedTuple):
    """Energy that the slides' best configuration saves under one accounting, in percent."""

    lowest: float  # by the paper's counts
    highest: float
    ours: Spread


def comparisons(groups: Mapping[TrainingConfig, Group]) -> list[tuple[Comparison, Spread]]:
    """The improvements that the slides claim, and our gains; raises `FindingsError` where one is not measured."""
    found = []
    for comparison in notebook.comparisons(groups):
        if (gain := comparison.gain) is None:
            raise missing(comparison.claim)
        found.append((comparison, gain))
    return found


def savings(groups: Mapping[TrainingConfig, Group]) -> dict[str, Saving]:
    """By accounting; raises `FindingsError` where our convolutional networks are not trained."""
    ours = notebook.scnn_configurations(groups)
    if audit.BEST not in ours:
        raise missing(paper.improvements()[-1])
    images = analysis.input_spikes("fashion-mnist", notebook.paper_time_steps("fashion-mnist"))
    papers = audit.published_reductions(audit.BEST, images, notebook.handed_on(groups)).values()
    measured = audit.reductions(ours[audit.BEST], ours[audit.UNQUANTIZED])
    return {
        key: Saving(min(p[key] for p in papers), max(p[key] for p in papers), spread)
        for key, spread in measured.items()
    }


def name(claim: paper.Improvement) -> str:
    """What a reader calls the network.

    >>> [name(claim) for claim in paper.improvements()]
    ['MNIST perceptron', 'FashionMNIST perceptron', 'FashionMNIST convolutional network']
    """
    return f"{DATASETS[claim.dataset]} {'convolutional network' if 'C' in claim.network else 'perceptron'}"


def label(claim: paper.Improvement) -> str:
    """The same, in the fewest words, for a figure.

    >>> label(paper.improvements()[-1])
    'FashionMNIST, SCNN 1-2-2-4-4'
    """
    quantized = Architecture.parse(claim.network).with_quantization(claim.degrees)
    return f"{DATASETS[claim.dataset]}, {notebook.short(str(quantized))}"


def seeds(count: int) -> str:
    """The number with its noun.

    >>> seeds(1), seeds(5)
    ('1 seed', '5 seeds')
    """
    return f"{count} seed" if count == 1 else f"{count} seeds"


def listed(items: Sequence[str]) -> str:
    """The items as a sentence has them.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def score(group: Group) -> str:
    """An accuracy with its interval where there is one, its seeds, and the share of silent images."""
    known = [f"95 % interval {interval}"] if (interval := group.accuracy.interval_text(2)) else []
    known += [seeds(group.accuracy.seeds), f"{group.silent.mean:.1f} % of the images silent"]
    return f"{group.accuracy.mean:.2f} % ({', '.join(known)})"


def contains(spread: Spread, value: float) -> bool:
    """Whether the 95 % interval of the mean contains the value; only for two seeds or more."""
    low, high = spread.interval
    return low <= value <= high


def verdict(gain: Spread, points: str) -> str:
    """What the seeds say about a gain, and about the paper's points, as the end of a sentence.

    >>> verdict(summary.spread([0.1, 0.2, 0.3]), "2.5")
    'whose 95 % interval, -0.05 to 0.45, contains zero but not the 2.5 of the paper'
    >>> verdict(summary.spread([0.5]), "2.5")
    'which one seed cannot tell from zero, nor from the 2.5 of the paper'
    """
    if gain.seeds < 2:
        return f"which one seed cannot tell from zero, nor from the {points} of the paper"
    holds = {
        (True, True): "contains both zero and",
        (True, False): "contains zero but not",
        (False, True): "does not contain zero, but contains",
        (False, False): "contains neither zero nor",
    }[contains(gain, 0.0), contains(gain, float(points))]
    return f"whose 95 % interval, {gain.interval_text(2)}, {holds} the {points} of the paper"


def accuracy_sentence(comparison: Comparison, gain: Spread) -> str:
    """One network's accuracy with and without quantization, the gain, and what it is worth."""
    claim, quantized, baseline = comparison
    assert quantized and baseline  # there is a gain
    return (
        f"The {name(claim)} reaches {score(quantized)} with the degrees {claim.degrees} and {score(baseline)} without"
        f" quantization: a gain of {gain.text(2)} points over {seeds(gain.seeds)}, {verdict(gain, claim.points)}."
    )


def energy_sentences(saved: Mapping[str, Saving]) -> str:
    """What quantization saves under every accounting, by the paper's counts and in our networks, a sentence a line."""

    def by_paper(key: str) -> str:
        lowest, highest, _ = saved[key]
        return " to ".join(dict.fromkeys([f"{lowest:.1f}", f"{highest:.1f}"])) + " %"

    ours = [saved[key].ours for key in (SLIDES, WITHOUT_ALPHA, CAUSAL, MEMORY)]
    below_zero = "; below zero they take more" if any(spread.mean < 0 for spread in ours) else ""
    return (
        f"The paper saves {claimed_saving()} % of the energy with the degrees {audit.BEST}: its own counts give"
        f" {by_paper(SLIDES)} by its own formula, {by_paper(WITHOUT_ALPHA)} without the frequency coefficient,"
        f" {by_paper(CAUSAL)} where additions are counted as spikes arrive, and {by_paper(MEMORY)} with memory.\n"
        f"Under these four accountings our networks save {listed([f'{spread.text(1)} %' for spread in ours])}"
        f" ({seeds(ours[0].seeds)}{below_zero})."
    )


def claimed_saving() -> str:
    """The energy reduction in percent that the slides claim for their best configuration, as printed."""
    return paper.claims()[f"energy_reduction_{audit.BEST}"].value


def reproduction_sentences(compared: Sequence[tuple[Comparison, Spread]], saved: Mapping[str, Saving]) -> str:
    """Which of the paper's claims lie inside of our intervals and which outside, and which our seeds cannot tell.

    An interval of fewer than `FEWEST` seeds, or one that holds the claim and zero too, confirms nothing.
    """
    saving, percent = saved[SLIDES].ours, claimed_saving()
    claims = [
        (f"the gain of the {name(c.claim)} ({gain.mean:.2f} points, {c.claim.points})", gain, float(c.claim.points))
        for c, gain in compared
    ]
    by_formula = f"the energy saved by the paper's formula ({saving.mean:.1f} %, {percent} %)"
    claims.append((by_formula, saving, float(percent)))
    found: dict[str, list[str]] = {"did not reproduce in size": [], "reproduced": [], "the seeds leave open": []}
    for words, spread, printed in claims:
        if spread.seeds < FEWEST or (contains(spread, printed) and contains(spread, 0.0)):
            found["the seeds leave open"].append(words)
        else:
            found["reproduced" if contains(spread, printed) else "did not reproduce in size"].append(words)
    return "\n".join(
        f"What {kind}, ours and the paper's in brackets: {listed(items)}." for kind, items in found.items() if items
    )


def summary_text(compared: Sequence[tuple[Comparison, Spread]], saved: Mapping[str, Saving]) -> str:
    """The result in words: what reproduced as a paragraph, a sentence a line, and what it rests on as a list."""
    numbers = [accuracy_sentence(comparison, gain) for comparison, gain in compared] + [energy_sentences(saved)]
    items = ["- " + sentences.replace("\n", "\n  ") for sentences in numbers]
    return "\n".join([reproduction_sentences(compared, saved), "", *items])


def alternative(compared: Sequence[tuple[Comparison, Spread]], saved: Mapping[str, Saving]) -> str:
    """The figure in words."""
    gains = [f"{name(c.claim)} {gain.mean:.2f} for {c.claim.points}" for c, gain in compared]
    cuts = [f"{key} {s.ours.mean:.0f} for {s.lowest:.0f} to {s.highest:.0f}" for key, s in saved.items()]
    return f"Ours for the paper's. Points of accuracy gained: {', '.join(gains)}. Energy saved in %: {', '.join(cuts)}."


def write(folder: Path) -> str:
    """Write the figure into `folder`, and a copy for link previews into its `_static`.

    Returns the page's part with the figure, the words and the mark of what they are made from, in MyST Markdown.

    Raises `FindingsError` where a result is missing.
    """
    sources.take()
    groups = summary.published()
    compared, saved = comparisons(groups), savings(groups)
    figures.use_style()
    gains = [(label(c.claim), float(c.claim.points), gain) for c, gain in compared]
    figure = charts.findings(gains, saved)
    figure.savefig(folder / FIGURE, bbox_inches="tight", metadata={"Date": None})
    (folder / "_static").mkdir(exist_ok=True)
    figure.savefig(folder / "_static" / PREVIEW, bbox_inches="tight", dpi=200)
    directive = [
        f"```{{figure}} {FIGURE}",
        ":name: fig-findings",
        f":alt: {alternative(compared, saved)}",
        CAPTION,
        "```",
    ]
    text = summary_text(compared, saved)
    words = ["::::{container} findings", *directive, "", text, "::::"]  # one element, which the mark is of
    return "\n".join([*words, "", marks.mark(sources.take())])

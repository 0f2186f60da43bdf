"""What the first page says: the result in one figure and a few sentences, written from the stored results.

Every number comes from `data/results/`, from the paper's tables and from the test images, and so does
every verdict: with more seeds or another recipe the words change with the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from book import marks
from book.marks import DATASETS
from tqttfs_lite.energy.models import SLIDES
from tqttfs_lite.experiments import used_files
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.paper import comparisons, energy_claims, reported, seed_statistics
from tqttfs_lite.paper.seed_statistics import Group, Spread
from tqttfs_lite.report import per_image, result_figures, style
from tqttfs_lite.spiking.notation import Architecture

FIGURE, PREVIEW = "findings.svg", "findings.png"
CAPTION = (
    "What temporal quantization gains in accuracy, and what it saves in energy by four accountings."
    " Lines through ours are 95 % intervals over seeds, where there are two or more;"
    " the paper's rings are scenarios of what its slides leave open."
)
FEWEST = 3  # seeds: the interval of two is wide enough for nearly anything


class FindingsError(Exception):
    """A result that the first page needs and that is not there, in a sentence."""


def missing(claim: reported.Improvement) -> FindingsError:
    """The error for a network that is not trained, with its baseline or without."""
    network = f"the {name(claim)} with degrees {claim.degrees}"
    return FindingsError(f"the first page needs a result of {network}, and of its baseline with the same seed")


class Finding(NamedTuple):
    """A number that the slides claim, as they print it, and ours."""

    words: str
    printed: str
    ours: Spread
    decimals: int

    @property
    def direction(self) -> str:
        """Whether the seeds agree with the sign of what is printed.

        >>> seeds = [1.0, 1.1, 1.2], [-1.0, -1.2, -1.1], [-1.0, 0.0, 1.0]
        >>> [Finding("", "2.5", seed_statistics.spread(ours), 1).direction for ours in seeds]
        ['yes', 'the opposite', 'open']
        """
        low, high = self.ours.interval
        if self.ours.seeds < FEWEST or low <= 0 <= high:
            return "open"
        return "yes" if (low > 0) == (float(self.printed) > 0) else "the opposite"

    @property
    def size(self) -> str:
        """Whether what is printed lies in the 95 % interval; open where zero lies there too.

        >>> seeds = [2.0, 2.5, 2.4], [1.0, 1.1, 1.2], [-2.0, 3.0, 4.0]
        >>> [Finding("", "2.5", seed_statistics.spread(ours), 1).size for ours in seeds]
        ['yes', 'no', 'open']
        """
        low, high = self.ours.interval
        if self.ours.seeds < FEWEST:
            return "open"
        if not low <= float(self.printed) <= high:
            return "no"
        return "open" if low <= 0 <= high else "yes"


Savings = Mapping[str, tuple[Mapping[str, float], Spread]]  # by accounting: percent by what the slides leave open, ours


class Compared(NamedTuple):
    """An improvement that the slides claim, with our networks and our gain, none of which is missing."""

    claim: reported.Improvement
    quantized: Group
    baseline: Group
    gain: Spread


def all_compared(groups: Mapping[TrainingConfig, Group]) -> list[Compared]:
    """The improvements that the slides claim, measured; raises `FindingsError` where one is not."""
    found = []
    for comparison in comparisons.of_claims(groups):
        claim, quantized, baseline = comparison
        if not (quantized and baseline and (gain := comparison.gain)):
            raise missing(claim)
        found.append(Compared(claim, quantized, baseline, gain))
    return found


def savings(groups: Mapping[TrainingConfig, Group], images: Sequence[float]) -> Savings:
    """Energy that the slides' best configuration saves; raises `FindingsError` where ours are not trained.

    `images` are the mean input spikes up to each step, as of `per_image.input_spikes`.
    """
    ours = comparisons.scnn_configurations(groups)
    if energy_claims.BEST not in ours:
        raise missing(reported.improvements()[-1])
    papers = energy_claims.reported_reductions(energy_claims.BEST, images, comparisons.pooling_cases(groups))
    measured = energy_claims.reductions(ours[energy_claims.BEST], ours[energy_claims.UNQUANTIZED])
    return {key: ({case: p[key] for case, p in papers.items()}, spread) for key, spread in measured.items()}


def name(claim: reported.Improvement) -> str:
    """What a reader calls the network.

    >>> [name(claim) for claim in reported.improvements()]
    ['MNIST perceptron', 'FashionMNIST perceptron', 'FashionMNIST convolutional network']
    """
    return f"{DATASETS[claim.dataset]} {'convolutional network' if 'C' in claim.network else 'perceptron'}"


def label(claim: reported.Improvement) -> str:
    """The same, in the fewest words, for a figure.

    >>> label(reported.improvements()[-1])
    'FashionMNIST, SCNN 1-2-2-4-4'
    """
    quantized = Architecture.parse(claim.network).with_quantization(claim.degrees)
    return f"{DATASETS[claim.dataset]}, {comparisons.short(str(quantized))}"


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


def baselines_sentence(compared: Sequence[Compared]) -> str:
    """How many of our networks reach the slides' accuracies, and by how much our baselines are better than theirs."""
    reached, better = 0, []
    for claim, quantized, baseline, _ in compared:
        printed = reported.own_accuracy(claim.dataset)
        reached += quantized.accuracy.mean >= printed[quantized.config.architecture]
        better.append(f"{baseline.accuracy.mean - printed[baseline.config.architecture]:+.1f}")
    return (
        f"Of our {len(compared)} quantized networks, {reached} reach the accuracy that the slides print."
        f" Our baselines differ from the slides' by {listed(better)} points, from which a gain starts."
    )


def others_sentence(compared: Sequence[Compared]) -> str:
    """What the paper's formula says of the networks for which the slides claim no saving."""
    said = []
    for claim, quantized, baseline, _ in compared[:-1]:
        said.append(f"{energy_claims.reductions(quantized, baseline)[SLIDES].text(1)} % for the {name(claim)}")
    return f"The slides' formula alone gives {listed(said)}; below zero more energy is needed."


def bounds_sentence(images: Sequence[float]) -> str:
    """What the slides' counts allow at all, whatever pooling hands on."""
    bounds = energy_claims.reported_bounds(energy_claims.BEST, images)
    said = [f"{low:.0f} to {high:.0f} % {key}" for key, (low, high) in bounds.items() if low < high]
    return f"With any share in either network the slides' counts allow {listed(said)}."


def steps_sentence(compared: Sequence[Compared]) -> str:
    """What silence does to the steps of the convolutional network, whose images without an output spike take all T."""
    _, quantized, baseline, _ = compared[-1]
    texts = [group.decided_steps.text(2) for group in (baseline, quantized)]
    return (
        "An image on which no output neuron fires takes all time steps."
        f" Where one does fire, the convolutional network decides after {texts[0]} steps unquantized and after"
        f" {texts[1]} quantized."
    )


def tick_corrected(
    groups: Mapping[TrainingConfig, Group], compared: Sequence[Compared]
) -> Iterator[tuple[Compared, Group, Group]]:
    """Comparisons with both networks trained with a loss that treats all clocks alike, quantized first.

    Those with seeds enough of the baseline.
    """
    for comparison in compared:
        claim = comparison.claim
        quantized = comparisons.tick_corrected(groups, claim.dataset, claim.network, claim.degrees)
        baseline = comparisons.tick_corrected(groups, claim.dataset, claim.network)
        if quantized and baseline and len(baseline.results) >= FEWEST:
            yield comparison, quantized, baseline


def loss_sentences(groups: Mapping[TrainingConfig, Group], compared: Sequence[Compared]) -> str:
    """What a loss that treats all clocks alike makes of the baselines; empty where too few were trained with it."""
    told = []
    for (claim, _, baseline, _), quantized, corrected in tick_corrected(groups, compared):
        gain = seed_statistics.difference(quantized.accuracy, corrected.accuracy)
        told.append(
            f"the unquantized {name(claim)} decides after {corrected.steps.text(2)} steps instead of"
            f" {baseline.steps.text(2)}, {corrected.silent.mean:.1f} % of its images are silent instead of"
            f" {baseline.silent.mean:.1f} %, and quantization gains {gain.text(2)} points,"
            f" {len(quantized.results)} seeds against {len(corrected.results)}"
        )
    if not told:
        return ""
    return (
        "Our loss charges a fine clock too little for an image on which nothing fires"
        " ([chapter 4](../notebooks/04_mnist_smlp.ipynb)).\n"
        f"With one that treats all clocks alike ([chapter 7](../notebooks/07_accuracy.ipynb)) {'; '.join(told)}."
    )


def found(compared: Sequence[Compared], saved: Savings) -> list[Finding]:
    """Every claim of the slides about accuracy, energy and latency that our networks can be held against."""
    findings = [
        Finding(f"points of accuracy gained, {label(c.claim)}", f"+{c.claim.points}", c.gain, 2) for c in compared
    ]
    claim, quantized, baseline, _ = compared[-1]
    scnn = label(claim)
    percent = reported.claims()[f"energy_reduction_{energy_claims.BEST}"].value
    findings.append(
        Finding(f"percent of energy saved by the paper's formula, {scnn}", f"+{percent}", saved[SLIDES][1], 1)
    )
    longer = energy_claims.reported_steps(energy_claims.BEST) - energy_claims.reported_steps(energy_claims.UNQUANTIZED)
    ours = seed_statistics.spread(
        [q.test.mean_steps - b.test.mean_steps for q, b in seed_statistics.paired(quantized, baseline)]
    )
    findings.append(Finding(f"time steps that the decision takes longer, {scnn}", f"{longer:+.2f}", ours, 2))
    return findings


def reproduction_sentences(findings: Sequence[Finding]) -> str:
    """What reproduced in direction and in size, what did not, and what our seeds cannot tell; a sentence a line."""
    words = {
        "yes": "reproduced",
        "no": "not reproduced",
        "the opposite": "the opposite",
        "open": "left open by the seeds",
    }
    said = []
    for what, verdicts in (
        ("direction", [finding.direction for finding in findings]),
        ("size", [finding.size for finding in findings]),
    ):
        counts = [f"{verdicts.count(verdict)} {words[verdict]}" for verdict in words if verdict in verdicts]
        said.append(f"In {what}, of the {len(findings)} claims below: {', '.join(counts)}.")
    return "\n".join(said)


def rows(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table in which no line ends within 0.1 ± 0.2 or 1-2-4.

    >>> print(rows(["degrees"], [["SMLP 1-2"]]))
    | degrees |
    | --- |
    | SMLP 1‑2 |
    """
    whole = [[re.sub(r"(?<=\d)-(?=\d)", "\N{NON-BREAKING HYPHEN}", cell) for cell in line] for line in body]
    whole = [[cell.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}") for cell in line] for line in whole]
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *whole])


def findings_table(findings: Sequence[Finding]) -> str:
    """The claims one by one."""
    header = ["claim", "the paper", "ours", "95 % interval over seeds", "seeds", "same direction", "same size"]
    body = []
    for finding in findings:
        words, printed, ours, decimals = finding
        known = [printed, ours.text(decimals), ours.interval_text(decimals), str(ours.seeds)]
        body.append([words, *known, finding.direction, finding.size])
    return rows(header, body)


def networks_table(compared: Sequence[Compared]) -> str:
    """The networks behind the claims, unquantized and quantized."""
    header = ["network", "degrees", "the paper, %", "ours, %", "silent, %", "steps", "seeds"]
    body = []
    for claim, quantized, baseline, _ in compared:
        for group in (baseline, quantized):
            network = Architecture.parse(group.config.architecture)
            printed = reported.own_accuracy(claim.dataset)[group.config.architecture]
            measured = [group.accuracy.text(2), f"{group.silent.mean:.1f}", f"{group.steps.mean:.2f}"]
            body.append([name(claim), network.short_form, f"{printed:.1f}", *measured, str(len(group.results))])
    return rows(header, body)


def energy_table(saved: Savings) -> str:
    """What the best configuration saves in percent under every accounting: by the paper's counts, and ours."""
    cases = list(saved[SLIDES][0])
    header = ["accounting", *(f"the paper, {case}" for case in cases), "ours", "95 % interval"]
    body = [
        [key, *(f"{papers[case]:.1f}" for case in cases), ours.text(1), ours.interval_text(1)]
        for key, (papers, ours) in saved.items()
    ]
    return rows(header, body)


def pooling_sentence(groups: Mapping[TrainingConfig, Group], compared: Sequence[Compared]) -> str:
    """How the convolutional network's gain hangs on its pooling, which the slides do not name; empty if untrained."""
    _, _, baseline, gain = compared[-1]
    pooled = comparisons.maximum_pooled(groups)
    if len(pooled) < 2:
        return ""
    before = pooled[energy_claims.UNQUANTIZED]
    maximum = seed_statistics.gain(pooled[energy_claims.BEST], before)
    return (
        f"The slides do not name the kind of pooling: the convolutional network gains {gain.text(2)} points with"
        f" averages ({baseline.config.epochs} epochs, {seeds(gain.seeds)}) and {maximum.text(2)} with maxima"
        f" ({before.config.epochs} epochs, {seeds(maximum.seeds)}), and unquantized it has"
        f" {baseline.accuracy.mean:.2f} % and {before.accuracy.mean:.2f} %."
    )


def alternative(compared: Sequence[Compared], saved: Savings) -> str:
    """The figure in words."""
    gains = [f"{name(c.claim)} {c.gain.mean:.2f} for {c.claim.points}" for c in compared]
    cuts = [
        f"{key} {ours.mean:.0f} for {min(papers.values()):.0f} to {max(papers.values()):.0f}"
        for key, (papers, ours) in saved.items()
    ]
    return f"Ours for the paper's. Points of accuracy gained: {', '.join(gains)}. Energy saved in %: {', '.join(cuts)}."


def made_from(groups: Mapping[TrainingConfig, Group], compared: Sequence[Compared]) -> set[str]:
    """The names of the files behind the figure and the words."""
    networks = [(c.quantized, c.baseline) for c in compared]
    corrected = [pair for _, *pair in tick_corrected(groups, compared)]
    tables = (reported.ACCURACY, reported.CLAIMS, reported.ENERGY, reported.LAYERS)
    return used_files.names(networks, corrected, comparisons.maximum_pooled(groups), tables, "fashion-mnist/test")


def write(folder: Path) -> str:
    """Write the figure into `folder`, and a copy for link previews into its `_static`.

    Returns the page's part with the figure, the words and the mark of what they are made from, in MyST Markdown.

    Raises `FindingsError` where a result is missing.
    """
    groups = seed_statistics.released()
    compared = all_compared(groups)
    images = per_image.input_spikes("fashion-mnist", comparisons.paper_time_steps("fashion-mnist"))
    saved = savings(groups, images)
    style.use_style()
    gains = [(label(c.claim), float(c.claim.points), c.gain) for c in compared]
    ends = {key: (min(papers.values()), max(papers.values()), ours) for key, (papers, ours) in saved.items()}
    figure = result_figures.findings(gains, ends)
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
    claims = found(compared, saved)
    parts = [
        "\n".join(directive),
        f"{reproduction_sentences(claims)}\n{baselines_sentence(compared)}",
        findings_table(claims),
        f"The networks behind these claims:\n\n{networks_table(compared)}",
        "\n".join(
            filter(
                None, [steps_sentence(compared), loss_sentences(groups, compared), pooling_sentence(groups, compared)]
            )
        ),
        f"Energy that {label(compared[-1].claim)} saves, in %, by how it is counted"
        " and by how many spikes pooling hands on in the paper's networks, which the slides do not say:\n\n"
        + energy_table(saved),
        f"{bounds_sentence(images)}\n{others_sentence(compared)}",
    ]
    # One element, which the mark is of.
    words = ["::::{container} findings", *"\n\n".join(filter(None, parts)).splitlines(), "::::"]
    return "\n".join([*words, "", marks.mark(made_from(groups, compared))])

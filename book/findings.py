"""What the first page says: the result in one figure and a few sentences, written from the stored results.

Every number comes from `data/results/`, from the paper's tables and from the test images, and so does
every verdict: with more seeds or another recipe the words change with the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from book import marks
from book.marks import DATASETS
from tqttfs_lite.energy.models import CAUSAL, SLIDES, frequency_coefficients
from tqttfs_lite.experiments import used_files
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.paper import comparisons, energy_claims, gains, operating_points, reported, seed_statistics
from tqttfs_lite.paper.seed_statistics import FEWEST, Difference, Group, Spread
from tqttfs_lite.report import method_figures, per_image, result_figures, style
from tqttfs_lite.spiking.notation import Architecture

FIGURE, METHOD, PREVIEW = "findings.svg", "method.svg", "findings.png"
CAPTION = (
    "Above, accuracy against the mean time steps of a decision, unquantized (orange) and quantized (green), as the"
    " output threshold is turned: discs are as trained, bands 95 % intervals over seeds; rings and dotted lines are the"
    " paper's, which prints steps for the convolutional network alone. Below, the energy that this network saves by"
    " how it is counted; the paper's rings are scenarios of what its slides leave open."
)


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
    ours: Spread | Difference
    decimals: int
    unchanged: float = 0.0  # what comes out where quantization changes no spike and no decision

    @property
    def fewest(self) -> int:
        """Seeds of the network that has fewer."""
        return self.ours.seeds if isinstance(self.ours, Spread) else min(self.ours.seeds)

    @property
    def direction(self) -> str:
        """Whether the seeds agree with what is printed on which side of `unchanged` it is.

        >>> seeds = [1.0, 1.1, 1.2], [-1.0, -1.2, -1.1], [-1.0, 0.0, 1.0]
        >>> [Finding("", "2.5", seed_statistics.spread(ours), 1).direction for ours in seeds]
        ['yes', 'the opposite', 'open']
        """
        low, high = self.ours.interval
        if self.fewest < FEWEST or low <= self.unchanged <= high:
            return "open"
        return "yes" if (low > self.unchanged) == (float(self.printed) > self.unchanged) else "the opposite"

    @property
    def size(self) -> str:
        """Whether what is printed lies in the 95 % interval; open where `unchanged` lies there too.

        >>> seeds = [2.0, 2.5, 2.4], [1.0, 1.1, 1.2], [-2.0, 3.0, 4.0]
        >>> [Finding("", "2.5", seed_statistics.spread(ours), 1).size for ours in seeds]
        ['yes', 'no', 'open']
        """
        low, high = self.ours.interval
        if self.fewest < FEWEST:
            return "open"
        if not low <= float(self.printed) <= high:
            return "no"
        return "open" if low <= self.unchanged <= high else "yes"


Savings = Mapping[str, tuple[Mapping[str, float], Spread]]  # by accounting: percent by what the slides leave open, ours


class Compared(NamedTuple):
    """An improvement that the slides claim, with our networks and our gain, none of which is missing."""

    claim: reported.Improvement
    quantized: Group
    baseline: Group
    gain: Difference  # of accuracy, as trained, over seeds and test images
    at_steps: Mapping[float, Difference]  # at equal mean time steps that both reach, over seeds


def all_compared(groups: Mapping[TrainingConfig, Group]) -> list[Compared]:
    """The improvements that the slides claim, measured; raises `FindingsError` where one is not."""
    found = []
    for comparison in comparisons.of_claims(groups):
        claim, quantized, baseline = comparison
        if not (quantized and baseline):
            raise missing(claim)
        gain = gains.crossed(gains.correct(quantized), gains.correct(baseline))
        equal = {steps: comparison.gain_at(steps) for steps in comparisons.EQUAL_STEPS[claim.dataset]}
        reached = {steps: at for steps, at in equal.items() if at}
        found.append(Compared(claim, quantized, baseline, gain, reached))
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


def gains_sentence(compared: Sequence[Compared]) -> str:
    """Which networks gain accuracy by quantization, as trained, which lose, and for which the seeds cannot tell."""
    told: dict[str, list[str]] = {"gains": [], "loses": [], "open": []}
    for one in compared:
        low, high = one.gain.interval
        verdict = "gains" if low > 0 else "loses" if high < 0 else "open"
        points = one.gain._replace(mean=-one.gain.mean) if verdict == "loses" else one.gain
        told[verdict].append(f"{points.text(2)} points for the {name(one.claim)}, +{one.claim.points} on the slides")
    said = [f"Quantization {verb} {'; '.join(told[verb])}." for verb in ("gains", "loses") if told[verb]]
    if told["open"]:
        said.append(f"Whether it gains anything our seeds do not tell: {'; '.join(told['open'])}.")
    return " ".join(said)


def energy_sentence(compared: Sequence[Compared], saved: Savings) -> str:
    """What the slides' formula and the causal count say of the convolutional network."""
    claim, quantized, baseline, *_ = compared[-1]
    percent = reported.claims()[f"energy_reduction_{energy_claims.BEST}"].value
    formula, causal = saved[SLIDES][1], saved[CAUSAL][1]
    return (
        f"By the slides' formula the {name(claim)} saves {interval(formula)} %, {percent} % on the slides;"
        f" slower clocks alone, without a spike less, would save {by_clocks_alone(baseline, quantized):.1f} % by it."
        f" Counting the additions that arriving spikes make, it saves {interval(causal)} %; below zero it needs more."
    )


def interval(saved: Spread) -> str:
    """A mean with its 95 % interval, where there is one.

    >>> interval(seed_statistics.spread([1.0, 3.0])), interval(seed_statistics.spread([1.0]))
    ('2.0 (-10.7 to 14.7)', '1.0')
    """
    ends = saved.interval_text(1)
    return f"{saved.mean:.1f}" + (f" ({ends})" if ends else "")


def partly_quantized(
    groups: Mapping[TrainingConfig, Group], compared: Sequence[Compared]
) -> list[tuple[Compared, dict[str, Group]]]:
    """The comparisons with the networks that are quantized in a part alone, where both parts are trained."""
    known = []
    for one in compared:
        claim, _, baseline, *_ = one
        *hidden, output = claim.degrees.split("-")
        parts = {
            "the hidden layers alone": "-".join([*hidden, "1"]),
            "the output alone": "-".join([*("1" for _ in hidden), output]),
        }
        found = {
            words: group
            for words, degrees in parts.items()
            if (group := comparisons.by_recipe(groups, claim.dataset, claim.network, degrees))
            and group is not baseline
            and min(len(group.results), len(baseline.results)) >= FEWEST
        }
        if len(found) == len(parts):
            known.append((one, found))
    return known


def layers_sentence(groups: Mapping[TrainingConfig, Group], compared: Sequence[Compared]) -> str:
    """What quantizing the hidden layers alone gains, and the output alone; empty where neither is trained."""
    told = []
    for (claim, _, baseline, *_), found in partly_quantized(groups, compared):
        gained = [f"{words} {seed_statistics.gain(group, baseline).text(2)}" for words, group in found.items()]
        told.append(f"{name(claim)}: {', '.join(gained)}")
    return f"Quantizing only a part gains, in points, {'; '.join(told)}." if told else ""


def equal_steps_sentence(compared: Sequence[Compared]) -> str:
    """From how many mean time steps on quantization is ahead, and where it is behind; empty where none was measured."""
    told = []
    for one in compared:
        if not one.at_steps:
            continue
        ahead = [steps for steps, gain in one.at_steps.items() if gain.interval[0] > 0]
        behind = [steps for steps, gain in one.at_steps.items() if gain.interval[1] < 0]
        shown = "; ".join(f"{gain.text(2)} at {steps:g}" for steps, gain in one.at_steps.items())
        verdicts = [f"ahead at {listed([f'{s:g}' for s in ahead])}"] if ahead else []
        verdicts += [f"behind at {listed([f'{s:g}' for s in behind])}"] if behind else []
        told.append(f"- {name(one.claim)}, {' and '.join(verdicts) or 'not told apart'}: {shown}.")
    if not told:
        return ""
    return (
        "Networks that decide at different times are not alike, so here is the gain at equal mean time steps, where"
        " both reach them; the output threshold is chosen on the validation images.\n\n" + "\n".join(told)
    )


def slides_steps_sentence(compared: Sequence[Compared]) -> str:
    """How our convolutional networks stand at the slides' own time steps."""
    claim, quantized, baseline, _, _ = compared[-1]
    before, after = (energy_claims.reported_steps(key) for key in (energy_claims.UNQUANTIZED, energy_claims.BEST))
    printed = reported.own_accuracy(claim.dataset)
    said = [
        f"The slides' convolutional networks decide after {before:.2f} and {after:.2f} steps,"
        f" ours after {baseline.steps.mean:.2f} and {quantized.steps.mean:.2f}."
    ]
    for words, group, steps in (("unquantized", baseline, before), ("quantized", quantized, after)):
        percent = printed[group.config.architecture]
        if found := group.at_steps(steps):
            said.append(f"At {steps:.2f} steps our {words} one has {found.text(2)} %, the slides' {percent:.1f} %.")
        elif fewest := group.fewest_steps:
            said.append(
                f"No output threshold takes our {words} one to the {steps:.2f} steps at which the slides' has"
                f" {percent:.1f} %: the fewest are {fewest:.2f}."
            )
    return " ".join(said)


def baselines_sentence(compared: Sequence[Compared]) -> str:
    """How many of our networks have the slides' accuracies, at whatever steps, and how far our baselines are above."""
    reached, better = [], []
    for claim, quantized, baseline, *_ in compared:
        printed = reported.own_accuracy(claim.dataset)
        if quantized.accuracy.mean >= printed[quantized.config.architecture]:
            reached.append(f"{quantized.steps.mean:.2f}")
        better.append(f"{baseline.accuracy.mean - printed[baseline.config.architecture]:+.1f}")
    after = f", after {listed(reached)} steps" if reached else ""
    return (
        f"Of our {len(compared)} quantized networks, {len(reached)} have at least the accuracy that the slides print"
        f"{after}; our baselines differ from the slides' by {listed(better)} points, from which a gain starts."
    )


def others_sentence(compared: Sequence[Compared]) -> str:
    """What the paper's formula says of the networks for which the slides claim no saving."""
    said = []
    for claim, quantized, baseline, *_ in compared[:-1]:
        said.append(f"{energy_claims.reductions(quantized, baseline)[SLIDES].text(1)} % for the {name(claim)}")
    return f"The slides' formula alone gives {listed(said)}; below zero more energy is needed."


def bounds_sentence(images: Sequence[float]) -> str:
    """What the slides' counts allow at all, whatever pooling hands on."""
    bounds = energy_claims.reported_bounds(energy_claims.BEST, images)
    said = [f"{low:.0f} to {high:.0f} % {key}" for key, (low, high) in bounds.items() if low < high]
    return f"With any share in either network the slides' counts allow {listed(said)}."


def steps_sentence(compared: Sequence[Compared]) -> str:
    """What silence does to the steps of the convolutional network, whose images without an output spike take all T."""
    _, quantized, baseline, *_ = compared[-1]
    silent = [f"{group.silent.mean:.1f} %" for group in (baseline, quantized)]
    said = (
        "An image on which no output neuron fires takes all time steps."
        f" In the convolutional network these are {silent[0]} of the images unquantized and {silent[1]} quantized."
    )
    later = per_image.later_where_both_decide(quantized, baseline)
    if not later:
        return said
    return f"{said} On the images that both decide, the quantized one takes {later.text(2)} steps more."


def earlier(groups: Mapping[TrainingConfig, Group], compared: Sequence[Compared]) -> list[tuple[Compared, Group]]:
    """The comparisons whose baseline was trained with the loss of our earlier recipe too, with that baseline."""
    found = []
    for comparison in compared:
        claim = comparison.claim
        baseline = comparisons.by_recipe(groups, claim.dataset, claim.network, **comparisons.EARLIER)
        if baseline and len(baseline.results) >= FEWEST:
            found.append((comparison, baseline))
    return found


def loss_table(groups: Mapping[TrainingConfig, Group], compared: Sequence[Compared]) -> str:
    """What the loss of our earlier recipe made of the baselines; empty where too few were trained with it."""
    header = ["network", "loss", "unquantized, %", "steps", "silent, %", "seeds", "gain, points", "saved, causal, %"]
    body = []
    for (claim, quantized, baseline, *_), before in earlier(groups, compared):
        for words, group in (("earlier", before), ("the recipe's", baseline)):
            known = [group.accuracy.text(2), group.steps.text(2), f"{group.silent.mean:.1f}", str(len(group.results))]
            saved = energy_claims.reductions(quantized, group)[CAUSAL]
            body.append([name(claim), words, *known, seed_statistics.gain(quantized, group).text(2), saved.text(1)])
    if not body:
        return ""
    return (
        "All of this hangs on a loss that charges every clock alike for waiting"
        " ([chapter 4](../notebooks/04_mnist_smlp.ipynb)).\n"
        "The loss of our earlier recipe decides too early on a fine clock, where no output is above its threshold"
        " ([chapter 7](../notebooks/07_accuracy.ipynb)).\n"
        "Here is what either loss makes of the unquantized network, and so of what quantization seems to gain and save:"
        "\n\n" + rows(header, body)
    )


def found(compared: Sequence[Compared], saved: Savings) -> list[Finding]:
    """Every claim of the slides about accuracy, energy and latency that our networks can be held against."""
    findings = [
        Finding(f"points of accuracy gained, {label(c.claim)}", f"+{c.claim.points}", c.gain, 2) for c in compared
    ]
    claim, quantized, baseline, *_ = compared[-1]
    scnn = label(claim)
    percent = reported.claims()[f"energy_reduction_{energy_claims.BEST}"].value
    words, alone = f"percent of energy saved by the paper's formula, {scnn}", by_clocks_alone(baseline, quantized)
    findings.append(Finding(words, f"+{percent}", saved[SLIDES][1], 1, alone))
    longer = energy_claims.reported_steps(energy_claims.BEST) - energy_claims.reported_steps(energy_claims.UNQUANTIZED)
    ours = seed_statistics.difference(quantized.steps, baseline.steps)
    findings.append(Finding(f"time steps that the decision takes longer, {scnn}", f"{longer:+.2f}", ours, 2))
    return findings


def by_clocks_alone(baseline: Group, quantized: Group) -> float:
    """Percent that the slides' formula saves in the SCNN where the clocks change and neither spikes nor steps do."""
    alphas = frequency_coefficients(1, 1, Architecture.parse(quantized.config.architecture).quantization)
    return energy_claims.formula_saves(baseline.spikes, baseline.spikes, alphas)


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
    header = [
        "claim",
        "the paper",
        "ours",
        "95 % interval",
        "seeds",
        "if nothing changed",
        "same direction",
        "same size",
    ]
    body = []
    for finding in findings:
        words, printed, ours, decimals, unchanged = finding
        known = [printed, f"{ours.mean:+.{decimals}f}", ours.interval_text(decimals), str(finding.fewest)]
        known.append(f"{unchanged:+.{decimals}f}" if unchanged else "0")
        body.append([words, *known, finding.direction, finding.size])
    return rows(header, body)


def networks_table(compared: Sequence[Compared]) -> str:
    """The networks behind the claims, unquantized and quantized."""
    header = ["network", "degrees", "the paper, %", "ours, %", "silent, %", "steps", "seeds"]
    body = []
    for claim, quantized, baseline, *_ in compared:
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


def pooling_sentence(groups: Mapping[TrainingConfig, Group]) -> str:
    """How the convolutional network's gain hangs on its pooling, which the slides do not name; empty if untrained."""
    pooled = comparisons.maximum_pooled(groups)
    if len(pooled) < 2:
        return ""
    before = pooled[energy_claims.UNQUANTIZED]
    maximum = seed_statistics.gain(pooled[energy_claims.BEST], before)
    return (
        f"The slides do not name the kind of pooling, and ours takes averages: with maxima, {before.config.epochs}"
        f" epochs and the earlier loss quantization gained {maximum.text(2)} points ({seeds(min(maximum.seeds))})."
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
    stored = [files for c in compared for group in (c.quantized, c.baseline) for files in (group.dials, group.answers)]
    before = [baseline for _, baseline in earlier(groups, compared)]
    parts = [list(found.values()) for _, found in partly_quantized(groups, compared)]
    tables = (reported.ACCURACY, reported.CLAIMS, reported.ENERGY, reported.LAYERS)
    tests = {f"{c.claim.dataset}/test" for c in compared}
    return used_files.names(networks, stored, before, parts, comparisons.maximum_pooled(groups), tables, tests)


def folded(title: str, content: str) -> str:
    """Content that a reader opens; empty where there is none."""
    return f":::{{dropdown}} {title}\n{content}\n:::" if content else ""


def draw_method(folder: Path) -> None:
    """Write the picture of the method: one neuron of each kind on three input spikes, the second of which inhibits."""
    weights = torch.tensor([[1.5, -1.0, 0.75]])
    spikes = torch.stack([torch.tensor([[1, 2, 5]]) == t for t in range(8)]).float()
    figure = method_figures.membrane_traces(spikes, weights, q=4)
    style.save_svg(figure, folder / METHOD)


def write(folder: Path) -> str:
    """Write the two figures into `folder`, and a copy of the result's for link previews into its `_static`.

    Returns the page's part with the figure, the words and the mark of what they are made from, in MyST Markdown.

    Raises `FindingsError` where a result is missing.
    """
    groups = seed_statistics.released()
    compared = all_compared(groups)
    images = per_image.input_spikes("fashion-mnist", comparisons.paper_time_steps("fashion-mnist"))
    saved = savings(groups, images)
    style.use_style()
    claimed = {label(c.claim): operating_points.of_comparison(c) for c in comparisons.of_claims(groups)}
    operating = {name: found for name, found in claimed.items() if found}
    ends = {key: (min(papers.values()), max(papers.values()), ours) for key, (papers, ours) in saved.items()}
    figure = result_figures.findings(operating, ends)
    style.save_svg(figure, folder / FIGURE)
    (folder / "_static").mkdir(exist_ok=True)
    figure.savefig(folder / "_static" / PREVIEW, bbox_inches="tight", dpi=200)
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
        "Accuracy.": gains_sentence(compared),
        "Energy.": energy_sentence(compared, saved),
        "Where it comes from.": layers_sentence(groups, compared),
    }
    parts = [
        "\n".join(f"- **{title}** {said}" for title, said in points.items() if said),
        "\n".join(directive),
        equal_steps_sentence(compared),
        f"{slides_steps_sentence(compared)}\n{baselines_sentence(compared)}",
        folded("The claims one by one", f"{reproduction_sentences(claims)}\n\n{findings_table(claims)}"),
        folded(
            "The networks behind them",
            "\n\n".join(filter(None, [networks_table(compared), steps_sentence(compared), pooling_sentence(groups)])),
        ),
        folded("What the loss does", loss_table(groups, compared)),
        folded(
            "Energy under every accounting",
            f"Energy that {label(compared[-1].claim)} saves, in %, by how it is counted and by how many spikes pooling"
            f" hands on in the paper's networks, which the slides do not say:\n\n{energy_table(saved)}\n\n"
            f"{bounds_sentence(images)}\n{others_sentence(compared)}",
        ),
    ]
    # One element, which the mark is of.
    words = ["::::{container} findings", *"\n\n".join(filter(None, parts)).splitlines(), "::::"]
    return "\n".join([*words, "", marks.mark(made_from(groups, compared))])

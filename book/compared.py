"""What the slides claim and print, beside what our networks do: the facts that the first page is written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from book.marks import DATASETS
from tqttfs_lite.energy.models import SLIDES, frequency_coefficients
from tqttfs_lite.experiments import used_files
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.paper import comparisons, energy_claims, gains, reported, seed_statistics
from tqttfs_lite.paper.seed_statistics import FEWEST, Difference, Group, Spread
from tqttfs_lite.report import per_image
from tqttfs_lite.spiking.notation import Architecture

RECIPE = "the recipe's"  # baseline, beside the controls' names


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
    one_more: tuple[float, float]  # 95 % prediction interval for one more pair of networks
    decimals: int
    unchanged: float = 0.0  # what comes out where quantization changes no spike and no decision
    equivalent: bool = False  # to `unchanged`, within the margin of the plan
    files: tuple[str, ...] = ()  # the names of the files behind ours

    @property
    def fewest(self) -> int:
        """Seeds of the network that has fewer."""
        return self.ours.seeds if isinstance(self.ours, Spread) else min(self.ours.seeds)

    @property
    def direction(self) -> str:
        """Whether the seeds agree with what is printed on which side of `unchanged` it is.

        >>> seeds = [1.0, 1.1, 1.2], [-1.0, -1.2, -1.1], [-1.0, 0.0, 1.0]
        >>> [Finding("", "2.5", seed_statistics.spread(ours), (0.0, 0.0), 1).direction for ours in seeds]
        ['yes', 'the opposite', 'open']
        """
        low, high = self.ours.interval
        if self.fewest < FEWEST:
            return "open"
        if low <= self.unchanged <= high:
            return "no difference" if self.equivalent else "open"
        if (low > self.unchanged) == (float(self.printed) > self.unchanged):
            return "yes"
        between = min(0.0, self.unchanged) < self.ours.mean < max(0.0, self.unchanged)
        return "less than if nothing changed" if between else "the opposite"

    @property
    def size(self) -> str:
        """Whether what is printed may be of one more pair of ours; open where `unchanged` may be, too.

        >>> seeds = [2.0, 2.5, 2.4], [1.0, 1.1, 1.2], [-2.0, 3.0, 4.0]
        >>> spreads = [seed_statistics.spread(ours) for ours in seeds]
        >>> [Finding("", "2.5", ours, ours.one_more, 1).size for ours in spreads]
        ['yes', 'no', 'open']
        """
        low, high = self.one_more
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

    @property
    def equivalent(self) -> bool:
        """Whether the gain as trained is shown to be equivalent to none, within the margin of the plan."""
        return gains.equivalence(self.gain, gains.MARGINS[self.claim.dataset]).shown


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


def found(compared: Sequence[Compared], saved: Savings) -> list[Finding]:
    """Every claim of the slides about accuracy, energy and latency that our networks can be held against."""
    findings = []
    for c in compared:
        one_more = gains.one_more_pair(c.quantized.accuracy, c.baseline.accuracy).interval
        words = f"accuracy gained, in points, {label(c.claim)}"
        files = tuple(sorted(used_files.names(c.quantized, c.baseline)))
        findings.append(Finding(words, f"+{c.claim.points}", c.gain, one_more, 2, equivalent=c.equivalent, files=files))
    claim, quantized, baseline, *_ = compared[-1]
    scnn = label(claim)
    percent = reported.claims()[f"energy_reduction_{energy_claims.BEST}"].value
    words, formula = f"energy saved by the paper's formula, in percent, {scnn}", saved[SLIDES][1]
    alone = by_clocks_alone(baseline, quantized)
    findings.append(Finding(words, f"+{percent}", formula, formula.one_more, 1, alone, files=files))
    longer = energy_claims.reported_steps(energy_claims.BEST) - energy_claims.reported_steps(energy_claims.UNQUANTIZED)
    ours = seed_statistics.difference(quantized.steps, baseline.steps)
    one_more = gains.one_more_pair(quantized.steps, baseline.steps).interval
    words = f"delay of the decision, in time steps, {scnn}"
    findings.append(Finding(words, f"{longer:+.2f}", ours, one_more, 2, files=files))
    return findings


def by_clocks_alone(baseline: Group, quantized: Group) -> float:
    """Percent that the slides' formula saves in the SCNN where the clocks change and neither spikes nor steps do."""
    alphas = frequency_coefficients(1, 1, Architecture.parse(quantized.config.architecture).quantization)
    return energy_claims.formula_saves(baseline.spikes, baseline.spikes, alphas)


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


def controlled(
    groups: Mapping[TrainingConfig, Group], compared: Sequence[Compared]
) -> list[tuple[Compared, dict[str, Group]]]:
    """The comparisons with the controls of a coarse output clock, where any is trained with enough seeds."""
    known = []
    for one in compared:
        found = comparisons.controls(groups, one.claim.dataset, one.claim.network)
        found = {words: group for words, group in found.items() if len(group.results) >= FEWEST}
        if found:
            known.append((one, found))
    return known


def baselines(one: Compared, found: Mapping[str, Group]) -> dict[str, Group]:
    """The recipe's baseline and then its controls, as `controlled` has them, by what is said of them."""
    return {RECIPE: one.baseline, **found}


def strongest(one: Compared, found: Mapping[str, Group]) -> str:
    """Which of the `baselines` is the best on the validation images at equal steps."""
    steps = comparisons.middle_steps(one.claim.dataset)
    accuracies = {
        words: accuracy.mean
        for words, group in baselines(one, found).items()
        if (accuracy := group.at_steps(steps, split="validation"))
    }
    return max(accuracies, key=accuracies.__getitem__, default=RECIPE)


def fewer_steps(
    groups: Mapping[TrainingConfig, Group], compared: Sequence[Compared]
) -> list[tuple[Compared, list[Group]]]:
    """The comparisons with their baseline trained with fewer time steps, the fewest first; where there is any."""
    found = []
    for one in compared:
        config = one.baseline.config
        others = [groups.get(replace(config, time_steps=steps)) for steps in range(2, config.time_steps)]
        if enough := [group for group in others if group and len(group.results) >= FEWEST]:
            found.append((one, enough))
    return found


def earlier(groups: Mapping[TrainingConfig, Group], compared: Sequence[Compared]) -> list[tuple[Compared, Group]]:
    """The comparisons whose baseline was trained with the loss of our earlier recipe too, with that baseline."""
    found = []
    for comparison in compared:
        claim = comparison.claim
        baseline = comparisons.by_recipe(groups, claim.dataset, claim.network, **comparisons.EARLIER)
        if baseline and len(baseline.results) >= FEWEST:
            found.append((comparison, baseline))
    return found


class Facts(NamedTuple):
    """Everything that the first page tells, found once."""

    groups: Mapping[TrainingConfig, Group]
    compared: list[Compared]
    images: list[float]  # mean input spikes up to each step
    saved: Savings
    partly: list[tuple[Compared, dict[str, Group]]]
    controlled: list[tuple[Compared, dict[str, Group]]]
    fewer: list[tuple[Compared, list[Group]]]
    earlier: list[tuple[Compared, Group]]
    pooled: dict[str, Group]

    @property
    def used_files(self) -> set[str]:
        """The names of the files behind them."""
        networks = [group for c in self.compared for group in (c.quantized, c.baseline)]
        networks += [group for _, found in (*self.partly, *self.controlled) for group in found.values()]
        networks += [group for _, found in self.fewer for group in found]
        networks += [baseline for _, baseline in self.earlier] + [*self.pooled.values()]
        claimed = [(c.quantized, c.baseline) for c in self.compared]
        answers = [group.answers for pair in claimed for group in pair]
        runs = [result.run_on("test") for result in seed_statistics.paired(*claimed[-1])[0]]
        dials = [group.dials for pair in claimed for group in pair]
        dials += [group.dials for _, found in self.controlled for group in found.values()]
        tables = (reported.ACCURACY, reported.CLAIMS, reported.ENERGY, reported.LAYERS)
        tests = {f"{c.claim.dataset}/test" for c in self.compared}
        return used_files.names(networks, answers, dials, runs, tables, tests)


def facts() -> Facts:
    """What the first page tells, from the released results; raises `FindingsError` where one is missing."""
    groups = seed_statistics.released()
    compared = all_compared(groups)
    images = per_image.input_spikes("fashion-mnist", comparisons.paper_time_steps("fashion-mnist"))
    return Facts(
        groups,
        compared,
        images,
        savings(groups, images),
        partly_quantized(groups, compared),
        controlled(groups, compared),
        fewer_steps(groups, compared),
        earlier(groups, compared),
        comparisons.maximum_pooled(groups),
    )


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

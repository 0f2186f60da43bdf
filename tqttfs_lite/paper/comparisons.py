"""Our networks compared with those of the slides: they are found by recipe, and paired with the slides' claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import median
from typing import Any, NamedTuple

from tqttfs_lite.experiments import results, used_files
from tqttfs_lite.experiments.config import TrainingConfig, family, losses_alike, recipe, unquantized
from tqttfs_lite.experiments.results import Result, Trial
from tqttfs_lite.paper import energy_claims, reported
from tqttfs_lite.paper.seed_statistics import FEWEST, Difference, Group, gain, gain_at, paired
from tqttfs_lite.spiking.notation import Architecture

# The loss of our earlier recipe, with which networks with a fine clock decide too early.
EARLIER = {"loss": "soft-decoder"}
# How our networks with max pooling differ from the recipe.
MAXIMUM_POOLING = {**EARLIER, "pooling": "max", "epochs": 40}
# The mean time steps at which networks are compared, by data set; `middle_steps` represents all.
EQUAL_STEPS = {"mnist": (2.3, 2.5, 3.0), "fashion-mnist": (7.0, 8.0, 9.0, 10.0, 11.0)}
# The mean time steps at which their curves are drawn.
CURVE_STEPS = {"mnist": [n / 10 for n in range(12, 46)], "fashion-mnist": [n / 5 for n in range(23, 66)]}

# Unquantized networks that share mainly one property with an output clock of q = 4: its first tick comes late, or the
# loss has a term for each of few ticks.
CONTROLS: dict[str, dict[str, Any]] = {
    "no output before step 4": {"earliest_output": 4},
    "four ticks in the loss": {"loss": "few-ticks"},
}


def paper_time_steps(dataset: str) -> int:
    """T of the paper's networks on this data set.

    >>> paper_time_steps("mnist"), paper_time_steps("fashion-mnist")
    (8, 16)
    """
    claim = {"mnist": "mnist_smlp_time_steps", "fashion-mnist": "fashion_smlp_time_steps"}[dataset]
    return int(reported.claims()[claim].value)


def middle_steps(dataset: str) -> float:
    """The one of the mean time steps at which networks are compared that represents all.

    >>> middle_steps("mnist"), middle_steps("fashion-mnist")
    (2.5, 9.0)
    """
    return median(EQUAL_STEPS[dataset])


def by_recipe(
    groups: Mapping[TrainingConfig, Group], dataset: str, network: str, degrees: str | None = None, **changes: Any
) -> Group | None:
    """Our results for a network with these degrees and the paper's T, by its recipe; None if it is not trained yet.

    `groups` come from `seed_statistics.released`; `changes` are changes to the recipe.
    """
    architecture = Architecture.parse(network)
    architecture = architecture.with_quantization(degrees) if degrees else architecture
    config = recipe(str(architecture), dataset, paper_time_steps(dataset), **changes)
    return groups.get(replace(config, loss=losses_alike(config)[0]))


def controls(groups: Mapping[TrainingConfig, Group], dataset: str, network: str) -> dict[str, Group]:
    """The `CONTROLS` that are trained with a network, by what they share with the coarse output clock."""
    found = {words: by_recipe(groups, dataset, network, **changes) for words, changes in CONTROLS.items()}
    return {words: group for words, group in found.items() if group}


def control_gains(control: Group, plain: Group, coarse: Group, mean_steps: float | None = None) -> str:
    """How much of what a coarse output clock gains over the unquantized network a control gains, in words.

    The words follow the 95 % intervals over seeds, as trained or at equal mean time steps.  "As much" means that the
    control is not shown to differ from the network with the coarse clock, and "none shown" that it is not shown to
    gain.  Empty where the networks are not measured, or do not all reach this number of steps.
    """
    if min(len(group.results) for group in (control, plain, coarse)) < FEWEST:
        return "few seeds"
    if mean_steps is None:
        over, beside = gain(control, plain), gain(control, coarse)
    else:
        at = [gain_at(control, other, mean_steps) for other in (plain, coarse)]
        if not (at[0] and at[1]):
            return ""
        over, beside = at[0], at[1]
    low, high = beside.interval
    if not over.interval[0] > 0:
        return "none shown"
    return "a part" if high < 0 else "more" if low > 0 else "as much"


def scnn_configurations(groups: Mapping[TrainingConfig, Group]) -> dict[str, Group]:
    """Our results for the slides' configurations of the SCNN, by recipe and in the slides' order, "none" first.

    Only configurations that share a seed with the unquantized network; empty if that is not trained yet.
    """
    found = {
        name: by_recipe(
            groups, "fashion-mnist", str(energy_claims.SCNN), None if name == energy_claims.UNQUANTIZED else name
        )
        for name in reported.configurations()
    }
    baseline = found[energy_claims.UNQUANTIZED]
    return {name: group for name, group in found.items() if baseline and group and paired(group, baseline)}


def pooling_cases(groups: Mapping[TrainingConfig, Group]) -> dict[str, dict[str, list[float]]]:
    """Possible shares of spikes passed on by pooling in the slides' networks, for `energy_claims.reported_reductions`.

    These are the two extremes, the same for every configuration, and, if they are trained, the shares of our own
    networks with max pooling, with seed 0.
    """
    names = reported.configurations()
    cases = {words: {name: [share] * 2 for name in names} for words, share in (("all", 1.0), ("a quarter", 0.25))}
    found = {name: energy_claims.shares_handed_on(group.results[0]) for name, group in maximum_pooled(groups).items()}
    return {f"{words} passed on": shares for words, shares in cases.items()} | (
        {"our shares, maximum": found} if len(found) == 2 else {}
    )


def maximum_pooled(groups: Mapping[TrainingConfig, Group]) -> dict[str, Group]:
    """Our SCNN with max pooling, unquantized and in the slides' best configuration, by configuration, if trained."""
    degrees = {energy_claims.UNQUANTIZED: None, energy_claims.BEST: energy_claims.BEST}
    found = {
        name: by_recipe(groups, "fashion-mnist", str(energy_claims.SCNN), degrees[name], **MAXIMUM_POOLING)
        for name in degrees
    }
    return {name: group for name, group in found.items() if group}


class Comparison(NamedTuple):
    """An improvement that the slides claim, and our networks for it, as far as they are trained."""

    claim: reported.Improvement
    quantized: Group | None
    baseline: Group | None

    @property
    def used_files(self) -> tuple[str, ...]:
        """The names of the files behind the claim and our networks."""
        return tuple(sorted(used_files.names(reported.CLAIMS, self.quantized, self.baseline)))

    @property
    def dials(self) -> tuple[str, ...]:
        """The names of the files of our networks' stored dials."""
        return tuple(file for group in (self.quantized, self.baseline) if group for file in group.dials)

    @property
    def gain(self) -> Difference | None:
        """The gain in accuracy as trained, in percentage points; None if a network is not trained yet."""
        return gain(self.quantized, self.baseline) if self.quantized and self.baseline else None

    def gain_at(self, mean_steps: float) -> Difference | None:
        """The gain at equal mean time steps, `seed_statistics.gain_at`; None also if a network is not trained yet."""
        return gain_at(self.quantized, self.baseline, mean_steps) if self.quantized and self.baseline else None

    def by_trainings(self) -> dict[str, tuple[Group, Group]]:
        """Our quantized network and baseline from selected trainings, by a name for these.

        All that count in the means; these and the repeated ones, if there are any; and those in one precision, repeated
        ones included, if the two networks were not all trained in the same.  A training counts like a seed.  Empty if a
        network is not trained yet.
        """
        if not (self.quantized and self.baseline):
            return {}
        found = {"all": (self.quantized, self.baseline)}
        quantized, baseline = (group.with_repeated() for group in found["all"])
        if (quantized, baseline) != found["all"]:
            found["all, repeated ones too"] = quantized, baseline
        if len(quantized.precisions | baseline.precisions) > 1:
            for dtype in sorted(quantized.precisions & baseline.precisions):
                found[dtype] = quantized.trained_in(dtype), baseline.trained_in(dtype)
        return found

    def summary(self, decimals: int) -> str:
        """The two networks with steps and silent images, and the gain as trained and at equal mean steps, in words.

        Raises `ResultError` if a stored dial is damaged.
        """
        if not (self.quantized and self.baseline and self.gain):
            return f"{self.claim.dataset}, {self.claim.network} {self.claim.degrees}: not trained yet"
        lines = [f"{self.claim.dataset}, {short(self.quantized.config.architecture)}:"]
        for words, group in (("unquantized", self.baseline), ("quantized", self.quantized)):
            lines.append(
                f"  {words}: {group.accuracy.text(decimals)} %, {group.steps.mean:.2f} steps,"
                f" {group.silent.mean:.1f} % silent, {len(group.results)} seeds"
            )
        lines.append(f"  gain as trained: {self.gain.text(decimals)} points (slides: {float(self.claim.points):+.1f})")
        for steps in EQUAL_STEPS[self.claim.dataset]:
            if at := self.gain_at(steps):
                lines.append(f"  gain at {steps:g} mean steps: {at.text(decimals)}")
        return "\n".join(lines)


def of_claims(groups: Mapping[TrainingConfig, Group], **changes: Any) -> list[Comparison]:
    """All improvements that the slides claim, with our networks by their recipe, or with changes to it."""
    return [
        Comparison(
            claim,
            by_recipe(groups, claim.dataset, claim.network, claim.degrees, **changes),
            by_recipe(groups, claim.dataset, claim.network, **changes),
        )
        for claim in reported.improvements()
    ]


def pairs_of_trials() -> list[tuple[Result | Trial, Result | Trial]]:
    """Pairs of the slides' quantized networks and the unquantized ones that were trained with the same settings.

    They are taken from trials and released results with seed 0.
    """
    known: dict[TrainingConfig, Result | Trial] = {trial.config: trial for trial in results.read_trials()}
    known |= {result.config: result for result in results.read_all()}
    return [
        (quantized, known[plain])
        for config, quantized in known.items()
        if config.seed == 0 and config.architecture in reported.own_accuracy(config.dataset)
        if (plain := unquantized(config)) in known and plain != config
    ]


def short(architecture: str) -> str:
    """A short name: family and degrees for the paper's networks, the notation for others.

    >>> short("784-400(1)-10(2)"), short("784-16(1)-10(2)")
    ('SMLP 1-2', '784-16(1)-10(2)')
    """
    network = Architecture.parse(architecture)
    printed = {
        Architecture.parse(name).unquantized for data in reported.ACCURACY for name in reported.own_accuracy(data)
    }
    return f"{family(network)} {network.short_form}" if network.unquantized in printed else architecture

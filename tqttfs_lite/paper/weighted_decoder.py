"""A follow-up's claim that output spikes weighted by their time decide sooner, tested with our networks.

Che et al. (2024) compare their decoder with that of TQ-TTFS.  On the same spikes, the two stop on the same step, since
an output fires once and a later spike weighs less (`coding.decode_weighted`).  So what can differ is the training:
networks whose loss is the cross-entropy of the weighted spikes are compared with those of the recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pandas import DataFrame

from tqttfs_lite.experiments.config import TrainingConfig, changes
from tqttfs_lite.experiments.evaluation import Curve
from tqttfs_lite.experiments.results import Trial
from tqttfs_lite.paper import comparisons, operating_points, reported
from tqttfs_lite.paper.attempts import reached, tested, weights_that_halve
from tqttfs_lite.paper.operating_points import READINGS
from tqttfs_lite.paper.seed_statistics import FEWEST, Difference, Group, Spread, difference

RECIPE = "first spike, the recipe"
# Half-lives in T, as chosen for MNIST's networks (some of FashionMNIST's were trained with it before theirs were
# chosen), and for FashionMNIST's quantized and unquantized ones.
HALVINGS = {
    "weights that halve in T / 2": 0.5,
    "weights that halve in 2 T": 2.0,
    "weights that halve in 4 T": 4.0,
}
# Mean steps within which networks with few silent images are compared.
LIMITS = {dataset: steps[:3] for dataset, steps in comparisons.EQUAL_STEPS.items()}
# Mean steps at which curves are drawn: these networks decide from the first tick on.
CURVE_STEPS = {"mnist": [n / 20 for n in range(20, 81)], "fashion-mnist": [n / 5 for n in range(5, 61)]}


def forms(dataset: str) -> dict[str, dict[str, Any]]:
    """How the trainings differ from the recipe, by the form of the weights.

    With weights on a straight line, 1 - t / T, the loss is that of first-spike times, whose sharpness was not tuned.
    Weights that halve have a half-life; the sharpness and the half-lives were chosen on validation images: `tuning`
    shows those of FashionMNIST.
    """
    halving = {name: weights_that_halve(dataset, half_life) for name, half_life in HALVINGS.items()}
    return {"weights on a straight line": {"loss": "first-spike-time", "sharpness": 16.0}, **halving}


class Case(NamedTuple):
    """One network, trained by the recipe and with weighted spikes."""

    dataset: str
    form: str  # of the weights
    recipe: Group
    weighted: Group

    @property
    def used_files(self) -> tuple[str, ...]:
        """The names of the files behind both."""
        return tuple(file for group in (self.recipe, self.weighted) for file in (*group.used_files, *group.dials))

    @property
    def sides(self) -> tuple[tuple[str, Group], tuple[str, Group]]:
        """The recipe's networks and those with weighted spikes, each with the name of its decoder."""
        return (RECIPE, self.recipe), (self.form, self.weighted)

    @property
    def network(self) -> str:
        """The network's name in the book."""
        return f"{self.dataset}, {comparisons.short(self.recipe.config.architecture)}"

    @property
    def steps(self) -> Difference:
        """By how many mean steps the weighted spikes decide later, as trained."""
        return difference(self.weighted.steps, self.recipe.steps)

    @property
    def points(self) -> Difference:
        """By how many points of accuracy they are better, as trained."""
        return difference(self.weighted.accuracy, self.recipe.accuracy)

    @property
    def silent(self) -> Difference:
        """How many more images they leave silent, as trained, in percent of all images."""
        return difference(self.weighted.silent, self.recipe.silent)

    @property
    def meeting(self) -> float:
        """The mean steps nearest to those of the weighted spikes, as trained, that the recipe's networks reach too."""
        return max(self.weighted.steps.mean, self.recipe.fewest_steps or 0.0)

    @property
    def points_there(self) -> Difference | None:
        """Likewise, both at those mean steps; None where a network was not measured at other thresholds."""
        found = [group.at_steps(self.meeting) for group in (self.weighted, self.recipe)]
        return difference(found[0], found[1]) if found[0] and found[1] else None

    def within(self, most_steps: float) -> tuple[Spread | None, Spread | None]:
        """The accuracies in percent of both, the weighted spikes first, each at its best within mean steps.

        Few images may be silent (`attempts.tested`); None if not every seed is within these limits.
        """
        weighted, recipe = (tested(group, most_steps).scores for group in (self.weighted, self.recipe))
        return weighted and weighted[0], recipe and recipe[0]


def cases(groups: Mapping[TrainingConfig, Group]) -> list[Case]:
    """The networks for which the slides claim a gain, and their baselines, that were trained with weighted spikes."""
    found = []
    for claim in reported.improvements():
        for degrees in (None, claim.degrees):
            names = (claim.dataset, claim.network, degrees)
            recipe = comparisons.by_recipe(groups, *names)
            for form, settings in forms(claim.dataset).items():
                weighted = comparisons.by_recipe(groups, *names, **settings)
                if recipe and weighted:
                    found.append(Case(claim.dataset, form, recipe, weighted))
    return found


def trained_in(found: Sequence[Case]) -> str:
    """The data types of training by decoder, as a sentence; empty if there is no case."""
    types: dict[str, set[str]] = {}
    for name, group in (side for case in found for side in case.sides):
        types.setdefault(name, set()).update(group.precisions)
    said = "; ".join(f"{name} in {' and '.join(sorted(of_name))}" for name, of_name in types.items())
    return f"Precision of the trainings: {said}." if said else ""


def as_trained(found: Sequence[Case], decimals: int) -> DataFrame:
    """Mean steps, silent images, accuracies and their difference in percentage points, a row for each case."""
    return DataFrame(
        {
            "network": case.network,
            "weights": case.form.removeprefix("weights "),
            "steps: recipe, weighted": ", ".join(f"{group.steps.mean:.2f}" for _, group in case.sides),
            "silent, %": ", ".join(f"{group.silent.mean:.1f}" for _, group in case.sides),
            "accuracy, %: recipe, weighted": ", ".join(group.accuracy.text(decimals) for _, group in case.sides),
            "points": case.points.text(decimals),
            "seeds": ", ".join(f"{len(group.results)}" for _, group in case.sides),
        }
        for case in found
    )


def within_limits(found: Sequence[Case], dataset: str) -> DataFrame:
    """By how many percentage points a data set's weighted networks are better, as text with 95 % intervals.

    At equal mean steps, and `Case.within` each of the `LIMITS`; a cell says so if one side or both are not within them.
    """
    return DataFrame(
        {
            "network": case.network,
            "weights": case.form.removeprefix("weights "),
            "at equal steps": f"at {case.meeting:.2f}: {there.text(2)}" if (there := case.points_there) else "",
        }
        | {f"within {most:g} steps": _points(*case.within(most)) for most in LIMITS[dataset]}
        for case in found
        if case.dataset == dataset
    )


def _points(weighted: Spread | None, recipe: Spread | None) -> str:
    if weighted and recipe:
        return difference(weighted, recipe).text(2)
    return "weighted alone" if weighted else "recipe alone" if recipe else "neither"


def tuned(trials: Sequence[Trial], dataset: str) -> list[Trial]:
    """A data set's trials with weights that halve, each network's after that of the recipe which is as long.

    Trials without such a trial of the recipe, and those that are scored at one output threshold only, are left out.
    """
    of = {trial.config: trial for trial in trials if trial.config.dataset == dataset}
    found: list[TrainingConfig] = []
    for config in sorted(of, key=lambda c: (c.architecture, c.epochs)):
        if set(changes(config)) <= {"epochs"}:
            weighted = [c for c in of if _only_weighted(c, config) and of[c].curve]
            if weighted and of[config].curve:
                found += [config, *sorted(weighted, key=lambda c: (c.half_life, c.sharpness))]
    return [of[config] for config in found]


def tuning(trials: Sequence[Trial], steps: Sequence[float]) -> DataFrame:
    """What `tuned` trials reached, a row each.

    For each number of mean steps, the highest validation accuracy in percent within it over the output thresholds,
    with few silent images (`attempts.reached`); empty where no threshold allows that.
    """
    return DataFrame(_tuned(trial, trial.curve, steps) for trial in trials if trial.curve)


def _only_weighted(config: TrainingConfig, by_recipe: TrainingConfig) -> bool:
    """Whether a configuration is that of the recipe, but for weights that halve."""
    if config.loss != "temporal-weighting":
        return False
    changed = weights_that_halve(config.dataset, 1.0)
    return replace(config, **{name: getattr(by_recipe, name) for name in changed}) == by_recipe


def _tuned(trial: Trial, curve: Curve, steps: Sequence[float]) -> dict[str, str]:
    config, score = trial.config, trial.validation
    weighted = config.loss == "temporal-weighting"
    row = {
        "network": comparisons.short(config.architecture),
        "half-life": f"{config.half_life / config.time_steps:g} T" if weighted else "none, the recipe",
        "sharpness": f"{config.sharpness:g}",
        "as trained, %": f"{score.accuracy:.2f}",
        "steps": f"{score.mean_steps:.2f}",
        "silent, %": f"{100 * score.silent / score.images:.1f}",
    }
    points = ((most, reached(trial.thresholds, curve, most)) for most in steps)
    return row | {f"within {most:g} steps, %": f"{point.accuracy:.2f}" if point else "" for most, point in points}


def curves(found: Sequence[Case]) -> dict[str, dict[str, Sequence[tuple[float, Spread]]]]:
    """By network and decoder, the accuracy of its seeds in percent at mean steps, as the output threshold is varied."""
    drawn: dict[str, dict[str, Sequence[tuple[float, Spread]]]] = {}
    for case in found:
        panel = drawn.setdefault(case.network, {})
        for name, group in case.sides:
            if name not in panel:
                grid = CURVE_STEPS[case.dataset]
                panel[name] = operating_points.curve(group.read_dials(), group.config.time_steps, READINGS[0], grid)
    return drawn


def trained(found: Sequence[Case]) -> dict[str, dict[str, tuple[float, float]]]:
    """By network and decoder, the mean steps and the accuracy in percent, as trained."""
    points: dict[str, dict[str, tuple[float, float]]] = {}
    for case in found:
        for name, group in case.sides:
            points.setdefault(case.network, {})[name] = (group.steps.mean, group.accuracy.mean)
    return points


def verdict(found: Sequence[Case]) -> str:
    """What the networks say about the claim, in words that follow the results.

    Few images may be silent within the middle one of each data set's `LIMITS`.
    """
    judged = [case for case in found if min(case.steps.seeds) >= FEWEST]
    if not judged:
        return "No network has been trained with weighted spikes and enough seeds for a verdict."
    sooner = [case for case in judged if _less(case.steps)]
    there = _settled(case.points_there for case in judged)
    middle = {case.dataset: LIMITS[case.dataset][1] for case in judged}
    limits = " or ".join(f"{steps:g}" for steps in middle.values())
    within = [case.within(middle[case.dataset]) for case in judged]
    with_few_silent = _settled(difference(weighted, recipe) for weighted, recipe in within if weighted and recipe)
    gains = [*there, *with_few_silent]
    said = (
        f"In {len(sooner)} of {len(judged)} comparisons, the networks trained with weighted spikes decided in fewer"
        f" steps than the recipe's as trained, and in {sum(_less(case.points) for case in sooner)} of these they were"
        f" less accurate; in {sum(_less(case.silent) for case in judged)} of {len(judged)}, they left fewer images"
        f" silent. {_compared('At equal mean steps', there)}"
        f" {_compared(f'With few silent images, within {limits} mean steps', with_few_silent)}"
    )
    for side, count in (
        ("they", sum(weighted is not None and recipe is None for weighted, recipe in within)),
        ("the recipe's networks", sum(recipe is not None and weighted is None for weighted, recipe in within)),
    ):
        said += f" In {count}, only {side} stayed within these limits." if count else ""
    said += f" A difference counts if its 95 % interval excludes zero, with at least {FEWEST} seeds on each side."
    if sooner and gains and not any(gain.interval[0] > 0 for gain in gains):
        said += (
            " So fewer steps as trained came with no detectable gain in accuracy at equal steps or with few silent"
            " images; these networks cannot show whether that also holds with the follow-up's own training."
        )
    return said


def _settled(gains: Iterable[Difference | None]) -> list[Difference]:
    return [gain for gain in gains if gain and min(gain.seeds) >= FEWEST]


def _less(change: Difference) -> bool:
    return change.interval[1] < 0


def _compared(where: str, gains: Sequence[Difference]) -> str:
    if not gains:
        return f"{where}, none could be compared."
    more = sum(gain.interval[0] > 0 for gain in gains)
    return f"{where}, they were less accurate in {sum(map(_less, gains))} of {len(gains)}, and more accurate in {more}."

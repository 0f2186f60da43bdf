"""What a search for degrees is worth: its ranking against trained networks, its choice against one at random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb, nan
from statistics import mean
from typing import NamedTuple

import numpy as np
from pandas import DataFrame
from scipy.stats import spearmanr

from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments import paths, search, used_files
from tqttfs_lite.experiments.config import TrainingConfig, recipe, unquantized
from tqttfs_lite.experiments.dial import Dial
from tqttfs_lite.experiments.search import Budget, Scores
from tqttfs_lite.paper.seed_statistics import Group, Spread, spread
from tqttfs_lite.spiking.notation import Architecture

TRAININGS = 4  # as many of the shared network's first are trained
# The searches of the book: a network and the mean time steps within which it has to decide.
SEARCHES = ((recipe("784-400-400-10", "fashion-mnist", 16), 7.0), (recipe("784-400-10", "mnist", 8), 2.5))


@dataclass(frozen=True)
class Trained:
    """Degrees that were trained for real, at the output thresholds at which each seed is best within a budget."""

    setting: str
    validation: Spread  # accuracy in percent
    test: Spread | None  # likewise; None where no seed saw the test images
    steps: float  # mean time steps on the images of the last split that they saw
    made_from: tuple[str, ...]  # the names of the files behind it

    @property
    def used_files(self) -> tuple[str, ...]:
        return self.made_from


def stored(config: TrainingConfig) -> tuple[Scores | None, list[Scores]]:
    """What a search has stored of a network: its shared network's scores, None for none, and the trained ones'."""
    plain = unquantized(config)
    files = sorted((paths.data_directory() / search.FOLDER).glob(f"{config.dataset}_*.json"))
    found = [search.read(file) for file in files]
    shared = [each for each in found if each.degrees and each.config == search.shared_config(plain)]
    own = [each for each in found if not each.degrees and replace(unquantized(each.config), seed=plain.seed) == plain]
    return (shared[0] if shared else None), own


def trained(
    config: TrainingConfig, groups: Mapping[TrainingConfig, Group], scores: Iterable[Scores], mean_steps: float
) -> dict[str, Trained]:
    """All degrees of a network that were trained by its recipe, within a budget of steps, by their short form.

    Released results come first, with all their seeds; of others there are the scores that a search stored.  Degrees
    that do not reach the budget are left out.
    """
    plain = unquantized(config)
    found: dict[str, Trained] = {}
    for settings, group in groups.items():
        if unquantized(settings) == plain:
            setting = Architecture.parse(settings.architecture).short_form
            dials = group.read_dials()
            thresholds = [_threshold(dial, mean_steps) for dial in dials]
            if dials and all(thresholds):
                pairs = [(dial, at) for dial, at in zip(dials, thresholds, strict=True) if at]
                tested = [dial.point(at) for dial, at in pairs]
                found[setting] = Trained(
                    setting,
                    spread([dial.point(at, split="validation").accuracy for dial, at in pairs]),
                    spread([point.accuracy for point in tested]),
                    mean(point.mean_steps for point in tested),
                    (*group.used_files, *group.dials),
                )
    by_setting: dict[str, list[Scores]] = {}
    for own in scores:
        by_setting.setdefault(next(iter(own.settings)), []).append(own)
    budget = Budget(mean_steps, "steps")
    for setting, seeds in by_setting.items():
        choices = [search.within(own, setting, budget, own.as_trained(setting)) for own in seeds]
        points = [choice.point for choice in choices if choice]
        if setting not in found and len(points) == len(seeds):
            accuracy, steps = spread([point.accuracy for point in points]), mean(point.mean_steps for point in points)
            found[setting] = Trained(setting, accuracy, None, steps, tuple(used_files.names(seeds)))
    return found


def _threshold(dial: Dial, mean_steps: float) -> float | None:
    """The output threshold with the best validation accuracy within so many steps on these images."""
    curve = dial.validation
    means = [steps / curve.images for steps in curve.steps]
    return search.best_within(dial.thresholds, means, curve.correct, mean_steps)


class Agreement(NamedTuple):
    """How well one ranking agrees with another (Spearman 1904)."""

    correlation: float
    p_value: float  # of none, two-sided
    settings: int


def agreement(shared: Mapping[str, float], real: Mapping[str, float]) -> Agreement | None:
    """Of the settings that both have; None for fewer than three.

    >>> agreement({"1-1": 1.0, "1-2": 2.0, "2-2": 4.0}, {"1-1": 10.0, "1-2": 11.0, "2-2": 15.0}).settings
    3
    """
    both = [setting for setting in shared if setting in real]
    if len(both) < 3:
        return None
    found = spearmanr([shared[setting] for setting in both], [real[setting] for setting in both])
    return Agreement(float(found.statistic), float(found.pvalue), len(both))


def expected_best(values: Sequence[float], draws: int) -> float:
    """The mean of the highest of so many values that are drawn at random, none of them twice.

    >>> expected_best([1.0, 2.0, 3.0], draws=1), expected_best([1.0, 2.0, 3.0], draws=3)
    (2.0, 3.0)
    """
    draws = min(draws, len(values))
    ways = [comb(place, draws - 1) for place in range(len(values))]  # in which this one is the highest
    return sum(value * way for value, way in zip(sorted(values), ways, strict=True)) / sum(ways)


def within_steps(scores: Scores, mean_steps: float) -> dict[str, float]:
    """The validation accuracy in percent that weights reach within so many mean steps, by the degrees that reach it.

    The most accurate come first.
    """
    found = {}
    for setting, each in scores.settings.items():
        means, right = [one.mean_steps for one in each], [one.accuracy for one in each]
        if threshold := search.best_within(scores.thresholds, means, right, mean_steps):
            found[setting] = float(np.interp(threshold, scores.thresholds, right))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


@dataclass(frozen=True)
class Summary:
    """A search and what it is compared with."""

    mean_steps: float  # the budget
    shared: Scores
    ranking: dict[str, float]  # validation accuracy of the shared network within the budget, the best first
    trained: dict[str, Trained]

    @property
    def used_files(self) -> tuple[str, ...]:
        """The names of the files behind it."""
        return tuple(sorted(used_files.names(self.shared, list(self.trained.values()))))

    @property
    def finalists(self) -> list[str]:
        """The first of the shared network, whether or not they are trained yet."""
        return list(self.ranking)[:TRAININGS]

    @property
    def chosen(self) -> str | None:
        """The finalist with the best validation accuracy; None while none is trained."""
        done = [setting for setting in self.finalists if setting in self.trained]
        return max(done, key=lambda setting: self.trained[setting].validation.mean, default=None)

    @property
    def agreement(self) -> Agreement | None:
        """Of the shared network with the trained ones."""
        return agreement(self.ranking, {name: each.validation.mean for name, each in self.trained.items()})

    def curves(self, steps: Sequence[float], compared: str) -> dict[str, list[float]]:
        """The shared network's accuracy in percent within these mean steps; nan where it does not get there."""
        rankings = [within_steps(self.shared, limit) for limit in steps]
        plain = next(iter(self.shared.settings))
        return {
            "the best degrees": [max(found.values(), default=nan) for found in rankings],
            compared: [found.get(compared, nan) for found in rankings],
            "unquantized": [found.get(plain, nan) for found in rankings],
            "the mean of all degrees": [mean(found.values()) if found else nan for found in rankings],
        }

    def table(self) -> DataFrame:
        """The degrees that were trained for real, and the first of the shared network."""
        places = {setting: place for place, setting in enumerate(self.ranking, start=1)}
        names = sorted({*self.trained, *self.finalists}, key=lambda name: places.get(name, len(places) + 1))
        rows = []
        for name in names:
            real = self.trained.get(name)
            rows.append(
                {
                    "degrees": name,
                    "place": f"{places[name]} of {len(places)}" if name in places else "",
                    "shared network, %": f"{self.ranking[name]:.2f}" if name in places else "",
                    "seeds": str(real.validation.seeds) if real else "not trained yet",
                    "trained, validation, %": real.validation.text(2) if real else "",
                    "trained, test, %": real.test.text(2) if real and real.test else "",
                    "chosen": "←" if name == self.chosen else "",
                }
            )
        return DataFrame(rows)

    def sentences(self) -> str:
        """What came out, in words that follow the files."""
        first, (last, worst) = self.finalists, list(self.ranking.items())[-1]
        left = [setting for setting in first if setting not in self.trained]
        told = [
            f"{len(self.ranking)} of {len(self.shared.settings)} choices of degrees decide within"
            f" {self.mean_steps:g} mean time steps. The shared network puts {', '.join(first)} first, between"
            f" {self.ranking[first[0]]:.2f} and {self.ranking[first[-1]]:.2f} %, and {last} last, with {worst:.2f} %."
        ]
        if found := self.agreement:
            told.append(
                f"Over the {found.settings} choices that were trained for real, its ranking and theirs have a"
                f" correlation of {found.correlation:.2f} (Spearman, p = {found.p_value:.2g})."
            )
        if left:
            told.append(f"Not trained yet: {', '.join(left)}.")
        if chosen := self.chosen:
            own, values = self.trained[chosen].validation.mean, [each.validation.mean for each in self.trained.values()]
            tried, best = len(first) - len(left), max(self.trained, key=lambda name: self.trained[name].validation.mean)
            drawn = expected_best(values, tried + 1)
            told.append(
                f"Of its first ones, as far as they are trained, the best is {chosen}, with {own:.2f} % of the"
                f" validation images right. Of all {len(values)} that are trained the best is {best}, with"
                f" {max(values):.2f} %. Of {tried + 1} that are drawn from these at random, one more for what the"
                f" shared network costs, the best has {drawn:.2f} % on average: the search is worth"
                f" {own - drawn:+.2f} points."
            )
        return "\n".join(told)


def by_budget(config: TrainingConfig, budgets: Iterable[float], groups: Mapping[TrainingConfig, Group]) -> DataFrame:
    """How well the shared network's ranking agrees with that of the trained ones, by the mean time steps allowed."""
    rows = []
    for mean_steps in budgets:
        found = summary(config, mean_steps, groups)
        rows.append(
            {
                "mean time steps": f"{mean_steps:g}",
                "choices within": len(found.ranking),
                "first by the shared network": next(iter(found.ranking), ""),
                "best of the trained": max(
                    found.trained, key=lambda name: found.trained[name].validation.mean, default=""
                ),
                "correlation": f"{found.agreement.correlation:.2f}" if found.agreement else "",
                "p": f"{found.agreement.p_value:.2g}" if found.agreement else "",
                "choices compared": found.agreement.settings if found.agreement else "",
            }
        )
    return DataFrame(rows)


def summary(config: TrainingConfig, mean_steps: float, groups: Mapping[TrainingConfig, Group]) -> Summary:
    """A stored search with its comparisons.

    Raises `ResultError` where there is none.
    """
    shared, own = stored(config)
    if shared is None:
        raise ResultError(f"no search of {config.architecture} is stored: `tqttfs search` makes one")
    real = trained(config, groups, own, mean_steps)
    real = {setting: each for setting, each in real.items() if setting in shared.settings}  # 1-2-1 is 1-2-2
    return Summary(mean_steps, shared, within_steps(shared, mean_steps), real)

"""What a search for degrees is worth: its ranking against trained networks, its choice against one at random."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import comb, nan
from statistics import mean
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from pandas import DataFrame
from scipy.stats import rankdata, spearmanr

from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments import paths, search, used_files
from tqttfs_lite.experiments.config import TrainingConfig, recipe, unquantized
from tqttfs_lite.experiments.search import Budget, Scores
from tqttfs_lite.paper.seed_statistics import Group, Spread, spread
from tqttfs_lite.spiking.notation import Architecture

MOST_PERMUTED = 8  # settings
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
    """What a search has stored: its shared network's scores, None while not all are there, and the trained ones'."""
    plain = unquantized(config)
    files = sorted((paths.data_directory() / search.FOLDER).glob(f"{config.dataset}_*.json"))
    found = [search.read(file) for file in files]
    shared = [each for each in found if each.degrees and each.complete and each.config == search.shared_config(plain)]
    own = [each for each in found if not each.degrees and replace(unquantized(each.config), seed=plain.seed) == plain]
    return (shared[0] if shared else None), own


def trained(
    config: TrainingConfig,
    groups: Mapping[TrainingConfig, Group],
    scores: Iterable[Scores],
    mean_steps: float,
    settings: Container[str],
) -> tuple[dict[str, Trained], dict[str, tuple[str, ...]]]:
    """Those of these degrees of a network that were trained by its recipe, within a budget of steps, by short form.

    Released results come first, with all their seeds; of others there are the scores that a search stored.  Degrees
    of which a seed does not stay within the budget come apart, with the names of the files behind them.
    """
    plain = unquantized(config)
    found: dict[str, Trained] = {}
    beyond: dict[str, tuple[str, ...]] = {}
    for one, group in groups.items():
        setting = Architecture.parse(one.architecture).short_form
        if unquantized(one) == plain and setting in settings:
            dials = group.read_dials()
            choices = [search.within_steps(dial, one, mean_steps) for dial in dials]
            points = [choice.point for choice in choices if choice]
            made_from = (*group.used_files, *group.dials)
            if len(points) < len(dials):
                beyond[setting] = made_from
            elif dials:
                tested = [dial.point(at.threshold) for dial, at in zip(dials, points, strict=True)]
                found[setting] = Trained(
                    setting,
                    spread([point.accuracy for point in points]),
                    spread([point.accuracy for point in tested]),
                    mean(point.mean_steps for point in tested),
                    made_from,
                )
    by_setting: dict[str, list[Scores]] = {}
    for own in scores:
        if (setting := next(iter(own.settings))) in settings:
            by_setting.setdefault(setting, []).append(own)
    budget = Budget(mean_steps, "steps")
    for setting, seeds in by_setting.items():
        choices = [search.within(own, setting, budget, own.as_trained(setting)) for own in seeds]
        points = [choice.point for choice in choices if choice]
        if setting in found or setting in beyond:
            continue
        if len(points) < len(seeds):
            beyond[setting] = tuple(used_files.names(seeds))
        else:
            accuracy, steps = spread([point.accuracy for point in points]), mean(point.mean_steps for point in points)
            found[setting] = Trained(setting, accuracy, None, steps, tuple(used_files.names(seeds)))
    return found, beyond


class Agreement(NamedTuple):
    """How well one ranking agrees with another (Spearman 1904)."""

    correlation: float
    p_value: float  # of none, two-sided; from all permutations of up to `MOST_PERMUTED` settings
    settings: int


def agreement(shared: Mapping[str, float], real: Mapping[str, float]) -> Agreement | None:
    """Of the settings that both have; None for fewer than three.

    For few of them the p-value is exact: the share of all orders of one ranking that agree, or disagree, as well.

    >>> agreement({"1-1": 1.0, "1-2": 2.0, "2-2": 4.0}, {"1-1": 10.0, "1-2": 11.0, "2-2": 15.0}).settings
    3
    """
    both = [setting for setting in shared if setting in real]
    if len(both) < 3:
        return None
    one, other = (rankdata([values[setting] for setting in both]) for values in (shared, real))
    found = spearmanr(one, other)
    if len(both) > MOST_PERMUTED:
        return Agreement(float(found.statistic), float(found.pvalue), len(both))
    one, other = one - one.mean(), other - other.mean()
    every = np.abs(np.array(list(permutations(other))) @ one)
    return Agreement(float(found.statistic), float(np.mean(every >= abs(one @ other) - 1e-9)), len(both))


def expected_best(values: Sequence[float], draws: int) -> float:
    """The mean of the highest of so many values that are drawn at random, none of them twice.

    >>> expected_best([1.0, 2.0, 3.0], draws=1), expected_best([1.0, 2.0, 3.0], draws=3)
    (2.0, 3.0)
    """
    return float(expected_bests(np.array(values))[min(draws, len(values)) - 1])


def expected_bests(values: Float[np.ndarray, "*more n"]) -> Float[np.ndarray, "*more n"]:
    """The same for 1 to n draws.

    Without bias for draws from all that the values are a sample of; one that draws values twice is too low (Tang et al.
    2020, "Showing Your Work Doesn't Always Work").
    """
    n = values.shape[-1]
    shares = [[comb(place, draws - 1) / comb(n, draws) for place in range(n)] for draws in range(1, n + 1)]
    best: Float[np.ndarray, "*more n"] = np.sort(values) @ np.array(shares).T  # shares: of all ways to draw
    return best


def within_steps(scores: Scores, mean_steps: float) -> dict[str, float]:
    """The validation accuracy in percent that weights reach within so many mean steps, by the degrees that reach it.

    The most accurate come first.
    """
    found = {}
    for setting, each in scores.settings.items():
        means, right = [one.mean_steps for one in each], [one.accuracy for one in each]
        best = search.highest_within(scores.thresholds, means, right, mean_steps)
        if best is not None:
            found[setting] = best
    return dict(sorted(found.items(), key=lambda item: -item[1]))


@dataclass(frozen=True)
class Summary:
    """A search and what it is compared with."""

    mean_steps: float  # the budget
    shared: Scores
    ranking: dict[str, float]  # validation accuracy of the shared network within the budget, the best first
    trained: dict[str, Trained]  # within the budget
    beyond: dict[str, tuple[str, ...]]  # trained too, but not within it with every seed: the files, by degrees
    scored: tuple[str, ...]  # the files of the trained ones that a search has scored, released since or not

    @property
    def used_files(self) -> tuple[str, ...]:
        """The names of the files behind it."""
        return tuple(
            sorted(used_files.names(self.shared, list(self.trained.values()), self.scored, *self.beyond.values()))
        )

    @property
    def finalists(self) -> list[str]:
        """The first of the shared network, whether or not they are trained yet."""
        return list(self.ranking)[:TRAININGS]

    @property
    def left(self) -> list[str]:
        """Those of them that are not trained yet."""
        return [setting for setting in self.finalists if setting not in {*self.trained, *self.beyond}]

    @property
    def chosen(self) -> str | None:
        """The finalist with the best validation accuracy; None while none is trained that stays within the budget."""
        done = [setting for setting in self.finalists if setting in self.trained]
        return max(done, key=lambda setting: self.trained[setting].validation.mean, default=None)

    @property
    def agreement(self) -> Agreement | None:
        """Of the shared network with the trained ones."""
        return agreement(self.ranking, {name: each.validation.mean for name, each in self.trained.items()})

    def curves(self, steps: Sequence[float], compared: str) -> dict[str, list[float]]:
        """The shared network's accuracy in percent within these mean steps; nan where it does not get there."""
        rankings = [within_steps(self.shared, limit) for limit in steps]
        plain = Architecture.parse(self.shared.config.architecture).short_form
        return {
            "the best degrees": [max(found.values(), default=nan) for found in rankings],
            compared: [found.get(compared, nan) for found in rankings],
            "unquantized": [found.get(plain, nan) for found in rankings],
            "the mean of all degrees": [mean(found.values()) if found else nan for found in rankings],
        }

    def table(self) -> DataFrame:
        """The degrees that were trained for real, and the first of the shared network, in its order."""
        places = {setting: place for place, setting in enumerate(self.ranking, start=1)}
        names = sorted(
            {*self.trained, *self.beyond, *self.finalists},
            key=lambda name: (places.get(name, len(places) + 1), name),  # those without a place by their names
        )
        rows = []
        for name in names:
            real = self.trained.get(name)
            rows.append(
                {
                    "degrees": name,
                    "place": f"{places[name]} of {len(places)}" if name in places else "",
                    "shared network, %": f"{self.ranking[name]:.2f}" if name in places else "",
                    "seeds": str(real.validation.seeds)
                    if real
                    else ("above the budget" if name in self.beyond else "not trained yet"),
                    "trained, validation, %": real.validation.text(2) if real else "",
                    "trained, test, %": real.test.text(2) if real and real.test else "",
                    "chosen": "←" if name == self.chosen else "",
                }
            )
        return DataFrame(rows)

    def sentences(self) -> str:
        """What came out, in words that follow the files."""
        if not self.ranking:
            return (
                f"None of {len(self.shared.settings)} choices of degrees decides within"
                f" {self.mean_steps:g} mean time steps."
            )
        first, (last, worst) = self.finalists, list(self.ranking.items())[-1]
        told = [
            f"{len(self.ranking)} of {len(self.shared.settings)} choices of degrees decide within"
            f" {self.mean_steps:g} mean time steps."
        ]
        if len(self.ranking) > TRAININGS:
            told.append(
                f"The shared network puts {', '.join(first)} first, between {self.ranking[first[0]]:.2f} and"
                f" {self.ranking[first[-1]]:.2f} %, and {last} last, with {worst:.2f} %."
            )
        if found := self.agreement:
            told.append(
                f"Over the {found.settings} choices that stay within it when trained for real, the shared network's"
                f" ranking and theirs have a correlation of {found.correlation:.2f}"
                f" (Spearman, p = {found.p_value:.2g})."
            )
        if self.left:
            told.append(f"Not trained yet: {', '.join(self.left)}.")
        if above := [setting for setting in first if setting in self.beyond]:
            told.append(f"Trained for real, but not within the budget with every seed: {', '.join(above)}.")
        if chosen := self.chosen:
            values = {setting: each.validation.mean for setting, each in self.trained.items()}
            best = max(values, key=lambda setting: values[setting])
            told.append(
                f"Of its first ones, as far as they are trained, the best is {chosen}, with {values[chosen]:.2f} % of"
                f" the validation images right. Of all {len(values)} that are trained and stay within the budget the"
                f" best is {best}, with {values[best]:.2f} %."
            )
            draws, every = len(first) - len(self.left) + 1, len(values) + len(self.beyond)
            if len(self.beyond) < draws < every:  # some draws miss the best, and each has one within the budget
                drawn = expected_best([*[min(values.values())] * len(self.beyond), *values.values()], draws)
                told.append(
                    f"Of {draws} that are drawn at random from all {every} trained ones, one more for what the shared"
                    f" network costs, the best within the budget has {drawn:.2f} % on average: the search is worth"
                    f" {values[chosen] - drawn:+.2f} points."
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
    real, beyond = trained(config, groups, own, mean_steps, shared.settings)  # without 1-2-1, which is 1-2-2
    scored = tuple(used_files.names(own))
    return Summary(mean_steps, shared, within_steps(shared, mean_steps), real, beyond, scored)

"""What a search for degrees is worth: its ranking against trained networks, its choice against one at random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb
from statistics import mean
from typing import NamedTuple

from scipy.stats import spearmanr

from tqttfs_lite.experiments import paths, search, used_files
from tqttfs_lite.experiments.config import TrainingConfig, unquantized
from tqttfs_lite.experiments.dial import Dial
from tqttfs_lite.experiments.search import Budget, Scores
from tqttfs_lite.paper.seed_statistics import Group, Spread, spread
from tqttfs_lite.spiking.notation import Architecture


@dataclass(frozen=True)
class Trained:
    """Degrees that were trained for real, at the output thresholds at which each seed is best within a budget."""

    setting: str
    validation: Spread  # accuracy in percent
    test: Spread | None  # likewise; None where no seed saw the test images
    steps: float  # mean time steps on the images of the last split that they saw
    used_files: tuple[str, ...]


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
        if replace(unquantized(settings), loss=plain.loss) == plain and settings.loss in (plain.loss, "soft-decoder"):
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
    """The validation accuracy in percent that weights reach within so many mean steps, by the degrees that reach it."""
    budget = Budget(mean_steps, "steps")
    found = (search.within(scores, setting, budget, scores.counts(setting)[0]) for setting in scores.settings)
    return {choice.setting: choice.point.accuracy for choice in found if choice}

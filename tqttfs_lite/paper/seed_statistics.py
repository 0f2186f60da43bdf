"""Statistics over the seeds of a configuration: means, spreads, and the gain over a baseline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import copysign, inf, nan, sqrt
from statistics import mean, stdev
from typing import NamedTuple

from pandas import DataFrame
from scipy.stats import t as student

from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import dial, used_files
from tqttfs_lite.experiments.config import TrainingConfig, losses_alike, unquantized
from tqttfs_lite.experiments.dial import Dial
from tqttfs_lite.experiments.results import ANSWERS, DIALS, Result, beside, read_all

FEWEST = 3  # seeds for a verdict: the interval of two seeds is too wide to exclude much


class Spread(NamedTuple):
    """The mean of a quantity over seeds, and its standard deviation."""

    mean: float
    deviation: float  # standard deviation over seeds; nan for one seed
    seeds: int

    @property
    def half_interval(self) -> float:
        """Half the width of the 95 % confidence interval of the mean (Student 1908); nan for one seed.

        >>> round(spread([1.0, 3.0]).half_interval, 2)
        12.71
        """
        if self.seeds < 2:
            return nan
        return float(student.ppf(0.975, self.seeds - 1)) * self.deviation / sqrt(self.seeds)

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the 95 % confidence interval of the mean."""
        return self.mean - self.half_interval, self.mean + self.half_interval

    @property
    def one_more(self) -> tuple[float, float]:
        """The ends of the 95 % prediction interval for one more seed; nan for one seed."""
        half = self.half_interval * sqrt(self.seeds + 1)
        return self.mean - half, self.mean + half

    def interval_text(self, decimals: int) -> str:
        """The ends of the interval as text; empty for one seed.

        >>> spread([1.0, 3.0]).interval_text(1), spread([1.0]).interval_text(1)
        ('-10.7 to 14.7', '')
        """
        return f"{self.interval[0]:.{decimals}f} to {self.interval[1]:.{decimals}f}" if self.seeds > 1 else ""

    def text(self, decimals: int) -> str:
        """The mean as text, with the standard deviation if there are several seeds.

        >>> spread([1.0, 3.0]).text(2), spread([1.0]).text(2)
        ('2.00 ± 1.41', '1.00')
        """
        shown = f"{self.mean:.{decimals}f}"
        return f"{shown} ± {self.deviation:.{decimals}f}" if self.seeds > 1 else shown


class Difference(NamedTuple):
    """The difference of two means over independent seeds, with an interval by Student's t."""

    mean: float
    standard_error: float  # nan if either mean is from one seed
    freedom: float  # degrees of freedom
    seeds: tuple[int, int]
    confidence: float = 0.95  # of the interval

    @property
    def half_interval(self) -> float:
        """Half the width of the interval."""
        return float(student.ppf((1 + self.confidence) / 2, self.freedom)) * self.standard_error

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of that interval."""
        return self.mean - self.half_interval, self.mean + self.half_interval

    def above(self, value: float) -> float:
        """The p-value of the one-sided test for a difference larger than a value."""
        distance = self.mean - value
        t = distance / self.standard_error if self.standard_error else copysign(inf, distance)
        return float(student.sf(t, self.freedom))

    def p_value(self, value: float = 0.0) -> float:
        """The p-value of the two-sided test for a difference other than a value."""
        above = self.above(value)
        return 2 * min(above, 1 - above)

    def interval_text(self, decimals: int) -> str:
        """The ends of the interval as text; empty if either mean is from one seed."""
        low, high = self.interval
        return f"{low:.{decimals}f} to {high:.{decimals}f}" if min(self.seeds) > 1 else ""

    def text(self, decimals: int) -> str:
        """The difference as text, with its interval if there is one.

        >>> difference(spread([1.0, 3.0]), spread([0.0, 1.0])).text(1), difference(spread([1.0]), spread([0.5])).text(1)
        ('+1.5 (-5.4 to 8.4)', '+0.5')
        """
        interval = self.interval_text(decimals)
        return f"{self.mean:+.{decimals}f}" + (f" ({interval})" if interval else "")


def difference(one: Spread, other: Spread, *, confidence: float = 0.95) -> Difference:
    """The difference of two means with Welch's interval, which allows for different deviations and numbers of seeds."""
    parts = [(s.deviation**2 / s.seeds, s.seeds - 1) for s in (one, other)]
    found = combined(one.mean - other.mean, parts, (one.seeds, other.seeds))
    return found._replace(confidence=confidence)


def combined(mean: float, parts: Sequence[tuple[float, float]], seeds: tuple[int, int]) -> Difference:
    """A difference whose variance is the sum of independent parts, each with its degrees of freedom.

    The degrees of freedom of the sum follow Welch (1947) and Satterthwaite (1946).  If either side has one seed, only
    the mean is known.
    """
    if min(seeds) < 2:
        return Difference(mean, nan, nan, seeds)
    variance = sum(part for part, _ in parts)
    weights = sum(part**2 / freedom for part, freedom in parts if part)
    return Difference(mean, sqrt(variance), variance**2 / weights if weights else inf, seeds)


class Group(NamedTuple):
    """The results of one configuration, one for each seed, in the order of the seeds.

    If several losses are equivalent for the configuration, results may have any of them.
    """

    config: TrainingConfig  # with seed 0 and, of equivalent losses, the first
    results: tuple[Result, ...]
    repeated: tuple[Result, ...] = ()  # of the same seeds with equivalent losses, which count in no mean

    def with_repeated(self) -> Group:
        """The same, where each training counts like a seed of its own."""
        return Group(self.config, self.results + self.repeated)

    @property
    def precisions(self) -> set[str]:
        """The data types in which the networks were trained, such as float32."""
        return {str(result.made["training_dtype"]) for result in self.results}

    def trained_in(self, dtype: str) -> Group:
        """The results of the networks that were trained in a data type."""
        return Group(self.config, tuple(result for result in self.results if result.made["training_dtype"] == dtype))

    @property
    def used_files(self) -> tuple[str, ...]:
        """The names of the results' files."""
        return tuple(file for result in self.results for file in result.used_files)

    @property
    def dials(self) -> tuple[str, ...]:
        """The names of the files of stored dials."""
        return self._stored(DIALS)

    @property
    def answers(self) -> tuple[str, ...]:
        """The names of the files of stored answers."""
        return self._stored(ANSWERS)

    def _stored(self, kind: tuple[str, str]) -> tuple[str, ...]:
        files = [beside(result, *kind) for result in self.results]
        return tuple(used_files.name(file) for file in files if file.exists())

    @property
    def accuracy(self) -> Spread:
        """The accuracy in percent."""
        return spread([result.test.accuracy for result in self.results])

    @property
    def steps(self) -> Spread:
        """Inference time steps."""
        return spread([result.test.mean_steps for result in self.results])

    @property
    def decided_steps(self) -> Spread:
        """Inference time steps of images on which an output neuron fires, without silent images, which take T steps."""
        T = self.config.time_steps
        tests = [result.test for result in self.results]
        return spread([(test.steps - T * test.silent) / (test.images - test.silent) for test in tests])

    @property
    def silent(self) -> Spread:
        """The share of silent images in percent."""
        return spread([100 * result.test.silent / result.test.images for result in self.results])

    def read_dials(self) -> list[Dial]:
        """The stored dials, in the order of the seeds; raises `ResultError` if one is damaged."""
        return [dial.read(result) for result in self.results if beside(result, *DIALS).exists()]

    def at_steps(self, mean_steps: float, *, split: str = "test") -> Spread | None:
        """The accuracy in percent at output thresholds that take this many mean time steps on the validation images.

        It covers the seeds with a stored dial.  It is None if there are none, or if one of them does not reach this
        number of steps, because the others would be a selection.  Raises `ResultError` if a dial is damaged.
        """
        dials = self.read_dials()
        try:
            return spread([found.at_steps(mean_steps, split=split).accuracy for found in dials]) if dials else None
        except InputError:
            return None

    @property
    def fewest_steps(self) -> float | None:
        """The fewest mean time steps that every seed with a stored dial reaches; None if there are none."""
        return max((found.fewest_steps for found in self.read_dials()), default=None)

    @property
    def spikes(self) -> tuple[float, ...]:
        """Mean spikes per image of each spiking layer."""
        return tuple(mean(layer) for layer in zip(*(r.test.mean_spikes for r in self.results), strict=True))


def spread(values: Sequence[float]) -> Spread:
    """The mean and standard deviation of values; raises `statistics.StatisticsError` if there are none."""
    return Spread(mean(values), stdev(values) if len(values) > 1 else nan, len(values))


def released() -> dict[TrainingConfig, Group]:
    """All released results, by configuration with seed 0."""
    return grouped(read_all())


def grouped(results: Iterable[Result]) -> dict[TrainingConfig, Group]:
    """Results by configuration with seed 0 and, of equivalent losses, the first.

    If a seed was trained with several of them, the result is that of the first, and the others are repeated.
    """
    members: defaultdict[TrainingConfig, list[Result]] = defaultdict(list)
    for result in results:
        loss, *_ = losses_alike(result.config)
        members[replace(result.config, seed=0, loss=loss)].append(result)
    groups = {}
    for config, found in members.items():
        found.sort(key=lambda result: (result.config.seed, result.config.loss != config.loss))
        seeds = {result.config.seed: result for result in reversed(found)}  # of each seed the first
        repeated = tuple(result for result in found if result is not seeds[result.config.seed])
        groups[config] = Group(config, tuple(seeds[seed] for seed in sorted(seeds)), repeated)
    return groups


def table(results: Iterable[Result]) -> DataFrame:
    """A table over the seeds of each configuration: accuracy as mean ± standard deviation, steps and silent images."""
    return DataFrame(
        {
            "data": config.dataset,
            "network": config.architecture,
            "T": config.time_steps,
            "accuracy, %": group.accuracy.text(2),
            "seeds": group.accuracy.seeds,
            "steps": f"{group.steps.mean:.2f}",
            "silent, %": f"{group.silent.mean:.1f}",
        }
        for config, group in grouped(results).items()
    )


def paired(quantized: Group, baseline: Group) -> list[tuple[Result, Result]]:
    """Pairs of results with the same seed, the quantized network's first."""
    by_seed = {result.config.seed: result for result in baseline.results}
    return [(result, by_seed[result.config.seed]) for result in quantized.results if result.config.seed in by_seed]


def of_shared_seeds(quantized: Group, baseline: Group) -> tuple[Group, Group]:
    """The two groups with only the seeds that both have; there must be one."""
    after, before = zip(*paired(quantized, baseline), strict=True)
    return Group(quantized.config, after), Group(baseline.config, before)


def with_baselines(groups: Mapping[TrainingConfig, Group]) -> list[tuple[Group, Group]]:
    """Pairs of a quantized network and a baseline that differ only in the degrees, the quantized network first."""
    found = []
    for config, group in groups.items():
        baselines = [groups.get(replace(unquantized(config), loss=loss)) for loss in losses_alike(config)]
        found += [(group, baseline) for baseline in baselines if baseline and baseline is not group]
    return found


def gain(quantized: Group, baseline: Group) -> Difference:
    """The gain in accuracy of the quantized network over the baseline, in percentage points."""
    return difference(quantized.accuracy, baseline.accuracy)


def gain_at(quantized: Group, baseline: Group, mean_steps: float) -> Difference | None:
    """The gain at output thresholds that take this many mean time steps on the validation images.

    None if one of the networks has not been measured at other thresholds or does not reach this number of steps.
    """
    found = quantized.at_steps(mean_steps), baseline.at_steps(mean_steps)
    return difference(found[0], found[1]) if found[0] and found[1] else None

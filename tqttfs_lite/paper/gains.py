"""The statistical certainty of gains in accuracy: over seeds and test images, for one more pair, for several claims.

`seed_statistics.difference` gives Welch's interval over seeds, for given test images.  Here the test images are random,
too, and a published number, which is from one run of each network, is compared with one more pair of our runs.

The choices made before further trainings, including `MARGINS` and `ENERGY_MARGIN`, are on the book's page of
differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Shaped
from scipy.stats import binomtest

from tqttfs_lite.experiments import answers
from tqttfs_lite.experiments.datasets import load
from tqttfs_lite.paper.seed_statistics import Difference, Group, Spread, combined, difference

CONFIDENCE = 0.95
# Differences too small to matter: of a gain in accuracy, in percentage points, by data set; of the energy saved, in
# percent of the baseline's energy.
MARGINS = {"mnist": 0.25, "fashion-mnist": 0.5}
ENERGY_MARGIN = 10.0


class McNemar(NamedTuple):
    """Two networks on the same test images: how many only the quantized one gets right, and how many only the baseline.

    The p-value is that of the exact test that both are equally likely (McNemar 1947), for random images and given
    networks.
    """

    seed: int
    repaired: int
    broken: int
    p_value: float


class Equivalence(NamedTuple):
    """Two one-sided tests (Schuirmann 1987): whether a gain is within a margin of a value, both fixed beforehand."""

    value: float
    margin: float
    p_value: float  # the larger of the two

    @property
    def shown(self) -> bool:
        """Whether equivalence is shown at the 5 percent level.  If it is not, this does not show a difference."""
        return self.p_value < 1 - CONFIDENCE


class Judgement(NamedTuple):
    """All statistics for one claimed gain, in percentage points."""

    claimed: float
    over_seeds: Difference
    over_images: Difference  # over seeds and images
    one_more: Difference  # for one more pair, with a prediction interval
    none: Equivalence  # to no gain
    same: Equivalence  # to the claimed gain
    by_seed: tuple[McNemar, ...]


def correct(group: Group) -> Bool[np.ndarray, "seeds images"]:
    """Whether the network of each seed is right about each test image.

    Raises `ResultError` if the answers of a network are not stored, and `DatasetError` if the test images are missing.
    """
    labels = load(group.config.dataset, "test").labels
    return np.stack([(answers.read(result, labels).answer == labels).numpy() for result in group.results])


def crossed(quantized: Shaped[np.ndarray, "a images"], baseline: Shaped[np.ndarray, "b images"]) -> Difference:
    """The gain in percentage points if both the seeds and the test images are random.

    Every seed answers every image (crossed two-way random effects).  The seeds of the two networks are independent, and
    the images are the same.  With the mean squares MS of a network's analysis of variance over seeds and images, n
    images, and the variance v over images of the mean gain, the variance of the gain is

        sum over both networks of (MS_seeds - MS_residual) / (n seeds)  +  v / n

    because the residuals are contained in both the first and the last term.  It is not allowed to be smaller than over
    seeds only.  Degrees of freedom follow Satterthwaite (1946); the need for both kinds of randomness, Clark (1973).
    """
    n = quantized.shape[1]
    parts: list[tuple[float, float]] = []  # variances, with their degrees of freedom
    both = (len(quantized), len(baseline))
    shared = float((quantized.mean(axis=0) - baseline.mean(axis=0)).var(ddof=1)) / n
    for right in (quantized, baseline):
        seeds = len(right)
        if seeds < 2:
            return Difference(100 * float(quantized.mean() - baseline.mean()), nan, nan, both)
        of_seeds, of_images = right.mean(axis=1, keepdims=True), right.mean(axis=0, keepdims=True)
        residual = right - of_seeds - of_images + right.mean()
        shared -= float((residual**2).sum()) / ((seeds - 1) * (n - 1)) / (seeds * n)
        parts.append((float(of_seeds.var(ddof=1)) / seeds, seeds - 1))
    parts.append((max(0.0, shared), n - 1))
    gain = float(quantized.mean() - baseline.mean())
    return combined(100 * gain, [(100**2 * variance, freedom) for variance, freedom in parts], both)


def one_more_pair(quantized: Spread, baseline: Spread) -> Difference:
    """The gain that one more seed of each network would have on the same test images.

    Its interval is the 95 % prediction interval, with which a published number from one run of each is compared.  The
    new seeds are random, and so are the two means and deviations, which are estimated from a limited number of seeds.
    """
    spreads = (quantized, baseline)
    parts = [(s.deviation**2 * (1 + 1 / s.seeds), s.seeds - 1) for s in spreads]
    return combined(quantized.mean - baseline.mean, parts, (quantized.seeds, baseline.seeds))


def equivalence(gain: Difference, margin: float, value: float = 0.0) -> Equivalence:
    """Whether a gain lies within the margin around a value; its standard error determines what counts as random."""
    return Equivalence(value, margin, max(gain.above(value - margin), 1 - gain.above(value + margin)))


def mcnemar(quantized: Bool[np.ndarray, " images"], baseline: Bool[np.ndarray, " images"], seed: int = 0) -> McNemar:
    """McNemar's test for two networks, from whether they are right about each image.

    >>> mcnemar(np.array([True, True, True, False]), np.array([False, False, True, True]))
    McNemar(seed=0, repaired=2, broken=1, p_value=1.0)
    """
    repaired, broken = int((quantized & ~baseline).sum()), int((baseline & ~quantized).sum())
    p_value = float(binomtest(repaired, repaired + broken).pvalue) if repaired + broken else 1.0
    return McNemar(seed, repaired, broken, p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of a family of tests, adjusted for the probability of any error in the family (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, largest)
    return adjusted


def judge(quantized: Group, baseline: Group, claimed: float) -> Judgement:
    """All statistics for a network and its baseline; raises the same errors as `correct`."""
    right, before = correct(quantized), correct(baseline)
    over_images = crossed(right, before)
    margin = MARGINS[quantized.config.dataset]
    seeds = [result.config.seed for result in quantized.results]
    seeds_before = [result.config.seed for result in baseline.results]
    pairs = [seed for seed in seeds if seed in seeds_before]
    return Judgement(
        claimed,
        difference(quantized.accuracy, baseline.accuracy),
        over_images,
        one_more_pair(quantized.accuracy, baseline.accuracy),
        equivalence(over_images, margin),
        equivalence(over_images, margin, claimed),
        tuple(mcnemar(right[seeds.index(s)], before[seeds_before.index(s)], s) for s in pairs),
    )

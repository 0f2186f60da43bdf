"""Curves of accuracy against mean time steps, for each way in which the slides' numbers of steps may be read.

The slides print the mean inference time steps of their convolutional networks.  They do not say whether the first step
is 0 or 1, nor whether silent images are included in the mean, with all T steps.  Our own numbers follow the first
reading: steps count from 1, and silent images are included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tqttfs_lite.experiments.dial import Dial, Point
from tqttfs_lite.experiments.evaluation import Curve
from tqttfs_lite.paper import comparisons, energy_claims, reported
from tqttfs_lite.paper.comparisons import Comparison
from tqttfs_lite.paper.seed_statistics import Spread, spread


class Reading(NamedTuple):
    """A way to read a mean number of time steps."""

    first: int  # the number of the first step
    silent: bool  # whether silent images are included in the mean, with T steps

    @property
    def words(self) -> str:
        """The reading in words, for tables and figures.

        >>> [reading.words for reading in READINGS[:2]]
        ['from 1, silent images included with T steps', 'from 0, silent images included with T steps']
        """
        return f"from {self.first}, silent images {'included with T steps' if self.silent else 'left out'}"


READINGS = tuple(Reading(first, silent) for silent in (True, False) for first in (1, 0))


class Operating(NamedTuple):
    """Accuracy and steps of a network and its baseline: curves over the output threshold, as trained, and the paper's.

    All by name, unquantized first; steps are mean time steps, accuracies are in percent.
    """

    curves: Mapping[str, Sequence[tuple[float, Spread]]]
    trained: Mapping[str, tuple[float, float]]  # steps and accuracy
    printed: Mapping[str, tuple[float | None, float]]  # likewise; None where the paper does not print the steps


class Printed(NamedTuple):
    """A network of the slides for which they print accuracy and steps."""

    degrees: str  # "none" for the unquantized network
    accuracy: float  # percent
    steps: float


def printed() -> tuple[Printed, ...]:
    """The slides' convolutional network, unquantized and in their best configuration.

    >>> printed()[0]
    Printed(degrees='none', accuracy=86.7, steps=4.766)
    """
    accuracy = reported.own_accuracy("fashion-mnist")
    plain = energy_claims.SCNN
    best = plain.with_quantization(energy_claims.BEST)
    return tuple(
        Printed(name, accuracy[str(network)], energy_claims.reported_steps(name))
        for name, network in ((energy_claims.UNQUANTIZED, plain), (energy_claims.BEST, best))
    )


def mean_steps(curve: Curve, time_steps: int, reading: Reading) -> list[float]:
    """The mean steps at each threshold by a reading; nan if it leaves out all images.

    >>> curve = Curve(images=10, correct=(9,), silent=(5,), steps=(60,))
    >>> [mean_steps(curve, 8, reading) for reading in READINGS]
    [[6.0], [5.0], [4.0], [3.0]]
    """
    found = []
    for silent, steps in zip(curve.silent, curve.steps, strict=True):
        left_out = 0 if reading.silent else silent
        images = curve.images - left_out
        found.append((steps - time_steps * left_out) / images - 1 + reading.first if images else np.nan)
    return found


def at(dial: Dial, time_steps: int, reading: Reading, steps: float) -> Point | None:
    """A network's score on the test images at the threshold that takes this many steps on the validation images.

    The given steps follow `reading`, the returned ones the first reading.  If several thresholds qualify, it is the
    lowest; the result is None if there is none.
    """
    means = mean_steps(dial.validation, time_steps, reading)
    for (low, before), (high, after) in pairwise(zip(dial.thresholds, means, strict=True)):
        if before <= steps <= after:
            return dial.point(float(np.interp(steps, (before, after), (low, high))))
    return None


def seeds_at(dials: Sequence[Dial], time_steps: int, reading: Reading, steps: float) -> list[Point]:
    """`at` for several seeds; empty if one of them cannot take this many steps: the others would be a selection."""
    points = [at(dial, time_steps, reading, steps) for dial in dials]
    found = [point for point in points if point]
    return found if len(found) == len(dials) else []


def earliest(dials: Sequence[Dial], time_steps: int, reading: Reading) -> float:
    """The fewest mean steps on the validation images that all of the seeds can take."""
    return max(mean_steps(dial.validation, time_steps, reading)[0] for dial in dials)


def accuracy_at(dials: Sequence[Dial], time_steps: int, reading: Reading, steps: float) -> Spread | None:
    """The accuracy of several seeds in percent, from `seeds_at`; None if that is empty."""
    points = seeds_at(dials, time_steps, reading, steps)
    return spread([point.accuracy for point in points]) if points else None


def curve(
    dials: Sequence[Dial], time_steps: int, reading: Reading, grid: Sequence[float]
) -> list[tuple[float, Spread]]:
    """The accuracy of several seeds in percent, at the mean steps that all of them can take."""
    points = ((steps, accuracy_at(dials, time_steps, reading, steps)) for steps in grid)
    return [(steps, accuracy) for steps, accuracy in points if accuracy]


def of_comparison(comparison: Comparison) -> Operating | None:
    """Both networks of a claim as curves and as trained, with the slides' numbers; None if one is not trained.

    Steps follow the first reading.
    """
    claim, quantized, baseline = comparison
    if not (quantized and baseline):
        return None
    groups = {"unquantized": baseline, "quantized": quantized}
    accuracy = reported.own_accuracy(claim.dataset)
    steps = {network.accuracy: network.steps for network in printed()} if "C" in claim.network else {}
    grid = comparisons.CURVE_STEPS[claim.dataset]
    percents = {name: accuracy[group.config.architecture] for name, group in groups.items()}
    return Operating(
        {name: curve(group.read_dials(), group.config.time_steps, READINGS[0], grid) for name, group in groups.items()},
        {name: (group.steps.mean, group.accuracy.mean) for name, group in groups.items()},
        {name: (steps.get(percent), percent) for name, percent in percents.items()},
    )


def most_silent(network: Printed) -> float:
    """The largest percentage of silent images that a network of the slides can have, by the first reading of its steps.

    Silent images take all T steps, and the others at least the q steps up to the output layer's first tick.

    >>> [round(most_silent(network)) for network in printed()]
    [25, 26]
    """
    T = int(reported.claims()["fashion_scnn_time_steps"].value)
    q = 1 if network.degrees == energy_claims.UNQUANTIZED else int(network.degrees.split("-")[-1])
    return 100 * (network.steps - q) / (T - q)

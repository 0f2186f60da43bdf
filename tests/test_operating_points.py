"""Readings of mean steps, by hand-computed curves."""

from dataclasses import replace

import pytest

from tqttfs_lite.experiments.dial import Dial
from tqttfs_lite.experiments.evaluation import Curve
from tqttfs_lite.paper import operating_points
from tqttfs_lite.paper.operating_points import READINGS
from tqttfs_lite.paper.seed_statistics import spread

# Ten images, T = 8: the decided ones take 2, 3 and 4 steps on average.
VALIDATION = Curve(10, (5, 6, 7), (0, 1, 5), (20, 35, 60))
DIAL = Dial((0.5, 1.0, 1.5), VALIDATION, replace(VALIDATION, correct=(4, 8, 9)))


def test_the_same_printed_steps_are_another_threshold_by_each_reading() -> None:
    thresholds = [operating_points.at(DIAL, 8, reading, 2.5).threshold for reading in READINGS]
    assert thresholds == [pytest.approx(value) for value in (0.5 + 0.5 * 0.5 / 1.5, 1.0, 0.75, 1.25)]
    first = operating_points.at(DIAL, 8, READINGS[1], 2.5)
    assert (first.accuracy, first.mean_steps, first.silent) == (80, 3.5, 10)  # on the test images, as ours are printed


def test_steps_that_no_threshold_takes_are_no_point() -> None:
    assert operating_points.at(DIAL, 8, READINGS[0], 1.9) is None
    assert operating_points.at(DIAL, 8, READINGS[2], 4.1) is None
    none_decided = Dial((0.5, 1.0), replace(VALIDATION, correct=(5, 5), silent=(0, 10), steps=(20, 80)), VALIDATION)
    assert operating_points.at(none_decided, 8, READINGS[2], 3.0) is None


def test_seeds_have_a_mean_where_all_of_them_take_the_steps() -> None:
    later = replace(DIAL, validation=replace(VALIDATION, steps=(34, 35, 60)))
    assert operating_points.accuracy_at([DIAL, later], 8, READINGS[0], 3.5) == spread([80.0, 80.0])
    assert operating_points.accuracy_at([DIAL, later], 8, READINGS[0], 3.0) is None


def test_the_earliest_steps_are_those_that_every_seed_can_take() -> None:
    later = replace(DIAL, validation=replace(VALIDATION, steps=(34, 35, 60)))
    assert operating_points.earliest([DIAL, later], 8, READINGS[0]) == 3.4
    assert operating_points.accuracy_at([DIAL, later], 8, READINGS[0], 3.4)

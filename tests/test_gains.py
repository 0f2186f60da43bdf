"""Intervals and tests of gains, against cases worked out otherwise and simulations whose truth is known."""

from dataclasses import replace
from math import isnan, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm, ttest_ind

from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments import answers
from tqttfs_lite.experiments.config import recipe, variant
from tqttfs_lite.experiments.datasets import Images
from tqttfs_lite.experiments.evaluation import Answers, Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.paper import gains
from tqttfs_lite.paper.seed_statistics import Difference, Group, difference, spread


def simulated(seeds: int, images: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Right answers of two kinds of networks that are equally good: seeds, images and their differences are random."""
    easy = generator.normal(1.0, 1.0, images)  # to both
    kinds = []
    for _ in range(2):
        skill, suits = generator.normal(0, 0.03, (seeds, 1)), generator.normal(0, 0.5, images)
        kinds.append(easy + suits + skill + generator.normal(0, 0.5, (seeds, images)) > 0)
    return kinds[0], kinds[1]


def test_the_interval_over_seeds_and_images_holds_the_truth_as_often_as_it_says() -> None:
    """The one over seeds alone, of the same answers, does so more rarely: it takes the images for all there are."""
    generator, holds, over_seeds = np.random.default_rng(0), 0, 0
    for _ in range(repeats := 400):
        quantized, baseline = simulated(5, 300, generator)
        low, high = gains.crossed(quantized, baseline).interval
        holds += low <= 0 <= high
        low, high = difference(*(spread((100 * kind.mean(axis=1)).tolist()) for kind in (quantized, baseline))).interval
        over_seeds += low <= 0 <= high
    assert 0.92 <= holds / repeats <= 0.98
    assert over_seeds / repeats < 0.85


def test_the_crossed_variance_is_that_of_the_classical_table() -> None:
    """A table of two seeds and three images, worked out by hand, against a network that is always right."""
    right = np.array([[1, 1, 0], [1, 0, 0]])  # means of seeds 2/3 and 1/3, of images 1, 1/2 and 0
    found = gains.crossed(right, np.ones((2, 3), int))
    of_seeds, of_images, residual = (1 / 18) / 2, (1 / 4) / 3, (1 / 3 / 2) / 6
    assert found.mean == pytest.approx(-50)
    assert found.standard_error == pytest.approx(100 * sqrt(of_seeds + of_images - residual))
    shared = of_images - residual
    assert found.freedom == pytest.approx((of_seeds + shared) ** 2 / (of_seeds**2 / 1 + shared**2 / 2))
    assert isnan(gains.crossed(right[:1], right).standard_error)


def test_images_that_all_seeds_answer_alike_add_nothing_to_welchs_interval() -> None:
    scores = np.array([[0.9], [0.91], [0.93]]), np.array([[0.8], [0.85]])
    same = [np.repeat(score, 4, axis=1) for score in scores]
    expected = difference(*(spread((100 * score[:, 0]).tolist()) for score in scores))
    assert gains.crossed(*same)[:3] == pytest.approx(expected[:3])


def test_one_more_pair_lies_in_its_interval_as_often_as_it_says() -> None:
    generator, inside = np.random.default_rng(0), 0
    for _ in range(repeats := 400):
        quantized, baseline = generator.normal(91, 0.2, 9), generator.normal(89, 0.6, 11)
        found = gains.one_more_pair(spread(quantized[1:].tolist()), spread(baseline[1:].tolist()))
        inside += found.interval[0] <= quantized[0] - baseline[0] <= found.interval[1]
    assert 0.92 <= inside / repeats <= 0.98


def test_equivalence_is_two_one_sided_tests() -> None:
    quantized, baseline = [98.7, 98.6, 98.8, 98.7], [98.6, 98.5, 98.6]
    gain = difference(spread(quantized), spread(baseline))
    sides = [
        ttest_ind(quantized, [score + limit for score in baseline], equal_var=False, alternative=side).pvalue
        for limit, side in ((-0.25, "greater"), (0.25, "less"))
    ]
    found = gains.equivalence(gain, 0.25)
    assert (found.p_value, found.shown) == (pytest.approx(max(sides)), max(sides) < 0.05)
    assert gains.equivalence(gain, 0.01).shown is False
    assert gains.equivalence(Difference(3.4, 0.1, 20, (9, 9)), 0.5, 3.5).shown
    assert not gains.equivalence(Difference(1.5, 0.1, 20, (9, 9)), 0.5, 3.5).shown


def test_mcnemars_test_is_that_of_a_fair_coin() -> None:
    before = np.array([False] * 8 + [True] * 12)
    after = np.array([True] * 8 + [False] + [True] * 11)
    found = gains.mcnemar(after, before, seed=3)
    assert (found.seed, found.repaired, found.broken) == (3, 8, 1)
    assert found.p_value == pytest.approx(2 * (1 + 9) / 2**9)
    assert gains.mcnemar(before, before).p_value == 1


def test_a_claim_is_judged_from_the_stored_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    labels = torch.zeros(40, dtype=torch.int64)
    monkeypatch.setattr(gains, "load", lambda name, split: Images(torch.zeros(40, 28, 28, dtype=torch.uint8), labels))
    plain = recipe("784-400-10", "mnist", 8)

    def group(config, wrong: dict[int, int]) -> Group:
        made = []
        for seed, errors in wrong.items():
            score = Evaluation(40, 40 - errors, 40 - errors, 0, 80, (0, 0))
            result = Result(replace(config, seed=seed), (), score, "", {}, {}, released=True)
            answer = torch.tensor([1] * errors + [0] * (40 - errors), dtype=torch.uint8)
            answers.write(Answers(answer, torch.full_like(answer, 2), torch.ones(40, dtype=torch.bool)), result)
            made.append(result)
        return Group(config, tuple(made))

    quantized, baseline = group(variant(plain, "1-2"), {0: 2, 1: 1, 2: 3}), group(plain, {1: 8, 2: 10})
    found = gains.judge(quantized, baseline, 0.5)
    assert found.over_seeds == difference(quantized.accuracy, baseline.accuracy)
    assert found.over_images.mean == pytest.approx(found.over_seeds.mean) == pytest.approx(17.5)
    assert found.over_images.standard_error > found.over_seeds.standard_error
    assert [(one.seed, one.repaired, one.broken) for one in found.by_seed] == [(1, 7, 0), (2, 7, 0)]
    assert (found.none.margin, found.same.value) == (gains.MARGINS["mnist"], 0.5)
    assert not found.none.shown and not found.same.shown
    (tmp_path / baseline.answers[0]).unlink()
    with pytest.raises(ResultError, match="missing from answers"):
        gains.judge(quantized, baseline, 0.5)


def test_a_difference_without_spread_is_certain() -> None:
    certain = Difference(1.0, 0.0, 5, (4, 4))
    assert (certain.above(0.5), certain.above(2.0), certain.p_value()) == (0.0, 1.0, 0.0)
    assert Difference(1.96, 1.0, 1e9, (9, 9)).p_value() == pytest.approx(2 * norm.sf(1.96))

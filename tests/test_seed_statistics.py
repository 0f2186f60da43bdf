"""Means and spreads over seeds, by hand-computed cases."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import partial
from math import isnan, sqrt
from pathlib import Path

import pytest
from scipy.stats import ttest_ind

from tqttfs_lite.experiments import dial
from tqttfs_lite.experiments.config import TrainingConfig, recipe, variant
from tqttfs_lite.experiments.dial import Curve, Dial
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.paper import comparisons, energy_claims
from tqttfs_lite.paper.seed_statistics import Group, difference, gain, grouped, paired, released, spread, with_baselines

PLAIN = TrainingConfig("784-8(1)-10(1)", "mnist", 4)
QUANTIZED = replace(PLAIN, architecture="784-8(1)-10(2)")


def group(config: TrainingConfig, correct: dict[int, int]) -> Group:
    """Results of ten images, as many right for each seed as given."""
    scores = {seed: Evaluation(10, right, right, seed, 20 + seed, (seed, 3)) for seed, right in correct.items()}
    results = (Result(replace(config, seed=seed), (), score, "", {}, {}) for seed, score in scores.items())
    return Group(config, tuple(results))


def test_decided_steps_leave_out_the_silent_images() -> None:
    score = Evaluation(10, 9, 9, silent=4, steps=62, spikes=(3, 3))
    made = Group(replace(PLAIN, time_steps=8), (Result(replace(PLAIN, time_steps=8), (), score, "", {}, {}),))
    assert made.decided_steps.mean == (62 - 4 * 8) / 6


def test_a_spread_is_the_mean_the_sample_deviation_and_students_interval() -> None:
    found = spread([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.mean, found.seeds) == (3.0, 5)
    assert found.deviation == pytest.approx(sqrt(2.5))
    assert found.half_interval == pytest.approx(2.776 * sqrt(2.5 / 5), abs=1e-3)  # t(0.975; 4), from a printed table


def test_one_more_seed_may_be_further_from_the_mean_than_the_mean_from_the_truth() -> None:
    low, high = spread([1.0, 2.0, 3.0, 4.0, 5.0]).one_more
    assert (low + high) / 2 == pytest.approx(3.0)
    assert (high - low) / 2 == pytest.approx(2.776 * sqrt(2.5 * (1 + 1 / 5)), abs=1e-3)


def test_the_interval_lies_around_the_mean() -> None:
    found = spread([1.0, 2.0, 3.0])
    low, high = found.interval
    assert (low + high) / 2 == pytest.approx(2.0)
    assert (high - low) / 2 == pytest.approx(found.half_interval)
    assert found.interval_text(2) == f"{low:.2f} to {high:.2f}"


def test_one_seed_has_no_spread() -> None:
    found = spread([1.0])
    assert isnan(found.deviation)
    assert isnan(found.half_interval)


def test_a_group_averages_its_seeds() -> None:
    found = group(PLAIN, {0: 9, 1: 8})
    assert found.accuracy.mean == 85.0
    assert found.steps.mean == pytest.approx(2.05)
    assert found.silent.mean == 5.0
    assert found.spikes == pytest.approx((0.05, 0.3))


def test_results_are_paired_over_the_seeds_that_both_have() -> None:
    quantized, baseline = group(QUANTIZED, {0: 9, 1: 9, 2: 1}), group(PLAIN, {1: 7, 0: 8})
    assert [(a.config.seed, b.config.seed) for a, b in paired(quantized, baseline)] == [(0, 0), (1, 1)]


def test_a_gain_is_between_all_seeds_of_either() -> None:
    found = gain(group(QUANTIZED, {0: 9, 1: 9, 2: 6}), group(PLAIN, {5: 7}))
    assert (found.mean, found.seeds) == (pytest.approx(10.0), (3, 1))


def test_released_results_are_grouped_by_what_is_not_the_seed() -> None:
    groups = released()
    assert len(groups) > 1
    for config, found in groups.items():
        assert config.seed == 0
        seeds = [result.config.seed for result in found.results]
        assert seeds == sorted(set(seeds))
        alike = [{**asdict(result.config), "seed": 0, "loss": config.loss} for result in found.results]
        assert all(settings == asdict(config) for settings in alike)


def test_networks_are_found_by_their_recipe_and_configurations_by_their_baseline() -> None:
    plain = recipe(str(energy_claims.SCNN), "fashion-mnist", 16)
    best = variant(plain, "1-2-2-4-4")
    groups = {plain: group(plain, {0: 8}), best: group(best, {0: 9}), replace(best, epochs=1): group(best, {0: 1})}
    assert comparisons.by_recipe(groups, "fashion-mnist", str(energy_claims.SCNN), "1-2-2-4-4") == groups[best]
    assert comparisons.by_recipe(groups, "fashion-mnist", str(energy_claims.SCNN), "1-4-4-4-4") is None
    assert comparisons.scnn_configurations(groups) == {"none": groups[plain], "1-2-2-4-4": groups[best]}
    assert comparisons.scnn_configurations({best: groups[best]}) == {}


@pytest.mark.parametrize(
    ("control", "words"), [(6, "none shown"), (7, "a part"), (9, "as much"), (10, "as much"), (12, "more")]
)
def test_a_control_gains_as_much_as_what_it_is_a_control_of_or_less(
    control: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, other, coarse = (
        Group(PLAIN, tuple(group(PLAIN, {seed: right + (seed == 2) for seed in range(3)}).results))
        for right in (5, control, 9)
    )
    assert comparisons.control_gains(other, plain, coarse) == words
    assert comparisons.control_gains(other, plain, coarse, 2.0) == ""  # no dials are stored
    monkeypatch.setattr(comparisons, "gain_at", lambda one, other, steps: gain(one, other) if steps == 2.0 else None)
    assert comparisons.control_gains(other, plain, coarse, 2.0) == words
    assert comparisons.control_gains(other, plain, Group(PLAIN, coarse.results[:2])) == "few seeds"


def test_a_claimed_improvement_has_a_gain_where_both_networks_are_trained() -> None:
    plain = recipe("784-400-10", "mnist", 8)
    best = variant(plain, "1-2")
    mnist, *others = comparisons.of_claims({plain: group(plain, {0: 8}), best: group(best, {0: 9, 1: 9})})
    assert mnist.gain is not None
    assert (mnist.gain.mean, mnist.gain.seeds) == (pytest.approx(10.0), (2, 1))
    assert [comparison.gain for comparison in others] == [None, None]


def test_a_quantized_network_stands_beside_every_baseline_that_was_trained_alike() -> None:
    plain = recipe("784-400-10", "mnist", 8)
    earlier = replace(plain, loss="soft-decoder")
    best = variant(plain, "1-2")
    dearer = replace(best, step_cost=0.5)
    configs = (plain, earlier, best, dearer)  # the baseline of the last is not there
    groups = {config: group(config, {0: 8}) for config in configs}
    assert with_baselines(groups) == [(groups[best], groups[plain]), (groups[best], groups[earlier])]


def test_with_four_output_ticks_the_corrected_loss_and_the_uncorrected_one_are_the_same_training() -> None:
    plain, best = recipe("784-400-10", "mnist", 8), recipe("784-400(1)-10(2)", "mnist", 8)
    results = [
        *group(replace(best, loss="soft-decoder"), {0: 5, 2: 6}).results,
        *group(best, {0: 7, 1: 8}).results,
        *group(replace(plain, loss="soft-decoder"), {0: 1}).results,
    ]
    for given in (results, results[::-1]):
        groups = grouped(given)
        found = partial(comparisons.by_recipe, groups, "mnist", "784-400-10")
        assert found() is None
        assert [result.test.correct for result in found(**comparisons.EARLIER).results] == [1]
        for changes in ({}, comparisons.EARLIER):
            assert [result.test.correct for result in found("1-2", **changes).results] == [7, 8, 6]
        assert [result.test.correct for result in found("1-2").repeated] == [5]


def trained_in(dtype: str, results: Iterable[Result]) -> list[Result]:
    return [replace(result, made={"training_dtype": dtype}) for result in results]


def test_a_gain_is_told_for_all_trainings_and_within_one_precision() -> None:
    plain, best = recipe("784-400-10", "mnist", 8), recipe("784-400(1)-10(2)", "mnist", 8)
    repeated = replace(best, loss="soft-decoder")
    results = [
        *trained_in("float32", group(plain, {0: 1, 1: 2}).results),
        *trained_in("float32", group(best, {0: 4}).results),
        *trained_in("bfloat16", group(best, {1: 6}).results),
        *trained_in("float32", group(repeated, {1: 7}).results),
    ]
    comparison, *_ = comparisons.of_claims(grouped(results))
    found = {
        words: tuple([result.test.correct for result in group.results] for group in pair)
        for words, pair in comparison.by_trainings().items()
    }
    assert found == {
        "all": ([4, 6], [1, 2]),
        "all, repeated ones too": ([4, 6, 7], [1, 2]),
        "float32": ([4, 7], [1, 2]),
    }
    alike, *_ = comparisons.of_claims(grouped(trained_in("float32", results[:-1])))
    assert list(alike.by_trainings()) == ["all"]
    assert comparisons.Comparison(comparison.claim, None, comparison.baseline).by_trainings() == {}


def test_a_comparison_is_summarised_with_its_steps() -> None:
    plain, best = recipe("784-400-10", "mnist", 8), recipe("784-400(1)-10(2)", "mnist", 8)
    groups = grouped([*group(plain, {0: 5, 1: 5}).results, *group(best, {0: 6, 1: 6}).results])
    claimed, missing, _ = comparisons.of_claims(groups)
    assert claimed.summary(1).splitlines() == [
        "mnist, SMLP 1-2:",
        "  unquantized: 50.0 ± 0.0 %, 2.05 steps, 5.0 % silent, 2 seeds",
        "  quantized: 60.0 ± 0.0 %, 2.05 steps, 5.0 % silent, 2 seeds",
        "  gain as trained: +10.0 (10.0 to 10.0) points (slides: +0.5)",
    ]
    assert missing.summary(1) == "fashion-mnist, 784-400-400-10 1-2-4: not trained yet"


def test_a_difference_has_welch_s_interval() -> None:
    """By SciPy's test, which goes another way."""
    one, other = [90.1, 90.5, 90.9, 90.2], [88.0, 89.9, 89.1]
    found = difference(spread(one), spread(other))
    low, high = ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert (found.mean - found.half_interval, found.mean + found.half_interval) == pytest.approx((low, high))
    assert difference(spread([2.0]), spread(other)).text(1) == "-87.0"
    assert difference(spread([2.0, 2.0]), spread([1.0, 1.0])).text(1) == "+1.0 (1.0 to 1.0)"


def test_seeds_are_compared_at_equal_steps_where_their_dials_reach_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    config = recipe("784-400-10", "mnist", 8)
    scores = [Evaluation(10, correct, correct, 0, 40, (0, 0)) for correct in (6, 8, 9)]
    seeds = [
        Result(replace(config, seed=seed), (), score, "digest", {}, {}, released=True)
        for seed, score in enumerate(scores)
    ]
    group = Group(config, tuple(seeds))
    assert group.at_steps(3.0) is None
    for result, first in zip(seeds[:2], (20, 35), strict=True):
        curve = Curve(10, (0, result.test.correct), (0, 0), (first, 40))
        dial.write(Dial((0.5, 1.0), curve, curve), result)
    assert group.at_steps(4.0) == spread([60.0, 80.0])
    assert group._replace(results=tuple(seeds[:1])).at_steps(3.0) == spread([3.0 * 10])  # half-way to 60 %
    assert group.at_steps(3.0) is None  # the second starts at 3.5 steps, and the first alone would be a selection

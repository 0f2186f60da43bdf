"""The follow-up's claim: cases from the released results, and a verdict that says what the differences say."""

from dataclasses import replace
from typing import Any

import pytest

from tqttfs_lite.experiments import results
from tqttfs_lite.experiments.config import recipe
from tqttfs_lite.paper import attempts, seed_statistics, weighted_decoder
from tqttfs_lite.paper.seed_statistics import Difference, Group, spread
from tqttfs_lite.paper.weighted_decoder import RECIPE, Case


@pytest.fixture(scope="module")
def found() -> list[Case]:
    return weighted_decoder.cases(seed_statistics.released())


def test_a_case_is_a_network_trained_both_ways_in_everything_else_alike(found: list[Case]) -> None:
    assert found
    for case in found:
        assert replace(case.recipe.config, **weighted_decoder.forms(case.dataset)[case.form]) == case.weighted.config
        assert case.meeting >= case.recipe.fewest_steps
        assert case.steps.mean == pytest.approx(case.weighted.steps.mean - case.recipe.steps.mean)
        assert {*case.weighted.used_files, *case.weighted.dials} < set(case.used_files)


def test_where_the_recipe_cannot_decide_as_early_both_are_compared_at_its_earliest(found: list[Case]) -> None:
    early = next(c for c in found if c.weighted.steps.mean < c.recipe.fewest_steps)
    assert early.meeting == early.recipe.fewest_steps
    at = [group.at_steps(early.meeting).mean for group in (early.weighted, early.recipe)]
    assert early.points_there.mean == pytest.approx(at[0] - at[1])


def test_every_case_has_a_curve_beside_the_recipes(found: list[Case]) -> None:
    drawn = weighted_decoder.curves(found)
    assert {(network, name) for network, panel in drawn.items() for name in panel if name != RECIPE} == {
        (case.network, case.form) for case in found
    }
    discs = weighted_decoder.trained(found)
    assert {network: list(panel) for network, panel in discs.items()} == {n: list(panel) for n, panel in drawn.items()}
    for case in found:
        curve = drawn[case.network][case.form]
        at, accuracy = discs[case.network][case.form]
        assert curve[0][0] <= at <= curve[-1][0]
        assert min(point.mean for _, point in curve) - 1 < accuracy < max(point.mean for _, point in curve) + 1


def test_the_table_as_trained_has_the_recipe_first_and_the_types_of_training_are_told(found: list[Case]) -> None:
    table = weighted_decoder.as_trained(found, 2)
    assert len(table) == len(found)
    for case, row in zip(found, table.to_dict("records"), strict=True):
        assert row["seeds"] == f"{len(case.recipe.results)}, {len(case.weighted.results)}"
        assert row["steps: recipe, weighted"].split(", ") == [
            f"{g.steps.mean:.2f}" for g in (case.recipe, case.weighted)
        ]
        assert float(row["points"].split()[0]) == pytest.approx(case.points.mean, abs=0.005)
    said = weighted_decoder.trained_in(found).removeprefix("Precision of the trainings: ").removesuffix(".")
    told = dict(each.rsplit(" in ", 1) for each in said.split("; "))
    assert set(told) == {RECIPE, *(case.form for case in found)}
    assert all(case.weighted.precisions <= set(told[case.form].split(" and ")) for case in found)
    assert weighted_decoder.trained_in([]) == ""


def case(**differences: float | None) -> Any:
    """A case whose differences are these means, known to ± 0.1 or so."""
    found = {
        name: mean if mean is None else Difference(mean, 0.05, 10.0, (3, 10)) for name, mean in differences.items()
    }
    return judged(**found)


def judged(**differences: Difference | None) -> Any:
    group = Group(recipe("784-400-10", "mnist", 8), ())
    return type("Judged", (Case,), differences)("mnist", "weights that halve", group, group)


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        (
            {"steps": -1.0, "silent": -5.0, "points": -1.0, "points_there": -0.5},
            "In 1 of 1 comparisons, the networks trained with weighted spikes decided in fewer steps than the recipe's"
            " as trained, and in 1 of these they were less accurate; in 1 of 1, they left fewer images silent."
            " At equal mean steps, they were less accurate in 1 of 1, and more accurate in 0.",
        ),
        (
            {"steps": -1.0, "silent": 0.0, "points": 0.0, "points_there": 0.5},
            "and in 0 of these they were less accurate; in 0 of 1, they left fewer images silent. At equal mean steps,"
            " they were less accurate in 0 of 1, and more accurate in 1.",
        ),
        (
            {"steps": -1.0, "silent": 5.0, "points": -1.0, "points_there": None},
            "in 0 of 1, they left fewer images silent. At equal mean steps, none could be compared.",
        ),
        (
            {"steps": 0.0, "silent": 5.0, "points": -1.0, "points_there": -1.0},
            "In 0 of 1 comparisons, the networks trained with weighted spikes decided in fewer steps than the recipe's"
            " as trained, and in 0 of these they were less accurate; in 0 of 1, they left fewer images silent.",
        ),
    ],
)
def test_the_verdict_follows_the_differences(differences: dict[str, float | None], words: str) -> None:
    said = weighted_decoder.verdict([case(**differences)])
    assert words in said
    assert ("So fewer steps as trained came with no" in said) == (differences["points_there"] == -0.5)


def test_the_verdict_says_what_holds_with_few_silent_images() -> None:
    better, worse = (spread([base, base + 0.1, base + 0.2]) for base in (85.0, 83.0))
    found = []
    for scores in ((better, worse), (worse, better), (worse, worse), (better, None)):
        found.append(case(steps=-1.0, silent=-1.0, points=-1.0, points_there=-1.0))
        type(found[-1]).within = lambda _, most, scores=scores: scores if most == 2.5 else (None, None)
    said = weighted_decoder.verdict(found)
    assert (
        "With few silent images, within 2.5 mean steps, they were less accurate in 1 of 3, and more accurate in 1."
        " In 1, only they stayed within these limits. A difference"
    ) in said


def test_one_seed_is_no_verdict() -> None:
    one = Difference(-1.0, float("nan"), float("nan"), (1, 10))
    assert weighted_decoder.verdict([judged(steps=one)]).startswith("No network has been trained with weighted spikes")


def test_trials_stand_below_the_recipe_that_is_as_long() -> None:
    trials = weighted_decoder.tuned(results.read_trials(), "fashion-mnist")
    tuned = weighted_decoder.tuning(trials, (7.0, 8.0))
    assert len(tuned) == len(trials)
    assert set(tuned["network"]) == {"SMLP 1-1-1", "SMLP 1-2-4"}
    for _, of_network in tuned.groupby("network"):
        first, *others = of_network["half-life"]
        assert first == "none, the recipe"
        assert len(others) > 2 and all(text.endswith(" T") for text in others)
        assert others == sorted(others, key=lambda text: float(text.removesuffix(" T")))
        for earlier, later in zip(of_network["within 7 steps, %"], of_network["within 8 steps, %"], strict=True):
            assert float(earlier or 0) <= float(later or 0)


def test_a_trial_with_another_change_is_no_comparison() -> None:
    by_recipe = recipe("784-400-10", "mnist", 8, epochs=5)
    weighted: dict[str, Any] = {"loss": "temporal-weighting", "sharpness": 8.0, "half_life": 4.0, "step_cost": 0.0}
    only = weighted_decoder._only_weighted
    assert only(replace(by_recipe, **weighted), by_recipe)
    assert not only(replace(by_recipe, **weighted, dropout=0.2), by_recipe)
    assert not only(by_recipe, by_recipe)


def test_limits_are_met_by_both_by_one_or_by_neither(found: list[Case]) -> None:
    example = next(c for c in found if c.dataset == "fashion-mnist")
    weighted, by_recipe = (attempts.tested(group, 9.0).scores for group in (example.weighted, example.recipe))
    assert weighted and by_recipe and example.within(9.0) == (weighted[0], by_recipe[0])
    assert example.within(0.5) == (None, None)
    assert example.within(1.5)[0] and not example.within(1.5)[1]
    swapped = example._replace(recipe=example.weighted, weighted=example.recipe)
    for case, alone in ((example, "weighted alone"), (swapped, "recipe alone")):
        assert weighted_decoder._points(*case.within(1.5)) == alone
    told = weighted_decoder.within_limits([example], "fashion-mnist").iloc[0]
    assert told["at equal steps"].startswith(f"at {example.meeting:.2f}: {example.points_there.mean:+.2f}")
    assert told["within 9 steps"].startswith(f"{weighted[0].mean - by_recipe[0].mean:+.2f}")
    assert weighted_decoder.within_limits([example], "mnist").empty

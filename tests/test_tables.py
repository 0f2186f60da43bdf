"""Tables of results: what is compared with what, and that they are there without any."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tqttfs_lite.experiments import results
from tqttfs_lite.experiments.config import TrainingConfig, recipe, variant
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result, Trial
from tqttfs_lite.experiments.training import Epoch
from tqttfs_lite.paper import comparisons, gains
from tqttfs_lite.paper.gains import Judgement
from tqttfs_lite.paper.seed_statistics import Difference
from tqttfs_lite.report import tables


def test_a_data_folder_without_trials_or_networks_has_empty_tables(home: Path) -> None:
    both = tables.paired_trials(comparisons.pairs_of_trials())
    assert tables.trials([]).empty and both.empty
    assert math.isnan(both["unquantized, %"].max() - both["quantized, %"].max())  # as chapter 7 compares them


def test_a_setting_is_compared_where_the_baseline_was_trained_under_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = recipe("784-400-10", "mnist", 8)
    best = variant(plain, "1-2")

    def scored(config: TrainingConfig, percent: float) -> Trial:
        score = Evaluation(10, 9, 9, 0, 20, (1, 1))
        return Trial(config, (Epoch(1.0, percent - 9, 2.0, 1.0), Epoch(0.5, percent, 2.0, 1.0)), score, {})

    def kept(config: TrainingConfig, percent: float) -> Result:
        return Result(config, scored(config, percent).history, scored(config, percent).validation, "", {}, {})

    dearer = [replace(config, step_cost=0.5) for config in (plain, best)]
    trials = [scored(dearer[0], 97.0), scored(dearer[1], 96.5), scored(replace(best, theta=2.0), 99.0)]
    monkeypatch.setattr(results, "read_trials", lambda: trials)
    other_seed, sweep = replace(plain, seed=1), variant(plain, "2-2")
    monkeypatch.setattr(results, "read_all", lambda: [kept(c, 98.0) for c in (plain, best, other_seed, sweep)])
    table = tables.paired_trials(comparisons.pairs_of_trials())
    assert table[["changed", "unquantized, %", "quantized, %", "difference"]].to_numpy().tolist() == [
        ["nothing", 98.0, 98.0, 0.0],
        ["step_cost 0.5", 97.0, 96.5, -0.5],
    ]


def test_gains_are_judged_as_a_family_and_by_their_margins() -> None:
    certain, unsure = Difference(1.0, 0.1, 20.0, (9, 9)), Difference(0.0, 0.01, 20.0, (9, 9))
    judged = {
        name: Judgement(
            claimed,
            gain,
            gain,
            Difference(gain.mean, 0.5, 10.0, (9, 9)),
            gains.equivalence(gain, 0.5),
            gains.equivalence(gain, 0.5, claimed),
            (gains.McNemar(0, 60, 20, 1e-5), gains.McNemar(1, 40, 39, 1.0)),
        )
        for name, gain, claimed in (("large", certain, 1.1), ("none", unsure, 2.5))
    }
    table = tables.judgements(judged)
    assert list(table["large"][["margin", "equivalent to no gain", "equivalent to the paper's gain"]]) == [
        "± 0.5",
        "not shown",
        "shown",
    ]
    assert list(table.loc["equivalent to no gain"]) == ["not shown", "shown"]
    assert table.loc["p-value of no gain (Holm)", "large"] == f"{2 * certain.p_value():.2g}"  # the smaller of two
    assert table.loc["seeds with p < 0.05 (McNemar)", "none"] == "1 of 2"

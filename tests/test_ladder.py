"""The ladder from the ReLU network to ours: in order, with gaps, and compared with the rung before alone."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tqttfs_lite.experiments import conventional
from tqttfs_lite.experiments.config import TrainingConfig, recipe
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.paper import comparisons, ladder
from tqttfs_lite.paper.seed_statistics import Group


def group(config: TrainingConfig, *correct: int) -> Group:
    scores = [Evaluation(100, n, n, 10, 500, (5, 5)) for n in correct]
    found = (Result(replace(config, seed=seed), (), score, "", {}, {}) for seed, score in enumerate(scores))
    return Group(config, tuple(found))


def test_a_rung_is_compared_with_the_one_before_it_and_with_no_other() -> None:
    base, quantized = recipe("784-400-10", "mnist", 8), recipe("784-400-10(2)", "mnist", 8)
    groups = {base: group(base, 90, 92), quantized: group(quantized, 95, 97)}
    (claim, *_) = comparisons.of_claims(groups)
    score = conventional.Score(images=100, correct=98, arriving=(1, 1), multiply_accumulates=(1, 1))
    relu = conventional.Result(
        activations="relu",
        settings=conventional.configuration("relu", "mnist", "784-400-10", 8, learning_rate=0.002).settings,
        history=(),
        validation=score,
        test=score,
        data_sha256={},
        made={},
    )
    rungs = ladder.rungs(claim, groups, {("mnist", "784-400-10", "relu"): [relu]})
    assert [rung.name for rung in rungs][:4] == list(ladder.WORDS.values())
    assert [rung.accuracy and rung.accuracy.mean for rung in rungs] == [98, None, None, None, None, 91, 96]
    changes = [rung.since(before) for before, rung in pairwise(rungs)]
    assert changes[:5] == [None] * 5
    assert changes[5] is not None and changes[5].mean == pytest.approx(5)
    assert rungs[-1].silent is not None and rungs[-1].silent.mean == 10

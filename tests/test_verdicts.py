"""The slides' claims in words: what would refute each of them refutes it."""

from dataclasses import replace

import pytest

from tqttfs_lite.experiments.config import TrainingConfig, recipe, variant
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.paper import reported, verdicts
from tqttfs_lite.paper.seed_statistics import Group

SMALL, MIDDLE, LARGE = reported.improvements()


def group(config: TrainingConfig, *correct: int) -> Group:
    scores = [Evaluation(1000, right, right, 0, 2000, (1000, 100)) for right in correct]
    made = (Result(replace(config, seed=seed), (), score, "", {}, {}) for seed, score in enumerate(scores))
    return Group(config, tuple(made))


@pytest.mark.parametrize(
    ("others", "holds"),
    [
        ((900, 901, 902), "no"),
        ((870, 871, 872), "yes"),
        ((879, 880, 883), "open"),
        ((900, 901), "open"),  # too few seeds
    ],
)
def test_the_best_degrees_are_refuted_by_better_ones(others: tuple[int, ...], holds: str) -> None:
    named = variant(recipe(MIDDLE.network, MIDDLE.dataset, 16), MIDDLE.degrees)
    coarser, shorter = variant(named, "1-4-4"), recipe(MIDDLE.network, MIDDLE.dataset, 8)
    groups = {
        named: group(named, 880, 881, 882),
        coarser: group(coarser, *others),
        shorter: group(shorter, 990, 991, 992),  # another T is another network
    }
    assert verdicts.best_degrees(groups, MIDDLE).holds == holds


def test_another_work_refutes_a_claim_to_be_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts.best_of_its_structure(SMALL).holds == "yes"
    better = reported.Accuracy("another", "784-400-10", "Temporal", 98.7, "1")
    with monkeypatch.context() as patched:
        printed = reported.accuracy("mnist")
        patched.setattr(reported, "accuracy", lambda dataset: [*printed, better])
        assert verdicts.best_of_its_structure(SMALL).holds == "no"
    later = reported.Citation("Later, arXiv 2501.00001", "CNN", None, 99.0, "", True)
    monkeypatch.setattr(reported, "literature", lambda: [later])
    assert verdicts.highest_of_known(LARGE).holds == "open"
    monkeypatch.setattr(reported, "literature", lambda: [later._replace(work="Earlier, arXiv 2301.00001")])
    assert verdicts.highest_of_known(LARGE).holds == "no"


def test_a_faster_clock_refutes_that_latency_stays_at_lower_frequencies(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts.no_more_latency().holds == "in part"  # only the first layer's clock has to be faster
    faster = [row._replace(alpha="1.5") for row in reported.energy()]
    slower = [row._replace(alpha="0.5") for row in reported.energy()]
    for rows, holds in ((faster, "no"), (slower, "yes")):
        monkeypatch.setattr(reported, "energy", lambda rows=rows: rows)
        assert verdicts.no_more_latency().holds == holds

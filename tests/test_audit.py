"""The audit's numbers against the slides' claims and against hand-made results."""

from dataclasses import replace

import pytest

from tqttfs_lite import audit, paper
from tqttfs_lite.config import TrainingConfig
from tqttfs_lite.energy import CAUSAL, MEMORY, SLIDES, WITHOUT_ALPHA, reduction_percent
from tqttfs_lite.evaluation import Evaluation
from tqttfs_lite.results import Result
from tqttfs_lite.summary import Group

INPUT = [49.0 * step for step in range(1, 17)]  # 784 spikes, evenly over 16 steps
PLAIN = TrainingConfig("784-4(1)-2(1)-10(1)", "mnist", 16)


def group(config: TrainingConfig, *scores: Evaluation) -> Group:
    results = (Result(replace(config, seed=seed), (), score, "", {}, {}) for seed, score in enumerate(scores))
    return Group(config, tuple(results))


BEFORE = Evaluation(2, 1, 1, 0, 8, (8, 4, 2), (100, 8, 4), (400, 16, 40))
AFTER = Evaluation(2, 1, 1, 0, 16, (8, 2, 2), (120, 4, 2), (480, 8, 20))


@pytest.mark.parametrize("configuration", ["1-2-2-4-4", "1-4-4-4-4"])
def test_the_slides_accounting_gives_the_slides_claims(configuration: str) -> None:
    before, after = (audit.published_energies(name, INPUT)[SLIDES] for name in ("none", configuration))
    claimed = float(paper.claims()[f"energy_reduction_{configuration}"].value)
    assert reduction_percent(after, before) == pytest.approx(claimed, abs=0.11)


def test_the_published_counts_are_the_table_and_the_mean_field() -> None:
    counts = audit.published_counts("1-2-2-4-4", INPUT)
    assert counts.steps == 7.102
    assert counts.quantization == [1, 2, 2, 4, 4]
    assert counts.arriving == pytest.approx([49 * 7.102, 1663.24, 397.94, 52.11, 17.29])
    assert counts.additions[4] == pytest.approx(17.29 * 10)  # each spike of 128 neurons reaches ten
    assert counts.additions[0] == pytest.approx(313600 * 7.102 / 16)
    with pytest.raises(KeyError):
        audit.published_counts("4-4-4-4-4", INPUT)


def test_our_energies_are_those_of_the_counts() -> None:
    found = audit.mean_energies(group(PLAIN, BEFORE), group(PLAIN, BEFORE))
    # Neurons 4, 2, 10 and connections 3136, 8, 20: spikes per neuron and image 1, 1 and 0.1.
    assert found[SLIDES].mean == pytest.approx(0.9 * (3136 + 8 + 2) / 1000)
    assert found[CAUSAL].mean == pytest.approx(0.9 * (200 + 8 + 20) / 1000)


def test_a_reduction_is_against_the_baseline_of_the_same_seed() -> None:
    quantized = replace(PLAIN, architecture="784-4(1)-2(2)-10(2)")
    found = audit.reductions(group(quantized, AFTER, BEFORE), group(PLAIN, BEFORE, BEFORE))
    assert found[CAUSAL].seeds == 2
    assert found[CAUSAL].mean == pytest.approx((reduction_percent(254, 228) + 0) / 2)
    assert found[WITHOUT_ALPHA].mean == pytest.approx((100 * 4 / 3146 + 0) / 2)
    assert found[MEMORY].mean != found[CAUSAL].mean


def test_every_number_of_the_slides_that_follows_from_others_does() -> None:
    checks = audit.arithmetic()
    assert all(check.agrees for check in checks)
    assert len({check.what for check in checks}) == len(checks) == 10 + 20 + 3 + 3


@pytest.mark.parametrize("column", ["spikes", "inference_time_steps"])
def test_another_count_gives_another_reduction(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = [row._replace(**{column: 2.0}) if row.configuration == "none" else row for row in paper.energy()]
    monkeypatch.setattr(paper, "energy", lambda: table)
    assert {check.what for check in audit.arithmetic() if not check.agrees} >= {"energy_efficiency_1-2-2-4-4"}

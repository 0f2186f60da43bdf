"""The energy claim's numbers against the slides' claims and against hand-made results."""

from dataclasses import replace

import pytest

from tqttfs_lite.energy.costs import FLAT, VARIANTS
from tqttfs_lite.energy.models import CAUSAL, MEMORY, SLIDES, WITHOUT_ALPHA, reduction_percent
from tqttfs_lite.experiments import conventional
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.paper import energy_claims, reported
from tqttfs_lite.paper.seed_statistics import Group

INPUT = [49.0 * step for step in range(1, 17)]  # 784 spikes, evenly over 16 steps
PLAIN = TrainingConfig("784-4(1)-2(1)-10(1)", "mnist", 16)


def group(config: TrainingConfig, *scores: Evaluation) -> Group:
    results = (Result(replace(config, seed=seed), (), score, "", {}, {}) for seed, score in enumerate(scores))
    return Group(config, tuple(results))


BEFORE = Evaluation(2, 1, 1, 0, 8, (8, 4, 2), (100, 8, 4), (400, 16, 40))
AFTER = Evaluation(2, 1, 1, 0, 16, (8, 2, 2), (120, 4, 2), (480, 8, 20))


@pytest.mark.parametrize(("first", "second"), [(0.25, 0.25), (1.0, 1.0), (0.25, 0.5)])
def test_the_reported_counts_are_the_table_and_the_mean_field(first: float, second: float) -> None:
    counts = energy_claims.reported_counts("1-2-2-4-4", INPUT, [first, second])
    assert counts.steps == 7.102
    assert counts.quantization == (1, 2, 2, 4, 4)
    assert counts.arriving == pytest.approx([49 * 7.102, 1663.24 * first, 397.94 * second, 52.11, 17.29])
    assert counts.additions[4] == pytest.approx(17.29 * 10)  # each spike of 128 neurons reaches ten
    assert counts.additions[2] == pytest.approx(397.94 * second * 800)
    assert counts.additions[1] == pytest.approx(1663.24 * first * 800)  # 5 x 5 filters of 32 channels
    assert counts.additions[0] == pytest.approx(313600 * 7.102 / 16)
    with pytest.raises(KeyError):
        energy_claims.reported_counts("4-4-4-4-4", INPUT, [first, second])
    with pytest.raises(ValueError, match="shorter"):
        energy_claims.reported_counts("1-2-2-4-4", INPUT, [first])


def test_only_the_causal_accountings_depend_on_the_input_and_on_pooling() -> None:
    few, many = (energy_claims.reported_energies("1-2-2-4-4", INPUT, [share] * 2) for share in (0.25, 1.0))
    assert few[SLIDES] == many[SLIDES] == pytest.approx(sum(energy_claims.reported_layer_energies("1-2-2-4-4")))
    assert many[CAUSAL] - few[CAUSAL] == pytest.approx(0.9 * 0.75 * (1663.24 * 800 + 397.94 * 800) / 1000)


def test_a_reported_reduction_is_of_one_case_and_its_shares() -> None:
    cases = {"alike": {"none": [0.25, 0.25], "1-2-2-4-4": [0.25, 0.25]}, "apart": {"none": [0.25, 0.25]}}
    found = energy_claims.reported_reductions("1-2-2-4-4", INPUT, cases)
    assert list(found) == ["alike"]
    assert found["alike"][SLIDES] == pytest.approx(66.0, abs=0.05)
    before, after = (energy_claims.reported_energies(c, INPUT, [0.25, 0.25])[CAUSAL] for c in ("none", "1-2-2-4-4"))
    assert found["alike"][CAUSAL] == pytest.approx(100 * (1 - after / before))


def test_the_share_handed_on_is_that_of_each_pooling_layer() -> None:
    config = TrainingConfig("28x28-2C5(1)-P2-3C5(2)-P2-4(2)-10(4)", "fashion-mnist", 16)
    score = Evaluation(1, 1, 1, 0, 8, spikes=(80, 40, 4, 1), arriving=(300, 20, 30, 4))
    (result,) = group(config, score).results
    assert energy_claims.shares_handed_on(result) == [20 / 80, 30 / 40]


def test_our_energies_are_those_of_the_counts() -> None:
    found = energy_claims.mean_energies(group(PLAIN, BEFORE), group(PLAIN, BEFORE))
    # Neurons 4, 2, 10 and connections 3136, 8, 20: spikes per neuron and image 1, 1 and 0.1.
    assert found[SLIDES].mean == pytest.approx(0.9 * (3136 + 8 + 2) / 1000)
    assert found[CAUSAL].mean == pytest.approx(0.9 * (200 + 8 + 20) / 1000)


def test_a_reduction_is_against_the_baseline_of_the_same_seed() -> None:
    quantized = replace(PLAIN, architecture="784-4(1)-2(2)-10(2)")
    found = energy_claims.reductions(group(quantized, AFTER, BEFORE), group(PLAIN, BEFORE, BEFORE))
    assert found[CAUSAL].seeds == 2
    assert found[CAUSAL].mean == pytest.approx((reduction_percent(254, 228) + 0) / 2)
    assert found[WITHOUT_ALPHA].mean == pytest.approx((100 * 4 / 3146 + 0) / 2)
    base = group(PLAIN, BEFORE).results[0]
    # Arriving, additions, potentials for these and for 4 ticks of 16 neurons, spikes.
    accesses = 56 + 228 + 2 * (228 + 4 * 16) + 7
    expected = (0.9 * (228 + 4 * 16 + 7) + 5 * accesses) / 1000
    assert energy_claims.energies(base, base, VARIANTS[FLAT])[MEMORY] == pytest.approx(expected)
    flat = energy_claims.reductions_by_price(group(quantized, AFTER), group(PLAIN, BEFORE))[FLAT][MEMORY]
    after, before = (
        energy_claims.energies(r, base, VARIANTS[FLAT])[MEMORY] for r in (group(quantized, AFTER).results[0], base)
    )
    assert flat.mean == pytest.approx(reduction_percent(after, before))


def test_the_formula_saves_where_nothing_is_saved() -> None:
    config = TrainingConfig(str(energy_claims.SCNN), "fashion-mnist", 16)
    score = Evaluation(1, 1, 1, 0, 8, (1764, 730, 233, 30, 1), (300, 1764, 730, 233, 30), (9, 9, 9, 9, 9))
    quantized = replace(config, architecture=str(energy_claims.SCNN.with_quantization("1-2-2-4-4")))
    found = energy_claims.crossed(group(quantized, score), group(config, score))
    assert found["the paper's"]["the paper's"].mean == pytest.approx(66.0, abs=0.05)
    without_alpha = energy_claims.readings("1-2-2-4-4")["own spikes, without alpha"]
    assert found["the paper's"]["1"].mean == pytest.approx(without_alpha)
    # Neither spikes nor steps differ in these hand-made results: what is saved is 1 - 1 / q, weighted by layer.
    assert found["ours"]["ours"] == found["ours, unchanged"]["of unchanged steps"]
    assert found["ours"]["1"].mean == 0
    energies = [
        flops * spikes / neurons
        for (neurons, flops), spikes in zip(energy_claims.SCNN.sizes(), score.spikes, strict=True)
    ]
    kept = sum(energy / q for energy, q in zip(energies, (1, 2, 2, 4, 4), strict=True))
    assert found["ours"]["ours"].mean == pytest.approx(100 * (1 - kept / sum(energies)))


def test_a_network_that_does_not_spike_multiplies_where_an_input_is_not_zero() -> None:
    config = conventional.configuration("levels", "mnist", "784-400-10", 8, learning_rate=0.002)
    score = conventional.Score(images=2, correct=1, arriving=(200, 100), multiply_accumulates=(80_000, 1000))
    result = conventional.Result(
        activations="levels",
        settings=config.settings,
        history=(),
        validation=score,
        test=score,
        data_sha256={},
        made={},
    )
    found = energy_claims.conventional_energies(result, VARIANTS[FLAT])
    assert found[CAUSAL] == pytest.approx(4.6 * 40_500 / 1000)
    # Each reads a weight and reads and writes a sum; 150 inputs are read, 50 + 10 results written, 410 neurons checked.
    operations, accesses = 40_500 + 410 + 60, 40_500 * 3 + 2 * 410 + 150 + 60
    assert found[MEMORY] == pytest.approx((0.9 * operations + 3.7 * 40_500 + 5 * accesses) / 1000)
    ours = group(PLAIN, BEFORE)
    saved = energy_claims.over_conventional(ours, [result])[CAUSAL]
    assert saved.mean == pytest.approx(reduction_percent(0.9 * 228 / 1000, found[CAUSAL]))
    with pytest.raises(ValueError, match="has no test score"):
        energy_claims.conventional_energies(result.model_copy(update={"test": None}))


def test_networks_without_a_common_seed_have_no_reduction() -> None:
    other = group(replace(PLAIN, architecture="784-4(1)-2(2)-10(2)"), AFTER, AFTER)
    with pytest.raises(ValueError, match="share no seed"):
        energy_claims.reductions(other._replace(results=other.results[1:]), group(PLAIN, BEFORE))


def test_the_bounds_hold_every_share_and_are_reached() -> None:
    bounds = energy_claims.reported_bounds("1-2-2-4-4", INPUT)
    assert bounds[SLIDES][0] == bounds[SLIDES][1] == pytest.approx(66.0, abs=0.05)
    cases = {f"{a} {b}": {"none": [a, a], "1-2-2-4-4": [b, b]} for a in (0.25, 0.6, 1.0) for b in (0.25, 0.6, 1.0)}
    found = energy_claims.reported_reductions("1-2-2-4-4", INPUT, cases)
    for key in (CAUSAL, MEMORY):
        percents = [percent[key] for percent in found.values()]
        assert (min(percents), max(percents)) == pytest.approx(bounds[key])


def test_one_reading_of_the_formula_gives_the_claims() -> None:
    for configuration, claimed in (("1-2-2-4-4", 66.0), ("1-4-4-4-4", 85.0)):
        found = energy_claims.readings(configuration)
        assert [name for name, value in found.items() if abs(value - claimed) < 0.05] == ["own spikes, with alpha"]
        assert found["own spikes, without alpha"] == pytest.approx(
            reduction_percent(
                *(energy_claims.reported_energies(c, INPUT, [1, 1])[WITHOUT_ALPHA] for c in (configuration, "none"))
            )
        )


def test_arriving_spikes_go_with_the_connections_of_the_next_layer() -> None:
    neurons, flops = zip(*((layer.neurons, layer.flops) for layer in reported.layers()), strict=True)

    def total(configuration: str) -> float:
        spikes = energy_claims.reported_spikes(configuration)
        return sum(s / n * f for s, n, f in zip(spikes[:-1], neurons[:-1], flops[1:], strict=True))

    expected = reduction_percent(total("1-4-4-4-4"), total("none"))
    assert energy_claims.readings("1-4-4-4-4")["arriving spikes, without alpha"] == pytest.approx(expected)


def test_what_a_layer_saves_of_its_own_spikes_arrives_at_the_next() -> None:
    arriving, own = zip(*energy_claims.fewer_spikes("1-2-2-4-4"), strict=True)
    assert arriving[1:] == own[:-1]
    assert arriving[0] == pytest.approx(100 * (1 - 1663.24 / 1763.94))
    assert own[-1] == pytest.approx(100 * (1 - 1.02 / 1.09))


def test_every_number_of_the_slides_that_follows_from_others_does() -> None:
    checks = energy_claims.arithmetic()
    assert all(check.agrees for check in checks)
    assert len({check.what for check in checks}) == len(checks) == 10 + 20 + 3 + 3


@pytest.mark.parametrize("column", ["spikes", "inference_time_steps"])
def test_another_count_gives_another_reduction(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = [row._replace(**{column: 2.0}) if row.configuration == "none" else row for row in reported.energy()]
    monkeypatch.setattr(reported, "energy", lambda: table)
    assert {check.what for check in energy_claims.arithmetic() if not check.agrees} >= {"energy_efficiency_1-2-2-4-4"}

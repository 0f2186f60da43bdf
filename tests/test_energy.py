import pytest

from tqttfs_lite.energy.models import (
    CAUSAL,
    MEMORY,
    SLIDES,
    WITHOUT_ALPHA,
    Counts,
    accountings,
    ann_energies,
    ann_memory_energies,
    causal_energies,
    frequency_coefficients,
    layer_energies,
    mean_field_additions,
    memory_energies,
    supply_voltage,
)
from tqttfs_lite.spiking.notation import Architecture, LayerSize

SCNN = Architecture.parse("28x28-16C5-P2-32C5-P2-800-128-10")


def test_one_layer_by_hand() -> None:
    # 10 neurons, 1000 FLOPs, 5 spikes: 0.9 pJ * 1000 * 0.5 * 5 / 10 = 225 pJ
    assert layer_energies([LayerSize(10, 1000)], [5.0], [0.5]) == [pytest.approx(0.225)]
    assert layer_energies([LayerSize(10, 1000)], [5.0], addition_pj=1.8) == [pytest.approx(0.9)]


def test_alpha_is_the_frequency_that_keeps_the_latency() -> None:
    T0, T1, quantization = 4.766, 7.102, (1, 2, 2, 4, 4)
    for alpha, q in zip(frequency_coefficients(T1, T0, quantization), quantization, strict=True):
        assert T1 / (q * alpha) == pytest.approx(T0)  # T1 / (Q f) with f = alpha f0 equals T0 / f0


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        frequency_coefficients(0, 4, [1])
    with pytest.raises(ValueError, match="1 or more"):
        frequency_coefficients(4, 4, [0])
    with pytest.raises(ValueError, match="do not fit"):
        layer_energies([LayerSize(10, 1000)], [5.0, 1.0])
    with pytest.raises(ValueError, match="negative"):
        layer_energies([LayerSize(10, 1000)], [-5.0])


COUNTS = Counts([LayerSize(4, 40), LayerSize(2, 8)], (1, 2), 6.0, (3.0, 1.0), (7.0, 3.0), (28.0, 6.0))


def test_the_causal_count_prices_additions_and_nothing_else() -> None:
    assert causal_energies(COUNTS) == pytest.approx([0.9 * 28 / 1000, 0.9 * 6 / 1000])
    assert causal_energies(COUNTS, addition_pj=1000) == pytest.approx([28, 6])


def test_memory_by_hand() -> None:
    # Layer 1: 6 ticks of 4 neurons are 24 checks; 28 + 24 + 3 operations; 7 + 28 + 2 (28 + 24) + 3 accesses.
    # Layer 2: 3 ticks of 2 neurons are 6 checks; 6 + 6 + 1 operations; 3 + 6 + 2 (6 + 6) + 1 accesses.
    operations, accesses = (55, 13), (142, 34)
    assert memory_energies(COUNTS, addition_pj=1000, access_pj=0) == pytest.approx(operations)
    assert memory_energies(COUNTS, addition_pj=0, access_pj=1000) == pytest.approx(accesses)
    assert memory_energies(COUNTS) == pytest.approx(
        [(0.9 * n + 5 * m) / 1000 for n, m in zip(operations, accesses, strict=True)]
    )


def test_a_coarser_clock_saves_checks() -> None:
    fine, coarse = (memory_energies(COUNTS._replace(quantization=(q, q))) for q in (1, 2))
    for size, before, after in zip(COUNTS.sizes, fine, coarse, strict=True):
        assert before - after == pytest.approx(size.neurons * 3 * (0.9 + 2 * 5) / 1000)


def test_the_mean_field_is_exact_where_every_spike_reaches_every_neuron() -> None:
    sizes = Architecture.parse("784-400-10").sizes()
    assert mean_field_additions(sizes, [300, 50.0], [784, 400]) == pytest.approx([300 * 400, 50 * 10])


def test_the_same_network_of_conventional_neurons() -> None:
    assert sum(ann_energies(SCNN.sizes())) == pytest.approx(4.6 * 4_180_480 / 1000)
    assert sum(ann_memory_energies(SCNN.sizes())) == pytest.approx(
        (4.6 * 4_180_480 + 5 * (2 * 4_180_480 + 19_754)) / 1000
    )


def test_the_accountings_are_the_four_models() -> None:
    found = accountings(COUNTS, baseline_steps=3.0)
    assert found[WITHOUT_ALPHA] == layer_energies(COUNTS.sizes, COUNTS.spikes)
    assert found[SLIDES] == pytest.approx([2 * found[WITHOUT_ALPHA][0], found[WITHOUT_ALPHA][1]])
    assert found[CAUSAL] == causal_energies(COUNTS)
    assert found[MEMORY] == memory_energies(COUNTS)


@pytest.mark.parametrize("frequency", [0.05, 0.36, 1.0, 1.49, 3.0])
def test_the_supply_voltage_reaches_the_frequency(frequency: float) -> None:
    voltage = supply_voltage(frequency, threshold=0.3, exponent=1.3)
    assert (voltage - 0.3) ** 1.3 / voltage == pytest.approx(frequency * 0.7**1.3)
    assert (voltage > 1) == (frequency > 1)


def test_without_a_threshold_voltage_and_with_long_channels_it_is_the_frequency() -> None:
    assert supply_voltage(0.5, threshold=1e-9, exponent=2.0) == pytest.approx(0.5)


def test_impossible_clocks_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        supply_voltage(0.0)
    with pytest.raises(ValueError, match="threshold"):
        supply_voltage(1.0, threshold=1.0)
    with pytest.raises(ValueError, match="exponent"):
        supply_voltage(1.49, exponent=1.0)

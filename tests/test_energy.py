from dataclasses import replace

import pytest

from tqttfs_lite.energy.costs import BY_CAPACITY, FLAT, VARIANTS, Costs, constants
from tqttfs_lite.energy.models import (
    BULK,
    CAUSAL,
    EVIDENCE,
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
    memory_parts,
    saving_with_clock,
    shares_that_save,
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
    with pytest.raises(ValueError, match="do not match"):
        layer_energies([LayerSize(10, 1000)], [5.0, 1.0])
    with pytest.raises(ValueError, match="negative"):
        layer_energies([LayerSize(10, 1000)], [-5.0])


COUNTS = Counts(Architecture.parse("10-4(1)-2(2)"), 6.0, (3.0, 1.0), (7.0, 3.0), (28.0, 6.0))
FREE = Costs(0, 0, 0, 0, sram=((0, 0.0),))


def test_the_causal_count_prices_additions_and_nothing_else() -> None:
    assert causal_energies(COUNTS) == pytest.approx([0.9 * 28 / 1000, 0.9 * 6 / 1000])
    assert causal_energies(COUNTS, addition_pj=1000) == pytest.approx([28, 6])


def test_memory_by_hand() -> None:
    # Layer 1: 6 ticks of 4 neurons are 24 checks; 28 + 24 + 3 operations; 28 weights, 2 (28 + 24) potentials, 7 + 3
    # spikes.  Layer 2: 3 ticks of 2 neurons are 6 checks; 6 + 6 + 1 operations; 6, 2 (6 + 6), 3 + 1.
    operations, accesses, bulk = (55, 13), (142, 34), (86, 22)
    assert memory_energies(COUNTS, replace(FREE, addition_pj=1000)) == pytest.approx(operations)
    priced = replace(FREE, sram=((0, 2000.0),))  # of 64 bits
    assert memory_energies(COUNTS, priced) == pytest.approx(accesses)
    assert memory_energies(COUNTS, priced, bulk=True) == pytest.approx(bulk)  # potentials on the ticks alone
    assert memory_energies(COUNTS, VARIANTS[FLAT]) == pytest.approx(
        [(0.9 * n + 5 * m) / 1000 for n, m in zip(operations, accesses, strict=True)]
    )


def test_memory_by_capacity_by_hand() -> None:
    # Layer 1 of 4,096 weights: 16 kB, 10 + 10 / 3 pJ for 64 bits.  64 potentials: 256 bytes, 10 / 32 pJ.
    # A queue of 1,000 spikes: 4,000 bytes.  Layer 2 of 640 weights: 2,560 bytes; its 10 potentials: 40 bytes.
    counts = Counts(Architecture.parse("64-64-10"), 8.0, (20.0, 1.0), (30.0, 20.0), (1920.0, 200.0))
    first, second = memory_parts(counts)
    assert first.weights == pytest.approx(1920 * (10 + 10 / 3) / 2 / 1000)
    assert first.potentials == pytest.approx(2 * (1920 + 8 * 64) * 10 / 32 / 2 / 1000)
    assert first.spikes == pytest.approx((30 + 20) * 10 * 4000 / 8192 / 2 / 1000)
    assert (first.addresses, second.addresses) == pytest.approx((0.192, 0.02))  # an integer addition each
    assert second.weights == pytest.approx(200 * 10 * 2560 / 8192 / 2 / 1000)
    assert second.potentials == pytest.approx(2 * (200 + 80) * 10 * 40 / 8192 / 2 / 1000)
    assert first.operations == pytest.approx(0.9 * (1920 + 8 * 64 + 20) / 1000)
    assert memory_parts(counts, multiplies=True)[0].operations == pytest.approx(first.operations + 3.7 * 1.92)
    assert memory_energies(counts)[1] == pytest.approx(sum(second))


def test_an_access_costs_what_its_memory_is_large() -> None:
    capped, drawn_on, dram = (replace(BY_CAPACITY, beyond=kind) for kind in ("capped", "extrapolated", "dram"))
    for costs in (capped, drawn_on, dram):
        assert [costs.access_pj(kB * 1024, 64) for kB in (0, 4, 8, 20, 32, 1024)] == [0, 5, 10, 15, 20, 100]
        assert costs.access_pj(8 * 1024, 32) == 5
    first_dense = 4 * 1568 * 800  # bytes of the SCNN's largest weights
    assert capped.access_pj(first_dense, 32) == 50
    assert drawn_on.access_pj(first_dense, 32) == pytest.approx((20 + 80 * (first_dense / 1024 - 32) / 992) / 2)
    assert dram.access_pj(first_dense, 32) == 650
    with pytest.raises(ValueError, match="must increase"):
        Costs(sram=((8192, 20.0), (32768, 10.0)))


def test_a_memory_of_ones_own_size_is_priced_by_it() -> None:
    small = memory_parts(COUNTS, replace(BY_CAPACITY, weight_bytes=(8192, 32768)))
    assert [part.weights for part in small] == pytest.approx([28 * 5 / 1000, 6 * 10 / 1000])
    with pytest.raises(ValueError, match="must have 2 sizes"):
        memory_parts(COUNTS, replace(BY_CAPACITY, weight_bytes=(8192,)))


def test_only_a_convolution_looks_for_its_filter() -> None:
    dense, convolution = Architecture.parse("16-9-1"), Architecture.parse("4x4-1C3-1")
    found = [memory_parts(Counts(each, 1.0, (0, 0), (10, 0), (90, 0)))[0].addresses for each in (dense, convolution)]
    assert found == pytest.approx([0.009, 0.009 + 10 * 2 * 3.2 / 1000])


def test_every_constant_has_a_source() -> None:
    assert all("(" in note for name, _, note in constants() if not name.endswith("_bytes"))


def test_a_coarser_clock_saves_checks() -> None:
    fine, coarse = (
        memory_energies(COUNTS._replace(architecture=Architecture.parse(text)), VARIANTS[FLAT])
        for text in ("10-4(1)-2(1)", "10-4(2)-2(2)")
    )
    for size, before, after in zip(COUNTS.sizes, fine, coarse, strict=True):
        assert before - after == pytest.approx(size.neurons * 3 * (0.9 + 2 * 5) / 1000)


def test_the_mean_field_is_exact_where_every_spike_reaches_every_neuron() -> None:
    sizes = Architecture.parse("784-400-10").sizes()
    assert mean_field_additions(sizes, [300, 50.0], [784, 400]) == pytest.approx([300 * 400, 50 * 10])


def test_the_same_network_of_conventional_neurons() -> None:
    assert sum(ann_energies(SCNN.sizes())) == pytest.approx(4.6 * 4_180_480 / 1000)
    handed_on = 16 * 14**2 + 32 * 7**2 + 800 + 128 + 10  # behind the pooling
    assert sum(ann_memory_energies(SCNN, VARIANTS[FLAT])) == pytest.approx(
        (4.6 * 4_180_480 + 5 * (2 * 4_180_480 + handed_on)) / 1000
    )
    # 64 inputs of 256 bytes and 640 weights of 2,560 bytes; 10 results, in 40 bytes; 64 + 10 addresses.
    (found,) = ann_memory_energies(Architecture.parse("64-10"))
    accesses = 640 * (10 * 2560 / 8192 + 10 / 32) / 2 + 10 * 10 * 40 / 8192 / 2
    assert found == pytest.approx((4.6 * 640 + accesses + 7.4) / 1000)


def test_the_accountings_are_the_five_models() -> None:
    found = accountings(COUNTS, baseline_steps=3.0)
    assert found[WITHOUT_ALPHA] == layer_energies(COUNTS.sizes, COUNTS.spikes)
    assert found[SLIDES] == pytest.approx([2 * found[WITHOUT_ALPHA][0], found[WITHOUT_ALPHA][1]])
    assert found[CAUSAL] == causal_energies(COUNTS)
    assert found[MEMORY] == memory_energies(COUNTS)
    assert found[BULK] == memory_energies(COUNTS, bulk=True)
    assert set(EVIDENCE) == set(found)


def test_a_clock_tree_takes_energy_by_its_ticks_and_leakage_by_the_time() -> None:
    slides = {"alphas": [1.49, 0.745], "neurons": [3, 1]}
    assert saving_with_clock(40.0, **slides, leakage=0.0, clock=0.0) == pytest.approx(40)
    assert saving_with_clock(40.0, **slides, leakage=0.25, clock=0.0) == pytest.approx(30)
    everything = saving_with_clock(40.0, **slides, leakage=0.0, clock=1.0)
    assert everything == pytest.approx(100 * (1 - (3 * 1.49 + 0.745) / 4))  # the first layer outweighs the others
    shares = shares_that_save(everything, 40.0)
    assert shares and shares[0] == 0
    assert saving_with_clock(40.0, **slides, leakage=0.0, clock=shares[1]) == pytest.approx(0)


def test_a_clock_tree_that_needs_less_can_outweigh_operations_that_need_more() -> None:
    slower = {"alphas": [1.1, 0.5], "neurons": [1, 1]}
    shares = shares_that_save(saving_with_clock(-10.0, **slower, leakage=0.0, clock=1.0), -10.0)
    assert shares and shares[1] == 1
    at, above = (saving_with_clock(-10.0, **slower, leakage=0.0, clock=shares[0] + more) for more in (0, 0.1))
    assert at == pytest.approx(0) and above > 0


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

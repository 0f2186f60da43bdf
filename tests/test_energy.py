import pytest

from tqttfs_lite import paper
from tqttfs_lite.energy import frequency_coefficients, layer_energies, reduction_percent
from tqttfs_lite.notation import Architecture, LayerSize

CONFIGURATIONS = ("1-1-1-2-2", "1-2-2-2-2", "1-2-2-4-4", "1-4-4-4-4")
SCNN = Architecture.parse("28x28-16C5-P2-32C5-P2-800-128-10")


def rows(configuration: str) -> list[paper.LayerEnergy]:
    return [row for row in paper.energy() if row.configuration == configuration]


def published_energy(configuration: str) -> float:
    """nJ per image from the slides' spikes and steps, by the slides' formula."""
    layers, baseline = rows(configuration), rows("none")
    steps, baseline_steps = layers[0].inference_time_steps, baseline[0].inference_time_steps
    alphas = frequency_coefficients(steps, baseline_steps, [layer.q for layer in layers])
    return sum(layer_energies(SCNN.sizes(), [layer.spikes for layer in layers], alphas))


def test_one_layer_by_hand() -> None:
    # 10 neurons, 1000 FLOPs, 5 spikes: 0.9 pJ * 1000 * 0.5 * 5 / 10 = 225 pJ
    assert layer_energies([LayerSize(10, 1000)], [5.0], [0.5]) == [pytest.approx(0.225)]
    assert layer_energies([LayerSize(10, 1000)], [5.0], addition_pj=1.8) == [pytest.approx(0.9)]


def test_alpha_is_the_frequency_that_keeps_the_latency() -> None:
    T0, T1, quantization = 4.766, 7.102, (1, 2, 2, 4, 4)
    for alpha, q in zip(frequency_coefficients(T1, T0, quantization), quantization, strict=True):
        assert T1 / (q * alpha) == pytest.approx(T0)  # T1 / (Q f) with f = alpha f0 equals T0 / f0


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_printed_alphas_are_ours_cut_after_three_decimals(configuration: str) -> None:
    layers = rows(configuration)
    alphas = frequency_coefficients(
        layers[0].inference_time_steps, rows("none")[0].inference_time_steps, [layer.q for layer in layers]
    )
    assert [int(alpha * 1000) / 1000 for alpha in alphas] == [float(layer.alpha) for layer in layers]


@pytest.mark.parametrize("configuration", ["1-2-2-4-4", "1-4-4-4-4"])
def test_the_published_reductions_come_out_of_the_published_counts(configuration: str) -> None:
    reduction = reduction_percent(published_energy(configuration), published_energy("none"))
    claimed = float(paper.claims()[f"energy_reduction_{configuration}"].value)
    assert reduction == pytest.approx(claimed, abs=0.11)  # 85.0 is printed for 85.1


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        frequency_coefficients(0, 4, [1])
    with pytest.raises(ValueError, match="1 or more"):
        frequency_coefficients(4, 4, [0])
    with pytest.raises(ValueError, match="do not fit"):
        layer_energies([LayerSize(10, 1000)], [5.0, 1.0])
    with pytest.raises(ValueError, match="negative"):
        layer_energies([LayerSize(10, 1000)], [-5.0])

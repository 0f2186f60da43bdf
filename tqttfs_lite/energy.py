"""The slides' energy model, as pure functions of numbers (slides, "Energy Efficiency Analysis").

Energies are in nanojoules for one image, the energy of one addition in picojoules.
"""

from __future__ import annotations

from collections.abc import Sequence

from tqttfs_lite.notation import LayerSize

ADDITION_PJ = 0.9  # E_AC, a 32-bit floating-point addition in 45 nm CMOS (Horowitz 2014)


def frequency_coefficients(mean_steps: float, baseline_steps: float, quantization: Sequence[int]) -> list[float]:
    """alpha_l = T_1 / (T_0 q_l): each layer's clock frequency over the unquantized network's at equal latency.

    T_1 is the network's mean inference time steps and T_0 the unquantized network's.
    Raises `ValueError` where a number of steps is not above 0 or a degree is below 1.

    >>> [round(alpha, 3) for alpha in frequency_coefficients(8, 4, quantization=(1, 2, 4))]
    [2.0, 1.0, 0.5]
    """
    if mean_steps <= 0 or baseline_steps <= 0 or any(q < 1 for q in quantization):
        raise ValueError("time steps must be above 0 and quantization degrees 1 or more")
    return [mean_steps / (baseline_steps * q) for q in quantization]


def layer_energies(
    sizes: Sequence[LayerSize],
    spikes: Sequence[float],
    alphas: Sequence[float] | None = None,
    addition_pj: float = ADDITION_PJ,
) -> list[float]:
    """Nanojoules per layer and image: E_l = E_AC · FLOPs(l) · alpha_l · spikes of layer l / neurons of layer l.

    `spikes` are the mean spikes of each layer up to the decision; without `alphas` every alpha is 1.
    Raises `ValueError` where the layers differ in number or a count is negative.

    >>> layer_energies([LayerSize(neurons=100, flops=2000)], spikes=[50.0])
    [0.9]
    """
    alphas = [1.0] * len(sizes) if alphas is None else alphas
    if not len(sizes) == len(spikes) == len(alphas):
        raise ValueError(
            f"{len(sizes)} layers, {len(spikes)} spike counts and {len(alphas)} alphas do not fit together"
        )
    if any(count < 0 for count in [*spikes, *alphas, addition_pj]):
        raise ValueError("spikes, alphas and the energy of an addition cannot be negative")
    return [
        addition_pj * size.flops * alpha * count / size.neurons / 1000
        for size, count, alpha in zip(sizes, spikes, alphas, strict=True)
    ]


def reduction_percent(energy: float, baseline: float) -> float:
    """How much less than the baseline, in percent.

    >>> reduction_percent(50.0, baseline=200.0)
    75.0
    """
    return 100 * (1 - energy / baseline)

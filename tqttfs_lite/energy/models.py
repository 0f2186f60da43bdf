"""Energy models as pure functions of numbers: the slides' ("Energy Efficiency Analysis") and those it is audited by.

Energies are in nanojoules for one image, the energy of one operation in picojoules.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.optimize import brentq

from tqttfs_lite.errors import InputError
from tqttfs_lite.spiking.notation import LayerSize

# In 45 nm CMOS, of 32-bit numbers (Horowitz 2014).
ADDITION_PJ = 0.9  # E_AC, floating point
MULTIPLICATION_PJ = 3.7  # floating point
SRAM_ACCESS_PJ = 5.0  # reading or writing in an SRAM of 8 kB, half of the 10 pJ of 64 bits
# Of 8-bit integers, whose sums need 32 bits.
INT8_MULTIPLICATION_PJ = 0.2
INT32_ADDITION_PJ = 0.1

SLIDES, WITHOUT_ALPHA, CAUSAL, MEMORY = "the slides' formula", "without alpha", "causal", "with memory"


def frequency_coefficients(mean_steps: float, baseline_steps: float, quantization: Sequence[int]) -> list[float]:
    """alpha_l = T_1 / (T_0 q_l): each layer's clock frequency over the unquantized network's at equal latency.

    T_1 is the network's mean inference time steps and T_0 the unquantized network's.
    Raises `ValueError` where a number of steps is not above 0 or a degree is below 1.

    >>> [round(alpha, 3) for alpha in frequency_coefficients(8, 4, quantization=(1, 2, 4))]
    [2.0, 1.0, 0.5]
    """
    if mean_steps <= 0 or baseline_steps <= 0 or any(q < 1 for q in quantization):
        raise InputError("time steps must be above 0 and quantization degrees 1 or more")
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
        raise InputError(
            f"{len(sizes)} layers, {len(spikes)} spike counts and {len(alphas)} alphas do not fit together"
        )
    if any(count < 0 for count in [*spikes, *alphas, addition_pj]):
        raise InputError("spikes, alphas and the energy of an addition cannot be negative")
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


class Counts(NamedTuple):
    """What one image takes on average up to its decision, layer by layer from the first to the output."""

    sizes: Sequence[LayerSize]
    quantization: Sequence[int]  # q of every layer
    steps: float  # inference time steps
    spikes: Sequence[float]  # of the layer's neurons
    arriving: Sequence[float]  # spikes that arrive at the layer, the input's first
    additions: Sequence[float]  # that these take: each adds one weight for every neuron that it reaches


def mean_field_additions(sizes: Sequence[LayerSize], arriving: Sequence[float], inputs: Sequence[int]) -> list[float]:
    """Additions of every layer where only means are known: FLOPs(l) · spikes that arrive at it / inputs that it has.

    It takes the spikes to be spread evenly over the inputs, which is exact where every input reaches every neuron, and
    nearly so for a convolution, whose inputs at the border reach fewer.

    >>> mean_field_additions([LayerSize(4, 40), LayerSize(2, 8)], arriving=[5.0, 1.0], inputs=[10, 4])
    [20.0, 2.0]
    """
    return [size.flops * spikes / count for size, spikes, count in zip(sizes, arriving, inputs, strict=True)]


def causal_energies(counts: Counts, addition_pj: float = ADDITION_PJ) -> list[float]:
    """Nanojoules of the additions that arriving spikes cause, per layer: E_l = E_AC · additions of layer l.

    The count of synaptic operations, presynaptic spikes times fan-out, the input's spikes included, those that reach a
    neuron which has fired already too.  It leaves out all that is not an addition.
    """
    return [addition_pj * additions / 1000 for additions in counts.additions]


def memory_energies(counts: Counts, addition_pj: float = ADDITION_PJ, access_pj: float = SRAM_ACCESS_PJ) -> list[float]:
    """Nanojoules per layer with its memory accesses, after Lemaire et al. 2022; a layer ticks on `steps` / q steps.

    An arriving spike is read, and for every neuron that it reaches a weight is read and a potential read, added to and
    written back.  On every tick of its clock a neuron's potential is read and written back; where Lemaire et al. add a
    bias, the neuron here compares with its threshold, priced alike.  A spike is one more addition and one more write.
    It leaves out leakage, the network between the layers, addresses, and the queue that holds spikes between ticks.
    """
    energies = []
    for size, q, spikes, arriving, additions in zip(
        counts.sizes, counts.quantization, counts.spikes, counts.arriving, counts.additions, strict=True
    ):
        checks = size.neurons * counts.steps / q
        operations = additions + checks + spikes
        accesses = arriving + additions + 2 * (additions + checks) + spikes
        energies.append((operations * addition_pj + accesses * access_pj) / 1000)
    return energies


def ann_energies(
    sizes: Sequence[LayerSize], multiplication_pj: float = MULTIPLICATION_PJ, addition_pj: float = ADDITION_PJ
) -> list[float]:
    """Nanojoules per layer of the same network of conventional neurons: a multiplication and an addition per FLOP.

    `FLOPs(l)` are the slides', which count the connections beyond the border of an image too.

    >>> ann_energies([LayerSize(10, 1000)], multiplication_pj=3.0, addition_pj=1.0)
    [4.0]
    """
    return [(multiplication_pj + addition_pj) * size.flops / 1000 for size in sizes]


def ann_memory_energies(
    sizes: Sequence[LayerSize],
    multiplication_pj: float = MULTIPLICATION_PJ,
    addition_pj: float = ADDITION_PJ,
    access_pj: float = SRAM_ACCESS_PJ,
) -> list[float]:
    """`ann_energies` with memory, after Lemaire et al. 2022: a FLOP reads an input and a weight, a neuron writes once.

    >>> ann_memory_energies([LayerSize(10, 1000)], access_pj=1.0)
    [6.61]
    """
    operations = ann_energies(sizes, multiplication_pj, addition_pj)
    accesses = [2 * size.flops + size.neurons for size in sizes]
    return [energy + count * access_pj / 1000 for energy, count in zip(operations, accesses, strict=True)]


def accountings(counts: Counts, baseline_steps: float) -> dict[str, list[float]]:
    """Nanojoules per layer under each of the four accountings, by name."""
    alphas = frequency_coefficients(counts.steps, baseline_steps, counts.quantization)
    return {
        SLIDES: layer_energies(counts.sizes, counts.spikes, alphas),
        WITHOUT_ALPHA: layer_energies(counts.sizes, counts.spikes),
        CAUSAL: causal_energies(counts),
        MEMORY: memory_energies(counts),
    }


def supply_voltage(frequency: float, threshold: float = 0.3, exponent: float = 1.3) -> float:
    """The supply voltage over the nominal one that a clock of this frequency over the nominal one needs.

    By the alpha-power law, f proportional to (U - U_th)^a / U (Sakurai and Newton 1990): `threshold` is the
    transistors' U_th over the nominal supply, `exponent` is a, 2 for long channels and towards 1 for short ones.
    Raises `ValueError` for a frequency not above 0, a threshold that is not between 0 and 1 or an exponent not above 1,
    with which no supply would reach the higher frequencies.

    >>> supply_voltage(1.0)
    1.0
    """
    if frequency <= 0 or not 0 < threshold < 1 or exponent <= 1:
        raise InputError("the frequency must be above 0, the threshold between 0 and 1, the exponent above 1")

    def too_high(voltage: float) -> float:
        return math.pow((voltage - threshold) / (1 - threshold), exponent) - frequency * voltage

    high = 1.0
    while too_high(high) < 0:
        high *= 2
    return float(brentq(too_high, threshold, high))

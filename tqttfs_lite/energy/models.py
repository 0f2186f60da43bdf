"""Energy models as pure functions of numbers: the slides' ("Energy Efficiency Analysis") and those it is compared with.

Energies of an image are in nanojoules, energies of a single operation in picojoules.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.optimize import brentq

from tqttfs_lite.energy.costs import BY_CAPACITY, Costs
from tqttfs_lite.errors import InputError
from tqttfs_lite.spiking.notation import Architecture, Convolution, LayerSize

ADDITION_PJ = BY_CAPACITY.addition_pj

SLIDES, WITHOUT_ALPHA, CAUSAL, MEMORY = "the slides' formula", "without alpha", "causal", "with memory"
BULK = "with memory, in bulk"
# The evidence behind each: operations counted on the test set, or assumed to be proportional to spikes; none measured.
EVIDENCE = {
    SLIDES: "additions assumed, alpha computed, priced for 45 nm",
    WITHOUT_ALPHA: "additions assumed, priced for 45 nm",
    CAUSAL: "additions counted, priced for 45 nm",
    MEMORY: "additions and accesses counted, priced for 45 nm",
    BULK: "additions counted, accesses of a circuit that was not built, priced for 45 nm",
}


def frequency_coefficients(mean_steps: float, baseline_steps: float, quantization: Sequence[int]) -> list[float]:
    """alpha_l = T_1 / (T_0 q_l): each layer's clock frequency relative to the unquantized network's, at equal latency.

    T_1 and T_0 are the mean inference time steps of this network and of the unquantized network.
    Raises `InputError` if a number of steps is not above 0 or if a degree is below 1.

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

    `spikes` are the mean spikes of each layer up to the decision; if `alphas` is omitted, every alpha is 1.
    Raises `InputError` if the numbers of layers differ or if a count is negative.

    >>> layer_energies([LayerSize(neurons=100, flops=2000)], spikes=[50.0])
    [0.9]
    """
    alphas = [1.0] * len(sizes) if alphas is None else alphas
    if not len(sizes) == len(spikes) == len(alphas):
        raise InputError(f"{len(sizes)} layers, {len(spikes)} spike counts and {len(alphas)} alphas do not match")
    if any(count < 0 for count in [*spikes, *alphas, addition_pj]):
        raise InputError("spikes, alphas and the energy of an addition cannot be negative")
    return [
        addition_pj * size.flops * alpha * count / size.neurons / 1000
        for size, count, alpha in zip(sizes, spikes, alphas, strict=True)
    ]


def reduction_percent(energy: float, baseline: float) -> float:
    """The energy saved relative to the baseline, in percent.

    >>> reduction_percent(50.0, baseline=200.0)
    75.0
    """
    return 100 * (1 - energy / baseline)


class Counts(NamedTuple):
    """Mean counts per image up to the decision, for each layer from the first to the output layer."""

    architecture: Architecture
    steps: float  # inference time steps
    spikes: Sequence[float]  # of the layer's neurons
    arriving: Sequence[float]  # spikes that arrive at the layer, those of the input first
    additions: Sequence[float]  # caused by these: one for each neuron that a spike reaches

    @property
    def sizes(self) -> tuple[LayerSize, ...]:
        return self.architecture.sizes()

    @property
    def quantization(self) -> tuple[int, ...]:
        """q of every layer."""
        return self.architecture.quantization


def mean_field_additions(sizes: Sequence[LayerSize], arriving: Sequence[float], inputs: Sequence[int]) -> list[float]:
    """Additions of every layer if only means are known: FLOPs(l) · arriving spikes / number of inputs.

    The spikes are assumed to be spread evenly over the inputs.  This is exact if every input reaches every neuron, and
    nearly exact for a convolution, whose inputs at the border reach fewer neurons.

    >>> mean_field_additions([LayerSize(4, 40), LayerSize(2, 8)], arriving=[5.0, 1.0], inputs=[10, 4])
    [20.0, 2.0]
    """
    return [size.flops * spikes / count for size, spikes, count in zip(sizes, arriving, inputs, strict=True)]


def causal_energies(counts: Counts, addition_pj: float = ADDITION_PJ) -> list[float]:
    """Nanojoules per layer of the additions that arriving spikes cause: E_l = E_AC · additions of layer l.

    The additions are synaptic operations, i.e. presynaptic spikes times fan-out.  They include those of the input's
    spikes and those in neurons that have already fired.  Everything other than additions is neglected.
    """
    return [addition_pj * additions / 1000 for additions in counts.additions]


class Parts(NamedTuple):
    """The energy of one layer in nanojoules, by purpose."""

    operations: float  # additions, comparisons and multiplications
    addresses: float  # computing addresses
    weights: float  # reading weights
    potentials: float  # reading and writing membrane potentials
    spikes: float  # reading and writing the queues where spikes wait for the layer's next tick

    @property
    def total(self) -> float:
        return sum(self)


def memory_parts(
    counts: Counts, costs: Costs = BY_CAPACITY, *, bulk: bool = False, multiplies: bool = False
) -> list[Parts]:
    """The energy of every layer including its memory accesses, after Lemaire et al. 2022.

    A layer ticks on `steps` / q steps.  Each arriving spike is read from a queue, and for every neuron that it reaches,
    an address is computed, a weight is read, and a potential is read, increased and written back.  On every tick of its
    clock, a neuron's potential is read and written back; where Lemaire et al. add a bias, the neuron here compares the
    potential with its threshold, at the same price.  A spike takes one more addition and one more write.  The first
    address of a filter takes two multiplications and two additions.  Each layer has three memories, for weights,
    potentials and spikes, and the price of an access depends on the size of the memory.

    With `bulk`, a neuron adds up everything that arrives between two ticks before it reads its potential, as on the
    slide "Store spikes and receive them together": a potential is read and written once per tick instead of once per
    spike.  With `multiplies`, a multiplication precedes each addition, as in a network that does not spike.

    Leakage, the clock and the connections between layers are neglected.
    """
    architecture = counts.architecture
    weights = costs.weight_capacities(architecture.weights())
    potentials = costs.potential_capacities([size.neurons for size in counts.sizes])
    queue = costs.access_pj(costs.queue_capacity, costs.spike_bits)
    address = costs.address_addition_pj
    first_address = 2 * (costs.address_multiplication_pj + costs.address_addition_pj)
    found = []
    for n, (layer, size) in enumerate(zip(architecture.spiking_layers, counts.sizes, strict=True)):
        spikes, arriving, additions = counts.spikes[n], counts.arriving[n], counts.additions[n]
        checks = size.neurons * counts.steps / layer.quantization
        updates = checks if bulk else additions + checks
        products = additions * costs.multiplication_pj if multiplies else 0.0
        found.append(
            Parts(
                operations=((additions + checks + spikes) * costs.addition_pj + products) / 1000,
                addresses=(additions * address + isinstance(layer, Convolution) * arriving * first_address) / 1000,
                weights=additions * costs.access_pj(weights[n], costs.weight_bits) / 1000,
                potentials=2 * updates * costs.access_pj(potentials[n], costs.potential_bits) / 1000,
                spikes=(arriving + spikes) * queue / 1000,
            )
        )
    return found


def memory_energies(counts: Counts, costs: Costs = BY_CAPACITY, *, bulk: bool = False) -> list[float]:
    """Nanojoules per layer including memory accesses: the totals of `memory_parts`."""
    return [parts.total for parts in memory_parts(counts, costs, bulk=bulk)]


def ann_energies(sizes: Sequence[LayerSize], costs: Costs = BY_CAPACITY) -> list[float]:
    """Nanojoules per layer of a conventional network of the same shape: a multiplication and an addition per FLOP.

    The FLOPs are the slides', which also count connections beyond the border of an image.

    >>> round(sum(ann_energies([LayerSize(10, 1000)])), 6)
    4.6
    """
    return [(costs.multiplication_pj + costs.addition_pj) * size.flops / 1000 for size in sizes]


def ann_memory_energies(architecture: Architecture, costs: Costs = BY_CAPACITY) -> list[float]:
    """`ann_energies` including memory accesses, after Lemaire et al. 2022; no operation is skipped.

    Each FLOP reads an input and a weight, each from a memory of the required size, and each neuron writes its value
    once to the next layer's memory.  Addresses are consecutive, so that they take one addition for every input, every
    neuron and, in a convolution, every weight of a filter.
    """
    weights = architecture.weights()
    inputs = [math.prod(shape) for shape in architecture.input_shapes()]
    outputs = [*inputs[1:], architecture.sizes()[-1].neurons]
    weight_capacities, reads, writes = (
        capacities(words)
        for capacities, words in (
            (costs.weight_capacities, weights),
            (costs.potential_capacities, inputs),
            (costs.potential_capacities, outputs),
        )
    )
    found = []
    for n, (layer, size) in enumerate(zip(architecture.spiking_layers, architecture.sizes(), strict=True)):
        filters = layer.channels * layer.kernel**2 if isinstance(layer, Convolution) else 0
        accesses = size.flops * costs.access_pj(weight_capacities[n], costs.weight_bits)
        accesses += size.flops * costs.access_pj(reads[n], costs.potential_bits)
        accesses += outputs[n] * costs.access_pj(writes[n], costs.potential_bits)
        addresses = (inputs[n] + size.neurons + filters) * costs.address_addition_pj
        found.append(ann_energies([size], costs)[0] + (accesses + addresses) / 1000)
    return found


def accountings(counts: Counts, baseline_steps: float, costs: Costs = BY_CAPACITY) -> dict[str, list[float]]:
    """Nanojoules per layer under each of the five accountings, by name."""
    alphas = frequency_coefficients(counts.steps, baseline_steps, counts.quantization)
    return {
        SLIDES: layer_energies(counts.sizes, counts.spikes, alphas, costs.addition_pj),
        WITHOUT_ALPHA: layer_energies(counts.sizes, counts.spikes, addition_pj=costs.addition_pj),
        CAUSAL: causal_energies(counts, costs.addition_pj),
        MEMORY: memory_energies(counts, costs),
        BULK: memory_energies(counts, costs, bulk=True),
    }


def metrics(counts: Counts) -> dict[str, float]:
    """The NeuroBench metrics (Yik et al. 2025) that follow from the counts, for one image up to its decision.

    NeuroBench's effective additions leave out weights that are 0; here every weight that a spike fetches is counted.
    NeuroBench counts the updates that change a potential; here an update is counted on every tick, which is the
    maximum.
    """
    ticks = sum(size.neurons * counts.steps / q for size, q in zip(counts.sizes, counts.quantization, strict=True))
    return {
        "effective_additions": sum(counts.additions),
        "membrane_updates_at_most": ticks,
        "activation_sparsity": 1 - sum(counts.spikes) / ticks,
        "footprint_bytes": 4.0 * sum(counts.architecture.weights()),
    }


def saving_with_clock(
    saved: float, alphas: Sequence[float], neurons: Sequence[int], leakage: float, clock: float
) -> float:
    """Percent of the total energy saved at equal latency and supply voltage, including leakage and the clock tree.

    `saved` is the percentage saved of the operations' energy; `leakage` and `clock` are the shares of leakage and of
    the clock tree in the unquantized network's energy.  At equal latency, leakage does not change.  A layer's clock
    tree takes energy on every tick, whatever is computed, so its energy is proportional to alpha; its share is assumed
    to be the layer's share of the neurons.

    >>> round(saving_with_clock(50.0, alphas=[1.0, 0.5], neurons=[1, 1], leakage=0.2, clock=0.4), 6)
    30.0
    """
    alpha = sum(a * n for a, n in zip(alphas, neurons, strict=True)) / sum(neurons)
    return (1 - leakage - clock) * saved + 100 * clock * (1 - alpha)


def shares_that_save(part: float, rest: float) -> tuple[float, float] | None:
    """The least and the largest share of a part of the energy at which there is a saving in all; None if at no share.

    `part` and `rest` are the percentages saved of the part and of everything else, negative where more is needed.

    >>> shares_that_save(part=-75.0, rest=25.0), shares_that_save(part=75.0, rest=-25.0)
    ((0.0, 0.25), (0.25, 1.0))
    >>> shares_that_save(part=1.0, rest=25.0), shares_that_save(part=-1.0, rest=-5.0)
    ((0.0, 1.0), None)
    """
    if (part > 0) == (rest > 0):
        return (0.0, 1.0) if part > 0 else None
    even = rest / (rest - part)
    return (0.0, even) if rest > 0 else (even, 1.0)


def supply_voltage(frequency: float, threshold: float = 0.3, exponent: float = 1.3) -> float:
    """The supply voltage that a clock of this frequency needs; both are relative to their nominal values.

    It follows the alpha-power law, in which f is proportional to (U - U_th)^a / U (Sakurai and Newton 1990):
    `threshold` is the transistors' U_th relative to the nominal supply voltage, and `exponent` is a, which is 2 for
    long channels and approaches 1 for short ones.  Raises `InputError` if the frequency is not above 0, if the
    threshold is not between 0 and 1, or if the exponent is not above 1, since then no supply voltage would reach the
    higher frequencies.

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

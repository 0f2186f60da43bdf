"""The energy claim under every accounting, for the paper's networks, from its tables, and for ours, from results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import floor, prod
from statistics import fmean
from typing import NamedTuple

import numpy as np

from tqttfs_lite.energy.costs import BY_CAPACITY, VARIANTS, Costs
from tqttfs_lite.energy.models import (
    ADDITION_PJ,
    BULK,
    CAUSAL,
    MEMORY,
    Counts,
    Parts,
    accountings,
    frequency_coefficients,
    layer_energies,
    mean_field_additions,
    memory_parts,
    reduction_percent,
)
from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments.conventional import Result as Conventional
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.paper import reported
from tqttfs_lite.paper.seed_statistics import Difference, Group, Spread, difference, paired, spread
from tqttfs_lite.spiking.notation import Architecture, LayerSize

SCNN = Architecture.parse(reported.NETWORKS["fashion-scnn"][1])
UNQUANTIZED = "none"  # the slides' name for the configuration without quantization
BEST = "1-2-2-4-4"  # the configuration that the slides highlight


def reported_counts(configuration: str, input_spikes: Sequence[float], handed_on: Sequence[float]) -> Counts:
    """Counts for a configuration of the SCNN, such as 1-2-2-4-4 or none, from the slides' table.

    The slides print neither arriving spikes nor additions.  `input_spikes`, the mean number up to each step, is read at
    the printed mean of the inference time steps; this is a low estimate, because images that are decided late receive
    far more.  `handed_on` is the share of spikes that each pooling layer passes on: 1 with average pooling; with max
    pooling between 1/4, if all four neurons of a window fire, and 1, if never more than one does.  Additions are those
    of the mean field.
    Raises `KeyError` if the configuration is not in the table, and `ValueError` if the number of shares is wrong.
    """
    layers = _rows(configuration)
    steps, spikes = layers[0].inference_time_steps, [row.spikes for row in layers]
    seen = float(np.interp(steps, range(len(input_spikes) + 1), [0.0, *input_spikes]))
    arriving = [seen, *spikes[:-1]]
    for layer, share in zip(_pooled_layers(SCNN), handed_on, strict=True):
        arriving[layer + 1] *= share
    additions = mean_field_additions(SCNN.sizes(), arriving, [prod(shape) for shape in SCNN.input_shapes()])
    return Counts(_configured(configuration), steps, spikes, arriving, additions)


def reported_energies(
    configuration: str, input_spikes: Sequence[float], handed_on: Sequence[float], costs: Costs = BY_CAPACITY
) -> dict[str, float]:
    """Nanojoules per image of a configuration on the slides, by accounting; arguments as for `reported_counts`."""
    return _totals(reported_counts(configuration, input_spikes, handed_on), reported_steps(UNQUANTIZED), costs)


def reported_reductions(
    configuration: str,
    input_spikes: Sequence[float],
    cases: Mapping[str, Mapping[str, Sequence[float]]],
    costs: Costs = BY_CAPACITY,
) -> dict[str, dict[str, float]]:
    """Percent of energy that a configuration on the slides saves, relative to the unquantized one.

    The result is by case and accounting.  A case is an assumption about the slides' networks: for each configuration,
    the shares of spikes that pooling passes on.  `input_spikes` is as in `reported_counts`.
    """
    found = {}
    for words, shares in cases.items():
        if configuration in shares:
            before, after = (reported_energies(c, input_spikes, shares[c], costs) for c in (UNQUANTIZED, configuration))
            found[words] = {key: reduction_percent(after[key], before[key]) for key in after}
    return found


def reported_bounds(configuration: str, input_spikes: Sequence[float]) -> dict[str, tuple[float, float]]:
    """The smallest and largest savings in percent that are compatible with the slides' counts, by accounting.

    In each of the two networks, pooling may pass on between a quarter and all of the spikes.
    """
    unquantized, quantized = (
        [reported_energies(name, input_spikes, [share] * len(_pooled_layers(SCNN))) for share in (0.25, 1.0)]
        for name in (UNQUANTIZED, configuration)
    )
    return {
        key: (
            reduction_percent(quantized[1][key], unquantized[0][key]),
            reduction_percent(quantized[0][key], unquantized[1][key]),
        )
        for key in unquantized[0]
    }


def reported_steps(configuration: str) -> float:
    """Mean inference time steps of a configuration on the slides."""
    return _rows(configuration)[0].inference_time_steps


def reported_layer_energies(configuration: str, addition_pj: float = ADDITION_PJ) -> list[float]:
    """Nanojoules per layer of a configuration on the slides, by the slides' formula and counts."""
    return layer_energies(SCNN.sizes(), reported_spikes(configuration), reported_alphas(configuration), addition_pj)


def reported_spikes(configuration: str) -> list[float]:
    """Mean spikes per image of every layer of a configuration on the slides."""
    return [row.spikes for row in _rows(configuration)]


def fewer_spikes(configuration: str) -> list[tuple[float, float]]:
    """Percent fewer spikes due to quantization on the slides, for layers 2 to 5.

    The first number is for the spikes that arrive at the layer, i.e. those of the previous layer, the second for its
    own.
    """
    spikes = zip(reported_spikes(configuration), reported_spikes(UNQUANTIZED), strict=True)
    return list(pairwise(reduction_percent(after, before) for after, before in spikes))


def readings(configuration: str) -> dict[str, float]:
    """Percent of energy that a configuration on the slides saves, for different readings of the formula.

    A layer's connections are paired with its own spikes, as on the slides, or, in layers 2 to 5, with the spikes that
    arrive from the previous layer; in both cases with and without alpha.
    """

    def total(name: str, arriving: bool, with_alpha: bool) -> float:
        sizes, spikes = SCNN.sizes(), reported_spikes(name)
        alphas = reported_alphas(name) if with_alpha else [1.0] * len(sizes)
        if arriving:
            driven = [LayerSize(before.neurons, layer.flops) for before, layer in pairwise(sizes)]
            return sum(layer_energies(driven, spikes[:-1], alphas[1:]))
        return sum(layer_energies(sizes, spikes, alphas))

    return {
        f"{whose} spikes, {'with' if with_alpha else 'without'} alpha": reduction_percent(
            total(configuration, arriving, with_alpha), total(UNQUANTIZED, arriving, with_alpha)
        )
        for whose, arriving in (("own", False), ("arriving", True))
        for with_alpha in (True, False)
    }


def reported_alphas(configuration: str) -> list[float]:
    """Alpha of every layer of a configuration on the slides, from their inference time steps, without truncation."""
    degrees = [row.q for row in _rows(configuration)]
    return frequency_coefficients(reported_steps(configuration), reported_steps(UNQUANTIZED), degrees)


def _configured(configuration: str) -> Architecture:
    return SCNN if configuration == UNQUANTIZED else SCNN.with_quantization(configuration)


def _rows(configuration: str) -> list[reported.LayerEnergy]:
    rows = [row for row in reported.energy() if row.configuration == configuration]
    if not rows:
        raise KeyError(configuration)
    return rows


def shares_handed_on(result: Result) -> list[float]:
    """The share of spikes that each pooling layer in one of our networks passed on, over the test set."""
    test = result.test
    layers = _pooled_layers(Architecture.parse(result.config.architecture))
    return [test.arriving[layer + 1] / test.spikes[layer] for layer in layers]


def _pooled_layers(architecture: Architecture) -> list[int]:
    """The spiking layers, counted from 0, that are followed by pooling."""
    return [number for number, window in enumerate(architecture.windows) if window > 1]


def energies(result: Result, baseline: Result, costs: Costs = BY_CAPACITY) -> dict[str, float]:
    """Nanojoules per image of one of our networks, by accounting; alpha is relative to the baseline.

    Raises `InputError` if arriving spikes were not counted.
    """
    return _totals(_counts(result), baseline.test.mean_steps, costs)


def mean_energies(group: Group, baseline: Group) -> dict[str, Spread]:
    """`energies` over the seeds that both groups have; raises `InputError` if they share none."""
    return _spreads([energies(result, base) for result, base in paired(group, baseline)])


def reductions(quantized: Group, baseline: Group, costs: Costs = BY_CAPACITY) -> dict[str, Spread]:
    """Percent of energy that the quantized network saves, relative to the baseline with the same seed, by accounting.

    Raises `InputError` if they share no seed.
    """
    found = []
    for result, base in paired(quantized, baseline):
        before, after = energies(base, base, costs), energies(result, base, costs)
        found.append({name: reduction_percent(after[name], before[name]) for name in after})
    return _spreads(found)


def reductions_by_price(quantized: Group, baseline: Group) -> dict[str, dict[str, Spread]]:
    """`reductions` at each of `costs.VARIANTS`."""
    return {name: reductions(quantized, baseline, costs) for name, costs in VARIANTS.items()}


def spent_on(group: Group) -> list[dict[str, float]]:
    """Nanojoules per image of every layer, including memory accesses, by purpose; means over seeds."""
    seeds = [memory_parts(_counts(result)) for result in group.results]
    return [
        {name: fmean(getattr(part, name) for part in layer) for name in Parts._fields}
        for layer in zip(*seeds, strict=True)
    ]


def crossed(quantized: Group, baseline: Group) -> dict[str, dict[str, Spread]]:
    """Percent saved with `BEST` by the slides' formula, for spikes (the outer keys) combined with alphas (the inner).

    Unchanged spikes are those of the unquantized network.  If the steps are unchanged, alpha is 1 / q; alpha 1 leaves
    the spikes alone to save.
    Empty if the two groups share no seed.
    """
    printed = reported_spikes(UNQUANTIZED), reported_spikes(BEST)
    found = defaultdict(list)
    for result, base in paired(quantized, baseline):
        counted = base.test.mean_spikes, result.test.mean_spikes
        degrees = Architecture.parse(result.config.architecture).quantization
        spikes = {
            "the paper's": printed,
            "ours": counted,
            "the paper's, unchanged": (printed[0], printed[0]),
            "ours, unchanged": (counted[0], counted[0]),
        }
        alphas = {
            "the paper's": reported_alphas(BEST),
            "ours": frequency_coefficients(result.test.mean_steps, base.test.mean_steps, degrees),
            "of unchanged steps": frequency_coefficients(1, 1, degrees),
            "1": [1.0] * len(degrees),
        }
        for whose, before_and_after in spikes.items():
            found[whose].append({which: formula_saves(*before_and_after, alpha) for which, alpha in alphas.items()})
    return {whose: _spreads(saved) for whose, saved in found.items()}


def formula_saves(before: Sequence[float], after: Sequence[float], alphas: Sequence[float]) -> float:
    """Percent saved in the SCNN by the slides' formula, from mean spikes before and after, and the alphas after."""
    sizes = SCNN.sizes()
    return reduction_percent(sum(layer_energies(sizes, after, alphas)), sum(layer_energies(sizes, before)))


def _counts(result: Result) -> Counts:
    return result.test.counts(Architecture.parse(result.config.architecture))


def conventional_energies(result: Conventional, costs: Costs = BY_CAPACITY) -> dict[str, float]:
    """Nanojoules per image of a network that does not spike, under the accountings CAUSAL, MEMORY and BULK.

    Zeros are skipped.  An input that is not 0 is treated as a spike on the network's only tick, and each of its
    additions is preceded by a multiplication.

    Raises `InputError` if the result has no counts on the test set, or if the network's hidden neurons spike.
    """
    if not result.test:
        raise InputError(f"{result.config.name} has no test score, because its learning rate was not chosen")
    if result.activations == "one-spike":
        raise InputError(f"{result.config.name} spikes: its additions need no multiplications")
    images, network = result.test.images, Architecture.parse(result.settings.architecture)
    arriving, operations = (
        [n / images for n in counted] for counted in (result.test.arriving, result.test.multiply_accumulates)
    )
    handed_on = [*arriving[1:], network.sizes()[-1].neurons]
    counts = Counts(network, 1.0, handed_on, arriving, operations)
    product = costs.multiplication_pj + costs.addition_pj
    return {
        CAUSAL: product * sum(operations) / 1000,
        MEMORY: sum(part.total for part in memory_parts(counts, costs, multiplies=True)),
        BULK: sum(part.total for part in memory_parts(counts, costs, bulk=True, multiplies=True)),
    }


def over_conventional(
    group: Group, results: Sequence[Conventional], costs: Costs = BY_CAPACITY
) -> dict[str, Difference]:
    """Percent of energy that one of our networks saves, relative to the mean of networks that do not spike.

    The result is by accounting, with intervals over the seeds of both.
    """
    others = [conventional_energies(result, costs) for result in results]
    found = {}
    for name in others[0]:
        theirs = spread([each[name] for each in others])
        ours = spread([energies(result, result, costs)[name] for result in group.results])
        percent = 100 / theirs.mean
        found[name] = difference(_scaled(theirs, percent), _scaled(ours, percent))
    return found


def _scaled(value: Spread, factor: float) -> Spread:
    return Spread(value.mean * factor, value.deviation * factor, value.seeds)


def _totals(counts: Counts, baseline_steps: float, costs: Costs = BY_CAPACITY) -> dict[str, float]:
    return {name: sum(layers) for name, layers in accountings(counts, baseline_steps, costs).items()}


def _spreads(seeds: Sequence[dict[str, float]]) -> dict[str, Spread]:
    if not seeds:
        raise InputError("these networks share no seed: there are no pairs to compare")
    return {name: spread([seed[name] for seed in seeds]) for name in seeds[0]}


class Check(NamedTuple):
    """A number printed on the slides, and the same number recomputed from others, with as many decimals."""

    what: str
    printed: str
    recomputed: str

    @property
    def agrees(self) -> bool:
        return self.printed == self.recomputed


def arithmetic() -> list[Check]:
    """Every number on the slides that follows from other numbers there: sizes, alphas, energies, improvements."""
    checks = []
    for layer, size in zip(reported.layers(), SCNN.sizes(), strict=True):
        checks.append(Check(f"neurons, {layer.layer}", str(layer.neurons), str(size.neurons)))
        checks.append(Check(f"FLOPs, {layer.layer}", str(layer.flops), str(size.flops)))
    for configuration in reported.configurations():
        for row, alpha in zip(_rows(configuration), reported_alphas(configuration), strict=True):
            if configuration != UNQUANTIZED:  # its alpha is printed as 1, without decimals
                cut = f"{floor(1000 * alpha) / 1000:.3f}"  # the slides truncate to three decimals
                checks.append(Check(f"alpha, {configuration}, {row.layer}", row.alpha, cut))
    claims = reported.claims()
    unquantized = sum(reported_layer_energies(UNQUANTIZED))
    for name, claim in claims.items():
        kind, _, configuration = name.rpartition("_")
        if kind in ("energy_reduction", "energy_efficiency"):
            found = sum(reported_layer_energies(configuration))
            value = reduction_percent(found, unquantized) if kind == "energy_reduction" else unquantized / found
            checks.append(Check(name, claim.value, _as_printed(value, claim.value)))
    for dataset, network, degrees, points in reported.improvements():
        printed, plain = reported.own_accuracy(dataset), Architecture.parse(network)
        gained = printed[str(plain.with_quantization(degrees))] - printed[str(plain)]
        checks.append(Check(f"improvement, {dataset}, {degrees}", points, _as_printed(gained, points)))
    return checks


def _as_printed(value: float, printed: str) -> str:
    """The value with as many decimals as the printed one."""
    return f"{value:.{len(printed.partition('.')[2])}f}"

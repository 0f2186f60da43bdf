"""The energy claim under every accounting: the paper's networks from its tables, ours from their results."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import NamedTuple

import numpy as np

from tqttfs_lite import paper
from tqttfs_lite.energy import (
    SLIDES,
    Counts,
    accountings,
    frequency_coefficients,
    mean_field_additions,
    reduction_percent,
)
from tqttfs_lite.notation import Architecture
from tqttfs_lite.results import Result
from tqttfs_lite.summary import Group, Spread, paired, spread

SCNN = Architecture.parse("28x28-16C5-P2-32C5-P2-800-128-10")
UNQUANTIZED = "none"  # the slides' word for the configuration without quantization


def published_counts(configuration: str, input_spikes: Sequence[float]) -> Counts:
    """What the slides' table says of a configuration of the SCNN, such as 1-2-2-4-4 or none.

    The slides print neither arriving spikes nor additions.  They are filled in by the mean field, with the spikes of
    the layer before as those that arrive, although pooling hands on fewer; the input's are `input_spikes`, the mean
    number up to each step, read at the printed inference time steps.
    Raises `KeyError` for a configuration that is not in the table.
    """
    layers = [row for row in paper.energy() if row.configuration == configuration]
    if not layers:
        raise KeyError(configuration)
    steps = layers[0].inference_time_steps
    spikes = [row.spikes for row in layers]
    seen = float(np.interp(steps, range(len(input_spikes) + 1), [0.0, *input_spikes]))
    additions = mean_field_additions(SCNN.sizes(), spikes, seen, inputs=28 * 28)
    return Counts(SCNN.sizes(), [row.q for row in layers], steps, spikes, [seen, *spikes[:-1]], additions)


def published_energies(configuration: str, input_spikes: Sequence[float]) -> dict[str, float]:
    """Nanojoules per image of a configuration on the slides, under each accounting."""
    baseline = published_counts(UNQUANTIZED, input_spikes)
    return _totals(published_counts(configuration, input_spikes), baseline.steps)


def energies(result: Result, baseline: Result) -> dict[str, float]:
    """Nanojoules per image of a network of ours under each accounting; alpha refers to the baseline.

    Raises `ValueError` where arriving spikes were not counted.
    """
    counts = result.test.counts(Architecture.parse(result.config.architecture))
    return _totals(counts, baseline.test.mean_steps)


def mean_energies(group: Group, baseline: Group) -> dict[str, Spread]:
    """`energies` over the seeds that both have."""
    return _spreads([energies(result, base) for result, base in paired(group, baseline)])


def reductions(quantized: Group, baseline: Group) -> dict[str, Spread]:
    """By how many percent the quantized network needs less than the baseline of the same seed, by accounting."""
    found = []
    for result, base in paired(quantized, baseline):
        before, after = energies(base, base), energies(result, base)
        found.append({name: reduction_percent(after[name], before[name]) for name in after})
    return _spreads(found)


def _totals(counts: Counts, baseline_steps: float) -> dict[str, float]:
    return {name: sum(layers) for name, layers in accountings(counts, baseline_steps).items()}


def _spreads(seeds: Sequence[dict[str, float]]) -> dict[str, Spread]:
    return {name: spread([seed[name] for seed in seeds]) for name in seeds[0]}


class Check(NamedTuple):
    """A number as the slides print it, and as their other numbers give it, to as many decimals."""

    what: str
    printed: str
    recomputed: str

    @property
    def agrees(self) -> bool:
        return self.printed == self.recomputed


def arithmetic() -> list[Check]:
    """Every number on the slides that follows from others on the slides: sizes, alpha, energies, improvements."""
    checks = []
    for layer, size in zip(paper.layers(), SCNN.sizes(), strict=True):
        checks.append(Check(f"neurons, {layer.layer}", str(layer.neurons), str(size.neurons)))
        checks.append(Check(f"FLOPs, {layer.layer}", str(layer.flops), str(size.flops)))
    baseline = published_counts(UNQUANTIZED, [0.0])
    for row in paper.energy():
        if row.configuration != UNQUANTIZED:  # it is printed as a bare 1
            (alpha,) = frequency_coefficients(row.inference_time_steps, baseline.steps, [row.q])
            cut = f"{floor(1000 * alpha) / 1000:.3f}"  # the slides cut after three decimals
            checks.append(Check(f"alpha, {row.configuration}, {row.layer}", row.alpha, cut))
    claims = paper.claims()
    unquantized = published_energies(UNQUANTIZED, [0.0])[SLIDES]
    for name, claim in claims.items():
        kind, _, configuration = name.rpartition("_")
        if kind in ("energy_reduction", "energy_efficiency"):
            found = published_energies(configuration, [0.0])[SLIDES]
            value = reduction_percent(found, unquantized) if kind == "energy_reduction" else unquantized / found
            checks.append(Check(name, claim.value, _as_printed(value, claim.value)))
    for claimed, dataset, network in (
        ("mnist_smlp_improvement", "mnist", "SMLP"),
        ("fashion_smlp_improvement_1-2-4", "fashion-mnist", "SMLP"),
        ("fashion_scnn_improvement_1-2-2-4-4", "fashion-mnist", "SCNN"),
    ):
        table = {row.model: row.accuracy_percent for row in paper.accuracy(dataset)}
        gain = table[f"TQ-TTFS/{network}"] - table[f"Baseline {network}"]
        checks.append(Check(claimed, claims[claimed].value, _as_printed(gain, claims[claimed].value)))
    return checks


def _as_printed(value: float, printed: str) -> str:
    """The value with as many decimals as what is printed."""
    return f"{value:.{len(printed.partition('.')[2])}f}"

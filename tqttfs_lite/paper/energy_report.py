"""The report of `tqttfs energy` on a trained network: counts, energies, and how these depend on assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pandas import DataFrame

from tqttfs_lite.energy import models
from tqttfs_lite.energy.costs import BY_CAPACITY, VARIANTS, Costs
from tqttfs_lite.energy.models import Counts
from tqttfs_lite.experiments import results
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.spiking.notation import Architecture


def of(result: Result, baseline: Result, costs: Costs = BY_CAPACITY) -> dict[str, Any]:
    """Counts and energies of a network, and the energies of its baseline, as `tqttfs energy --json` prints them.

    With the book's constants, `percent_saved_with_memory` has the savings at other prices, too; with other `costs`,
    only the saving at those.
    """
    counts = result.test.counts(Architecture.parse(result.config.architecture))
    before = baseline.test.counts(Architecture.parse(baseline.config.architecture))
    energies, base = (models.accountings(each, before.steps, costs) for each in (counts, before))
    variants = VARIANTS if costs == BY_CAPACITY else {"as in the file": costs}
    return {
        "network": str(counts.architecture),
        "inference_time_steps": counts.steps,
        "baseline_inference_time_steps": before.steps,
        "layers": _layers(counts, before.steps, costs),
        "nanojoules": energies,
        "baseline_nanojoules": base,
        "percent_saved": {name: _saved(energies[name], base[name]) for name in energies},
        "percent_saved_with_memory": {
            name: _saved(*(models.memory_energies(each, changed) for each in (counts, before)))
            for name, changed in variants.items()
        },
        "evidence": models.EVIDENCE,
        "metrics": results.neurobench(result),
        "costs": asdict(costs),
    }


def _saved(energies: list[float], baseline: list[float]) -> float:
    return models.reduction_percent(sum(energies), sum(baseline))


def _layers(counts: Counts, baseline_steps: float, costs: Costs) -> list[dict[str, Any]]:
    """The counts of every layer, the sizes of its memories, and its energy with memory by purpose."""
    network = counts.architecture
    alphas = models.frequency_coefficients(counts.steps, baseline_steps, network.quantization)
    weights = costs.weight_capacities(network.weights())
    potentials = costs.potential_capacities([size.neurons for size in network.sizes()])
    parts = models.memory_parts(counts, costs)
    return [
        {
            "layer": str(layer),
            **size._asdict(),
            "spikes": counts.spikes[n],
            "arriving": counts.arriving[n],
            "additions": counts.additions[n],
            "alpha": alphas[n],
            "memories": {"weights, bytes": weights[n], "potentials, bytes": potentials[n]},
            "nanojoules_with_memory": parts[n]._asdict(),
        }
        for n, (layer, size) in enumerate(zip(network.spiking_layers, network.sizes(), strict=True))
    ]


def text(report: Mapping[str, Any]) -> str:
    """The report as readable text."""
    names = [layer["layer"] for layer in report["layers"]]
    plain = [{k: v for k, v in layer.items() if not isinstance(v, dict)} for layer in report["layers"]]
    energies = DataFrame(report["nanojoules"], index=names)
    energies.loc["total"] = energies.sum()
    energies.loc["baseline"] = DataFrame(report["baseline_nanojoules"]).sum()
    energies.loc["reduction, %"] = report["percent_saved"]
    spent = [layer["nanojoules_with_memory"] | layer["memories"] for layer in report["layers"]]
    percents = report["percent_saved_with_memory"]
    saved = DataFrame({"reduction, %": percents})
    steps, before = report["inference_time_steps"], report["baseline_inference_time_steps"]
    ranges = f"from {min(percents.values()):.1f} to {max(percents.values()):.1f} %" if len(percents) > 1 else ""
    sections = {
        f"{report['network']}: {steps:.3f} inference time steps; baseline: {before:.3f}": DataFrame(plain),
        "nJ per image, by layer": energies,
        "nJ with memory, by purpose": DataFrame(spent, index=names),
        f"saved with memory, by access prices: {ranges}".removesuffix(": "): saved,
        "what each accounting is based on": DataFrame({"evidence": report["evidence"]}),
        "NeuroBench's metrics": DataFrame({"": report["metrics"]}),
    }
    tables = (
        f"{title}\n{table.to_string(index=n > 0, float_format='{:.3f}'.format)}"
        for n, (title, table) in enumerate(sections.items())
    )
    return "\n\n".join(tables)

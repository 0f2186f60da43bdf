"""Tables of configurations and results for the notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import product
from typing import get_type_hints

import pandas as pd
from IPython.display import Markdown
from pandas import DataFrame

from tqttfs_lite.energy.costs import BY_CAPACITY, INTEGERS, VARIANTS
from tqttfs_lite.energy.models import memory_energies
from tqttfs_lite.experiments import paths
from tqttfs_lite.experiments.bit_widths import SCALES, Finished, FixedPoint
from tqttfs_lite.experiments.config import TrainingConfig, changes_text
from tqttfs_lite.experiments.results import Result, Trial
from tqttfs_lite.paper import gains, reported
from tqttfs_lite.paper.comparisons import paper_time_steps, short
from tqttfs_lite.paper.gains import Equivalence, Judgement
from tqttfs_lite.spiking.network import clocks
from tqttfs_lite.spiking.notation import Architecture


def settings(config: TrainingConfig) -> DataFrame:
    """The value and meaning of every setting of a configuration, one per row.

    >>> settings(TrainingConfig("784-10", "mnist", time_steps=8)).loc["epochs"].to_dict()
    {'value': '10', 'meaning': 'passes over the training images'}
    """
    hints = get_type_hints(TrainingConfig, include_extras=True)
    return pd.DataFrame(
        {"value": {name: str(value) for name, value in asdict(config).items()}}
        | {"meaning": {name: hints[name].__metadata__[-1].description for name in asdict(config)}}
    )


def layers(config: TrainingConfig) -> DataFrame:
    """The size, synaptic connections and clock of every spiking layer.

    >>> layers(TrainingConfig("784-400(1)-10(4)", "mnist", time_steps=8))
               neurons  synaptic connections fires on steps
    layer
    1: 400(1)      400                313600   1, 2, … to 8
    2: 10(4)        10                  4000           4, 8
    """
    network = Architecture.parse(config.architecture)
    ticking = clocks(network, config.time_steps, config.earliest_output)
    rows = zip(network.spiking_layers, network.sizes(), ticking, strict=True)
    return pd.DataFrame(
        {
            "layer": f"{number}: {layer}",
            "neurons": size.neurons,
            "synaptic connections": size.flops,
            "fires on steps": _listed([t + 1 for t in clock]),
        }
        for number, (layer, size, clock) in enumerate(rows, start=1)
    ).set_index("layer")


def _listed(steps: list[int]) -> str:
    """All steps if they are few, otherwise the first two and the last."""
    return ", ".join(map(str, steps)) if len(steps) < 5 else f"{steps[0]}, {steps[1]}, … to {steps[-1]}"


def scores(networks: Mapping[str, Result]) -> DataFrame:
    """The scores of networks by the slides' decoder, with the paper's accuracies: a column for each network."""
    return DataFrame({name: _score(result) for name, result in networks.items()})


def _score(result: Result) -> dict[str, str]:
    config, test = result.config, result.test
    printed = reported.own_accuracy(config.dataset).get(config.architecture)
    same = printed is not None and config.time_steps == paper_time_steps(config.dataset)
    return {
        "network": config.architecture,
        "time steps T": str(config.time_steps),
        "epochs, seed": f"{config.epochs}, {config.seed}",
        "test accuracy": f"{test.accuracy:.2f} %",
        "the paper's": f"{printed:.1f} %" if same else "not printed",
        "inference time steps": f"{test.mean_steps:.3f}",
        "no output spike": f"{100 * test.silent / test.images:.2f} % of the images",
        "spikes per layer": ", ".join(f"{count:.2f}" for count in test.mean_spikes),
    }


def judgements(judged: Mapping[str, Judgement]) -> DataFrame:
    """The statistics for each claimed gain, in percentage points: a column for each network.

    Holm's procedure adjusts the tests against no gain, over all networks in the table.
    """
    adjusted = gains.holm([found.over_images.p_value() for found in judged.values()])
    return DataFrame(
        {
            name: {
                "the paper": f"+{found.claimed:g}",
                "ours, over seeds, 95 %": found.over_seeds.text(2),
                "ours, over seeds and images, 95 %": found.over_images.text(2),
                "p-value of no gain (Holm)": f"{p_value:.2g}",
                "one more pair of ours, 95 %": "{:.2f} to {:.2f}".format(*found.one_more.interval),
                "p-value of the paper's gain as such a pair": f"{found.one_more.p_value(found.claimed):.2g}",
                "margin": f"± {found.none.margin:g}",
                "equivalent to no gain": _shown(found.none),
                "equivalent to the paper's gain": _shown(found.same),
                "seeds with p < 0.05 (McNemar)": f"{sum(one.p_value < 0.05 for one in found.by_seed)}"
                f" of {len(found.by_seed)}",
            }
            for (name, found), p_value in zip(judged.items(), adjusted, strict=True)
        }
    )


def _shown(test: Equivalence) -> str:
    return "shown" if test.shown else "not shown"


def trials(tried: Sequence[Trial]) -> DataFrame:
    """Trials on the validation images: how each differs from its recipe, and its score.

    They are sorted by data set, network and epochs, the best first.
    """

    def order(trial: Trial) -> tuple[str, str, int, float]:
        return trial.config.dataset, trial.config.architecture, -trial.config.epochs, -trial.validation.accuracy

    rows = []
    for trial in sorted(tried, key=order):
        config, score = trial.config, trial.validation
        rows.append(
            {
                "data": config.dataset,
                "network": short(config.architecture),
                "epochs": config.epochs,
                "changed": changes_text(config, epochs=False) or "nothing",
                "validation, %": f"{score.accuracy:.2f}",
                "steps": f"{score.mean_steps:.2f}",
                "silent, %": f"{100 * score.silent / score.images:.1f}",
                "minutes": f"{sum(epoch.seconds for epoch in trial.history) / 60:.1f}",
            }
        )
    return DataFrame(rows)


def paired_trials(pairs: Iterable[tuple[Result | Trial, Result | Trial]]) -> DataFrame:
    """The validation accuracies of quantized networks and their baselines after the last epoch.

    They are sorted by data set, network and epochs, and then by the baseline's accuracy, the best first.
    """
    percents = ["unquantized, %", "quantized, %", "difference"]
    rows = []
    for pair in pairs:
        config = pair[0].config
        quantized, plain = (record.history[-1].validation_accuracy for record in pair)
        rows.append(
            {
                "data": config.dataset,
                "network": short(config.architecture),
                "epochs": config.epochs,
                "changed": changes_text(config, epochs=False) or "nothing",
                **dict(zip(percents, (plain, quantized, quantized - plain), strict=True)),
            }
        )
    # Without any pair, as in a new data folder, the table still has its columns.
    table = DataFrame(rows, columns=["data", "network", "epochs", "changed", *percents])
    table = table.astype(dict.fromkeys(percents, float)).sort_values(
        ["data", "network", "epochs", "unquantized, %"], ascending=[True, True, False, False], ignore_index=True
    )
    return table.round(2)


def run_details(result: Result) -> Markdown:
    """The origin of a result, as a table with a link to a released result file."""
    name = f"{result.config.name}.json"
    linked = result.released and paths.results_directory() == paths.REPOSITORY / "data" / "results"
    commit, _, changes = str(result.made["commit"]).partition(" ")
    rows = {
        "result file": f"[{name}](../data/results/{name})" if linked else name,
        "configuration (SHA-256)": result.config.hash[:16],
        "checkpoint (SHA-256)": result.checkpoint_sha256[:16],
        **result.made,
        "commit": f"{commit[:12]} {changes}".strip(),
        "training time": f"{result.seconds:.0f} seconds"
        if result.seconds < 60
        else f"{result.seconds / 60:.1f} minutes",
    }
    return Markdown("\n".join(["| what | value |", "|---|---|", *(f"| {key} | {rows[key]} |" for key in rows)]))


def fixed_point(networks: Sequence[tuple[Result, FixedPoint]]) -> DataFrame:
    """Networks with the fewest bits that preserve the accuracy on the validation images.

    There is a row per kind of scale, without and with a finish.  If no number of bits preserves the accuracy, there are
    no scores, since the test images were not read.  Energies include memory: those of the trained network are for
    32-bit floating point, those of the rounded one for integers.
    """
    rows = []
    for result, measured in networks:
        architecture = Architecture.parse(result.config.architecture)
        for part, scale in product(measured.parts.values(), SCALES):
            scores, bits = part.scores(scale), measured.fewest_bits(part, scale)
            named: dict[str, object] = {
                "data": result.config.dataset,
                "degrees": architecture.short_form,
                "epochs of finish": part.epochs if isinstance(part, Finished) else "",
                "scale per": scale,
            }
            if not (bits and scores.test):
                rows.append({**named, "bits": "none"})
                continue
            needed = scores.potential_bits[part.bits.index(bits)]
            costs = replace(VARIANTS[INTEGERS], weight_bits=bits, potential_bits=needed)
            trained, rounded = result.test, scores.test
            before = sum(memory_energies(trained.counts(architecture), BY_CAPACITY))
            after = sum(memory_energies(rounded.counts(architecture), costs))
            rows.append(
                {
                    **named,
                    "bits": bits,
                    "of a potential": needed,
                    "test, %": _both(trained.accuracy, rounded.accuracy, 2),
                    "steps": _both(trained.mean_steps, rounded.mean_steps, 2),
                    "silent, %": _both(100 * trained.silent / trained.images, 100 * rounded.silent / rounded.images, 1),
                    "spikes": _both(sum(trained.mean_spikes), sum(rounded.mean_spikes), 0),
                    "nJ": _both(before, after, 0),
                }
            )
    return DataFrame(rows).astype(object).fillna("")


def _both(trained: float, rounded: float, decimals: int) -> str:
    """
    >>> _both(98.656, 98.5, 1)
    '98.7 → 98.5'
    """
    return f"{trained:.{decimals}f} → {rounded:.{decimals}f}"

"""What the notebooks share: checked parameters, a run that says what it does, and tables of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from math import inf
from types import ModuleType

import pandas as pd
from IPython.display import Markdown
from pandas import DataFrame

from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import experiment, paths, results
from tqttfs_lite.experiments.config import LARGEST_SEED, TrainingConfig, changes, recipe, unquantized, variant
from tqttfs_lite.experiments.results import Result, Trial
from tqttfs_lite.experiments.training import finished_epochs, seconds_per_epoch
from tqttfs_lite.paper import reported
from tqttfs_lite.paper.comparisons import paper_time_steps, short
from tqttfs_lite.spiking.firing import LONGEST_TIME
from tqttfs_lite.spiking.network import clocks
from tqttfs_lite.spiking.notation import Architecture

# What IPython itself puts among a notebook's names, apart from functions.
IPYTHON = {"In", "Out"}
CHECKED = "_parameters_checked"  # among a notebook's names, once they were


@dataclass(frozen=True)
class Within:
    """The numbers that a notebook's parameter may be: of this type, `least` and `most` included."""

    type: type[int] | type[float]
    least: float
    most: float = inf

    def __str__(self) -> str:
        """
        >>> str(Within(float, 0, 1)), str(Within(int, 1))
        ('from 0 to 1', '1 or more')
        """
        return f"{self.least} or more" if self.most == inf else f"from {self.least} to {self.most}"

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.least <= value <= self.most and value < inf


TIME_STEPS = Within(int, 1, LONGEST_TIME)
SEED = Within(int, 0, LARGEST_SEED)
EPOCHS = Within(int, 0)  # 0 is the recipe's number


def check_parameters(names: MutableMapping[str, object], **allowed: type[str] | tuple[str, ...] | Within) -> None:
    """Refuse a parameter that this notebook does not have, one of the wrong type, and one out of its range.

    `allowed` has what each may be: some of these words, numbers in a range, or any text, which is checked elsewhere.

    `papermill -p NAME VALUE` only logs a NAME that it does not know; called right behind the parameters with
    `globals()`, this ends the run with one sentence instead.  Raises `InputError`.  Called again in the same kernel, it
    no longer looks for unknown names: what the cells below have assigned is among them.

    >>> check_parameters({"seed": 0}, seed=SEED)
    >>> check_parameters({"sed": 0, "seed": 0}, seed=SEED)
    Traceback (most recent call last):
    tqttfs_lite.errors.InputError: unknown parameter sed: this notebook takes seed
    >>> check_parameters({"leakage": -1.0}, leakage=Within(float, 0, 1))
    Traceback (most recent call last):
    tqttfs_lite.errors.InputError: parameter leakage must be from 0 to 1, not -1.0
    """
    given = {
        name: value
        for name, value in names.items()
        if not name.startswith("_")
        and name not in IPYTHON
        and not isinstance(value, ModuleType | Within)
        and not callable(value)
    }
    if not names.get(CHECKED) and (unknown := sorted(given.keys() - allowed.keys())):
        raise InputError(f"unknown parameter {', '.join(unknown)}: this notebook takes {', '.join(allowed)}")
    for name, wanted in allowed.items():
        if name not in given:
            raise InputError(f"parameter {name} is missing: run the notebook's first cell")
        value, kind = given[name], wanted.type if isinstance(wanted, Within) else str
        # papermill reads `-p theta 1` as a whole number, which will do for a real one.
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise InputError(f"parameter {name} must be of type {kind.__name__}, not {value!r}")
        if isinstance(wanted, Within | tuple) and value not in wanted:
            words = wanted if isinstance(wanted, Within) else " or ".join(wanted)
            raise InputError(f"parameter {name} must be {words}, not {value!r}")
    names[CHECKED] = True


def configuration(
    architecture: str, quantization: str, dataset: str, time_steps: int, *, seed: int = 0, epochs: int = 0
) -> TrainingConfig:
    """What a notebook's parameters ask for: the recipe with these degrees, and its number of epochs where that is 0.

    Raises `InputError` for a network that cannot be, and for one with degrees of its own that contradict these.

    >>> configuration("784-400-10(4)", "2-2", "mnist", 8)
    Traceback (most recent call last):
    tqttfs_lite.errors.InputError: the degrees in 784-400-10(4) are not 2-2: leave the brackets out
    """
    config = recipe(architecture, dataset, time_steps, seed=seed, **({"epochs": epochs} if epochs else {}))
    wanted = variant(config, quantization)
    if "(" in architecture and wanted != config:
        raise InputError(f"the degrees in {architecture} are not {quantization}: leave the brackets out")
    return wanted


def run(config: TrainingConfig) -> Result:
    """`experiment.run`, which says first whether it reads or trains, and how long training will take."""
    if stored := results.find(config):
        print(f"trained before: reading {stored.name}")
    else:
        epochs = config.epochs - finished_epochs(config)
        minutes = epochs * seconds_per_epoch(config) / 60
        print(f"{epochs} of {config.epochs} epochs to go: about {minutes:.1f} minutes on this machine")
    return experiment.run(config)


def settings(config: TrainingConfig) -> DataFrame:
    """Every setting of a configuration, one a row.

    >>> settings(TrainingConfig("784-10", "mnist", time_steps=8)).loc["epochs", "value"]
    '10'
    """
    return pd.Series({name: str(value) for name, value in asdict(config).items()}, name="value").to_frame()


def layers(config: TrainingConfig) -> DataFrame:
    """What the notation says of every spiking layer: size, synaptic connections, clock.

    >>> layers(TrainingConfig("784-400(1)-10(4)", "mnist", time_steps=8))
               neurons  synaptic connections fires on steps
    layer
    1: 400(1)      400                313600   1, 2, … to 8
    2: 10(4)        10                  4000           4, 8
    """
    network = Architecture.parse(config.architecture)
    rows = zip(network.spiking_layers, network.sizes(), clocks(network, config.time_steps), strict=True)
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
    """All of them if they are few, else the first two and the last."""
    return ", ".join(map(str, steps)) if len(steps) < 5 else f"{steps[0]}, {steps[1]}, … to {steps[-1]}"


def scores(networks: Mapping[str, Result]) -> DataFrame:
    """The scores of networks by the slides' decoder, a column for each, beside the paper's accuracies."""
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


def trials(tried: Sequence[Trial]) -> DataFrame:
    """What was tried on the validation images: what each trial changed in its recipe, and its score.

    By data set, network and epochs, the best first.
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
                "changed": _changed(config),
                "validation, %": f"{score.accuracy:.2f}",
                "steps": f"{score.mean_steps:.2f}",
                "silent, %": f"{100 * score.silent / score.images:.1f}",
                "minutes": f"{sum(epoch.seconds for epoch in trial.history) / 60:.1f}",
            }
        )
    return DataFrame(rows)


def _changed(config: TrainingConfig) -> str:
    """What a configuration has other than its recipe, apart from the epochs.

    >>> from tqttfs_lite.experiments.config import recipe
    >>> _changed(recipe("784-400-10", "mnist", 8, epochs=3, flip=True)), _changed(recipe("784-400-10", "mnist", 8))
    ('flip True', 'nothing')
    """
    return ", ".join(f"{name} {value}" for name, value in changes(config).items() if name != "epochs") or "nothing"


def pairs_of_trials() -> list[tuple[Result | Trial, Result | Trial]]:
    """The networks of the slides that were trained quantized and, under the same settings, unquantized, in this order.

    From trials and from published results, seed 0 of each.
    """
    known: dict[TrainingConfig, Result | Trial] = {trial.config: trial for trial in results.read_trials()}
    known |= {result.config: result for result in results.read_all()}
    return [
        (quantized, known[plain])
        for config, quantized in known.items()
        if config.seed == 0 and config.architecture in reported.own_accuracy(config.dataset)
        if (plain := unquantized(config)) in known and plain != config
    ]


def paired_trials(pairs: Iterable[tuple[Result | Trial, Result | Trial]]) -> DataFrame:
    """The validation accuracies of pairs of a quantized network and its baseline, after the last epoch.

    By data set, network and epochs, the best for the baseline first.
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
                "changed": _changed(config),
                **dict(zip(percents, (plain, quantized, quantized - plain), strict=True)),
            }
        )
    # Its columns are there without any pair, as in a data folder of one's own.
    table = DataFrame(rows, columns=["data", "network", "epochs", "changed", *percents])
    table = table.astype(dict.fromkeys(percents, float)).sort_values(
        ["data", "network", "epochs", "unquantized, %"], ascending=[True, True, False, False], ignore_index=True
    )
    return table.round(2)


def provenance(result: Result) -> Markdown:
    """Where a result comes from, as a table; a published result file is a link."""
    name = f"{result.config.name}.json"
    linked = result.published and paths.results_directory() == paths.REPOSITORY / "data" / "results"
    commit, _, changes = str(result.made["commit"]).partition(" ")
    rows = {
        "result file": f"[{name}](../data/results/{name})" if linked else name,
        "configuration (SHA-256)": result.config.hash[:16],
        "checkpoint (SHA-256)": result.checkpoint_sha256[:16],
        **result.made,
        "commit": f"{commit[:12]} {changes}".strip(),
        "training time": f"{result.seconds / 60:.1f} minutes",
    }
    return Markdown("\n".join(["| what | value |", "|---|---|", *(f"| {key} | {rows[key]} |" for key in rows)]))

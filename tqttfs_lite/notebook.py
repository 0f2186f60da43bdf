"""What the notebooks share: checked parameters and tables."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from tqttfs_lite import experiment, results
from tqttfs_lite.config import TrainingConfig
from tqttfs_lite.results import Result
from tqttfs_lite.training import seconds_per_epoch

# What IPython itself puts among a notebook's names.
IPYTHON = {"In", "Out", "exit", "quit", "open", "get_ipython"}


def check_parameters(names: Mapping[str, object], **allowed: type) -> None:
    """Refuse a parameter that this notebook does not have, or one of the wrong type.

    `papermill -p NAME VALUE` only logs a NAME that it does not know; called right behind the parameters with
    `globals()`, this ends the run with one sentence instead.  Raises `ValueError`.

    >>> check_parameters({"seed": 0}, seed=int)
    >>> check_parameters({"sed": 0, "seed": 0}, seed=int)
    Traceback (most recent call last):
    ValueError: unknown parameter sed: this notebook takes seed
    """
    given = {
        name: value
        for name, value in names.items()
        if not name.startswith("_")
        and name not in IPYTHON
        and not isinstance(value, ModuleType)
        and not callable(value)
    }
    if unknown := sorted(given.keys() - allowed.keys()):
        raise ValueError(f"unknown parameter {', '.join(unknown)}: this notebook takes {', '.join(allowed)}")
    for name, wanted in allowed.items():
        # papermill reads `-p theta 1` as a whole number, which will do for a real one.
        if type(given[name]) is not wanted and not (wanted is float and type(given[name]) is int):
            raise ValueError(f"parameter {name} must be of type {wanted.__name__}, not {given[name]!r}")


def run(config: TrainingConfig) -> Result:
    """`experiment.run`, which says first whether it reads or trains, and how long training will take."""
    if stored := results.find(config):
        print(f"trained before: reading {stored.name}")
    else:
        minutes = config.epochs * seconds_per_epoch(config) / 60
        print(f"not trained yet: {config.epochs} epochs take about {minutes:.1f} minutes on this machine")
    return experiment.run(config)


def summary(result: Result, paper_percent: float | None = None) -> dict[str, str]:
    """The score of one network in words and figures, for a table."""
    test = result.test
    return {
        "network": result.config.architecture,
        "time steps T": str(result.config.time_steps),
        "epochs, seed": f"{result.config.epochs}, {result.config.seed}",
        "test accuracy": f"{test.accuracy:.2f} %",
        **({} if paper_percent is None else {"the paper's": f"{paper_percent:.1f} %"}),
        "inference time steps": f"{test.mean_steps:.3f}",
        "no output spike": f"{100 * test.silent / test.images:.2f} % of the images",
        "spikes per layer": ", ".join(f"{count:.2f}" for count in test.mean_spikes),
    }


def provenance(result: Result) -> dict[str, str]:
    """Where a result comes from, for a table beside it."""
    return {
        "result file": f"{result.config.name}.json",
        "configuration (SHA-256)": result.config.hash[:16],
        "checkpoint (SHA-256)": result.checkpoint_sha256[:16],
        **{name: str(value)[:19] for name, value in result.made.items()},
        "training time": f"{result.seconds / 60:.1f} minutes",
    }

"""A notebook's parameters, the configuration for them, and a run that reports what it does."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from math import inf
from types import ModuleType

from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import devices, experiment, results
from tqttfs_lite.experiments.config import LARGEST_SEED, TrainingConfig, recipe, variant
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.experiments.training import finished_epochs, seconds_per_epoch
from tqttfs_lite.spiking.firing import LONGEST_TIME

# The names that IPython itself adds to a notebook, apart from functions.
IPYTHON = {"In", "Out"}
CHECKED = "_parameters_checked"  # defined in a notebook once its parameters have been checked


@dataclass(frozen=True)
class Within:
    """The allowed values of a numeric parameter: of this type, from `least` to `most`, both included."""

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
EPOCHS = Within(int, 0)  # 0 means the recipe's number
DEVICE = (devices.AUTO, *devices.there())


def check_parameters(names: MutableMapping[str, object], **allowed: type[str] | tuple[str, ...] | Within) -> None:
    """Refuse parameters that are unknown to this notebook, of the wrong type, or out of range.

    `allowed` gives the values for each parameter: a choice of words, numbers in a range, or any text, which is checked
    elsewhere.

    `papermill -p NAME VALUE` only logs an unknown NAME; when called with `globals()` right after the parameters, this
    function ends the run with one sentence instead.  Raises `InputError`.  When called again in the same kernel, it no
    longer looks for unknown names, since these include whatever the cells below have assigned.

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
        and not isinstance(value, ModuleType | Within | tuple)  # papermill gives none of these
        and not callable(value)
    }
    if not names.get(CHECKED) and (unknown := sorted(given.keys() - allowed.keys())):
        raise InputError(f"unknown parameter {', '.join(unknown)}: this notebook takes {', '.join(allowed)}")
    for name, wanted in allowed.items():
        if name not in given:
            raise InputError(f"parameter {name} is missing: run the notebook's first cell")
        value, kind = given[name], wanted.type if isinstance(wanted, Within) else str
        # papermill reads `-p theta 1` as an integer, which is accepted for a real number.
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise InputError(f"parameter {name} must be of type {kind.__name__}, not {value!r}")
        if isinstance(wanted, Within | tuple) and value not in wanted:
            words = wanted if isinstance(wanted, Within) else " or ".join(wanted)
            raise InputError(f"parameter {name} must be {words}, not {value!r}")
    names[CHECKED] = True


def configuration(
    architecture: str, quantization: str, dataset: str, time_steps: int, *, seed: int = 0, epochs: int = 0
) -> TrainingConfig:
    """The configuration for a notebook's parameters: the recipe with these degrees, and its epochs if `epochs` is 0.

    Raises `InputError` if the network is impossible, or if its own degrees contradict `quantization`.

    >>> configuration("784-400-10(4)", "2-2", "mnist", 8)
    Traceback (most recent call last):
    tqttfs_lite.errors.InputError: the degrees in 784-400-10(4) are not 2-2: leave out the parentheses
    """
    config = recipe(architecture, dataset, time_steps, seed=seed, **({"epochs": epochs} if epochs else {}))
    wanted = variant(config, quantization)
    if "(" in architecture and wanted != config:
        raise InputError(f"the degrees in {architecture} are not {quantization}: leave out the parentheses")
    return wanted


def run(config: TrainingConfig, device: str | None = None) -> Result:
    """`experiment.run`, after printing whether it reads or trains, and how long training will take."""
    if stored := results.find(config):
        print(f"already trained: reading {stored.name}")
    else:
        epochs = config.epochs - finished_epochs(config)
        minutes = epochs * seconds_per_epoch(config, device=device) / 60
        print(f"{epochs} of {config.epochs} epochs to go: about {minutes:.1f} minutes on this machine")
    return experiment.run(config, device=device)

"""The library behind the companion to the TQ-TTFS paper (Yang, Xuan and Kang, ASP-DAC 2024).

What most need is here; the rooms have the rest: `spiking`, `energy`, `experiments`, `paper`, `report`.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqttfs_lite.errors import TqttfsError
    from tqttfs_lite.experiments.config import TrainingConfig, recipe
    from tqttfs_lite.experiments.evaluation import evaluate
    from tqttfs_lite.experiments.experiment import run, trained_network
    from tqttfs_lite.experiments.training import train
    from tqttfs_lite.spiking.coding import decode, encode
    from tqttfs_lite.spiking.inference import infer
    from tqttfs_lite.spiking.network import SpikingNetwork
    from tqttfs_lite.spiking.neuron import tq_ttfs_neuron
    from tqttfs_lite.spiking.notation import Architecture

    __version__: str

# Imported when they are asked for: PyTorch takes seconds, which `tqttfs --help` does not wait for.
_HOMES = {
    "Architecture": "spiking.notation",
    "SpikingNetwork": "spiking.network",
    "TqttfsError": "errors",
    "TrainingConfig": "experiments.config",
    "decode": "spiking.coding",
    "encode": "spiking.coding",
    "evaluate": "experiments.evaluation",
    "infer": "spiking.inference",
    "recipe": "experiments.config",
    "run": "experiments.experiment",
    "tq_ttfs_neuron": "spiking.neuron",
    "train": "experiments.training",
    "trained_network": "experiments.experiment",
}

__all__ = [
    "Architecture",
    "SpikingNetwork",
    "TqttfsError",
    "TrainingConfig",
    "decode",
    "encode",
    "evaluate",
    "infer",
    "recipe",
    "run",
    "tq_ttfs_neuron",
    "train",
    "trained_network",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return version("tqttfs-lite")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])

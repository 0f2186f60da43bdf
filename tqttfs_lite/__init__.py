"""The library behind the companion to the TQ-TTFS paper (Yang, Xuan and Kang, ASP-DAC 2024).

The main names are here; the rest is in the subpackages `spiking`, `energy`, `experiments`, `paper` and `report`.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqttfs_lite.errors import TqttfsError as TqttfsError
    from tqttfs_lite.experiments.config import TrainingConfig as TrainingConfig
    from tqttfs_lite.experiments.config import recipe as recipe
    from tqttfs_lite.experiments.evaluation import evaluate as evaluate
    from tqttfs_lite.experiments.experiment import run as run
    from tqttfs_lite.experiments.experiment import trained_network as trained_network
    from tqttfs_lite.experiments.training import train as train
    from tqttfs_lite.spiking.coding import decode as decode
    from tqttfs_lite.spiking.coding import encode as encode
    from tqttfs_lite.spiking.inference import infer as infer
    from tqttfs_lite.spiking.network import SpikingNetwork as SpikingNetwork
    from tqttfs_lite.spiking.network import from_state_dict as from_state_dict
    from tqttfs_lite.spiking.neuron import tq_ttfs_neuron as tq_ttfs_neuron
    from tqttfs_lite.spiking.notation import Architecture as Architecture

    __version__: str

# Imported on first access: PyTorch takes seconds to import, and `tqttfs --help` should not wait for it.
_HOMES = {
    "Architecture": "spiking.notation",
    "SpikingNetwork": "spiking.network",
    "TqttfsError": "errors",
    "TrainingConfig": "experiments.config",
    "decode": "spiking.coding",
    "encode": "spiking.coding",
    "evaluate": "experiments.evaluation",
    "from_state_dict": "spiking.network",
    "infer": "spiking.inference",
    "recipe": "experiments.config",
    "run": "experiments.experiment",
    "tq_ttfs_neuron": "spiking.neuron",
    "train": "experiments.training",
    "trained_network": "experiments.experiment",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name == "__version__":
        return version("tqttfs-lite")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])

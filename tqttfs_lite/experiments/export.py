"""A trained network as a folder that needs nothing but NumPy: its weights, what its layers are, and how to run it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tqttfs_lite import files
from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import experiment, portable
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.spiking.neuron import RESPONSES
from tqttfs_lite.spiking.notation import Architecture


def to_numpy(result: Result, folder: Path) -> Path:
    """Write the network of a result into a new folder; returns it.

    `run.py` there is `portable`, which gives the library's firing times and decisions to the spike.  Raises
    `InputError` where the folder exists or the neuron is another than the slides', and what
    `experiment.trained_network` raises.
    """
    config = result.config
    if RESPONSES[config.response] is not None:
        raise InputError(f"the response {config.response} cannot be exported: the folder's program supports only step")
    network = experiment.trained_network(result)
    layers = zip(network.layers, Architecture.parse(config.architecture).windows, strict=True)
    content: dict[str, Any] = {
        "architecture": config.architecture,
        "dataset": config.dataset,
        "time_steps": config.time_steps,
        "theta": config.theta,
        "input": list(Architecture.parse(config.architecture).image_shape),
        "layers": [{"q": layer.clock.step, "pool": pool, "pooling": config.pooling} for layer, pool in layers],
    }
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise InputError(f"{folder} exists already: name a new folder") from None
    with files.atomic_write(folder / "network.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    weights = {str(n): layer.weight.detach().cpu().numpy() for n, layer in enumerate(network.layers)}
    np.savez_compressed(folder / "weights.npz", allow_pickle=False, **weights)
    shutil.copyfile(portable.__file__, folder / "run.py")
    return folder

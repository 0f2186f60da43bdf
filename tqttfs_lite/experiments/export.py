"""Export of trained networks to other programs: NumPy, or the Neuromorphic Intermediate Representation (NIR)."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tqttfs_lite import files
from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import experiment, portable
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.spiking.neuron import RESPONSES
from tqttfs_lite.spiking.notation import Architecture

if TYPE_CHECKING:
    import nir

    from tqttfs_lite.experiments.config import TrainingConfig


def to_numpy(result: Result, folder: Path) -> Path:
    """Write the network of a result to a new folder, and return the folder.

    Its `run.py` is `portable`, whose firing times and decisions are exactly the library's.
    Raises `InputError` if the folder exists, if the neuron is not the slides' or if the output may not fire from the
    start, and the same errors as `experiment.trained_network`.
    """
    _check_supported(result.config)
    config = result.config
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
    _make(folder)
    files.write_json(folder / "network.json", content)
    weights = {str(n): layer.weight.detach().cpu().numpy() for n, layer in enumerate(network.layers)}
    np.savez_compressed(folder / "weights.npz", allow_pickle=False, **weights)
    shutil.copyfile(portable.__file__, folder / "run.py")
    return folder


def to_nir(result: Result, folder: Path) -> Path:
    """Write the network of a result as `network.nir` to a new folder, and return the folder.

    NIR (Pedersen et al. 2024, "Neuromorphic intermediate representation") describes the weights, the neurons and their
    thresholds.  A neuron that fires once is an IF neuron with v_reset = -inf.  Max pooling, the earliest spike of a
    window, is a sum of the window's spikes followed by such a neuron.  NIR cannot describe a layer's clock, the number
    of time steps, the encoder or the decision by the first spike.  These are in the metadata: `q` in that of each IF
    node, the others in that of the graph.  A program that does not read them runs every layer with q = 1.

    Raises `InputError` if the package `nir` is not installed, and the same errors as `to_numpy`.
    """
    try:
        import nir
    except ImportError:
        raise InputError("NIR needs the package nir: pip install 'tqttfs-lite[nir]'") from None
    _check_supported(result.config)
    graph = _graph(result)
    _make(folder)
    with files.atomic_write(folder / "network.nir") as temporary:
        nir.write(temporary, graph)
    return folder


def _graph(result: Result) -> nir.NIRGraph:
    """The nodes of a network in a chain; the layers' spikes are the outputs of `spikes_0`, `spikes_1`, ..."""
    import nir

    config, network = result.config, experiment.trained_network(result)
    shape = network.architecture.image_shape
    nodes: dict[str, Any] = {"input": nir.Input(input_type=np.array(shape))}
    for n, layer in enumerate(network.layers):
        weight = layer.weight.detach().cpu().numpy()
        if layer.convolves:
            size, zeros = weight.shape[2], np.zeros(len(weight), np.float32)
            nodes[f"weights_{n}"] = nir.Conv2d(shape[1:], weight, 1, size // 2, 1, 1, zeros)
        else:
            if len(shape) > 1:
                nodes[f"flatten_{n}"] = nir.Flatten({"input": np.array(shape)}, start_dim=0)
            nodes[f"weights_{n}"] = nir.Linear(weight)
        nodes[f"spikes_{n}"] = _fires_once(layer.shape, config.theta, q=layer.clock.step)
        shape = layer.pooled_shape
        window = np.full(2, layer.max_window * layer.average_window)
        if layer.average_window > 1:
            nodes[f"pool_{n}"] = nir.AvgPool2d(window, window, np.zeros(2, int))
        elif layer.max_window > 1:
            nodes[f"pool_{n}"] = nir.SumPool2d(window, window, np.zeros(2, int))
            nodes[f"earliest_{n}"] = _fires_once(shape, 0.5, q=1)
    nodes["output"] = nir.Output(output_type=np.array(shape))
    names = list(nodes)
    about = {
        "architecture": config.architecture,
        "dataset": config.dataset,
        "time_steps": config.time_steps,
        "encoding": "a pixel x, from 0 to 255, spikes once, on time step round((time_steps - 1) (1 - x / 255)) from 0",
        "clock": "a neuron integrates on every time step t and may fire where (t + 1) % q == 0",
        "decoding": "the output neuron that fires first is the class; of several, and of all at the last time step"
        " where none has fired, the one with the highest potential before its reset",
    }
    return nir.NIRGraph(nodes, [*pairwise(names)], metadata=about)


def _fires_once(shape: tuple[int, ...], theta: float, q: int) -> nir.IF:
    import nir

    ones = np.ones(shape, np.float32)
    return nir.IF(r=ones, v_threshold=theta * ones, v_reset=-np.inf * ones, metadata={"q": q})


def _check_supported(config: TrainingConfig) -> None:
    if RESPONSES[config.response] is not None:
        raise InputError(f"the response {config.response} cannot be exported: the formats support only a step")
    if config.earliest_output > 1:
        raise InputError("a network whose output may not fire from the start cannot be exported")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise InputError(f"{folder} exists already: choose a new folder") from None

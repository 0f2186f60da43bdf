"""Run an exported TQ-TTFS network with NumPy only: python run.py images.npy

The folder contains `network.json`, which describes the layers, and `weights.npz`, an array of weights for each.  Images
are bytes, [n, height, width] or [n, channels, height, width], and 0 is black.  For each image, a line with the class
and the number of time steps is printed.  A neuron fires once, on the first tick of its layer's clock at which the sum
of its weights for the inputs so far exceeds theta.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def load(folder: Path) -> dict[str, Any]:
    """The network in a folder, with float64 weights, whose sums are exact."""
    network: dict[str, Any] = json.loads((folder / "network.json").read_text(encoding="utf-8"))
    with np.load(folder / "weights.npz") as weights:
        for n, layer in enumerate(network["layers"]):
            layer["weight"] = weights[str(n)].astype(np.float64)
    return network


def run(network: dict[str, Any], images: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Classes, decision steps counted from 1, and each layer's firing times, which are T for neurons that do not fire.

    Raises `ValueError` if the images are not of type uint8: floats from 0 to 1 would all be nearly black.
    """
    if images.dtype != np.uint8:
        raise ValueError(f"images must be of type uint8, from 0 to 255, not {images.dtype}")
    T, theta = network["time_steps"], network["theta"]
    times = np.rint((T - 1) * (1 - images / 255)).reshape(len(images), *network["input"])
    before, fired = {"pool": 1}, []
    for layer in network["layers"]:
        clock = np.arange(layer["q"] - 1, T, layer["q"])
        steps = np.union1d(clock, T - 1)  # if no output neuron fires, the potentials at the last step decide
        V = np.stack([charge(layer, pooled(before, times <= t)) for t in steps])
        above = V[: len(clock)] > theta
        before, times = layer, np.where(above.any(axis=0), clock[above.argmax(axis=0)], T)
        fired.append(times)
    decision = np.minimum(times.min(axis=1), T - 1)
    silent = (times == T).all(axis=1)
    contends = silent[:, None] | (times == decision[:, None])
    potentials = V[np.searchsorted(steps, decision), np.arange(len(images))]
    return np.where(contends, potentials, -np.inf).argmax(axis=1), decision + 1, fired


def charge(layer: dict[str, Any], states: np.ndarray) -> np.ndarray:
    """The potentials of a layer from its input states: 1 if an input has fired, otherwise 0, or a pooled mean."""
    weight = layer["weight"]
    if weight.ndim == 2:
        return np.asarray(states.reshape(len(states), -1) @ weight.T)
    margin = weight.shape[2] // 2
    around = np.pad(states, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
    windows = np.lib.stride_tricks.sliding_window_view(around, weight.shape[2:], axis=(2, 3))
    return np.asarray(np.einsum("nchwij,ocij->nohw", windows, weight, optimize=True))


def pooled(layer: dict[str, Any], fired: np.ndarray) -> np.ndarray:
    """The next layer's input states: for each window the mean, or with max pooling whether any neuron has fired."""
    size = layer["pool"]
    if size == 1:
        return fired.astype(np.float64)
    n, channels, height, width = fired.shape
    cut = fired[:, :, : height // size * size, : width // size * size]
    windows = cut.reshape(n, channels, height // size, size, width // size, size)
    combine = np.mean if layer["pooling"] == "average" else np.max
    return np.asarray(combine(windows.astype(np.float64), axis=(3, 5)))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python run.py images.npy", file=sys.stderr)
        sys.exit(2)
    try:
        network, images = load(Path(__file__).parent), np.load(sys.argv[1])
        for start in range(0, len(images), 100):  # all at once might not fit into memory
            labels, taken, _ = run(network, images[start : start + 100])
            for label, steps in zip(labels, taken, strict=True):
                print(label, steps)
    except (OSError, ValueError) as error:
        sys.exit(f"run.py: {error}")

"""The output threshold as a dial: a trained network's scores at other thresholds, from one pass over its potentials.

An output threshold θ' instead of θ has the same effect as multiplying the output weights by θ / θ', so the network is
still one of the slides' at every threshold.  At a lower threshold it decides earlier, on less evidence, and fewer
images are silent.  Each trained network therefore has a curve of accuracy against mean time steps, on which networks
can be compared at equal steps.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from itertools import compress, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from pydantic import BaseModel, with_config
from torch import Tensor

from tqttfs_lite import files
from tqttfs_lite.errors import InputError, ResultError
from tqttfs_lite.experiments.checks import STRICT, parse, reading_counts
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.evaluation import Curve, Evaluation, in_float32
from tqttfs_lite.experiments.results import DIALS, Result, beside
from tqttfs_lite.spiking.coding import decode, encode
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.network import SpikingNetwork

FACTORS = tuple(n / 20 for n in range(1, 61))  # of θ; they include 1, the network as it was trained


def thresholds_of(config: TrainingConfig) -> tuple[float, ...]:
    """The output thresholds at which a trained network is measured."""
    return tuple(factor * config.theta for factor in FACTORS)


def interpolated(thresholds: Sequence[float]) -> Float[np.ndarray, " n"]:
    """Thresholds among which the best one is looked for: the measured ones, and 39 between any two of them."""
    return np.linspace(thresholds[0], thresholds[-1], 40 * (len(thresholds) - 1) + 1)


class Point(NamedTuple):
    """A network's score at one output threshold, interpolated between measured thresholds."""

    threshold: float
    accuracy: float  # percent
    mean_steps: float
    silent: float  # percent of the images


@with_config(STRICT)
@dataclass(frozen=True)
class Dial:
    """A trained network's counts at many output thresholds: thresholds are chosen by `validation`, not by `test`."""

    thresholds: tuple[float, ...]
    validation: Curve
    test: Curve
    unquantized: Dial | None = None  # of the same weights with every degree 1; older dials have none

    def point(self, threshold: float, *, split: str = "test") -> Point:
        """The network's score at a threshold.

        Raises `InputError` if it is outside the range of the measured thresholds.
        """
        curve: Curve = getattr(self, split)
        low, high = self.thresholds[0], self.thresholds[-1]
        if not low <= threshold <= high:
            raise InputError(f"the output threshold must be from {low:g} to {high:g}, not {threshold:g}")
        correct, silent, steps = (
            float(np.interp(threshold, self.thresholds, counts)) / curve.images
            for counts in (curve.correct, curve.silent, curve.steps)
        )
        return Point(threshold, 100 * correct, steps, 100 * silent)

    @property
    def fewest_steps(self) -> float:
        """The mean time steps on the validation images at the lowest threshold."""
        return self.validation.steps[0] / self.validation.images

    def thinned(self, stride: int) -> Dial:
        """The dial restricted to every `stride`-th threshold."""
        return self.only(self.thresholds[::stride])

    def only(self, thresholds: Collection[float]) -> Dial:
        """The dial restricted to these thresholds, as far as it has them."""
        kept = [threshold in thresholds for threshold in self.thresholds]
        validation, test = (
            Curve(curve.images, *(tuple(compress(c, kept)) for c in (curve.correct, curve.silent, curve.steps)))
            for curve in (self.validation, self.test)
        )
        unquantized = self.unquantized and self.unquantized.only(thresholds)
        return Dial(tuple(compress(self.thresholds, kept)), validation, test, unquantized)

    def at_steps(self, mean_steps: float, *, split: str = "test") -> Point:
        """The score at the threshold that takes this many mean time steps on the validation images.

        Raises `InputError` if no threshold does.
        """
        means = [steps / self.validation.images for steps in self.validation.steps]
        if not means[0] <= mean_steps <= means[-1]:
            raise InputError(
                f"mean time steps must be from {means[0]:.2f} to {means[-1]:.2f}, which output thresholds from"
                f" {self.thresholds[0]:g} to {self.thresholds[-1]:g} give, not {mean_steps:g}"
            )
        return self.point(float(np.interp(mean_steps, means, self.thresholds)), split=split)


@torch.no_grad()
@in_float32
@torch.backends.nnpack.flags(enabled=False)  # it may convolve by Fourier transform, which is not exact
def curve(
    network: SpikingNetwork,
    images: UInt8[Tensor, "n *image"],
    labels: Int64[Tensor, " n"],
    thresholds: tuple[float, ...],
    *,
    batch_size: int = 500,
) -> Curve:
    """Decode every image at every threshold; leaves the network in eval mode."""
    network.eval()
    device = next(network.parameters()).device
    counts = torch.zeros(3, len(thresholds), dtype=torch.int64, device=device)
    for pixels, label in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        pixels, label = pixels.to(device), label.to(device)
        V, _, steps, clock = network(encode(pixels, network.time_steps))
        for n, threshold in enumerate(thresholds):
            S = V > threshold
            S[len(clock) :] = False  # the last time step, if it is not a tick
            answer, step = decode(V, S, steps, network.time_steps)
            found = ((answer == label).sum(), (~S.any(dim=2).any(dim=0)).sum(), step.sum())
            counts[:, n] += torch.stack(found)
    return Curve(len(images), *(tuple(row.tolist()) for row in counts))


@torch.no_grad()
@in_float32
@torch.backends.nnpack.flags(enabled=False)
def evaluations(
    network: SpikingNetwork,
    images: UInt8[Tensor, "n *image"],
    labels: Int64[Tensor, " n"],
    thresholds: Sequence[float],
    *,
    batch_size: int = 500,
) -> tuple[Evaluation, ...]:
    """Everything that `evaluate` counts, including spikes, at every threshold; leaves the network in eval mode.

    The output threshold does not change the spikes of hidden layers, only how many of them precede the decision.  One
    pass over all time steps therefore gives the counts for all thresholds.
    """
    network.eval()
    T, output = network.time_steps, network.layers[-1]
    device = output.weight.device
    scores = torch.zeros(len(thresholds), 4, dtype=torch.int64, device=device)
    passed = torch.zeros(len(thresholds), 3, len(network.layers), dtype=torch.int64, device=device)
    for pixels, label in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        inputs, label = encode(pixels.to(device), T), label.to(device)
        times = unpooled = network.as_input(inputs)  # arriving spikes, and all spikes of the previous layer
        window, so_far = 1, []
        for n, (layer, fired) in enumerate(
            zip(network.layers, infer(network, inputs, early_exit=False).firing_times, strict=True)
        ):
            reached = layer.fan_out(window).to(device)
            so_far.append([_up_to_each_step(t, amount, T) for t, amount in ((fired, 1), (times, 1), (times, reached))])
            if layer is output:
                V = network.potentials(n, unpooled, output.steps)
            times, unpooled, window = layer.handed_on(fired), fired, layer.average_window
        image = torch.arange(len(label), device=device)
        for n, threshold in enumerate(thresholds):
            S = V > threshold
            S[len(output.clock) :] = False  # the last time step, if it is not a tick
            answer, step = decode(V, S, output.steps, T)
            first = S[S.any(dim=2).int().argmax(dim=0), image]  # [B, classes], none for a silent image
            silent, right = ~first.any(dim=1), answer == label
            tied = first[image, label] | (silent & right)
            scores[n] += torch.stack([right.sum(), tied.sum(), silent.sum(), step.sum()])
            for counts, layer_counts in zip(passed[n].T, so_far, strict=True):
                counts += torch.stack([count[image, step - 1].sum() for count in layer_counts])
            passed[n, 0, -1] += first.sum() - so_far[-1][0][image, step - 1].sum()  # at this threshold, not at θ
    return tuple(
        Evaluation(len(images), *score, *map(tuple, counts))
        for score, counts in zip(scores.tolist(), passed.tolist(), strict=True)
    )


def _up_to_each_step(times: UInt8[Tensor, "B ..."], amount: Tensor | int, T: int) -> Int64[Tensor, "B T"]:
    """The sum of the amounts of all spikes up to and including every step; T means never."""
    amounts = torch.as_tensor(amount, device=times.device).expand_as(times).flatten(1)
    found = torch.zeros(len(times), T + 1, dtype=torch.int64, device=times.device)
    return found.scatter_add_(1, times.flatten(1).long(), amounts)[:, :T].cumsum(dim=1)


def write(dial: Dial, result: Result) -> Path:
    """Store a dial beside the result of its network; returns the file."""
    content = {"checkpoint_sha256": result.checkpoint_sha256, **asdict(dial)}
    known = {key: value for key, value in content.items() if value is not None}
    return files.write_lines(beside(result, *DIALS), known)


def read(result: Result) -> Dial:
    """The stored dial of a result's network.

    Raises `ResultError` if there is none or if it does not belong to the result.
    """
    path = beside(result, *DIALS)
    with reading_counts(path, "tqttfs dial"):
        stored = parse(path.read_bytes(), _StoredDial)
        dial = Dial(stored.thresholds, stored.validation, stored.test, stored.unquantized)
        check(dial, result.config.time_steps)
        trained = dial.thresholds.index(result.config.theta)
        test = dial.test
        counts = (test.images, test.correct[trained], test.silent[trained], test.steps[trained])
    score = result.test
    if stored.checkpoint_sha256 != result.checkpoint_sha256:
        raise ResultError(f"{path.parent.name}/{path.name} was measured with weights other than the result's")
    if counts != (score.images, score.correct, score.silent, score.steps):
        raise ResultError(f"{path.parent.name}/{path.name} does not agree with the counts of the result")
    return dial


def check(dial: Dial, time_steps: int) -> None:
    """Raise `ValueError` for impossible counts."""
    for curve in (dial.validation, dial.test):
        curve.check(len(dial.thresholds), time_steps)
    if any(low >= high for low, high in pairwise(dial.thresholds)):
        raise ValueError("the thresholds must increase")
    if fine := dial.unquantized:
        check(fine, time_steps)
        images = [(each.validation.images, each.test.images) for each in (fine, dial)]
        if fine.thresholds != dial.thresholds or images[0] != images[1]:
            raise ValueError("the weights must have been measured alike with every degree 1")


class _StoredDial(BaseModel):
    model_config = STRICT

    checkpoint_sha256: str
    thresholds: tuple[float, ...]
    validation: Curve
    test: Curve
    unquantized: Dial | None = None

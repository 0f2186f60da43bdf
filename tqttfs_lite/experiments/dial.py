"""The output threshold as a dial: what a trained network scores at others, from one pass over its output potentials.

An output threshold of θ' instead of θ is the same as output weights multiplied by θ / θ', so at every setting it is
still a network of the slides.  A lower one decides sooner, on less evidence, and leaves fewer images silent.  So each
trained network has a curve of accuracy against mean time steps, on which networks can be compared at equal steps.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from itertools import compress, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from pydantic import BaseModel
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

FACTORS = tuple(n / 20 for n in range(1, 61))  # of θ; 1 among them is the network as it was trained


def thresholds_of(config: TrainingConfig) -> tuple[float, ...]:
    """The output thresholds at which a trained network is measured."""
    return tuple(factor * config.theta for factor in FACTORS)


class Point(NamedTuple):
    """A network at one output threshold; between measured thresholds it is interpolated."""

    threshold: float
    accuracy: float  # percent
    mean_steps: float
    silent: float  # percent of the images


@dataclass(frozen=True)
class Dial:
    """A trained network at other output thresholds: choices are made on `validation`, `test` says what they give."""

    thresholds: tuple[float, ...]
    validation: Curve
    test: Curve

    def point(self, threshold: float, *, split: str = "test") -> Point:
        """What the network scores at a threshold.

        Raises `ValueError` for one outside the measured thresholds.
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
        """The mean time steps on the validation images at the lowest of the thresholds."""
        return self.validation.steps[0] / self.validation.images

    def thinned(self, stride: int) -> Dial:
        """The same at every so many of the thresholds."""
        return self.only(self.thresholds[::stride])

    def only(self, thresholds: Collection[float]) -> Dial:
        """The same at those of its thresholds that are among these."""
        kept = [threshold in thresholds for threshold in self.thresholds]
        curves = (
            Curve(curve.images, *(tuple(compress(c, kept)) for c in (curve.correct, curve.silent, curve.steps)))
            for curve in (self.validation, self.test)
        )
        return Dial(tuple(compress(self.thresholds, kept)), *curves)

    def at_steps(self, mean_steps: float) -> Point:
        """What the network scores on the test images, at the threshold that takes so many steps on the validation set.

        Raises `ValueError` for a mean that none of the thresholds reaches.
        """
        means = [steps / self.validation.images for steps in self.validation.steps]
        if not means[0] <= mean_steps <= means[-1]:
            raise InputError(
                f"mean time steps must be from {means[0]:.2f} to {means[-1]:.2f}, which output thresholds from"
                f" {self.thresholds[0]:g} to {self.thresholds[-1]:g} give, not {mean_steps:g}"
            )
        return self.point(float(np.interp(mean_steps, means, self.thresholds)))


@torch.no_grad()
@in_float32
@torch.backends.nnpack.flags(enabled=False)  # it may convolve by Fourier transform, which rounds
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
            S[len(clock) :] = False  # the end of time, if the clock does not tick there
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
    """All that `evaluate` counts, the spikes included, at every threshold; leaves the network in eval mode.

    The output threshold changes no hidden layer's spikes, only how many of them come before the decision, so that one
    pass to the end of time has the counts of all thresholds.
    """
    network.eval()
    T, output = network.time_steps, network.layers[-1]
    device = output.weight.device
    scores = torch.zeros(len(thresholds), 4, dtype=torch.int64, device=device)
    passed = torch.zeros(len(thresholds), 3, len(network.layers), dtype=torch.int64, device=device)
    for pixels, label in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        inputs, label = encode(pixels.to(device), T), label.to(device)
        times = unpooled = network.as_input(inputs)  # the spikes that arrive, and all that the layer before fires
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
            S[len(output.clock) :] = False  # the end of time, if the clock does not tick there
            answer, step = decode(V, S, output.steps, T)
            first = S[S.any(dim=2).int().argmax(dim=0), image]  # [B, classes], none where the output stays silent
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
    """What the spikes at these times amount to on every step and before it; T is never."""
    amounts = torch.as_tensor(amount, device=times.device).expand_as(times).flatten(1)
    found = torch.zeros(len(times), T + 1, dtype=torch.int64, device=times.device)
    return found.scatter_add_(1, times.flatten(1).long(), amounts)[:, :T].cumsum(dim=1)


def write(dial: Dial, result: Result) -> Path:
    """Store a dial beside the result of its network; returns the file."""
    path = beside(result, *DIALS)
    content = {"checkpoint_sha256": result.checkpoint_sha256, **asdict(dial)}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    with files.atomic_write(path) as temporary:
        temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return path


def read(result: Result) -> Dial:
    """The stored dial of a result's network.

    Raises `ResultError` where there is none, and where it does not belong to the result.
    """
    path = beside(result, *DIALS)
    with reading_counts(path, "tqttfs dial"):
        stored = parse(path.read_bytes(), _StoredDial)
        dial = Dial(stored.thresholds, stored.validation, stored.test)
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
    """Raise `ValueError` for counts that cannot be."""
    for curve in (dial.validation, dial.test):
        if not len(curve.correct) == len(curve.silent) == len(curve.steps) == len(dial.thresholds):
            raise ValueError("there must be a count of each kind for every threshold")
        for correct, silent, steps in zip(curve.correct, curve.silent, curve.steps, strict=True):
            least = time_steps * silent + curve.images - silent  # a silent image takes all the steps
            if correct > curve.images or silent > curve.images or not least <= steps <= time_steps * curve.images:
                raise ValueError(
                    f"of {curve.images} images {correct} cannot be right and {silent} silent after {steps} steps"
                )
    if any(low >= high for low, high in pairwise(dial.thresholds)):
        raise ValueError("the thresholds must increase")


class _StoredDial(BaseModel):
    model_config = STRICT

    checkpoint_sha256: str
    thresholds: tuple[float, ...]
    validation: Curve
    test: Curve

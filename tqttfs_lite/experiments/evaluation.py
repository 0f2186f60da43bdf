"""Evaluating a network on a data set: correct answers, decision steps, and spikes per layer up to the decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeVar, cast

import torch
from jaxtyping import Bool, Int64, UInt8
from pydantic import Field, with_config
from torch import Tensor
from tqdm import tqdm

from tqttfs_lite.energy.models import Counts
from tqttfs_lite.energy.synops import LayerInput, synaptic_operations
from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments.checks import STRICT
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.notation import Architecture
from tqttfs_lite.spiking.rate_coding import Network, RateNetwork, decode_rate

Function = TypeVar("Function", bound=Callable[..., Any])
Count = Annotated[int, Field(ge=0)]


@with_config(STRICT)
@dataclass(frozen=True)
class Evaluation:
    """Counts over a data set.  They are integers, so that a second evaluation must give exactly the same."""

    images: Annotated[int, Field(ge=1)]
    correct: Count  # by the slides' decoder, or by the decoder of rate coding
    correct_if_tied: Count  # by the laxer rule of S4NN's code: the label is among the first neurons to fire, if any do
    silent: Count  # images for which no output neuron fired
    steps: Count  # sum over images of the inference time steps
    # For each spiking layer, up to and including the decision step, summed over images:
    spikes: tuple[Count, ...]
    arriving: tuple[Count, ...] = ()  # spikes that arrive at it, those of the input first; empty if not counted
    additions: tuple[Count, ...] = ()  # caused by these: one for each neuron that a spike reaches

    @property
    def accuracy(self) -> float:
        """Correct answers in percent."""
        return 100 * self.correct / self.images

    @property
    def mean_steps(self) -> float:
        """Mean inference time steps: the step of the first output spike, counted from 1; T if there is none."""
        return self.steps / self.images

    @property
    def mean_spikes(self) -> tuple[float, ...]:
        """Mean number of spikes per image of each spiking layer."""
        return tuple(spikes / self.images for spikes in self.spikes)

    def counts(self, architecture: Architecture) -> Counts:
        """Mean counts per image, for the energy models.

        Raises `InputError` if arriving spikes were not counted.
        """
        if not self.arriving:
            raise InputError("this evaluation was made before arriving spikes were counted: evaluate the network again")
        arriving, additions = (
            [count / self.images for count in counted] for counted in (self.arriving, self.additions)
        )
        return Counts(architecture, self.mean_steps, self.mean_spikes, arriving, additions)


@with_config(STRICT)
@dataclass(frozen=True)
class Curve:
    """Counts over one split of a data set, with one value for every threshold."""

    images: Annotated[int, Field(ge=1)]
    correct: tuple[Count, ...]
    silent: tuple[Count, ...]
    steps: tuple[Count, ...]  # sum over images of the inference time steps; T if no output neuron fires

    def check(self, thresholds: int, time_steps: int) -> None:
        """Raise `ValueError` for counts that no network of this T can have, or if there are not as many."""
        if not len(self.correct) == len(self.silent) == len(self.steps) == thresholds:
            raise ValueError("there must be a count of each kind for every threshold")
        for correct, silent, steps in zip(self.correct, self.silent, self.steps, strict=True):
            least = time_steps * silent + self.images - silent  # a silent image takes all steps
            if correct > self.images or silent > self.images or not least <= steps <= time_steps * self.images:
                raise ValueError(
                    f"of {self.images} images {correct} cannot be right and {silent} silent after {steps} steps"
                )


class Answers(NamedTuple):
    """The answer to each image of a data set, stored in bytes."""

    answer: UInt8[Tensor, " n"]  # the class
    step: UInt8[Tensor, " n"]  # step of the first output spike, counted from 1; T if there is none
    decided: Bool[Tensor, " n"]  # whether an output neuron fired

    def counts(self, labels: Int64[Tensor, " n"]) -> tuple[int, int, int, int]:
        """The numbers of images, correct answers, silent images and time steps, as in `Evaluation`.

        Raises `InputError` if the number of labels differs from the number of answers.
        """
        if not len(self.answer) == len(self.step) == len(self.decided) == len(labels):
            raise InputError(f"there must be {len(labels)} answers, one for each image, not {len(self.answer)}")
        right, silent = int((self.answer == labels).sum()), int((~self.decided).sum())
        return len(labels), right, silent, int(self.step.sum(dtype=torch.int64))


def in_float32(function: Function) -> Function:
    """Make a function compute in the weights' own type even if it is called within `torch.autocast`."""
    for device in ("cpu", "cuda"):
        function = cast(Function, torch.autocast(device, enabled=False)(function))
    return function


def evaluate(
    network: Network,
    images: UInt8[Tensor, "n *image"],
    labels: Int64[Tensor, " n"],
    *,
    batch_size: int = 500,
    progress: bool = False,
) -> Evaluation:
    """Evaluate a network on images, with pixels from 0 to 255, and their labels, from 0 to classes - 1.

    Every image is run through the network in float32, up to its decision, and decoded as on the slides.  The
    computation runs on the network's device; images and labels may be on any device.  The network is left in eval mode.
    Returns counts over all images, with properties such as `accuracy` in percent, `mean_steps` and `mean_spikes`.
    Raises `InputError` unless there is at least one image and a valid label, of type torch.int64, for each.

    >>> from tqttfs_lite.spiking.network import SpikingNetwork
    >>> network = SpikingNetwork(Architecture.parse("8x8-20-10(2)"), time_steps=8)
    >>> evaluate(network, torch.zeros(3, 8, 8, dtype=torch.uint8), torch.tensor([1, 2, 3])).images
    3
    """
    return evaluate_each(network, images, labels, batch_size=batch_size, progress=progress)[0]


@in_float32
def evaluate_each(
    network: Network,
    images: UInt8[Tensor, "n *image"],
    labels: Int64[Tensor, " n"],
    *,
    batch_size: int = 500,
    progress: bool = False,
) -> tuple[Evaluation, Answers]:
    """`evaluate`, and the answer to each image, on the CPU.

    A rate-coded network takes all T steps for every image, and its ties are between the neurons that fire most.
    """
    _check_labels(network.architecture, images, labels)
    network.eval()
    device = next(network.parameters()).device
    T, sizes = network.time_steps, network.architecture.sizes()
    correct_if_tied = 0
    spikes, arriving, additions = torch.zeros(3, len(sizes), dtype=torch.int64)
    found: list[Answers] = []
    batches = zip(images.split(batch_size), labels.split(batch_size), strict=True)
    total = -(-len(images) // batch_size)
    bar = None if progress else True  # tqdm's `disable`; None shows the bar on a terminal only
    for pixels, label in tqdm(batches, total=total, desc="evaluating", unit="batch", disable=bar):
        pixels, label = pixels.to(device), label.to(device)
        if isinstance(network, RateNetwork):
            with torch.no_grad():
                output = network(pixels)
            answer, winners = decode_rate(output)
            step = torch.full_like(answer, T)
            spikes += torch.tensor(output.spikes[1:])
            counts = [LayerInput(n, n * size.neurons) for n, size in zip(output.spikes, sizes, strict=False)]
        else:
            spike_times = encode(pixels, T)
            inference = infer(network, spike_times)
            answer, step, winners = inference.label, inference.step, inference.first
            spikes += torch.tensor([int((times < T).sum()) for times in inference.firing_times])
            counts = synaptic_operations(network, spike_times, inference)
        arriving += torch.tensor([count.spikes for count in counts])
        additions += torch.tensor([count.additions for count in counts])
        decided = winners.any(dim=1)
        right_or_tied = winners.gather(1, label[:, None])[:, 0] | (~decided & (answer == label))
        correct_if_tied += int(right_or_tied.sum())
        found.append(Answers(answer.to("cpu", torch.uint8), step.to("cpu", torch.uint8), decided.cpu()))
    answers = Answers(*map(torch.cat, zip(*found, strict=True)))
    n, correct, silent, steps = answers.counts(labels)
    sums = (tuple(count.tolist()) for count in (spikes, arriving, additions))
    return Evaluation(n, correct, correct_if_tied, silent, steps, *sums), answers


def _check_labels(architecture: Architecture, images: Tensor, labels: Tensor) -> None:
    """Raise `InputError` unless there is one label for each image, and every label is one of the network's classes."""
    (classes,) = architecture.shapes()[-1]
    if not 0 < len(images) == labels.numel() or labels.ndim != 1 or labels.dtype != torch.int64:
        found = f"{list(labels.shape)} of {labels.dtype} for {len(images)} images"
        raise InputError(f"there must be a label of type torch.int64 for each image, at least one, not {found}")
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"labels must be from 0 to {classes - 1}, the network's classes")

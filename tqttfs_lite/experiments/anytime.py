"""How much of an image can be known after s time steps: a conventional network of the same shape that may stop early.

After s steps, a spiking network has received the pixels that have spiked by then, and no other method can know more
about the image.  A conventional network of the slides' shapes gets the same information: the spike times so far, as
brightness, with 0 for the pixels that have not spiked yet, and the number of steps.  It answers when its confidence
reaches a threshold, as is usual for anytime classifiers (Huang et al. 2018, "Multi-scale dense networks for resource
efficient image classification").  Like the output threshold of `dial`, this threshold gives a curve of accuracy against
mean steps.

It is a reference, not an upper bound: a larger network, or one that is trained better, may know more.

    python -m tqttfs_lite.experiments.anytime        trains the missing networks of `STUDY`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
from jaxtyping import Float, Int64, UInt8
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tqttfs_lite import files
from tqttfs_lite.errors import one_sentence
from tqttfs_lite.experiments import dial, paths, used_files
from tqttfs_lite.experiments.checks import STRICT, parse, reading_counts
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.datasets import Images, load
from tqttfs_lite.experiments.devices import training_dtype
from tqttfs_lite.experiments.dial import Dial
from tqttfs_lite.experiments.evaluation import Count, Curve
from tqttfs_lite.experiments.experiment import Made, made
from tqttfs_lite.experiments.trainer import augment, schedule
from tqttfs_lite.experiments.training import reuse_memory
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.notation import Architecture, Convolution, Linear, Pooling

THRESHOLDS = tuple(1 - 2 ** (-n / 4) for n in range(1, 61))  # of the confidence: from 0.16 to 0.99997
LEARNING_RATES = (1e-3, 2e-3, 4e-3)
FOLDER = "anytime"  # in the data folder
COMMAND = "python -m tqttfs_lite.experiments.anytime"
CPU = torch.device("cpu")


class Network(nn.Module):
    """A ReLU network of an architecture's shape, in which every neuron or filter has a bias for each number of steps.

    Dropout is applied to hidden fully connected layers, and pooling is max pooling.  Quantization degrees are ignored.
    """

    def __init__(self, architecture: Architecture, time_steps: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.architecture, self.time_steps = architecture, time_steps
        inputs = iter(architecture.input_shapes())
        self.layers, self.biases = nn.ModuleList(), nn.ModuleList()
        for layer in architecture.layers:
            if isinstance(layer, Pooling):
                self.layers.append(nn.MaxPool2d(layer.size))
                continue
            shape = next(inputs)
            if isinstance(layer, Linear):
                self.layers.append(nn.Linear(prod(shape), layer.features, bias=False))
                bias = nn.Embedding(time_steps + 1, layer.features)
            else:
                self.layers.append(nn.Conv2d(shape[0], layer.channels, layer.kernel, padding="same", bias=False))
                bias = nn.Embedding(time_steps + 1, layer.channels)
            nn.init.zeros_(bias.weight)
            self.biases.append(bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, spike_times: UInt8[Tensor, "B *image"], seen: Int64[Tensor, " B"]) -> Float[Tensor, "B classes"]:
        """The logits of each image after `seen` of its time steps, from 1 to T; a spike at t is seen after t + 1."""
        T, biases = self.time_steps, iter(self.biases)
        brightness = 1 - spike_times.float() / max(1, T - 1)
        known = spike_times < seen.view(-1, *[1] * (spike_times.ndim - 1))
        x = torch.where(known, brightness, 0).view(-1, *self.architecture.image_shape)
        for i, (layer, kind) in enumerate(zip(self.layers, self.architecture.layers, strict=True)):
            if isinstance(kind, Pooling):
                x = layer(x)
                continue
            bias = next(biases)(seen)
            if isinstance(kind, Convolution):
                x = functional.relu(layer(x) + bias[:, :, None, None])
            else:
                x = layer(x.flatten(1)) + bias
                if i < len(self.layers) - 1:
                    x = self.dropout(functional.relu(x))
        return x


@dataclass(frozen=True)
class Reference:
    """A trained reference: its settings, its history, and the number of correct answers by the step at which it stops.

    Settings that a conventional network does not have are at their defaults.
    """

    config: TrainingConfig
    losses: tuple[float, ...]  # mean of each epoch, in nats
    validation_by_step: tuple[int, ...]  # correct answers if every image stops after 1, 2, ..., T steps
    test_by_step: tuple[int, ...]
    dial: Dial  # for confidence thresholds; images that never reach one count as silent and are answered after T steps
    made: Made

    @property
    def used_files(self) -> tuple[str, ...]:
        """The name of its file."""
        return (used_files.name(reference_file(self.config)),)

    @property
    def validation_accuracy(self) -> float:
        """Correct answers on the validation images in percent, averaged over all numbers of steps."""
        by_step = self.validation_by_step
        return 100 * sum(by_step) / (len(by_step) * self.dial.validation.images)


def run(config: TrainingConfig, *, progress: bool = True) -> Reference:
    """The reference for a configuration: read from its file if there is one, otherwise trained, measured and stored.

    Raises `DatasetError` if the data set is missing, and the same errors as `read`.
    """
    if not reference_file(config).exists():
        origin = made(CPU)
        network, losses = train(config, progress=progress)
        (validation, by_step), (test, test_by_step) = (
            measure(network, load(config.dataset, split)) for split in ("validation", "test")
        )
        write(Reference(config, losses, by_step, test_by_step, Dial(THRESHOLDS, validation, test), origin))
    return read(reference_file(config))


def train(config: TrainingConfig, *, progress: bool = True) -> tuple[Network, tuple[float, ...]]:
    """Minimise the cross-entropy for random numbers of steps; returns the network with averaged weights and the losses.

    The optimizer, the learning-rate schedule and the data augmentation are those of the spiking networks.
    """
    reuse_memory()
    data, dtype = load(config.dataset, "train"), training_dtype(CPU)
    batches = len(data) // config.batch_size
    losses: list[float] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = Network(Architecture.parse(config.architecture), config.time_steps, config.dropout)
        averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.averaging))
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(step / (config.epochs * batches)))
        for epoch in range(1, config.epochs + 1):
            total = 0.0
            for chosen in torch.randperm(len(data))[: batches * config.batch_size].view(batches, -1):
                spike_times = encode(augment(data.images[chosen], config), config.time_steps)
                seen = torch.randint(1, config.time_steps + 1, (len(chosen),))
                with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
                    logits = network(spike_times, seen)
                loss = functional.cross_entropy(logits.float(), data.labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                rate.step()
                averaged.update_parameters(network)
                total += loss.item()
            losses.append(total / batches)
            if progress:
                print(f"{config.name}: epoch {epoch} of {config.epochs}, loss {losses[-1]:.4f}", file=sys.stderr)
    trained = averaged.module
    assert isinstance(trained, Network)
    return trained, tuple(losses)


@torch.no_grad()
def measure(
    network: Network, data: Images, thresholds: Sequence[float] = THRESHOLDS, *, batch_size: int = 250
) -> tuple[Curve, tuple[int, ...]]:
    """Counts for every confidence threshold, and correct answers for every step at which all images might stop.

    An image stops at the first step at which its largest class probability reaches the threshold.  Leaves the network
    in eval mode.
    """
    network.eval()
    T = network.time_steps
    counts = torch.zeros(3, len(thresholds), dtype=torch.int64)
    by_step = torch.zeros(T, dtype=torch.int64)
    for pixels, labels in zip(data.images.split(batch_size), data.labels.split(batch_size), strict=True):
        spike_times = encode(pixels, T)
        logits = [network(spike_times, torch.full_like(labels, seen)) for seen in range(1, T + 1)]
        confidence, answer = torch.stack(logits).softmax(dim=2).max(dim=2)  # [T, B]
        right = answer == labels
        by_step += right.sum(dim=1)
        for n, threshold in enumerate(thresholds):
            confident = confidence >= threshold
            decided = confident.any(dim=0)
            last = torch.where(decided, confident.int().argmax(dim=0), T - 1)  # [B], counted from 0
            found = (right.gather(0, last[None]).sum(), (~decided).sum(), (last + 1).sum())
            counts[:, n] += torch.stack(found)
    return Curve(len(data), *(tuple(row.tolist()) for row in counts)), tuple(by_step.tolist())


def reference_file(config: TrainingConfig) -> Path:
    return paths.data_directory() / FOLDER / f"{config.name}.json"


def write(reference: Reference) -> Path:
    """Store a reference as JSON; returns the file."""
    content = {"config_sha256": reference.config.hash, **asdict(reference), **asdict(reference.dial)}
    del content["dial"], content["unquantized"]  # a conventional network has no degrees
    return files.write_lines(reference_file(reference.config), content)


def read(path: Path) -> Reference:
    """The inverse of `write`; raises `ResultError` if the file is missing, damaged or inconsistent."""
    with reading_counts(path, COMMAND):
        stored = parse(path.read_bytes(), _Stored)
        config, T = stored.config, stored.config.time_steps
        if (config.hash, config.name) != (stored.config_sha256, path.stem):
            raise ValueError("its configuration has a different hash")
        if len(stored.losses) != config.epochs:
            raise ValueError(f"there must be a loss for each of {config.epochs} epochs, not {len(stored.losses)}")
        found = Dial(stored.thresholds, stored.validation, stored.test)
        dial.check(found, T)
        for by_step, curve in ((stored.validation_by_step, found.validation), (stored.test_by_step, found.test)):
            if len(by_step) != T or max(by_step) > curve.images:
                raise ValueError(f"there must be {T} counts of at most {curve.images} right answers")
    return Reference(config, stored.losses, stored.validation_by_step, stored.test_by_step, found, stored.made)


def read_all() -> list[Reference]:
    """All stored references, including those trained to choose a learning rate, in the order of their names."""
    return [read(path) for path in sorted((paths.data_directory() / FOLDER).glob("[!.]*.json"))]


class _Stored(BaseModel):
    model_config = STRICT

    config_sha256: str
    config: TrainingConfig
    losses: tuple[Annotated[float, Field(ge=0)], ...]
    validation_by_step: tuple[Count, ...]
    test_by_step: tuple[Count, ...]
    thresholds: tuple[float, ...]
    validation: Curve
    test: Curve
    made: dict[str, str | int]


class Task(NamedTuple):
    """A network to train as a reference: first with each learning rate, then with the best one and several seeds."""

    config: TrainingConfig  # with seed 0; its learning rate is not used
    epochs_to_choose: int  # for which each learning rate is trained
    seeds: int


_COMMON: dict[str, Any] = {"dropout": 0.2, "shift": 1, "averaging": 0.999}
_PERCEPTRON = {**_COMMON, "epochs": 25, "batch_size": 256}
STUDY = (
    Task(TrainingConfig("784-400-400-10", "fashion-mnist", 16, **_PERCEPTRON), epochs_to_choose=4, seeds=3),
    Task(
        TrainingConfig("28x28-16C5-P2-32C5-P2-800-128-10", "fashion-mnist", 16, epochs=14, flip=True, **_COMMON),
        epochs_to_choose=2,
        seeds=1,
    ),
    Task(TrainingConfig("784-400-10", "mnist", 8, **_PERCEPTRON), epochs_to_choose=4, seeds=3),
)


def choose(task: Task, *, progress: bool = True) -> list[TrainingConfig]:
    """The task's configurations by seed, with the learning rate that has the best mean validation accuracy."""
    tried = [
        run(replace(task.config, learning_rate=rate, epochs=task.epochs_to_choose), progress=progress)
        for rate in LEARNING_RATES
    ]
    best = max(tried, key=lambda reference: reference.validation_accuracy)
    chosen = replace(task.config, learning_rate=best.config.learning_rate)
    return [replace(chosen, seed=seed) for seed in range(task.seeds)]


def stored(task: Task) -> list[Reference]:
    """The stored references of a task, with the chosen learning rate, in the order of their seeds."""
    found = [reference for reference in read_all() if _of_task(reference.config, task)]
    return sorted(found, key=lambda reference: reference.config.seed)


def _of_task(config: TrainingConfig, task: Task) -> bool:
    return replace(config, learning_rate=task.config.learning_rate, seed=0) == task.config


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the missing references, all or only some of them, one after another."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog=COMMAND)
    names = [Architecture.parse(task.config.architecture).unquantized for task in STUDY]
    parser.add_argument("--networks", nargs="+", choices=names, default=names)
    options = parser.parse_args(arguments)
    for name, task in zip(names, STUDY, strict=True):
        if name in options.networks:
            for config in choose(task):
                print(f"{config.name}: {run(config).validation_accuracy:.2f} % of the validation images")


if __name__ == "__main__":
    with one_sentence(COMMAND):
        main()

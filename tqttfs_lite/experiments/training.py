"""Surrogate-gradient training of a `TrainingConfig`, with a checkpoint every epoch from which a killed run goes on."""

from __future__ import annotations

import contextlib
import ctypes
import math
import sys
import time
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from tqttfs_lite.errors import CheckpointError, DivergenceError
from tqttfs_lite.experiments import checkpoints, datasets, paths
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.datasets import load
from tqttfs_lite.experiments.evaluation import evaluate
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.losses import LOSSES
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture
from tqttfs_lite.spiking.rate_coding import Network, RateNetwork

WARM_UP = 0.1  # of the epochs
ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


class Epoch(NamedTuple):
    """One line of a training's history."""

    loss: float  # mean over the epoch's batches
    validation_accuracy: float  # percent
    validation_steps: float  # mean inference time steps
    seconds: float


class Trained(NamedTuple):
    """A finished training: the averaged weights, rounded as they are released, and how they came about."""

    network: Network
    history: list[Epoch]


def train(config: TrainingConfig, *, progress: bool = True) -> Trained:
    """Train from scratch, or from the last whole epoch of a run of the same configuration that was cut off.

    Progress is a bar on a terminal, and elsewhere a line an epoch, which stays readable where runs share a log.
    Every epoch draws its random numbers from the seed and its own number alone, so that on the same machine, with as
    many threads, a resumed run ends with the same weights, bit for bit, as one that was never cut off.
    Raises `DatasetError` where the data sets are missing or damaged, `CheckpointError` where the state of an unfinished
    run is, and `DivergenceError` where the loss is no longer a number.
    """
    reuse_memory()
    data, held_out = load(config.dataset, "train"), load(config.dataset, "validation")
    state = _State(config)
    resumable = state_file(config)
    history = state.read(resumable) if resumable.exists() else []
    batches = len(data.images) // config.batch_size
    name = f"{config.dataset} {config.architecture} seed {config.seed}"
    bar = tqdm(
        total=config.epochs * batches,
        initial=len(history) * batches,
        desc=name,
        unit="batch",
        disable=None if progress else True,  # None: on a terminal only
    )
    with bar, torch.random.fork_rng():
        for epoch in range(len(history), config.epochs):
            torch.manual_seed(_epoch_seed(config.seed, epoch))
            started, total = time.perf_counter(), 0.0
            order = torch.randperm(len(data.images))[: batches * config.batch_size]
            for i, chosen in enumerate(order.split(config.batch_size)):
                total += state.step(_augment(data.images[chosen], config), data.labels[chosen], epoch + i / batches)
                bar.update()
            score = evaluate(state.averaged, held_out.images, held_out.labels)
            seconds = time.perf_counter() - started
            history.append(Epoch(total / batches, score.accuracy, score.mean_steps, seconds))
            told = f"loss {total / batches:.3f}, validation {score.accuracy:.2f} %"
            bar.set_postfix_str(f"epoch {epoch + 1}, {told}")
            if progress and bar.disable:
                left = tqdm.format_interval(mean(e.seconds for e in history) * (config.epochs - len(history)))
                print(f"{name}: epoch {epoch + 1} of {config.epochs}, {told}, {left} left", file=sys.stderr, flush=True)
            state.write(resumable, history)
    checkpoints.round_weights(state.averaged)
    return Trained(state.averaged, history)


def state_file(config: TrainingConfig) -> Path:
    """Where an unfinished training keeps all that it needs to go on."""
    return paths.runs_directory() / f"{config.name}.state.safetensors"


def finished_epochs(config: TrainingConfig) -> int:
    """How many epochs of an unfinished training are done."""
    path = state_file(config)
    return len(checkpoints.read_tensors(path)[1]["history"]) if path.exists() else 0


def seconds_per_epoch(config: TrainingConfig, batches: int = 8) -> float:
    """How long an epoch takes on this machine, from a few batches of blank images, without the validation."""
    state = _State(config)
    dataset = datasets.get(config.dataset)
    pixels = torch.zeros(config.batch_size, *dataset.image_shape, dtype=torch.uint8)
    labels = torch.zeros(config.batch_size, dtype=torch.int64)
    with torch.random.fork_rng():
        state.step(pixels, labels, 0.0)  # the first one also reserves memory
        started = time.perf_counter()
        for _ in range(batches):
            state.step(pixels, labels, 0.0)
    seconds = (time.perf_counter() - started) / batches
    return seconds * (dataset.sizes.train // config.batch_size)


def training_dtype() -> torch.dtype:
    """bfloat16 for the matrix products where the processor multiplies it in hardware, float32 elsewhere."""
    return torch.bfloat16 if torch.cpu.get_capabilities().get("avx512_bf16") else torch.float32


def build(config: TrainingConfig) -> Network:
    """The configuration's network with its initial weights, which PyTorch's random state decides."""
    architecture = Architecture.parse(config.architecture)
    network: Network
    if config.coding == "rate":
        network = RateNetwork(architecture, config.time_steps, neuron=config.neuron, dropout=config.dropout)
    else:
        network = SpikingNetwork(
            architecture, config.time_steps, neuron=config.neuron, pooling=config.pooling, dropout=config.dropout
        )
    for weight in network.parameters():
        bound = config.initial_gain / math.sqrt(weight[0].numel())
        torch.nn.init.uniform_(weight, -bound, bound)
    return network


class _State:
    """All that changes while a network is trained."""

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.network = build(config)
        self.averaged = deepcopy(self.network).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), weight_decay=config.weight_decay, fused=True)
        self.steps = 0

    def step(self, pixels: Tensor, labels: Tensor, epoch: float) -> float:
        """One batch, at this fraction of epochs; returns the loss."""
        config = self.config
        self.optimizer.param_groups[0]["lr"] = config.learning_rate * _schedule(epoch / config.epochs)
        loss = self._loss(pixels, labels)
        if not math.isfinite(loss.item()):
            raise DivergenceError(f"the loss became {loss.item()}: take a learning_rate below {config.learning_rate}")
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        # The running mean forgets the first weights faster than the later ones.
        decay = min(config.averaging, self.steps / (self.steps + 10))
        torch._foreach_lerp_([*self.averaged.parameters()], [w.detach() for w in self.network.parameters()], 1 - decay)
        return loss.item()

    def _loss(self, pixels: Tensor, labels: Tensor) -> Tensor:
        config = self.config
        with torch.autocast("cpu", torch.bfloat16, enabled=training_dtype() == torch.bfloat16):
            if isinstance(self.network, RateNetwork):
                counts = self.network(pixels).counts
                return functional.cross_entropy(config.sharpness * counts.float(), labels)
            output = self.network(encode(pixels, config.time_steps))
        return LOSSES[config.loss](output, labels, config)

    def read(self, path: Path) -> list[Epoch]:
        """Go on from a file that `write` made; returns the history so far."""
        try:
            tensors, metadata = checkpoints.read_tensors(path)
            self.network.load_state_dict({key: tensors[f"weight.{key}"] for key in self.network.state_dict()})
            self.averaged.load_state_dict({key: tensors[f"averaged.{key}"] for key in self.averaged.state_dict()})
            for i, weight in enumerate(self.network.parameters()):
                self.optimizer.state[weight] = {key: tensors[f"adam.{i}.{key}"] for key in ADAM_STATE}
            self.steps = metadata["steps"]
            return [Epoch(*line) for line in metadata["history"]]
        except (CheckpointError, KeyError, RuntimeError, TypeError) as damage:
            raise CheckpointError(f"{path} is damaged, delete it to start again: {damage}") from None

    def write(self, path: Path, history: list[Epoch]) -> None:
        tensors = {f"weight.{key}": value for key, value in self.network.state_dict().items()}
        tensors |= {f"averaged.{key}": value for key, value in self.averaged.state_dict().items()}
        for i, state in enumerate(self.optimizer.state.values()):
            tensors |= {f"adam.{i}.{key}": state[key] for key in ADAM_STATE}
        checkpoints.write_tensors(tensors, {"steps": self.steps, "history": history}, path)


def reuse_memory() -> None:
    """Have glibc keep freed blocks instead of returning them: fresh pages cost more than the arithmetic on them."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        largest = 2**30
        mallopt(-1, largest)  # M_TRIM_THRESHOLD
        mallopt(-3, largest)  # M_MMAP_THRESHOLD


def _schedule(progress: float) -> float:
    """The learning rate over its peak: up over the first tenth, then down as a cosine."""
    if progress < WARM_UP:
        return progress / WARM_UP
    return (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2


def _epoch_seed(seed: int, epoch: int) -> int:
    """A random seed for each epoch of each run, none of them shared."""
    return int.from_bytes(sha256(f"{seed} {epoch}".encode()).digest()[:6], "big")


def _augment(
    pixels: UInt8[Tensor, "B *channels height width"], config: TrainingConfig
) -> UInt8[Tensor, "B *channels height width"]:
    """Move every image by up to `shift` pixels, black moving in, and mirror half of them where `flip` is set.

    The channels of an image, where it has an axis of them, move together.
    """
    batch, (height, width) = len(pixels), pixels.shape[-2:]
    image = torch.arange(batch)[:, None, None]
    if reach := config.shift:
        padded = functional.pad(pixels, (reach, reach, reach, reach))
        down, right = torch.randint(0, 2 * reach + 1, (2, batch, 1, 1))
        moved = padded[image, ..., down + torch.arange(height)[:, None], right + torch.arange(width)]
        pixels = moved.movedim((1, 2), (-2, -1))  # the indices' axes come first
    if config.flip:
        mirrored = torch.rand(batch) < 0.5
        pixels = torch.where(mirrored.view(-1, *[1] * (pixels.ndim - 1)), pixels.flip(-1), pixels)
    return pixels

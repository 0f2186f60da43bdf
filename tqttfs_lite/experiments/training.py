"""Surrogate-gradient training of configurations, with checkpoints from which an interrupted run resumes."""

from __future__ import annotations

import ctypes
import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from tqttfs_lite.errors import CheckpointError, DivergenceError
from tqttfs_lite.experiments import checkpoints, datasets, devices, paths
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.datasets import Images, content_sum, load
from tqttfs_lite.experiments.evaluation import Function, in_float32
from tqttfs_lite.experiments.trainer import Trainer
from tqttfs_lite.spiking.rate_coding import Network

MakeTrainer = Callable[[TrainingConfig, Images, Images], Trainer]
SECONDS_BETWEEN_CHECKPOINTS = 10  # at least, on a GPU, where an epoch may take less time than storing it


class Epoch(NamedTuple):
    """One epoch in the history of a training run."""

    loss: float  # mean over the epoch's batches
    validation_accuracy: float  # percent
    validation_steps: float  # mean inference time steps
    seconds: float  # for trainings that run in parallel, each one's share


class Trained(NamedTuple):
    """A finished training run: the network with the averaged weights, rounded as for a release, and its history."""

    network: Network
    history: list[Epoch]


def train(
    config: TrainingConfig,
    *,
    device: str | None = None,
    progress: bool = True,
    purpose: str = "",
    trainer: MakeTrainer = Trainer,
) -> Trained:
    """Train a configuration from scratch, or resume it from the last checkpoint if it was interrupted.

    Returns the `network`, with averaged weights rounded as for a release, and its `history`.

    `device` is cpu, cuda, cuda:1, mps or auto, which is also the default: cuda if available, otherwise cpu.  The
    trained network stays on it.  Random numbers depend only on the seed and the number of the epoch.  Therefore, with
    the same machine and number of threads, a resumed run ends with exactly the same weights as an uninterrupted one.
    A training with a `purpose` never resumes from the state of a training with another purpose.

    Raises `InputError` if the device is not available, `DatasetError` if the data set is missing or damaged,
    `CheckpointError` if the state of an unfinished run is damaged, and `DivergenceError` if the loss is not finite.
    """
    with closing(Progress([config], shown=progress, note=purpose.replace(".", ", "))) as shown:
        return train_together([config], device=device, progress=shown, purpose=purpose, trainer=trainer)[0]


def whatever_the_caller_does(function: Function) -> Function:
    """Make a function train in the same way within `torch.autocast`, `no_grad` and `inference_mode` as outside them."""
    return in_float32(torch.inference_mode(False)(torch.enable_grad()(function)))


@whatever_the_caller_does
def train_together(
    configs: Sequence[TrainingConfig],
    *,
    device: str | None,
    progress: Progress,
    purpose: str = "",
    trainer: MakeTrainer = Trainer,
) -> list[Trained]:
    """`train` for several configurations, which take turns batch by batch; on an NVIDIA GPU they run in parallel.

    Each network ends with the weights that it would have if it were trained alone.  Raises the same errors as `train`.
    """
    reuse_memory()
    place = devices.choose(device)
    read = cache(load)  # which checks the files' checksums on every call
    split = cache(lambda dataset, name: read(dataset, name).to(place))
    sums = cache(lambda dataset: [content_sum(read(dataset, name)) for name in ("train", "validation")])
    runs = [
        _Run(
            trainer(c, split(c.dataset, "train"), split(c.dataset, "validation")),
            sums(c.dataset),
            state_file(c, purpose),
        )
        for c in configs
    ]
    progress.skip(sum(len(run.history) * run.trainer.batches for run in runs))
    while running := [run for run in runs if not run.finished]:
        started = time.perf_counter()
        for run in running:
            run.trainer.begin(len(run.history))
        for batch in range(max(run.trainer.batches for run in running)):
            for run in running:
                if batch < run.trainer.batches:
                    run.trainer.step()
                    progress.step()
        for run in running:
            run.trainer.end()
        scores = [run.trainer.score() for run in running]  # here the host waits
        seconds = (time.perf_counter() - started) / len(running)
        for run, score in zip(running, scores, strict=True):
            run.add(Epoch(*score, seconds))
            progress.tell(run)
    for run in runs:
        checkpoints.round_weights(run.trainer.averaged)
    return [Trained(run.trainer.averaged, run.history) for run in runs]


class Progress:
    """The progress of several trainings, in parallel or one after another, and the remaining time for all of them.

    On a terminal it is a bar; elsewhere it is one line per epoch, which stays readable if several runs share a log.
    """

    def __init__(self, configs: Sequence[TrainingConfig], *, shown: bool = True, note: str = "") -> None:
        self._left = sum(c.epochs * _batches(c) for c in configs)
        self._done, self._started = 0, time.perf_counter()
        self._note = note  # what the trainings are for
        name = f"{_title(configs[0])}{note}" if len(configs) == 1 else f"{len(configs)} networks"
        self._bar = tqdm(total=self._left, desc=name, unit="batch", disable=None if shown else True)  # None: a terminal
        self._in_lines = shown and self._bar.disable

    def close(self) -> None:
        self._bar.close()

    def skip(self, batches: int) -> None:
        """Leave out batches that were done earlier, or that will not be done."""
        self._left -= batches
        if batches and not self._bar.disable:
            self._bar.total -= batches
            self._bar.refresh()

    def step(self) -> None:
        self._done += 1
        self._bar.update()

    def tell(self, run: _Run) -> None:
        """Show that a training has completed an epoch."""
        epochs, last = run.trainer.config.epochs, run.history[-1]
        told = f"loss {last.loss:.3f}, validation {last.validation_accuracy:.2f} %"
        self._bar.set_postfix_str(f"epoch {len(run.history)}, {told}")
        if self._in_lines:
            seconds = (time.perf_counter() - self._started) / self._done * (self._left - self._done)
            left = tqdm.format_interval(max(0, seconds))
            line = (
                f"{_title(run.trainer.config)}{self._note}: epoch {len(run.history)} of {epochs}, {told}, {left} left"
            )
            print(line, file=sys.stderr, flush=True)


def _batches(config: TrainingConfig) -> int:
    """The number of batches per epoch."""
    return datasets.get(config.dataset).sizes.train // config.batch_size


def _title(config: TrainingConfig) -> str:
    return f"{config.dataset} {config.architecture} seed {config.seed}"


class _Run:
    """A training run, its history, and the file from which it resumes."""

    def __init__(self, trainer: Trainer, sums: list[str], file: Path) -> None:
        self.trainer = trainer
        self.origin = {"config": trainer.config.hash, "images": sums}
        self.file = file
        self.history = self._read() if self.file.exists() else []
        self._written = -float("inf")

    @property
    def finished(self) -> bool:
        return len(self.history) == self.trainer.config.epochs

    def add(self, epoch: Epoch) -> None:
        """Add an epoch to the history, and store the state from which the next one starts.

        Raises `DivergenceError` if the loss is not finite.
        """
        if not math.isfinite(epoch.loss):
            allowed = self.trainer.config.learning_rate
            raise DivergenceError(f"the loss became {epoch.loss}: use a learning_rate below {allowed}")
        self.history.append(epoch)
        pause = 0 if self.trainer.device.type == "cpu" else SECONDS_BETWEEN_CHECKPOINTS
        if self.finished or time.monotonic() - self._written >= pause:
            tensors = {name: tensor.cpu() for name, tensor in self.trainer.state().items()}
            checkpoints.write_tensors(tensors, {"origin": self.origin, "history": self.history}, self.file)
            self._written = time.monotonic()

    def _read(self) -> list[Epoch]:
        try:
            tensors, metadata = checkpoints.read_tensors(self.file)
            if metadata.get("origin", self.origin) != self.origin:  # older states have none
                raise CheckpointError("it has other settings or other images")
            self.trainer.go_on(tensors)
            return [Epoch(*line) for line in metadata["history"]]
        except (CheckpointError, KeyError, RuntimeError, TypeError) as damage:
            raise CheckpointError(f"{self.file} is damaged; delete it to start again: {damage}") from None


def state_file(config: TrainingConfig, purpose: str = "") -> Path:
    """The file with everything that an unfinished training needs in order to resume."""
    return paths.runs_directory() / f"{config.name}{purpose}.state.safetensors"


def finished_epochs(config: TrainingConfig, purpose: str = "") -> int:
    """How many epochs of an unfinished training are completed."""
    path = state_file(config, purpose)
    return len(checkpoints.read_tensors(path)[1]["history"]) if path.exists() else 0


@whatever_the_caller_does
def seconds_per_epoch(
    config: TrainingConfig, batches: int = 8, *, device: str | None = None, trainer: MakeTrainer = Trainer
) -> float:
    """Estimate how long an epoch takes on this machine, without validation, from a few batches of blank images."""
    dataset, count = datasets.get(config.dataset), config.batch_size * (batches + 1)
    pixels = torch.zeros(1, *dataset.image_shape, dtype=torch.uint8).expand(count, *dataset.image_shape)
    blank = Images(pixels, torch.zeros(count, dtype=torch.int64)).to(devices.choose(device))
    timed = trainer(config, blank, blank)
    timed.begin(0)
    timed.step()  # the first one also reserves memory
    timed.wait()
    started = time.perf_counter()
    for _ in range(batches):
        timed.step()
    timed.wait()
    seconds = (time.perf_counter() - started) / batches
    return seconds * _batches(config)


def reuse_memory() -> None:
    """Make glibc keep freed memory instead of returning it: new pages take longer than the arithmetic on them."""
    with suppress(OSError, AttributeError):  # a C library other than glibc
        mallopt = ctypes.CDLL(None).mallopt
        largest = 2**30
        mallopt(-1, largest)  # M_TRIM_THRESHOLD
        mallopt(-3, largest)  # M_MMAP_THRESHOLD

"""Conventional networks of the same shape, and intermediate steps towards one that decides by its first output spike.

They have the same layers and numbers of weights as the spiking network, and no biases.  Their activations are:

| activations | input | hidden layers | answer |
|---|---|---|---|
| relu | pixel intensities | ReLU | the highest output |
| input-levels | T levels | ReLU | the highest output |
| levels | T levels | T levels from 0 to 1, by quantization-aware training | the highest output |
| one-spike | a spike in one of T steps | TTFS neurons | the highest potential after the last step |

A first spike within T steps carries one of T levels, so a network with T levels receives as much information about its
input as the spiking one.  All are trained on the same images, with the same augmentation, for the same number of
epochs.  Each has its own learning rate, chosen on the validation images after a quarter of the epochs, among three
values and, as long as the best is the lowest or the highest, beyond them.

    python -m tqttfs_lite.experiments.conventional            # trains the missing networks and prints their scores
    python -m tqttfs_lite.experiments.conventional --help     # options to train only some of them

Results are in `data/conventional/`; the weights stay in `data/runs/`, which git ignores.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any, Literal, get_args

import torch
from filelock import FileLock
from jaxtyping import Float, UInt8
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional

from tqttfs_lite import files
from tqttfs_lite.errors import DivergenceError, ResultError, at_least, one_sentence
from tqttfs_lite.experiments import checkpoints, datasets, experiment, paths, used_files
from tqttfs_lite.experiments.checks import STRICT, parse
from tqttfs_lite.experiments.config import TrainingConfig, recipe
from tqttfs_lite.experiments.datasets import Images, load
from tqttfs_lite.experiments.evaluation import Count, evaluate, in_float32
from tqttfs_lite.experiments.trainer import augment, epoch_seed, schedule
from tqttfs_lite.experiments.training import reuse_memory
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture, Convolution

Activations = Literal["relu", "input-levels", "levels", "one-spike"]
# The settings that these networks share with the recipe; its others concern spikes, or are the same in every recipe.
SHARED = ("epochs", "batch_size", "weight_decay", "dropout", "shift", "flip", "rotate", "zoom", "averaging")
FOLDER = "conventional"  # in the data folder
COMMAND = "python -m tqttfs_lite.experiments.conventional"
LEARNING_RATES = (1e-3, 2e-3, 4e-3)
# The slides' networks: data set, shape, time steps, and which activations they are trained with.
EVERY: tuple[Activations, ...] = get_args(Activations)
NETWORKS: tuple[tuple[str, str, int, tuple[Activations, ...]], ...] = (
    ("mnist", "784-400-10", 8, EVERY),
    ("fashion-mnist", "784-400-400-10", 16, EVERY),
    ("fashion-mnist", "28x28-16C5-P2-32C5-P2-800-128-10", 16, ("relu", "levels")),
)


@dataclass(frozen=True)
class Conventional:
    """The configuration of a network: its activations, and its settings, where those about spikes are the defaults."""

    activations: Activations
    settings: TrainingConfig

    @property
    def name(self) -> str:
        """The name of its files, which includes a hash because other settings may have the same readable part."""
        s = self.settings
        network = Architecture.parse(s.architecture).unquantized
        kind = f"{self.activations}{'' if self.activations == 'relu' else s.time_steps}"
        return f"{s.dataset}_{network}_{kind}_lr{s.learning_rate:g}_seed{s.seed}_{s.hash[:8]}"


class Score(BaseModel):
    """Counts over a data set, corresponding to `evaluation.Evaluation` for spiking networks."""

    model_config = STRICT

    images: Annotated[int, Field(ge=1)]
    correct: Count
    # For each layer, summed over images:
    arriving: tuple[Count, ...]  # inputs that are not 0
    # Operations for these inputs, one for every neuron that an input reaches; for spikes, they are only additions:
    multiply_accumulates: tuple[Count, ...]

    @property
    def accuracy(self) -> float:
        """Correct answers in percent."""
        return 100 * self.correct / self.images


class Epoch(BaseModel):
    """One epoch in the history of a training run."""

    model_config = STRICT

    loss: float
    validation_accuracy: float  # percent
    seconds: float


class Result(BaseModel):
    """A trained network: its scores, and how it was made.  It has a `test` score only with the chosen learning rate."""

    model_config = STRICT

    activations: Activations
    settings: TrainingConfig
    history: tuple[Epoch, ...]
    validation: Score
    test: Score | None
    data_sha256: dict[str, str]
    made: dict[str, str | int]

    @property
    def config(self) -> Conventional:
        return Conventional(self.activations, self.settings)

    @property
    def used_files(self) -> tuple[str, ...]:
        """The name of its file."""
        return (used_files.name(result_file(self.config)),)


def configuration(
    activations: Activations, dataset: str, network: str, time_steps: int, *, learning_rate: float, **changes: Any
) -> Conventional:
    """The configuration of a network with this shape, by the recipe of the spiking network with this many time steps.

    >>> configuration("levels", "mnist", "784-400-10", 8, learning_rate=0.002).settings.epochs
    40
    """
    usual = recipe(network, dataset, time_steps)
    shared = {name: getattr(usual, name) for name in SHARED}
    settings = {**shared, "learning_rate": learning_rate, **changes}
    return Conventional(activations, TrainingConfig(network, dataset, time_steps, **settings))


class ConventionalNetwork(nn.Module):
    """A network whose activations are not spikes, [B, *image] bytes -> [B, classes].

    Pooling is max pooling, which gives the same before and after these activations, so that only levels are passed on.
    """

    def __init__(self, config: Conventional, generator: torch.Generator | None = None) -> None:
        super().__init__()
        architecture = Architecture.parse(config.settings.architecture)
        self.activations, self.time_steps = config.activations, config.settings.time_steps
        self.shape, self.dropout, self.generator = architecture.image_shape, config.settings.dropout, generator
        self.windows = architecture.windows
        synapses: list[nn.Module] = []
        for layer, inputs in zip(architecture.spiking_layers, architecture.input_shapes(), strict=True):
            if isinstance(layer, Convolution):
                synapses.append(nn.Conv2d(inputs[0], layer.channels, layer.kernel, padding="same", bias=False))
            else:
                synapses.append(nn.Sequential(nn.Flatten(), nn.Linear(math.prod(inputs), layer.features, bias=False)))
        self.synapses = nn.ModuleList(synapses)
        _initialise(self)

    def forward(self, pixels: UInt8[Tensor, "B *image"]) -> Float[Tensor, "B classes"]:
        return self.layer_inputs(pixels)[1]

    def layer_inputs(self, pixels: UInt8[Tensor, "B *image"]) -> tuple[list[Tensor], Float[Tensor, "B classes"]]:
        """The input of every layer, and the output."""
        T = self.time_steps
        brightness = pixels / 255 if self.activations == "relu" else (T - 1 - encode(pixels, T).float()) / (T - 1)
        x, read = brightness.reshape(-1, *self.shape), []
        for synapse, window in zip(self.synapses, self.windows, strict=True):
            read.append(x)
            x = synapse(x)
            if synapse is not self.synapses[-1]:
                x = self._activate(functional.max_pool2d(x, window) if window > 1 else x)
        return read, x

    def _activate(self, x: Tensor) -> Tensor:
        if self.activations == "levels":  # rounded forwards, the identity between the ends backwards
            top = self.time_steps - 1
            x = torch.fake_quantize_per_tensor_affine(x, 1 / top, 0, 0, top)
        else:
            x = functional.relu(x)
        if self.training and self.dropout:
            keep = torch.empty_like(x).bernoulli_(1 - self.dropout, generator=self.generator)
            x = x * keep / (1 - self.dropout)
        return x


class OneSpikeNetwork(nn.Module):
    """The spiking network read by potentials: [B, *image] bytes -> [B, classes], the potentials at the last step."""

    def __init__(self, config: Conventional, generator: torch.Generator | None = None) -> None:
        super().__init__()
        s = config.settings
        self.spiking = SpikingNetwork(Architecture.parse(s.architecture), s.time_steps, dropout=s.dropout)
        self.spiking.generator, self.sharpness = generator, s.sharpness
        _initialise(self)

    def forward(self, pixels: UInt8[Tensor, "B *image"]) -> Float[Tensor, "B classes"]:
        V: Tensor = self.spiking(encode(pixels, self.spiking.time_steps)).V[-1]
        return self.sharpness * V

    def score(self, data: Images) -> Score:
        """Counts up to the last step, of the same network with output weights so small that no output neuron fires."""
        silenced = deepcopy(self.spiking)
        with torch.no_grad():
            silenced.layers[-1].weight.mul_(2.0**-40)  # a power of 2, so that all sums are scaled exactly
        found = evaluate(silenced, data.images, data.labels)
        if found.silent < found.images:
            raise OverflowError("an output neuron fires although its weights are scaled by 2^-40")
        return Score(
            images=found.images,
            correct=found.correct,
            arriving=found.arriving,
            multiply_accumulates=found.additions,
        )


Network = ConventionalNetwork | OneSpikeNetwork


def build(config: Conventional, generator: torch.Generator | None = None) -> Network:
    """The network of a configuration, with new weights; the generator draws the random numbers for dropout."""
    kind = OneSpikeNetwork if config.activations == "one-spike" else ConventionalNetwork
    return kind(config, generator)


def _initialise(network: nn.Module) -> None:
    for weight in network.parameters():
        nn.init.kaiming_uniform_(weight, nonlinearity="relu")


@torch.no_grad()
@in_float32
def score(network: Network, data: Images, batch_size: int = 500) -> Score:
    """Count correct answers, the inputs of each layer that are not 0, and the connections of these inputs.

    An input near the border of an image has fewer connections.
    """
    if isinstance(network, OneSpikeNetwork):
        return network.score(data)
    network.eval()
    correct, arriving, operations = 0, [0] * len(network.synapses), [0] * len(network.synapses)
    for pixels, labels in zip(data.images.split(batch_size), data.labels.split(batch_size), strict=True):
        read, output = network.layer_inputs(pixels)
        correct += int((output.argmax(dim=1) == labels).sum())
        for n, (synapse, x) in enumerate(zip(network.synapses, read, strict=True)):
            nonzero = (x != 0).float()
            arriving[n] += int(nonzero.sum())
            if isinstance(synapse, nn.Conv2d):
                reached = functional.conv2d(nonzero, torch.ones(1, *synapse.weight.shape[1:]), padding="same")
                operations[n] += int(reached.double().sum()) * synapse.out_channels
            else:
                operations[n] += int(nonzero.sum()) * next(synapse.parameters()).shape[0]
    return Score(images=len(data), correct=correct, arriving=tuple(arriving), multiply_accumulates=tuple(operations))


def train(config: Conventional, *, progress: bool = True) -> tuple[Network, tuple[Epoch, ...]]:
    """Minimise the cross-entropy by AdamW; returns the network with averaged weights, rounded as for a release.

    An interrupted run resumes after its last completed epoch.
    Raises `DivergenceError` if the loss is not finite, and `ResultError` if the stored state is damaged.
    """
    settings = config.settings
    data, held_out = (load(settings.dataset, split) for split in ("train", "validation"))
    generator = torch.Generator()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = build(config, generator)
    averaged = deepcopy(network).requires_grad_(False)
    batches = len(data) // settings.batch_size
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    steps = settings.epochs * batches
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(step / steps))
    history: list[Epoch] = []
    parts = {"network": network, "averaged": averaged, "optimizer": optimizer, "scheduler": scheduler}
    _resume(config, parts, history)
    done = len(history) * batches
    for epoch in range(len(history), settings.epochs):
        started, total = time.perf_counter(), 0.0
        generator.manual_seed(epoch_seed(settings.seed, epoch))
        order = torch.randperm(len(data), generator=generator)
        network.train()
        for chosen in order[: batches * settings.batch_size].split(settings.batch_size):
            pixels = augment(data.images[chosen], settings, generator)
            loss = functional.cross_entropy(network(pixels), data.labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            share = 1 - min(settings.averaging, (done + 1) / (done + 11))  # as in `trainer.Trainer`
            with torch.no_grad():
                for mean, weight in zip(averaged.parameters(), network.parameters(), strict=True):
                    mean.lerp_(weight, share)
            total, done = total + loss.item(), done + 1
        if not math.isfinite(total):
            raise DivergenceError(f"the loss became {total}: use a learning_rate below {settings.learning_rate}")
        accuracy = score(averaged, held_out).accuracy
        seconds = time.perf_counter() - started
        history.append(Epoch(loss=total / batches, validation_accuracy=accuracy, seconds=seconds))
        _keep(config, parts, history)
        if progress:
            left = seconds * (settings.epochs - epoch - 1)
            print(f"{config.name}: epoch {epoch + 1}, {accuracy:.2f} %, {left:.0f} s left", flush=True)
    checkpoints.round_weights(averaged)
    return averaged, tuple(history)


def _keep(config: Conventional, parts: Mapping[str, Any], history: Sequence[Epoch]) -> None:
    """Store the state from which a training resumes; each epoch seeds its own random numbers."""
    state = {name: part.state_dict() for name, part in parts.items()}
    with files.atomic_write(state_file(config)) as temporary:
        torch.save(state | {"history": [epoch.model_dump() for epoch in history]}, temporary)


def _resume(config: Conventional, parts: Mapping[str, Any], history: list[Epoch]) -> None:
    path = state_file(config)
    if not path.exists():
        return
    try:
        state = torch.load(path, weights_only=True)
        history.extend(Epoch(**epoch) for epoch in state["history"])
        for name, part in parts.items():
            part.load_state_dict(state[name])
    except (OSError, EOFError, UnpicklingError, RuntimeError, KeyError, ValueError) as damage:
        raise ResultError(f"{path.name} cannot be read; remove it to train from scratch: {damage}") from None


def run(config: Conventional, *, test: bool, progress: bool = True) -> Result:
    """The result of a configuration: read from its file if there is one, otherwise trained and stored.

    The test set is read only with `test=True`, which is for the chosen learning rate.  If two processes ask for the
    same configuration, only one of them trains it, and the other waits.

    Raises `DatasetError` if a data set is missing or damaged, `ResultError` if a stored file is damaged, and the same
    errors as `train`.
    """
    stored = _stored(config)
    if stored and (stored.test or not test):
        return stored
    paths.runs_directory().mkdir(parents=True, exist_ok=True)
    with FileLock(paths.runs_directory() / f"conventional_{config.name}.lock"):
        return _run(config, test=test, progress=progress)


def _stored(config: Conventional) -> Result | None:
    path = result_file(config)
    return read(path) if path.exists() else None


def _run(config: Conventional, *, test: bool, progress: bool) -> Result:
    """`run` while the configuration is locked; another process may have trained it in the meantime."""
    stored, weights = _stored(config), paths.runs_directory() / f"conventional_{config.name}.safetensors"
    if stored and (stored.test or not test):
        return stored
    network = build(config)
    if stored and weights.exists():
        network.load_state_dict(checkpoints.read_tensors(weights)[0])
    else:
        origin = experiment.made(torch.device("cpu")) | {"training_dtype": "float32"}
        network, history = train(config, progress=progress)
        checkpoints.write_tensors(network.state_dict(), {}, weights)
        held_out = score(network, load(config.settings.dataset, "validation"))
        stored = Result(
            activations=config.activations,
            settings=config.settings,
            history=history,
            validation=held_out,
            test=None,
            data_sha256=datasets.data_sums(config.settings.dataset),
            made=origin,
        )
    if test:
        stored = stored.model_copy(update={"test": score(network, load(config.settings.dataset, "test"))})
    write(stored)
    state_file(config).unlink(missing_ok=True)
    return stored


def study(activations: Activations, dataset: str, network: str, time_steps: int, seeds: int) -> list[Result]:
    """The results for every seed, with the learning rate that is best on the validation images after short trainings.

    These take a quarter of the epochs.  A learning rate for which the training diverges counts as the worst.
    """

    def config(rate: float, **changes: Any) -> Conventional:
        return configuration(activations, dataset, network, time_steps, learning_rate=rate, **changes)

    short = -(-config(LEARNING_RATES[0]).settings.epochs // 4)

    def right(rate: float) -> int:
        try:
            return run(config(rate, epochs=short), test=False).validation.correct
        except DivergenceError:
            return -1

    best = best_rate(right)
    return [run(config(best, seed=seed), test=True) for seed in range(seeds)]


def best_rate(score: Callable[[float], float]) -> float:
    """The learning rate with the highest score among `LEARNING_RATES` and, while it is at an end, half or twice that.

    No learning rate above 1 is tried.

    >>> best_rate(lambda rate: -abs(rate - 0.009))
    0.008
    """
    scores = {rate: score(rate) for rate in LEARNING_RATES}
    while True:
        best = max(scores, key=scores.__getitem__)
        if min(scores) < best < max(scores):
            return best
        beyond = best / 2 if best == min(scores) else best * 2
        if beyond > 1:
            return best
        scores[beyond] = score(beyond)


def directory() -> Path:
    return paths.data_directory() / FOLDER


def result_file(config: Conventional) -> Path:
    return directory() / f"{config.name}.json"


def state_file(config: Conventional) -> Path:
    """The file with the state from which an unfinished training resumes."""
    return paths.runs_directory() / f"conventional_{config.name}.state"


def write(result: Result) -> Result:
    """Store a result as readable JSON."""
    content = result.model_dump(mode="json") | {"settings": asdict(result.settings)}
    files.write_json(result_file(result.config), content)
    return result


def read(path: Path) -> Result:
    """The inverse of `write`; raises `ResultError` if the file is missing, damaged or inconsistent."""
    try:
        found = parse(path.read_bytes(), Result)
        if path.stem != found.config.name:
            raise ValueError("it was edited or renamed: its settings have a different name")
        if len(found.history) != found.settings.epochs:
            raise ValueError(f"history must have {found.settings.epochs} epochs, not {len(found.history)}")
        for counts in (found.validation, found.test):
            if counts:
                _check(counts, Architecture.parse(found.settings.architecture))
    except (OSError, ValueError) as damage:
        raise ResultError(f"{path.name} is not a readable result file: {damage}") from None
    return found


def _check(found: Score, architecture: Architecture) -> None:
    """Raise `ValueError` for impossible counts."""
    sizes, inputs = architecture.sizes(), [math.prod(shape) for shape in architecture.input_shapes()]
    if found.correct > found.images:
        raise ValueError(f"of {found.images} images {found.correct} cannot be right")
    if not len(found.arriving) == len(found.multiply_accumulates) == len(sizes):
        raise ValueError(f"there must be {len(sizes)} counts, one for each layer")
    for size, most, arrived, operations in zip(sizes, inputs, found.arriving, found.multiply_accumulates, strict=True):
        if arrived > most * found.images or operations > size.flops * found.images:
            raise ValueError(f"{arrived} inputs cannot take {operations} multiply-accumulates")


def released() -> dict[tuple[str, str, Activations], list[Result]]:
    """The results with test scores, one for each seed, by data set, network and activations.

    Raises `ResultError` if those of one key differ in more than the seed, e.g. in the chosen learning rate.
    """
    found = [result for path in sorted(directory().glob("*.json")) if (result := read(path)).test]

    def key(result: Result) -> tuple[str, str, Activations]:
        settings = result.settings
        return settings.dataset, Architecture.parse(settings.architecture).unquantized, result.activations

    groups = {k: list(group) for k, group in groupby(sorted(found, key=key), key)}
    for group in groups.values():
        if len({replace(result.settings, seed=0) for result in group}) > 1:
            names = ", ".join(f"{result.config.name}.json" for result in group)
            raise ResultError(f"these differ in more than the seed, keep only one group of them in {FOLDER}/: {names}")
    return groups


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the missing conventional networks, all or only some of them, one after another."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog=COMMAND)
    names = [network for _, network, *_ in NETWORKS]
    parser.add_argument("--networks", nargs="+", choices=names, default=names)
    parser.add_argument("--activations", nargs="+", choices=EVERY, default=EVERY)
    parser.add_argument("--seeds", type=at_least(1), default=5, help="number of seeds for each network (default: 5)")
    options = parser.parse_args(arguments)
    reuse_memory()
    for dataset, network, time_steps, kinds in NETWORKS:
        for kind in (k for k in kinds if network in options.networks and k in options.activations):
            for result in study(kind, dataset, network, time_steps, options.seeds):
                assert result.test
                print(f"{result.config.name}: {result.test.accuracy:.2f} % of the test images", flush=True)


if __name__ == "__main__":
    with one_sentence(COMMAND):
        main()

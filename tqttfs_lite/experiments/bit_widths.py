"""Trained networks in fixed point: scores by the number of bits per weight, with a scale per layer or per channel.

The weights are rounded as trained, without further training, and after a finish of a few epochs with rounded weights
(`experiments.finish`).  Every number of bits is evaluated on the validation images.  The fewest bits that preserve the
accuracy are chosen on them, and only these are evaluated on the test set, once.  Potentials are integers
(`spiking.fixed_point`).

    python -m tqttfs_lite.experiments.bit_widths        measures what is missing of `NETWORKS`, seed 0

Results are in `data/fixed_point/`, with the integer weights of the chosen networks of a finish.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

import torch
from filelock import FileLock
from pydantic import BaseModel, Field
from torch import Tensor

from tqttfs_lite import files
from tqttfs_lite.errors import ResultError, one_sentence
from tqttfs_lite.experiments import checkpoints, devices, experiment, finish, paths, results
from tqttfs_lite.experiments.checks import STRICT, parse, reading_counts
from tqttfs_lite.experiments.config import TrainingConfig, family, recipe
from tqttfs_lite.experiments.datasets import load
from tqttfs_lite.experiments.evaluation import Count, Evaluation, evaluate
from tqttfs_lite.experiments.results import FIXED_POINT, Result, beside
from tqttfs_lite.experiments.training import reuse_memory
from tqttfs_lite.spiking.fixed_point import FixedPointNetwork
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture

Scale = Literal["layer", "channel"]
SCALES: tuple[Scale, ...] = get_args(Scale)
COMMAND = "python -m tqttfs_lite.experiments.bit_widths"
# Bits per weight, by family; for a convolutional network, each takes minutes.
BITS = {"SMLP": (8, 7, 6, 5, 4, 3, 2), "SCNN": (8, 6, 5, 4, 3)}
FINISHED_BITS = {"SMLP": (8, 4, 3, 2), "SCNN": (8, 4, 3)}
TRIED_BITS, FRACTIONS = 3, (0.03, 0.1, 0.3, 1.0)  # of the learning rate: chosen for a finish with these bits
ALLOWED = 0.1  # percentage points of accuracy that rounding may cost
NETWORKS = (
    ("mnist", "784-400(1)-10(1)", 8),
    ("mnist", "784-400(1)-10(2)", 8),
    ("fashion-mnist", "784-400(1)-400(1)-10(1)", 16),
    ("fashion-mnist", "784-400(1)-400(2)-10(4)", 16),
    ("fashion-mnist", "28x28-16C5(1)-P2-32C5(1)-P2-800(1)-128(1)-10(1)", 16),
    ("fashion-mnist", "28x28-16C5(1)-P2-32C5(2)-P2-800(2)-128(4)-10(4)", 16),
)


class Scores(BaseModel):
    """The scores of a network with one kind of scale."""

    model_config = STRICT

    validation: tuple[Evaluation, ...]  # for each number of bits
    potential_bits: tuple[Annotated[int, Field(ge=2, le=32)], ...]  # for an accumulator without overflow, likewise
    test: Evaluation | None  # with the fewest bits that preserve the accuracy; None if none do


class Rounded(BaseModel):
    """The scores of a network by the number of bits, for both kinds of scale."""

    model_config = STRICT

    bits: tuple[int, ...]  # from many to few
    layer: Scores
    channel: Scores

    def scores(self, scale: Scale) -> Scores:
        found: Scores = getattr(self, scale)
        return found


class Tried(NamedTuple):
    """A fraction of the training's peak learning rate, tried for a finish with `TRIED_BITS` and a scale per layer."""

    fraction: float
    correct: Count  # validation images


class Finished(Rounded):
    """The scores after a finish, which starts anew from the trained network for every number of bits."""

    epochs: Annotated[int, Field(ge=1)]
    tried: tuple[Tried, ...]
    weights_sha256: dict[Scale, str]  # of the files with the integer weights that the test scores are for
    made: dict[str, str | int]


class FixedPoint(BaseModel):
    """The scores of a trained network in fixed point, and as it was trained."""

    model_config = STRICT

    config_sha256: str
    config: TrainingConfig
    checkpoint_sha256: str
    trained: Evaluation  # on the validation images, with the released weights
    rounded: Rounded  # without further training
    finished: Finished | None
    made: dict[str, str | int]

    @property
    def used_files(self) -> tuple[str, ...]:
        """The name of its file."""
        return (f"{FIXED_POINT[0]}/{self.config.name}{FIXED_POINT[1]}",)

    @property
    def parts(self) -> dict[str, Rounded]:
        """The scores without and, if there are any, with a finish."""
        return {"rounded": self.rounded} | ({"finished": self.finished} if self.finished else {})

    def fewest_bits(self, part: Rounded, scale: Scale) -> int | None:
        """The fewest bits for which, as for all larger numbers tried, the accuracy loss is at most `ALLOWED` points."""
        return fewest(part.bits, self.trained, part.scores(scale).validation)

    def chosen(self, part: Rounded, scale: Scale) -> Evaluation | None:
        """The score on the validation images with the fewest bits that preserve the accuracy; None if none do."""
        bits = self.fewest_bits(part, scale)
        return part.scores(scale).validation[part.bits.index(bits)] if bits else None


def fewest(bits: tuple[int, ...], trained: Evaluation, found: tuple[Evaluation, ...]) -> int | None:
    """`FixedPoint.fewest_bits` from counts in the order of the bits, the largest number first.

    >>> def right(correct: int) -> Evaluation:
    ...     return Evaluation(1000, correct, correct, 0, 1000, (0,))
    >>> fewest((8, 7, 6, 5), right(900), (right(901), right(899), right(898), right(900)))
    7
    """
    kept = None
    for number, score in zip(bits, found, strict=True):
        if 100 * (trained.correct - score.correct) > ALLOWED * score.images:
            break
        kept = number
    return kept


def run(config: TrainingConfig, *, device: str | None = None) -> FixedPoint:
    """The scores of a configuration's released network: read from their file if there is one, otherwise measured.

    The finish is trained on `device`: cpu, cuda, cuda:1, mps, or auto, which is also the default.
    If two processes ask for the same network, only one of them measures it, and the other waits.
    Raises `ResultError` if it is not released, and the same errors as `read`, `measure` and `measure_finish`.
    """
    if not (path := results.find(config, released_only=True)):
        raise ResultError(f"{config.name} is not released: there is nothing to round")
    result = results.read(path)
    paths.runs_directory().mkdir(parents=True, exist_ok=True)
    with FileLock(paths.runs_directory() / f"fixed_point_{config.name}.lock"):
        if not beside(result, *FIXED_POINT).exists():
            write(measure(result), result)
        measured = read(result)
        if not measured.finished:
            write(measured.model_copy(update={"finished": measure_finish(measured, result, device=device)}), result)
        finish.forget(result)  # also what a run that was killed after it had stored the scores left
    return read(result)


def measure(result: Result) -> FixedPoint:
    """Round a result's network, without further training, and evaluate it on the CPU.

    Raises the same errors as `experiment.trained_network`.
    """
    origin, network = experiment.made(torch.device("cpu")), experiment.trained_network(result)
    trained, bits = _evaluate(network, result, "validation"), BITS[_family(result)]
    found: dict[str, Scores] = {}
    for scale in SCALES:
        found[scale], _ = _score(partial(_rounded, network, scale), bits, trained, result)
    return FixedPoint(
        config_sha256=result.config.hash,
        config=result.config,
        checkpoint_sha256=result.checkpoint_sha256,
        trained=trained,
        rounded=Rounded(bits=bits, **found),
        finished=None,
        made=origin,
    )


def measure_finish(measured: FixedPoint, result: Result, *, device: str | None = None) -> Finished:
    """Finish a result's network for each number of bits, evaluate it on the CPU, and store the chosen integer weights.

    Raises the same errors as `finish.finished`.
    """
    make = partial(finish.finished, result, device=device)
    origin, kind = experiment.made(devices.choose(device)), _family(result)
    tried = tuple(
        Tried(each, _evaluate(make(TRIED_BITS, per_channel=False, fraction=each), result, "validation").correct)
        for each in FRACTIONS
    )
    best = max(tried, key=lambda each: each.correct)
    found: dict[str, Scores] = {}
    digests: dict[Scale, str] = {}
    for scale in SCALES:
        trained = partial(make, per_channel=scale == "channel", fraction=best.fraction)
        found[scale], network = _score(trained, FINISHED_BITS[kind], measured.trained, result)
        if network:
            digests[scale] = _write_integers(network, weights_file(result, scale))
    return Finished(
        bits=FINISHED_BITS[kind],
        **found,
        epochs=finish.EPOCHS[kind],
        tried=tried,
        weights_sha256=digests,
        made=origin,
    )


def scored(measured: FixedPoint, result: Result) -> dict[tuple[str, Scale, str], Evaluation]:
    """The scores with the chosen bits, from the stored weights: by part, kind of scale, and split.

    Raises `CheckpointError` if the stored weights are missing or are not those of the scores.
    """
    trained, found = experiment.trained_network(result), {}
    for name, part in measured.parts.items():
        for scale in SCALES:
            if bits := measured.fewest_bits(part, scale):
                if isinstance(part, Finished):
                    integers = _read_integers(weights_file(result, scale), part.weights_sha256[scale])
                    network = finish.from_integers(trained, integers, bits, per_channel=scale == "channel")
                else:
                    network = _rounded(trained, scale, bits)
                for split in ("validation", "test"):
                    found[name, scale, split] = _evaluate(network, result, split)
    return found


def _score(
    make: Callable[[int], FixedPointNetwork], bits: tuple[int, ...], trained: Evaluation, result: Result
) -> tuple[Scores, FixedPointNetwork | None]:
    """The scores of networks of these bits, and the network that was chosen and evaluated on the test set."""
    networks = [make(number) for number in bits]
    validation = tuple(_evaluate(network, result, "validation") for network in networks)
    needed = tuple(max(layer.potential_bits for layer in network.whole_layers) for network in networks)
    kept = fewest(bits, trained, validation)
    chosen = networks[bits.index(kept)] if kept else None
    test = _evaluate(chosen, result, "test") if chosen else None
    return Scores(validation=validation, potential_bits=needed, test=test), chosen


def _family(result: Result) -> str:
    return family(Architecture.parse(result.config.architecture))


def _rounded(network: SpikingNetwork, scale: Scale, bits: int) -> FixedPointNetwork:
    return FixedPointNetwork(network, bits, per_channel=scale == "channel")


def _evaluate(network: SpikingNetwork, result: Result, split: str) -> Evaluation:
    data = load(result.config.dataset, split)
    return evaluate(network, data.images, data.labels, batch_size=100)  # convolving the input takes memory per tick


def weights_file(result: Result, scale: Scale) -> Path:
    """The file with the integer weights that were chosen after a finish."""
    return beside(result, FIXED_POINT[0], f".{scale}.safetensors")


def _write_integers(network: FixedPointNetwork, path: Path) -> str:
    tensors = {f"layers.{n}.weight": layer.weight.to(torch.int8) for n, layer in enumerate(network.whole_layers)}
    return checkpoints.write_tensors(tensors, {}, path)


def _read_integers(path: Path, digest: str) -> list[Tensor]:
    tensors, _ = checkpoints.read_tensors(path, digest)
    return [tensors[f"layers.{n}.weight"] for n in range(len(tensors))]


def write(measured: FixedPoint, result: Result) -> Path:
    """Store scores beside the result of their network; returns the file."""
    content = measured.model_dump(mode="json") | {"config": asdict(measured.config)}
    return files.write_json(beside(result, *FIXED_POINT), content)


def read(result: Result) -> FixedPoint:
    """The stored scores of a result's network; raises `ResultError` if the file is missing, damaged or inconsistent."""
    path = beside(result, *FIXED_POINT)
    with reading_counts(path, COMMAND):
        found = parse(path.read_bytes(), FixedPoint)
        if found.config_sha256 != result.config.hash or found.config != result.config:
            raise ValueError("it was edited or renamed: its configuration is not the result's")
        if found.checkpoint_sha256 != result.checkpoint_sha256:
            raise ValueError("it was measured with weights other than the result's")
        for part in found.parts.values():
            if list(part.bits) != sorted(set(part.bits), reverse=True):
                raise ValueError("the numbers of bits must decrease")
            for scale in SCALES:
                _check(found, part, scale)
        if found.finished:
            _check_weights(found.finished, result)
    return found


def released() -> list[tuple[Result, FixedPoint]]:
    """The networks of `NETWORKS` that have been measured, each with its result."""
    paths = (results.find(recipe(name, dataset, T), released_only=True) for dataset, name, T in NETWORKS)
    found = [results.read(path) for path in paths if path]
    return [(result, read(result)) for result in found if beside(result, *FIXED_POINT).exists()]


def _check(found: FixedPoint, part: Rounded, scale: Scale) -> None:
    """Raise `ValueError` for impossible counts."""
    scores = part.scores(scale)
    if not len(part.bits) == len(scores.validation) == len(scores.potential_bits):
        raise ValueError(f"there must be {len(part.bits)} counts, one for each number of bits")
    for counts in (found.trained, *scores.validation, *([scores.test] if scores.test else [])):
        results.check_counts(counts, found.config)
    if any(counts.images != found.trained.images for counts in scores.validation):
        raise ValueError("all counts must be for the same validation images")
    if (scores.test is None) != (found.fewest_bits(part, scale) is None):
        raise ValueError("there must be test counts if and only if some number of bits preserves the accuracy")


def _check_weights(finished: Finished, result: Result) -> None:
    """Raise an error if the integer weights behind the test counts are not those that were stored."""
    if set(finished.weights_sha256) != {scale for scale in SCALES if finished.scores(scale).test}:
        raise ValueError("there must be weights if and only if there are test counts")
    for scale, digest in finished.weights_sha256.items():
        checkpoints.read_tensors(weights_file(result, scale), digest)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and finish the slides' networks, or some of them, where results are missing."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog=COMMAND)
    allowed = list(dict.fromkeys(Architecture.parse(architecture).unquantized for _, architecture, _ in NETWORKS))
    parser.add_argument("--networks", nargs="+", choices=allowed, default=allowed)
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps, or auto, for the finish (default: auto)")
    options = parser.parse_args(arguments)
    reuse_memory()
    for dataset, architecture, time_steps in NETWORKS:
        if Architecture.parse(architecture).unquantized not in options.networks:
            continue
        measured = run(recipe(architecture, dataset, time_steps), device=options.device)
        for name, part in measured.parts.items():
            told = (f"{scale}: {measured.fewest_bits(part, scale)} bits" for scale in SCALES)
            print(measured.config.name, name, *told, flush=True)


if __name__ == "__main__":
    with one_sentence(COMMAND):
        main()

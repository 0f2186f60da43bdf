"""Trained networks in fixed point: scores by the number of bits per weight, with a scale per layer or per channel.

Every number of bits is evaluated on the validation images.  The fewest bits that preserve the accuracy are chosen on
them, and only these are evaluated on the test set, once.  Potentials are integers (`spiking.fixed_point`).

    python -m tqttfs_lite.experiments.bit_widths        measures the missing networks of `NETWORKS`, seed 0

Results are in `data/fixed_point/`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, get_args

import torch
from pydantic import BaseModel, Field

from tqttfs_lite import files
from tqttfs_lite.errors import ResultError, one_sentence
from tqttfs_lite.experiments import experiment, results
from tqttfs_lite.experiments.checks import STRICT, parse, reading_counts
from tqttfs_lite.experiments.config import TrainingConfig, family, recipe
from tqttfs_lite.experiments.datasets import load
from tqttfs_lite.experiments.evaluation import Evaluation, evaluate
from tqttfs_lite.experiments.results import FIXED_POINT, Result, beside
from tqttfs_lite.experiments.training import reuse_memory
from tqttfs_lite.spiking.fixed_point import FixedPointNetwork
from tqttfs_lite.spiking.network import SpikingNetwork

Scale = Literal["layer", "channel"]
COMMAND = "python -m tqttfs_lite.experiments.bit_widths"
# Bits per weight, by family; for a convolutional network, each takes minutes.
BITS = {"SMLP": (8, 7, 6, 5, 4, 3, 2), "SCNN": (8, 6, 5, 4, 3)}
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


class FixedPoint(BaseModel):
    """The scores of a trained network in fixed point, and as it was trained."""

    model_config = STRICT

    config_sha256: str
    config: TrainingConfig
    checkpoint_sha256: str
    bits: tuple[int, ...]  # from many to few
    trained: Evaluation  # on the validation images, with the released weights
    layer: Scores
    channel: Scores
    made: dict[str, str | int]

    @property
    def used_files(self) -> tuple[str, ...]:
        """The name of its file."""
        return (f"{FIXED_POINT[0]}/{self.config.name}{FIXED_POINT[1]}",)

    def scores(self, scale: Scale) -> Scores:
        found: Scores = getattr(self, scale)
        return found

    def chosen(self, scale: Scale) -> Evaluation | None:
        """The score on the validation images with the fewest bits that preserve the accuracy; None if none do."""
        bits = self.fewest_bits(scale)
        return self.scores(scale).validation[self.bits.index(bits)] if bits else None

    def fewest_bits(self, scale: Scale) -> int | None:
        """The fewest bits for which, as for all larger numbers, the accuracy loss is at most `ALLOWED` points."""
        return fewest(self.bits, self.trained, self.scores(scale).validation)


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


def run(config: TrainingConfig) -> FixedPoint:
    """The scores of a configuration's released network: read from their file if there is one, otherwise measured.

    Raises `ResultError` if it is not released, and the same errors as `read` and `measure`.
    """
    if not (path := results.find(config, released_only=True)):
        raise ResultError(f"{config.name} is not released: there is nothing to round")
    result = results.read(path)
    if not beside(result, *FIXED_POINT).exists():
        write(measure(result), result)
    return read(result)


def measure(result: Result) -> FixedPoint:
    """Evaluate a result's network on the CPU; raises the same errors as `experiment.trained_network`."""
    origin, network = experiment.made(torch.device("cpu")), experiment.trained_network(result)
    bits = BITS[family(network.architecture)]
    found = {}
    for scale in get_args(Scale):
        rounded = [_rounded(network, number, scale) for number in bits]
        validation = tuple(_evaluate(each, result, "validation") for each in rounded)
        needed = tuple(max(layer.potential_bits for layer in each.whole_layers) for each in rounded)
        found[scale] = Scores(validation=validation, potential_bits=needed, test=None)
    measured = FixedPoint(
        config_sha256=result.config.hash,
        config=result.config,
        checkpoint_sha256=result.checkpoint_sha256,
        bits=bits,
        trained=_evaluate(network, result, "validation"),
        **found,
        made=origin,
    )
    tested: dict[str, Scores] = {
        scale: measured.scores(scale).model_copy(update={"test": test})
        for scale, test in scored(measured, result, "test").items()
    }
    return measured.model_copy(update=tested)


def scored(measured: FixedPoint, result: Result, split: str) -> dict[Scale, Evaluation]:
    """The scores on a split with the chosen bits, for each kind of scale that has some, from the checkpoint."""
    network = experiment.trained_network(result)
    scales: tuple[Scale, ...] = get_args(Scale)
    chosen = {scale: measured.fewest_bits(scale) for scale in scales}
    return {scale: _evaluate(_rounded(network, bits, scale), result, split) for scale, bits in chosen.items() if bits}


def _rounded(network: SpikingNetwork, bits: int, scale: Scale) -> FixedPointNetwork:
    return FixedPointNetwork(network, bits, per_channel=scale == "channel")


def _evaluate(network: SpikingNetwork, result: Result, split: str) -> Evaluation:
    data = load(result.config.dataset, split)
    return evaluate(network, data.images, data.labels, batch_size=100)  # convolving the input takes memory per tick


def write(measured: FixedPoint, result: Result) -> Path:
    """Store scores beside the result of their network; returns the file."""
    path = beside(result, *FIXED_POINT)
    content = measured.model_dump(mode="json") | {"config": asdict(measured.config)}
    with files.atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def read(result: Result) -> FixedPoint:
    """The stored scores of a result's network; raises `ResultError` if the file is missing, damaged or inconsistent."""
    path = beside(result, *FIXED_POINT)
    with reading_counts(path, COMMAND):
        found = parse(path.read_bytes(), FixedPoint)
        if found.config_sha256 != result.config.hash or found.config != result.config:
            raise ValueError("it was edited or renamed: its configuration is not the result's")
        if found.checkpoint_sha256 != result.checkpoint_sha256:
            raise ValueError("it was measured with weights other than the result's")
        if list(found.bits) != sorted(set(found.bits), reverse=True):
            raise ValueError("the numbers of bits must decrease")
        for scale in get_args(Scale):
            _check(found, scale)
    return found


def released() -> list[tuple[Result, FixedPoint]]:
    """The networks of `NETWORKS` that have been measured, each with its result."""
    paths = (results.find(recipe(name, dataset, T), released_only=True) for dataset, name, T in NETWORKS)
    found = [results.read(path) for path in paths if path]
    return [(result, read(result)) for result in found if beside(result, *FIXED_POINT).exists()]


def _check(found: FixedPoint, scale: Scale) -> None:
    """Raise `ValueError` for impossible counts."""
    scores = found.scores(scale)
    if not len(found.bits) == len(scores.validation) == len(scores.potential_bits):
        raise ValueError(f"there must be {len(found.bits)} counts, one for each number of bits")
    for counts in (found.trained, *scores.validation, *([scores.test] if scores.test else [])):
        results.check_counts(counts, found.config)
    if any(counts.images != found.trained.images for counts in scores.validation):
        raise ValueError("all counts must be for the same validation images")
    if (scores.test is None) != (found.fewest_bits(scale) is None):
        raise ValueError("there must be test counts if and only if some number of bits preserves the accuracy")


def main() -> None:
    """Measure the missing networks of `NETWORKS`."""
    reuse_memory()
    for dataset, architecture, time_steps in NETWORKS:
        measured = run(recipe(architecture, dataset, time_steps))
        print(measured.config.name, *(f"{scale}: {measured.fewest_bits(scale)} bits" for scale in get_args(Scale)))


if __name__ == "__main__":
    with one_sentence(COMMAND):
        main()

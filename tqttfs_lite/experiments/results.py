"""Result files: the score of a trained network, and everything that is needed to reproduce it.

Released results are in `data/results/` and their weights in `data/checkpoints/`, both tracked by git.  Your own results
and weights are in `data/runs/`, which git ignores, so that experiments of your own do not change any table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import isclose, prod
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field

from tqttfs_lite import files
from tqttfs_lite.energy.models import Counts, metrics
from tqttfs_lite.errors import CheckpointError, ResultError
from tqttfs_lite.experiments import checkpoints, paths, used_files
from tqttfs_lite.experiments.checks import STRICT, parse
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.evaluation import Curve, Evaluation
from tqttfs_lite.experiments.training import Epoch
from tqttfs_lite.spiking.notation import Architecture

Stored = TypeVar("Stored", bound="_Stored")

# What else is stored for a network: the folder and the suffix of the file.
ANSWERS, DIALS, FIXED_POINT = ("answers", ".npz"), ("dials", ".json"), ("fixed_point", ".json")


@dataclass(frozen=True)
class Result:
    """A trained network: its configuration, its history, its test score, and where and how it was made."""

    config: TrainingConfig
    history: tuple[Epoch, ...]
    test: Evaluation
    checkpoint_sha256: str
    data_sha256: dict[str, str]
    made: dict[str, str | int]  # date, commit, versions, processor, threads, training data type
    released: bool = field(default=False, compare=False)  # whether it is one of the released results
    folder: Path | None = field(default=None, compare=False)  # its folder, if it is in neither place

    @property
    def used_files(self) -> tuple[str, ...]:
        """The name of its file."""
        return (used_files.name(result_file(self.config, released=self.released)),)

    def run_on(self, split: str) -> tuple[str, ...]:
        """The names of the files behind an evaluation of its weights on a split of its data set."""
        return (*self.used_files, used_files.name(self.checkpoint), f"{self.config.dataset}/{split}")

    @property
    def checkpoint(self) -> Path:
        """The file with its weights, which does not exist for released results of further seeds."""
        if self.folder is None:
            return checkpoint_file(self.config, released=self.released)
        folder = self.place / "checkpoints" if self.folder.name == "results" else self.folder
        return folder / f"{self.config.name}.safetensors"

    @property
    def place(self) -> Path:
        """The folder in which the folders of whatever else is stored for its network are."""
        if self.folder is None:
            return paths.data_directory() if self.released else paths.runs_directory()
        return self.folder.parent if self.folder.name == "results" else self.folder

    @property
    def seconds(self) -> float:
        """Training time in seconds, including validation."""
        return sum(epoch.seconds for epoch in self.history)


@dataclass(frozen=True)
class Trial:
    """A trial of a configuration: its score on the validation images, on which settings are chosen."""

    config: TrainingConfig
    history: tuple[Epoch, ...]
    validation: Evaluation
    made: dict[str, str | int]
    thresholds: tuple[float, ...] = ()  # of the output neurons, for which `curve` has counts on the validation images
    curve: Curve | None = None  # None for rate-coded networks and in older trials
    data_sha256: dict[str, str] = field(default_factory=dict)  # of its images; empty in older trials
    unquantized: Curve | None = None  # the same weights run with every degree 1; None where `curve` is, or all are 1

    @property
    def used_files(self) -> tuple[str, ...]:
        """The name of its file."""
        return (used_files.name(trial_file(self.config)),)


def trial_file(config: TrainingConfig) -> Path:
    return paths.search_directory() / f"{config.name}.json"


def result_file(config: TrainingConfig, *, released: bool) -> Path:
    return (paths.results_directory() if released else paths.runs_directory()) / f"{config.name}.json"


def checkpoint_file(config: TrainingConfig, *, released: bool) -> Path:
    return (paths.checkpoints_directory() if released else paths.runs_directory()) / f"{config.name}.safetensors"


def beside(result: Result, folder: str, suffix: str) -> Path:
    """The file that stores something else about a result's network, in the same place as the result."""
    return result.place / folder / f"{result.config.name}{suffix}"


def find(config: TrainingConfig, *, released_only: bool = False) -> Path | None:
    """The result file of a configuration: the released one, otherwise your own; None if it has not been trained."""
    for released in (True,) if released_only else (True, False):
        if (path := result_file(config, released=released)).exists():
            return path
    return None


def release(result: Result) -> Path:
    """Move one of your own results, with its weights and everything else that is stored for it, to the released ones.

    Returns the result file.  Raises `CheckpointError` if the weights do not belong to the result.
    """
    checkpoints.read_tensors(result.checkpoint, result.checkpoint_sha256)  # raises if they do not belong to the result
    files.write_bytes(checkpoint_file(result.config, released=True), result.checkpoint.read_bytes())
    released = replace(result, released=True)
    for kept in (ANSWERS, DIALS):
        if (own := beside(result, *kept)).exists():
            files.write_bytes(beside(released, *kept), own.read_bytes())
            own.unlink()
    path = write(result, result_file(result.config, released=True))
    result_file(result.config, released=False).unlink()
    result.checkpoint.unlink()
    return path


def write(result: Result, path: Path) -> Path:
    """Store a result as readable JSON; returns the file."""
    return _write(
        result,
        path,
        test=asdict(result.test),
        neurobench=neurobench(result),
        checkpoint_sha256=result.checkpoint_sha256,
        data_sha256=result.data_sha256,
    )


def neurobench(result: Result) -> dict[str, float | None]:
    """NeuroBench's metrics, as mean values per image (`energy.models.metrics`), and the share of weights that are 0.

    The share is None if the weights are not stored.  There are no metrics if arriving spikes were not counted.
    """
    if not result.test.arriving:
        return {}
    counts = result.test.counts(Architecture.parse(result.config.architecture))
    try:
        tensors, _ = checkpoints.read_tensors(result.checkpoint, result.checkpoint_sha256)
    except CheckpointError:
        return {**metrics(counts), "connection_sparsity": None}
    zeros = sum(int((tensor == 0).sum()) for tensor in tensors.values())
    return {**metrics(counts), "connection_sparsity": zeros / sum(tensor.numel() for tensor in tensors.values())}


def write_trial(trial: Trial) -> Path:
    """Store a trial as readable JSON; returns the file."""
    return _write(
        trial,
        trial_file(trial.config),
        validation=asdict(trial.validation),
        thresholds=trial.thresholds,
        curve=trial.curve and asdict(trial.curve),
        data_sha256=trial.data_sha256,
        unquantized=trial.unquantized and asdict(trial.unquantized),
    )


def read(path: Path) -> Result:
    """The inverse of `write`; raises `ResultError` if the file is missing, damaged or inconsistent."""
    path = path.absolute()
    stored = _read(path, _StoredResult)
    released = path.parent == paths.results_directory()
    elsewhere = None if released or path.parent == paths.runs_directory() else path.parent
    return Result(
        stored.config,
        stored.history,
        stored.test,
        stored.checkpoint_sha256,
        stored.data_sha256,
        stored.made,
        released,
        elsewhere,
    )


def stored_metrics(result: Result) -> dict[str, float | None]:
    """The metrics in the file of a released result, as made by `neurobench`; older results have none."""
    return _read(result_file(result.config, released=True), _StoredResult).neurobench


def read_trial(path: Path) -> Trial:
    """The inverse of `write_trial`; raises the same errors as `read`."""
    stored = _read(path, _StoredTrial)
    scores = stored.test, stored.made, stored.thresholds, stored.curve
    return Trial(stored.config, stored.history, *scores, stored.data_sha256, stored.unquantized)


def read_trials() -> list[Trial]:
    """All stored trials, in the order of their names."""
    return [read_trial(path) for path in sorted(paths.search_directory().glob("*.json"))]


def read_all(*, released: bool = True) -> list[Result]:
    """All released results, or all of your own, in the order of their names."""
    folder = paths.results_directory() if released else paths.runs_directory()
    return [read(path) for path in sorted(folder.glob("*.json"))]


def _write(stored: Result | Trial, path: Path, **scores: Any) -> Path:
    content = {"config_sha256": stored.config.hash, "config": asdict(stored.config), **scores, "made": stored.made}
    content["history"] = [epoch._asdict() for epoch in stored.history]
    return files.write_json(path, content)


class _Stored(BaseModel):
    """The common content of the files of results and trials."""

    model_config = STRICT

    config_sha256: str
    config: TrainingConfig
    history: tuple[Epoch, ...]
    test: Evaluation
    made: dict[str, str | int]


class _StoredResult(_Stored):
    neurobench: dict[str, float | None] = {}  # older results have none
    checkpoint_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    data_sha256: dict[str, str]


class _StoredTrial(_Stored):
    test: Evaluation = Field(alias="validation")
    thresholds: tuple[float, ...] = ()
    curve: Curve | None = None
    data_sha256: dict[str, str] = {}
    unquantized: Curve | None = None


def _read(path: Path, kind: type[Stored]) -> Stored:
    """The content of a file; the file's name must be that of its configuration."""
    try:
        found = parse(path.read_bytes(), kind)
        if found.config_sha256 != found.config.hash or path.stem != found.config.name:
            raise ResultError(f"{path.name} was edited or renamed: its configuration has a different hash")
        check_counts(found.test, found.config)
        if isinstance(found, _StoredResult) and found.neurobench:
            _check_metrics(found.neurobench, found.test.counts(Architecture.parse(found.config.architecture)))
        if isinstance(found, _StoredTrial):
            _check_curves(found)
        if len(found.history) != found.config.epochs:
            raise ValueError(f"history must have {found.config.epochs} epochs, not {len(found.history)}")
        for epoch in found.history:
            if not (0 <= epoch.validation_accuracy <= 100 and 0 <= epoch.validation_steps <= found.config.time_steps):
                raise ValueError(
                    f"an epoch cannot end with {epoch.validation_accuracy} % and {epoch.validation_steps} mean steps"
                )
    except FileNotFoundError:
        raise ResultError(f"{path.name} is missing from {path.parent.name}/") from None
    except (OSError, ValueError) as damage:
        raise ResultError(f"{path.name} is not a readable result file: {damage}") from None
    return found


def _check_metrics(found: Mapping[str, float | None], counts: Counts) -> None:
    """Raise `ValueError` for metrics that do not follow from the counts."""
    expected = metrics(counts)
    if found.keys() != {*expected, "connection_sparsity"}:
        raise ValueError(f"neurobench must have {', '.join(expected)} and connection_sparsity")
    for name, value in expected.items():
        if (stored := found[name]) is None or not isclose(stored, value, rel_tol=1e-12):
            raise ValueError(f"{name} must be {value} according to the counts, not {stored}")
    if not 0 <= (found["connection_sparsity"] or 0) <= 1:
        raise ValueError(f"connection_sparsity must be from 0 to 1, not {found['connection_sparsity']}")


def _check_curves(found: _StoredTrial) -> None:
    """Raise `ValueError` for impossible curves, and if that of the trial is not its score at the threshold."""
    for curve in filter(None, (found.curve, found.unquantized)):
        curve.check(len(found.thresholds), found.config.time_steps)
    if found.curve:
        at = found.thresholds.index(found.config.theta)
        counts = found.curve.correct[at], found.curve.silent[at], found.curve.steps[at]
        if counts != (found.test.correct, found.test.silent, found.test.steps):
            raise ValueError("the curve must have the counts of the score at the threshold of training")


def check_counts(found: Evaluation, config: TrainingConfig) -> None:
    """Raise `ValueError` for impossible counts."""
    architecture, decided = Architecture.parse(config.architecture), found.images - found.silent
    sizes = architecture.sizes()
    for name, least, most in (
        ("correct", 0, found.correct_if_tied),
        ("correct_if_tied", 0, found.images),
        ("silent", 0, found.images),
        # A silent image takes all steps, and with rate coding every image does.
        ("steps", config.time_steps * found.silent + decided, config.time_steps * found.images),
    ):
        if not least <= getattr(found, name) <= most:
            raise ValueError(f"{name} must be from {least} to {most}, not {getattr(found, name)}")
    counted = ("spikes", "arriving", "additions") if found.arriving or found.additions else ("spikes",)
    for name in counted:
        if len(counts := getattr(found, name)) != len(sizes):
            raise ValueError(f"{name} must have {len(sizes)} counts, one for each layer, not {len(counts)}")
    each = found.images * (1 if config.coding == "ttfs" else config.time_steps)  # the most spikes of a neuron
    for spikes, size in zip(found.spikes, sizes, strict=True):
        if spikes > size.neurons * each:
            raise ValueError(f"{size.neurons} neurons cannot have {spikes} spikes over {found.images} images")
    if found.arriving:
        sent = (prod(architecture.image_shape) * each, *found.spikes)
        for spikes, most, added, size in zip(found.arriving, sent, found.additions, sizes, strict=False):
            if spikes > most:
                raise ValueError(f"{spikes} spikes cannot arrive out of {most}")
            if added > spikes * size.neurons:
                raise ValueError(f"{spikes} spikes cannot take {added} additions in {size.neurons} neurons")

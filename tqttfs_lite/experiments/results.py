"""Result files: what a trained network scored, and everything that made it.

Published results lie in `data/results/` with their weights in `data/checkpoints/`, and git keeps them.  A result of
one's own lies with its weights in `data/runs/`, which git ignores, so that trying things out changes no table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tqttfs_lite import files
from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments import paths, sources
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.training import Epoch
from tqttfs_lite.spiking.notation import Architecture

# What else is kept of a network: the folder and the kind of file.
ANSWERS, DIALS = ("answers", ".npz"), ("dials", ".json")


@dataclass(frozen=True)
class Result:
    """One trained network: its configuration, its history, its test score and where all of it was made."""

    config: TrainingConfig
    history: tuple[Epoch, ...]
    test: Evaluation
    checkpoint_sha256: str
    data_sha256: dict[str, str]
    made: dict[str, str | int]  # date, commit, versions, processor, threads, training data type
    published: bool = field(default=False, compare=False)  # which of the two places it was read from
    folder: Path | None = field(default=None, compare=False)  # that it was read from, if from neither

    @property
    def sources(self) -> tuple[str, ...]:
        """The name of its file."""
        return (sources.name(result_file(self.config, published=self.published)),)

    def run_on(self, split: str) -> tuple[str, ...]:
        """The names of the files behind what its weights do on a split of its data set."""
        return (*self.sources, sources.name(self.checkpoint), f"{self.config.dataset}/{split}")

    @property
    def checkpoint(self) -> Path:
        """The file of its weights; published results of further seeds are kept without."""
        if self.folder is None:
            return checkpoint_file(self.config, published=self.published)
        beside = self.folder.parent / "checkpoints" if self.folder.name == "results" else self.folder
        return beside / f"{self.config.name}.safetensors"

    @property
    def seconds(self) -> float:
        """Training time, validation included."""
        return sum(epoch.seconds for epoch in self.history)


@dataclass(frozen=True)
class Trial:
    """A configuration that was tried: its score on the validation images, on which choices are made."""

    config: TrainingConfig
    history: tuple[Epoch, ...]
    validation: Evaluation
    made: dict[str, str | int]

    @property
    def sources(self) -> tuple[str, ...]:
        """The name of its file."""
        return (sources.name(trial_file(self.config)),)


def trial_file(config: TrainingConfig) -> Path:
    return paths.search_directory() / f"{config.name}.json"


def result_file(config: TrainingConfig, *, published: bool) -> Path:
    return (paths.results_directory() if published else paths.runs_directory()) / f"{config.name}.json"


def checkpoint_file(config: TrainingConfig, *, published: bool) -> Path:
    return (paths.checkpoints_directory() if published else paths.runs_directory()) / f"{config.name}.safetensors"


def beside(result: Result, folder: str, suffix: str) -> Path:
    """The file in which something else is kept of a result's network, among the published ones or one's own."""
    root = result.folder or (paths.data_directory() if result.published else paths.runs_directory())
    return root / folder / f"{result.config.name}{suffix}"


def find(config: TrainingConfig, *, published_only: bool = False) -> Path | None:
    """The result file of a configuration that was trained before, published or else one's own; None if it was not."""
    published, own = (result_file(config, published=published) for published in (True, False))
    if published.exists():
        return published
    return own if own.exists() and not published_only else None


def publish(result: Result) -> Path:
    """Move a result of one's own, its weights and what else is kept of it among the published ones.

    Returns the result file.
    """
    with files.atomic_write(checkpoint_file(result.config, published=True)) as temporary:
        temporary.write_bytes(result.checkpoint.read_bytes())
    published = replace(result, published=True)
    for kept in (ANSWERS, DIALS):
        if (own := beside(result, *kept)).exists():
            with files.atomic_write(beside(published, *kept)) as temporary:
                temporary.write_bytes(own.read_bytes())
            own.unlink()
    path = write(result, result_file(result.config, published=True))
    result_file(result.config, published=False).unlink()
    result.checkpoint.unlink()
    return path


def write(result: Result, path: Path) -> Path:
    """Store a result as JSON that a person can read; returns the file."""
    return _write(
        result,
        path,
        test=asdict(result.test),
        checkpoint_sha256=result.checkpoint_sha256,
        data_sha256=result.data_sha256,
    )


def write_trial(trial: Trial) -> Path:
    """Store a trial likewise; returns the file."""
    return _write(trial, trial_file(trial.config), validation=asdict(trial.validation))


def read(path: Path) -> Result:
    """The inverse of `write`; raises `ResultError` for a file that no run of this library can have written."""
    path = path.absolute()
    with _reading(path) as content:
        config, history, made = _common(path, content)
        published = path.parent == paths.results_directory()
        elsewhere = None if published or path.parent == paths.runs_directory() else path.parent
        digest, sums = content["checkpoint_sha256"], content["data_sha256"]
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise ValueError("checkpoint_sha256 is not a SHA-256 sum")
        result = Result(config, history, _evaluation(content["test"], config), digest, sums, made, published, elsewhere)
    return result


def read_trial(path: Path) -> Trial:
    """The inverse of `write_trial`; raises `ResultError` likewise."""
    with _reading(path) as content:
        config, history, made = _common(path, content)
        trial = Trial(config, history, _evaluation(content["validation"], config), made)
    return trial


def read_trials() -> list[Trial]:
    """Every stored trial, in the order of their names."""
    return [read_trial(path) for path in sorted(paths.search_directory().glob("*.json"))]


def read_all(*, published: bool = True) -> list[Result]:
    """Every published result, or every one of one's own, in the order of their names."""
    folder = paths.results_directory() if published else paths.runs_directory()
    return [read(path) for path in sorted(folder.glob("*.json"))]


def _write(stored: Result | Trial, path: Path, **scores: Any) -> Path:
    content = {"config_sha256": stored.config.hash, "config": asdict(stored.config), **scores, "made": stored.made}
    content["history"] = [epoch._asdict() for epoch in stored.history]
    with files.atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


@contextmanager
def _reading(path: Path) -> Iterator[dict[str, Any]]:
    """The content of a file; what its reader stumbles over becomes a `ResultError`."""
    try:
        yield json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultError(f"{path.name} is missing from {path.parent.name}/") from None
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as damage:
        raise ResultError(f"{path.name} is not a readable result file: {damage}") from None


def _common(path: Path, content: dict[str, Any]) -> tuple[TrainingConfig, tuple[Epoch, ...], dict[str, str | int]]:
    """What results and trials share; the configuration has to be the one that the file is named after."""
    config = TrainingConfig.from_dict(content["config"])
    if content["config_sha256"] != config.hash or path.stem != config.name:
        raise ResultError(f"{path.name} was changed by hand or renamed: its configuration has another hash")
    history = tuple(Epoch(**epoch) for epoch in content["history"])
    if not all(isinstance(value, int | float) for epoch in history for value in epoch):
        raise ValueError("its history is not of numbers")
    return config, history, dict(content["made"])


def _evaluation(counts: dict[str, Any], config: TrainingConfig) -> Evaluation:
    """The counts of a file, which have to be possible ones."""
    for name, counted in counts.items():
        for n in counted if isinstance(counted, list) else [counted]:
            if type(n) is not int or n < (name == "images"):
                raise ValueError(f"{name} is not a count")
    values: dict[str, Any] = {name: tuple(n) if isinstance(n, list) else n for name, n in counts.items()}
    found = Evaluation(**values)
    architecture = Architecture.parse(config.architecture)
    for name, most in (
        ("correct", found.correct_if_tied),
        ("correct_if_tied", found.images),
        ("silent", found.images),
        ("images", found.steps),
        ("steps", config.time_steps * found.images),
    ):
        if getattr(found, name) > most:
            raise ValueError(f"{name} must be at most {most}, not {getattr(found, name)}")
    if config.coding == "ttfs":  # whose neurons fire once at most
        for spikes, size in zip(found.spikes, architecture.sizes(), strict=True):
            if spikes > size.neurons * found.images:
                raise ValueError(f"{size.neurons} neurons cannot have {spikes} spikes over {found.images} images")
    return found

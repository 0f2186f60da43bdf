"""Result files: what a trained network scored, and everything that made it.

Published results lie in `data/results/` with their weights in `data/checkpoints/`, and git keeps them.  A result of
one's own lies with its weights in `data/runs/`, which git ignores, so that trying things out changes no table.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqttfs_lite import paths
from tqttfs_lite.config import TrainingConfig
from tqttfs_lite.evaluation import Evaluation
from tqttfs_lite.training import Epoch


class ResultError(RuntimeError):
    """A result file that is missing, damaged, or says something else than its configuration."""


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

    @property
    def checkpoint(self) -> Path:
        """The file of its weights; published results of further seeds are kept without."""
        return checkpoint_file(self.config, published=self.published)

    @property
    def seconds(self) -> float:
        """Training time, validation included."""
        return sum(epoch.seconds for epoch in self.history)


def result_file(config: TrainingConfig, *, published: bool) -> Path:
    return (paths.results_directory() if published else paths.runs_directory()) / f"{config.name}.json"


def checkpoint_file(config: TrainingConfig, *, published: bool) -> Path:
    return (paths.checkpoints_directory() if published else paths.runs_directory()) / f"{config.name}.safetensors"


def find(config: TrainingConfig, *, published_only: bool = False) -> Path | None:
    """The result file of a configuration that was trained before, published or else one's own; None if it was not."""
    published, own = (result_file(config, published=published) for published in (True, False))
    if published.exists():
        return published
    return own if own.exists() and not published_only else None


def publish(result: Result) -> Path:
    """Move a result of one's own and its weights among the published ones; returns the result file."""
    with paths.atomic_write(checkpoint_file(result.config, published=True)) as temporary:
        temporary.write_bytes(result.checkpoint.read_bytes())
    path = write(result, result_file(result.config, published=True))
    result_file(result.config, published=False).unlink()
    result.checkpoint.unlink()
    return path


def write(result: Result, path: Path) -> Path:
    """Store a result as JSON that a person can read; returns the file."""
    content = {
        "config_sha256": result.config.hash,
        "config": asdict(result.config),
        "test": asdict(result.test),
        "checkpoint_sha256": result.checkpoint_sha256,
        "data_sha256": result.data_sha256,
        "made": result.made,
        "history": [epoch._asdict() for epoch in result.history],
    }
    with paths.atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> Result:
    """The inverse of `write`; raises `ResultError` for a file that no run of this library can have written."""
    path = path.absolute()
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        config = TrainingConfig.from_dict(content["config"])
        test = Evaluation(**{**content["test"], "spikes": tuple(content["test"]["spikes"])})
        history = tuple(Epoch(**epoch) for epoch in content["history"])
        published = path.parent == paths.results_directory()
        digest, sums, made = (content[key] for key in ("checkpoint_sha256", "data_sha256", "made"))
        result = Result(config, history, test, digest, sums, made, published)
        stored_hash = content["config_sha256"]
    except FileNotFoundError:
        raise ResultError(f"{path.name} is missing from {path.parent.name}/") from None
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as damage:
        raise ResultError(f"{path.name} is no readable result file: {damage}") from None
    if stored_hash != config.hash or path.stem != config.name:
        raise ResultError(f"{path.name} was changed by hand or renamed: its configuration has another hash")
    return result


def read_all(*, published: bool = True) -> list[Result]:
    """Every published result, or every one of one's own, in the order of their names."""
    folder = paths.results_directory() if published else paths.runs_directory()
    return [read(path) for path in sorted(folder.glob("*.json"))]

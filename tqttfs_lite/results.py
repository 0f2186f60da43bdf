"""Result files: what a trained network scored, and everything that made it.

Published results lie in `data/results/` with their weights in `data/checkpoints/`, and git keeps them.  A result of
one's own lies with its weights in `data/runs/`, which git ignores, so that trying things out changes no table.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqttfs_lite import paths
from tqttfs_lite.config import ConfigError, TrainingConfig
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

    @property
    def checkpoint(self) -> Path:
        """The file of its weights; published results of further seeds are kept without."""
        published = result_file(self.config, published=True).exists()
        folder = paths.checkpoints_directory() if published else paths.runs_directory()
        return folder / f"{self.config.name}.safetensors"

    @property
    def seconds(self) -> float:
        """Training time, validation included."""
        return sum(epoch.seconds for epoch in self.history)


def result_file(config: TrainingConfig, *, published: bool) -> Path:
    return (paths.results_directory() if published else paths.runs_directory()) / f"{config.name}.json"


def find(config: TrainingConfig) -> Path | None:
    """The result file of a configuration that was trained before, published or one's own; None if it was not."""
    candidates = [result_file(config, published=published) for published in (True, False)]
    return next((path for path in candidates if path.exists()), None)


def write(result: Result, *, published: bool) -> Path:
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
    path = result_file(result.config, published=published)
    with paths.atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
    return path


def read(path: Path) -> Result:
    """The inverse of `write`; raises `ResultError` for a file that no run of this library can have written."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        config = TrainingConfig.from_dict(content["config"])
        test = Evaluation(**{**content["test"], "spikes": tuple(content["test"]["spikes"])})
        history = tuple(Epoch(**epoch) for epoch in content["history"])
        result = Result(config, history, test, content["checkpoint_sha256"], content["data_sha256"], content["made"])
        stored_hash = content["config_sha256"]
    except FileNotFoundError:
        raise ResultError(f"{path.name} is missing from {path.parent.name}/") from None
    except (OSError, KeyError, TypeError, AttributeError, ValueError, ConfigError) as damage:
        raise ResultError(f"{path.name} is no readable result file: {damage}") from None
    if stored_hash != config.hash or path.stem != config.name:
        raise ResultError(f"{path.name} was changed by hand or renamed: its configuration has another hash")
    return result


def read_all(*, published: bool = True) -> list[Result]:
    """Every published result, or every one of one's own, in the order of their names."""
    folder = paths.results_directory() if published else paths.runs_directory()
    return [read(path) for path in sorted(folder.glob("*.json"))]

"""A network's answers to the individual test images, stored beside its result in three bytes per image, compressed.

Counts tell how often two networks are right, but only their answers tell on which images.  This information more than
halves the variance of the difference between the networks that is due to the choice of test images.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from tqttfs_lite import files
from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments.datasets import get
from tqttfs_lite.experiments.evaluation import Answers
from tqttfs_lite.experiments.results import ANSWERS, Result, beside


def write(answers: Answers, result: Result) -> Path:
    """Store the answers of a result's network; returns the file.  Equal answers give identical files."""
    path, content = beside(result, *ANSWERS), io.BytesIO()
    np.savez_compressed(content, **{name: values.numpy() for name, values in answers._asdict().items()})
    return files.write_bytes(path, content.getvalue())


def read(result: Result, labels: Int64[Tensor, " n"]) -> Answers:
    """The stored answers of a result's network; `labels` are those of the test set.

    Raises `ResultError` if there are none or if they do not add up to the counts of the result.
    """
    path = beside(result, *ANSWERS)
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            answers = Answers(**{name: torch.from_numpy(file[name]) for name in file.files})
        _check(answers, len(get(result.config.dataset).classes), result.config.time_steps)
        counts = answers.counts(labels)
    except FileNotFoundError:
        raise ResultError(f"{path.name} is missing from {path.parent.name}/: `tqttfs evaluate` makes it") from None
    except Exception as damage:  # NumPy and zipfile raise many kinds of errors for damaged files
        raise ResultError(f"{path.parent.name}/{path.name} is not a readable file of answers: {damage}") from None
    score = result.test
    if counts != (score.images, score.correct, score.silent, score.steps):
        raise ResultError(f"{path.parent.name}/{path.name} does not add up to the counts of the result")
    return answers


def _check(answers: Answers, classes: int, time_steps: int) -> None:
    """Raise `ValueError` for impossible answers, even if they add up to the right counts."""
    if (found := [values.dtype for values in answers]) != [torch.uint8, torch.uint8, torch.bool]:
        raise ValueError(f"answers and steps must be bytes, and decisions Boolean, not {found}")
    least = torch.where(answers.decided, 1, time_steps)  # a silent image takes all steps
    if (answers.answer >= classes).any() or (answers.step < least).any() or (answers.step > time_steps).any():
        raise ValueError(
            f"answers must be from 0 to {classes - 1}, and steps from 1 to {time_steps}, the step of a silent image"
        )

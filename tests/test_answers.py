"""The answer to each image: as the counts say, stored small, and refused where it is not the result's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments import answers, experiment
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.evaluation import Answers, Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.spiking.coding import decode, encode

CONFIG = TrainingConfig("784-16(1)-10(2)", "mnist", 4, epochs=1, initial_gain=2.0)
LABELS = torch.tensor([3, 1, 4])
ANSWERS = Answers(
    torch.tensor([3, 1, 5], dtype=torch.uint8),
    torch.tensor([2, 4, 4], dtype=torch.uint8),
    torch.tensor([True, True, False]),
)


def test_answers_are_those_of_the_decoder(home: Path) -> None:
    result = experiment.run(CONFIG, progress=False)
    found = experiment.answers_of(result)
    test = experiment.load("mnist", "test")
    network = experiment.trained_network(result)
    with torch.no_grad():
        output = network(encode(test.images, 4))
    expected = decode(output.V, output.S, output.steps, 4)
    assert torch.equal(found.answer.long(), expected.label) and torch.equal(found.step.long(), expected.step)
    assert torch.equal(found.decided, output.S.any(dim=2).any(dim=0))
    assert found.counts(test.labels) == tuple(
        getattr(result.test, name) for name in ("images", "correct", "silent", "steps")
    )


def test_releasing_moves_the_answers_and_the_dial(home: Path) -> None:
    own = experiment.run(CONFIG, progress=False)
    kept = experiment.answers_of(own), experiment.dial_of(own)
    released = experiment.run(CONFIG, release=True, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(kept[0], experiment.answers_of(released), strict=True))
    assert kept[1] == experiment.dial_of(released)
    assert [path.parent.name for path in home.rglob(f"{CONFIG.name}*") if path.suffix in (".npz", ".json")].count(
        "runs"
    ) == 0
    assert not any(path.is_file() for folder in ("answers", "dials") for path in (home / "runs" / folder).iterdir())


def test_a_rate_coded_network_answers_too(home: Path) -> None:
    config = TrainingConfig("784-16-10", "mnist", 4, epochs=1, coding="rate")
    found = experiment.answers_of(experiment.run(config, progress=False))
    assert set(found.step.tolist()) == {4}


def result_of(test: Evaluation) -> Result:
    return Result(CONFIG, (), test, "digest", {}, {}, released=True)


@pytest.mark.parametrize("change", [{"correct": 1}, {"silent": 0}, {"steps": 9}, {"images": 4}])
def test_answers_that_do_not_add_up_are_refused(
    change: dict[str, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    score = Evaluation(images=3, correct=2, correct_if_tied=2, silent=1, steps=10, spikes=(1, 1))
    with pytest.raises(ResultError, match="`tqttfs evaluate` makes it"):
        answers.read(result_of(score), LABELS)
    answers.write(ANSWERS, result_of(score))
    assert all(torch.equal(a, b) for a, b in zip(answers.read(result_of(score), LABELS), ANSWERS, strict=True))
    with pytest.raises(ResultError, match="does not add up to the counts of the result"):
        answers.read(result_of(replace(score, **change)), LABELS)


@pytest.mark.parametrize("damage", ["bytes", "cut", "names", "fewer"])
def test_a_damaged_file_is_refused(damage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    result = result_of(Evaluation(3, 2, 2, 1, 10, (1, 1)))
    file = answers.write(ANSWERS, result)
    if damage == "bytes":
        file.write_bytes(b"\x00" * 100)
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-40])
    elif damage == "names":
        np.savez_compressed(file, answer=ANSWERS.answer.numpy())
    else:
        answers.write(Answers(*(values[:2] for values in ANSWERS)), result)
    with pytest.raises(ResultError, match="not a readable file of answers"):
        answers.read(result, LABELS)


@pytest.mark.parametrize(
    "change",
    [
        {"answer": torch.tensor([3, 1, 10], dtype=torch.uint8)},  # which is no class
        {"answer": ANSWERS.answer.float()},
        {"step": torch.tensor([0, 6, 4], dtype=torch.uint8)},
        {"step": torch.tensor([1, 5, 4], dtype=torch.uint8)},
        {"step": torch.tensor([3, 4, 3], dtype=torch.uint8)},  # but a silent image takes all of them
    ],
)
def test_answers_that_cannot_be_are_refused_though_they_add_up(
    change: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    result = result_of(Evaluation(3, 2, 2, 1, 10, (1, 1)))
    answers.write(ANSWERS._replace(**change), result)
    with pytest.raises(ResultError, match="not a readable file of answers"):
        answers.read(result, LABELS)


def test_equal_answers_make_equal_files_and_small_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    torch.manual_seed(0)
    many = Answers(
        torch.randint(0, 10, (10_000,), dtype=torch.uint8),
        torch.randint(1, 17, (10_000,), dtype=torch.uint8),
        torch.rand(10_000) < 0.6,
    )
    result = result_of(Evaluation(3, 2, 2, 1, 10, (1, 1)))
    first = answers.write(many, result).read_bytes()
    assert answers.write(many, result).read_bytes() == first
    assert len(first) < 30_000

"""Answers of a network image by image, against the evaluation that released results rest on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tqttfs_lite.experiments import checkpoints, experiment, results
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.datasets import Images
from tqttfs_lite.experiments.evaluation import evaluate
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.experiments.trainer import build
from tqttfs_lite.report import per_image
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.inference import infer

CONFIG = TrainingConfig("784-16(1)-10(3)", "mnist", 8, initial_gain=4.0)


@pytest.fixture
def result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Result:
    """An untrained network whose weights are stored, on random images."""

    def load(name: str, split: str) -> Images:
        generator = torch.Generator().manual_seed(len(split))  # of five letters as the training images, or four
        images = torch.randint(0, 256, (200, 28, 28), dtype=torch.uint8, generator=generator)
        return Images(images, torch.randint(0, 10, (200,), generator=generator))

    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    monkeypatch.setattr(per_image, "load", load)
    monkeypatch.setattr(experiment, "load", load)
    torch.manual_seed(0)
    network = build(CONFIG)
    checkpoints.round_weights(network)
    digest = checkpoints.write(network, results.checkpoint_file(CONFIG, released=False))
    test = load("mnist", "test")
    return Result(CONFIG, (), evaluate(network, test.images, test.labels), digest, {}, {})


def test_the_answers_are_those_of_the_evaluation(result: Result) -> None:
    answers = per_image.answers(result, batch_size=50)
    assert (answers["label"] == answers["answer"]).sum() == result.test.correct
    assert answers["step"].sum() == result.test.steps
    assert 0 < (answers["by"] == per_image.LAST_POTENTIAL).sum() == result.test.silent
    matrix = per_image.confusion(answers, list("abcdefghij"))
    assert matrix.to_numpy().trace() == result.test.correct
    assert matrix.to_numpy().sum() == 200


def test_stopped_at_the_end_it_is_the_evaluation_and_stopped_before_it_has_decided_less(result: Result) -> None:
    table = per_image.stopped_at(result, batch_size=50)
    assert table.index.tolist() == [3, 6, 8]
    assert table["right, %"].iloc[-1] == pytest.approx(result.test.accuracy)
    assert table["decided, %"].iloc[-1] == pytest.approx(100 - 100 * result.test.silent / 200)
    assert table["decided, %"].is_monotonic_increasing
    assert table["decided, %"].iloc[0] < table["decided, %"].iloc[-1]


def test_the_same_weights_run_on_other_clocks(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    table = per_image.run_with(result, ["1-3", "2-4"], progress=False)
    assert table.loc["1-3"].tolist() == pytest.approx(
        [result.test.accuracy, result.test.mean_steps, 100 * result.test.silent / 200]
    )
    other = build(replace(CONFIG, architecture="784-16(2)-10(4)"))
    checkpoints.read(other, result.checkpoint)
    test = per_image.load("mnist", "test")
    assert table.loc["2-4", "inference time steps"] == evaluate(other, test.images, test.labels).mean_steps
    monkeypatch.setattr(per_image, "evaluate", lambda *_: pytest.fail("the result says it already"))
    assert per_image.run_with(result, ["1-3"], progress=False).loc["1-3"].equals(table.loc["1-3"])


def test_the_first_training_images_are_scored(result: Result) -> None:
    train = per_image.load("mnist", "train")
    expected = evaluate(experiment.trained_network(result), train.images[:60], train.labels[:60])
    assert per_image.on_training_images(result, 60) == expected


@pytest.mark.usefixtures("result")
def test_the_input_spikes_are_counted_up_to_and_including_each_step() -> None:
    images = per_image.load("mnist", "test").images
    counts = per_image.input_spikes("mnist", 8)
    assert counts[0] == int((encode(images, 8) == 0).sum()) / 200
    assert counts[2] == int((encode(images, 8) <= 2).sum()) / 200
    assert counts[-1] == 784


def test_the_raster_has_every_spike_of_the_image(result: Result) -> None:
    pixels, hidden, output = per_image.raster({"a network": result}, index=3).axes
    network = experiment.trained_network(result).eval()
    times = encode(per_image.load("mnist", "test").images[[3]], CONFIG.time_steps)
    ran = infer(network, times, early_exit=False)
    for axes, layer in zip((pixels, hidden, output), (times, *ran.firing_times), strict=True):
        drawn = sorted(axes.lines[0].get_xdata().reshape(-1, 3)[:, :2].mean(axis=1).round().tolist())
        assert drawn == sorted((layer[layer < CONFIG.time_steps] + 1).tolist())
        assert axes.lines[1].get_xdata()[0] == int(ran.step)
    assert len(hidden.lines[0].get_xdata()) > 0


def test_one_image_is_counted_up_to_its_decision(result: Result) -> None:
    counts = per_image.counted(result, index=3)
    network = experiment.trained_network(result).eval()
    times = encode(per_image.load("mnist", "test").images[[3]], CONFIG.time_steps)
    ran = infer(network, times)
    assert counts.steps == int(ran.step)
    assert counts.spikes == tuple(int((layer < CONFIG.time_steps).sum()) for layer in ran.firing_times)
    assert counts.arriving == [int((times < ran.step).sum()), counts.spikes[0]]


def test_the_soft_decoder_is_the_slides_where_it_is_sharp(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    network = experiment.trained_network(result)
    monkeypatch.setattr(experiment, "trained_network", lambda result: network)
    blunt, sharp = (
        per_image.soft_decoder(replace(result, config=replace(CONFIG, sharpness=sharpness)), count=200)
        for sharpness in (4.0, 100.0)
    )
    assert sharp["right, %"] == blunt["right, %"] == pytest.approx(result.test.accuracy)
    assert sharp["steps"] == pytest.approx(result.test.mean_steps)
    assert abs(sharp["steps, soft"] - sharp["steps"]) < abs(blunt["steps, soft"] - blunt["steps"]) / 3
    assert sharp["decided below the threshold, %"] < blunt["decided below the threshold, %"] / 3


def test_weighted_spikes_differ_from_the_first_one_in_ties_and_silence_alone(result: Result) -> None:
    found = per_image.weighted_decoder(result, count=200)
    assert found["right, %"] == pytest.approx(result.test.accuracy)
    assert found["other step, %"] == 0
    assert found["silent, %"] == pytest.approx(100 * result.test.silent / result.test.images)
    assert 0 < found["silent, %"] <= found["other answer, %"] <= found["tied, %"] + found["silent, %"]

"""The dial against networks whose output weights are scaled, and its files against their results."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments import dial, experiment, results
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.dial import Curve, Dial
from tqttfs_lite.experiments.evaluation import evaluate
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.spiking.layers import PoolingMode
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture

CONFIG = TrainingConfig("784-16(1)-10(2)", "mnist", 8, epochs=1, initial_gain=2.0)


@pytest.fixture
def result(home: Path) -> Result:
    return experiment.run(CONFIG, release=True, progress=False)


@pytest.mark.parametrize("architecture", ["784-16(1)-10(1)", "784-16(1)-10(2)", "784-16(1)-10(3)", "784-16(4)-10(1)"])
def test_a_lower_threshold_is_larger_output_weights(architecture: str) -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (70, 28, 28), dtype=torch.uint8)
    labels = torch.randint(0, 10, (70,))
    network = SpikingNetwork(Architecture.parse(architecture), 8)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_((weight * 2**12).round() / 2**10)  # on a grid on which powers of two are exact
    thresholds = (0.25, 0.5, 1.0, 2.0, 4.0)
    found = dial.curve(network, images, labels, thresholds, batch_size=30)
    output = [*network.parameters()][-1]
    trained = output.detach().clone()
    for n, threshold in enumerate(thresholds):
        output.data = trained / threshold
        score = evaluate(network, images, labels)
        assert (score.correct, score.silent, score.steps) == (found.correct[n], found.silent[n], found.steps[n])
    assert found.steps[0] < found.steps[-1] and found.silent[0] < found.silent[-1]


@pytest.mark.parametrize(
    ("architecture", "pooling"),
    [
        ("784-16(1)-10(3)", "max"),
        ("784-10(2)", "max"),
        ("28x28-4C3(1)-P2-16(2)-10(1)", "max"),
        ("28x28-4C3(1)-P2-10(2)", "max"),
        ("28x28-4C3(1)-P2-16(2)-10(2)", "average"),
    ],
)
def test_all_counts_at_a_threshold_are_those_of_larger_output_weights(architecture: str, pooling: PoolingMode) -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (70, 28, 28), dtype=torch.uint8)
    labels = torch.randint(0, 10, (70,))
    network = SpikingNetwork(Architecture.parse(architecture), 8, pooling=pooling)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_((weight * 2**12).round() / 2**10)
    thresholds = (0.25, 0.5, 1.0, 2.0)
    found = dial.evaluations(network, images, labels, thresholds, batch_size=30)
    output = [*network.parameters()][-1]
    trained = output.detach().clone()
    for threshold, counted in zip(thresholds, found, strict=True):
        output.data = trained / threshold
        assert evaluate(network, images, labels) == counted
    assert found[0].steps < found[-1].steps and found[0].additions < found[-1].additions


CURVE = Curve(10, (5, 6, 7), (0, 1, 4), (20, 40, 50))
DIAL = Dial((0.5, 1.0, 1.5), CURVE, replace(CURVE, images=100, correct=(50, 80, 82), steps=(200, 420, 500)))


def test_between_thresholds_a_point_is_interpolated() -> None:
    assert DIAL.point(1.0) == (1.0, 80.0, 4.2, 1.0)
    assert DIAL.point(0.75) == (0.75, 65.0, pytest.approx(3.1), 0.5)
    assert DIAL.point(1.5, split="validation") == (1.5, 70.0, 5.0, 40.0)


def test_equal_steps_are_chosen_on_the_validation_images() -> None:
    assert DIAL.at_steps(3.0) == DIAL.point(0.75)  # 3.1 steps on the test images
    assert DIAL.at_steps(3.0, split="validation").mean_steps == pytest.approx(3.0)
    with pytest.raises(ValueError, match=r"mean time steps must be from 2\.00 to 5\.00, which output thresholds"):
        DIAL.at_steps(6.0)
    with pytest.raises(ValueError, match=r"the output threshold must be from 0\.5 to 1\.5, not 2"):
        DIAL.point(2.0)


def test_the_dial_at_the_trained_threshold_is_the_result(result: Result) -> None:
    found = experiment.dial_of(result)
    point = found.point(1.0)
    assert (point.accuracy, point.mean_steps) == (result.test.accuracy, result.test.mean_steps)
    assert point.silent == 100 * result.test.silent / result.test.images
    assert dial.read(result) == found == experiment.measure_dial(result)
    assert experiment.measure_dial(result, stride=7) == found.thinned(7)


def test_the_weights_of_a_quantized_network_are_also_measured_with_every_degree_1(result: Result) -> None:
    found = experiment.dial_of(result)
    alone = experiment.measure_dial(result, also_unquantized=False)
    assert alone == replace(found, unquantized=None)
    images = experiment.load(result.config.dataset, "test")
    network = experiment.trained_network(result, "1-1")
    fine = dial.curve(network, images.images, images.labels, found.thresholds)
    assert found.unquantized and found.unquantized.test == fine != found.test
    fewer = replace(found.unquantized, thresholds=tuple(t / 2 for t in found.thresholds))
    dial.write(replace(found, unquantized=fewer), result)
    with pytest.raises(ResultError, match="measured alike with every degree 1"):
        dial.read(result)
    dial.write(alone, result)  # as older ones are stored
    assert dial.read(result) == alone


def test_a_dial_that_is_missing_is_named_and_measured_again(result: Result) -> None:
    file = results.beside(result, *results.DIALS)
    before = file.read_bytes()
    file.unlink()
    with pytest.raises(ResultError, match="`tqttfs dial` makes it"):
        dial.read(result)
    experiment.dial_of(result)
    assert file.read_bytes() == before


def set_weights(content: dict[str, Any]) -> None:
    content["checkpoint_sha256"] = "other"


def set_count(content: dict[str, Any]) -> None:
    content["test"]["correct"][content["thresholds"].index(1.0)] += 1


def drop_count(content: dict[str, Any]) -> None:
    content["validation"]["steps"].pop()


def no_images(content: dict[str, Any]) -> None:
    content["validation"]["images"] = 0


def drop_split(content: dict[str, Any]) -> None:
    del content["test"]


def set_other_count(content: dict[str, Any]) -> None:
    content["test"]["correct"][0] = content["test"]["images"] + 1


def set_steps(content: dict[str, Any]) -> None:
    content["validation"]["steps"][0] = content["validation"]["images"] - 1


def turn_thresholds(content: dict[str, Any]) -> None:
    thresholds = content["thresholds"]
    thresholds[0], thresholds[1] = thresholds[1], thresholds[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_other_count, "of 300 images 301 cannot be right"),
        (set_steps, "silent after 299 steps"),
        (turn_thresholds, "the thresholds must increase"),
        (set_weights, "weights other than the result's"),
        (set_count, "does not agree with the counts of the result"),
        (drop_count, "a count of each kind for every threshold"),
        (drop_split, "not a readable file of counts"),
        (no_images, "validation.images must be greater than or equal to 1"),
    ],
)
def test_a_dial_that_is_not_the_result_s_is_refused(
    result: Result, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    file = results.beside(result, *results.DIALS)
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(ResultError, match=words):
        dial.read(result)


def test_a_rate_coded_network_has_no_dial(home: Path) -> None:
    config = TrainingConfig("784-16-10", "mnist", 4, epochs=1, coding="rate")
    with pytest.raises(ValueError, match="no first spikes"):
        experiment.dial_of(experiment.run(config, progress=False))

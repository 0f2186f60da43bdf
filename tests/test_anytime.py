"""The reference that is told how many steps it has seen: what it is shown, how it stops, and its files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments import anytime
from tqttfs_lite.experiments.anytime import Network, Reference
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.datasets import Images
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.notation import Architecture

CONFIG = TrainingConfig("784-16-10", "mnist", 8, epochs=3, batch_size=32, shift=1, averaging=0.9)


@pytest.fixture
def reference(home: Path, monkeypatch: pytest.MonkeyPatch) -> Reference:
    def halves(name: str, split: str) -> Images:
        """Two classes: the upper half is bright, or the lower one; before a third step nothing tells them apart."""
        generator = torch.Generator().manual_seed(len(split))
        labels = torch.randint(0, 2, (320,), generator=generator)
        images = torch.full((320, 28, 28), 0, dtype=torch.uint8)
        images[labels == 0, :14] = images[labels == 1, 14:] = 180  # spikes at t = 2
        return Images(images, labels)

    monkeypatch.setattr(anytime, "load", halves)
    return anytime.run(CONFIG, progress=False)


@pytest.mark.parametrize("architecture", ["784-16-10", "28x28-4C3-P2-10"])
def test_what_spikes_later_changes_no_logit(architecture: str) -> None:
    torch.manual_seed(0)
    network = Network(Architecture.parse(architecture), 8).eval()
    images = torch.randint(0, 256, (5, 28, 28), dtype=torch.uint8)
    times = encode(images, 8)
    dark = torch.where(times < 3, images, 0)  # what is still to come is black
    seen = torch.full((5,), 3)
    assert torch.equal(network(times, seen), network(encode(dark, 8), seen))
    assert not torch.equal(network(times, seen + 1), network(encode(dark, 8), seen + 1))


def test_an_image_stops_at_the_first_step_with_confidence_enough() -> None:
    class Told(Network):
        """Sure of class 0 to a degree that grows with the steps, and of class 1 on the first step."""

        def forward(self, spike_times: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
            sure = torch.where(seen == 1, torch.tensor([0.3, 0.7]), torch.tensor([0.5, 0.5]))[:, None]
            sure = torch.stack([0.4 + 0.1 * seen, 0.6 - 0.1 * seen], dim=1)
            return sure.where(seen[:, None] > 1, torch.tensor([0.3, 0.7])).log()

    network = Told(Architecture.parse("4-2"), 5)
    data = Images(torch.zeros(3, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 1]))
    curve, by_step = anytime.measure(network, data, (0.65, 0.75, 0.95), batch_size=2)
    assert (curve.images, curve.correct, curve.silent, curve.steps) == (3, (1, 2, 2), (0, 0, 3), (3, 12, 15))
    assert by_step == (1, 2, 2, 2, 2)


def test_it_learns_when_the_classes_can_be_told_apart(reference: Reference) -> None:
    images = reference.dial.test.images
    assert max(reference.test_by_step[:2]) < 0.7 * images  # nothing has spiked
    assert min(reference.test_by_step[2:7]) > 0.95 * images
    assert anytime.run(CONFIG, progress=False) == reference  # from its file
    assert reference.made["device"] == "cpu"


def test_it_ends_alike_from_the_same_seed(reference: Reference) -> None:
    anytime.reference_file(CONFIG).unlink()
    again = anytime.run(CONFIG, progress=False)
    assert replace(again, made=reference.made) == reference


def test_the_learning_rate_is_chosen_on_the_validation_images(
    reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = {1e-3: 30, 2e-3: 40, 4e-3: 20}  # by learning rate; on the test images it is the other way round

    def run(config: TrainingConfig, *, progress: bool) -> Reference:
        count = right[config.learning_rate]
        return replace(reference, config=config, validation_by_step=(count,) * 8, test_by_step=(300 - count,) * 8)

    monkeypatch.setattr(anytime, "run", run)
    chosen = anytime.choose(anytime.Task(CONFIG, epochs_to_choose=1, seeds=2), progress=False)
    assert chosen == [replace(CONFIG, seed=seed) for seed in range(2)]


def drop_loss(content: dict[str, Any]) -> None:
    content["losses"].pop()


def set_seed(content: dict[str, Any]) -> None:
    content["config"]["seed"] = 1


def set_correct(content: dict[str, Any]) -> None:
    content["test"]["correct"][0] = content["test"]["images"] + 1


def drop_step(content: dict[str, Any]) -> None:
    content["test_by_step"].pop()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop_loss, "a loss for each of 3 epochs, not 2"),
        (set_seed, "a different hash"),
        (set_correct, "of 320 images 321 cannot be right"),
        (drop_step, "there must be 8 counts"),
    ],
)
def test_a_file_that_no_run_wrote_is_refused(
    reference: Reference, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    file = anytime.reference_file(CONFIG)
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(ResultError, match=words):
        anytime.read(file)

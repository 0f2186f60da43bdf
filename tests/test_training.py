import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import devices, trainer, training
from tqttfs_lite.experiments.checkpoints import GRID
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.datasets import Images
from tqttfs_lite.experiments.dial import curve
from tqttfs_lite.experiments.evaluation import evaluate
from tqttfs_lite.experiments.trainer import build
from tqttfs_lite.experiments.training import train
from tqttfs_lite.spiking import losses
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture

TINY = TrainingConfig("784-16(1)-10(2)", "mnist", 4, epochs=3, batch_size=32, initial_gain=2.0, averaging=0.9)
TINY = replace(TINY, dropout=0.1, shift=1, flip=True, rotate=10.0, zoom=0.1)  # all that draws random numbers
STILL = replace(TINY, shift=0, flip=False, rotate=0.0, zoom=0.0)


def same_weights(a: training.Trained, b: training.Trained) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.network.parameters(), b.network.parameters(), strict=True))


@pytest.mark.usefixtures("small_data")
def test_training_learns_and_releases_rounded_weights() -> None:
    trained = train(replace(TINY, epochs=6), progress=False)
    assert trained.history[-1].validation_accuracy > 95
    assert trained.history[-1].loss < trained.history[0].loss
    for weight in trained.network.parameters():
        assert bool((weight / GRID % 1 == 0).all())
        assert torch.equal(weight, weight.half().float())


@pytest.mark.usefixtures("small_data")
def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first = train(TINY, progress=False)
    for state in training.paths.runs_directory().iterdir():
        state.unlink()
    torch.manual_seed(99)  # whatever the caller did with the global random state
    assert same_weights(first, train(TINY, progress=False))
    assert not same_weights(first, train(replace(TINY, seed=1), progress=False))


@pytest.mark.usefixtures("small_data")
def test_trainings_in_threads_end_as_they_do_alone() -> None:
    configs = [replace(TINY, seed=seed, epochs=1) for seed in range(12)]
    with ThreadPoolExecutor(len(configs)) as pool:
        found = list(pool.map(lambda config: train(config, progress=False), configs))
    for config in configs:
        training.state_file(config).unlink()
    assert all(same_weights(each, train(config, progress=False)) for config, each in zip(configs, found, strict=True))


@pytest.mark.usefixtures("small_data")
@pytest.mark.parametrize("changes", [{}, {"coding": "rate", "architecture": "784-16-10"}])
def test_the_callers_default_type_takes_no_part(changes: dict[str, Any]) -> None:
    config = replace(TINY, epochs=1, **changes)
    expected = train(config, progress=False)
    training.state_file(config).unlink()
    torch.set_default_dtype(torch.float64)
    try:
        found = train(config, progress=False)
    finally:
        torch.set_default_dtype(torch.float32)
    assert same_weights(expected, found)


@pytest.mark.usefixtures("small_data")
@pytest.mark.parametrize(
    "context", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)]
)
def test_what_the_caller_is_within_takes_no_part(context: Callable[[], AbstractContextManager[None]]) -> None:
    config = replace(TINY, epochs=1)
    expected = train(config, progress=False)
    training.state_file(config).unlink()
    with context():
        assert same_weights(expected, train(config, progress=False))


def test_an_evaluation_within_autocast_is_in_float32() -> None:
    network = SpikingNetwork(Architecture.parse("4-2"), 4)
    torch.nn.init.constant_(network.layers[0].weight, 0.25 + 2**-11)  # with four, just above the threshold
    images, labels = torch.full((1, 2, 2), 255, dtype=torch.uint8), torch.tensor([0])
    with torch.autocast("cpu", torch.bfloat16):  # which has 0.25 for it
        assert evaluate(network, images, labels).silent == 0
        assert curve(network, images, labels, (1.0,)).silent == (0,)


@pytest.mark.usefixtures("small_data")
def test_the_callers_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(replace(TINY, epochs=1), progress=False)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.slow
@pytest.mark.data
def test_a_run_killed_in_the_middle_of_an_epoch_ends_bit_identical(tmp_path: Path) -> None:
    """kill -9 of a real `tqttfs train` once its first epoch is stored; then the same command again."""
    command = [sys.executable, "-m", "tqttfs_lite.cli", "train", "784-16-10(2)", "--dataset", "mnist", "--time-steps"]
    command += ["4", "--epochs", "3", "--batch-size", "500"]
    raw = training.paths.raw_directory()
    checkpoints = []
    for killed in (False, True):
        data = tmp_path / f"killed-{killed}"
        data.mkdir()
        (data / "raw").symlink_to(raw)
        environment = {**os.environ, "TQTTFS_DATA": str(data), "OMP_NUM_THREADS": "1"}
        if killed:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not list(data.glob("runs/*.state.safetensors")):
                assert process.poll() is None, "the training ended before it could be killed"
                time.sleep(0.01)
            time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert not list(data.glob("runs/*.json"))
        subprocess.run(command, env=environment, check=True, capture_output=True)
        (checkpoint,) = data.glob("runs/*.safetensors")  # and the state is gone
        checkpoints.append(checkpoint.read_bytes())
    assert checkpoints[0] == checkpoints[1]


@pytest.mark.usefixtures("small_data")
def test_trainings_side_by_side_end_as_each_alone() -> None:
    configs = [TINY, replace(TINY, seed=1, epochs=2), replace(TINY, architecture="784-8(1)-10(1)", batch_size=50)]
    alone = [train(config, progress=False) for config in configs]
    for state in training.paths.runs_directory().iterdir():
        state.unlink()
    with closing(training.Progress(configs, shown=False)) as unseen:
        together = training.train_together(configs, device="cpu", progress=unseen)
    assert all(map(same_weights, alone, together))
    assert [len(trained.history) for trained in together] == [3, 2, 3]


class OnItsDevice(TorchFunctionMode):
    """Refuses tensors that are made without a device: on a GPU the host would copy them there, and wait."""

    MAKERS = (torch.tensor, torch.zeros, torch.ones, torch.full, torch.empty, torch.arange, torch.rand, torch.randint)

    def __torch_function__(self, function, types, arguments=(), keywords=None):  # type: ignore[no-untyped-def]
        keywords = keywords or {}
        assert function not in (*self.MAKERS, torch.randperm) or "device" in keywords, function
        return function(*arguments, **keywords)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loss": "tick-corrected", "step_cost": 0.01},
        {"loss": "first-spike-time", "step_cost": 0.01},
        {"architecture": "28x28-4C5(1)-P2-10(2)"},
        {"architecture": "28x28-4C5(1)-P2-10(2)", "pooling": "average"},
        {"coding": "rate", "architecture": "784-16-10"},
    ],
)
def test_within_an_epoch_the_host_waits_for_nothing(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """On any machine: no tensor is made on another device, and none is read by the host."""
    images = Images(torch.randint(0, 256, (96, 28, 28), dtype=torch.uint8), torch.randint(0, 10, (96,)))
    running = trainer.Trainer(replace(TINY, **changes), images, images)
    running.begin(0)
    running.step()  # the first one makes what the others share
    for reads in ("item", "tolist", "__bool__", "__int__", "__float__", "numpy", "cpu"):
        monkeypatch.setattr(
            torch.Tensor, reads, lambda *_, reads=reads: pytest.fail(f"the host reads a tensor: {reads}")
        )
    with OnItsDevice():
        running.step()


@pytest.mark.usefixtures("small_data")
def test_a_device_that_is_not_there_is_refused() -> None:
    assert devices.choose("auto") == devices.choose()
    for name in ("cuda:99", "gpu", "meta:x"):
        with pytest.raises(InputError, match=f"one that this machine has, cpu.*not {name}"):
            train(TINY, device=name, progress=False)


@pytest.mark.usefixtures("small_data")
def test_a_loss_that_is_no_number_ends_the_run_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(losses.LOSSES, "soft-decoder", lambda output, *_: output.V.sum() * math.nan)
    with pytest.raises(FloatingPointError, match="learning_rate below"):
        train(TINY, progress=False)


@pytest.mark.usefixtures("small_data")
@pytest.mark.parametrize("loss", [lambda output, *_: output.V.sum(dim=(0, 2)), lambda *_: 1.0])
def test_a_loss_that_is_not_one_number_is_refused(loss: losses.Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(losses.LOSSES, "soft-decoder", loss)
    with pytest.raises(InputError, match=r"soft-decoder must be a number with a gradient, of shape \[\], not"):
        train(TINY, progress=False)


def test_initial_weights_fill_their_interval() -> None:
    network = build(replace(TINY, initial_gain=3.0))
    for weight in network.parameters():
        bound = 3 / math.sqrt(weight.shape[1])
        assert 0.8 * bound < weight.abs().max() <= bound


@pytest.mark.usefixtures("small_data")
def test_where_silence_costs_every_image_gets_a_spike() -> None:
    silent = {}
    for costs in (False, True):
        config = replace(TINY, epochs=6, silence_costs=costs, architecture="784-16(1)-10(3)")  # T = 4: one tick
        trained = train(config, progress=False)
        test = training.load("mnist", "validation")
        silent[costs] = evaluate(trained.network, test.images, test.labels).silent
    assert silent[True] < silent[False]


def test_augmentation_moves_an_image_within_its_reach() -> None:
    pixels = torch.zeros(200, 28, 28, dtype=torch.uint8)
    pixels[:, 10, 12] = 200
    torch.manual_seed(0)
    moved = trainer.augment(pixels, replace(STILL, shift=2))
    places = {tuple(place) for _, *place in moved.nonzero().tolist()}
    assert places == {(10 + down, 12 + right) for down in range(-2, 3) for right in range(-2, 3)}
    mirrored = trainer.augment(pixels, replace(STILL, flip=True))
    assert {place[2] for place in mirrored.nonzero().tolist()} == {12, 15}


@pytest.mark.usefixtures("small_data")
@pytest.mark.parametrize("architecture", ["784-16-10", "28x28-4C3-P2-16-10"])
def test_centred_weights_keep_a_mean_of_zero(architecture: str) -> None:
    config = replace(TINY, architecture=architecture, centred=True)
    for network in (trainer.build(config), train(config, progress=False).network):
        for weight in network.parameters():
            means, size = weight.flatten(1).mean(dim=1), weight.abs().mean()
            assert means.abs().max() < 1e-3 * size
    assert trainer.build(replace(config, centred=False)).layers[0].weight.flatten(1).mean(dim=1).abs().max() > 1e-3


def test_an_image_is_rotated_and_zoomed_about_its_centre() -> None:
    image = torch.randint(0, 256, (1, 8, 8), dtype=torch.uint8)
    quarter, one = torch.tensor([math.pi / 2]), torch.ones(1)
    assert torch.equal(trainer.turn(image, 0 * quarter, one), image)
    assert torch.equal(trainer.turn(image, quarter, one), image.rot90(1, (1, 2)))  # anticlockwise
    wide = torch.zeros(1, 9, 17, dtype=torch.uint8)
    wide[0, 4, 7:10] = 200  # a short line through the centre
    assert trainer.turn(wide, quarter, one)[0, 3:6, 8].tolist() == [200] * 3
    block = torch.zeros(1, 8, 8, dtype=torch.uint8)
    block[0, 2:6, 2:6] = 200
    enlarged, reduced = (trainer.turn(block, 0 * quarter, factor * one) for factor in (2.0, 0.5))
    assert (enlarged > 100).sum() == 64 and (reduced > 100).sum() == 4


def test_rotation_and_zoom_stay_within_their_reach() -> None:
    pixels = torch.zeros(500, 28, 28, dtype=torch.uint8)
    pixels[:, 13:15, 24] = 255  # 10.5 pixels to the right of the centre
    torch.manual_seed(0)
    moved = trainer.augment(pixels, replace(STILL, rotate=30.0, zoom=0.2)).float()
    rows, columns = torch.arange(28) - 13.5, torch.arange(28) - 13.5
    mass = moved.sum(dim=(1, 2))
    y, x = (moved.sum(dim=2) @ rows) / mass, (moved.sum(dim=1) @ columns) / mass
    angle, factor = torch.atan2(y, x).rad2deg(), torch.hypot(x, y) / 10.5
    assert -31 < angle.min() < -28 and 28 < angle.max() < 31
    assert 0.98 / 1.2 < factor.min() < 0.86 and 1.17 < factor.max() < 1.2 * 1.02


def test_the_channels_of_an_image_move_together() -> None:
    gray = torch.randint(0, 256, (50, 6, 8), dtype=torch.uint8)
    color = torch.stack([gray, 255 - gray, gray // 2], dim=1)
    for change in ({"shift": 2}, {"flip": True}, {"shift": 1, "flip": True}, {"rotate": 40.0}):
        both = []
        for pixels in (gray, color):
            torch.manual_seed(0)
            both.append(trainer.augment(pixels, replace(STILL, **change)))
        assert both[1].shape == color.shape
        assert torch.equal(both[1][:, 0], both[0])
        rounding = 1 if "rotate" in change else 0
        assert (both[1][:, 2].int() - both[0].int() // 2).abs().max() <= rounding
        assert not torch.equal(both[0], gray)


def test_the_learning_rate_rises_over_a_tenth_and_falls_to_zero() -> None:
    rates = [trainer.schedule(i / 1000) for i in range(1001)]
    assert rates[0] == 0 and rates[-1] == pytest.approx(0)
    assert max(rates) == rates[100] == 1
    assert rates[:101] == sorted(rates[:101]) and rates[100:] == sorted(rates[100:], reverse=True)

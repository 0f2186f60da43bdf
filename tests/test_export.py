"""A network that travels gives the same spikes and decisions, with NumPy alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import checkpoints, export, portable, results
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.experiments.trainer import build
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.inference import infer

NETWORKS = [
    TrainingConfig("784-24(1)-16(2)-10(3)", "mnist", 8, initial_gain=4.0),  # the output's last tick is not the end
    TrainingConfig("28x28-3C5(1)-P2-4C3(2)-P2-20(1)-10(4)", "fashion-mnist", 16, initial_gain=4.0),
    TrainingConfig("28x28-3C5(2)-P2-10(2)", "fashion-mnist", 8, initial_gain=6.0, pooling="average"),
    TrainingConfig("784-24(1)-10(5)", "mnist", 7, initial_gain=0.1),  # silent
]


@pytest.mark.parametrize("config", NETWORKS, ids=lambda config: config.architecture)
def test_an_exported_network_is_equal_spike_for_spike(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path / "data"))
    torch.manual_seed(0)
    network = build(config)
    checkpoints.round_weights(network)
    digest = checkpoints.write(network, results.checkpoint_file(config, released=False))
    result = Result(config, (), Evaluation(1, 1, 1, 0, 1, (1,)), digest, {}, {})
    folder = export.to_numpy(result, tmp_path / "travels")
    with pytest.raises(InputError, match="exists already"):
        export.to_numpy(result, folder)

    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    expected = infer(network, encode(torch.from_numpy(images), config.time_steps), early_exit=False)
    labels, steps, fired = portable.run(portable.load(folder), images)
    assert labels.tolist() == expected.label.tolist()
    assert steps.tolist() == expected.step.tolist()
    for found, wanted in zip(fired, expected.firing_times, strict=True):
        assert np.array_equal(found, wanted.numpy())

    np.save(tmp_path / "images.npy", images[:5])
    without_us = [
        sys.executable,
        "-S",
        "-c",
        "import sys, runpy; sys.path.append(sys.argv.pop(1)); runpy.run_path(sys.argv.pop(1), run_name='__main__')",
    ]
    command = [*without_us, str(Path(np.__file__).parents[1]), str(folder / "run.py"), str(tmp_path / "images.npy")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert printed == [f"{label} {step}" for label, step in zip(labels[:5], steps[:5], strict=True)]

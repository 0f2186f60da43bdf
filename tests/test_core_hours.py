"""Core-hours are the recorded seconds, once for each thread; a GPU's are its own."""

from types import SimpleNamespace

import pytest

from book import core_hours
from tqttfs_lite.experiments import results


def training(seconds: list[float], **made: object) -> SimpleNamespace:
    return SimpleNamespace(made=made, history=[SimpleNamespace(seconds=second) for second in seconds])


def test_threads_count_and_shares_of_a_gpu_do_not() -> None:
    made = [
        training([1800, 1800], processor="CPU", threads=2),
        training([3600], processor="CPU", threads=2, device="cpu"),
        training([360, 360], processor="GPU", threads=16, device="cuda"),
    ]
    found = {effort.machine.name: (effort.trainings, effort.hours) for effort in core_hours.efforts(made, [])}
    assert found == {"CPU": (2, 4.0), "GPU": (1, pytest.approx(0.2))}


def test_every_stored_training_is_counted() -> None:
    stored, trials = results.read_all(), results.read_trials()
    assert sum(effort.trainings for effort in core_hours.efforts(stored, trials)) == len(stored) + len(trials)

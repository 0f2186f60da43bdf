"""What was read is noted where a number is taken, however the record came to be held."""

from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import pytest

from tqttfs_lite.errors import CheckpointError
from tqttfs_lite.experiments import checkpoints, experiment, paths, results, sources, training
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.datasets import Images
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result, Trial
from tqttfs_lite.paper import reported, speed, summary

CONFIG = TrainingConfig("784-8(1)-10(2)", "mnist", 4, epochs=1)
RESULT = Result(CONFIG, (), Evaluation(10, 9, 9, 1, 30, (5, 6)), "digest", {}, {"commit": "abc"})
FILE = f"runs/{CONFIG.name}.json"


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    sources.take()


@pytest.mark.parametrize("field", sorted(Result.MEASURED))
def test_a_measured_field_notes_the_file(field: str) -> None:
    getattr(RESULT, field)
    assert sources.take() == {FILE}


def test_every_field_but_the_configuration_is_measured() -> None:
    benchmark = {"kind", "network", "quantization", "dtype", "threads"}
    for record, known in (
        (Result, {"config", "published", "folder"}),
        (Trial, {"config"}),
        (speed.Measurement, benchmark),
    ):
        assert {field.name for field in fields(record)} - record.MEASURED == known


def test_to_look_up_a_configuration_draws_on_no_file() -> None:
    groups = summary.published()
    assert groups
    assert sources.take() == set()


def test_only_the_results_that_are_used_are_noted() -> None:
    group = next(iter(summary.published().values()))
    assert group.accuracy.seeds
    assert sources.take() == {f"results/{result.config.name}.json" for result in group.results}


def test_a_cache_hides_nothing() -> None:
    cached = cache(lambda: RESULT)
    for _ in range(2):
        assert cached().test.accuracy
        assert sources.take() == {FILE}


def test_comparing_or_printing_a_result_uses_it() -> None:
    assert replace(RESULT, published=True) == RESULT
    assert sources.take() == {FILE, FILE.replace("runs", "results")}
    repr(RESULT)
    assert sources.take() == {FILE}


def test_tables_and_trials_and_benchmarks_are_noted() -> None:
    reported.layers()
    assert sources.take() == {"paper/layers.csv"}
    trial = results.read_trials()[0]
    assert sources.take() == set()
    assert trial.validation.images
    assert sources.take() == {f"search/{trial.config.name}.json"}


def test_a_benchmark_names_the_file_that_it_was_read_from() -> None:
    names = {measurement.source[1] for measurement in speed.read_all()}
    assert names == {path.name for path in paths.benchmarks_directory().glob("*.json")}
    assert sources.take() == set()
    assert speed.find("train", "mnist-smlp").milliseconds(speed.OURS)
    assert sources.take() == {"benchmarks/train_mnist-smlp_q1-2_bfloat16_2threads.json"}


def test_weights_that_are_read_are_noted() -> None:
    result = next(r for r in results.read_all() if r.checkpoint.exists())
    experiment.trained_network(result)
    assert f"checkpoints/{result.checkpoint.name}" in sources.take()


def test_weights_that_are_damaged_are_not(tmp_path: Path) -> None:
    network = experiment.build(CONFIG)
    with pytest.raises(CheckpointError):
        checkpoints.read(network, tmp_path / "none.safetensors")
    assert sources.take() == set()


def test_what_is_read_aside_is_not_noted() -> None:
    sources.note("paper", "before.csv")
    with sources.aside():
        sources.note("mnist", "train")
    assert sources.take() == {"paper/before.csv"}


@pytest.mark.usefixtures("small_data")
def test_training_and_reading_a_result_draw_on_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a notebook that trains would say something else when it runs again."""
    made_up = training.load

    def load(name: str, split: str) -> Images:
        sources.note(name, split)
        return made_up(name, split)

    monkeypatch.setattr(training, "load", load)
    monkeypatch.setattr(experiment, "load", load)
    config = replace(CONFIG, batch_size=32)
    noted = []
    for _ in range(2):
        assert experiment.run(config, progress=False).test.images
        noted.append(sources.take())
    assert noted == [{f"runs/{config.name}.json"}] * 2

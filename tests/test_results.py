"""Result files and trials: what is stored is read back, and what was changed by hand is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tqttfs_lite.errors import CheckpointError, ResultError
from tqttfs_lite.experiments import checkpoints, experiment, paths, results, trainer, training
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.datasets import Images
from tqttfs_lite.experiments.evaluation import Curve, Evaluation
from tqttfs_lite.experiments.results import Result, Trial
from tqttfs_lite.experiments.training import Epoch

CONFIG = TrainingConfig("784-8(1)-10(2)", "mnist", 4, epochs=1, batch_size=32)
SCORE = Evaluation(10, 9, 9, 1, 30, (5, 6))
HISTORY = (Epoch(0.5, 90.0, 3.0, 1.0),)


@pytest.fixture(autouse=True)
def own_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))


def test_a_result_is_read_back() -> None:
    result = Result(CONFIG, HISTORY, SCORE, "0" * 64, {"file": "sum"}, {"commit": "abc", "threads": 1})
    path = results.write(result, results.result_file(CONFIG, released=False))
    assert results.read(path) == result


def test_a_trial_is_read_back() -> None:
    trial = Trial(CONFIG, HISTORY, SCORE, {"commit": "abc", "threads": 1})
    assert results.read_trial(results.write_trial(trial)) == trial
    assert results.read_trials() == [trial]


@pytest.mark.parametrize(
    ("curve", "words"),
    [
        (Curve(10, (8, 9), (0, 1), (20, 30)), ""),
        (Curve(10, (8,), (0,), (20,)), "a count of each kind for every threshold"),
        (Curve(10, (8, 9), (0, 1), (20, 10**9)), "silent after 1000000000 steps"),
        (Curve(10, (8, 8), (0, 1), (20, 30)), "the counts of the score at the threshold of training"),
    ],
)
def test_a_trial_whose_curve_no_network_can_have_is_refused(curve: Curve, words: str) -> None:
    trial = Trial(CONFIG, HISTORY, SCORE, {}, (0.5, 1.0), curve)
    path = results.write_trial(trial)
    if words:
        with pytest.raises(ResultError, match=words):
            results.read_trial(path)
    else:
        assert results.read_trial(path) == trial


def test_a_trial_is_no_result() -> None:
    path = results.write_trial(Trial(CONFIG, HISTORY, SCORE, {}))
    with pytest.raises(ResultError, match="not a readable result file"):
        results.read(path)


@pytest.mark.parametrize("change", ["config", "name"])
def test_a_file_that_was_changed_is_refused(change: str) -> None:
    path = results.write_trial(Trial(CONFIG, HISTORY, SCORE, {}))
    if change == "config":
        content = json.loads(path.read_text())
        content["config"]["epochs"] = 2
        path.write_text(json.dumps(content))
    else:
        path = path.rename(path.with_stem("best"))
    with pytest.raises(ResultError, match="was edited or renamed"):
        results.read_trial(path)


@pytest.fixture
def splits_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Random images instead of the data sets, and a record of the splits that were asked for."""
    asked: list[str] = []

    def load(name: str, split: str) -> Images:
        asked.append(split)
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (64, 28, 28), dtype=torch.uint8, generator=generator)
        return Images(images, torch.randint(0, 10, (64,), generator=generator))

    monkeypatch.setattr(training, "load", load)
    monkeypatch.setattr(experiment, "load", load)
    return asked


def test_trying_out_reads_the_validation_images_alone_and_once(splits_read: list[str]) -> None:
    trial = experiment.try_out(CONFIG, progress=False)
    assert set(splits_read) == {"train", "validation"}
    assert trial.validation.images == 64
    assert trial.validation.accuracy == trial.history[-1].validation_accuracy
    assert trial.curve and trial.unquantized and trial.curve != trial.unquantized
    plain = experiment.try_out(replace(CONFIG, architecture="784-8-10"), progress=False)
    assert plain.curve and not plain.unquantized  # its degrees are 1 as it is
    splits_read.clear()
    assert experiment.try_out(CONFIG, progress=False) == trial
    assert not splits_read
    assert not list(paths.checkpoints_directory().glob("*"))
    with pytest.raises(ResultError, match="is missing"):
        results.read_trial(results.trial_file(replace(CONFIG, seed=1)))


def test_a_trial_that_is_chosen_is_evaluated_without_training_again(
    splits_read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = experiment.try_out(CONFIG, progress=False)
    monkeypatch.setattr(trainer.Trainer, "step", lambda *_: pytest.fail("trained again"))
    assert experiment.run(CONFIG, progress=False).history == trial.history
    assert "test" in splits_read


@pytest.mark.usefixtures("splits_read")
def test_a_retraining_leaves_the_state_of_a_trial_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment.try_out(CONFIG, progress=False)
    state = training.state_file(CONFIG).read_bytes()
    steps = []
    step = trainer.Trainer.step
    monkeypatch.setattr(trainer.Trainer, "step", lambda self: steps.append(step(self)))
    experiment.retrain(CONFIG, progress=False)
    assert steps and training.state_file(CONFIG).read_bytes() == state


@pytest.mark.usefixtures("splits_read")
def test_weights_that_are_not_the_result_s_are_not_released() -> None:
    result = experiment.run(CONFIG, progress=False)
    result.checkpoint.write_bytes(b"others")
    with pytest.raises(CheckpointError, match="is corrupted"):
        experiment.run(CONFIG, release=True, progress=False)
    assert not results.result_file(CONFIG, released=True).exists()


def test_a_history_that_cannot_be_is_refused() -> None:
    result = Result(CONFIG, (HISTORY[0]._replace(validation_accuracy=500.0),), SCORE, "0" * 64, {}, {})
    path = results.write(result, results.result_file(CONFIG, released=False))
    with pytest.raises(ResultError, match=r"an epoch cannot end with 500.0 %"):
        results.read(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"correct": 10}, "correct must be from 0 to 9, not 10"),
        ({"correct_if_tied": 11}, "correct_if_tied must be from 0 to 10, not 11"),
        ({"silent": 11}, "silent must be from 0 to 10, not 11"),
        ({"steps": 41}, "steps must be from 13 to 40, not 41"),
        ({"steps": 12}, "steps must be from 13 to 40, not 12"),  # 4 of the silent image and 9 of the others
        ({"spikes": [81, 6]}, "8 neurons cannot have 81 spikes over 10 images"),
        ({"spikes": [5]}, "spikes must have 2 counts, one for each layer, not 1"),
        ({"arriving": [1, 2, 3]}, "arriving must have 2 counts, one for each layer, not 3"),
        ({"arriving": [1, 2]}, "additions must have 2 counts, one for each layer, not 0"),
        ({"arriving": [7841, 5], "additions": [8, 50]}, "7841 spikes cannot arrive out of 7840"),
        ({"arriving": [7840, 6], "additions": [8, 50]}, "6 spikes cannot arrive out of 5"),
        ({"arriving": [7840, 5], "additions": [8, 51]}, "5 spikes cannot take 51 additions in 10 neurons"),
        ({"images": 0}, "test.images must be greater than or equal to 1, not 0"),
        ({"silent": True}, "test.silent must be a valid integer, not True"),
    ],
)
def test_counts_that_cannot_be_are_refused(change: dict[str, object], words: str) -> None:
    result = Result(CONFIG, HISTORY, SCORE, "0" * 64, {}, {})
    path = results.write(result, results.result_file(CONFIG, released=False))
    content = json.loads(path.read_text())
    content["test"] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(ResultError, match=words):
        results.read(path)


@pytest.mark.usefixtures("splits_read")
def test_the_metrics_beside_the_counts_are_those_of_the_counts_and_the_weights() -> None:
    result = experiment.run(CONFIG, progress=False)
    path = results.result_file(CONFIG, released=False)
    content = json.loads(path.read_text())
    found = content["neurobench"]
    assert found["effective_additions"] == sum(result.test.additions) / result.test.images
    assert found["footprint_bytes"] == 4 * (784 * 8 + 8 * 10)
    weights = checkpoints.read_tensors(result.checkpoint)[0].values()
    assert found["connection_sparsity"] == sum(int((w == 0).sum()) for w in weights) / (784 * 8 + 8 * 10)
    result.checkpoint.unlink()
    results.write(result, path)
    assert json.loads(path.read_text())["neurobench"] == found | {"connection_sparsity": None}
    for change, words in (
        ({"effective_additions": 1.0}, "effective_additions must be"),
        ({"connection_sparsity": 1.5}, "connection_sparsity must be from 0 to 1"),
        ({"more": 1.0}, "neurobench must have"),
    ):
        path.write_text(json.dumps(content | {"neurobench": found | change}))
        with pytest.raises(ResultError, match=words):
            results.read(path)
    path.write_text(json.dumps(content | {"neurobench": {}}))  # as older results have it
    assert results.read(path) == result


@pytest.mark.parametrize("digest", [None, "", "0" * 63, "g" * 64])
def test_a_result_without_the_sum_of_its_weights_is_refused(digest: str | None) -> None:
    path = results.write(Result(CONFIG, HISTORY, SCORE, "0" * 64, {}, {}), results.result_file(CONFIG, released=False))
    content = json.loads(path.read_text())
    content["checkpoint_sha256"] = digest
    path.write_text(json.dumps(content))
    with pytest.raises(ResultError, match="not a readable result file"):
        results.read(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 100_000, "recursion limit exceeded"),
        ('{"config": {"seed": 1, "seed": 1}, "config": 1}', "missing key"),
        ('{"made": ' + "[" * 150 + "1" * 4000 + "]" * 150 + "}", "missing key"),
        ("{", "EOF while parsing"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_short_sentence(content: str, words: str) -> None:
    path = results.result_file(CONFIG, released=False)
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ResultError, match=words) as refused:
        results.read(path)
    assert len(str(refused.value)) < 300 and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('"seed": 0', '"seed": 1, "seed": 0', "the key 'seed' appears twice"),
        ('"loss": 0.5', '"loss": NaN', "history.0.loss must be a finite number, not nan"),
        ('"made": {}', '"made": {}, "note": ""', "unknown key note"),
    ],
)
def test_what_no_run_writes_is_refused(before: str, after: str, words: str) -> None:
    path = results.write(Result(CONFIG, HISTORY, SCORE, "0" * 64, {}, {}), results.result_file(CONFIG, released=False))
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(ResultError, match=words):
        results.read(path)


def test_whatever_is_stored_for_a_network_is_in_one_place(tmp_path: Path) -> None:
    result = Result(CONFIG, HISTORY, SCORE, "0" * 64, {}, {})
    elsewhere, copied = (replace(result, folder=tmp_path / name) for name in ("mine", "results"))
    assert elsewhere.checkpoint.parent == tmp_path / "mine"
    assert results.beside(elsewhere, *results.DIALS).parent == tmp_path / "mine" / "dials"
    assert copied.checkpoint.parent == tmp_path / "checkpoints"
    assert results.beside(copied, *results.DIALS).parent == tmp_path / "dials"


def test_every_committed_result_is_read_under_its_own_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(paths.REPOSITORY / "data"))
    for folder, found in (
        (paths.results_directory(), [result.config for result in results.read_all()]),
        (paths.search_directory(), [trial.config for trial in results.read_trials()]),
    ):
        files = sorted(folder.glob("*.json"))
        assert [path.stem for path in files] == [config.name for config in found] != []
        assert [json.loads(path.read_text())["config_sha256"] for path in files] == [config.hash for config in found]

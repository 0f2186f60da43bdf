"""A search from end to end on the digits: what it chooses, what it tells, what a second one costs, where it goes on."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tqttfs_lite.cli import main
from tqttfs_lite.energy import models
from tqttfs_lite.errors import InputError, ResultError
from tqttfs_lite.experiments import experiment, paths, results, search, training
from tqttfs_lite.experiments.config import TrainingConfig, recipe, variant
from tqttfs_lite.experiments.datasets import load
from tqttfs_lite.experiments.evaluation import Evaluation, evaluate
from tqttfs_lite.experiments.search import Budget, Scores
from tqttfs_lite.experiments.shared import DEGREES, distinct, settings_of
from tqttfs_lite.spiking.notation import Architecture

CONFIG = recipe("64-16-10", "digits", 8, epochs=4)
COMMAND = ["search", "64-16-10", "--dataset", "digits", "--time-steps", "8", "--epochs", "4", "--trainings", "2"]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which the shared network of the digits is trained and scored."""
    folder = tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQTTFS_DATA", str(folder))
        search.score_shared(search.shared_config(CONFIG), device="cpu", progress=False)
    return folder


@pytest.fixture(autouse=True)
def own_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, searched: Path) -> None:
    shutil.copytree(searched, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))


def find(budget: str, accounting: str = "causal", tell: Callable[[str], None] = lambda _: None) -> search.Found:
    chosen = Budget.parse(budget, accounting)
    return search.search(CONFIG, chosen, trainings=2, device="cpu", progress=False, tell=tell)


@pytest.mark.parametrize("text", ["7", "steps", "steps=", "steps=0", "steps=nan", "steps=7%", "energy=%", "time=7"])
def test_a_budget_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="a budget must be like steps=7, energy=80% or energy=120 in nJ, not"):
        Budget.parse(text)


def test_a_budget_of_energy_is_in_percent_or_nanojoules() -> None:
    counts = experiment.try_out(recipe("64-16(1)-10(2)", "digits", 8, epochs=1), progress=False)
    found = counts.validation.counts(models.Architecture.parse("64-16(1)-10(2)"))
    causal = sum(models.causal_energies(found))
    assert Budget.parse("energy=5").cost(found, found) == Budget.parse("energy=5nJ").cost(found, found) == causal
    assert Budget.parse("energy=80%", "slides").cost(found, found) == pytest.approx(100)


def test_the_search_trains_the_best_of_the_shared_network_and_a_second_one_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    found = find("steps=6", tell=told.append)
    assert "9 choices of degrees have been scored before" in told[0] and "2 to train, about" in told[1]
    accuracies = [choice.point.accuracy for choice in found.shared]
    assert accuracies == sorted(accuracies, reverse=True)
    assert list(found.finalists) == [choice.setting for choice in found.shared[:2]]
    best = {setting: seeds[0].point.accuracy for setting, seeds in found.finalists.items()}
    assert best[found.chosen] == max(best.values()) > 20
    assert all(0 < choice.cost <= 6 for choice in found.shared)
    (result,) = found.results
    assert result.config == variant(CONFIG, found.chosen)
    assert len(results.read_all(released=False)) == 1  # the other finalist never saw the test images

    for name in ("train", "train_together"):
        monkeypatch.setattr(experiment, name, lambda *_, **__: pytest.fail("it was trained before"))
    monkeypatch.setattr(search, "train", lambda *_, **__: pytest.fail("it was trained before"))
    monkeypatch.setattr(search, "evaluations", lambda *_, **__: pytest.fail("it was scored before"))
    told.clear()
    assert find("steps=6", tell=told.append) == found
    assert "have been scored before" in told[0] and "0 to train, about 0.0 minutes" in told[1]


def test_what_is_scored_is_what_the_trained_network_counts() -> None:
    found = find("steps=5")
    (result,) = found.results
    (scores,) = search.score_trained([result.config])
    held_out = load("digits", "validation")
    counted = evaluate(experiment.trained_network(result), held_out.images, held_out.labels)
    assert scores.settings[found.chosen][scores.thresholds.index(1.0)] == counted
    search.scores_file(result.config).unlink()
    assert search.score_trained([result.config])[0].settings == scores.settings  # from the weights, without training


def test_a_released_seed_without_weights_is_judged_by_its_dial(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find("steps=5")
    (result,) = found.results
    search.scores_file(result.config).unlink()
    result.checkpoint.unlink()
    for name in ("train", "train_together"):
        monkeypatch.setattr(experiment, name, lambda *_, **__: pytest.fail("its dial is stored"))
    assert find("steps=5") == found


def test_the_least_of_an_unreachable_budget_is_that_of_all_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(configs: list[TrainingConfig], **_: object) -> list[Scores]:
        counts = [scores(*[770 if config.seed else 790] * 3).settings["1-1"] for config in configs]
        names = [Architecture.parse(config.architecture).short_form for config in configs]
        return [
            Scores(c, (), 0.0, {}, {}, (0.5, 1.0, 1.5), {n: e}) for c, n, e in zip(configs, names, counts, strict=True)
        ]

    monkeypatch.setattr(search, "score_trained", trained)
    with pytest.raises(InputError, match=r"the lowest cost is 7\.90 steps"):
        search.search(CONFIG, Budget(7.0, "steps"), seeds=(0, 1), trainings=1, device="cpu", tell=lambda _: None)


def test_a_budget_of_energy_needs_degree_1_and_one_of_steps_does_not() -> None:
    with pytest.raises(InputError, match="add 1 to the degrees"):
        search.search(CONFIG, Budget.parse("energy=80%"), degrees=(2, 4), device="cpu", tell=lambda _: None)
    found = search.search(
        CONFIG, Budget(8.0, "steps"), degrees=(2, 4), trainings=1, device="cpu", progress=False, tell=lambda _: None
    )
    assert found.chosen in {"2-2", "2-4", "4-4"}


def test_the_command_of_a_file_makes_it(capsys: pytest.CaptureFixture[str]) -> None:
    find("steps=5")
    files = (paths.data_directory() / search.FOLDER).glob("*.json")
    own = next(each for file in files if not (each := search.read(file)).degrees)
    file = search.scores_file(own.config)
    file.unlink()
    assert main([*shlex.split(own.command)[1:], "--device", "cpu"]) == 0
    assert search.read(file).settings == own.settings
    assert (
        "--epochs 4 --seed 0 --trainings 1"
        in search.read(search.scores_file(search.shared_config(CONFIG), DEGREES)).command
    )


def test_an_unreachable_budget_says_what_is_reachable(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--budget", "steps=1"]) == 1
    said = capsys.readouterr()
    assert "no choice of degrees stays within 1.00 steps on the validation images with output" in said.err
    assert re.search(r"thresholds from 0\.2 to 2 θ: the lowest cost is [1-7]\.\d\d steps, with 1-1$", said.err.strip())
    assert "to train" not in said.out
    with pytest.raises(InputError, match=r"within 1\.0 % of the unquantized network's energy .* from 0\.2 to 2 θ"):
        find("energy=1%", "memory")


def test_what_cannot_be_is_refused_before_anything_is_trained() -> None:
    def never(told: str) -> None:
        pytest.fail(f"it was begun: {told}")

    with pytest.raises(InputError, match=r"within 1.5 mean steps: with q = 2, the first tick is step 2"):
        search.search(CONFIG, Budget(1.5, "steps"), degrees=(2, 4), tell=never)
    with pytest.raises(InputError, match=r"write 64-16-10 instead of 64-16\(1\)-10\(2\)"):
        search.search(variant(CONFIG, "1-2"), Budget(5.0, "steps"), tell=never)


def test_a_budget_of_energy_is_told_beside_the_unquantized_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--budget", "energy=150%", "--accounting", "memory", "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert "% of the unquantized network's energy" in told and "←" in told and "in budget" in told
    assert re.search(r"the best degrees by the shared network: \d-\d, \d-\d; (for comparison: 1-1; )?\d to train", told)


def test_a_search_that_was_cut_off_goes_on_and_tells_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    config = search.shared_config(CONFIG)
    file, settings = search.scores_file(config, DEGREES), distinct(config, settings_of(config, DEGREES))
    whole = search.read(file)
    assert whole.complete and whole.weights_sha256
    file.unlink()
    training.state_file(config, search._purpose(DEGREES)).unlink()
    told = search._cost_of_sharing(config, DEGREES, 2, CONFIG, "cpu")
    assert "1 of 1 epochs to go" in told and "9 choices of degrees to score" in told and "up to 2 trainings" in told
    score, scored = search._score, []

    def cut_off(*arguments: object) -> tuple[Evaluation, ...]:
        scored.append(arguments)
        if len(scored) == 4:
            raise KeyboardInterrupt
        return score(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(search, "_score", cut_off)
    with pytest.raises(KeyboardInterrupt):
        search.score_shared(config, device="cpu", progress=False)
    assert len((part := search.read(file)).settings) == 3 and not part.complete
    told = search._cost_of_sharing(config, DEGREES, 2, CONFIG, "cpu")
    assert "0 of 1 epochs to go" in told and "6 choices of degrees to score" in told
    found = search.score_shared(config, device="cpu", progress=False)
    assert found.settings == whole.settings and len(scored) == 4 + 6
    assert tuple(found.settings) == settings and found.made == part.made


def test_a_part_of_the_scores_is_not_completed_with_other_weights() -> None:
    config = search.shared_config(CONFIG)
    file = search.scores_file(config, DEGREES)
    whole = search.read(file)
    wrong = whole.settings["1-1"][::-1]
    search._write(replace(whole, weights_sha256="other", settings={"1-1": wrong}), file)
    assert search.score_shared(config, device="cpu", progress=False).settings == whole.settings
    search._write(replace(whole, data_sha256={"digits/train": "other"}), file)
    with pytest.raises(ResultError, match="was made with different images than digits has now"):
        search.score_shared(config, device="cpu", progress=False)


def scores(*steps: int) -> Scores:
    """Of a network that is right on as many of 100 images as it takes steps in tenths."""
    found = tuple(Evaluation(100, step // 10, step // 10, 0, step, (0, 0), (0, 0), (0, 0)) for step in steps)
    return Scores(CONFIG, (), 0.0, {}, {}, (0.5, 1.0, 1.5), {"1-1": found})


def test_between_thresholds_the_best_within_the_budget_is_taken() -> None:
    rising = scores(200, 300, 400)
    choice = search.within(rising, "1-1", Budget(3.5, "steps"), rising.as_trained("1-1"))
    assert choice and choice.cost <= 3.5 and choice.cost == pytest.approx(3.5, abs=0.04)
    assert choice.point.threshold == pytest.approx(1.25, abs=0.02) and choice.point.accuracy == pytest.approx(
        35, abs=0.4
    )
    assert search.within(rising, "1-1", Budget(1.9, "steps"), rising.as_trained("1-1")) is None


def test_a_file_that_no_search_wrote_is_refused() -> None:
    config = search.shared_config(CONFIG)
    file = search.scores_file(config, DEGREES)
    assert search.read(file).used_files == (f"rankings/{file.name}",)
    whole = file.read_text()
    content = json.loads(whole)
    content["settings"]["1-1"][0]["correct"] = 10**9
    file.write_text(json.dumps(content))
    with pytest.raises(ResultError, match="correct must be from 0 to"):
        search.read(file)
    file.write_text(whole.replace('"epochs": 1', '"epochs": 2'))
    with pytest.raises(ResultError, match="its configuration has a different hash"):
        search.read(file)
    file.unlink()
    with pytest.raises(ResultError, match="`tqttfs search` makes it"):
        search.read(file)

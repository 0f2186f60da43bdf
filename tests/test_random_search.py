"""What random searches found, on made-up trials; one that is run, from its trials to its released results."""

from dataclasses import replace
from itertools import combinations
from math import isnan
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
import yaml

from tqttfs_lite.experiments import random_settings, results, study
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.evaluation import Curve, Evaluation
from tqttfs_lite.experiments.results import Trial
from tqttfs_lite.experiments.training import Epoch
from tqttfs_lite.paper import random_search, reported
from tqttfs_lite.paper.degree_search import expected_best, expected_bests
from tqttfs_lite.paper.random_search import Search, reached
from tqttfs_lite.paper.seed_statistics import Group, spread

CLAIM = reported.improvements()[0]
PLAIN, QUANTIZED = random_search._networks(CLAIM)
TARGET = random_search.TARGETS["mnist"][0]
IMAGES = 1000


def trial(config: TrainingConfig, correct: int, first: float = 2.0) -> Trial:
    """Right about half of these images after `first` mean steps, about all after one more, and less later."""
    steps = tuple(int(IMAGES * (first + n)) for n in range(3))
    score = Evaluation(IMAGES, correct, correct, 0, steps[1], (0, 0))
    curve = Curve(IMAGES, (correct // 2, correct, correct - 100), (0, 0, 0), steps)
    return Trial(config, (Epoch(1.0, 90.0, 3.0, 1.0),) * config.epochs, score, {}, (0.5, 1.0, 1.5), curve)


def searched(plain: list[int], quantized: list[int]) -> Search:
    draws = zip(*(random_settings.draw(config, len(plain)) for config in (PLAIN, QUANTIZED)), strict=True)
    rights = zip(plain, quantized, strict=True)
    return Search(
        CLAIM, tuple((trial(a, n, 1.0), trial(b, m, 1.0)) for (a, b), (n, m) in zip(draws, rights, strict=True))
    )


def test_a_trial_is_read_at_its_best_threshold_within_the_time() -> None:
    found = trial(PLAIN, 900)
    assert reached(found, 2.5) == pytest.approx(67.5, abs=0.6)  # halfway, on a grid
    assert reached(found, 3.0) == reached(found, 8.0) == 90.0  # later ones are worse
    assert all(map(isnan, (reached(found, 1.9), reached(None, 3.0), reached(replace(found, curve=None), 3.0))))


def test_the_best_of_any_number_of_draws_is_that_of_all_ways_to_draw() -> None:
    values = np.array([[3.0, 1.0, 4.0, 1.5], [0.0, 2.0, 2.0, 7.0]])
    every = [[mean(max(drawn) for drawn in combinations(row, k)) for k in range(1, 5)] for row in values.tolist()]
    assert expected_bests(values) == pytest.approx(np.array(every))
    assert expected_best(values[0].tolist(), 2) == pytest.approx(every[0][1])


def test_draws_are_resampled_in_pairs() -> None:
    rights = [400, 500, 550, 600, 650, 700, 720, 750, 760, 770]
    found = searched(rights, [right + 100 for right in rights])
    expected = found.expected(2.0)
    assert expected.best[:, -1] == pytest.approx([77.0, 87.0]) and expected.best[0, 0] == pytest.approx(
        mean(rights) / 10
    )
    assert expected.gain == pytest.approx(np.full(10, 10.0)) and expected.gain_ends == pytest.approx(
        np.full((2, 10), 10.0)
    )
    low, high = expected.ends
    assert (low <= expected.best).all() and (expected.best <= high + 1e-9).all() and (low[:, 0] < high[:, 0] - 1).all()


def test_the_sentence_says_which_side_is_ahead() -> None:
    rights = [500, 600, 650, 700, 710, 720, 730, 740]
    better = [right + 50 for right in rights]
    names = "2.3 or 2.5 or 3"
    assert searched(rights, better).sentence().endswith(f"within {names}, the quantized side is ahead.")
    assert searched(better, rights).sentence().endswith(f"within {names}, the unquantized side is ahead.")
    assert searched(rights, rights).sentence().endswith(f"within {names}, neither side is shown to be ahead.")
    assert (
        "8 random settings" in searched(rights, rights).sentence()
        and "best of 4" in searched(rights, rights).sentence()
    )
    few = searched(rights[1:], better[1:])
    assert few.sentence().endswith("with each side, too few to compare the two.")
    assert set(few.table({})["gain, half the draws"]) == {""}


def test_each_sides_best_draw_is_trained_to_the_end_with_new_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    found = searched([500, 900, 600], [900, 500, 600])
    plain, quantized = found.chosen(TARGET)
    assert plain == replace(random_settings.draw(PLAIN, 2)[1], epochs=PLAIN.epochs, seed=0)
    assert quantized == replace(random_settings.draw(QUANTIZED, 1)[0], epochs=PLAIN.epochs, seed=0)
    assert random_search.fresh([found, found]) == [plain, quantized]  # the best within every time
    asked = study.configurations(yaml.safe_load(random_search.as_study([plain, quantized], range(3))))
    assert asked == [replace(config, seed=seed) for config in (plain, quantized) for seed in range(3)]

    accuracies = {plain: [90.0, 91.0], quantized: [92.0, 93.0]}
    monkeypatch.setattr(Group, "at_steps", lambda group, steps: spread(accuracies[group.config]))
    groups = {config: Group(config, ()) for config in accuracies}
    gain = found.tested(TARGET, groups)
    assert gain and gain.mean == 2.0 and found.tested(TARGET, {plain: groups[plain]}) is None
    assert list(found.table({})["gain, new seeds, test"]) == ["not trained yet"] * 3


def test_stored_trials_are_found_and_a_gap_is_a_training_that_diverged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    (tmp_path / "search").mkdir()
    assert random_search.stored()[0] == []
    found = searched([500, 600, 700, 800], [500, 600, 700, 800])
    for place, draw in enumerate(found.draws):
        for side, tried in enumerate(draw):
            if tried and (place, side) not in ((1, 0), (3, 1)):  # the last is not there yet
                results.write_trial(tried)
    (read,), missing = random_search.stored()
    assert read.draws == (found.draws[0], (None, found.draws[1][1]), found.draws[2])
    assert read.reached(2.0).tolist() == [[50.0, 50.0, 70.0], [50.0, 60.0, 70.0]]
    assert read.table({})["in time"][0] == "2, 3"
    assert len(read.used_files) == 5 and all(name.startswith("search/") for name in read.used_files)
    assert "fashion-mnist, SMLP 1-2-4; fashion-mnist, SCNN" in missing and "mnist, SMLP 1-2;" not in missing[:40]


def test_a_search_is_run_and_its_best_settings_are_released(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert home.exists()
    monkeypatch.setattr(random_settings, "EPOCHS", 1)
    monkeypatch.setattr(random_search, "_networks", lambda _: (replace(PLAIN, epochs=2), replace(QUANTIZED, epochs=2)))
    random_search.main(["--networks", CLAIM.network, "--draws", "1", "--seeds", "1", "--device", "cpu"])
    said, _, listed = capsys.readouterr().out.partition("\n")
    assert said == "mnist, SMLP 1-2: 1 random settings were tried with each side, too few to compare the two."
    asked = study.configurations(yaml.safe_load(listed))
    assert [config.epochs for config in asked] == [2, 2]
    assert asked == list(random_search.stored()[0][0].chosen(TARGET))
    assert all(results.find(config, released_only=True) for config in asked)

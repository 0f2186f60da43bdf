"""What a search is worth, on made-up scores: rankings, agreement, and the best of random draws."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from statistics import mean

import pytest

from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments import dial, search
from tqttfs_lite.experiments.config import recipe, variant
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.search import DEGREES, Budget, Scores
from tqttfs_lite.experiments.shared import distinct, settings_of
from tqttfs_lite.paper import degree_search, seed_statistics

CONFIG = recipe("784-400-10", "mnist", 8)
THRESHOLDS = (0.5, 1.0, 1.5)
MADE = {"date": "2026-11-27", "commit": "unknown", "python": "3.11", "torch": "2"}


def counted(right: int, first: int) -> tuple[Evaluation, ...]:
    """Right on so many of 1,000 images, ten more with each threshold, after so many mean steps, one more with each."""
    return tuple(
        Evaluation(1000, right + 10 * n, right + 10 * n, 0, 1000 * (first + n), (0, 0), (0, 0), (0, 0))
        for n in range(3)
    )


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search whose shared network likes 1-2 best; of its first ones only 1-4 is trained."""
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    settings = dict.fromkeys(distinct(CONFIG, settings_of(CONFIG)), counted(800, 6))
    settings |= {"1-1": counted(900, 1), "1-2": counted(940, 2), "1-4": counted(930, 2)}
    shared = Scores(search.shared_config(CONFIG), DEGREES, 1.0, {}, MADE, THRESHOLDS, settings)
    search._write(shared, search.scores_file(shared.config, DEGREES))
    for setting, right in (("1-1", 950), ("1-4", 960)):
        own = Scores(variant(CONFIG, setting), (), 1.0, {}, MADE, THRESHOLDS, {setting: counted(right, 2)})
        search._write(own, search.scores_file(own.config))
    other = Scores(
        variant(recipe("784-16-10", "mnist", 8), "1-1"), (), 1.0, {}, MADE, THRESHOLDS, {"1-1": counted(0, 1)}
    )
    search._write(other, search.scores_file(other.config))


@pytest.mark.usefixtures("stored")
def test_a_summary_ranks_within_the_budget_and_names_what_is_left() -> None:
    found = degree_search.summary(CONFIG, 3.0, {})
    assert list(found.ranking.items()) == [("1-2", 95.0), ("1-4", 94.0), ("1-1", 92.0)]
    assert found.finalists == ["1-2", "1-4", "1-1"] and found.chosen == "1-4"
    assert found.trained["1-4"].validation.mean == pytest.approx(97.0)
    assert found.agreement is None  # of two
    told, table = found.sentences(), found.table()
    assert "3 of 9 choices of degrees decide within 3 mean time steps" in told
    assert "Not trained yet: 1-2." in told and "first, between" not in told and "drawn at random" not in told
    assert list(table["degrees"]) == ["1-2", "1-4", "1-1"] and list(table["chosen"]) == ["", "←", ""]
    assert len(found.used_files) == 3 and all(file.startswith("rankings/") for file in found.used_files)
    curves = found.curves([1.0, 3.0], "1-2")
    assert curves["the best degrees"] == [90.0, 95.0] and curves["unquantized"] == [90.0, 92.0]
    assert curves["the mean of all degrees"] == [90.0, pytest.approx(281 / 3)]
    assert str(curves["1-2"][0]) == "nan"
    assert list(degree_search.by_budget(CONFIG, (1, 3), {})["choices within"]) == [1, 3]


@pytest.mark.usefixtures("stored")
def test_degrees_beyond_the_budget_come_in_an_order_of_their_own() -> None:
    names = [f"1-{q}" for q in range(16, 80)]
    found = replace(degree_search.summary(CONFIG, 3.0, {}), beyond=dict.fromkeys(names[::-1], ()))
    assert list(found.table()["degrees"]) == ["1-2", "1-4", "1-1", *names]


@pytest.mark.usefixtures("stored")
def test_released_seeds_come_before_the_scores_of_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the released results and their dials
    config, steps = degree_search.SEARCHES[1]
    groups = seed_statistics.released()
    found, beyond = degree_search.trained(config, groups, [], steps, {"1-1", "1-2", "1-4"})
    assert found["1-1"].validation.seeds == len(groups[config].results) > 1
    assert found["1-1"].test and found["1-1"].steps < steps + 0.1
    assert not found.keys() & beyond.keys()


def test_the_command_and_the_chapter_say_the_same_of_a_network() -> None:
    config, steps = degree_search.SEARCHES[0]
    groups = seed_statistics.released()
    trained = {result.config: result for group in groups.values() for result in group.results}
    shared, own = degree_search.stored(config)
    both = [scores for scores in own if scores.config in trained]
    assert shared and len(both) > 2
    for scores in both:
        (setting,) = scores.settings
        choice = search.within(scores, setting, Budget(steps, "steps"), scores.as_trained(setting))
        assert search.within_steps(dial.read(trained[scores.config]), scores.config, steps) == choice
    found = degree_search.summary(config, steps, groups)
    assert not found.trained.keys() & found.beyond.keys() and found.beyond.keys() <= shared.settings.keys()
    assert set(found.finalists) <= {*found.trained, *found.beyond, *found.left}


def test_without_a_search_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    with pytest.raises(ResultError, match=r"no search of .* is stored: `tqttfs search` makes one"):
        degree_search.summary(CONFIG, 3.0, {})


@pytest.mark.usefixtures("stored")
def test_where_no_choice_is_within_the_budget_a_sentence_says_so() -> None:
    found = degree_search.summary(CONFIG, 0.5, {})
    assert found.sentences() == "None of 9 choices of degrees decides within 0.5 mean time steps."
    assert set(found.beyond) == {"1-1", "1-4"} and found.chosen is None


def test_a_search_is_compared_with_draws_from_all_that_were_trained() -> None:
    def real(setting: str, accuracy: float) -> degree_search.Trained:
        return degree_search.Trained(setting, seed_statistics.spread([accuracy]), None, 2.0, ())

    accuracies = {"1-1": 5.0, "1-2": 1.0, "1-4": 2.0, "2-2": 3.0, "2-4": 4.0, "4-4": 9.0}
    trained = {setting: real(setting, accuracy) for setting, accuracy in accuracies.items()}
    ranking = {setting: 10.0 - place for place, setting in enumerate(accuracies)}
    shared = Scores(search.shared_config(CONFIG), DEGREES, 1.0, {}, MADE, THRESHOLDS, {s: () for s in accuracies})
    told = degree_search.Summary(3.0, shared, ranking, trained, {"1-8": ()}, ()).sentences()
    assert "puts 1-1, 1-2, 1-4, 2-2 first, between 10.00 and 7.00 %, and 4-4 last, with 5.00 %" in told
    best = mean(max(drawn) for drawn in combinations([*accuracies.values(), 0.0], 5))
    assert "Of 5 that are drawn at random from all 7 trained ones" in told
    assert f"has {best:.2f} % on average: the search is worth {5 - best:+.2f} points" in told


@pytest.mark.parametrize("draws", [1, 2, 3, 4, 9])
def test_the_best_of_random_draws_is_that_of_all_draws(draws: int) -> None:
    values = [3.0, 1.0, 4.0, 1.5]
    every = [max(drawn) for drawn in combinations(values, min(draws, 4))]
    assert degree_search.expected_best(values, draws) == pytest.approx(mean(every))


def test_agreement_is_of_the_choices_that_both_rank() -> None:
    shared, real = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 0.0}, {"a": 3.0, "b": 2.0, "c": 1.0, "e": 9.0}
    found = degree_search.agreement(shared, real)
    assert found and (found.correlation, found.settings) == (-1.0, 3)
    assert found.p_value == pytest.approx(2 / 6)  # of the six orders two agree or disagree in full
    assert degree_search.agreement({"a": 1.0}, real) is None

"""Attempts to reach more, on made-up trials and results: which is best for an aim, and what its seeds reach."""

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
import yaml

from tqttfs_lite.experiments import dial, results, study, used_files
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.dial import Dial
from tqttfs_lite.experiments.evaluation import Curve, Evaluation
from tqttfs_lite.experiments.results import Result, Trial
from tqttfs_lite.experiments.training import Epoch
from tqttfs_lite.paper import attempts, operating_points, reported
from tqttfs_lite.paper.attempts import configurations, outcome, outcomes, reached
from tqttfs_lite.paper.seed_statistics import released
from tqttfs_lite.spiking.notation import Architecture

MNIST = "mnist", "784-400-10", "1-2"
THRESHOLDS = (0.5, 1.0, 1.5)


def counts(*correct: int, silent: int = 0, first: int = 200) -> Curve:
    """100 images, right in these cases, after 2, 3 and 4 mean steps; the last threshold leaves some silent."""
    return Curve(100, correct, (0, 0, silent), (first, first + 100, first + 200))


def trial(config: TrainingConfig, curve: Curve, unquantized: Curve) -> Trial:
    at = THRESHOLDS.index(config.theta)
    score = Evaluation(100, curve.correct[at], 100, curve.silent[at], curve.steps[at], (0, 0))
    history = (Epoch(1.0, 50.0, 3.0, 60.0),) * config.epochs
    return Trial(config, history, score, {}, THRESHOLDS, curve, {}, unquantized)


@pytest.fixture
def own_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))


def test_the_aims_that_are_others_numbers_are_those_numbers() -> None:
    printed = {p.degrees: p for p in operating_points.printed()}
    cited = {(row.work, row.network): row.fashion_mnist_percent for row in reported.literature()}
    kinds = set()
    for aim in reported.aims():
        dataset = "mnist" if aim.network == "784-400-10" else "fashion-mnist"
        slides = reported.own_accuracy(dataset)[str(Architecture.parse(aim.network).with_quantization(aim.degrees))]
        if aim.why.startswith("the slides' accuracy"):
            assert aim.accuracy_percent == slides
        else:
            assert aim.accuracy_percent > slides
        if aim.has_slides_steps:
            steps = printed["none" if set(aim.degrees) <= set("1-") else aim.degrees].steps
            assert aim.steps == round(steps, 1)
        if "TSSL" in aim.why or "ETTFS" in aim.why:
            kind = "CNN" if "C5" in aim.network else "MLP"
            (percent,) = (found for (work, of), found in cited.items() if aim.why.split()[-1] in work and of == kind)
            assert aim.accuracy_percent == percent and aim.steps == inf
        kinds.add(aim.why)
    assert len(kinds) >= 5


def test_an_aim_limits_steps_and_silence() -> None:
    curve = counts(80, 90, 95, silent=10)
    assert reached(THRESHOLDS, curve, 1.9) is None
    assert [point and point.accuracy for point in (reached(THRESHOLDS, curve, s) for s in (2, 2.5, 3))] == [80, 85, 90]
    point = reached(THRESHOLDS, curve, inf)
    assert point and point.silent == pytest.approx(2, abs=0.3) and point.accuracy == pytest.approx(91, abs=0.2)
    assert reached(THRESHOLDS, replace(curve, silent=(3, 5, 10)), inf) is None
    both = reached((0.5, 1.0), Curve(100, (80, 90), (0, 4), (200, 400)), 2.9)  # at 0.725, and at 0.75
    assert both and both.accuracy == pytest.approx(84.5, abs=0.3)


def test_the_attempts_change_the_recipe_in_different_ways() -> None:
    for dataset in ("mnist", "fashion-mnist"):
        tried = attempts.attempts(dataset)
        kinds = [frozenset(each.changes) for each in tried]
        assert len(tried) >= 6 and all(kinds)
        assert len(set(kinds)) == len(kinds) - 2  # weights that halve have two half-lives, smoothed labels two prices
        assert len({frozenset(each.changes.items()) for each in tried}) == len(tried)
    configs = configurations(*MNIST).values()
    assert len({config.hash for config in configs}) == len(configs)
    assert {Architecture.parse(config.architecture).short_form for config in configs} == {"1-2"}
    finer = configurations("mnist", "784-400-10", "1-1")
    assert set(finer) - set(configurations(*MNIST)) == {"smoothed labels, few ticks"}  # four ticks are few already


@pytest.mark.usefixtures("own_data")
def test_the_best_attempt_is_the_best_within_the_limits_on_either_clock() -> None:
    names, configs = zip(*configurations(*MNIST).items(), strict=True)
    results.write_trial(trial(configs[0], counts(80, 90, 95, first=300), counts(81, 86, 91)))
    results.write_trial(trial(configs[1], counts(85, 86, 87), counts(70, 90, 92, silent=40)))
    network, unquantized, *others = attempts.stored({})
    first, second = network.aims[:2]
    assert (first.steps, second.steps) == (2.5, inf) and not any(other.tried for other in others)
    assert [tried.name for tried in network.tried] == list(names[:2])
    assert network.tried[0].points(first)[0] is None  # too late
    assert network.best(first) == network.tried[1] and network.best(second) == network.tried[0]
    assert attempts.fresh([network]) == [configs[1], configs[0]]
    assert used_files.names(network) == {reported.AIMS, *(f"search/{config.name}.json" for config in configs[:2])}
    table = network.table()
    assert table[first.words].tolist() == ["– / 83.50", "85.50 / 80.00"]
    assert table["trained"].tolist() == ["40.0 min, ", "40.0 min, "]
    told = outcomes([network, unquantized, *others], {})
    assert told["reached"].tolist()[:4] == ["few seeds"] * 3 + ["not tried"]
    said = attempts.sentence([network, unquantized, *others], {})
    assert said.startswith("Not trained with 3 seeds yet: mnist, SMLP 1-2, 98.6 % within 2.5 steps; mnist")
    assert "within 2.5 steps. Nothing but the recipe was tried yet: fashion-mnist, SMLP 1-2-4, 88.1 %" in said


@pytest.mark.usefixtures("own_data")
def test_weights_of_a_coarse_clock_are_tried_as_an_unquantized_network() -> None:
    (name, config), (alone, other), *_ = configurations(*MNIST).items()
    results.write_trial(trial(config, counts(80, 90, 95), counts(81, 86, 91)))
    results.write_trial(replace(trial(other, counts(99, 99, 99), counts(99, 99, 99)), unquantized=None))
    of_its_own = configurations("mnist", "784-400-10", "1-1")[alone]
    results.write_trial(replace(trial(of_its_own, counts(70, 80, 90), counts(70, 80, 90)), unquantized=None))
    quantized, unquantized, *_ = attempts.stored({})
    assert not any(tried.trained_as for tried in quantized.tried)
    assert [tried.words for tried in unquantized.tried] == [alone, f"{name}, trained as 1-2"]
    (aim,) = unquantized.aims
    assert unquantized.table()[aim.words].tolist() == ["75.00 / –", "– / 83.50"]
    assert unquantized.best(aim) == unquantized.tried[1] and attempts.fresh([unquantized]) == [config]
    assert configurations("mnist", "784-400-10", "1-1")[name] in unquantized.untried
    assert of_its_own not in unquantized.untried
    assert set(unquantized.curves()) == {(name, False)}


def test_aims_with_the_slides_steps_are_a_step_later_if_these_count_from_zero() -> None:
    later = {aim.accuracy_percent: aim.steps for n in attempts.counted_from_zero(attempts.stored({})) for aim in n.aims}
    printed = {network.accuracy: round(network.steps, 1) for network in operating_points.printed()}
    assert later and later == {percent: pytest.approx(printed[percent] + 1) for percent in later}


@pytest.mark.usefixtures("own_data")
def test_a_released_network_needs_no_trial() -> None:
    (name, config), *_ = configurations(*MNIST).items()
    history = (Epoch(1.0, 90.0, 3.0, 1.0),) * config.epochs
    result = Result(config, history, Evaluation(100, 97, 97, 0, 300, (0, 0)), "0" * 64, {}, {}, released=True)
    results.write(result, results.result_file(config, released=True))
    network, *_ = attempts.stored(released())
    assert not network.tried and config in network.untried  # without a dial, nothing is known of its thresholds
    dial.write(Dial(THRESHOLDS, counts(85, 86, 87), counts(96, 97, 98)), result)
    network, *_ = attempts.stored(released())
    assert [(tried.name, tried.curves[0]) for tried in network.tried] == [(name, counts(85, 86, 87))]
    assert config not in network.untried and len(network.untried) == len(configurations(*MNIST)) - 1


@pytest.mark.usefixtures("own_data")
def test_the_seeds_of_the_best_are_scored_with_the_thresholds_of_the_validation_images() -> None:
    config = list(configurations(*MNIST).values())[1]
    results.write_trial(trial(config, counts(85, 86, 87), counts(90, 91, 92)))
    for seed in range(3):
        score = Evaluation(100, 97, 97, 0, 300, (0, 0))
        history = (Epoch(1.0, 90.0, 3.0, 1.0),) * config.epochs
        result = Result(replace(config, seed=seed), history, score, "0" * 64, {}, {}, released=True)
        results.write(result, results.result_file(result.config, released=True))
        fine = Dial(THRESHOLDS, counts(90, 91, 92), counts(98, 99 - seed, 90, first=210))
        dial.write(Dial(THRESHOLDS, counts(85, 86, 87), counts(96, 97, 98), fine), result)
    network, *_ = attempts.stored({})
    few = {c: group._replace(results=group.results[:2]) for c, group in released().items()}
    assert outcomes([network], few)["reached"][0] == "few seeds"
    found = outcome(network, network.aims[0], released())
    assert found and found.scores and not found.as_trained and found.seeds == 3
    accuracy, steps, _ = found.scores
    assert accuracy.mean == pytest.approx(98) and steps.mean == pytest.approx(2.6)
    unquantized = attempts.stored({})[1]
    (aim,) = unquantized.aims
    assert outcome(unquantized, aim, released()) == found
    assert outcomes([unquantized], released())["best"][0] == f"{network.tried[0].name}, trained as 1-2"
    assert "(98.00, trained as 1-2)" in attempts.sentence([unquantized], released())
    told = outcomes([network], released()).iloc[0]
    assert attempts.sentence([network], released()).startswith(
        "Not reached: mnist, SMLP 1-2, 98.6 % within 2.5 steps (98.00)"
    )
    assert told["reached"] == "no" and told["run"] == "with every degree 1" and told["seeds"] == "3"
    late = replace(fine, validation=counts(90, 91, 92, first=260))
    dial.write(Dial(THRESHOLDS, counts(85, 86, 87), counts(96, 97, 98), late), result)  # later than the aim allows
    assert outcome(network, network.aims[0], released()) == attempts.Outcome(False, 3, None)
    assert outcomes([network], released())["reached"][0] == "no"


@pytest.mark.usefixtures("own_data")
def test_the_command_trains_what_is_missing_and_then_the_best(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted, trained = [], []

    def try_out(configs: list[TrainingConfig], **_: object) -> None:
        for config in configs:
            wanted.append(config)
            results.write_trial(trial(config, counts(80, 90, 91 + config.centred), counts(80, 81, 82)))

    def run(configs: list[TrainingConfig], *, release: bool, **_: object) -> None:
        assert release
        trained.extend(configs)

    monkeypatch.setattr(attempts, "try_out", try_out)
    monkeypatch.setattr(attempts, "run_together", run)
    attempts.main(["--networks", "784-400-10", "--seeds", "2", "--device", "cpu"])
    assert {Architecture.parse(config.architecture).short_form for config in wanted} == {"1-1", "1-2"}
    best = attempts.fresh(attempts.stored({}))
    assert trained == [replace(config, seed=seed) for config in best for seed in range(2)]
    assert any(config.centred for config in best)
    printed = capsys.readouterr().out
    parts = yaml.safe_load(printed[printed.index("- dataset") :])
    assert study.configurations(parts) == trained

"""The first page's sentences say what the networks do, whatever that is."""

from dataclasses import replace

import pytest

from book import findings_sentences
from book.compared import controlled
from tests.test_compared import PLAIN, comparison, finding, group
from tqttfs_lite.paper import comparisons
from tqttfs_lite.paper.seed_statistics import Group, Spread, difference, spread


def test_the_verdicts_are_counted() -> None:
    claims = [finding("+2.5", 1.0, 1.1, 1.2), finding("+2.5", -1.0, -1.1, -1.2), finding("+2.5", 2.5)]
    assert findings_sentences.reproduction_sentences(claims).splitlines() == [
        "Direction of the 3 claims below: 1 reproduced, 1 opposite, 1 undecided.",
        "Size of the 3 claims below: 2 not reproduced, 1 undecided.",
    ]


def test_what_reaches_the_paper_and_where_the_baselines_start_is_counted() -> None:
    two = [comparison((986, 988), (981, 985)), comparison((985, 986), (975, 976))]  # of 98.6 and 98.1
    assert findings_sentences.baselines_sentence(two).startswith(
        "Of our 2 quantized networks, 1 reaches at least the accuracy"
    )
    assert "by +0.2 and -0.5 points" in findings_sentences.baselines_sentence(two)


def test_a_gain_is_told_as_a_gain_a_loss_no_difference_or_open() -> None:
    better, worse, alike, unclear = (
        comparison(quantized, (981, 981, 982))
        for quantized in ((986, 988, 987), (976, 975, 976), (981, 983, 980), (985, 975, 990))
    )
    lost = difference(worse.baseline.accuracy, worse.quantized.accuracy)
    assert findings_sentences.gains_sentence([better, worse, alike, unclear]) == (
        f"Quantization gains {better.gain.text(2)} points for the MNIST perceptron (slides: +0.5)."
        f" Quantization loses {lost.text(2)} points for the MNIST perceptron (slides: +0.5)."
        f" The difference is too small to matter: {alike.gain.text(2)} points for the MNIST perceptron"
        " (slides: +0.5; [margin](#decided-beforehand): ±0.25)."
        " Our seeds show neither a gain nor a loss:"
        f" {unclear.gain.text(2)} points for the MNIST perceptron (slides: +0.5)."
    )


def test_at_equal_steps_it_is_told_where_quantization_is_ahead_and_where_behind() -> None:
    one = comparison((986, 988, 987), (981, 981, 982))
    at = {
        2.0: difference(spread([1.0, 1.1]), spread([2.0, 2.1])),
        3.0: difference(spread([2.0, 2.1]), spread([1.0, 1.1])),
    }
    told = findings_sentences.equal_steps_sentence([one._replace(at_steps=at)])
    assert told.splitlines()[-1].startswith("- MNIST perceptron, ahead at 3 and behind at 2: -1.00 (")
    assert told.endswith("; 2.3 and 2.5 planned, but not reached by both.")
    assert findings_sentences.equal_steps_sentence([one]) == ""


def test_what_a_control_gains_is_told_once_it_has_enough_seeds() -> None:
    one = comparison((986, 988, 987), (981, 981, 982))
    late, few = (replace(PLAIN, **changes) for changes in comparisons.CONTROLS.values())
    groups = {late: group(late, (979, 978, 979)), few: group(few, (985, 984))}
    known = controlled(groups, [one])
    gained = difference(groups[late].accuracy, one.baseline.accuracy).text(2)
    told = findings_sentences.controls_sentence(known)
    assert f"clock: MNIST perceptron: no output before step 4 {gained}. What" in told
    assert gained.startswith("-0.27 (") and findings_sentences.controls_sentence(controlled({}, [one])) == ""


def test_the_gain_over_a_better_baseline_is_told_if_the_validation_images_prefer_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = comparison((986, 988, 987), (981, 981, 982))
    late, few = (replace(PLAIN, **changes) for changes in comparisons.CONTROLS.values())
    groups = {late: group(late, (979, 978, 979)), few: group(few, (985, 984, 984))}
    at = {late: 97.0, few: 98.6, one.baseline.config: 98.5, one.quantized.config: 98.7}

    def at_steps(group: Group, steps: float, *, split: str = "test") -> Spread:
        assert steps == 2.5
        return spread([at[group.config] - (split == "test")] * 3)

    monkeypatch.setattr(Group, "at_steps", at_steps)
    over = difference(one.quantized.accuracy, groups[few].accuracy).text(2)
    known = controlled(groups, [one])
    assert findings_sentences.strongest_sentence(known) == (
        "The [best baseline](#stronger-baselines) of the MNIST perceptron on the validation images is that with"
        f" four ticks in the loss: over it, the gain is {over} as trained and +0.10 (0.10 to 0.10) at 2.5 mean time"
        " steps."
    )
    at[one.baseline.config] = 98.65
    assert findings_sentences.strongest_sentence(known) == ""

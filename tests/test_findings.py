"""The first page's words and figure follow the results, whatever these are."""

from dataclasses import replace
from pathlib import Path

import pytest

from book import build, findings
from tqttfs_lite import audit, notebook, paper, paths, results, summary
from tqttfs_lite.config import TrainingConfig, recipe, variant
from tqttfs_lite.energy import CAUSAL, MEMORY, SLIDES, WITHOUT_ALPHA
from tqttfs_lite.evaluation import Evaluation
from tqttfs_lite.notebook import Comparison
from tqttfs_lite.results import Result
from tqttfs_lite.summary import Group, Spread, gain, spread

MNIST = paper.improvements()[0]
PLAIN = recipe(MNIST.network, MNIST.dataset, 8)
QUANTIZED = variant(PLAIN, MNIST.degrees)


def group(config: TrainingConfig, correct: tuple[int, ...], silent: int = 0) -> Group:
    """Results of a thousand images, as many right for each seed as given."""
    scores = [Evaluation(1000, right, right, silent, 2000, (1000, 100)) for right in correct]
    made = (Result(replace(config, seed=seed), (), score, "", {}, {}) for seed, score in enumerate(scores))
    return Group(config, tuple(made))


def comparison(quantized: tuple[int, ...], baseline: tuple[int, ...]) -> tuple[Comparison, Spread]:
    ours, plain = group(QUANTIZED, quantized, silent=12), group(PLAIN, baseline)
    return Comparison(MNIST, ours, plain), gain(ours, plain)


def saved(*ours: float) -> dict[str, findings.Saving]:
    published = {SLIDES: (66.0, 66.0), WITHOUT_ALPHA: (59.2, 59.2), CAUSAL: (14.1, 16.4), MEMORY: (10.6, 15.3)}
    return {key: findings.Saving(*ends, spread(ours)) for key, ends in published.items()}


@pytest.mark.parametrize(
    ("quantized", "baseline", "words"),
    [
        ((986, 987, 988), (985, 986, 980), "contains both zero and the 0.5"),
        ((986, 987, 988), (986, 987, 987), "contains zero but not the 0.5"),
        ((986, 987, 987), (981, 982, 983), "does not contain zero, but contains the 0.5"),
        ((986, 986, 986), (976, 976, 976), "contains neither zero nor the 0.5"),
        ((986,), (981,), "which one seed cannot tell from zero, nor from the 0.5"),
    ],
)
def test_a_gain_is_judged_by_its_interval(quantized: tuple[int, ...], baseline: tuple[int, ...], words: str) -> None:
    sentence = findings.accuracy_sentence(*comparison(quantized, baseline))
    assert sentence.endswith(f"{words} of the paper.")


def test_a_sentence_has_accuracies_seeds_intervals_and_silence() -> None:
    sentence = findings.accuracy_sentence(*comparison((986, 988), (981, 981)))
    assert "98.70 % (95 % interval 97.43 to 99.97, 2 seeds, 1.2 % of the images silent) with the" in sentence
    assert "98.10 % (95 % interval 98.10 to 98.10, 2 seeds, 0.0 % of the images silent) without" in sentence
    assert "a gain of 0.60 ± 0.14 points over 2 seeds" in sentence


def test_energy_is_said_under_every_accounting_and_more_energy_is_called_so() -> None:
    words = findings.energy_sentences(saved(20.0))
    for percent in ("66.0 % by its own formula", "59.2 % without", "14.1 to 16.4 %", "10.6 to 15.3 %"):
        assert percent in words
    assert words.endswith("our networks save 20.0 %, 20.0 %, 20.0 % and 20.0 % (1 seed).")
    assert findings.energy_sentences(saved(-20.0, -22.0)).endswith("(2 seeds; below zero they take more).")


@pytest.mark.parametrize(
    ("quantized", "baseline", "ours", "expected"),
    [
        ((986, 986, 986), (976, 976, 976), (20.0, 21.0, 20.5), {"did not reproduce in size": 2}),
        ((986, 987, 988), (981, 982, 983), (66.0, 66.0, 66.0), {"reproduced": 2}),
        ((986, 987), (981, 982), (66.0, 66.0), {"the seeds leave open": 2}),
        ((986, 990, 981), (981, 980, 980), (66.0, 66.0, 66.0), {"reproduced": 1, "the seeds leave open": 1}),
    ],
)
def test_every_claim_is_among_those_that_reproduced_or_did_not_or_cannot_be_told(
    quantized: tuple[int, ...], baseline: tuple[int, ...], ours: tuple[float, ...], expected: dict[str, int]
) -> None:
    lines = findings.reproduction_sentences([comparison(quantized, baseline)], saved(*ours)).splitlines()
    assert {line.split(",")[0].removeprefix("What "): line.count("(") for line in lines} == expected


def test_missing_results_are_an_error_that_names_the_network() -> None:
    groups = summary.published()
    without = {config: g for config, g in groups.items() if config.dataset != "mnist"}
    with pytest.raises(findings.FindingsError, match="MNIST perceptron with degrees 1-2"):
        findings.comparisons(without)
    without = {config: g for config, g in groups.items() if config.architecture != str(audit.SCNN)}
    with pytest.raises(findings.FindingsError, match="convolutional network with degrees 1-2-2-4-4"):
        findings.savings(without)


@pytest.mark.data
def test_the_page_shows_the_published_results(tmp_path: Path) -> None:
    text = findings.write(tmp_path)
    assert (tmp_path / findings.FIGURE).read_text("utf-8").count("<svg") == 1
    for claim, quantized, baseline in notebook.comparisons(summary.published()):
        assert quantized and baseline
        for ours in (quantized, baseline):
            assert f"{ours.accuracy.mean:.2f} %" in text
            assert f"{ours.silent.mean:.1f} % of the images silent" in text
        assert f"the {claim.points} of the paper" in text


def test_the_build_stops_where_a_result_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "STAGE", tmp_path)
    monkeypatch.setattr(results, "read_all", lambda: [])
    monkeypatch.setattr(summary, "read_all", lambda: [])
    with pytest.raises(build.BookError, match="the first page needs a result of the MNIST perceptron"):
        build.stage([])


def test_the_first_page_has_no_number_of_its_own() -> None:
    text = (paths.REPOSITORY / "book" / "intro.md").read_text("utf-8")
    assert text.count(build.FINDINGS_MARK) == 1
    assert "%" not in text

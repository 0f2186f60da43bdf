"""The first page's words and figure follow the results, whatever these are."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from book import build, findings
from tqttfs_lite.energy.models import CAUSAL, SLIDES
from tqttfs_lite.experiments import paths, results
from tqttfs_lite.experiments.config import TrainingConfig, recipe, variant
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.paper import comparisons, energy_claims, reported, seed_statistics, verification
from tqttfs_lite.paper.seed_statistics import Group, difference, gain, spread

MNIST = reported.improvements()[0]
PLAIN = recipe(MNIST.network, MNIST.dataset, 8)
QUANTIZED = variant(PLAIN, MNIST.degrees)


def group(config: TrainingConfig, correct: tuple[int, ...], silent: int = 0) -> Group:
    """Results of a thousand images, as many right for each seed as given."""
    scores = [Evaluation(1000, right, right, silent, 2000, (1000, 100)) for right in correct]
    made = (Result(replace(config, seed=seed), (), score, "", {}, {}) for seed, score in enumerate(scores))
    return Group(config, tuple(made))


def comparison(quantized: tuple[int, ...], baseline: tuple[int, ...]) -> findings.Compared:
    ours, plain = group(QUANTIZED, quantized, silent=12), group(PLAIN, baseline)
    return findings.Compared(MNIST, ours, plain, gain(ours, plain), {})


def plain(table: str) -> str:
    """With hyphens and spaces at which a line may end."""
    return table.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NON-BREAKING HYPHEN}", "-")


def finding(printed: str, *ours: float) -> findings.Finding:
    return findings.Finding("points", printed, spread(ours), 1)


@pytest.mark.parametrize(
    ("printed", "ours", "direction", "size"),
    [
        ("+2.5", (2.0, 2.5, 2.4), "yes", "yes"),
        ("+2.5", (1.0, 1.1, 1.2), "yes", "no"),
        ("+2.5", (-1.0, -1.1, -1.2), "the opposite", "no"),
        ("-2.5", (-1.0, -1.1, -1.2), "yes", "no"),
        ("+2.5", (-2.0, 3.0, 4.0), "open", "open"),  # zero and the claim are both inside
        ("+2.5", (-0.1, 0.0, 0.1), "open", "no"),
        ("+2.5", (2.5, 2.5), "open", "open"),  # two seeds
        ("+2.5", (2.5,), "open", "open"),
    ],
)
def test_a_claim_is_judged_by_the_interval_of_ours(
    printed: str, ours: tuple[float, ...], direction: str, size: str
) -> None:
    judged = finding(printed, *ours)
    assert (judged.direction, judged.size) == (direction, size)


def test_what_slower_clocks_alone_would_save_is_no_finding() -> None:
    judged = [findings.Finding("", "+66.0", spread(ours), 1, 47.0) for ours in ((40.0, 41.0, 42.0), (46.0, 47.0, 48.5))]
    assert [finding.direction for finding in judged] == ["the opposite", "open"]


def test_the_verdicts_are_counted() -> None:
    claims = [finding("+2.5", 1.0, 1.1, 1.2), finding("+2.5", -1.0, -1.1, -1.2), finding("+2.5", 2.5)]
    assert findings.reproduction_sentences(claims).splitlines() == [
        "In direction, of the 3 claims below: 1 reproduced, 1 the opposite, 1 left open by the seeds.",
        "In size, of the 3 claims below: 2 not reproduced, 1 left open by the seeds.",
    ]


def test_the_networks_stand_with_accuracies_silence_and_seeds() -> None:
    table = findings.networks_table([comparison((986, 988), (981, 981))])
    assert "98.70\N{NO-BREAK SPACE}±" in table
    assert plain(table).splitlines()[2:] == [
        "| MNIST perceptron | 1-1 | 98.1 | 98.10 ± 0.00 | 0.0 | 2.00 | 2 |",
        "| MNIST perceptron | 1-2 | 98.6 | 98.70 ± 0.14 | 1.2 | 2.00 | 2 |",
    ]


def test_what_reaches_the_paper_and_where_the_baselines_start_is_counted() -> None:
    two = [comparison((986, 988), (981, 985)), comparison((985, 986), (975, 976))]  # of 98.6 and 98.1
    assert findings.baselines_sentence(two).startswith("Of our 2 quantized networks, 1 have at least the accuracy")
    assert "by +0.2 and -0.5 points" in findings.baselines_sentence(two)


def test_energy_stands_under_every_accounting_and_every_case() -> None:
    saved = {SLIDES: ({"one": 66.0, "two": 66.0}, spread([20.0])), CAUSAL: ({"one": 14.1, "two": 2.9}, spread([-5.0]))}
    assert findings.energy_table(saved).splitlines()[2:] == [
        "| the slides' formula | 66.0 | 66.0 | 20.0 |  |",
        "| causal | 14.1 | 2.9 | -5.0 |  |",
    ]


def test_missing_results_are_an_error_that_names_the_network() -> None:
    groups = seed_statistics.released()
    without = {config: g for config, g in groups.items() if config.dataset != "mnist"}
    with pytest.raises(findings.FindingsError, match="MNIST perceptron with degrees 1-2"):
        findings.all_compared(without)
    without = {config: g for config, g in groups.items() if config.architecture != str(energy_claims.SCNN)}
    with pytest.raises(findings.FindingsError, match="convolutional network with degrees 1-2-2-4-4"):
        findings.savings(without, [49.0] * 16)


@pytest.mark.data
def test_the_page_shows_the_released_results(tmp_path: Path) -> None:
    text = plain(findings.write(tmp_path))
    assert all((tmp_path / name).read_text("utf-8").count("<svg") == 1 for name in (findings.FIGURE, findings.METHOD))
    for claim, quantized, baseline in comparisons.of_claims(seed_statistics.released()):
        assert quantized and baseline
        assert gain(quantized, baseline).text(2) in text
        assert f"| +{claim.points} |" in text
        for ours in (quantized, baseline):
            assert f"| {ours.accuracy.text(2)} | {ours.silent.mean:.1f} | {ours.steps.mean:.2f} |" in text
    assert "with maxima, 40 epochs and the earlier loss quantization gained" in text
    assert re.search(r"slides' counts allow -\d+ to \d+ % causal, -\d+ to \d+ % with memory and .* in bulk\.", text)
    for claim, quantized, baseline in comparisons.of_claims(seed_statistics.released())[:-1]:
        assert quantized and baseline
        saving = energy_claims.reductions(quantized, baseline)[SLIDES]
        assert f"{saving.text(1)} % for the {findings.name(claim)}" in text


def test_steps_are_claimed_as_the_slides_print_them() -> None:
    groups = seed_statistics.released()
    saved = {SLIDES: ({}, spread([20.0]))}
    steps = findings.found(findings.all_compared(groups), saved)[-1]
    assert float(steps.printed) == pytest.approx(7.102 - 4.767, abs=0.01)
    _, quantized, baseline, *_ = findings.all_compared(groups)[-1]
    assert steps.ours.mean == pytest.approx(quantized.steps.mean - baseline.steps.mean)


def test_what_the_earlier_loss_made_of_the_baselines_is_told_where_it_is_known() -> None:
    groups = seed_statistics.released()
    compared = findings.all_compared(groups)
    told = plain(findings.loss_table(groups, compared))
    for claim, quantized, baseline, *_ in compared:
        earlier = comparisons.by_recipe(groups, claim.dataset, claim.network, loss="soft-decoder")
        assert earlier is not None and earlier is not baseline
        for loss, group in (("earlier", earlier), ("the recipe's", baseline)):
            (line,) = re.findall(rf".*\| {findings.name(claim)} \| {loss} \|.*", told)
            assert group.steps.text(2) in line and gain(quantized, group).text(2) in line
    assert findings.loss_table({}, compared) == ""


def test_a_gain_is_told_as_a_gain_a_loss_or_neither() -> None:
    better, worse, alike = (
        comparison(quantized, (981, 981, 982)) for quantized in ((986, 988, 987), (976, 975, 976), (981, 983, 980))
    )
    lost = difference(worse.baseline.accuracy, worse.quantized.accuracy)
    assert findings.gains_sentence([better, worse, alike]) == (
        f"Quantization gains {better.gain.text(2)} points for the MNIST perceptron, +0.5 on the slides."
        f" Quantization loses {lost.text(2)} points for the MNIST perceptron, +0.5 on the slides."
        " Whether it gains anything our seeds do not tell:"
        f" {alike.gain.text(2)} points for the MNIST perceptron, +0.5 on the slides."
    )


def test_at_equal_steps_it_is_told_where_quantization_is_ahead_and_where_behind() -> None:
    one = comparison((986, 988, 987), (981, 981, 982))
    at = {
        2.0: difference(spread([1.0, 1.1]), spread([2.0, 2.1])),
        3.0: difference(spread([2.0, 2.1]), spread([1.0, 1.1])),
    }
    told = findings.equal_steps_sentence([one._replace(at_steps=at)])
    assert told.splitlines()[-1].startswith("- MNIST perceptron, ahead at 3 and behind at 2: -1.00 (")
    assert findings.equal_steps_sentence([one]) == ""


def test_the_build_stops_where_a_result_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "STAGE", tmp_path)
    monkeypatch.setattr(results, "read_all", lambda: [])
    monkeypatch.setattr(seed_statistics, "read_all", lambda: [])
    with pytest.raises(build.BookError, match="the first page needs a result of the MNIST perceptron"):
        build.stage([])


def test_a_number_that_does_not_hold_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    words = build.numbers_sentence()
    assert f"rests on {len(results.read_all())} trainings" in words
    wrong = verification.Entry("arithmetic", "results/one.json", "correct", "98", "98", "97", agrees=False)
    monkeypatch.setattr(verification, "verify", lambda level: iter([wrong]))
    with pytest.raises(build.BookError, match=r"results/one.json, correct: `tqttfs verify --level arithmetic`"):
        build.numbers_sentence()
    monkeypatch.setattr(
        verification, "verify", lambda level: iter([wrong._replace(file="notebooks/07_accuracy.ipynb")])
    )
    assert "0 numbers" in build.numbers_sentence()  # the committed outputs are not what the book is made of


def test_the_first_page_has_no_number_of_its_own() -> None:
    text = (paths.REPOSITORY / "book" / "intro.md").read_text("utf-8")
    assert text.count(build.FINDINGS_MARK) == 1
    assert "%" not in text

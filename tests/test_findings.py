"""The first page's words and figure follow the results, whatever these are."""

import re
from pathlib import Path

import pytest

from book import build, compared, findings
from tqttfs_lite.energy.models import SLIDES
from tqttfs_lite.experiments import paths, results
from tqttfs_lite.paper import comparisons, energy_claims, seed_statistics, verification
from tqttfs_lite.paper.seed_statistics import gain


def plain(table: str) -> str:
    """With hyphens and spaces at which a line may end."""
    return table.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NON-BREAKING HYPHEN}", "-")


@pytest.mark.data
def test_the_page_shows_the_released_results(tmp_path: Path) -> None:
    text = plain(findings.write(tmp_path, compared.facts()))
    assert all((tmp_path / name).read_text("utf-8").count("<svg") == 1 for name in (findings.FIGURE, findings.METHOD))
    for claim, quantized, baseline in comparisons.of_claims(seed_statistics.released()):
        assert quantized and baseline
        assert gain(quantized, baseline).text(2) in text
        assert f"| +{claim.points} |" in text
        for ours in (quantized, baseline):
            assert f"| {ours.accuracy.text(2)} | {ours.silent.mean:.1f} | {ours.steps.mean:.2f} |" in text
    assert "With maximum pooling, 40 epochs and the earlier loss, quantization gained" in text
    assert re.search(
        r"slides' counts allow savings of -\d+ to \d+ % causal, -\d+ to \d+ % with memory and .* in bulk\.", text
    )
    for claim, quantized, baseline in comparisons.of_claims(seed_statistics.released())[:-1]:
        assert quantized and baseline
        saving = energy_claims.reductions(quantized, baseline)[SLIDES]
        assert f"{saving.text(1)} % for the {compared.name(claim)}" in text


def test_the_build_stops_where_a_result_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "STAGE", tmp_path)
    monkeypatch.setattr(results, "read_all", lambda: [])
    monkeypatch.setattr(seed_statistics, "read_all", lambda: [])
    with pytest.raises(build.BookError, match="the first page needs a result of the MNIST perceptron"):
        build.stage([])


def test_a_number_that_does_not_hold_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    words = build.numbers_sentence()
    assert f"is based on {len(results.read_all())} trainings" in words
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

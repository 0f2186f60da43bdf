"""The letter's numbers: from the stored results, and what they say of readings whose truth is known."""

from dataclasses import replace
from pathlib import Path

import pytest

from book import letter
from tqttfs_lite.experiments import anytime, paths
from tqttfs_lite.experiments.dial import Dial
from tqttfs_lite.experiments.evaluation import Curve
from tqttfs_lite.paper import operating_points


def test_the_page_has_a_place_for_each_part_and_its_figure(tmp_path: Path) -> None:
    page = (paths.REPOSITORY / "book" / "letter.md").read_text("utf-8")
    parts = letter.write(tmp_path)
    assert all(page.count(mark) == 1 for mark in parts)
    assert letter.FIGURE in parts[letter.STEPS] and (tmp_path / letter.FIGURE).stat().st_size > 1000
    rows = [line for line in parts[letter.STEPS].splitlines() if line.startswith("| from ")]
    assert len(rows) == len(operating_points.READINGS) * len(operating_points.printed())
    assert all(f"{claim.accuracy:.1f}" in row for row, claim in zip(rows, operating_points.printed() * 4, strict=True))
    assert parts[letter.RUNS].count("\n| MNIST") == 1 and parts[letter.LOSS].count("\n| FashionMNIST") >= 4


@pytest.mark.parametrize(("correct", "verdicts"), [((8, 9), ["beyond", "beyond"]), ((8, 16), ["within", "beyond"])])
def test_a_printed_accuracy_is_within_what_is_known_or_beyond(correct: tuple[int, int], verdicts: list[str]) -> None:
    """At 4.77 steps from 1 few are right, at 4.77 from 0 more; nobody is silent."""
    curve = Curve(16, correct, (0, 0), (64, 96))  # 4 steps and 6
    reference = anytime.Reference(anytime.STUDY[0].config, (), (), (), Dial((0.5, 0.9), curve, curve), {})
    first, _ = operating_points.printed()
    at = operating_points.accuracy_at([reference.dial], 16, operating_points.READINGS[1], first.steps)
    found = letter.possible_sentence(letter.Networks({}, {}, [reference]), 16)
    assert at and ("is within" in found) == (at.mean >= first.accuracy) == ("within" in verdicts)
    counted = "under every reading." if set(verdicts) == {"beyond"} else "if steps are counted from 1"
    assert f"86.7 % after 4.77 steps is beyond the reach of the reference {counted}" in found
    assert letter.possible_sentence(letter.Networks({}, {}, []), 16) == ""


def test_the_best_of_all_runs_is_the_largest() -> None:
    assert letter.best_of([1.0, 2.0, 6.0], 3) == 3.0
    assert letter.best_of([1.0, 2.0, 6.0], 1) == 0.0


def test_of_a_task_are_the_references_with_its_settings_whatever_their_learning_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = anytime.STUDY[0]
    curve = Curve(10, (5,), (0,), (20,))
    made = anytime.Reference(task.config, (), (5,) * 16, (5,) * 16, Dial((0.5,), curve, curve), {})
    chosen = [replace(made, config=replace(task.config, learning_rate=4e-3, seed=seed)) for seed in (1, 0)]
    tried = replace(made, config=replace(task.config, epochs=task.epochs_to_choose))
    monkeypatch.setattr(anytime, "read_all", lambda: [tried, *chosen])
    assert anytime.stored(task) == chosen[::-1]

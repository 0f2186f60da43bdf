"""What the page on differences draws from tables and trials."""

from dataclasses import replace

from book import plan
from tqttfs_lite.experiments import paths
from tqttfs_lite.experiments.config import recipe, variant
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Trial
from tqttfs_lite.paper import gains


def test_the_page_has_a_place_for_each_part() -> None:
    page = (paths.REPOSITORY / "book" / "differences.md").read_text("utf-8")
    assert all(page.count(mark) == 1 for mark in plan.parts())


def test_a_setting_was_tried_where_trials_differ_in_it() -> None:
    plain = recipe("784-400-10", "mnist", 8)
    best = variant(plain, "1-2")
    configs = [plain, replace(plain, epochs=3), best, replace(best, seed=1, epochs=3), replace(best, sharpness=8.0)]
    score = Evaluation(10, 9, 9, 0, 20, (0, 0))
    trials = [Trial(config, (), score, {}) for config in configs]
    mnist, fashion, _ = plan.tried_sentence(trials).split("; ")
    assert mnist.endswith(
        "for the MNIST perceptron, `epochs` with the baseline, and `sharpness` with quantized networks only"
    )
    assert fashion == "for the FashionMNIST perceptron, nothing with the baseline"


def test_one_trial_has_tried_what_it_changed_in_the_recipe() -> None:
    changed = replace(recipe("784-400-10", "mnist", 8), dropout=0.2, epochs=3, loss="soft-decoder")
    trials = [Trial(changed, (), Evaluation(10, 9, 9, 0, 20, (0, 0)), {})]
    assert "for the MNIST perceptron, `dropout` with the baseline; " in plan.tried_sentence(trials)


def test_every_claim_has_its_margin_and_its_steps() -> None:
    _, _, *claims, energy = plan.hypotheses_table().splitlines()
    assert [
        f"{gains.MARGINS[data]:g} points" in line
        for data, line in zip(("mnist", *["fashion-mnist"] * 2), claims, strict=True)
    ]
    assert "| 7, 8, 9, 10 and 11 |" in claims[1] and "66.0 % saved" in energy

"""What is claimed is held against the networks that are there, and judged by the interval over their seeds."""

from dataclasses import replace

import pytest

from book import compared
from tqttfs_lite.energy.models import SLIDES
from tqttfs_lite.experiments.config import TrainingConfig, recipe, variant
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.paper import energy_claims, reported, seed_statistics
from tqttfs_lite.paper.seed_statistics import Group, gain, spread

MNIST = reported.improvements()[0]
PLAIN = recipe(MNIST.network, MNIST.dataset, 8)
QUANTIZED = variant(PLAIN, MNIST.degrees)


def group(config: TrainingConfig, correct: tuple[int, ...], silent: int = 0) -> Group:
    """Results of a thousand images, as many right for each seed as given."""
    scores = [Evaluation(1000, right, right, silent, 2000, (1000, 100)) for right in correct]
    made = (Result(replace(config, seed=seed), (), score, "", {}, {}) for seed, score in enumerate(scores))
    return Group(config, tuple(made))


def comparison(quantized: tuple[int, ...], baseline: tuple[int, ...]) -> compared.Compared:
    ours, plain = group(QUANTIZED, quantized, silent=12), group(PLAIN, baseline)
    return compared.Compared(MNIST, ours, plain, gain(ours, plain), {})


def finding(printed: str, *ours: float) -> compared.Finding:
    return compared.Finding("points", printed, spread(ours), spread(ours).one_more, 1)


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
    seeds = (40.0, 41.0, 42.0), (46.0, 47.0, 48.5), (-3.0, -2.0, -1.0), (60.0, 61.0, 62.0)
    judged = [finding("+66.0", *ours)._replace(unchanged=47.0).direction for ours in seeds]
    assert judged == ["less than if nothing changed", "open", "the opposite", "yes"]


def test_no_difference_needs_more_than_an_interval_about_none() -> None:
    judged = finding("+2.5", -0.1, 0.0, 0.1)
    assert (judged.direction, judged._replace(equivalent=True).direction) == ("open", "no difference")
    gained = comparison((986, 988, 987), (981, 981, 981))
    few = comparison((981, 981, 982), (981, 982, 981))
    far = comparison((985, 975, 981), (981, 981, 981))
    assert [one.equivalent for one in (gained, few, far)] == [False, True, False]


def test_missing_results_are_an_error_that_names_the_network() -> None:
    groups = seed_statistics.released()
    without = {config: g for config, g in groups.items() if config.dataset != "mnist"}
    with pytest.raises(compared.FindingsError, match="MNIST perceptron with degrees 1-2"):
        compared.all_compared(without)
    without = {config: g for config, g in groups.items() if config.architecture != str(energy_claims.SCNN)}
    with pytest.raises(compared.FindingsError, match="convolutional network with degrees 1-2-2-4-4"):
        compared.savings(without, [49.0] * 16)


def test_steps_are_claimed_as_the_slides_print_them() -> None:
    groups = seed_statistics.released()
    saved = {SLIDES: ({}, spread([20.0]))}
    *gained, _, steps = compared.found(compared.all_compared(groups), saved)
    for one, data in zip(gained, ("mnist", "fashion-mnist", "fashion-mnist"), strict=True):
        assert one.files and all(file.startswith(f"results/{data}_") for file in one.files)
    assert float(steps.printed) == pytest.approx(7.102 - 4.767, abs=0.01)
    _, quantized, baseline, *_ = compared.all_compared(groups)[-1]
    assert steps.ours.mean == pytest.approx(quantized.steps.mean - baseline.steps.mean)

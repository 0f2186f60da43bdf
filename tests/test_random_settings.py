"""Random settings: the same for both sides, around the recipe; a search goes on past a training that diverges."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tqttfs_lite.errors import DivergenceError
from tqttfs_lite.experiments import random_settings, results
from tqttfs_lite.experiments.config import TrainingConfig, changes, recipe, variant
from tqttfs_lite.experiments.random_settings import MOST_DROPOUT, SPANS, draw, is_drawn, try_out

PLAIN = recipe("784-400-10", "mnist", 8)


def test_both_sides_get_the_same_settings_however_many_are_drawn() -> None:
    few, more = draw(PLAIN, 3), draw(variant(PLAIN, "1-2"), 5)
    assert [variant(config, "1-2") for config in few] == more[:3]
    assert len({config.seed for config in more}) == len({config.learning_rate for config in more}) == 5
    assert all(map(is_drawn, more)) and not is_drawn(PLAIN)


def test_settings_lie_on_both_sides_of_the_recipe_within_their_spans() -> None:
    drawn = draw(PLAIN, 100)
    for name, span in SPANS.items():
        factors = [getattr(config, name) / getattr(PLAIN, name) for config in drawn]
        assert 1 / span <= min(factors) * 1.01 and max(factors) <= span * 1.01  # they are rounded
        assert 35 < sum(factor < 1 for factor in factors) < 65  # uniform in the logarithm
    assert (
        min(config.dropout for config in drawn) < 0.03 < 0.27 < max(config.dropout for config in drawn) <= MOST_DROPOUT
    )
    assert all(changes(config).keys() <= {*SPANS, "dropout", "epochs"} for config in drawn)


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_search_goes_on_past_a_training_that_diverges(
    at_once: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    configs = [replace(PLAIN, seed=seed) for seed in range(5)]
    bad, order = configs[2], []

    def together(wanted: list[TrainingConfig], *, at_once: int = 1, **_: object) -> None:
        for start in range(0, len(wanted), at_once):
            group = wanted[start : start + at_once]
            if bad in group:
                raise DivergenceError("the loss became nan")
            for config in group:
                results.trial_file(config).parent.mkdir(exist_ok=True)
                results.trial_file(config).write_text(str(asdict(config)))
                order.append(config.seed)

    monkeypatch.setattr(random_settings, "try_out_together", together)
    try_out(configs, at_once=at_once, progress=False)
    assert order == [0, 1, 3, 4] and not results.trial_file(bad).exists()

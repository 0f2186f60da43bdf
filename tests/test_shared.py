"""Weights that all choices of degrees share: the very same tensors, and a training that goes on to the last bit."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from tqttfs_lite.errors import ConfigError
from tqttfs_lite.experiments import checkpoints, shared, trainer, training
from tqttfs_lite.experiments.config import recipe, variant
from tqttfs_lite.experiments.evaluation import evaluate
from tqttfs_lite.experiments.shared import SharedTrainer, distinct, on_clocks, settings_of
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.network import SpikingNetwork

CONFIG = recipe("64-16-10", "digits", 8, epochs=2, batch_size=64)
SETTINGS = settings_of(CONFIG, (1, 2, 4))
PURPOSE = ".shared-1-2-4"


def train(config: trainer.TrainingConfig = CONFIG) -> training.Trained:
    make = partial(SharedTrainer, settings=SETTINGS)
    return training.train(config, device="cpu", progress=False, purpose=PURPOSE, trainer=make)


def test_the_settings_are_those_whose_clocks_tick_in_time() -> None:
    assert len(SETTINGS) == 9
    assert settings_of(CONFIG, (1, 8)) == ("1-1", "1-8")  # a first layer with q = 8 ticks when all pixels have spiked
    assert settings_of(recipe("784-400-400-10", "fashion-mnist", 16))[-1] == "8-16-16"
    with pytest.raises(ConfigError, match=r"T = 8 time steps are too few for any of the degrees \(16,\)"):
        settings_of(CONFIG, (16,))
    with pytest.raises(ConfigError, match="a rate-coded network has no degrees to choose"):
        settings_of(recipe("64-16-10", "digits", 8, coding="rate"))


@pytest.mark.parametrize("degrees", [(1, 2, 4), (1, 2, 3)])
def test_choices_that_are_not_distinct_count_the_same(degrees: tuple[int, ...]) -> None:
    config = recipe("64-16-12-10", "digits", 8)
    every = settings_of(config, degrees)
    kept = distinct(config, every)
    network = trainer.build(config)
    assert isinstance(network, SpikingNetwork)
    images, labels = torch.randint(0, 256, (20, 8, 8), dtype=torch.uint8), torch.randint(0, 10, (20,))
    checkpoints.round_weights(network)
    counts = {s: evaluate(on_clocks(network, config, s), images, labels) for s in every}
    for setting in every:
        (twin,) = (other for other in kept if len(distinct(config, [other, setting])) == 1)
        assert counts[setting] == counts[twin]
    assert len(kept) < len(every) and kept[0] == "1-1-1"


def test_an_output_that_waits_has_choices_of_its_own() -> None:
    config = recipe("784-400-400-10", "fashion-mnist", 16)
    assert distinct(config, ["1-4-1", "1-4-4"]) == ("1-4-4",)
    late = replace(config, earliest_output=6)  # on steps 5, 6, ... or 7, 11, ..., from spikes on 3, 7, ...
    assert distinct(late, ["1-4-1", "1-4-4"]) == ("1-4-1", "1-4-4")


def test_on_other_clocks_the_weights_are_the_very_same() -> None:
    network = trainer.build(CONFIG)
    assert isinstance(network, SpikingNetwork)
    coarse = on_clocks(network, CONFIG, "2-4")
    assert coarse.architecture.short_form == "2-4"
    assert all(a is b for a, b in zip(network.parameters(), coarse.parameters(), strict=True))
    alone = trainer.build(variant(CONFIG, "2-4"))
    alone.load_state_dict(network.state_dict())
    inputs = encode(torch.randint(0, 256, (20, 8, 8), dtype=torch.uint8), 8)
    for output in (coarse.eval()(inputs), network.eval()(inputs)):
        same = torch.equal(output.V, alone.eval()(inputs).V)
        assert same == (len(output.V) == 2)


def test_every_batch_draws_its_degrees_and_a_killed_training_draws_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path / "whole"))
    drawn: list[str] = []

    def noted(network: SpikingNetwork, config: trainer.TrainingConfig, setting: str) -> SpikingNetwork:
        drawn.append(setting)
        return on_clocks(network, config, setting)

    monkeypatch.setattr(shared, "on_clocks", noted)
    whole = train()
    assert set(drawn) == set(SETTINGS)
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path / "killed"))
    add = training._Run.add

    def killed(run: training._Run, epoch: training.Epoch) -> None:
        add(run, epoch)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training._Run, "add", killed)
        train()
    assert training.finished_epochs(CONFIG, PURPOSE) == 1
    again = train()
    assert [epoch.loss for epoch in again.history] == [epoch.loss for epoch in whole.history]
    pairs = zip(again.network.parameters(), whole.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)

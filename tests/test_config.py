import math
from dataclasses import asdict, fields, replace
from typing import Any

import pytest
import torch

from tqttfs_lite.errors import ConfigError, InputError
from tqttfs_lite.experiments import datasets
from tqttfs_lite.experiments.config import (
    DEFAULT_RECIPE,
    RECIPES,
    TrainingConfig,
    changes,
    follows_recipe,
    recipe,
    variant,
)
from tqttfs_lite.experiments.trainer import build
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture

SMLP = {"architecture": "784-400(1)-10(2)", "dataset": "mnist", "time_steps": 8}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": "cifar"}, "mnist, fashion-mnist, digits, cifar-10"),
        ({"time_steps": 0}, "time_steps must be greater than or equal to 1, not 0"),
        ({"time_steps": 255}, "time_steps must be less than or equal to 254, not 255"),
        ({"time_steps": 8.0}, "time_steps must be a valid integer, not 8.0"),
        ({"seed": True}, "seed must be a valid integer, not True"),
        ({"seed": 2**63}, "seed must be less than or equal to 9223372036854775807"),
        ({"seed": 16**9999}, "not a number of thousands of digits"),
        ({"flip": 1}, "flip must be a valid boolean, not 1"),
        ({"theta": "fast"}, "theta must be a valid number, not 'fast'"),
        ({"theta": True}, "theta must be a valid number, not True"),
        ({"architecture": 784}, "architecture must be a valid string, not 784"),
        ({"architecture": "784-65535-65535-10"}, "at most 1,000,000,000 weights"),
        ({"architecture": "784" + "-10" * 50}, "at most 150 characters"),
        ({"architecture": "784-400(0)-10"}, "quantization degree"),
        ({"architecture": "784-400-10(9)"}, "too few"),
        ({"architecture": "100-400-10"}, "does not fit mnist"),
        ({"architecture": "32x32-4C3-10"}, "does not fit mnist"),
        ({"architecture": "784-400-11"}, "output layer of 10"),
        ({"epochs": 0}, "epochs must be greater than or equal to 1, not 0"),
        ({"batch_size": 55_001}, "at most 55000, the training images, not 55001"),
        ({"learning_rate": 0.0}, "learning_rate must be greater than 0, not 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number, not nan"),
        ({"dropout": 1.0}, "dropout must be less than 1, not 1.0"),
        ({"pooling": "median"}, "pooling must be 'max' or 'average', not 'median'"),
        ({"seed": -1}, "seed must be greater than or equal to 0, not -1"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_what_is_allowed(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TrainingConfig(**{**SMLP, **changes})


def test_unknown_and_missing_settings_are_named() -> None:
    with pytest.raises(ConfigError, match=r"unknown key learnin_rate: allowed are .*learning_rate"):
        TrainingConfig(**{**SMLP, "learnin_rate": 0.1})
    with pytest.raises(ConfigError, match="missing key dataset, time_steps"):
        TrainingConfig(**{"architecture": "784-10"})
    with pytest.raises(ConfigError, match=rf"there are {len(fields(TrainingConfig))} settings, not 99"):
        TrainingConfig(*["784-10"] * 99)


def test_equal_networks_have_equal_configurations_and_different_settings_different_names() -> None:
    assert recipe("784-400-10(2)", "mnist", 8) == recipe("784 - 400(1)-10(2)", "mnist", 8)
    names = {
        recipe("784-400-10", "mnist", 8, **change).name
        for change in ({}, {"seed": 1}, {"epochs": 3}, {"theta": 2}, {"flip": True})
    }
    assert len(names) == 5


def test_a_whole_number_for_a_real_setting_is_the_same_setting() -> None:
    assert recipe("784-10", "mnist", 8, theta=1).hash == recipe("784-10", "mnist", 8, theta=1.0).hash


def test_the_hash_covers_what_differs_from_the_defaults_and_nothing_else() -> None:
    """Stored results keep their names when a setting is added; this hash is one that results were stored under."""
    config = TrainingConfig("784-400(1)-10(2)", "mnist", 8, epochs=3)
    assert config.hash.startswith("ad117947c221")


def test_a_config_survives_its_dictionary() -> None:
    config = recipe("784-400-400-10", "fashion-mnist", 16, seed=4)
    assert TrainingConfig(**asdict(config)) == config


def test_the_baseline_has_the_recipe_of_the_quantized_network() -> None:
    baseline, quantized = (recipe(text, "mnist", 8) for text in ("784-400-10", "784-400(1)-10(2)"))
    different = [f.name for f in fields(baseline) if getattr(baseline, f.name) != getattr(quantized, f.name)]
    assert different == ["architecture"]
    assert variant(baseline, "1-2") == quantized


@pytest.mark.parametrize(("dataset", "family"), RECIPES)
def test_every_recipe_is_a_valid_configuration(dataset: str, family: str) -> None:
    side = datasets.get(dataset).shape[1]
    text = {"SMLP": f"{side * side}-400-10", "SCNN": f"{side}x{side}-16C5-P2-10"}[family]
    recipe(text, dataset, 8)


def test_a_recipe_with_anything_changed_is_followed_no_more() -> None:
    config = recipe("784-400(1)-10(2)", "mnist", 8)
    assert follows_recipe(config)
    assert follows_recipe(replace(config, seed=7))
    assert not follows_recipe(replace(config, epochs=1))
    assert not follows_recipe(recipe("784-400-10", "mnist", 8, coding="rate", step_cost=0.0))


def test_a_configuration_is_canonical_from_the_start() -> None:
    """A whole number for a real setting trained to the end, and was then "changed by hand" for ever."""
    whole, real = (TrainingConfig("784-10", "mnist", 4, theta=theta) for theta in (2, 2.0))
    assert (whole, whole.hash, type(whole.theta)) == (real, real.hash, float)
    assert TrainingConfig(**asdict(whole)).name == whole.name
    for value in (math.nan, math.inf, -math.inf, 10**400):
        with pytest.raises(ConfigError, match="theta must be a"):
            TrainingConfig("784-10", "mnist", 4, theta=value)


def test_a_data_set_without_a_recipe_has_the_plain_one() -> None:
    config = recipe("32x32x3-4C3-P2-10", "cifar-10", 8)
    assert {name: getattr(config, name) for name in DEFAULT_RECIPE} == DEFAULT_RECIPE
    assert config.architecture == "32x32x3-4C3(1)-P2-10(1)" and not changes(config)


@pytest.mark.parametrize(
    ("image", "row", "dataset"),
    [("28x28-50-10(2)", "784-50-10(2)", "mnist"), ("32 × 32 × 3 - 50-10", "3072-50-10", "cifar-10")],
)
def test_a_perceptron_has_one_spelling(image: str, row: str, dataset: str) -> None:
    assert recipe(image, dataset, 8) == recipe(row, dataset, 8)
    assert recipe(image, dataset, 8).name == recipe(row, dataset, 8).name
    assert recipe("28x28x1-4C3-10", "mnist", 8) == recipe("28x28-4C3-10", "mnist", 8)


@pytest.mark.parametrize("text", ["14x56-50-10", "28x28x3-50-10", "28x29-50-10", "32x32x3-4C3-10"])
def test_an_image_of_another_size_is_refused_though_its_row_may_fit(text: str) -> None:
    with pytest.raises(ConfigError, match="does not fit mnist, whose images need the input 784 or 28x28"):
        recipe(text, "mnist", 8)
    with pytest.raises(ConfigError, match="does not fit cifar-10, whose images need the input 3072 or 32x32x3"):
        recipe("3x32x32-50-10", "cifar-10", 8)


@pytest.mark.parametrize(
    ("architecture", "time_steps"), [("784-10", 1), ("784-16(4)-10", 4), ("28x28-2C3(8)-10(8)", 8)]
)
def test_a_network_that_cannot_see_its_image_is_refused(architecture: str, time_steps: int) -> None:
    """Its potentials are the same for every image, since by its one tick all pixels have spiked."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (2, 28, 28), dtype=torch.uint8)
    settings = {"architecture": architecture, "dataset": "mnist", "time_steps": time_steps}
    with pytest.raises(ConfigError, match="too few for the first layer"):
        TrainingConfig(**settings)
    blind = SpikingNetwork(Architecture.parse(architecture), time_steps)
    assert torch.equal(*blind(encode(images, time_steps)).V[0])
    sees = TrainingConfig(**settings | {"time_steps": time_steps + 1}, initial_gain=30.0)
    network = build(sees).eval()
    assert not torch.equal(*network(encode(images, sees.time_steps)).V[0])


def test_rate_coding_sees_white_pixels_in_one_step() -> None:
    assert TrainingConfig("784-10", "mnist", 1, coding="rate").time_steps == 1


def test_an_error_echoes_the_start_of_what_it_was_given() -> None:
    for wrong in (
        {"architecture": "784-" + "x" * 10**6},
        {"theta": "x" * 10**6},
        {"x" * 10**6: 1},
        {"theta": [[0] * 99] * 99},
    ):
        with pytest.raises(InputError) as refused:
            TrainingConfig(**{**SMLP, **wrong})
        assert len(str(refused.value)) < 500


def test_where_nothing_pools_the_kind_of_pooling_makes_no_other_network() -> None:
    configs = [TrainingConfig("28x28-4C5-10", "mnist", 8, pooling=pooling) for pooling in ("max", "average")]
    assert configs[0] == configs[1] and configs[0].name == configs[1].name
    assert TrainingConfig("28x28-4C5-P2-10", "mnist", 8, pooling="average").pooling == "average"

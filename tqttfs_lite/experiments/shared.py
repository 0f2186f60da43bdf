"""One set of weights for every choice of degrees, trained with degrees that are drawn at random for each batch.

A degree sets a layer's clock and does not affect the weights' shape, so the same weights run with any degrees.  A
network that was trained with all choices ranks them at the cost of one training, like weight-sharing networks in
architecture search (Guo et al. 2020).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import product
from random import Random

import torch

from tqttfs_lite.errors import ConfigError, InputError
from tqttfs_lite.experiments.config import TrainingConfig, unquantized, variant
from tqttfs_lite.experiments.datasets import Images
from tqttfs_lite.experiments.trainer import Trainer, build, epoch_seed
from tqttfs_lite.spiking.network import SpikingNetwork, clocks
from tqttfs_lite.spiking.notation import Architecture

DEGREES = (1, 2, 4, 8, 16)


def settings_of(config: TrainingConfig, degrees: tuple[int, ...] = DEGREES) -> tuple[str, ...]:
    """All choices of these degrees with which each layer can fire, in the short form such as 1-2-4.

    Raises `ConfigError` if there are none, or if the network is rate-coded and therefore has no degrees.
    """
    if config.coding == "rate":
        raise ConfigError("coding must be ttfs: a rate-coded network has no degrees to choose")
    found = []
    for chosen in product(degrees, repeat=len(Architecture.parse(config.architecture).quantization)):
        try:
            found.append(Architecture.parse(variant(config, "-".join(map(str, chosen))).architecture).short_form)
        except InputError:  # a clock that never ticks in time
            continue
    if not found:
        raise ConfigError(f"T = {config.time_steps} time steps are too few for any of the degrees {degrees}")
    return tuple(found)


def distinct(config: TrainingConfig, settings: Sequence[str]) -> tuple[str, ...]:
    """Choices of degrees that give distinct networks with the same weights; of equivalent choices, the last.

    A potential changes only when a spike arrives.  Ticks at which no input can have arrived since the tick before
    therefore have no effect: 1-4-1 and 1-4-2 are equivalent to 1-4-4.

    >>> config = TrainingConfig("784-400-400-10", "fashion-mnist", 16)
    >>> distinct(config, ["1-2-1", "1-2-2", "1-4-1", "1-4-2", "1-4-4"]), len(distinct(config, settings_of(config)))
    (('1-2-2', '1-4-4'), 34)
    """
    found: dict[tuple[tuple[int, ...], ...], str] = {}
    for setting in settings:
        fires: list[tuple[int, ...]] = [tuple(range(config.time_steps))]  # the input's pixels may on every step
        architecture = Architecture.parse(variant(config, setting).architecture)
        for clock in clocks(architecture, config.time_steps, config.earliest_output):
            after = [bisect_left(clock, step) for step in fires[-1]]
            fires.append(tuple(clock[tick] for tick in dict.fromkeys(after) if tick < len(clock)))
        found[tuple(fires)] = setting
    return tuple(found.values())


def on_clocks(network: SpikingNetwork, config: TrainingConfig, setting: str) -> SpikingNetwork:
    """The network with the clocks of other degrees; it shares the weight tensors."""
    with torch.device("meta"):  # it needs no weights of its own
        other = build(variant(config, setting))
    assert isinstance(other, SpikingNetwork)
    for layer, trained in zip(other.layers, network.layers, strict=True):
        layer.weight = trained.weight
    other.generator = network.generator
    return other


def with_degrees_of_1(network: SpikingNetwork, config: TrainingConfig) -> SpikingNetwork | None:
    """The network with every degree 1, which shares the weight tensors; None if its degrees are 1 already."""
    plain = unquantized(config)
    if plain == config:
        return None
    return on_clocks(network, config, Architecture.parse(plain.architecture).short_form)


class SharedTrainer(Trainer):
    """Trains one set of weights, each batch with degrees that are drawn from `settings`.

    Everything else follows the configuration, whose own degrees are only used for showing the progress.
    """

    def __init__(self, config: TrainingConfig, data: Images, held_out: Images, settings: tuple[str, ...]) -> None:
        super().__init__(config, data, held_out)
        self._settings = settings

    def begin(self, epoch: int) -> None:
        super().begin(epoch)
        self._draws = Random(epoch_seed(self.config.seed, epoch))

    def _step(self) -> None:
        assert isinstance(self.network, SpikingNetwork)
        self.network = on_clocks(self.network, self.config, self._draws.choice(self._settings))
        super()._step()

    def _capture(self) -> None:
        """Capture nothing, since the steps have different graphs."""

"""One set of weights for every choice of degrees: trained under degrees that are drawn anew for each batch.

A degree is a clock and has no weights, so the same weights run with any.  A network that was trained under all of them
ranks them for the price of one training, as the weight-sharing networks of architecture search do (Guo et al. 2020).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import product
from random import Random

import torch

from tqttfs_lite.errors import ConfigError, InputError
from tqttfs_lite.experiments.config import TrainingConfig, variant
from tqttfs_lite.experiments.datasets import Images
from tqttfs_lite.experiments.trainer import Trainer, build, epoch_seed
from tqttfs_lite.spiking.network import SpikingNetwork, clocks
from tqttfs_lite.spiking.notation import Architecture

DEGREES = (1, 2, 4, 8, 16)


def settings_of(config: TrainingConfig, degrees: tuple[int, ...] = DEGREES) -> tuple[str, ...]:
    """Every choice of these degrees with which each layer can fire, in the short form such as 1-2-4.

    Raises `ConfigError` where there is none, and for a rate-coded network, which has no degrees.
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
    """Of the choices of degrees that make the same network of the same weights, the last.

    A potential changes only where a spike arrives.  So a layer whose ticks are more than those on which its input may
    spike fires as if the others were not there: 1-4-1 and 1-4-2 are 1-4-4.

    >>> config = TrainingConfig("784-400-400-10", "fashion-mnist", 16)
    >>> distinct(config, ["1-2-1", "1-2-2", "1-4-1", "1-4-2", "1-4-4"]), len(distinct(config, settings_of(config)))
    (('1-2-2', '1-4-4'), 34)
    """
    found: dict[tuple[tuple[int, ...], ...], str] = {}
    for setting in settings:
        fires: list[tuple[int, ...]] = [tuple(range(config.time_steps))]  # the input's pixels may on every step
        for clock in clocks(Architecture.parse(variant(config, setting).architecture), config.time_steps):
            after = [bisect_left(clock, step) for step in fires[-1]]
            fires.append(tuple(clock[tick] for tick in dict.fromkeys(after) if tick < len(clock)))
        found[tuple(fires)] = setting
    return tuple(found.values())


def on_clocks(network: SpikingNetwork, config: TrainingConfig, setting: str) -> SpikingNetwork:
    """The same weights, the very same tensors, on the clocks of other degrees."""
    with torch.device("meta"):  # weights of its own are not needed
        other = build(variant(config, setting))
    assert isinstance(other, SpikingNetwork)
    for layer, trained in zip(other.layers, network.layers, strict=True):
        layer.weight = trained.weight
    other.generator = network.generator
    return other


class SharedTrainer(Trainer):
    """Trains one set of weights, each batch under degrees that are drawn from `settings`.

    All else is the configuration's recipe; its own degrees are those that the progress is shown with.
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
        """Nothing is recorded: every step has a graph of its own."""

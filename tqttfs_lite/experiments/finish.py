"""Quantization-aware finish: a trained network's weights are trained for a few more epochs while they are rounded.

In every step the network computes with rounded weights, on the scales that suit the trained network, and the optimizer
changes unrounded ones (`spiking.fixed_point.Rounding`).  Loss, images and schedule are those of the network's training,
with a lower peak of the learning rate.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from tqttfs_lite.experiments import experiment
from tqttfs_lite.experiments.config import TrainingConfig, family
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.experiments.trainer import Trainer
from tqttfs_lite.experiments.training import train
from tqttfs_lite.spiking.fixed_point import FixedPointNetwork, Rounding, layer_scales
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture

EPOCHS = {"SMLP": 4, "SCNN": 2}


class FinishTrainer(Trainer):
    """The training of a network that is trained already, with rounded weights."""

    def __init__(self, *args: Any, trained: SpikingNetwork, bits: int, per_channel: bool) -> None:
        self._trained, self._bits, self._per_channel = trained, bits, per_channel
        super().__init__(*args)

    def start(self) -> SpikingNetwork:
        network = super().start()
        assert isinstance(network, SpikingNetwork)
        network.load_state_dict(self._trained.state_dict())
        scale = layer_scales(self._trained, self._bits, per_channel=self._per_channel)
        for layer, s in zip(network.layers, scale, strict=True):
            parametrize.register_parametrization(layer, "weight", Rounding(s, self._bits))
        return network

    def _loss(self, pixels: Tensor, labels: Tensor) -> Tensor:
        with parametrize.cached():  # the weights are rounded once in a step
            return super()._loss(pixels, labels)


def settings(config: TrainingConfig, share: float) -> TrainingConfig:
    """The settings of a finish, with this share of the training's peak learning rate."""
    epochs = EPOCHS[family(Architecture.parse(config.architecture))]
    return replace(config, epochs=epochs, learning_rate=share * config.learning_rate)


def finished(
    result: Result, bits: int, *, per_channel: bool, share: float, device: str | None = None, progress: bool = True
) -> FixedPointNetwork:
    """A result's network in fixed point, after its finish, which resumes if it was interrupted.

    Raises the same errors as `experiment.trained_network` and `train`.
    """
    network = experiment.trained_network(result)
    scale = layer_scales(network, bits, per_channel=per_channel)
    trainer = partial(FinishTrainer, trained=network, bits=bits, per_channel=per_channel)
    purpose = f".{bits}-bits.a-scale-per-{'channel' if per_channel else 'layer'}"
    found = train(
        settings(result.config, share), device=device, progress=progress, purpose=purpose, trainer=trainer
    ).network.cpu()
    assert isinstance(found, SpikingNetwork)
    with torch.no_grad():
        for layer, after in zip(network.layers, found.layers, strict=True):
            layer.weight.copy_(after.weight)
    return FixedPointNetwork(network, bits, scale=scale)


def from_integers(result: Result, integers: list[Tensor], bits: int, *, per_channel: bool) -> FixedPointNetwork:
    """The network of a finish from its rounded weights, one tensor a layer; raises as `experiment.trained_network`."""
    network = experiment.trained_network(result)
    scale = layer_scales(network, bits, per_channel=per_channel)
    with torch.no_grad():
        for layer, w, s in zip(network.layers, integers, scale, strict=True):
            layer.weight.copy_(w * s.view(-1, *[1] * (w.ndim - 1)))
    return FixedPointNetwork(network, bits, scale=scale)

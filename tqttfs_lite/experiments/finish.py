"""Quantization-aware finish: a trained network is trained for a few more epochs while its weights are rounded.

In every step the network computes with rounded weights, with the scales chosen for the trained network, and the
optimizer changes unrounded ones (`spiking.fixed_point.straight_through`).  Their running average is what is rounded in
the end.  Loss, images and schedule are those of the network's training, with a lower peak of the learning rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.func import functional_call

from tqttfs_lite.experiments import experiment, paths
from tqttfs_lite.experiments.config import TrainingConfig, family
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.experiments.trainer import Trainer
from tqttfs_lite.experiments.training import train
from tqttfs_lite.spiking.fixed_point import FixedPointNetwork, layer_scales, straight_through
from tqttfs_lite.spiking.network import Output, SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture

EPOCHS = {"SMLP": 4, "SCNN": 2}


class FinishTrainer(Trainer):
    """Further training of a trained network, with rounded weights."""

    def __init__(self, *args: Any, trained: SpikingNetwork, bits: int, scale: Sequence[Tensor]) -> None:
        self._trained = trained
        super().__init__(*args)
        self._bits, self._scale = bits, [s.to(self.device) for s in scale]

    def start(self) -> SpikingNetwork:
        network = super().start()
        assert isinstance(network, SpikingNetwork)
        network.load_state_dict(self._trained.state_dict())
        return network

    def output(self, network: SpikingNetwork, spike_times: UInt8[Tensor, "B ..."]) -> Output:
        weights = zip(network.named_parameters(), self._scale, strict=True)
        rounded = {name: straight_through(W, s, self._bits) for (name, W), s in weights}
        found: Output = functional_call(network, rounded, (spike_times,))
        return found


def settings(config: TrainingConfig, fraction: float) -> TrainingConfig:
    """The settings of a finish, with this fraction of the training's peak learning rate."""
    epochs = EPOCHS[family(Architecture.parse(config.architecture))]
    return replace(config, epochs=epochs, learning_rate=fraction * config.learning_rate)


def finished(
    result: Result, bits: int, *, per_channel: bool, fraction: float, device: str | None = None, progress: bool = True
) -> FixedPointNetwork:
    """A result's network in fixed point, after its finish, which resumes if it was interrupted.

    The states of its trainings are kept until `forget`.
    Raises the same errors as `experiment.trained_network` and `train`.
    """
    network = experiment.trained_network(result)
    scale = layer_scales(network, bits, per_channel=per_channel)
    trainer = partial(FinishTrainer, trained=network, bits=bits, scale=scale)
    purpose = f"{_purpose(result)}.{bits}-bits.a-scale-per-{'channel' if per_channel else 'layer'}"
    found = train(settings(result.config, fraction), device=device, progress=progress, purpose=purpose, trainer=trainer)
    network.load_state_dict(found.network.state_dict())
    return FixedPointNetwork(network, bits, scale=scale)


def forget(result: Result) -> None:
    """Remove the states of all trainings of a result's finish."""
    for path in paths.runs_directory().glob(f"*{_purpose(result)}.*"):
        path.unlink()


def from_integers(
    trained: SpikingNetwork, integers: Sequence[Tensor], bits: int, *, per_channel: bool
) -> FixedPointNetwork:
    """The network of a finish from its rounded weights, one tensor per layer, and the network that was finished."""
    network = FixedPointNetwork(trained, bits, per_channel=per_channel)  # with the scales of the finish
    with torch.no_grad():
        for layer, weight in zip(network.whole_layers, integers, strict=True):
            layer.weight.copy_(weight)
    return network


def _purpose(result: Result) -> str:
    """Part of the names of the states: a finish never resumes from that of other weights."""
    return f".finish-{result.checkpoint_sha256[:8]}"

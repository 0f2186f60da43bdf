"""Rate coding, with which the slides' introduction compares TTFS coding: the same perceptron, but every neuron fires
as often as it likes, a pixel as often as it is bright, and the answer is the class that fires most.

It is the slides' IF neuron, layer after layer ("IF Neuron model").  What they do not say of rate coding is chosen here:
the spikes of a pixel are spread evenly instead of drawn at random, so that an evaluation can be repeated to the spike.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn

from tqttfs_lite.errors import InputError
from tqttfs_lite.spiking.coding import check_time_steps
from tqttfs_lite.spiking.network import SpikingNetwork, dropout_factors
from tqttfs_lite.spiking.neuron import TQ_TTFS, Neuron, if_neuron
from tqttfs_lite.spiking.notation import Architecture, Linear


def encode_as_rate(pixels: UInt8[Tensor, "*shape"], time_steps: int) -> Float[Tensor, "T *shape"]:
    """Intensity to rate: after t steps a pixel x has spiked floor(t x / 255) times, a white one on every step.

    >>> encode_as_rate(torch.tensor([255, 128, 0], dtype=torch.uint8), time_steps=4).sum(dim=0)
    tensor([4., 2., 0.])
    """
    check_time_steps(time_steps)
    elapsed = torch.arange(time_steps + 1, dtype=torch.int32, device=pixels.device).view(-1, *[1] * pixels.ndim)
    return (elapsed * pixels.int() // 255).diff(dim=0).float()


class RateOutput(NamedTuple):
    """What an image makes of the network by the end of time."""

    counts: Float[Tensor, "B classes"]  # spikes of each output neuron
    V: Float[Tensor, "B classes"]  # what is left of its potential; V_reset where it fired on the last step
    spikes: tuple[int, ...]  # of the input and of each layer, over images and time; not counted in training


class RateDecision(NamedTuple):
    """What the network says of each image, and the output neurons that fired as often as any."""

    label: Int64[Tensor, " B"]
    most: Bool[Tensor, "B classes"]  # none of them where the output stays silent


def check_architecture(architecture: Architecture) -> None:
    """Raise `ValueError` for other than fully connected layers and for a quantization degree above 1."""
    perceptron = all(isinstance(layer, Linear) for layer in architecture.layers)
    if not perceptron or max(architecture.quantization) > 1:
        raise InputError(f"rate coding needs a perceptron without quantization, such as 784-400-10, not {architecture}")


class RateNetwork(nn.Module):
    """A perceptron of IF neurons that turns images into output spikes over T time steps.

    Raises `ValueError` for T outside 1 to 254, for neurons with another response than a step, and where
    `check_architecture` does.
    """

    def __init__(
        self, architecture: Architecture, time_steps: int, *, neuron: Neuron = TQ_TTFS, dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_time_steps(time_steps)
        check_architecture(architecture)
        self.architecture, self.time_steps = architecture, time_steps
        if neuron.response is not None:
            raise InputError("rate coding uses the slides' IF neuron, whose response is a step")
        self.neuron, self.dropout = neuron, dropout
        self.generator: torch.Generator | None = None  # as in `SpikingNetwork`
        widths = pairwise([prod(architecture.input_shape), *(neurons for neurons, _ in architecture.sizes())])
        self.synapses = nn.ModuleList(
            nn.Linear(inputs, outputs, bias=False, dtype=torch.float32) for inputs, outputs in widths
        )

    def forward(self, pixels: UInt8[Tensor, "B ..."]) -> RateOutput:
        """Run a batch of images to the end of time, with surrogate gradients."""
        S = encode_as_rate(pixels.flatten(1), self.time_steps)
        counts = [S.count_nonzero()]
        for layer, weight in enumerate(self.parameters()):
            if layer and self.training:  # the same neurons on every step
                S = S * dropout_factors(torch.empty_like(S[0]), self.dropout, self.generator)
            V, S = if_neuron(S, weight, self.neuron.theta, self.neuron.surrogate)
            counts.append(S.count_nonzero())
        spikes = () if self.training else tuple(map(int, counts))  # the host would wait for them in each step
        return RateOutput(S.sum(dim=0), V[-1] * (1 - S[-1]), spikes)


Network = SpikingNetwork | RateNetwork


def decode_rate(output: RateOutput) -> RateDecision:
    """The class that fires most; ties, and silence, go to the highest potential that is left at the end of time.

    It is the potential after the last reset: a neuron that has just fired has had its spike counted, so that among
    neurons that fired as often the one nearest to its next spike wins.  (First spikes are compared before the reset,
    where the potential says by how much a neuron has crossed the threshold; `coding.decode`.)

    >>> V = torch.tensor([[0.1, 0.5, 0.9]])
    >>> decode_rate(RateOutput(torch.tensor([[3.0, 3.0, 1.0]]), V, (7,)))
    RateDecision(label=tensor([1]), most=tensor([[ True,  True, False]]))
    """
    tied = output.counts == output.counts.amax(dim=1, keepdim=True)
    label = output.V.masked_fill(~tied, -torch.inf).argmax(dim=1)
    return RateDecision(label, tied & (output.counts > 0))

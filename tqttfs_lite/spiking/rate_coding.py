"""Rate coding, with which the slides' introduction compares TTFS coding.

The perceptron is the same, but its neurons may fire many times: a pixel fires the more often the brighter it is, and
the answer is the class whose output neuron fires most.  The neurons are the slides' IF neurons ("IF Neuron model").
The slides do not say how pixels are encoded.  Here, their spikes are spread evenly instead of drawn at random, so that
every evaluation gives the same spikes.
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
    """Encode intensities as rates: after t steps, a pixel x has spiked floor(t x / 255) times.

    A white pixel spikes on every step, and a black one never does.

    >>> encode_as_rate(torch.tensor([255, 128, 0], dtype=torch.uint8), time_steps=4).sum(dim=0)
    tensor([4., 2., 0.])
    """
    check_time_steps(time_steps)
    elapsed = torch.arange(time_steps + 1, dtype=torch.int32, device=pixels.device).view(-1, *[1] * pixels.ndim)
    return (elapsed * pixels.int() // 255).diff(dim=0).float()


class RateOutput(NamedTuple):
    """The output of a rate-coded network after the last time step."""

    counts: Float[Tensor, "B classes"]  # spikes of each output neuron
    V: Float[Tensor, "B classes"]  # its remaining potential; V_reset if it fired on the last step
    spikes: tuple[int, ...]  # of the input and of each layer, summed over images and time; not counted in training


class RateDecision(NamedTuple):
    """The answer to each image, and the output neurons that fired most."""

    label: Int64[Tensor, " B"]
    most: Bool[Tensor, "B classes"]  # none for a silent image


def check_architecture(architecture: Architecture) -> None:
    """Raise `InputError` if a layer is not fully connected or has a quantization degree above 1."""
    perceptron = all(isinstance(layer, Linear) for layer in architecture.layers)
    if not perceptron or max(architecture.quantization) > 1:
        raise InputError(f"rate coding needs a perceptron without quantization, such as 784-400-10, not {architecture}")


class RateNetwork(nn.Module):
    """A perceptron of IF neurons that turns images into output spikes over T time steps.

    Raises `InputError` if T is not from 1 to 254, if the neurons' response is not a step, or if the network is not a
    perceptron without quantization.
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
        """Run a batch of images up to the last time step, with surrogate gradients."""
        S = encode_as_rate(pixels.flatten(1), self.time_steps)
        counts = [S.count_nonzero()]
        for layer, weight in enumerate(self.parameters()):
            if layer and self.training:  # the same neurons on every step
                S = S * dropout_factors(torch.empty_like(S[0]), self.dropout, self.generator)
            V, S = if_neuron(S, weight, self.neuron.theta, self.neuron.surrogate)
            counts.append(S.count_nonzero())
        spikes = () if self.training else tuple(map(int, counts))  # in training, the host would wait for them
        return RateOutput(S.sum(dim=0), V[-1] * (1 - S[-1]), spikes)


Network = SpikingNetwork | RateNetwork


def decode_rate(output: RateOutput) -> RateDecision:
    """The class whose neuron fires most; ties and silent images are decided by the highest remaining potential.

    This is the potential after the last step, including a reset, since the spike before the reset has been counted:
    among neurons with equal counts, the one closest to its next spike wins.  (`coding.decode` compares potentials
    before the reset, which show by how much a neuron exceeds the threshold.)

    >>> V = torch.tensor([[0.1, 0.5, 0.9]])
    >>> decode_rate(RateOutput(torch.tensor([[3.0, 3.0, 1.0]]), V, (7,)))
    RateDecision(label=tensor([1]), most=tensor([[ True,  True, False]]))
    """
    tied = output.counts == output.counts.amax(dim=1, keepdim=True)
    label = output.V.masked_fill(~tied, -torch.inf).argmax(dim=1)
    return RateDecision(label, tied & (output.counts > 0))

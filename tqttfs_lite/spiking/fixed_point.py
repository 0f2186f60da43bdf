"""Fixed-point inference, as in hardware: weights are integers of a few bits, and membrane potentials are their sums.

A weight W becomes the integer w nearest to W / s, from -(2^(b-1) - 1) to 2^(b-1) - 1 for b bits.  The range is
symmetric, and 0 stays 0.  Either the whole layer or each of its output channels has a scale s; the output layer always
has a single one because its potentials are compared with each other.  A scale is chosen from `FRACTIONS` for the least
sum of squared rounding errors, and may clip a few of the largest weights.

Weights can also be rounded during training: with `straight_through`, a network computes with rounded weights, and the
optimizer changes unrounded ones.

Nothing else is rounded.  A potential is a sum of integers, which exceeds θ / s if and only if it exceeds the largest
integer not above θ / s; this integer is the neuron's threshold.  Average pooling passes on how many neurons of a window
have fired, and the next layer's threshold is multiplied by the number of neurons in a window.  float32 adds integers up
to 2^24 exactly, and a network whose potentials might exceed 2^24 is refused, so the sums are those of a 32-bit
accumulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn, cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from tqttfs_lite.errors import InputError, is_whole
from tqttfs_lite.spiking.firing import convolution_times, firing_time, trace
from tqttfs_lite.spiking.layers import PoolingMode, SpikingLayer
from tqttfs_lite.spiking.network import SpikingNetwork

EXACT = 2**24  # float32 represents every integer up to this
FRACTIONS = tuple(n / 20 for n in range(5, 21))  # of the largest weight, that the largest integer may stand for


def scales(W: Float[Tensor, "rows weights"], top: int) -> Float[Tensor, " rows"]:
    """For each row, the scale with the smallest error when weights are rounded to integers from -top to top.

    >>> scales(torch.tensor([[0.5, -1.0, 0.0], [0.0, 0.0, 0.0]]), top=2).tolist()
    [0.5, 0.5]
    """
    largest = W.abs().amax(dim=1)
    largest = largest.where(largest > 0, 1)  # if all weights are 0, any scale will do
    tried = torch.stack([largest * fraction / top for fraction in FRACTIONS])
    errors = torch.stack([(rounded(W, s[:, None], top) * s[:, None] - W).square().sum(dim=1) for s in tried])
    errors = errors.flip(0)  # of equal ones the largest scale
    return tried.flip(0).gather(0, errors.argmin(dim=0)[None])[0]


def rounded(W: Tensor, scale: Tensor, top: int) -> Tensor:
    """The integers that stand for these weights."""
    return (W / scale).round().clamp(-top, top)


def layer_scales(network: SpikingNetwork, bits: int, *, per_channel: bool = False) -> list[Float[Tensor, " _"]]:
    """For each layer, the scale of every output channel; all are equal except in hidden layers with `per_channel`."""
    found = []
    for layer in network.layers:
        rows = layer.weight.detach().double().flatten(1)
        own = per_channel and layer is not network.layers[-1]
        found.append(scales(rows if own else rows.view(1, -1), largest_integer(bits)).expand(len(rows)))
    return found


def largest_integer(bits: int) -> int:
    """The largest weight of this many bits, one of which is the sign.

    >>> largest_integer(4)
    7
    """
    return int(2 ** (bits - 1) - 1)


def straight_through(W: Float[Tensor, "rows ..."], scale: Float[Tensor, " rows"], bits: int) -> Tensor:
    """The rounded weights s w, for training: their gradient with respect to W is 1, even for a weight that is clipped.

    This is the straight-through estimator of Bengio et al. (2013, arXiv:1308.3432).
    """
    s = scale.to(W.dtype).view(-1, *[1] * (W.ndim - 1))
    return W + (rounded(W, s, largest_integer(bits)) * s - W).detach()


class FixedPointLayer(SpikingLayer):
    """A layer with integer weights: called with its input states, it returns W C minus the neurons' thresholds."""

    def __init__(self, *described: Any) -> None:
        super().__init__(*described)
        self.weight.requires_grad_(False)
        self.pooled = 1  # how many neurons' spikes are averaged in each input
        self.threshold: Tensor
        self.register_buffer("threshold", torch.zeros(self.shape[0], *[1] * (len(self.shape) - 1)))

    @torch.no_grad()
    def take(self, W: Tensor, scale: Float[Tensor, " rows"], theta: float, bits: int, pooled: int) -> None:
        """Round these weights, and set the thresholds that follow from their scales.

        Raises `InputError` if a potential might leave the range in which float32 is exact.
        """
        self.pooled = pooled
        self.weight.copy_(rounded(W.double().flatten(1), scale[:, None], largest_integer(bits)).view_as(W))
        self.threshold.copy_((theta * pooled / scale).floor().view_as(self.threshold))
        if (reached := self.largest_potential) > EXACT:
            raise InputError(f"a potential of up to {reached} is not exact in float32: use fewer bits than {bits}")

    @property
    def largest_potential(self) -> int:
        """A bound on the magnitude of a potential and of its distance from the threshold, for any input spikes."""
        reach = self.weight.abs().flatten(1).sum(1) * self.pooled
        return int((reach + self.threshold.flatten()).max())

    @property
    def potential_bits(self) -> int:
        """The bits, including the sign, of an accumulator that cannot overflow."""
        return self.largest_potential.bit_length() + 1

    def forward(self, C: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        V: Tensor = super().forward((C * self.pooled).round() if self.pooled > 1 else C)
        return V - self.threshold

    def convolution_times(self, times: UInt8[Tensor, "B C H W"], never: int) -> UInt8[Tensor, "B ..."]:
        if len(theta := self.threshold.unique()) == 1:  # the fast path knows one threshold
            return convolution_times(times, self.weight, self.clock, never, replace(self.neuron, theta=float(theta)))
        V = self(trace(times, self.clock, self.weight.dtype))
        return firing_time(V, self.clock, never, self.neuron.theta)


class FixedPointNetwork(SpikingNetwork):
    """A trained network with integer weights of this many bits, for `infer` and `evaluate`.

    `per_channel` gives each output channel of the hidden layers a scale of its own.  `scale` is for weights that have
    been trained with `straight_through`: the scales that it used, instead of those of `layer_scales`.
    Raises `InputError` if `bits` is not from 2 to 16, if the response is not a step, since potentials are then not sums
    of weights, or if a potential might leave the range in which float32 is exact.
    """

    layer_type = FixedPointLayer

    def __init__(
        self,
        network: SpikingNetwork,
        bits: int,
        *,
        per_channel: bool = False,
        scale: Sequence[Float[Tensor, " _"]] | None = None,
    ) -> None:
        if not is_whole(bits) or not 2 <= bits <= 16:
            raise InputError(f"weights must have from 2 to 16 bits, not {bits}")
        if network.neuron.response is not None:
            raise InputError("fixed point is only for the slides' neurons, whose response is a step")
        windows = [layer.average_window for layer in network.layers]
        pooling: PoolingMode = "average" if max(windows) > 1 else "max"
        neuron = replace(network.neuron, theta=0.0)  # the layers take their thresholds off
        earliest = network.layers[-1].clock[0] + 1  # the layers' clocks count from 0
        super().__init__(
            network.architecture, network.time_steps, neuron=neuron, pooling=pooling, earliest_output=earliest
        )
        self.bits = bits
        scale = layer_scales(network, bits, per_channel=per_channel) if scale is None else scale
        for layer, trained, s, window in zip(self.whole_layers, network.layers, scale, (1, *windows[:-1]), strict=True):
            layer.take(trained.weight, s, network.neuron.theta, bits, window**2)

    @property
    def whole_layers(self) -> list[FixedPointLayer]:
        """`layers`, with their type."""
        return cast(list[FixedPointLayer], [*self.layers])

    def forward(self, spike_times: UInt8[Tensor, "B ..."]) -> NoReturn:
        raise InputError("a fixed-point network is only for `infer` and `evaluate`: rounded weights have no gradient")

"""A layer of TQ-TTFS neurons: the weights that charge it, its clock, and the pooling behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Literal

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from tqttfs_lite.spiking.firing import (
    averaged,
    convolution_times,
    convolve_and_fire,
    convolved,
    earliest_in_windows,
    fire,
    trace,
)
from tqttfs_lite.spiking.neuron import Neuron
from tqttfs_lite.spiking.notation import Convolution, Linear

PoolingMode = Literal["max", "average"]


class SpikingLayer(nn.Module):
    """One layer of a `SpikingNetwork`.

    It has a weight and nothing else, as in the slides' equations: no bias, and a convolution has stride 1 and is
    zero-padded so that height and width stay.  Called with the states that it reads, [K, B, inputs] or [K, B, C, H, W],
    it returns the membrane potentials, W C, of shape [K, B, *shape].

    Max pooling hands on the earliest spike of its window: it is taken over the membrane potentials just before the
    threshold, which gives the same spikes, since the first neuron of a window to cross is the first on which the
    window's highest potential does.  Average pooling hands on the mean of the window's states, which the next layer's
    weights could do as well.

    Args:
        layer: what the notation says of it.
        inputs: the shape of what it reads, (features,) or (channels, height, width).
        shape: that of its neurons.
        clock: the time steps on which a neuron may fire, counted from 0.
        steps: the time steps on which membrane potentials are computed, those of the clock first.
        window: the size of the pooling windows behind it, 1 for none.
        pooling: what these hand on.
        neuron: what its neurons are.
    """

    def __init__(
        self,
        layer: Linear | Convolution,
        inputs: tuple[int, ...],
        shape: tuple[int, ...],
        clock: range,
        steps: tuple[int, ...],
        window: int,
        pooling: PoolingMode,
        neuron: Neuron,
    ) -> None:
        super().__init__()
        self.shape, self.clock, self.steps, self.neuron = shape, clock, steps, neuron
        self.max_window, self.average_window = (window, 1) if pooling == "max" else (1, window)
        self.convolves = isinstance(layer, Convolution)
        size: tuple[int, ...] = (shape[0], prod(inputs))
        if isinstance(layer, Convolution):
            size = (layer.channels, inputs[0], layer.kernel, layer.kernel)
        self.weight = nn.Parameter(torch.empty(size, dtype=torch.float32))  # whatever the default is
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # U(±1 / sqrt(fan_in)), as PyTorch's own layers

    def forward(self, C: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        return convolved(C, self.weight) if self.convolves else functional.linear(C.flatten(2), self.weight)

    @property
    def pooled_shape(self) -> tuple[int, ...]:
        """The shape of what the next layer reads."""
        channels, *size = self.shape
        return (channels, *(length // (self.max_window * self.average_window) for length in size))

    def handed_on(self, times: UInt8[Tensor, "B ..."]) -> UInt8[Tensor, "B ..."]:
        """The firing times of the spikes that go on: of a window of max pooling the earliest, else all of them."""
        return earliest_in_windows(times, self.max_window) if self.max_window > 1 else times

    def state(
        self, times: UInt8[Tensor, "B ..."], steps: Sequence[int], dtype: torch.dtype
    ) -> Float[Tensor, "K B ..."]:
        """What the next layer reads at these steps, from the firing times of this layer's neurons."""
        return averaged(trace(self.handed_on(times), steps, dtype, self.neuron.response), self.average_window)

    def fire(
        self, V: Float[Tensor, "K B ..."], read_at: Sequence[int], keep: Float[Tensor, "B ..."] | None
    ) -> Float[Tensor, "R B ..."]:
        """What the next layer reads at these steps, from the potentials on the clock; `keep` is dropout's factors."""
        return self._pooled(partial(fire, V, self.clock, read_at, self.neuron), keep)

    def convolve_and_fire(
        self,
        times: UInt8[Tensor, "B C H W"],
        read_at: Sequence[int],
        keep: Float[Tensor, "B ..."] | None,
        dtype: torch.dtype,
    ) -> Float[Tensor, "R B ..."]:
        """`fire` on the potentials that a convolution of the input has; compiled, it forgets them at once."""
        run = partial(convolve_and_fire, times, self.weight, self.clock, read_at, self.neuron, dtype=dtype)
        return self._pooled(run, keep)

    def convolution_times(self, times: UInt8[Tensor, "B C H W"], never: int) -> UInt8[Tensor, "B ..."]:
        """The firing times of a convolution of the input, from its pixels' spike times, all ticks at once."""
        return convolution_times(times, self.weight, self.clock, never, self.neuron)

    def fan_out(self, window: int = 1) -> Int64[Tensor, "..."]:
        """How many of the layer's neurons an input reaches; it broadcasts over the inputs, [C, H, W] or [features].

        With a `window` of average pooling before the layer the inputs are the spikes that go into it.
        """
        if not self.convolves:
            return torch.tensor(self.shape[0])
        channels, *size = self.shape
        # A filter is as wide to one side as to the other: an input reaches as many places as reach it.
        filters = torch.ones(1, 1, *self.weight.shape[2:])
        reach = functional.conv2d(torch.ones(1, 1, *size), filters, padding="same")
        return functional.interpolate(reach, scale_factor=window)[0].long() * channels

    def _pooled(self, run: Callable[..., Tensor], keep: Tensor | None) -> Tensor:
        """Max pooling comes before the threshold, and an average behind it, which is before dropout."""
        if self.average_window == 1:
            return run(pool=self.max_window, keep=keep)
        C = averaged(run(), self.average_window)
        return C if keep is None else C * keep

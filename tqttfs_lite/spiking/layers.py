"""A layer of TQ-TTFS neurons: its input weights, its clock, and the pooling after it."""

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

    It has weights only, as in the slides' equations: there is no bias, and a convolution has stride 1 and is
    zero-padded so that height and width are preserved.  Called with its input states, of shape [K, B, inputs] or
    [K, B, C, H, W], it returns the membrane potentials, W C, of shape [K, B, *shape].

    Max pooling passes on the earliest spike of a window.  It is applied to the membrane potentials before the
    threshold, which gives the same spikes: the window's highest potential exceeds the threshold when the first of its
    neurons does.  Average pooling passes on the mean of the window's states, a linear operation that the next layer's
    weights could include.

    Args:
        layer: the layer in the notation.
        inputs: the shape of its input, (features,) or (channels, height, width).
        shape: the shape of its neurons.
        clock: the time steps on which a neuron may fire, counted from 0.
        steps: the time steps at which membrane potentials are computed, those of the clock first.
        window: the size of the pooling windows after it, 1 for none.
        pooling: the kind of pooling.
        neuron: the properties of its neurons.
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
        self.weight = nn.Parameter(torch.empty(size, dtype=torch.float32))  # whatever PyTorch's default type is
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # U(±1 / sqrt(fan_in)), as in PyTorch's own layers

    def forward(self, C: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        return convolved(C, self.weight) if self.convolves else functional.linear(C.flatten(2), self.weight)

    @property
    def pooled_shape(self) -> tuple[int, ...]:
        """The shape of the layer's output after pooling."""
        channels, *size = self.shape
        return (channels, *(length // (self.max_window * self.average_window) for length in size))

    def handed_on(self, times: UInt8[Tensor, "B ..."]) -> UInt8[Tensor, "B ..."]:
        """The firing times of the spikes that are passed on: with max pooling a window's earliest, otherwise all."""
        return earliest_in_windows(times, self.max_window) if self.max_window > 1 else times

    def state(
        self, times: UInt8[Tensor, "B ..."], steps: Sequence[int], dtype: torch.dtype
    ) -> Float[Tensor, "K B ..."]:
        """The next layer's input states at these steps, from the firing times of this layer's neurons."""
        return averaged(trace(self.handed_on(times), steps, dtype, self.neuron.response), self.average_window)

    def fire(
        self, V: Float[Tensor, "K B ..."], read_at: Sequence[int], keep: Float[Tensor, "B ..."] | None
    ) -> Float[Tensor, "R B ..."]:
        """The next layer's input states at these steps, from the potentials at the ticks; `keep` is for dropout."""
        return self._pooled(partial(fire, V, self.clock, read_at, self.neuron), keep)

    def convolve_and_fire(
        self,
        times: UInt8[Tensor, "B C H W"],
        read_at: Sequence[int],
        keep: Float[Tensor, "B ..."] | None,
        dtype: torch.dtype,
    ) -> Float[Tensor, "R B ..."]:
        """`fire` after a convolution of the network's input; the compiled kernel does not store the potentials."""
        run = partial(convolve_and_fire, times, self.weight, self.clock, read_at, self.neuron, dtype=dtype)
        return self._pooled(run, keep)

    def convolution_times(self, times: UInt8[Tensor, "B C H W"], never: int) -> UInt8[Tensor, "B ..."]:
        """The firing times of a convolution of the network's input, for all ticks, from the pixels' spike times."""
        return convolution_times(times, self.weight, self.clock, never, self.neuron)

    def fan_out(self, window: int = 1) -> Int64[Tensor, "..."]:
        """How many of the layer's neurons an input reaches; it broadcasts over the inputs, [C, H, W] or [features].

        With average pooling before the layer, `window` is its size, and the inputs are those of the pooling.
        """
        if not self.convolves:
            return torch.tensor(self.shape[0])
        channels, *size = self.shape
        # Filters are symmetric about their centre: a position reaches as many positions as it is reached by.
        filters = torch.ones(1, 1, *self.weight.shape[2:])
        reach = functional.conv2d(torch.ones(1, 1, *size), filters, padding="same")
        return functional.interpolate(reach, scale_factor=window)[0].long() * channels

    def _pooled(self, run: Callable[..., Tensor], keep: Tensor | None) -> Tensor:
        """Fire and pool: max pooling comes before the threshold, average pooling after it, and dropout last."""
        if self.average_window == 1:
            return run(pool=self.max_window, keep=keep)
        C = averaged(run(), self.average_window)
        return C if keep is None else C * keep

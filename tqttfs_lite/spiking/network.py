"""An `Architecture` as a network of TQ-TTFS neurons, each layer on its own clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import prod
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from tqttfs_lite.errors import InputError
from tqttfs_lite.spiking.coding import check_time_steps
from tqttfs_lite.spiking.firing import (
    charge,
    convolve_and_fire,
    cumulative_state,
    earliest_in_windows,
    fire,
    fire_and_charge,
    ticks,
)
from tqttfs_lite.spiking.neuron import SURROGATE_ALPHA, THRESHOLD
from tqttfs_lite.spiking.notation import Architecture, Convolution, Pooling

PoolingMode = Literal["max", "average"]


class Output(NamedTuple):
    """The output layer over time.

    `steps` are the time steps of V and S, counted from 0; the last V is always the one at the end of time.
    S is meant up to an image's first output spike, which is as far as inference runs.
    """

    V: Float[Tensor, "K B classes"]
    S: Bool[Tensor, "K B classes"]
    steps: tuple[int, ...]


class SpikingNetwork(nn.Module):
    """A feed-forward network of TQ-TTFS neurons that turns spike times into output potentials and spikes.

    Layers have weights and nothing else, no bias, as in the slides' equations.  Max pooling hands on the earliest spike
    of its window: it is taken over the membrane potentials just before the threshold, which gives the same spikes,
    since the first neuron of a window to cross is the first on which the window's highest potential does.
    Average pooling hands on the mean of the window's firing states, which the next layer's weights could do as well.

    Raises `ValueError` for T outside 1 to 254 and for a layer whose clock never ticks while it has input.
    """

    def __init__(
        self,
        architecture: Architecture,
        time_steps: int,
        *,
        theta: float = THRESHOLD,
        surrogate_alpha: float = SURROGATE_ALPHA,
        pooling: PoolingMode = "max",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.architecture, self.time_steps = architecture, time_steps
        self.theta, self.surrogate_alpha, self.pooling, self.dropout = theta, surrogate_alpha, pooling, dropout
        self.clocks = clocks(architecture, time_steps)
        # Where no output neuron fires, the potentials at the end of time decide, whether or not the clock ticks there.
        output_clock = tuple(self.clocks[-1])
        end = time_steps - 1
        self.observed = output_clock if output_clock[-1] == end else (*output_clock, end)
        self.synapses = nn.ModuleList(_synapses(architecture))
        self.pools = _pools(architecture)

    def forward(self, spike_times: UInt8[Tensor, "B ..."]) -> Output:
        """Run a batch of encoded images to the end of time, with gradients; `inference.infer` stops at the decision."""
        times = self.as_input(spike_times)
        reads = [*self.clocks[:-1], self.observed]  # the steps on which each layer reads the one before it
        dtype, settings = self._dtype(), (self.theta, self.surrogate_alpha)
        # Firing times are enough for the first layer, since pixels have them, and between fully connected layers.
        if isinstance(self.synapses[0], nn.Linear):
            V = charge(times, self.synapses[0].weight, reads[0], dtype=dtype)
        for layer, (here, behind) in enumerate(pairwise(self.synapses)):
            clock, read_at = self.clocks[layer], reads[layer + 1]
            if isinstance(here, nn.Linear) and isinstance(behind, nn.Linear):
                keep = self._kept_neurons(layer, len(times))
                V = fire_and_charge(V, behind.weight, clock, read_at, *settings, keep=keep)
            else:
                weight = next(here.parameters())
                run = partial(fire, V) if layer else partial(convolve_and_fire, times, weight, dtype=dtype)
                V = self._charge(layer + 1, self._fire_and_pool(layer, run, len(times), read_at))
        may_fire = torch.arange(len(self.observed), device=V.device) < len(self.clocks[-1])
        return Output(V, (V > self.theta) & may_fire[:, None, None], self.observed)

    def potentials(self, layer: int, times: UInt8[Tensor, "B ..."], steps: Sequence[int]) -> Float[Tensor, "K B ..."]:
        """A layer's membrane potentials on these steps, from the firing times of the layer before it or the input."""
        pool = self.pools[layer - 1] if layer else 1
        if self.pooling == "max" and pool > 1:
            times, pool = earliest_in_windows(times, pool), 1
        return self._charge(layer, _average(cumulative_state(times, steps, self._dtype()), pool))

    def as_input(self, spike_times: UInt8[Tensor, "B ..."]) -> UInt8[Tensor, "B ..."]:
        """[B, ...] -> [B, 1, height, width] for an image, [B, features] for a row of values.

        Raises `ValueError` where the images are not of the size that the architecture names.
        """
        shape = self.architecture.image_shape
        if prod(spike_times.shape[1:]) != prod(shape):
            sizes = (spike_times.shape[1:], self.architecture.input_shape)
            found, wanted = ("x".join(map(str, size)) for size in sizes)
            raise InputError(f"the images are {found}, but {self.architecture} wants {wanted}")
        return spike_times.reshape(-1, *shape)

    def _charge(self, layer: int, C: Tensor) -> Tensor:
        """The membrane potentials, [K, B, ...], of a layer that reads these states."""
        synapses: nn.Module = self.synapses[layer]
        C = C.flatten(2) if isinstance(synapses, nn.Linear) else C
        V: Tensor = synapses(C.flatten(0, 1)).unflatten(0, C.shape[:2])
        return V

    def _fire_and_pool(self, layer: int, run: Callable[..., Tensor], batch: int, read_at: Sequence[int]) -> Tensor:
        """What the next layer reads, [R, B, ...]; `run` is `fire` or `convolve_and_fire` with its first arguments."""
        window = self.pools[layer]
        pool = window if self.pooling == "max" else 1  # before the threshold; an average comes behind it
        keep = self._kept_neurons(layer, batch)
        settings = (self.clocks[layer], read_at, self.theta, self.surrogate_alpha)
        if pool == window:
            return run(*settings, pool=pool, keep=keep)
        C = _average(run(*settings), window)
        return C if keep is None else C * keep

    def _kept_neurons(self, layer: int, batch: int) -> Tensor | None:
        """Dropout's factors for the pooled neurons, [B, ...], the same on every step; None where none is dropped."""
        if not (self.training and self.dropout):
            return None
        channels, *size = self.architecture.neuron_shapes()[layer]
        size = [length // self.pools[layer] for length in size]
        ones = torch.ones(batch, *size, channels, dtype=self._dtype(), device=next(self.parameters()).device)
        keep = functional.dropout(ones, self.dropout)
        return keep.movedim(-1, 1)  # [B, C, H, W] with the channels innermost, as the convolutions like it

    def _dtype(self) -> torch.dtype:
        weight = next(self.parameters())
        device = weight.device.type
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


def clocks(architecture: Architecture, time_steps: int) -> list[range]:
    """The steps on which each spiking layer is computed; raises `ValueError` for a layer that could never fire.

    >>> [list(steps) for steps in clocks(Architecture.parse("784-400(1)-10(4)"), time_steps=8)]
    [[0, 1, 2, 3, 4, 5, 6, 7], [3, 7]]
    """
    check_time_steps(time_steps)
    steps: list[range] = []
    for layer in architecture.spiking_layers:
        steps.append(ticks(time_steps, layer.quantization, first_input=steps[-1][0] if steps else 0))
        if not steps[-1]:
            raise InputError(
                f"T = {time_steps} time steps are too few for layer {layer} of {architecture}: its clock never ticks"
                " after its first input; take a smaller quantization degree or more time steps"
            )
    return steps


def _synapses(architecture: Architecture) -> list[nn.Linear | nn.Conv2d]:
    """The weights of every spiking layer, as PyTorch's layers without bias."""
    synapses: list[nn.Linear | nn.Conv2d] = []
    shape = architecture.image_shape
    for layer, outputs in zip(architecture.layers, architecture.shapes(), strict=True):
        if isinstance(layer, Convolution):
            synapses.append(nn.Conv2d(shape[0], layer.channels, layer.kernel, padding="same", bias=False))
        elif not isinstance(layer, Pooling):
            synapses.append(nn.Linear(prod(shape), layer.features, bias=False))
        shape = outputs
    return synapses


def _average(C: Float[Tensor, "K B ..."], size: int) -> Tensor:
    return functional.avg_pool2d(C.flatten(0, 1), size).unflatten(0, C.shape[:2]) if size > 1 else C


def _pools(architecture: Architecture) -> list[int]:
    """The size of the pooling window behind every spiking layer, 1 where there is none."""
    return [
        after.size if isinstance(after, Pooling) else 1
        for layer, after in pairwise((*architecture.layers, None))
        if not isinstance(layer, Pooling)
    ]

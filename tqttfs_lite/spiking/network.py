"""An `Architecture` as a network of TQ-TTFS neurons, each layer on its own clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple, cast, get_args

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from tqttfs_lite.errors import InputError
from tqttfs_lite.spiking.coding import check_time_steps
from tqttfs_lite.spiking.firing import charge, fire_and_charge, ticks, trace
from tqttfs_lite.spiking.layers import PoolingMode, SpikingLayer
from tqttfs_lite.spiking.neuron import TQ_TTFS, Neuron
from tqttfs_lite.spiking.notation import Architecture


class Output(NamedTuple):
    """The membrane potentials V and spikes S of the output layer at K time steps.

    `steps` are these time steps, counted from 0: the ticks of the `clock`, on which an output neuron may fire, and the
    last time step, whether or not it is a tick.  S is valid up to an image's first output spike, where inference stops.
    """

    V: Float[Tensor, "K B classes"]
    S: Bool[Tensor, "K B classes"]
    steps: tuple[int, ...]
    clock: range


class SpikingNetwork(nn.Module):
    """A feed-forward network of TQ-TTFS neurons that turns spike times into output potentials and spikes.

    `dropout` is the share of hidden neurons that are dropped in training.  On time steps before `earliest_output`,
    counted from 1, no output neuron fires.
    Raises `InputError` if T is not from 1 to 254, if a layer's clock never ticks after its first input, if `pooling` is
    neither "max" nor "average", or if `dropout` is not at least 0 and below 1.
    """

    layer_type: type[SpikingLayer] = SpikingLayer  # a subclass may use another kind of layer

    def __init__(
        self,
        architecture: Architecture,
        time_steps: int,
        *,
        neuron: Neuron = TQ_TTFS,
        pooling: PoolingMode = "max",
        dropout: float = 0.0,
        earliest_output: int = 1,
    ) -> None:
        super().__init__()
        if pooling not in get_args(PoolingMode) or not 0 <= dropout < 1:
            raise InputError(f"pooling must be max or average, dropout from 0 to below 1, not {pooling} and {dropout}")
        self.architecture, self.time_steps, self.neuron, self.dropout = architecture, time_steps, neuron, dropout
        self.generator: torch.Generator | None = None  # for dropout; None: PyTorch's default generator
        ticking = clocks(architecture, time_steps, earliest_output)
        end = time_steps - 1  # if no output neuron fires, the potentials on the last step decide
        observed = tuple(ticking[-1]) if ticking[-1][-1] == end else (*ticking[-1], end)
        shapes = architecture.input_shapes(), architecture.neuron_shapes()
        steps = [*map(tuple, ticking[:-1]), observed]
        parts = zip(architecture.spiking_layers, *shapes, ticking, steps, architecture.windows, strict=True)
        layers = nn.ModuleList(
            self.layer_type(layer, inputs, shape, clock, at, window, pooling, neuron)
            for layer, inputs, shape, clock, at, window in parts
        )
        self.layers = cast(Sequence[SpikingLayer], layers)

    def forward(self, spike_times: UInt8[Tensor, "B ..."]) -> Output:
        """Run a batch of encoded images up to the last time step, with gradients; `infer` stops at the decision."""
        times, dtype = self.as_input(spike_times), self._dtype()
        first, output = self.layers[0], self.layers[-1]
        if not first.convolves:
            V = charge(times, first.weight, first.steps, self.neuron, dtype=dtype)
        for layer, reader in pairwise(self.layers):
            keep = self._kept_neurons(layer, len(times))
            if layer is first and layer.convolves:
                V = reader(layer.convolve_and_fire(times, reader.steps, keep, dtype))
            elif layer.convolves:
                V = reader(layer.fire(V, reader.steps, keep))
            else:
                V = fire_and_charge(V, reader.weight, layer.clock, reader.steps, self.neuron, keep=keep)
        may_fire = torch.arange(len(output.steps), device=V.device) < len(output.clock)
        return Output(V, (V > self.neuron.theta) & may_fire[:, None, None], output.steps, output.clock)

    def potentials(self, layer: int, times: UInt8[Tensor, "B ..."], steps: Sequence[int]) -> Float[Tensor, "K B ..."]:
        """A layer's membrane potentials at these steps, from the firing times of the previous layer or of the input."""
        if layer:
            C = self.layers[layer - 1].state(times, steps, self._dtype())
        else:
            C = trace(times, steps, self._dtype(), self.neuron.response)
        V: Tensor = self.layers[layer](C)
        return V

    def as_input(self, spike_times: UInt8[Tensor, "B ..."]) -> UInt8[Tensor, "B ..."]:
        """Reshape spike times: [B, ...] to [B, channels, height, width] for images, [B, features] for vectors.

        Images with several channels must have the channels first.
        Raises `InputError` if the spike times are not bytes or do not have the size that the architecture requires.
        """
        if spike_times.dtype != torch.uint8:
            raise InputError(
                f"spike times must be the output of `encode`, of type torch.uint8, not {spike_times.dtype}"
            )
        shape, found = self.architecture.image_shape, spike_times.shape[1:]
        if prod(found) != prod(shape) or (shape[0] > 1 and len(shape) == len(found) == 3 and found != shape):
            sizes = ("x".join(map(str, size)) for size in (found, shape))
            raise InputError("the images are {}, but {} needs {}".format(*sizes, self.architecture))
        return spike_times.reshape(-1, *shape)

    def _kept_neurons(self, layer: SpikingLayer, batch: int) -> Tensor | None:
        """Dropout's factors for the pooled neurons, [B, ...], the same on every step; None without dropout."""
        if not (self.training and self.dropout):
            return None
        channels, *size = layer.pooled_shape
        keep = torch.empty(batch, *size, channels, dtype=self._dtype(), device=layer.weight.device)
        keep = dropout_factors(keep, self.dropout, self.generator)
        return keep.movedim(-1, 1)  # [B, C, H, W] in the channels-last memory format, which suits the convolutions

    def _dtype(self) -> torch.dtype:
        weight = self.layers[0].weight
        device = weight.device.type
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


def from_state_dict(
    weights: Mapping[str, Tensor],
    architecture: Architecture | str,
    time_steps: int,
    *,
    neuron: Neuron = TQ_TTFS,
    pooling: PoolingMode = "max",
) -> SpikingNetwork:
    """Build a network with the weights of a PyTorch model of the same shape, given the model's `state_dict()`.

    The model must have a `Linear` or `Conv2d` without bias for every spiking layer, in the same order; their names do
    not matter.  Its convolutions must have stride 1 and preserve the image size, which a state dict cannot tell.  The
    weights are copied unchanged; they are not converted if the model was trained with a different neuron.  To get the
    same spikes on every machine, round them as the released weights are (`experiments.checkpoints.round_weights`).

    Raises `InputError` for a bias or any other tensor that is not a weight, for a wrong number of weights or a wrong
    shape, and for values that are not finite.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(784, 20, bias=False), nn.ReLU(), nn.Linear(20, 10, bias=False))
    >>> network = from_state_dict(model.state_dict(), "784-20(1)-10(2)", time_steps=8)
    >>> bool((network.layers[1].weight == model[3].weight).all())
    True
    """
    parsed = Architecture.parse(architecture) if isinstance(architecture, str) else architecture
    network = SpikingNetwork(parsed, time_steps, neuron=neuron, pooling=pooling)
    for name in weights:
        if name.split(".")[-1] != "weight":
            why = "these neurons have no bias" if name.endswith("bias") else "a layer has only weights"
            raise InputError(f"{name} cannot be used: {why}")
    if len(weights) != len(network.layers):
        raise InputError(f"{parsed} has {len(network.layers)} layers with weights, not {len(weights)}")
    for layer, (name, weight) in zip(network.layers, weights.items(), strict=True):
        if weight.shape != layer.weight.shape:
            raise InputError(f"{name} must be of shape {list(layer.weight.shape)}, not {list(weight.shape)}")
        if not weight.isfinite().all():
            raise InputError(f"{name} has values that are not finite")
        layer.weight.data.copy_(weight)
    return network


def dropout_factors(like: Tensor, share: float, generator: torch.Generator | None) -> Tensor:
    """Fill a tensor in place: 0 for this share of its elements, drawn at random, and 1 / (1 - share) for the others."""
    return like.bernoulli_(1 - share, generator=generator).div_(1 - share)


def clocks(architecture: Architecture, time_steps: int, earliest_output: int = 1) -> list[range]:
    """The steps on which each spiking layer is computed; raises `InputError` for a layer that could never fire.

    The output layer is not computed before the time step `earliest_output`, which counts from 1.

    >>> [list(steps) for steps in clocks(Architecture.parse("784-400(1)-10(4)"), time_steps=8)]
    [[0, 1, 2, 3, 4, 5, 6, 7], [3, 7]]
    """
    check_time_steps(time_steps)
    steps: list[range] = []
    layers = architecture.spiking_layers
    for layer, start in zip(layers, [0] * (len(layers) - 1) + [earliest_output - 1], strict=True):
        steps.append(ticks(time_steps, layer.quantization, max(start, steps[-1][0] if steps else 0)))
        if not steps[-1]:
            raise InputError(
                f"T = {time_steps} time steps are too few for layer {layer} of {architecture}: its clock never ticks"
                " after its first input; use a smaller quantization degree or more time steps"
            )
    return steps

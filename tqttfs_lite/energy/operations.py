"""How many additions an inference takes: a spike that arrives at a layer adds a weight for each neuron it reaches.

This is the causal count, presynaptic spikes times fan-out, which neuromorphic hardware calls synaptic operations.
A spike near the border of an image reaches fewer neurons, and of a pooling window one spike arrives.  What reaches a
neuron that has fired already is counted too: the neuron ignores it, but the weight was fetched.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from tqttfs_lite.spiking.firing import earliest_in_windows
from tqttfs_lite.spiking.inference import Inference
from tqttfs_lite.spiking.network import SpikingNetwork


class Arrivals(NamedTuple):
    """What arrives at the synapses of one layer, summed over a batch of images."""

    spikes: int
    additions: int


def arrivals(network: SpikingNetwork, spike_times: UInt8[Tensor, "B ..."], found: Inference) -> list[Arrivals]:
    """Of every layer, up to and including each image's decision: the input's spikes first, then those between layers.

    Maximum pooling hands on the first spike of a window; of an average every spike of the window is handed on.
    """
    T = network.time_steps
    inputs = network.as_input(spike_times)
    decided_at = found.step.view(-1, *[1] * (inputs.ndim - 1))
    arriving = [inputs < decided_at, *(times < T for times in found.firing_times[:-1])]
    for layer, pool in enumerate(network.pools[:-1]):
        if pool > 1 and network.pooling == "max":
            arriving[layer + 1] = earliest_in_windows(found.firing_times[layer], pool) < T
    counts = []
    for layer, spikes in enumerate(arriving):
        reach = fan_out(network, layer).expand_as(spikes[0])
        counts.append(Arrivals(int(spikes.sum()), int(torch.where(spikes, reach, 0).sum())))
    return counts


def fan_out(network: SpikingNetwork, layer: int) -> Int64[Tensor, "..."]:
    """How many neurons of a layer each of its inputs reaches; it broadcasts over the inputs, [C, H, W] or [features].

    With average pooling between the layers the inputs are the neurons of the layer before, else its pooled units.
    """
    synapses = network.synapses[layer]
    if isinstance(synapses, nn.Linear):
        return torch.tensor(synapses.out_features)
    assert isinstance(synapses, nn.Conv2d)
    shapes = network.architecture.neuron_shapes()
    pool = network.pools[layer - 1] if layer else 1
    _, height, width = shapes[layer]
    # A filter is as wide to one side as to the other: an input reaches as many places as reach it.
    reach = functional.conv2d(torch.ones(1, 1, height, width), torch.ones(1, 1, *synapses.kernel_size), padding="same")
    if pool > 1 and network.pooling == "average":
        reach = functional.interpolate(reach, scale_factor=pool)
    return reach[0].long() * synapses.out_channels

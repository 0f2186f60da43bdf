"""The additions of an inference: a spike that arrives at a layer adds a weight in each neuron that it reaches.

This is the causal count: presynaptic spikes times fan-out, known as synaptic operations in neuromorphic hardware.
A spike near the border of an image reaches fewer neurons.  A spike that reaches a neuron after it has fired is counted,
too: the neuron ignores it, but the weight has been fetched.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from tqttfs_lite.spiking.inference import Inference
from tqttfs_lite.spiking.network import SpikingNetwork


class LayerInput(NamedTuple):
    """The spikes that arrive at one layer and the additions that they cause, summed over a batch of images."""

    spikes: int
    additions: int


def synaptic_operations(
    network: SpikingNetwork, spike_times: UInt8[Tensor, "B ..."], found: Inference
) -> list[LayerInput]:
    """The synaptic operations of every layer, up to and including each image's decision step.

    Max pooling passes on the earliest spike of a window; average pooling passes on every spike.
    """
    inputs = network.as_input(spike_times)
    spikes = inputs < found.step.view(-1, *[1] * (inputs.ndim - 1))
    counts, window = [], 1
    for layer, times in zip(network.layers, found.firing_times, strict=True):
        additions = torch.where(spikes, layer.fan_out(window).to(spikes.device), 0)
        counts.append(LayerInput(int(spikes.sum()), int(additions.sum())))
        spikes, window = layer.handed_on(times) < network.time_steps, layer.average_window
    return counts


def pooled_operations(
    network: SpikingNetwork, spike_times: UInt8[Tensor, "B ..."], found: Inference
) -> list[LayerInput]:
    """`synaptic_operations` if average pooling adds up the spikes of a window before passing them on.

    The spikes of a window that the next layer receives on the same tick are then a single event, whose value is their
    number.  Adding them up takes one addition for each, which is not counted here.
    """
    counts = synaptic_operations(network, spike_times, found)
    for n, (layer, reader) in enumerate(pairwise(network.layers), start=1):
        if (window := layer.average_window) == 1:
            continue
        times = found.firing_times[n - 1]
        ticks = torch.tensor([*reader.clock, network.time_steps - 1], device=times.device)
        received = torch.searchsorted(ticks, times.long())  # index of the tick; past the last for those that never fire
        windows = received.unfold(2, window, window).unfold(3, window, window).flatten(4)
        reached = reader.fan_out().to(times.device)
        if not reader.convolves:
            reached = reached.expand(layer.pooled_shape)
        events = additions = 0
        for tick in range(len(ticks)):
            summed = (windows == tick).any(dim=-1)
            events, additions = events + int(summed.sum()), additions + int((summed * reached).sum())
        counts[n] = LayerInput(events, additions)
    return counts

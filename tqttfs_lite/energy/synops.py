"""How many additions an inference takes: a spike that arrives at a layer adds a weight for each neuron it reaches.

This is the causal count, presynaptic spikes times fan-out, which neuromorphic hardware calls synaptic operations.
A spike near the border of an image reaches fewer neurons.  What reaches a neuron that has fired already is counted too:
the neuron ignores it, but the weight was fetched.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from tqttfs_lite.spiking.inference import Inference
from tqttfs_lite.spiking.network import SpikingNetwork


class LayerInput(NamedTuple):
    """What arrives at the synapses of one layer, summed over a batch of images."""

    spikes: int
    additions: int


def synaptic_operations(
    network: SpikingNetwork, spike_times: UInt8[Tensor, "B ..."], found: Inference
) -> list[LayerInput]:
    """Of every layer, up to and including each image's decision: the input's spikes first, then those between layers.

    Maximum pooling hands on the first spike of a window; of an average every spike of the window is handed on.
    """
    inputs = network.as_input(spike_times)
    spikes = inputs < found.step.view(-1, *[1] * (inputs.ndim - 1))
    counts, window = [], 1
    for layer, times in zip(network.layers, found.firing_times, strict=True):
        additions = torch.where(spikes, layer.fan_out(window).to(spikes.device), 0)
        counts.append(LayerInput(int(spikes.sum()), int(additions.sum())))
        spikes, window = layer.handed_on(times) < network.time_steps, layer.average_window
    return counts

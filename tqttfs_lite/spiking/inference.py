"""Inference as on the slides: it proceeds from one output tick to the next and stops for each image at its decision."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from tqttfs_lite.errors import InputError
from tqttfs_lite.spiking.coding import decode
from tqttfs_lite.spiking.firing import firing_time
from tqttfs_lite.spiking.network import SpikingNetwork


class Inference(NamedTuple):
    """The answer to each image, and the spikes up to its decision."""

    label: Int64[Tensor, " B"]
    step: Int64[Tensor, " B"]  # step of the first output spike, counted from 1; T if there is none
    first: Bool[Tensor, "B classes"]  # the output neurons that fire on that step; none for a silent image
    firing_times: list[UInt8[Tensor, "B ..."]]  # per spiking layer; T for a neuron that has not fired by the decision


@torch.no_grad()
@torch.backends.nnpack.flags(enabled=False)  # it may convolve by Fourier transform, which is not exact
def infer(network: SpikingNetwork, spike_times: UInt8[Tensor, "B ..."], *, early_exit: bool = True) -> Inference:
    """Classify a batch of encoded images; nothing more is computed for an image after its decision.

    `spike_times` are the output of `encode`, counted from 0.  Between two ticks of the output layer, every other layer
    is computed at the ticks of its own clock, for the images that are still undecided.  With `early_exit=False`, all
    images run to the last time step, and the firing times include those after the decision.

    Returns the `label` and decision `step` of each image, the output neurons that fire `first`, and the `firing_times`
    of every layer.  The decision step counts from 1, and is T for a silent image; firing times count from 0, and are T
    for neurons that do not fire.

    Raises `InputError` if the images do not have the size that the architecture requires or if a spike time is above T.
    """
    T, layers = network.time_steps, network.layers
    inputs = network.as_input(spike_times)
    if len(inputs) and (latest := int(inputs.max())) > T:  # pixels, or encoded for another T
        raise InputError(f"spike times must be from 0 to T = {T} (never), not {latest}: use `encode`")
    device = inputs.device
    found = Inference(
        label=torch.zeros(len(inputs), dtype=torch.int64, device=device),
        step=torch.zeros(len(inputs), dtype=torch.int64, device=device),  # 0 until the image is decided
        first=torch.zeros(len(inputs), *layers[-1].shape, dtype=torch.bool, device=device),
        firing_times=[torch.full((len(inputs), *layer.shape), T, dtype=torch.uint8, device=device) for layer in layers],
    )
    left = torch.arange(len(inputs), device=device)  # the undecided images; below, their firing times layer by layer
    times = [inputs, *found.firing_times]
    if layers[0].convolves:  # convolving the input costs as much for all ticks as for one
        times[1] = layers[0].convolution_times(inputs, T)
    now = 0
    for end in layers[-1].steps:
        for n, layer in enumerate(layers):
            clock = layer.clock
            reads = [end] if layer is layers[-1] else clock[bisect_left(clock, now) : bisect_right(clock, end)]
            if not reads or (n == 0 and layer.convolves):
                continue
            V = network.potentials(n, times[n], reads)
            if reads[-1] in clock:
                times[n + 1] = torch.minimum(times[n + 1], firing_time(V, reads, T, network.neuron.theta))
        now = end + 1
        fires = times[-1] == end
        answer = decode(V, fires[None], (end,), T)
        decided = (found.step[left] == 0) & (fires.any(dim=1) | (now == T))
        found.label[left[decided]] = answer.label[decided]
        found.step[left[decided]] = answer.step[decided]
        found.first[left[decided]] = fires[decided]
        leaving = decided if early_exit else decided.new_full(decided.shape, now == T)
        for kept, last in zip(found.firing_times, times[1:], strict=True):
            kept[left[leaving]] = last[leaving].masked_fill(last[leaving] > end, T)
        left, *times = (rows[~leaving] for rows in (left, *times))
        if not len(left):
            break
    return found

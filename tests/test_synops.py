"""Arriving spikes and additions against brute force: every spike, every weight."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tqttfs_lite.energy.synops import pooled_operations, synaptic_operations
from tqttfs_lite.experiments.evaluation import evaluate
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.layers import PoolingMode, SpikingLayer
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture
from tqttfs_lite.spiking.rate_coding import RateNetwork

T = 8
GENERATOR = torch.Generator().manual_seed(0)


def network_of(text: str, pooling: PoolingMode = "max") -> SpikingNetwork:
    network = SpikingNetwork(Architecture.parse(text), T, pooling=pooling).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    return network


def reached(layer: SpikingLayer, shape: tuple[int, ...], index: tuple[int, ...]) -> int:
    """The neurons that one input reaches: those to which a spike of it alone, through weights of 1, adds something."""
    outputs, inputs, *size = layer.weight.shape
    ones = nn.Conv2d(inputs, outputs, size, padding="same", bias=False)
    nn.init.ones_(ones.weight)
    spike = torch.zeros(1, *shape)
    spike[(0, *index)] = 1
    with torch.no_grad():
        return int((ones(spike) != 0).sum())


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("kernel", [3, 5])
def test_a_convolution_counts_every_spike_and_every_neuron_that_it_reaches(pooling: PoolingMode, kernel: int) -> None:
    network = network_of(f"8x8-3C{kernel}(1)-P2-2C{kernel}(2)-P2-6(2)-4(4)", pooling)
    pixels = torch.randint(0, 256, (5, 8, 8), dtype=torch.uint8, generator=GENERATOR)
    times = encode(pixels, T)
    found = infer(network, times)
    expected = [[0, 0] for _ in range(4)]
    for image in range(5):
        step = int(found.step[image])
        for index in (times[image] < step).nonzero().tolist():
            expected[0][0] += 1
            expected[0][1] += reached(network.layers[0], (1, 8, 8), (0, *index))
        fired = [layer[image] < T for layer in found.firing_times]
        for layer in (0, 1):  # what a pooling window, or each neuron of it, hands on
            spikes = fired[layer].float()
            arriving = spikes
            if pooling == "max":
                arriving = nn.functional.max_pool2d(spikes, 2)
            for channel, y, x in arriving.nonzero().tolist():
                place = (channel, y, x) if pooling == "max" else (channel, y // 2, x // 2)
                expected[layer + 1][0] += 1
                expected[layer + 1][1] += reached(network.layers[1], (3, 4, 4), place) if layer == 0 else 6
        expected[3][0] += int(fired[2].sum())
        expected[3][1] += 4 * int(fired[2].sum())
    assert [list(count) for count in synaptic_operations(network, times, found)] == expected
    assert all(additions for _, additions in expected)


def test_pooled_spikes_of_one_window_and_tick_are_one_event() -> None:
    network = network_of("8x8-3C3(1)-P2-2C3(2)-P2-6(4)-4(4)", "average")
    times = encode(torch.randint(0, 256, (5, 8, 8), dtype=torch.uint8, generator=GENERATOR), T)
    found = infer(network, times)
    events = [set(), set()]
    for n, q in ((0, 2), (1, 4)):  # the next layer's clock
        for image, channel, y, x in (found.firing_times[n] < T).nonzero().tolist():
            time = int(found.firing_times[n][image, channel, y, x])
            events[n].add((image, channel, y // 2, x // 2, time // q))
    expected = synaptic_operations(network, times, found)
    expected[1] = (
        len(events[0]),
        sum(reached(network.layers[1], (3, 4, 4), (c, y, x)) for _, c, y, x, _ in events[0]),
    )
    expected[2] = (len(events[1]), 6 * len(events[1]))
    assert pooled_operations(network, times, found) == expected
    assert expected[1][0] < synaptic_operations(network, times, found)[1].spikes


def test_fan_out_adds_up_to_the_connections_inside_the_border() -> None:
    """Rows of a 5x5 filter on 28 pixels: 5 x 28 less 1 + 2 on either side."""
    network = network_of("28x28-16C5-10")
    assert network.layers[0].fan_out().sum() == 16 * (5 * 28 - 6) ** 2


def test_the_evaluation_counts_up_to_the_decision() -> None:
    network = network_of("64-6(1)-4(2)")
    images = torch.randint(0, 256, (20, 8, 8), dtype=torch.uint8, generator=GENERATOR)
    score = evaluate(network, images, torch.zeros(20, dtype=torch.int64), batch_size=7)
    found = infer(network, encode(images, T))
    seen = sum(int((encode(image, T) < step).sum()) for image, step in zip(images, found.step, strict=True))
    assert 0 < seen < 20 * 64
    assert score.arriving == (seen, score.spikes[0])
    assert score.additions == (6 * seen, 4 * score.spikes[0])
    counts = score.counts(network.architecture)
    assert counts.arriving[0] == seen / 20
    assert counts.additions[0] == 6 * seen / 20
    assert counts.steps == score.steps / 20
    with pytest.raises(ValueError, match="evaluate the network again"):
        replace(score, arriving=()).counts(network.architecture)


def test_a_rate_coded_network_adds_for_every_spike() -> None:
    network = RateNetwork(Architecture.parse("64-6-4"), T)
    images = torch.randint(0, 256, (10, 8, 8), dtype=torch.uint8, generator=GENERATOR)
    score = evaluate(network, images, torch.zeros(10, dtype=torch.int64))
    inputs = sum(T * x // 255 for x in images.flatten().tolist())
    assert score.arriving == (inputs, score.spikes[0])
    assert score.additions == (6 * inputs, 4 * score.spikes[0])

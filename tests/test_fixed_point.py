"""Whole numbers compute what hardware would: held to a plain loop over int64, neuron by neuron and step by step."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tqttfs_lite.errors import InputError
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.fixed_point import FixedPointNetwork, layer_scales, scales, straight_through
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.neuron import Neuron
from tqttfs_lite.spiking.notation import Architecture

IMAGES = torch.randint(0, 256, (40, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def network(architecture: str, T: int = 8, **settings: str) -> SpikingNetwork:
    torch.manual_seed(1)
    made = SpikingNetwork(Architecture.parse(architecture), T, **settings)  # type: ignore[arg-type]
    for weight in made.parameters():
        torch.nn.init.normal_(weight, 0.05, 2.0)
        weight.data /= weight[0].numel() ** 0.5
    return made


def integer_firing_times(rounded: FixedPointNetwork, times: Tensor) -> list[Tensor]:
    """Every potential an int64 that each spike adds a weight to; the thresholds are the neurons' own."""
    T, found = rounded.time_steps, []
    S = torch.stack([rounded.as_input(times) == t for t in range(T)]).long()  # [T, B, ...]
    for layer in rounded.whole_layers:
        w, k = layer.weight.long(), layer.threshold.long()
        assert torch.equal(w.float(), layer.weight) and torch.equal(k.float(), layer.threshold)
        V = torch.zeros(S.shape[1], *layer.shape, dtype=torch.int64)
        time = torch.full(V.shape, T)
        for t in range(T):
            if w.ndim == 2:
                V = V + S[t].flatten(1) @ w.T
            else:
                V = V + functional.conv2d(S[t].double(), w.double(), padding="same").long()
            if t in layer.clock:
                time = torch.where((V > k) & (time == T), t, time)
        found.append(time)
        spikes = torch.stack([time == t for t in range(T)]).long()
        if layer.average_window > 1:
            S = (functional.avg_pool2d(spikes.flatten(0, 1).double(), 2) * 4).long().unflatten(0, (T, -1))
        elif layer.max_window > 1:
            fired = (spikes.cumsum(0) > 0).double()
            fired = functional.max_pool2d(fired.flatten(0, 1), 2).unflatten(0, (T, -1)).long()
            S = fired - torch.cat([torch.zeros_like(fired[:1]), fired[:-1]])
        else:
            S = spikes
    return found


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", [8, 3])
@pytest.mark.parametrize(
    ("architecture", "pooling"),
    [
        ("784-30(1)-20(2)-10(3)", "max"),
        ("28x28-3C5(1)-P2-4C3(2)-P2-10(2)", "average"),
        ("28x28-3C5(2)-P2-4C3-P2-10(4)", "max"),
    ],
)
def test_spikes_are_those_of_integers(architecture: str, pooling: str, bits: int, per_channel: bool) -> None:
    trained = network(architecture, pooling=pooling)
    rounded = FixedPointNetwork(trained, bits, per_channel=per_channel)
    times = encode(IMAGES, 8)
    found = infer(rounded, times, early_exit=False).firing_times
    wanted = integer_firing_times(rounded, times)
    assert all(torch.equal(ours.long(), theirs) for ours, theirs in zip(found, wanted, strict=True))
    assert all(0 < (time < 8).float().mean() < 1 for time in wanted)


def test_with_many_bits_the_spikes_are_the_trained_networks() -> None:
    trained = network("784-12(1)-10(2)")
    with torch.no_grad():
        for weight in trained.parameters():
            weight.copy_((weight / 2**-6).round().clamp(-100, 100) * 2**-6)
            weight[0, 0] = 127 * 2**-6  # so that the scale is 2^-6, and nothing is left to round
    rounded = FixedPointNetwork(trained, 8)
    times = encode(IMAGES, 8)
    exact, found = infer(trained, times), infer(rounded, times)
    assert torch.equal(found.label, exact.label) and torch.equal(found.step, exact.step)
    assert [int(layer.threshold.unique()) for layer in rounded.whole_layers] == [64, 64]


@pytest.mark.parametrize("q", [1, 3, 4])
def test_an_output_that_waits_waits_in_fixed_point_too(q: int) -> None:
    architecture = Architecture.parse(f"784-12(1)-10({q})")
    trained = SpikingNetwork(architecture, 8, earliest_output=5)
    assert [layer.clock for layer in FixedPointNetwork(trained, 8).layers] == [layer.clock for layer in trained.layers]


def test_a_channel_has_its_own_scale_and_the_output_layer_one() -> None:
    trained = network("784-12(1)-10(2)")
    with torch.no_grad():
        trained.layers[0].weight[3] *= 8
    hidden, output = FixedPointNetwork(trained, 4, per_channel=True).whole_layers
    assert (hidden.weight.abs().amax(dim=1) == 7).all()
    assert hidden.threshold[3] < hidden.threshold.min(dim=0).values + 1 < hidden.threshold.max()
    assert len(output.threshold.unique()) == 1
    (shared, _) = FixedPointNetwork(trained, 4).whole_layers
    assert len(shared.threshold.unique()) == 1 and shared.weight[0].abs().max() < 7


def test_rounding_is_symmetric_and_keeps_zero() -> None:
    W = torch.tensor([[-3.0, -0.4, 0.0, 0.4, 3.0]], dtype=torch.float64)
    trained = network("5-1")
    with torch.no_grad():
        trained.layers[0].weight.copy_(W)
    (weight,) = FixedPointNetwork(trained, 3).whole_layers[0].weight
    assert weight[2] == 0 and torch.equal(weight, -weight.flip(0))


def test_a_scale_errs_less_than_that_of_the_largest_weight() -> None:
    W = torch.randn(4, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    top = 7

    def error(s: Tensor) -> Tensor:
        return (((W / s[:, None]).round().clamp(-top, top) * s[:, None] - W) ** 2).sum(dim=1)

    assert (error(scales(W, top)) < error(W.abs().amax(dim=1) / top)).all()


@pytest.mark.parametrize(
    ("bits", "neuron", "words"),
    [
        (1, Neuron(), "from 2 to 16 bits, not 1"),
        (8, Neuron(response=lambda d: 0.9**d), "only for the slides' neurons"),
        (16, Neuron(theta=1e4), "not exact in float32"),
    ],
)
def test_what_is_refused(bits: int, neuron: Neuron, words: str) -> None:
    made = SpikingNetwork(Architecture.parse("784-10"), 8, neuron=neuron)
    with pytest.raises(InputError, match=words):
        FixedPointNetwork(made, bits)


def test_it_is_for_inference_alone() -> None:
    with pytest.raises(InputError, match="`infer` and `evaluate`"):
        FixedPointNetwork(network("784-10"), 8)(encode(IMAGES, 8))


def test_training_computes_with_multiples_of_the_scale_and_passes_the_gradient() -> None:
    W = torch.tensor([[0.6, -0.2, 9.0], [0.6, -0.2, -9.0]], requires_grad=True)
    found = straight_through(W, torch.tensor([0.5, 0.25]), bits=3)
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.0, 1.5], [0.5, -0.25, -0.75]]))
    upstream = torch.arange(6.0).view(2, 3)
    found.backward(upstream)
    assert torch.equal(W.grad, upstream)  # type: ignore[arg-type]


def test_scales_of_a_training_are_used_instead_of_new_ones() -> None:
    trained = network("784-20(1)-10(2)")
    scale = layer_scales(trained, 4)
    as_before = FixedPointNetwork(trained, 4, scale=scale)
    for layer, same in zip(as_before.whole_layers, FixedPointNetwork(trained, 4).whole_layers, strict=True):
        assert torch.equal(layer.weight, same.weight) and torch.equal(layer.threshold, same.threshold)
    coarser = FixedPointNetwork(trained, 4, scale=[2 * s for s in scale])
    for layer, s, weight in zip(coarser.whole_layers, scale, trained.parameters(), strict=True):
        assert torch.equal(layer.weight, (weight.double() / (2 * s[:, None])).round().clamp(-7, 7).float())

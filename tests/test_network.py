"""A whole network against the literal neuron, layer after layer, convolutions and pooling included."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tqttfs_lite.errors import ConfigError
from tqttfs_lite.experiments.config import recipe
from tqttfs_lite.experiments.evaluation import evaluate
from tqttfs_lite.spiking.coding import decode, encode
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.layers import SpikingLayer
from tqttfs_lite.spiking.network import Output, SpikingNetwork
from tqttfs_lite.spiking.neuron import tq_ttfs_neuron
from tqttfs_lite.spiking.notation import Architecture

SMALL_SCNN = "8x8-3C3(1)-P2-4C3(2)-P2-12(2)-10(4)"


def as_matrix(layer: SpikingLayer, shape: tuple[int, ...]) -> Tensor:
    """The weights of a layer that reads states of this shape, one row per neuron."""
    size = torch.Size(shape).numel()
    return layer(torch.eye(size).view(1, size, *shape))[0].flatten(1).T.detach()


def literal_run(network: SpikingNetwork, times: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """V and S of the output over all T steps, and the firing times of every layer, by the loop over time steps."""
    T = network.time_steps
    S = torch.stack([times.flatten(1) == t for t in range(T)]).float()
    shape: tuple[int, ...] = (1, *times.shape[1:])
    fired = []
    parts = zip(network.layers, network.architecture.quantization, network.architecture.windows, strict=True)
    for layer, q, pool in parts:
        W, shape = as_matrix(layer, shape), layer.shape
        V, S = tq_ttfs_neuron(S, W, q)
        C = S.cumsum(0)
        fired.append((T - C.sum(0)).to(torch.uint8))
        if pool > 1:
            windows = C.view(T * len(times), *shape)
            # Max pooling of the cumulative state hands on a window's earliest spike; average pooling is linear.
            pooling = functional.max_pool2d if layer.max_window > 1 else functional.avg_pool2d
            pooled = pooling(windows, pool)
            shape = tuple(pooled.shape[1:])
            C = pooled.view(T, len(times), -1)
            S = C.diff(dim=0, prepend=torch.zeros_like(C[:1]))
    return V, S, fired


def network_with_exact_weights(text: str, time_steps: int, pooling: str = "max", gain: float = 1.0) -> SpikingNetwork:
    """Random weights that are multiples of 1/16, so that sums are exact in any order."""
    torch.manual_seed(0)
    network = SpikingNetwork(Architecture.parse(text), time_steps, pooling=pooling)  # type: ignore[arg-type]
    for weight in network.parameters():
        nn.init.normal_(weight, std=2 * gain / weight[0].numel() ** 0.5)
        weight.data = (weight.data * 16).round() / 16
    return network


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("gain", [0.2, 1.0])
@pytest.mark.parametrize(
    ("text", "time_steps"),
    [
        ("64-20-10", 8),
        ("64-20(2)-10(4)", 8),
        ("64-20(4)-12(2)-10(1)", 8),
        ("64-20(1)-10(3)", 8),  # a clock that does not divide T
        ("64-20(3)-10(2)", 7),
        ("64-10(2)", 5),
        (SMALL_SCNN, 16),
        (SMALL_SCNN.replace("(2)", "(3)"), 14),
    ],
)
def test_the_network_equals_the_literal_loop(text: str, time_steps: int, pooling: str, gain: float) -> None:
    network = network_with_exact_weights(text, time_steps, pooling, gain)
    times = encode(torch.randint(0, 256, (40, 8, 8), dtype=torch.uint8), time_steps)
    V, S, fired = literal_run(network, times)
    expected = decode(V, S > 0, range(time_steps), time_steps)
    output = network(times)
    decision = decode(output.V, output.S, output.steps, time_steps)
    for early_exit in (False, True):
        label, step, first, firing_times = infer(network, times, early_exit=early_exit)
        for found, literal in zip(firing_times, fired, strict=True):
            # Nothing is computed beyond the decision, so that a later spike is none.
            counts = literal < step[:, None] if early_exit else literal < time_steps
            assert torch.equal(found.flatten(1), literal.masked_fill(~counts, time_steps))
        for found_step, found_label in ((step, label), (decision.step, decision.label)):
            assert torch.equal(found_step, expected.step)
            assert torch.equal(found_label, expected.label)
        assert torch.equal(first, (fired[-1] == step[:, None] - 1) & (fired[-1] < time_steps))


@pytest.mark.parametrize("text", ["64-20(2)-10(4)", SMALL_SCNN])
def test_counts_go_up_to_and_including_the_decision(text: str) -> None:
    network = network_with_exact_weights(text, 16)
    images = torch.randint(0, 256, (50, 8, 8), dtype=torch.uint8)
    labels = torch.randint(0, 10, (50,))
    V, S, fired = literal_run(network, encode(images, 16))
    decision = decode(V, S > 0, range(16), 16)
    found = evaluate(network, images, labels, batch_size=7)
    assert found.images == 50
    assert found.correct == int((decision.label == labels).sum())
    assert found.silent == int((S.sum((0, 2)) == 0).sum())
    assert found.steps == int(decision.step.sum())
    counted = tuple(int((times < decision.step[:, None]).sum()) for times in fired)
    assert found.spikes == counted
    assert sum(counted) > 0


def test_gradients_reach_every_layer_through_pooling() -> None:
    network = network_with_exact_weights(SMALL_SCNN, 16)
    output: Output = network(encode(torch.randint(0, 256, (20, 8, 8), dtype=torch.uint8), 16))
    output.V.sum().backward()
    gradients = [weight.grad for weight in network.parameters()]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize(("text", "clock"), [("64-20-10", range(5, 8)), ("64-20(2)-10(4)", range(7, 8, 4))])
def test_an_output_that_waits_has_the_same_potentials_and_fires_later(text: str, clock: range) -> None:
    usual = network_with_exact_weights(text, 8)
    late = SpikingNetwork(Architecture.parse(text), 8, earliest_output=6)
    late.load_state_dict(usual.state_dict())
    times = encode(torch.randint(0, 256, (40, 8, 8), dtype=torch.uint8), 8)
    before, after = usual(times), late(times)
    assert after.clock == clock and after.steps == tuple(clock)
    at = [before.steps.index(step) for step in clock]
    assert torch.equal(after.V, before.V[at]) and torch.equal(after.S, before.V[at] > 1)
    decided = infer(late.eval(), times)
    assert decided.label.equal(decode(*after[:3], 8).label) and decided.step.equal(decode(*after[:3], 8).step)
    assert decided.step.min() == clock[0] + 1 > infer(usual.eval(), times).step.min()


def test_a_layer_that_could_never_fire_is_refused() -> None:
    with pytest.raises(ValueError, match=r"T = 8 .* layer 10\(9\)"):
        SpikingNetwork(Architecture.parse("784-400-10(9)"), 8)
    with pytest.raises(ValueError, match="too few for layer"):
        SpikingNetwork(Architecture.parse("784-400(4)-10(3)"), 5)  # ticks at 2, before the first spike can be there


def test_an_output_that_would_wait_for_ever_is_refused() -> None:
    recipe("784-400-10(4)", "mnist", 8, earliest_output=8)
    with pytest.raises(ConfigError, match="earliest_output must be at most 6, the output's last tick, not 7"):
        recipe("784-400-10(3)", "mnist", 8, earliest_output=7)
    with pytest.raises(ConfigError, match="earliest_output must be 1, the default, with rate coding"):
        recipe("784-400-10", "mnist", 8, coding="rate", earliest_output=2)


@pytest.mark.parametrize("time_steps", [0, -3, 255])
def test_impossible_numbers_of_time_steps_are_refused(time_steps: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 254"):
        SpikingNetwork(Architecture.parse("784-10"), time_steps)


def test_images_of_another_size_are_refused() -> None:
    network = SpikingNetwork(Architecture.parse("28x28-2C3-10"), 4)
    with pytest.raises(ValueError, match=r"32x32.*28x28"):
        network(torch.zeros(1, 32, 32, dtype=torch.uint8))


def test_dropout_leaves_out_the_same_neurons_on_every_step_and_only_in_training() -> None:
    network = SpikingNetwork(Architecture.parse("4-64-10"), 4, dropout=0.5)
    V, (hidden, output) = torch.full((4, 1, 64), 2.0), network.layers
    C = hidden.fire(V, output.steps, network._kept_neurons(hidden, 1))
    assert torch.equal(C[0], C[-1])
    assert set(C.unique().tolist()) == {0.0, 2.0}
    network.eval()
    assert network._kept_neurons(hidden, 1) is None


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("text", ["64-12(1)-9(2)-10(4)", "8x8-3C3(1)-P2-4C3(2)-P2-12(2)-10(4)"])
def test_gradients_equal_backpropagation_through_the_literal_loop(text: str, pooling: str, dropout: float) -> None:
    """Layer after layer in float64, convolutions as matrices, with the same neurons dropped."""
    network = network_with_exact_weights(text, 16, pooling).double()
    network.dropout = dropout
    times = encode(torch.randint(0, 256, (6, 8, 8), dtype=torch.uint8), 16)
    pull = torch.randn(len(network.layers[-1].steps), 6, 10, dtype=torch.float64)
    torch.manual_seed(1)
    found = torch.autograd.grad((network(times).V * pull).sum(), list(network.parameters()))
    torch.manual_seed(1)
    V = literal_potentials(network, times)
    expected = torch.autograd.grad((V[list(network.layers[-1].steps)] * pull).sum(), list(network.parameters()))
    for a, b in zip(found, expected, strict=True):
        assert b.abs().sum() > 0
        torch.testing.assert_close(a, b)


def literal_potentials(network: SpikingNetwork, times: Tensor) -> Tensor:
    """W C of the output over all T steps, differentiable, with C the cumulative spikes of the literal neuron."""
    T, batch = network.time_steps, len(times)
    C = torch.stack([network.as_input(times) <= t for t in range(T)]).double()
    for layer, q in zip(network.layers[:-1], network.architecture.quantization, strict=False):
        drive = layer(C)  # [T, B, *shape]: what has arrived so far
        if layer.max_window > 1:  # the first neuron of a window to fire is the one with the highest potential
            drive = functional.max_pool2d(drive.flatten(0, 1), layer.max_window).unflatten(0, (T, batch))
        current = drive.diff(dim=0, prepend=torch.zeros_like(drive[:1])).flatten(2)
        # The neurons of a layer as one row, each with its own current: weights of 1, from an input of its own.
        S = tq_ttfs_neuron(current, torch.eye(current.shape[2], dtype=torch.float64), q)[1]
        C = S.cumsum(0).unflatten(2, drive.shape[2:])
        if layer.average_window > 1:
            C = functional.avg_pool2d(C.flatten(0, 1), layer.average_window).unflatten(0, (T, batch))
        keep = network._kept_neurons(layer, batch)
        C = C if keep is None else C * keep
    V: Tensor = network.layers[-1](C)
    return V


@pytest.mark.parametrize("text", ["64-20(2)-10(4)", SMALL_SCNN])
def test_ties_that_include_the_label_are_counted_as_by_brute_force(text: str) -> None:
    network = network_with_exact_weights(text, 16)
    images = torch.randint(0, 256, (60, 8, 8), dtype=torch.uint8)
    V, _, fired = literal_run(network, encode(images, 16))
    labels = torch.randint(0, 10, (60,))
    right = 0
    for image, label in enumerate(labels.tolist()):
        first = fired[-1][image].min()
        winners = (fired[-1][image] == first).nonzero().flatten().tolist()
        right += label in winners if first < 16 else int(V[-1, image].argmax()) == label
    found = evaluate(network, images, labels)
    assert found.correct_if_tied == right
    assert found.correct < right, "a draw without ties tests nothing"

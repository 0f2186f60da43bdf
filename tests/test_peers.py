"""The literal neuron and the encoder against two other libraries, SpikingJelly and snnTorch (`make peers`).

Neither has a quantized neuron, so it is put together from theirs: the input spikes of every window of q steps are added
up, which leaves a plain neuron that takes one step per window and has to fire on the same windows.
"""

import pytest
import torch
from torch import Tensor

from tqttfs_lite.energy.synops import synaptic_operations
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.neuron import tq_ttfs_neuron
from tqttfs_lite.spiking.notation import Architecture
from tqttfs_lite.spiking.surrogate import Atan

pytestmark = pytest.mark.peers
THETA = 1.0
CASES = [(8, 1), (8, 2), (16, 4), (9, 3)]


def case(T: int) -> tuple[Tensor, Tensor]:
    """Input spikes [T, 32, 20] and weights [10, 20] that are multiples of 1/8, so that V = theta is common."""
    torch.manual_seed(0)
    times = torch.randint(0, T, (32, 20))
    return torch.stack([times == t for t in range(T)]).float(), torch.randint(-4, 6, (10, 20)) / 8


def first_windows(spikes: Tensor) -> Tensor:
    """Whether and in which window each neuron fires first, [windows, B, N]."""
    return spikes.cumsum(0).clamp(max=1).diff(dim=0, prepend=torch.zeros_like(spikes[:1]))


def binned(S_in: Tensor, q: int) -> Tensor:
    return S_in.unflatten(0, (-1, q)).sum(1)


def ours(S_in: Tensor, W: Tensor, q: int) -> Tensor:
    """Spikes by window, [T / q, B, N]."""
    return tq_ttfs_neuron(S_in, W, q, THETA)[1][q - 1 :: q]


def spikingjelly_spikes(current: Tensor) -> Tensor:
    """An IF neuron that falls far below rest after its first spike; it fires at V >= theta, hence one ulp more."""
    from spikingjelly.activation_based import functional, neuron, surrogate

    threshold = torch.nextafter(torch.tensor(THETA), torch.tensor(2.0)).item()
    node = neuron.IFNode(
        v_threshold=threshold,
        v_reset=-1e9,
        surrogate_function=surrogate.ATan(2.0),
        detach_reset=True,
        step_mode="m",
    )
    node.set_reset_value("v", 0.0)
    functional.reset_net(node)
    spikes: Tensor = node(current)
    return spikes


@pytest.mark.parametrize(("T", "q"), CASES)
def test_spikes_equal_spikingjellys(T: int, q: int) -> None:
    S_in, W = case(T)
    assert torch.equal(spikingjelly_spikes(binned(S_in, q) @ W.T), ours(S_in, W, q))


@pytest.mark.parametrize(("T", "q"), CASES)
def test_gradients_agree_with_spikingjellys(T: int, q: int) -> None:
    S_in, W = case(T)
    pull = torch.randn(T // q, 32, 10)
    gradients = []
    for spikes in (lambda W: spikingjelly_spikes(binned(S_in, q) @ W.T), lambda W: ours(S_in, W, q)):
        weights = W.clone().requires_grad_()
        (spikes(weights).cumsum(0) * pull).sum().backward()
        gradients.append(weights.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("T", "q"), CASES)
def test_spikes_equal_snntorchs(T: int, q: int) -> None:
    import snntorch
    from snntorch import surrogate

    S_in, W = case(T)
    leaky = snntorch.Leaky(beta=1.0, threshold=THETA, reset_mechanism="none", spike_grad=surrogate.atan(alpha=2.0))
    V = leaky.init_leaky()
    spikes = []
    for current in binned(S_in, q) @ W.T:
        S, V = leaky(current, V)
        spikes.append(S)
    assert torch.equal(first_windows(torch.stack(spikes)), ours(S_in, W, q))


def test_the_encoder_equals_spikingjellys_on_every_pixel_value() -> None:
    from spikingjelly.activation_based.encoding import LatencyEncoder

    pixels = torch.arange(256, dtype=torch.uint8)
    for T in (2, 8, 16, 33):
        encoder = LatencyEncoder(T, "linear")
        spikes = torch.stack([encoder(pixels / 255) for _ in range(T)])
        assert torch.equal(spikes.argmax(0), encode(pixels, T).long())


def test_the_surrogate_equals_spikingjellys() -> None:
    from spikingjelly.activation_based.surrogate import ATan

    x = torch.linspace(-3, 3, 61, requires_grad=True)
    ATan(2.0)(x).sum().backward()
    torch.testing.assert_close(x.grad, Atan(2.0).derivative(x.detach()))


def test_additions_equal_spikingjellys_synaptic_operations() -> None:
    """Its counter watches the convolutions and products of the arriving spikes, step by step."""
    from spikingjelly.activation_based.op_counter import DispatchCounterMode, SynOpCounter

    network = SpikingNetwork(Architecture.parse("12x12-3C5(1)-P2-4C3(2)-P2-6(2)-4(4)"), time_steps=8).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn_like(weight))
    times = encode(torch.randint(0, 256, (4, 12, 12), dtype=torch.uint8), 8)
    found = infer(network, times)
    arriving = [network.as_input(times), *found.firing_times[:-1]]
    counted = []
    for n, layer in enumerate(network.layers):
        counter = SynOpCounter()
        with DispatchCounterMode([counter]), torch.no_grad():
            for t in range(8):
                spikes = (arriving[n] == t) & (t < found.step.view(-1, *[1] * (arriving[n].ndim - 1)))
                layer((network.layers[n - 1].handed_on(arriving[n]) == t if n else spikes).float()[None])
        counted.append(counter.get_total())
    assert counted == [count.additions for count in synaptic_operations(network, times, found)]

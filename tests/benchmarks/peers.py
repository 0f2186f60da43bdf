"""One network in two other libraries, SpikingJelly and snnTorch, spike for spike.

Neither has a quantized neuron.  A window of q steps is added up, and a neuron that takes one step a window fires as the
quantized one does.  With all T frames the windows are added up behind the weights, so that these are multiplied with T
frames; with our binning, before them, which leaves T / q.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from tqttfs_lite.spiking.network import SpikingNetwork

Neuron = Callable[[Tensor], Tensor]  # currents [K, B, ...] -> spikes, at most one for each neuron


class Peer(nn.Module):
    """The weights of a `SpikingNetwork` with another library's neurons; returns the output's V, [K, B, classes].

    The degrees of its layers must be multiples of one another, from the input on, and divide T.
    """

    def __init__(
        self, network: SpikingNetwork, make_neuron: Callable[[], Neuron], dtype: torch.dtype, *, binned: bool
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.time_steps, self.binned = network.time_steps, binned
        self.quantization = network.architecture.quantization
        self.input_shape = network.architecture.image_shape
        # Channels last is the layout in which convolutions are fastest here; linear layers have no other.
        self.layers = nn.ModuleList(deepcopy(list(network.layers))).to(memory_format=torch.channels_last)
        self.neurons = [make_neuron() for _ in self.quantization[:-1]]

    def forward(self, times: Tensor) -> Tensor:
        frame = self.quantization[0] if self.binned else 1  # steps in a frame
        frames = torch.arange(self.time_steps // frame, dtype=torch.uint8, device=times.device)
        times = times.view(-1, *self.input_shape) // frame
        S = (times == frames.view(-1, *[1] * times.ndim)).to(self.dtype)
        for n, (layer, q) in enumerate(zip(self.layers, self.quantization, strict=True)):
            if self.binned:
                S, frame = add_windows(S, q // frame), q
            current = add_windows(layer(S), q // frame)
            if n == len(self.neurons):
                return current.cumsum(0)
            S = self.neurons[n](current)
            if layer.max_window > 1:
                S = first_of_window(S, layer.max_window)
            if layer.average_window > 1:
                S = average_of_window(S, layer.average_window)
            S = S if self.binned else at_the_end_of_windows(S, q)
        raise AssertionError("a network has an output layer")


def add_windows(frames: Tensor, length: int) -> Tensor:
    return frames.unflatten(0, (-1, length)).sum(1) if length > 1 else frames


def at_the_end_of_windows(frames: Tensor, length: int) -> Tensor:
    silence = torch.zeros_like(frames)
    return torch.stack([*[silence] * (length - 1), frames], dim=1).flatten(0, 1)


def first_of_window(S: Tensor, size: int) -> Tensor:
    """The earliest spike of every pooling window, and no later one."""
    pooled = functional.max_pool2d(S.flatten(0, 1), size).unflatten(0, S.shape[:2])
    C = pooled.cumsum(0).clamp(max=1)
    return torch.cat([C[:1], C.diff(dim=0)])


def average_of_window(S: Tensor, size: int) -> Tensor:
    """The share of every pooling window that spikes on each frame."""
    return functional.avg_pool2d(S.flatten(0, 1), size).unflatten(0, S.shape[:2])


class SpikingJelly:
    """An IF neuron that falls far below rest after its first spike; it fires at V >= theta, hence the next number."""

    def __init__(self, theta: float, dtype: torch.dtype, *, compiled: bool = False) -> None:
        from spikingjelly.activation_based import functional as spikingjelly
        from spikingjelly.activation_based import neuron, surrogate

        above = torch.nextafter(torch.tensor(theta, dtype=dtype), torch.tensor(torch.inf, dtype=dtype)).item()
        atan = surrogate.ATan(2.0)
        self.node = neuron.IFNode(
            v_threshold=above, v_reset=-1e9, surrogate_function=atan, detach_reset=True, step_mode="m"
        )
        self.node.set_reset_value("v", 0.0)
        self.reset = spikingjelly.reset_net
        self.run = torch.compile(self.node) if compiled else self.node

    def __call__(self, current: Tensor) -> Tensor:
        self.reset(self.node)
        spikes: Tensor = self.run(current)
        return spikes


class FlexSN:
    """SpikingJelly's route for neurons of one's own, which it compiles to a kernel on a GPU."""

    def __init__(self, theta: float) -> None:
        from spikingjelly.activation_based import functional as spikingjelly
        from spikingjelly.activation_based import surrogate
        from spikingjelly.activation_based.neuron import FlexSN as Neuron

        atan = surrogate.atan.apply
        above = theta + 2.0**-10  # it fires at V >= theta; the potentials here are multiples of 1/4

        def core(x: Tensor, V: Tensor, fired: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            V = V + x
            S = atan(V - above, 2.0) * (1 - fired)
            return S, V, fired + S.detach()

        self.node = Neuron(core, num_states=2, step_mode="m")
        self.reset = spikingjelly.reset_net

    def __call__(self, current: Tensor) -> Tensor:
        self.reset(self.node)
        spikes: Tensor = self.node(current)
        return spikes


class SnnTorch:
    """A leaky neuron without leak and reset, in a loop over frames; only its first spike counts."""

    def __init__(self, theta: float) -> None:
        import snntorch
        from snntorch import surrogate

        atan = surrogate.atan(alpha=2.0)
        self.node = snntorch.Leaky(beta=1.0, threshold=theta, reset_mechanism="none", spike_grad=atan)

    def __call__(self, current: Tensor) -> Tensor:
        V = fired = torch.zeros_like(current[0])
        spikes = []
        for frame in current:
            S, V = self.node(frame, V)
            S = S * (1 - fired)
            fired = fired + S.detach()
            spikes.append(S)
        return torch.stack(spikes)


def variants(network: SpikingNetwork, dtype: torch.dtype) -> dict[str, Peer]:
    """Every peer by its name, each with all T frames and, where a layer is quantized, with our binning."""
    theta = network.neuron.theta
    neurons: dict[str, Callable[[], Neuron]] = {
        "SpikingJelly eager": lambda: SpikingJelly(theta, dtype),
        "snnTorch": lambda: SnnTorch(theta),
    }
    if next(network.parameters()).is_cuda:
        neurons["SpikingJelly FlexSN"] = lambda: FlexSN(theta)
    neurons["SpikingJelly compiled"] = lambda: SpikingJelly(theta, dtype, compiled=True)
    quantized = any(q > 1 for q in network.architecture.quantization)
    return {
        f"{name}, {'our binning' if binned else 'all T frames'}": Peer(network, make, dtype, binned=binned)
        for name, make in neurons.items()
        for binned in ([False, True] if quantized else [False])
    }

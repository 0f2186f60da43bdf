"""The fast path: layers of cumulative states, each computed only at the ticks of its own clock.

A neuron's cumulative state C[t] is 1 from the step on which it fires.  Then V[t] = W C_in[t] for a whole layer, because
a neuron that has not fired has added up all its input spikes so far, and C[t] = 1 if V exceeded theta at this tick of
the layer's clock or at an earlier one.  Only this "or" is recurrent.  A layer therefore needs V only at the ticks on
which it may fire, and one number per neuron, its firing time, describes its spikes completely.
Spikes and gradients equal those of `neuron.tq_ttfs_neuron`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from tqttfs_lite.spiking.kernels.operators import column, convolution, on_device, ops
from tqttfs_lite.spiking.neuron import THRESHOLD, TQ_TTFS, Neuron, Response
from tqttfs_lite.spiking.surrogate import Atan, heaviside

LONGEST_TIME = 254  # firing times are stored in one byte, where T means "never"


def ticks(time_steps: int, q: int, first_input: int = 0) -> range:
    """The steps t with (t + 1) % q == 0 on which a layer may fire if it has no input spike before `first_input`.

    At earlier ticks V is still 0, so that no neuron fires and no weight has a gradient.

    >>> list(ticks(8, q=2)), list(ticks(8, q=2, first_input=3))
    ([1, 3, 5, 7], [3, 5, 7])
    """
    return range(q * (first_input // q + 1) - 1, time_steps, q)


def firing_time(
    V: Float[Tensor, "K B *N"], steps: Sequence[int], never: int, theta: float = THRESHOLD
) -> UInt8[Tensor, " B *N"]:
    """The first of the steps at which V > theta; `never` if there is none.

    V[k] is the membrane potential at steps[k].

    >>> firing_time(torch.tensor([[[0.5, 0.5]], [[1.5, 0.5]]]), steps=(1, 3), never=4)
    tensor([[3, 4]], dtype=torch.uint8)
    """
    V, image = _channels_last(V, lead=2)
    time = ops.fire(V.contiguous(), steps, [], 1, theta, 0.0, None)[1]
    return _channels_first(time, image).clamp_(max=never)


@torch.no_grad()
def convolution_times(
    times: UInt8[Tensor, "B channels H W"],
    W: Float[Tensor, "C channels size size"],
    steps: Sequence[int],
    never: int,
    neuron: Neuron = TQ_TTFS,
) -> UInt8[Tensor, "B C H W"]:
    """The firing times of a convolution's neurons, for images whose pixels spike once each, at these times."""
    if neuron.response is not None:
        return firing_time(convolved(trace(times, steps, W.dtype, neuron.response), W), steps, never, neuron.theta)
    time = ops.convolve(times, W, steps, [], 1, neuron.theta, 0.0, None, W.dtype)[1]
    return _channels_first(time, image=True).clamp_(max=never)


def earliest_in_windows(times: UInt8[Tensor, "B C H W"], size: int) -> UInt8[Tensor, "B C H_P W_P"]:
    """Max pooling of cumulative states: the first spike of each window.

    >>> earliest_in_windows(torch.tensor([[[[7, 3], [9, 5]]]], dtype=torch.uint8), size=2).flatten().tolist()
    [3]
    """
    corners = [times[:, :, i::size, j::size] for i in range(size) for j in range(size)]
    return reduce(torch.minimum, corners)


def cumulative_state(time: UInt8[Tensor, " B *N"], steps: Sequence[int], dtype: torch.dtype) -> Float[Tensor, "K B *N"]:
    """The cumulative state C, which is 1 from the firing time on, at these steps.

    >>> cumulative_state(torch.tensor([[1, 4]], dtype=torch.uint8), steps=(0, 1, 3), dtype=torch.float32).tolist()
    [[[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 0.0]]]
    """
    time, image = _channels_last(time, lead=1)
    return _channels_first(ops.read(time.contiguous(), steps, None, dtype), image)


def trace(
    time: UInt8[Tensor, " B *N"], steps: Sequence[int], dtype: torch.dtype, response: Response | None = None
) -> Float[Tensor, "K B *N"]:
    """The response at these steps to a spike at each of these times; without a response, `cumulative_state`.

    >>> spike = torch.tensor([[1]], dtype=torch.uint8)
    >>> trace(spike, (0, 1, 3), torch.float32, lambda d: 0.5**d).flatten().tolist()
    [0.0, 1.0, 0.25]
    """
    if response is None:
        return cumulative_state(time, steps, dtype)
    elapsed = column(steps, time.unsqueeze(0)).int() - time.int()
    return torch.where(elapsed < 0, 0, response(elapsed.clamp(min=0).to(dtype)))


def fire(
    V: Float[Tensor, "K B *N"],
    steps: Sequence[int],
    read_at: Sequence[int],
    neuron: Neuron = TQ_TTFS,
    *,
    pool: int = 1,
    keep: Float[Tensor, " B *P"] | None = None,
) -> Float[Tensor, "R B *P"]:
    """The cumulative states at the steps `read_at` of neurons with the potentials V, which may fire at `steps`.

    With a response k, a spike at t contributes k(s - t) at step s.

    `pool` is the window of max pooling after the neurons, for V of shape [K, B, C, H, W].  The earliest spike of a
    window comes from its highest potential, so the maximum is taken before the threshold.  `keep` multiplies the state
    by the same factors on every step, for dropout.

    The backward pass is backpropagation through time with the firing history held constant, as in `neuron`:
    dL/dV[t] = g'(V[t] - theta) · [not fired before t] · sum of k(s - t) dL/dC[s] over s >= t, with the surrogate's g'.
    """
    state: Tensor
    if alpha := _alpha(neuron):
        V, image = _channels_last(V, lead=2)
        keep = None if keep is None else _channels_last(keep, lead=1)[0].to(V.dtype).contiguous()
        state = ops.fire(V.contiguous(), steps, read_at, pool, neuron.theta, alpha, keep)[0]
        return _channels_first(state, image)
    if pool > 1:
        V = functional.max_pool2d(V.flatten(0, 1), pool).unflatten(0, V.shape[:2])
    S = heaviside(V - neuron.theta, neuron.surrogate)  # [K, B, *P]
    F = (S.cumsum(dim=0) - S).detach()  # the spikes before
    clock = on_device(tuple(steps), torch.uint8, V.device)[:, None]
    left = trace(clock, read_at, V.dtype, neuron.response)[..., 0]  # [R, K], the response to a spike at each tick
    state = torch.tensordot(left, S * (F == 0), dims=1)
    return state if keep is None else state * keep


def averaged(state: Float[Tensor, "K B *N"], window: int) -> Float[Tensor, "K B *P"]:
    """Average pooling: the mean of the states in each window of an image, [K, B, C, H, W]; none if the window is 1."""
    if window == 1:
        return state
    return _channels_first(ops.average(_channels_last(state, lead=2)[0].contiguous(), window), image=True)


def convolved(
    C: Float[Tensor, "K B channels H W"], W: Float[Tensor, "C channels size size"]
) -> Float[Tensor, "K B C H W"]:
    """The membrane potentials of a convolution's neurons, from its input states; V = W C."""
    V: Tensor = convolution(C.flatten(0, 1), W).unflatten(0, C.shape[:2])
    return V


def charge(
    times: UInt8[Tensor, "B inputs"],
    W: Float[Tensor, "N inputs"],
    steps: Sequence[int],
    neuron: Neuron = TQ_TTFS,
    *,
    dtype: torch.dtype,
) -> Float[Tensor, "K B N"]:
    """The membrane potentials, at these steps, of neurons whose inputs spike once each, at these times; V = W C.

    `dtype` is the type of the potentials, and in plain PyTorch also of the sums; the kernel adds in float32.

    >>> charge(torch.tensor([[1, 0]], dtype=torch.uint8), torch.tensor([[0.5, 2.0]]), (0, 1), dtype=torch.float32)
    tensor([[[2.0000]],
    <BLANKLINE>
            [[2.5000]]])
    """
    if neuron.response is not None:
        return functional.linear(trace(times, steps, dtype, neuron.response), W.to(dtype))
    potentials: Tensor = ops.charge(times.contiguous(), W, steps, None, dtype)
    return potentials


def fire_and_charge(
    V: Float[Tensor, "K B inputs"],
    W: Float[Tensor, "N inputs"],
    steps: Sequence[int],
    read_at: Sequence[int],
    neuron: Neuron = TQ_TTFS,
    *,
    keep: Float[Tensor, "B inputs"] | None = None,
) -> Float[Tensor, "R B N"]:
    """`fire`, and then the membrane potentials of the fully connected layer that reads the states at `read_at`."""
    if not (alpha := _alpha(neuron)):
        return functional.linear(fire(V, steps, read_at, neuron, keep=keep), W.to(V.dtype))
    keep = None if keep is None else keep.to(V.dtype).contiguous()
    potentials: Tensor = ops.fire_and_charge(V.contiguous(), W, steps, read_at, neuron.theta, alpha, keep)[0]
    return potentials


def convolve_and_fire(
    times: UInt8[Tensor, "B channels H W"],
    W: Float[Tensor, "C channels size size"],
    steps: Sequence[int],
    read_at: Sequence[int],
    neuron: Neuron = TQ_TTFS,
    *,
    dtype: torch.dtype,
    pool: int = 1,
    keep: Float[Tensor, "B C H_P W_P"] | None = None,
) -> Float[Tensor, "R B C H_P W_P"]:
    """`fire` after a convolution of images whose pixels spike once each, at these times; the image size is preserved.

    `dtype` is the type of the states, and in plain PyTorch also of the potentials, which are float32 in the kernel.
    """
    if not (alpha := _alpha(neuron)):
        V = convolved(trace(times, steps, dtype, neuron.response), W.to(dtype))
        return fire(V, steps, read_at, neuron, pool=pool, keep=keep)
    keep = None if keep is None else _channels_last(keep, lead=1)[0].to(dtype).contiguous()
    state = ops.convolve(times, W, steps, read_at, pool, neuron.theta, alpha, keep, dtype)[0]
    return _channels_first(state, image=True)


def _alpha(neuron: Neuron) -> float | None:
    """The surrogate's alpha, for neurons that the operators support; None for others, which plain PyTorch computes."""
    return neuron.surrogate.alpha if neuron.response is None and isinstance(neuron.surrogate, Atan) else None


def _channels_last(neurons: Tensor, lead: int) -> tuple[Tensor, bool]:
    """Neurons after `lead` axes in the operators' layout, [..., H, W, C], and whether they form an image.

    A vector of neurons becomes the channels of a 1x1 image.
    """
    image = neurons.ndim - lead == 3
    return neurons.movedim(lead, -1) if image else neurons.flatten(lead)[..., None, None, :], image


def _channels_first(neurons: Tensor, image: bool) -> Tensor:
    """The inverse: [..., C, H, W] for an image and [..., N] for a vector."""
    return neurons.movedim(-1, -3) if image else neurons[..., 0, 0, :]

"""The fast path: firing on cumulative state, each layer on its own clock.

With C[t] = 1 from the step on which a neuron has fired, a layer is V[t] = W C_in[t], because a neuron that has not
fired yet has added up every input spike so far; and C[t] = 1 where V > theta at this tick of the layer's clock or at
an earlier one.  Nothing recurrent is left but that "or", so a layer computes V only at the ticks on which it may fire,
and a firing time, one number per neuron, says all there is to know of its spikes.
The spikes equal `neuron.tq_ttfs_neuron`; so do the gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from tqttfs_lite import fused
from tqttfs_lite.neuron import SURROGATE_ALPHA, THRESHOLD, atan_derivative

LONGEST_TIME = 254  # firing times are kept in one byte, and T itself stands for "never"


def ticks(time_steps: int, q: int, first_input: int = 0) -> range:
    """The steps t, (t + 1) % q == 0, on which a layer may fire whose first input spike comes no sooner than this.

    On earlier ticks V is still 0, on which no neuron fires and no weight has a gradient.

    >>> list(ticks(8, q=2)), list(ticks(8, q=2, first_input=3))
    ([1, 3, 5, 7], [3, 5, 7])
    """
    return range(q * (first_input // q + 1) - 1, time_steps, q)


def firing_time(
    V: Float[Tensor, "K B *N"], steps: Sequence[int], never: int, theta: float = THRESHOLD
) -> UInt8[Tensor, " B *N"]:
    """The first of the steps on which V > theta; `never` where there is none.

    V[k] is the membrane potential at steps[k].

    >>> firing_time(torch.tensor([[[0.5, 0.5]], [[1.5, 0.5]]]), steps=(1, 3), never=4)
    tensor([[3, 4]], dtype=torch.uint8)
    """
    at = _column(steps, V)
    return torch.where(V > theta, at, never).amin(dim=0)


def cumulative_state(time: UInt8[Tensor, " B *N"], steps: Sequence[int], dtype: torch.dtype) -> Float[Tensor, "K B *N"]:
    """C: 1 from the firing time on, read at these steps.

    >>> cumulative_state(torch.tensor([[1, 4]], dtype=torch.uint8), steps=(0, 1, 3), dtype=torch.float32).tolist()
    [[[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 0.0]]]
    """
    return (time <= _column(steps, time.unsqueeze(0))).to(dtype)


def fire(
    V: Float[Tensor, "K B *N"],
    steps: Sequence[int],
    read_at: Sequence[int],
    theta: float = THRESHOLD,
    alpha: float = SURROGATE_ALPHA,
    *,
    pool: int = 1,
    keep: Float[Tensor, " B *P"] | None = None,
) -> Float[Tensor, "R B *P"]:
    """The cumulative firing state of neurons that tick on `steps`, as a layer that ticks on `read_at` reads it.

    `pool` is the window of maximum pooling behind the neurons, for V as [K, B, C, H, W]: the earliest spike of a window
    is that of its highest potential, so the maximum is taken before the threshold.  `keep` multiplies the state, the
    same on every step, as dropout does.

    Backward is backpropagation through time with the firing history held constant, as in `neuron`:
    dL/dV[t] = g'(V[t] - theta) · [not fired before t] · sum of dL/dC[s] over s >= t, with the Atan surrogate g'.
    """
    if fused.covers(V, pool):
        image = V.ndim == 5
        V = V.permute(0, 1, 3, 4, 2) if image else V.flatten(2)[:, :, None, None]  # [K, B, H, W, C]
        if keep is not None:
            keep = keep.permute(0, 2, 3, 1) if image else keep.flatten(1)[:, None, None]
        state: Tensor = fused.Fire.apply(V, list(steps), list(read_at), theta, alpha, pool, keep)
        return state.permute(0, 1, 4, 2, 3) if image else state[:, :, 0, 0]
    if pool > 1:
        V = functional.max_pool2d(V.flatten(0, 1), pool).unflatten(0, V.shape[:2])
    state = _Fire.apply(V, tuple(steps), tuple(read_at), theta, alpha)
    return state if keep is None else state * keep


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, V: Tensor, steps: tuple[int, ...], read_at: tuple[int, ...], theta: float, alpha: float
    ) -> Tensor:
        time = firing_time(V, steps, never=LONGEST_TIME + 1, theta=theta)
        ctx.save_for_backward(V, time)
        ctx.steps, ctx.read_at, ctx.theta, ctx.alpha = steps, read_at, theta, alpha
        return cumulative_state(time, read_at, V.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        V, time = ctx.saved_tensors
        surrogate = atan_derivative(V - ctx.theta, ctx.alpha) * (_column(ctx.steps, V) <= time)
        later = torch.zeros_like(V[0])
        read = list(zip(ctx.read_at, gradients[0], strict=True))
        for k in reversed(range(len(ctx.steps))):
            while read and read[-1][0] >= ctx.steps[k]:
                later = later + read.pop()[1]
            surrogate[k] *= later
        return surrogate, None, None, None, None


def _column(steps: Sequence[int], like: Tensor) -> UInt8[Tensor, "K ..."]:
    """The steps as bytes along the first axis of a tensor with this many axes."""
    return torch.tensor(steps, dtype=torch.uint8, device=like.device).view(-1, *[1] * (like.ndim - 1))

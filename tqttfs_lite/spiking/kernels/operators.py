"""The method's operators: what a layer computes, forward and backward, each with an implementation for every device.

| operator | from | to |
|---|---|---|
| fire | membrane potentials of a layer | its state as the next layer reads it, and its firing times |
| read | firing times | the state |
| convolve | firing times of an image's pixels | what fire gives, behind a convolution |
| average | the state of an image | the means of its pooling windows |
| charge | firing times | membrane potentials of a fully connected layer |
| fire_and_charge | membrane potentials of a layer | those of the fully connected layer behind it |

They are PyTorch's own kind of operator, `torch.ops.tqttfs.*`, so that PyTorch chooses the implementation by the device
of the tensors: plain PyTorch, in this module; C++ on processors, `cpu`; Triton on NVIDIA GPUs, `gpu`.
They are of the slides' neuron, on which an input spike has an effect that stays, with the surrogate `Atan(alpha)`.
`firing` calls them, and has the mathematics.

An image has its channels innermost, [..., H, W, C]; neurons in a row are the channels of an image of 1x1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tqttfs_lite.spiking.surrogate import Atan

NEVER = 255  # the firing time of a neuron that does not fire

SCHEMAS = {
    # V [K, B, H, W, C], keep [B, H / pool, W / pool, C] -> state [R, B, H / pool, W / pool, C], time without the R
    "fire": "(Tensor V, int[] steps, int[] read_at, int pool, float theta, float alpha, Tensor? keep)"
    " -> (Tensor, Tensor)",
    "fire_backward": "(Tensor V, Tensor time, Tensor gradient, int[] steps, int[] read_at, int pool, float theta,"
    " float alpha, Tensor? keep) -> Tensor",
    # time [...], keep [...] -> state [R, ...]
    "read": "(Tensor time, int[] read_at, Tensor? keep, ScalarType dtype) -> Tensor",
    # times [B, channels, H, W], W [C, channels, size, size]; the rest as for fire
    "convolve": "(Tensor times, Tensor W, int[] steps, int[] read_at, int pool, float theta, float alpha, Tensor? keep,"
    " ScalarType dtype) -> (Tensor, Tensor)",
    "convolve_backward": "(Tensor times, Tensor W, Tensor time, Tensor gradient, int[] steps, int[] read_at, int pool,"
    " float theta, float alpha, Tensor? keep) -> Tensor",
    # state [R, B, H, W, C] -> [R, B, H / window, W / window, C], and back
    "average": "(Tensor state, int window) -> Tensor",
    "average_backward": "(Tensor gradient, int window) -> Tensor",
    # times [B, inputs], W [N, inputs], keep [B, inputs] -> V [K, B, N]
    "charge": "(Tensor times, Tensor W, int[] steps, Tensor? keep, ScalarType dtype) -> Tensor",
    "charge_backward": "(Tensor times, Tensor gradient, int[] steps, Tensor? keep) -> Tensor",
    # V [K, B, inputs], W [N, inputs], keep [B, inputs] -> V of the next layer [R, B, N], time [B, inputs]
    "fire_and_charge": "(Tensor V, Tensor W, int[] steps, int[] read_at, float theta, float alpha, Tensor? keep)"
    " -> (Tensor, Tensor)",
}
for _name, _schema in SCHEMAS.items():
    torch.library.define(f"tqttfs::{_name}", _schema)
ops = torch.ops.tqttfs


@lru_cache(maxsize=4096)
def on_device(values: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers as a tensor, copied to the device once: the host would wait for a copy in every step."""
    return torch.tensor(values, dtype=dtype, device=device)


def column(steps: Sequence[int], like: Tensor) -> Tensor:
    """Time steps as bytes, along the first axis of a tensor with as many axes as another has."""
    return on_device(tuple(steps), torch.uint8, like.device).view(-1, *[1] * (like.ndim - 1))


# Plain PyTorch, for every device and type: what the kernels are held to.


def fire(
    V: Tensor, steps: Sequence[int], read_at: Sequence[int], pool: int, theta: float, alpha: float, keep: Tensor | None
) -> tuple[Tensor, Tensor]:
    time = torch.where(_pooled(V, pool)[0] > theta, column(steps, V), NEVER).amin(dim=0)
    return read(time, read_at, keep, V.dtype), time


def fire_backward(
    V: Tensor,
    time: Tensor,
    gradient: Tensor,
    steps: Sequence[int],
    read_at: Sequence[int],
    pool: int,
    theta: float,
    alpha: float,
    keep: Tensor | None,
) -> Tensor:
    highest, where = _pooled(V, pool)
    gradient = gradient if keep is None else gradient * keep
    left = (column(steps, V[..., 0, 0, 0]).T <= column(read_at, V[..., 0, 0, 0])).to(gradient.dtype)  # [R, K]
    dV: Tensor = Atan(alpha).derivative(highest - theta) * (column(steps, V) <= time)
    dV = dV * torch.tensordot(left, gradient, dims=([0], [0]))
    if where is None:
        return dV
    size = list(V.shape[2:4])
    frames: Tensor = functional.max_unpool2d(dV.flatten(0, 1).movedim(-1, 1), where, [pool, pool], output_size=size)
    return frames.movedim(1, -1).reshape(V.shape).contiguous()


def _pooled(V: Tensor, pool: int) -> tuple[Tensor, Tensor | None]:
    """The highest potential of each window, and where in its image it is."""
    if pool == 1:
        return V, None
    frames, where = functional.max_pool2d(V.flatten(0, 1).movedim(-1, 1), pool, return_indices=True)
    return frames.movedim(1, -1).unflatten(0, V.shape[:2]), where


def read(time: Tensor, read_at: Sequence[int], keep: Tensor | None, dtype: torch.dtype) -> Tensor:
    state = (time <= column(read_at, time.unsqueeze(0))).to(dtype)
    return state if keep is None else state * keep


def convolve(
    times: Tensor,
    W: Tensor,
    steps: Sequence[int],
    read_at: Sequence[int],
    pool: int,
    theta: float,
    alpha: float,
    keep: Tensor | None,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    V = convolution(read(times, steps, None, dtype).flatten(0, 1), W.to(dtype))
    V = V.movedim(1, -1).unflatten(0, (len(steps), len(times)))
    state, time = ops.fire(V.contiguous(), steps, read_at, pool, theta, alpha, keep)
    return state, time


def convolve_backward(
    times: Tensor,
    W: Tensor,
    time: Tensor,
    gradient: Tensor,
    steps: Sequence[int],
    read_at: Sequence[int],
    pool: int,
    theta: float,
    alpha: float,
    keep: Tensor | None,
) -> Tensor:
    frames, weight = _padded(read(times, steps, None, gradient.dtype).flatten(0, 1), W), W.to(gradient.dtype)
    V = functional.conv2d(frames, weight).movedim(1, -1).unflatten(0, (len(steps), len(times)))
    dV = ops.fire_backward(V.contiguous(), time, gradient, steps, read_at, pool, theta, alpha, keep)
    dV = dV.flatten(0, 1).movedim(-1, 1)
    settings = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False])  # stride, padding, ...; of W alone
    dW: Tensor = torch.ops.aten.convolution_backward(dV, frames, weight, None, *settings)[1]
    return dW.to(W.dtype)


def convolution(frames: Tensor, W: Tensor) -> Tensor:
    """[n, channels, H, W] -> [n, C, H, W], with zeros around the frames.

    Where spikes are counted on a GPU it is one matrix product, which adds: cuDNN may choose a Fourier transform or
    Winograd's algorithm, which round.
    """
    if frames.is_cuda and frames.dtype == torch.float32 and not torch.is_grad_enabled():
        windows = _padded(frames, W).unfold(2, W.shape[2], 1).unfold(3, W.shape[3], 1)
        return torch.einsum("nchwij,kcij->nkhw", windows, W)
    if W.shape[2] % 2:
        return functional.conv2d(frames, W, padding=W.shape[2] // 2)
    return functional.conv2d(_padded(frames, W), W)


def _padded(frames: Tensor, W: Tensor) -> Tensor:
    before, after = (W.shape[-1] - 1) // 2, W.shape[-1] // 2
    return functional.pad(frames, (before, after, before, after))


def average(state: Tensor, window: int) -> Tensor:
    frames = functional.avg_pool2d(state.flatten(0, 1).movedim(-1, 1), window)
    means: Tensor = frames.movedim(1, -1).unflatten(0, state.shape[:2])
    return means.contiguous()


def average_backward(gradient: Tensor, window: int) -> Tensor:
    frames = gradient.div(window * window).flatten(0, 1).movedim(-1, 1)
    spread: Tensor = functional.interpolate(frames, scale_factor=window).movedim(1, -1).unflatten(0, gradient.shape[:2])
    return spread.contiguous()


def charge(times: Tensor, W: Tensor, steps: Sequence[int], keep: Tensor | None, dtype: torch.dtype) -> Tensor:
    return functional.linear(ops.read(times, steps, keep, dtype), W.to(dtype))


def charge_backward(times: Tensor, gradient: Tensor, steps: Sequence[int], keep: Tensor | None) -> Tensor:
    state = ops.read(times, steps, keep, gradient.dtype)
    dW: Tensor = gradient.flatten(0, 1).T @ state.flatten(0, 1)
    return dW if dW.dtype == torch.float64 else dW.float()


def fire_and_charge(
    V: Tensor,
    W: Tensor,
    steps: Sequence[int],
    read_at: Sequence[int],
    theta: float,
    alpha: float,
    keep: Tensor | None,
) -> tuple[Tensor, Tensor]:
    time = ops.fire(_as_image(V), steps, [], 1, theta, alpha, None)[1].flatten(1)
    return ops.charge(time, W, read_at, keep, V.dtype), time


def _as_image(neurons: Tensor) -> Tensor:
    return neurons[..., None, None, :]


_PLAIN = (fire, fire_backward, read, convolve, convolve_backward, average, average_backward)
for _function in (*_PLAIN, charge, charge_backward, fire_and_charge):
    torch.library.impl(f"tqttfs::{_function.__name__}", "default", _function)


# Gradients, whatever the implementation.


def _settings(*tensors: int) -> Callable[[Any, tuple[Any, ...], Any], None]:
    """What to remember of an operator's inputs: those at these places, and the firing times that it returned, if any.

    The rest are settings, which the backward operators take in the same order.
    """

    def setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.set_materialize_grads(False)  # the firing times have none
        times = output[1] if isinstance(output, tuple) else None
        ctx.save_for_backward(*(inputs[place] for place in tensors), times)
        ctx.settings = [value for place, value in enumerate(inputs) if place not in tensors]

    return setup


def _keep_the_window(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.settings = inputs[1:]


def _fire(ctx: Any, gradient: Tensor, _: None) -> tuple[Tensor | None, ...]:
    V, keep, time = ctx.saved_tensors
    return ops.fire_backward(V, time, gradient.contiguous(), *ctx.settings, keep), *[None] * 6


def _convolve(ctx: Any, gradient: Tensor, _: None) -> tuple[Tensor | None, ...]:
    times, W, keep, time = ctx.saved_tensors
    *settings, _dtype = ctx.settings
    return None, ops.convolve_backward(times, W, time, gradient.contiguous(), *settings, keep), *[None] * 7


def _average(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
    return ops.average_backward(gradient.contiguous(), *ctx.settings), None


def _charge(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    times, keep, _ = ctx.saved_tensors
    _W, steps, _dtype = ctx.settings
    return None, ops.charge_backward(times, gradient.contiguous(), steps, keep), None, None, None


def _fire_and_charge(ctx: Any, gradient: Tensor, _: None) -> tuple[Tensor | None, ...]:
    V, W, keep, time = ctx.saved_tensors
    steps, read_at, theta, alpha = ctx.settings
    gradient = gradient.contiguous()
    dW = ops.charge_backward(time, gradient, read_at, keep)
    dC = gradient @ W.to(gradient.dtype)
    as_image = (_as_image(part) for part in (V, time, dC))
    keep = None if keep is None else _as_image(keep)
    dV = ops.fire_backward(*as_image, steps, read_at, 1, theta, alpha, keep)
    return dV[..., 0, 0, :], dW, *[None] * 5


_GRADIENTS = (
    ("fire", _fire, _settings(0, 6)),
    ("convolve", _convolve, _settings(0, 1, 7)),
    ("average", _average, _keep_the_window),
    ("charge", _charge, _settings(0, 3)),
    ("fire_and_charge", _fire_and_charge, _settings(0, 1, 6)),
)
for _name, _backward, _setup in _GRADIENTS:
    torch.library.register_autograd(f"tqttfs::{_name}", _backward, setup_context=_setup)


# Shapes and types alone, for torch.compile and torch.export.


def _shape_fire(V: Tensor, steps: Any, read_at: Sequence[int], pool: int, *rest: Any) -> tuple[Tensor, Tensor]:
    _, B, H, W, C = V.shape
    time = V.new_empty((B, H // pool, W // pool, C), dtype=torch.uint8)
    return V.new_empty((len(read_at), *time.shape)), time


def _shape_convolve(
    times: Tensor, W: Tensor, steps: Any, read_at: Sequence[int], pool: int, *rest: Any
) -> tuple[Tensor, Tensor]:
    (B, _, H, width), C, dtype = times.shape, len(W), rest[-1]
    time = times.new_empty((B, H // pool, width // pool, C))
    return times.new_empty((len(read_at), *time.shape), dtype=dtype), time


_FAKES: dict[str, Callable[..., Any]] = {
    "fire": _shape_fire,
    "fire_backward": lambda V, *_: torch.empty_like(V),
    "read": lambda time, read_at, keep, dtype: time.new_empty((len(read_at), *time.shape), dtype=dtype),
    "convolve": _shape_convolve,
    "convolve_backward": lambda times, W, *_: torch.empty_like(W),
    "average": lambda state, n: state.new_empty(
        (*state.shape[:2], state.shape[2] // n, state.shape[3] // n, state.shape[4])
    ),
    "average_backward": lambda state, n: state.new_empty(
        (*state.shape[:2], state.shape[2] * n, state.shape[3] * n, state.shape[4])
    ),
    "charge": lambda times, W, steps, keep, dtype: W.new_empty((len(steps), len(times), len(W)), dtype=dtype),
    "charge_backward": lambda times, gradient, *_: gradient.new_empty(
        (gradient.shape[2], times.shape[1]), dtype=torch.float32
    ),
    "fire_and_charge": lambda V, W, steps, read_at, *_: (
        V.new_empty((len(read_at), V.shape[1], len(W))),
        V.new_empty(V.shape[1:], dtype=torch.uint8),
    ),
}
for _name, _fake in _FAKES.items():
    torch.library.register_fake(f"tqttfs::{_name}", _fake)

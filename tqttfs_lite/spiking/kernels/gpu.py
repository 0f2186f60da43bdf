"""The operators on NVIDIA GPUs: Triton, compiled on first use.

As on processors, firing reads the membrane potentials once forward and once backward and remembers one byte per neuron,
and the convolution of an image whose pixels spike once does not even store them.  The clocks are constants of a kernel,
so that its loops over time steps are unrolled.  Triton's interpreter runs the same kernels on any machine
(TRITON_INTERPRET=1), which is how they are tested where there is no GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from tqttfs_lite.spiking.kernels import operators

NEVER = tl.constexpr(operators.NEVER)
BLOCK = 1024  # neurons for each program of a kernel
PIXELS = 64  # the same for convolutions, which have all channels of a pixel in one program
WIDEST = 64  # the most channels for which that pays


@triton.jit
def _surrogate(x, alpha):
    x = 1.5707963267948966 * alpha * x
    return (alpha / 2) / (1 + x * x)


@triton.jit
def _corner(o, width, C, POOL: tl.constexpr):
    """Where the window of an output neuron begins in a frame: o counts neurons of [B, H / POOL, W / POOL, C]."""
    if POOL == 1:
        return o
    column = o // C % (width // POOL)
    row = o // C // (width // POOL)  # of all images
    return (row * POOL * width + column * POOL) * C + o % C


@triton.jit
def _fire(
    V,
    keep,
    time,
    state,
    neurons,
    width,
    C,
    theta,
    STEPS: tl.constexpr,
    K: tl.constexpr,
    READS: tl.constexpr,
    R: tl.constexpr,
    POOL: tl.constexpr,
    KEEP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = o < neurons
    frame = neurons * POOL * POOL
    corner = _corner(o, width, C, POOL)
    first = tl.full((BLOCK,), NEVER, tl.int32)
    for j in tl.static_range(K - 1, -1, -1):
        above = tl.zeros((BLOCK,), tl.int1)
        for n in tl.static_range(POOL * POOL):
            at = V + j * frame + corner + (n // POOL * width + n % POOL) * C
            above |= tl.load(at, mask=inside, other=0.0).to(tl.float32) > theta
        first = tl.where(above, STEPS[j], first)
    tl.store(time + o, first.to(tl.uint8), mask=inside)
    on = tl.full((BLOCK,), 1.0, tl.float32)
    if KEEP and R > 0:
        on = tl.load(keep + o, mask=inside, other=0.0).to(tl.float32)
    for r in tl.static_range(R):
        tl.store(state + r * neurons + o, tl.where(first <= READS[r], on, 0.0).to(state.dtype.element_ty), mask=inside)


@triton.jit
def _fire_backward(
    V,
    keep,
    time,
    gradient,
    dV,
    neurons,
    width,
    C,
    theta,
    alpha,
    STEPS: tl.constexpr,
    K: tl.constexpr,
    READS: tl.constexpr,
    R: tl.constexpr,
    POOL: tl.constexpr,
    KEEP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = o < neurons
    frame = neurons * POOL * POOL
    corner = _corner(o, width, C, POOL)
    first = tl.load(time + o, mask=inside, other=0).to(tl.int32)
    on = tl.full((BLOCK,), 1.0, tl.float32)
    if KEEP:
        on = tl.load(keep + o, mask=inside, other=0.0).to(tl.float32)
    later = tl.zeros((BLOCK,), tl.float32)  # of the reads at or after a tick
    for j in tl.static_range(K - 1, -1, -1):
        for r in tl.static_range(R - 1, -1, -1):
            if READS[r] >= STEPS[j] and (j == K - 1 or READS[r] < STEPS[min(j + 1, K - 1)]):
                later += tl.load(gradient + r * neurons + o, mask=inside, other=0.0).to(tl.float32)
        highest = tl.load(V + j * frame + corner, mask=inside, other=0.0).to(tl.float32)
        where = tl.zeros((BLOCK,), tl.int32)
        for n in tl.static_range(1, POOL * POOL):
            at = V + j * frame + corner + (n // POOL * width + n % POOL) * C
            v = tl.load(at, mask=inside, other=0.0).to(tl.float32)
            where = tl.where(v > highest, n, where)  # among equal ones the first
            highest = tl.maximum(v, highest)
        d = tl.where(first >= STEPS[j], _surrogate(highest - theta, alpha) * later * on, 0.0)
        for n in tl.static_range(POOL * POOL):
            to = dV + j * frame + corner + (n // POOL * width + n % POOL) * C
            tl.store(to, tl.where(where == n, d, 0.0).to(dV.dtype.element_ty), mask=inside)


@triton.jit
def _read(
    time,
    keep,
    state,
    neurons,
    READS: tl.constexpr,
    R: tl.constexpr,
    KEEP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = o < neurons
    first = tl.load(time + o, mask=inside, other=0).to(tl.int32)
    on = tl.full((BLOCK,), 1.0, tl.float32)
    if KEEP:
        on = tl.load(keep + o, mask=inside, other=0.0).to(tl.float32)
    for r in tl.static_range(R):
        tl.store(state + r * neurons + o, tl.where(first <= READS[r], on, 0.0).to(state.dtype.element_ty), mask=inside)


@triton.jit
def _average(state, out, neurons, width, C, POOL: tl.constexpr, BLOCK: tl.constexpr):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    corner = _corner(o, width, C, POOL)
    total = tl.zeros((BLOCK,), tl.float32)
    for n in tl.static_range(POOL * POOL):
        at = state + corner + (n // POOL * width + n % POOL) * C
        total += tl.load(at, mask=o < neurons, other=0.0).to(tl.float32)
    tl.store(out + o, (total / (POOL * POOL)).to(out.dtype.element_ty), mask=o < neurons)


@triton.jit
def _average_backward(gradient, out, neurons, width, C, POOL: tl.constexpr, BLOCK: tl.constexpr):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    corner = _corner(o, width, C, POOL)
    share = tl.load(gradient + o, mask=o < neurons, other=0.0).to(tl.float32) / (POOL * POOL)
    for n in tl.static_range(POOL * POOL):
        to = out + corner + (n // POOL * width + n % POOL) * C
        tl.store(to, share.to(out.dtype.element_ty), mask=o < neurons)


@triton.jit
def _windows(times, pixel, pixels, H, width, SIZE: tl.constexpr, TAPS: tl.constexpr):
    """The spike times in the window of each pixel, [PIXELS, TAPS]; beyond the image, and the filter, never."""
    tap = tl.arange(0, TAPS)
    y = (pixel // width % H)[:, None] + (tap // SIZE - (SIZE - 1) // 2)[None, :]
    x = (pixel % width)[:, None] + (tap % SIZE - (SIZE - 1) // 2)[None, :]
    there = (y >= 0) & (y < H) & (x >= 0) & (x < width) & (tap < SIZE * SIZE)[None, :] & (pixel < pixels)[:, None]
    image = (pixel // (H * width) * (H * width))[:, None]
    return tl.load(times + image + y * width + x, mask=there, other=NEVER).to(tl.int32)


@triton.jit
def _filters(W, C, CHANNELS: tl.constexpr, SIZE: tl.constexpr, TAPS: tl.constexpr):
    """The weights as [TAPS, CHANNELS], zero beyond what is there."""
    tap, c = tl.arange(0, TAPS), tl.arange(0, CHANNELS)
    there = (tap < SIZE * SIZE)[:, None] & (c < C)[None, :]
    return tl.load(W + c[None, :] * (SIZE * SIZE) + tap[:, None], mask=there, other=0.0)


@triton.jit
def _convolve(
    times,
    W,
    keep,
    time,
    state,
    pixels,
    H,
    width,
    C,
    theta,
    STEPS: tl.constexpr,
    K: tl.constexpr,
    READS: tl.constexpr,
    R: tl.constexpr,
    KEEP: tl.constexpr,
    SIZE: tl.constexpr,
    TAPS: tl.constexpr,
    CHANNELS: tl.constexpr,
    PIXELS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    window = _windows(times, pixel, pixels, H, width, SIZE, TAPS)
    filters = _filters(W, C, CHANNELS, SIZE, TAPS)
    first = tl.full((PIXELS, CHANNELS), NEVER, tl.int32)
    for j in tl.static_range(K - 1, -1, -1):
        potential = tl.dot((window <= STEPS[j]).to(tl.float32), filters, input_precision=PRECISION)
        first = tl.where(potential > theta, STEPS[j], first)
    c = tl.arange(0, CHANNELS)
    inside = (pixel < pixels)[:, None] & (c < C)[None, :]
    o = pixel[:, None].to(tl.int64) * C + c[None, :]
    tl.store(time + o, first.to(tl.uint8), mask=inside)
    on = tl.full((PIXELS, CHANNELS), 1.0, tl.float32)
    if KEEP and R > 0:
        on = tl.load(keep + o, mask=inside, other=0.0).to(tl.float32)
    for r in tl.static_range(R):
        out = tl.where(first <= READS[r], on, 0.0).to(state.dtype.element_ty)
        tl.store(state + r * (pixels.to(tl.int64) * C) + o, out, mask=inside)


@triton.jit
def _convolve_backward(
    times,
    W,
    keep,
    time,
    gradient,
    parts,
    pixels,
    H,
    width,
    C,
    theta,
    alpha,
    STEPS: tl.constexpr,
    K: tl.constexpr,
    READS: tl.constexpr,
    R: tl.constexpr,
    KEEP: tl.constexpr,
    SIZE: tl.constexpr,
    TAPS: tl.constexpr,
    CHANNELS: tl.constexpr,
    PIXELS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    filters = _filters(W, C, CHANNELS, SIZE, TAPS)
    c = tl.arange(0, CHANNELS)
    dW = tl.zeros((TAPS, CHANNELS), tl.float32)
    for block in range(tl.program_id(0), tl.cdiv(pixels, PIXELS), tl.num_programs(0)):
        pixel = block * PIXELS + tl.arange(0, PIXELS)
        window = _windows(times, pixel, pixels, H, width, SIZE, TAPS)
        inside = (pixel < pixels)[:, None] & (c < C)[None, :]
        o = pixel[:, None].to(tl.int64) * C + c[None, :]
        first = tl.load(time + o, mask=inside, other=0).to(tl.int32)
        on = tl.full((PIXELS, CHANNELS), 1.0, tl.float32)
        if KEEP:
            on = tl.load(keep + o, mask=inside, other=0.0).to(tl.float32)
        later = tl.zeros((PIXELS, CHANNELS), tl.float32)
        for j in tl.static_range(K - 1, -1, -1):
            for r in tl.static_range(R - 1, -1, -1):
                if READS[r] >= STEPS[j] and (j == K - 1 or READS[r] < STEPS[min(j + 1, K - 1)]):
                    at = gradient + r * (pixels.to(tl.int64) * C) + o
                    later += tl.load(at, mask=inside, other=0.0).to(tl.float32)
            spiked = (window <= STEPS[j]).to(tl.float32)
            potential = tl.dot(spiked, filters, input_precision=PRECISION)
            d = tl.where((first >= STEPS[j]) & inside, _surrogate(potential - theta, alpha) * later * on, 0.0)
            dW = tl.dot(tl.trans(spiked), d, dW, input_precision=PRECISION)
    tap = tl.arange(0, TAPS)
    to = parts + tl.program_id(0) * (TAPS * CHANNELS) + tap[:, None] * CHANNELS + c[None, :]
    tl.store(to, dW)


def fire(
    V: Tensor, steps: Sequence[int], read_at: Sequence[int], pool: int, theta: float, alpha: float, keep: Tensor | None
) -> tuple[Tensor, Tensor]:
    _, B, H, W, C = V.shape
    time = torch.empty((B, H // pool, W // pool, C), dtype=torch.uint8, device=V.device)
    state = torch.empty((len(read_at), *time.shape), dtype=V.dtype, device=V.device)
    if n := time.numel():
        clocks = {**_clock(steps, read_at), "POOL": pool, "KEEP": keep is not None, "BLOCK": BLOCK}
        _fire[_grid(n)](V, V if keep is None else keep, time, state, n, W, C, theta, **clocks)
    return state, time


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
    *_, W, C = V.shape
    dV = torch.empty_like(V)
    if n := time.numel():
        clocks = {**_clock(steps, read_at), "POOL": pool, "KEEP": keep is not None, "BLOCK": BLOCK}
        kept = V if keep is None else keep
        _fire_backward[_grid(n)](V, kept, time, gradient, dV, n, W, C, theta, alpha, **clocks)
    return dV


def read(time: Tensor, read_at: Sequence[int], keep: Tensor | None, dtype: torch.dtype) -> Tensor:
    state = torch.empty((len(read_at), *time.shape), dtype=dtype, device=time.device)
    if n := time.numel():
        reads = {"READS": tuple(read_at), "R": len(read_at), "KEEP": keep is not None, "BLOCK": BLOCK}
        _read[_grid(n)](time, time if keep is None else keep, state, n, **reads)
    return state


def average(state: Tensor, window: int) -> Tensor:
    R, B, H, W, C = state.shape
    out = torch.empty((R, B, H // window, W // window, C), dtype=state.dtype, device=state.device)
    if n := out.numel():
        _average[_grid(n)](state, out, n, W, C, POOL=window, BLOCK=BLOCK)
    return out


def average_backward(gradient: Tensor, window: int) -> Tensor:
    R, B, H, W, C = gradient.shape
    out = torch.empty((R, B, H * window, W * window, C), dtype=gradient.dtype, device=gradient.device)
    if n := gradient.numel():
        _average_backward[_grid(n)](gradient, out, n, W * window, C, POOL=window, BLOCK=BLOCK)
    return out


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
    if not _convolves(W, pool):
        return operators.convolve(times, W, steps, read_at, pool, theta, alpha, keep, dtype)
    (B, _, H, width), C = times.shape, len(W)
    times = times.contiguous()
    time = torch.empty((B, H, width, C), dtype=torch.uint8, device=times.device)
    state = torch.empty((len(read_at), *time.shape), dtype=dtype, device=times.device)
    if n := times.numel():
        sizes = _filter_sizes(W, dtype) | _clock(steps, read_at) | {"KEEP": keep is not None}
        kept = W if keep is None else keep
        _convolve[(triton.cdiv(n, PIXELS),)](times, W.contiguous(), kept, time, state, n, H, width, C, theta, **sizes)
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
    if not _convolves(W, pool):
        return operators.convolve_backward(times, W, time, gradient, steps, read_at, pool, theta, alpha, keep)
    (_, _, H, width), C, n = times.shape, len(W), times.numel()
    times = times.contiguous()
    sizes = _filter_sizes(W, gradient.dtype)
    programs = min(triton.cdiv(n, PIXELS), 4 * _processors(times.device))
    parts = torch.empty((programs, sizes["TAPS"], sizes["CHANNELS"]), dtype=torch.float32, device=times.device)
    sizes |= _clock(steps, read_at) | {"KEEP": keep is not None}
    kept = W if keep is None else keep
    arguments = (times, W.contiguous(), kept, time, gradient, parts, n, H, width, C, theta, alpha)
    _convolve_backward[(programs,)](*arguments, **sizes)
    taps = W.shape[2] * W.shape[3]
    return parts.sum(dim=0)[:taps, :C].T.reshape(W.shape).to(W.dtype)  # in one order, whatever ran first


def _convolves(W: Tensor, pool: int) -> bool:
    """Whether the kernels convolve these images: gray ones, with windows of an odd number of pixels and no pooling."""
    C, channels, size, _ = W.shape
    return channels == pool == 1 and C <= WIDEST and size <= 11 and W.dtype == torch.float32


def _filter_sizes(W: Tensor, dtype: torch.dtype) -> dict[str, Any]:
    """Triton's matrix products take at least 16 rows and columns, and powers of two.

    With bfloat16 they are those of TensorFloat-32, which has more digits.  With float32 they are of three parts, as
    exact as float32; weights as they are published have no more digits than the first part.
    """
    C, _, size, _ = W.shape
    taps, channels = (max(16, triton.next_power_of_2(count)) for count in (size * size, C))
    precision = "tf32x3" if dtype == torch.float32 else "tf32"
    return {"SIZE": size, "TAPS": taps, "CHANNELS": channels, "PIXELS": PIXELS, "PRECISION": precision}


def _clock(steps: Sequence[int], read_at: Sequence[int]) -> dict[str, Any]:
    return {"STEPS": tuple(steps), "K": len(steps), "READS": tuple(read_at), "R": len(read_at)}


def _grid(neurons: int) -> tuple[int]:
    return (triton.cdiv(neurons, BLOCK),)


def _processors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1


for _function in (fire, fire_backward, read, convolve, convolve_backward, average, average_backward):
    torch.library.impl(f"tqttfs::{_function.__name__}", "cuda", _function)

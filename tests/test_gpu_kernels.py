"""The Triton kernels against plain PyTorch, in Triton's interpreter where there is no GPU (conftest.py)."""

from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch
from torch import Tensor

from tqttfs_lite.spiking.firing import ticks
from tqttfs_lite.spiking.kernels import operators
from tqttfs_lite.spiking.network import clocks
from tqttfs_lite.spiking.notation import Architecture

pytest.importorskip("triton", reason="Triton is for Linux")


def unchecked(name: str) -> ModuleType:
    """A module of the library without the type checks that tests put around functions: Triton reads their source."""
    spec = find_spec(name)
    assert spec and spec.origin
    module = ModuleType(name)
    SourceFileLoader(name, spec.origin).exec_module(module)
    return module


if torch.cuda.is_available():
    from tqttfs_lite.spiking.kernels import gpu
else:
    gpu = unchecked("tqttfs_lite.spiking.kernels.gpu")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
THETA, ALPHA = 0.75, 2.5


def clocks_of(degrees: str, time_steps: int) -> list[tuple[Sequence[int], Sequence[int]]]:
    """The ticks of each layer of a network and when the next layer reads them, with the end of time at the output."""
    layers = clocks(Architecture.parse("4-4-4-10").with_quantization(degrees), time_steps)
    output = sorted({*layers[-1], time_steps - 1})
    return list(zip(layers, [*layers[1:-1], output, output], strict=True))


# A clock each: as fine as can be; q that does not divide T; a coarse layer before a fine one; an end that is no tick.
CLOCKS = [clock for degrees, T in (("1-1-1", 5), ("3-2-4", 11), ("4-1-3", 9)) for clock in clocks_of(degrees, T)]


def draw(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Quarters, exact in bfloat16, with ties at the threshold and within windows."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).mul(4).round().div(4).to(DEVICE, dtype)


def dropped(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.nn.functional.dropout(torch.ones(shape), 0.3).to(DEVICE, dtype)


def close(ours: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    assert ours.dtype == expected.dtype and ours.shape == expected.shape
    assert ours.count_nonzero()
    scale = expected.abs().max().item()
    near = {"rtol": 2e-2, "atol": 2e-2 * scale} if dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-4 * scale}
    torch.testing.assert_close(ours, expected, **near)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("steps", "read_at"), CLOCKS)
@pytest.mark.parametrize(("image", "pool", "dropout"), [((1, 1), 1, True), ((6, 4), 2, False), ((6, 9), 3, True)])
def test_firing_equals_plain_pytorch(
    steps: Sequence[int],
    read_at: Sequence[int],
    image: tuple[int, int],
    pool: int,
    dropout: bool,
    dtype: torch.dtype,
) -> None:
    V = draw(len(steps), 2, *image, 21, dtype=dtype)
    pooled = (2, image[0] // pool, image[1] // pool, 21)
    keep = dropped(*pooled, dtype=dtype) if dropout else None
    settings = (steps, read_at, pool, THETA, ALPHA, keep)
    (state, time), (expected_state, expected_time) = gpu.fire(V, *settings), operators.fire(V, *settings)
    assert torch.equal(time, expected_time) and torch.equal(state, expected_state)
    assert time.unique().numel() > 1
    gradient = draw(*state.shape, dtype=dtype, seed=1)
    backward = (V, time, gradient, *settings)
    close(gpu.fire_backward(*backward), operators.fire_backward(*backward), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropout", [False, True])
def test_reading_equals_plain_pytorch(dropout: bool, dtype: torch.dtype) -> None:
    time = torch.randint(0, 13, (3, 500), dtype=torch.uint8, device=DEVICE)
    keep = dropped(3, 500, dtype=dtype) if dropout else None
    ours, expected = (read(time, (2, 5, 11), keep, dtype) for read in (gpu.read, operators.read))
    assert ours.dtype == dtype and torch.equal(ours, expected) and 0 < ours.count_nonzero() < ours.numel()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("image", "channels", "size", "q", "dropout"),
    [
        ((7, 9), 16, 5, 1, True),  # the last block of pixels is not full
        ((4, 5), 5, 3, 3, False),  # channels that are no power of two, a clock that does not divide T
        ((4, 2), 20, 7, 4, True),  # a filter that is larger than the image
        ((4, 4), 17, 1, 7, False),  # one tick
        ((5, 5), 3, 4, 2, True),  # a filter of even width
    ],
)
def test_convolution_and_firing_equal_plain_pytorch(
    image: tuple[int, int], channels: int, size: int, q: int, dropout: bool, dtype: torch.dtype
) -> None:
    T = 11
    times = torch.randint(0, T + 1, (2, 1, *image), dtype=torch.uint8).to(DEVICE)  # T: a pixel that never spikes
    W = draw(channels, 1, size, size)
    keep = dropped(2, *image, channels, dtype=dtype) if dropout else None
    settings = (ticks(T, q), range(1, T, 2), 1, THETA, ALPHA, keep)
    ours, expected = (convolve(times, W, *settings, dtype) for convolve in (gpu.convolve, operators.convolve))
    assert all(map(torch.equal, ours, expected)) and ours[0].dtype == dtype
    assert ours[1].unique().numel() > 1
    gradient = draw(*ours[0].shape, dtype=dtype, seed=1)
    backward = (times, W, ours[1], gradient, *settings)
    close(gpu.convolve_backward(*backward), operators.convolve_backward(*backward), dtype)


def test_what_the_convolution_does_not_cover_is_left_to_plain_pytorch() -> None:
    times = torch.randint(0, 9, (2, 3, 4, 4), dtype=torch.uint8).to(DEVICE)
    settings = (range(8), range(8), 2, THETA, ALPHA, None)
    W = draw(5, 3, 3, 3)
    ours, expected = (run(times, W, *settings, torch.float32) for run in (gpu.convolve, operators.convolve))
    assert all(map(torch.equal, ours, expected)) and ours[0].shape == (8, 2, 2, 2, 5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("size", "window"), [((6, 4), 2), ((6, 9), 3)])
def test_averages_equal_plain_pytorch(size: tuple[int, int], window: int, dtype: torch.dtype) -> None:
    state = draw(3, 2, *size, 5, dtype=dtype)
    ours, expected = (average(state, window) for average in (gpu.average, operators.average))
    close(ours, expected, dtype)
    gradient = draw(*ours.shape, dtype=dtype, seed=1)
    close(gpu.average_backward(gradient, window), operators.average_backward(gradient, window), dtype)
    if dtype == torch.float32:  # and as PyTorch differentiates its own average
        leaf = state.clone().requires_grad_()
        operators.average(leaf, window).backward(gradient)
        close(operators.average_backward(gradient, window), leaf.grad, dtype)

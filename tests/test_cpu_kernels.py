"""The compiled kernels against plain PyTorch, which test_firing.py holds to the literal neuron."""

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tqttfs_lite.spiking.firing import (
    charge,
    convolve_and_fire,
    cumulative_state,
    fire,
    fire_and_charge,
    firing_time,
    ticks,
)
from tqttfs_lite.spiking.kernels import cpu as fused
from tqttfs_lite.spiking.neuron import Neuron
from tqttfs_lite.spiking.surrogate import Atan

NEURON = Neuron(theta=0.75, surrogate=Atan(2.5))

# Where there is a compiler the kernels have to compile: the tests do not ask whether they do.
COMPILERS = ("c++", "g++", "clang++")
needs_compiler = pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="there is no C++ compiler")


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget whether the kernel is there, before the test and after it."""
    fused.available.cache_clear()
    yield
    fused.available.cache_clear()


def both_ways(
    run: Callable[[Tensor], Tensor], leaf: Tensor, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Tensor, Tensor]]:
    """The state that `run` makes of a tensor, and the gradient, by the kernels and by plain PyTorch."""
    torch.set_num_threads(3)  # each of them has a part of the work
    assert fused.available()
    found = []
    for available in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(fused, "available", lambda available=available: available)
            leaf = leaf.clone().requires_grad_()
            state = run(leaf)
            pull = torch.randn(state.shape, generator=torch.Generator().manual_seed(1)).to(state.dtype)
            (gradient,) = torch.autograd.grad(state, leaf, pull)
        found.append((state, gradient))
    return found


def assert_equal(found: list[tuple[Tensor, Tensor]], tolerance: dict[str, float]) -> None:
    """Spikes exactly, gradients to tolerance."""
    (state, gradient), (expected_state, expected_gradient) = found
    assert state.dtype == expected_state.dtype and state.shape == expected_state.shape
    assert torch.equal(state, expected_state)
    assert 0 < state.count_nonzero() < state.numel()
    torch.testing.assert_close(gradient, expected_gradient, **tolerance)


def dropped(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.nn.functional.dropout(torch.ones(shape, dtype=dtype), 0.3)


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(
    ("shape", "pool"),
    [
        ((6, 3, 17), 1),
        ((6, 3, 1), 1),
        ((6, 2, 5, 3, 7), 1),
        ((6, 2, 16, 8, 12), 2),
        ((6, 2, 3, 6, 4), 2),
        ((6, 2, 20, 4, 6), 2),
    ],
)
def test_firing_equals_plain_pytorch(
    shape: tuple[int, ...], pool: int, dropout: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    V = torch.randn(shape).mul(4).round().div(4).to(dtype)  # ties with the threshold and within windows
    keep = dropped((*shape[1:3], *(size // pool for size in shape[3:])), dtype) if dropout else None
    found = both_ways(lambda V: fire(V, range(1, 12, 2), (3, 7, 11, 13), NEURON, pool=pool, keep=keep), V, monkeypatch)
    assert_equal(found, {"rtol": 2e-2, "atol": 2e-2} if dtype == torch.bfloat16 else {})


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("image", "channels", "size", "pool", "q", "dropout"),
    [
        ((28, 28), 16, 5, 2, 1, True),
        ((6, 8), 16, 5, 2, 2, False),
        ((6, 8), 5, 3, 2, 3, True),  # a block of channels that is not full, a clock that does not divide T
        ((7, 5), 33, 5, 1, 4, False),
        ((4, 6), 20, 3, 2, 7, True),  # one tick
        ((4, 2), 4, 7, 2, 1, True),  # a filter that is larger than the image
        ((4, 4), 20, 1, 1, 1, False),
    ],
)
def test_convolution_and_firing_equal_plain_pytorch(
    image: tuple[int, int],
    channels: int,
    size: int,
    pool: int,
    q: int,
    dropout: bool,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    T = 11
    times = torch.randint(0, T + 1, (3, 1, *image), dtype=torch.uint8)  # T: a pixel that never spikes
    W = torch.randint(-4, 8, (channels, 1, size, size)) / 4  # exact in bfloat16, and so are the potentials
    keep = dropped((3, channels, *(length // pool for length in image)), dtype) if dropout else None
    settings = (ticks(T, q), range(1, T, 2), Neuron(surrogate=Atan(2.5)))
    found = both_ways(
        lambda W: convolve_and_fire(times, W, *settings, dtype=dtype, pool=pool, keep=keep), W, monkeypatch
    )
    largest = found[1][1].abs().max().item()
    assert_equal(
        found, {"rtol": 2e-2, "atol": 2e-2 * largest} if dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-4}
    )


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("inputs", "neurons", "steps"),
    [(30, 64, range(11)), (7, 400, range(3, 11, 4)), (784, 10, range(1, 8, 2)), (1, 1, (5,)), (40, 131, (2, 3, 9))],
)
def test_charging_equals_plain_pytorch(
    inputs: int, neurons: int, steps: Sequence[int], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among the images some whose inputs have all arrived by the last tick, and inputs that come later, or never."""
    torch.manual_seed(0)
    times = torch.randint(0, 12, (5, inputs), dtype=torch.uint8)
    times[::2].clamp_(max=steps[-1])
    W = torch.randint(-4, 5, (neurons, inputs)) / 16  # exact in bfloat16, and so are most of the potentials
    found = both_ways(lambda W: charge(times, W, steps, dtype=dtype), W, monkeypatch)
    for ours, expected in zip(*found, strict=True):
        assert ours.dtype == expected.dtype and ours.shape == expected.shape
        torch.testing.assert_close(ours, expected, **({"rtol": 2e-2, "atol": 2e-2} if dtype != torch.float32 else {}))


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(("inputs", "neurons"), [(40, 64), (17, 131), (400, 10)])
def test_firing_and_charging_equal_plain_pytorch(
    inputs: int, neurons: int, dropout: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    V = torch.randn(6, 3, inputs).mul(4).round().div(4).to(dtype)  # ties with the threshold
    W = torch.randint(-4, 5, (neurons, inputs)) / 16
    keep = dropped((3, inputs), dtype) if dropout else None
    settings = (range(1, 12, 2), (3, 7, 11, 13), NEURON)
    by_V = both_ways(lambda V: fire_and_charge(V, W, *settings, keep=keep), V, monkeypatch)
    by_W = both_ways(lambda W: fire_and_charge(V, W, *settings, keep=keep), W, monkeypatch)
    for found in (by_V, by_W):
        for ours, expected in zip(*found, strict=True):
            assert ours.dtype == expected.dtype and ours.shape == expected.shape
            assert ours.count_nonzero()
            near = {"rtol": 3e-2, "atol": 3e-2 * expected.abs().max().item()} if dtype != torch.float32 else {}
            torch.testing.assert_close(ours, expected, **near)


@needs_compiler
@pytest.mark.parametrize("shape", [(5, 3, 40), (5, 2, 3, 4, 4)])
def test_firing_times_equal_plain_pytorch(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(3)
    torch.manual_seed(0)
    V = torch.randn(shape).mul(4).round().div(4)
    assert fused.available()
    by_kernel = firing_time(V, range(1, 11, 2), never=12, theta=0.75)
    monkeypatch.setattr(fused, "available", lambda: False)
    assert torch.equal(by_kernel, firing_time(V, range(1, 11, 2), never=12, theta=0.75))
    assert set(by_kernel.unique().tolist()) == {1, 3, 5, 7, 9, 12}


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(5, 37), (3, 2, 4, 4), (300, 401)])
def test_states_equal_plain_pytorch(
    shape: tuple[int, ...], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(3)  # the last shape is large enough for all of them
    assert fused.available()
    times = torch.randint(0, 13, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    by_kernel = cumulative_state(times, range(1, 11, 2), dtype)
    monkeypatch.setattr(fused, "available", lambda: False)
    expected = cumulative_state(times, range(1, 11, 2), dtype)
    assert by_kernel.dtype == dtype and torch.equal(by_kernel, expected)


@needs_compiler
def test_gradients_do_not_depend_on_the_number_of_threads() -> None:
    times = torch.randint(0, 8, (128, 1, 6, 6), dtype=torch.uint8)
    gradients = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        W = torch.linspace(-1, 1, 16 * 25).view(16, 1, 5, 5).requires_grad_()
        C = convolve_and_fire(times, W, range(8), range(8), dtype=torch.float32, pool=2)
        (C * torch.linspace(-1, 1, C.numel()).view_as(C)).sum().backward()
        gradients.append(W.grad)
    assert torch.equal(gradients[0], gradients[1]) and torch.equal(gradients[0], gradients[2])


@needs_compiler
def test_charging_does_not_depend_on_the_number_of_threads() -> None:
    times = torch.randint(0, 8, (128, 60), dtype=torch.uint8)
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        W = torch.linspace(-1, 1, 400 * 60).view(400, 60).requires_grad_()
        V = charge(times, W, range(8), dtype=torch.float32)
        (V * torch.linspace(-1, 1, V.numel()).view_as(V)).sum().backward()
        found.append((V, W.grad))
    assert all(torch.equal(V, found[0][0]) and torch.equal(gradient, found[0][1]) for V, gradient in found)


@needs_compiler
def test_other_types_and_windows_are_left_to_plain_pytorch() -> None:
    assert fused.covers(torch.float32) and fused.covers(torch.bfloat16, pool=2)
    assert not fused.covers(torch.float64) and not fused.covers(torch.float32, pool=3)


@needs_compiler
def test_the_kernels_refuse_what_it_would_read_wrongly() -> None:
    assert fused.available()
    V = torch.zeros(2, 1, 4, 4, 3)
    for steps, pool, words in (((1,), 1, "one frame for every step"), ((0, 1), 3, "windows of 1 or 2")):
        with pytest.raises(RuntimeError, match=words):
            torch.ops.tqttfs_cpu.fire(V, steps, (1,), pool, 1.0, None)
    with pytest.raises(RuntimeError, match="contiguous"):
        torch.ops.tqttfs_cpu.fire(V.transpose(2, 4), (0, 1), (1,), 1, 1.0, None)
    with pytest.raises(RuntimeError, match="keep must be contiguous, of the right type, and 16 numbers"):
        torch.ops.tqttfs_cpu.fire(V[..., :1].contiguous(), (0, 1), (1,), 1, 1.0, torch.ones(1, 4, 4, 3))
    with pytest.raises(RuntimeError, match="firing times must be"):
        torch.ops.tqttfs_cpu.fire_backward(V, torch.zeros(3).byte(), V[:1], (0, 1), (1,), 1, 1.0, 2.0, None)
    with pytest.raises(RuntimeError, match="gradient must be"):
        torch.ops.tqttfs_cpu.fire_backward(V, torch.zeros(1, 4, 4, 3).byte(), V, (0, 1), (1,), 1, 1.0, 2.0, None)
    times, W, float32 = torch.zeros(1, 4, 4, dtype=torch.uint8), torch.zeros(3, 1, 3, 3), torch.float32
    for wrong, words in (
        ((times.float(), W, (0,), (0,), 1, 1.0, None, float32), "bytes"),
        ((times, W[:, 0], (0,), (0,), 1, 1.0, None, float32), "filters"),
        ((times, W.double(), (0,), (0,), 1, 1.0, None, float32), "filters"),
        ((times, W, (), (0,), 1, 1.0, None, float32), "254 steps"),
        ((times[:, :3].contiguous(), W, (0,), (0,), 2, 1.0, None, float32), "divide the image"),
        ((times, W, (0,), (0,), 1, 1.0, None, torch.float64), "float32 or bfloat16"),
    ):
        with pytest.raises(RuntimeError, match=words):
            torch.ops.tqttfs_cpu.convolve(*wrong)
    rows, dense = torch.zeros(2, 5, dtype=torch.uint8), torch.zeros(3, 5)
    for wrong, words in (
        ((rows.float(), dense, (0,), None, float32), "bytes"),
        ((rows, dense.double(), (0,), None, float32), "float32"),
        ((rows, dense[:, :4], (0,), None, float32), "a weight for every input"),
        ((rows, dense, (), None, float32), "254 steps"),
        ((rows, dense, (0,), torch.ones(3), float32), "keep must be contiguous, of the right type, and 10 numbers"),
        ((rows, dense, (0,), None, torch.float64), "float32 or bfloat16"),
    ):
        with pytest.raises(RuntimeError, match=words):
            torch.ops.tqttfs_cpu.charge(*wrong)
    with pytest.raises(RuntimeError, match="gradient must be"):
        torch.ops.tqttfs_cpu.charge_backward(rows, torch.zeros(1, 3, 3), (0,), None)


@pytest.mark.usefixtures("fresh")
def test_without_a_compiler_it_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    with caplog.at_level(logging.WARNING):
        assert not fused.available()
    assert "there is no C++ compiler" in caplog.text
    assert fire(torch.ones(1, 1, 1) * 2, (0,), (0,)).item() == 1


@pytest.mark.usefixtures("fresh")
def test_a_compiler_that_fails_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("CXX", "false")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert not fused.available()
    assert "false failed" in caplog.text
    assert not list(tmp_path.glob("*/*.so"))


@pytest.mark.usefixtures("fresh")
def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQTTFS_FUSED", "0")
    assert not fused.available()

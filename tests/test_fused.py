"""The compiled kernel against plain PyTorch, which test_firing.py holds to the literal neuron."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tqttfs_lite import fused
from tqttfs_lite.firing import fire

needs_compiler = pytest.mark.skipif(not fused.available(), reason="there is no C++ compiler")


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget whether the kernel is there, before the test and after it."""
    fused.available.cache_clear()
    yield
    fused.available.cache_clear()


def both_ways(
    V: Tensor, pool: int, keep: Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Tensor, Tensor]]:
    """State and gradient by the kernel and by plain PyTorch."""
    found = []
    for available in (True, False):
        monkeypatch.setattr(fused, "available", lambda available=available: available)
        leaf = V.clone().requires_grad_()
        state = fire(leaf, range(1, 12, 2), (3, 7, 11, 13), 0.75, 2.5, pool=pool, keep=keep)
        pull = torch.randn(state.shape, generator=torch.Generator().manual_seed(1)).to(V.dtype)
        (gradient,) = torch.autograd.grad(state, leaf, pull)
        found.append((state, gradient))
    return found


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(
    ("shape", "pool"),
    [((6, 3, 17), 1), ((6, 3, 1), 1), ((6, 2, 5, 3, 7), 1), ((6, 2, 16, 8, 12), 2), ((6, 2, 3, 6, 4), 2)],
)
def test_the_kernel_equals_plain_pytorch(
    shape: tuple[int, ...], pool: int, dropout: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    V = torch.randn(shape).mul(4).round().div(4).to(dtype)  # ties with the threshold and within windows
    pooled = (*shape[1:3], *(size // pool for size in shape[3:]))
    keep = torch.nn.functional.dropout(torch.ones(pooled, dtype=dtype), 0.3) if dropout else None
    (state, gradient), (expected_state, expected_gradient) = both_ways(V, pool, keep, monkeypatch)
    assert state.dtype == dtype and state.shape == expected_state.shape
    assert torch.equal(state, expected_state)
    assert 0 < state.count_nonzero() < state.numel()
    tolerance = {"rtol": 2e-2, "atol": 2e-2} if dtype == torch.bfloat16 else {}
    torch.testing.assert_close(gradient, expected_gradient, **tolerance)


@needs_compiler
def test_other_types_and_windows_are_left_to_plain_pytorch() -> None:
    assert fused.covers(torch.zeros(1, 1, 1), pool=1)
    assert not fused.covers(torch.zeros(1, 1, 1, dtype=torch.float64), pool=1)
    assert not fused.covers(torch.zeros(1, 1, 1, 3, 3), pool=3)
    assert not fused.covers(torch.zeros(1, 1, 1, device="meta"), pool=1)


@needs_compiler
def test_the_kernel_refuses_what_it_would_read_wrongly() -> None:
    V = torch.zeros(2, 1, 4, 4, 3)
    for steps, pool, words in (((1,), 1, "one frame for every step"), ((0, 1), 3, "windows of 1 or 2")):
        with pytest.raises(RuntimeError, match=words):
            torch.ops.tqttfs.fire(V, steps, (1,), pool, 1.0, None)
    with pytest.raises(RuntimeError, match="contiguous"):
        torch.ops.tqttfs.fire(V.transpose(2, 4), (0, 1), (1,), 1, 1.0, None)


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

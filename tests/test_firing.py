"""The fast path equals the literal neuron: spikes exactly, gradients to tolerance.

Weights and thresholds are small multiples of 1/4 and inputs are spikes, so that every sum is exact in any order and in
any float type, and a potential that ties with the threshold is common.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tqttfs_lite.spiking.firing import LONGEST_TIME, cumulative_state, fire, firing_time, ticks
from tqttfs_lite.spiking.neuron import tq_ttfs_neuron


@st.composite
def two_layers(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, int, int, int, float, torch.dtype]:
    """Spike times of a batch, the weights of two layers, T, their degrees and the threshold."""
    T, B = draw(st.integers(1, 13)), draw(st.integers(1, 4))
    n_in, hidden, n_out = (draw(st.integers(1, 6)) for _ in range(3))
    q1, q2 = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    theta = draw(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 3.0, 50.0]))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    times = torch.randint(0, T + 1, (B, n_in), generator=rng, dtype=torch.uint8)  # T: a silent input
    W1 = torch.randint(-6, 8, (hidden, n_in), generator=rng).to(dtype) / 4
    W2 = torch.randint(-6, 8, (n_out, hidden), generator=rng).to(dtype) / 4
    return times, W1, W2, T, q1, q2, theta, dtype


def literal(times: Tensor, W1: Tensor, W2: Tensor, T: int, q1: int, q2: int, theta: float) -> tuple[Tensor, Tensor]:
    """Spikes of both layers, [T, B, N] each, by the loop over time steps."""
    S_in = torch.stack([times == t for t in range(T)]).to(W1)
    S1 = tq_ttfs_neuron(S_in, W1, q1, theta)[1]
    return S1, tq_ttfs_neuron(S1, W2, q2, theta)[1]


def fast(times: Tensor, W1: Tensor, W2: Tensor, T: int, q1: int, q2: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cumulative states of both layers, read at every step, [T, B, N] each, by the fast path."""
    clock1 = ticks(T, q1)
    clock2 = ticks(T, q2, first_input=clock1[0])
    V1 = cumulative_state(times, clock1, W1.dtype) @ W1.T
    V2 = fire(V1, clock1, clock2, theta) @ W2.T
    return fire(V1, clock1, range(T), theta), fire(V2, clock2, range(T), theta)


def both_can_fire(T: int, q1: int, q2: int) -> bool:
    return bool(ticks(T, q1) and ticks(T, q2, first_input=ticks(T, q1)[0]))


@settings(max_examples=400)
@given(two_layers())
def test_spikes_equal_the_literal_loop(case: tuple[Tensor, Tensor, Tensor, int, int, int, float, torch.dtype]) -> None:
    times, W1, W2, T, q1, q2, theta, _ = case
    S1, S2 = literal(times, W1, W2, T, q1, q2, theta)
    if not both_can_fire(T, q1, q2):
        assert S2.sum() == 0  # nothing is lost where the fast path has nothing to compute
        return
    C1, C2 = fast(times, W1, W2, T, q1, q2, theta)
    assert torch.equal(C1, S1.cumsum(0))
    assert torch.equal(C2, S2.cumsum(0))


@settings(max_examples=200)
@given(two_layers(), st.integers(0, 2**31))
def test_gradients_equal_backpropagation_through_the_literal_loop(
    case: tuple[Tensor, Tensor, Tensor, int, int, int, float, torch.dtype], seed: int
) -> None:
    times, W1, W2, T, q1, q2, theta, dtype = case
    if not both_can_fire(T, q1, q2):
        return
    weights = [W1.requires_grad_(), W2.requires_grad_()]
    generator = torch.Generator().manual_seed(seed)
    pull = [torch.randn(T, len(times), len(W), generator=generator, dtype=dtype) for W in weights]
    slow = sum((g * S.cumsum(0)).sum() for g, S in zip(pull, literal(times, W1, W2, T, q1, q2, theta), strict=True))
    quick = sum((g * C).sum() for g, C in zip(pull, fast(times, W1, W2, T, q1, q2, theta), strict=True))
    expected, found = (torch.autograd.grad(loss, weights) for loss in (slow, quick))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**31))
def test_random_real_weights_agree_in_float64(T: int, q: int, seed: int) -> None:
    if q > T:
        return
    rng = torch.Generator().manual_seed(seed)
    times = torch.randint(0, T, (8, 20), generator=rng, dtype=torch.uint8)
    W = torch.randn(10, 20, generator=rng, dtype=torch.float64)
    S_in = torch.stack([times == t for t in range(T)]).to(W)
    clock = ticks(T, q)
    C = fire(cumulative_state(times, clock, W.dtype) @ W.T, clock, range(T))
    assert torch.equal(C, tq_ttfs_neuron(S_in, W, q)[1].cumsum(0))


@given(st.integers(1, 30), st.integers(1, 31), st.integers(0, 12))
def test_a_clock_ticks_where_the_equation_says(T: int, q: int, first_input: int) -> None:
    assert list(ticks(T, q, first_input)) == [t for t in range(T) if (t + 1) % q == 0 and t >= first_input]


def test_a_dip_below_the_threshold_does_not_undo_a_spike() -> None:
    V = torch.tensor([0.5, 1.5, 0.5])[:, None, None]
    assert fire(V, (0, 1, 2), (0, 1, 2)).flatten().tolist() == [0, 1, 1]


def test_a_neuron_that_never_fires_has_the_time_given_for_never() -> None:
    V = torch.zeros(2, 1, 3)
    assert firing_time(V, (1, 3), never=4).unique().tolist() == [4]
    assert fire(V, (1, 3), (LONGEST_TIME - 1,)).sum() == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_state_and_its_gradient_keep_the_type_of_the_potentials(dtype: torch.dtype) -> None:
    V = torch.randn(3, 2, 5, dtype=dtype, requires_grad=True)
    C = fire(V, (0, 1, 2), (1, 2))
    C.sum().backward()
    assert C.dtype == dtype
    assert V.grad is not None and V.grad.dtype == dtype

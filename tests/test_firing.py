"""The fast path equals the literal neuron: spikes exactly, gradients to tolerance.

Weights and thresholds are small multiples of 1/4 and inputs are spikes, so that every sum is exact in any order and in
any float type, and a potential that ties with the threshold is common.
"""

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tqttfs_lite.spiking.firing import LONGEST_TIME, fire, firing_time, ticks, trace
from tqttfs_lite.spiking.neuron import Neuron, tq_ttfs_neuron
from tqttfs_lite.spiking.surrogate import Atan, Surrogate, heaviside


@dataclass(frozen=True)
class Triangle:
    """A surrogate of another kind: max(0, 1 - |x| / width)."""

    width: float

    def derivative(self, x: Tensor) -> Tensor:
        return (1 - x.abs() / self.width).clamp(min=0)


@dataclass
class Case:
    """A batch of spike times and two layers of neurons, which keep `leak` of their potential from step to step."""

    times: Tensor  # [B, n_in]; T: a silent input
    W1: Tensor
    W2: Tensor
    T: int
    q1: int
    q2: int
    neuron: Neuron
    leak: float

    def literal(self) -> tuple[Tensor, Tensor]:
        """What is left of the spikes of both layers, [T, B, N] each, by the loop over time steps."""
        S_in = torch.stack([self.times == t for t in range(self.T)]).to(self.W1)
        S1 = self.literal_layer(S_in, self.W1, self.q1)
        return self.left(S1), self.left(self.literal_layer(S1, self.W2, self.q2))

    def literal_layer(self, S_in: Tensor, W: Tensor, q: int) -> Tensor:
        theta, surrogate = self.neuron.theta, self.neuron.surrogate
        if self.leak == 1:
            return tq_ttfs_neuron(S_in, W, q, theta, surrogate)[1]
        V = S = F = torch.zeros(S_in.shape[1], len(W), dtype=W.dtype)
        spikes = []
        for t in range(self.T):
            V = torch.where(S.detach() == 0, (1 - F) * (S_in[t] @ W.T) + self.leak * V, 0)
            S = heaviside(V - theta, surrogate) if (t + 1) % q == 0 else torch.zeros_like(V)
            F = S.detach() + F
            spikes.append(S)
        return torch.stack(spikes)

    def left(self, S: Tensor) -> Tensor:
        C = [torch.zeros_like(S[0])]
        for spikes in S:
            C.append(self.leak * C[-1] + spikes)
        return torch.stack(C[1:])

    def fast(self) -> tuple[Tensor, Tensor]:
        """The same by the fast path."""
        clock1 = ticks(self.T, self.q1)
        clock2 = ticks(self.T, self.q2, first_input=clock1[0])
        V1 = trace(self.times, clock1, self.W1.dtype, self.neuron.response) @ self.W1.T
        V2 = fire(V1, clock1, clock2, self.neuron) @ self.W2.T
        return fire(V1, clock1, range(self.T), self.neuron), fire(V2, clock2, range(self.T), self.neuron)

    @property
    def can_fire(self) -> bool:
        """Whether the clock of each layer ticks while it has input."""
        clock = ticks(self.T, self.q1)
        return bool(clock and ticks(self.T, self.q2, first_input=clock[0]))


@st.composite
def two_layers(draw: st.DrawFn) -> Case:
    T, B = draw(st.integers(1, 13)), draw(st.integers(1, 4))
    n_in, hidden, n_out = (draw(st.integers(1, 6)) for _ in range(3))
    theta = draw(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 3.0, 50.0]))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    surrogate: Surrogate = draw(st.sampled_from([Atan(), Atan(0.5), Atan(7.0), Triangle(1.5)]))
    leak = draw(st.sampled_from([1.0, 1.0, 0.5]))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return Case(
        times=torch.randint(0, T + 1, (B, n_in), generator=rng, dtype=torch.uint8),
        W1=torch.randint(-6, 8, (hidden, n_in), generator=rng).to(dtype) / 4,
        W2=torch.randint(-6, 8, (n_out, hidden), generator=rng).to(dtype) / 4,
        T=T,
        q1=draw(st.integers(1, 6)),
        q2=draw(st.integers(1, 6)),
        neuron=Neuron(theta, surrogate, None if leak == 1 else lambda d: leak**d),
        leak=leak,
    )


@settings(max_examples=400)
@given(two_layers())
def test_spikes_equal_the_literal_loop(case: Case) -> None:
    assume(case.can_fire)
    for found, expected in zip(case.fast(), case.literal(), strict=True):
        assert torch.equal(found, expected)


@given(two_layers())
def test_nothing_is_lost_where_the_fast_path_has_nothing_to_compute(case: Case) -> None:
    case = replace(case, q2=max(case.q2, case.T + 1 - case.q2))
    assume(not case.can_fire)
    assert not case.literal()[1].any()


@settings(max_examples=200)
@given(two_layers(), st.integers(0, 2**31))
def test_gradients_equal_backpropagation_through_the_literal_loop(case: Case, seed: int) -> None:
    assume(case.can_fire)
    weights = [case.W1.requires_grad_(), case.W2.requires_grad_()]
    rng = torch.Generator().manual_seed(seed)
    pull = [torch.randn(case.T, len(case.times), len(W), generator=rng, dtype=W.dtype) for W in weights]
    losses = [sum((g * C).sum() for g, C in zip(pull, states, strict=True)) for states in (case.literal(), case.fast())]
    expected, found = (torch.autograd.grad(loss, weights) for loss in losses)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**31))
def test_random_real_weights_agree_in_float64(T: int, q: int, seed: int) -> None:
    assume(q <= T)
    rng = torch.Generator().manual_seed(seed)
    times = torch.randint(0, T, (8, 20), generator=rng, dtype=torch.uint8)
    W = torch.randn(10, 20, generator=rng, dtype=torch.float64)
    S_in = torch.stack([times == t for t in range(T)]).to(W)
    clock = ticks(T, q)
    C = fire(trace(times, clock, W.dtype) @ W.T, clock, range(T))
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

"""The literal neurons against the slides' sentences about them, on cases small enough to follow by hand."""

import sys
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import torch

from tqttfs_lite.spiking import neuron, surrogate
from tqttfs_lite.spiking.neuron import if_neuron, tq_ttfs_neuron, ttfs_neuron
from tqttfs_lite.spiking.surrogate import Atan, heaviside


def one_neuron(*input_spikes: float) -> torch.Tensor:
    """[T] -> [T, 1, 1]"""
    return torch.tensor(input_spikes, dtype=torch.float32)[:, None, None]


W = torch.tensor([[0.75]])


def test_the_if_neuron_fires_many_times_and_restarts_at_rest_plus_its_input() -> None:
    V, S = if_neuron(one_neuron(1, 1, 1, 1, 1), W)
    assert V.flatten().tolist() == [0.75, 1.5, 0.75, 1.5, 0.75]
    assert S.flatten().tolist() == [0, 1, 0, 1, 0]


def test_the_ttfs_neuron_fires_once_and_stays_at_rest() -> None:
    V, S = ttfs_neuron(one_neuron(1, 1, 1, 1, 1), W)
    assert V.flatten().tolist() == [0.75, 1.5, 0, 0, 0]
    assert S.flatten().tolist() == [0, 1, 0, 0, 0]


def test_the_quantized_neuron_charges_on_every_step_but_fires_only_on_its_clock() -> None:
    V, S = tq_ttfs_neuron(one_neuron(1, 1, 1, 1, 1), W, q=4)
    assert V.flatten().tolist() == [0.75, 1.5, 2.25, 3.0, 0]
    assert S.flatten().tolist() == [0, 0, 0, 1, 0]


def test_a_crossing_that_is_gone_by_the_tick_leaves_no_spike() -> None:
    weights = torch.tensor([[1.5, -1.0]])
    S_in = torch.tensor([[1.0, 0], [0, 1], [0, 0], [0, 0]])[:, None]
    assert tq_ttfs_neuron(S_in, weights, q=2)[1].sum() == 0
    assert ttfs_neuron(S_in, weights)[1].flatten().tolist() == [1, 0, 0, 0]


def test_a_potential_at_the_threshold_is_not_above_it() -> None:
    assert ttfs_neuron(one_neuron(1, 0, 0), torch.tensor([[1.0]]))[1].sum() == 0


def test_a_clock_that_does_not_divide_the_time_ticks_only_whole_periods() -> None:
    """T = 8, q = 3 ticks at t = 2 and 5; what arrives after 5 is never fired on."""
    always = torch.tensor([[2.0]])
    assert tq_ttfs_neuron(one_neuron(0, 0, 0, 0, 0, 1, 1, 1), always, q=3)[1].flatten().nonzero().tolist() == [[5]]
    assert tq_ttfs_neuron(one_neuron(0, 0, 0, 0, 0, 0, 1, 1), always, q=3)[1].sum() == 0


@pytest.mark.parametrize("q", [0, -1])
def test_a_degree_below_one_is_refused(q: int) -> None:
    with pytest.raises(ValueError, match="q must be an integer of at least 1"):
        tq_ttfs_neuron(one_neuron(1), W, q=q)


def test_a_threshold_below_rest_is_refused() -> None:
    for fire in (if_neuron, ttfs_neuron):
        with pytest.raises(ValueError, match="at least V_reset"):
            fire(one_neuron(1), W, theta=-0.5)


def test_the_surrogate_is_a_step_with_the_derivative_of_atan() -> None:
    x = torch.tensor([-2.0, 0.0, 0.5], dtype=torch.float64, requires_grad=True)
    step = heaviside(x, Atan(2.0))
    step.sum().backward()
    assert step.tolist() == [0, 0, 1]
    smooth = torch.atan(torch.pi / 2 * 2.0 * x) / torch.pi  # SpikingJelly's primitive
    (expected,) = torch.autograd.grad(smooth.sum(), x)
    torch.testing.assert_close(x.grad, expected)
    torch.testing.assert_close(Atan(2.0).derivative(x.detach()), expected)


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("return (x > 0).to(x)", "return (x >= 0).to(x)"),
        ("return (self.alpha / 2) / (1 +", "return (self.alpha / 2) / (2 +"),
        ("V = torch.where(S.detach() == 0, V, V_RESET) + S_in[t] @ W.T", "V = V + S_in[t] @ W.T"),
        (
            "V = torch.where(S.detach() == 0, V, V_RESET) + S_in[t]",
            "V = torch.where(S.detach() == 0, V, 1.0) + S_in[t]",
        ),
        ("V = torch.where(S.detach() == 0, (1 - F) *", "V = torch.where(S.detach() == 0, 1 *"),
        ("(S_in[t] @ W.T) + V, V_RESET)", "(S_in[t] @ W.T) + V, V)"),
        ("(S_in[t] @ W.T) + V, V_RESET)", "(S_in[t] @ W.T), V_RESET)"),
        ("if (t + 1) % q == 0 else", "if t % q == 0 else"),
        ("if (t + 1) % q == 0 else", "if True else"),
        ("F = S.detach() + F", "F = S.detach()"),
        ("return tq_ttfs_neuron(S_in, W, q=1, theta", "return tq_ttfs_neuron(S_in, W, q=2, theta"),
    ],
)
def test_a_change_to_a_line_of_the_neuron_is_noticed_here(
    line: str, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, occurrences = sys.modules[__name__], 0
    for module, names in (
        (surrogate, ("Atan", "heaviside")),
        (neuron, ("if_neuron", "tq_ttfs_neuron", "ttfs_neuron")),
    ):
        source = Path(module.__file__).read_text(encoding="utf-8")
        occurrences += source.count(line)
        mutant: dict[str, Any] = {"__name__": module.__name__}
        exec(source.replace(line, changed), mutant)
        for name in names:
            monkeypatch.setattr(here, name, mutant[name])
    assert occurrences == 1
    tests = [test for name, test in vars(here).items() if name.startswith("test_") and not signature(test).parameters]
    with pytest.raises(AssertionError):
        for test in tests:
            test()

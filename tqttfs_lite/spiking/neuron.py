"""The slides' three neuron models, written literally: the reference that all faster code must match.

Each is a plain loop over time steps, slow on purpose and never optimised.  The symbols are the slides': W weights,
S spikes, V membrane potentials, F firing history, theta (θ) threshold, q temporal quantization degree, T time steps.
We make two choices that the slides leave open: V starts at V_reset, which is 0, and theta is at least V_reset, because
a neuron whose resting potential is above its threshold would keep firing after its first spike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
from jaxtyping import Float
from torch import Tensor

from tqttfs_lite.errors import InputError, is_whole
from tqttfs_lite.spiking.surrogate import ATAN, Surrogate, heaviside

THRESHOLD = 1.0
V_RESET = 0.0

Response = Callable[[Tensor], Tensor]

# Values of `TrainingConfig.response`: how much of an input spike's potential is left d = 0, 1, 2, ... time steps later.
# None is the slides' neuron, which keeps all of it.  Add your own, such as lambda d: 0.9**d for a leaky neuron.
RESPONSES: dict[str, Response | None] = {"step": None}


@dataclass(frozen=True)
class Neuron:
    """The properties that all neurons of a network share; the defaults are the slides'.

    With a `response` k, the membrane potential of a neuron that has not fired is V[t] = sum of W_i k(t - t_i) over the
    input spikes, t_i <= t.  There are compiled kernels only for the default, a step; other responses run in plain
    PyTorch, as do surrogates other than `Atan`.  With a decay, float32 sums are no longer exact
    (`experiments.checkpoints`): spike counts may differ between machines, and `tqttfs verify` may report differences.
    Raises `InputError` if theta is below V_reset or not finite.
    """

    theta: float = THRESHOLD
    surrogate: Surrogate = ATAN
    response: Response | None = None

    def __post_init__(self) -> None:
        _check_threshold(self.theta)


def _check_threshold(theta: float) -> None:
    if not V_RESET <= theta < inf:
        raise InputError(f"the threshold theta must be finite and at least V_reset = {V_RESET}, not {theta}")


TQ_TTFS = Neuron()


def if_neuron(
    S_in: Float[Tensor, "T B N_in"],
    W: Float[Tensor, "N_out N_in"],
    theta: float = THRESHOLD,
    surrogate: Surrogate = ATAN,
) -> tuple[Float[Tensor, "T B N_out"], Float[Tensor, "T B N_out"]]:
    """Integrate-and-fire neurons without leak, which may fire many times; returns V and S (slides, "IF Neuron model").

    V[t] = W S_in[t] + V[t-1], or W S_in[t] + V_reset on the step after a spike;  S[t] = 1 where V[t] > theta.
    Raises `InputError` if theta is below V_reset or if the shapes do not match.

    >>> S_in, W = torch.ones(4, 1, 1), torch.tensor([[0.75]])
    >>> V, S = if_neuron(S_in, W)
    >>> V.flatten().tolist(), S.flatten().tolist()
    ([0.75, 1.5, 0.75, 1.5], [0.0, 1.0, 0.0, 1.0])
    """
    _check(S_in, W, theta)
    V = S = _silence(S_in, W)
    potentials, spikes = [], []
    for t in range(len(S_in)):
        V = torch.where(S.detach() == 0, V, V_RESET) + S_in[t] @ W.T
        S = heaviside(V - theta, surrogate)
        potentials.append(V)
        spikes.append(S)
    return torch.stack(potentials), torch.stack(spikes)


def ttfs_neuron(
    S_in: Float[Tensor, "T B N_in"],
    W: Float[Tensor, "N_out N_in"],
    theta: float = THRESHOLD,
    surrogate: Surrogate = ATAN,
) -> tuple[Float[Tensor, "T B N_out"], Float[Tensor, "T B N_out"]]:
    """Time-to-first-spike neurons: IF neurons that stop integrating once they have fired; returns V and S.

    They are TQ-TTFS neurons with q = 1, which may fire on every step (slides, "IF Neuron model + TTFS coding").
    """
    return tq_ttfs_neuron(S_in, W, q=1, theta=theta, surrogate=surrogate)


def tq_ttfs_neuron(
    S_in: Float[Tensor, "T B N_in"],
    W: Float[Tensor, "N_out N_in"],
    q: int,
    theta: float = THRESHOLD,
    surrogate: Surrogate = ATAN,
) -> tuple[Float[Tensor, "T B N_out"], Float[Tensor, "T B N_out"]]:
    """TQ-TTFS neurons: they fire at most once, and only on steps t with (t + 1) % q == 0; returns V and S.

    V[t] = (1 - F) W S_in[t] + V[t-1], or V_reset on the step after a spike;
    S[t] = 1 where V[t] > theta and (t + 1) % q == 0;  F = S[t] + F  (slides, "+ Temporal Quantification").
    In the backward pass the firing history F, and therefore the reset, is treated as constant.
    Raises `InputError` if theta is below V_reset, if q is not an integer of at least 1, or if the shapes do not match.

    >>> S_in, W = torch.ones(4, 1, 1), torch.tensor([[0.75]])
    >>> V, S = tq_ttfs_neuron(S_in, W, q=3)
    >>> V.flatten().tolist(), S.flatten().tolist()
    ([0.75, 1.5, 2.25, 0.0], [0.0, 0.0, 1.0, 0.0])
    """
    _check(S_in, W, theta)
    if not is_whole(q) or q < 1:
        raise InputError(f"the temporal quantization degree q must be an integer of at least 1, not {q}")
    V = S = F = _silence(S_in, W)
    potentials, spikes = [], []
    for t in range(len(S_in)):
        V = torch.where(S.detach() == 0, (1 - F) * (S_in[t] @ W.T) + V, V_RESET)
        S = heaviside(V - theta, surrogate) if (t + 1) % q == 0 else torch.zeros_like(V)
        F = S.detach() + F
        potentials.append(V)
        spikes.append(S)
    return torch.stack(potentials), torch.stack(spikes)


def _silence(S_in: Tensor, W: Tensor) -> Tensor:
    """The state before the first step: V = V_reset = 0, S = 0, F = 0."""
    return S_in.new_zeros(S_in.shape[1], W.shape[0])


def _check(S_in: Tensor, W: Tensor, theta: float) -> None:
    _check_threshold(theta)
    if S_in.ndim != 3 or not len(S_in) or W.ndim != 2 or S_in.shape[2] != W.shape[1]:
        found = f"{list(S_in.shape)} and {list(W.shape)}"
        raise InputError(f"spikes and weights must have the shapes [T, B, N_in] and [N_out, N_in], not {found}")

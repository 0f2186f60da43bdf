"""The slides' three neuron models, literally: the reference that everything faster must equal.

Each is a plain loop over time steps, slow on purpose and never optimised.  The symbols are the slides': W weights,
S spikes, V membrane potentials, F firing history, theta (θ) threshold, q temporal quantization degree, T time steps.
Two choices are ours where the slides are silent: V starts at V_reset, which is 0, and theta is at least V_reset,
since a neuron whose resting potential lies above its threshold would fire again and again after its first spike.
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

# By `TrainingConfig.response`: what is left of the potential of an input spike d = 0, 1, 2, ... time steps later.
# None is the slides' neuron, which keeps all of it.  Add your own, such as lambda d: 0.9**d for one that leaks.
RESPONSES: dict[str, Response | None] = {"step": None}


@dataclass(frozen=True)
class Neuron:
    """What the neurons of a network have in common; the defaults are the slides'.

    With a `response` k the membrane potential of a neuron that has not fired is V[t] = sum of W_i k(t - t_i) over the
    input spikes, t_i <= t.  Only the step has compiled kernels; other responses run in plain PyTorch, as do surrogates
    other than `Atan`.  A decay takes the sums off the grid on which float32 adds without rounding
    (`experiments.checkpoints`), so that another machine may count other spikes and `tqttfs verify` may report it.
    Raises `ValueError` for a theta below V_reset, and for one that is no number.
    """

    theta: float = THRESHOLD
    surrogate: Surrogate = ATAN
    response: Response | None = None

    def __post_init__(self) -> None:
        _check_threshold(self.theta)


def _check_threshold(theta: float) -> None:
    if not V_RESET <= theta < inf:
        raise InputError(f"the threshold theta must be a number that is at least V_reset = {V_RESET}, not {theta}")


TQ_TTFS = Neuron()


def if_neuron(
    S_in: Float[Tensor, "T B N_in"],
    W: Float[Tensor, "N_out N_in"],
    theta: float = THRESHOLD,
    surrogate: Surrogate = ATAN,
) -> tuple[Float[Tensor, "T B N_out"], Float[Tensor, "T B N_out"]]:
    """Integrate and fire, no leak, many spikes; returns V and S (slides, "IF Neuron model").

    V[t] = W S_in[t] + V[t-1], or W S_in[t] + V_reset on the step after a spike;  S[t] = 1 where V[t] > theta.
    Raises `ValueError` for a theta below V_reset and for shapes that do not fit.

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
    """Time to first spike: the IF neuron that stops charging once it has fired; returns V and S.

    It is the TQ-TTFS neuron that may fire at every step, q = 1 (slides, "IF Neuron model + TTFS coding").
    """
    return tq_ttfs_neuron(S_in, W, q=1, theta=theta, surrogate=surrogate)


def tq_ttfs_neuron(
    S_in: Float[Tensor, "T B N_in"],
    W: Float[Tensor, "N_out N_in"],
    q: int,
    theta: float = THRESHOLD,
    surrogate: Surrogate = ATAN,
) -> tuple[Float[Tensor, "T B N_out"], Float[Tensor, "T B N_out"]]:
    """Time to first spike on a clock of its own: it fires only where (t + 1) % q == 0; returns V and S.

    V[t] = (1 - F) W S_in[t] + V[t-1], or V_reset on the step after a spike;
    S[t] = 1 where V[t] > theta and (t + 1) % q == 0;  F = S[t] + F  (slides, "+ Temporal Quantification").
    Gradients hold the firing history F, and with it the reset, constant.
    Raises `ValueError` for a theta below V_reset, a q below 1 and shapes that do not fit.

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
    """The state before the first step: V = V_reset, S = 0, F = 0, all of them zero."""
    return S_in.new_zeros(S_in.shape[1], W.shape[0])


def _check(S_in: Tensor, W: Tensor, theta: float) -> None:
    _check_threshold(theta)
    if S_in.ndim != 3 or not len(S_in) or W.ndim != 2 or S_in.shape[2] != W.shape[1]:
        found = f"{list(S_in.shape)} and {list(W.shape)}"
        raise InputError(f"spikes and weights must be [T, B, N_in] and [N_out, N_in], not {found}")

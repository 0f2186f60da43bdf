"""What training minimises: smooth functions of the output layer's potentials over time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional


def soft_decoder_loss(
    V: Float[Tensor, "K B classes"],
    labels: Int64[Tensor, " B"],
    steps: Sequence[int],
    theta: float,
    sharpness: float,
    *,
    step_cost: float = 0.0,
    silence_costs: bool = False,
) -> Float[Tensor, ""]:
    """Minus the log-likelihood of the right answer under a soft version of the slides' decoder, and a price of time.

    At each of the K ticks the decoder either waits or decides for a class, with probabilities softmax(β [θ, V_1, ...,
    V_N]), the first of them for waiting; at the last one it has to decide.  For a large sharpness β it is the slides'
    decoder: it waits while every V is below θ, decides for the highest V at the first tick on which one is above, and
    for the highest V of all at the end.  The likelihood of a class is the sum over ticks of having waited so far times
    deciding for it now.

    `step_cost`, in nats, is the price of a time step: it multiplies the soft decoder's expected inference time steps,
    the sum over ticks of having waited so far times the steps since the tick before.  This is the risk that a
    sequential test minimises, errors plus observations (Wald 1947).

    With `silence_costs` it may wait at the last tick too, which answers nothing: then only a spike is an answer.

    `steps` are the time steps of V, counted from 0.

    >>> V = torch.tensor([[[0.0, 0.0]], [[0.0, 9.0]]])
    >>> round(soft_decoder_loss(V, torch.tensor([1]), steps=(3, 7), theta=1.0, sharpness=10.0).item(), 4)
    0.0
    >>> round(soft_decoder_loss(V, torch.tensor([1]), steps=(3, 7), theta=1.0, sharpness=10.0, step_cost=0.1).item(), 4)
    0.8
    """
    logits = sharpness * (V.float() - theta)
    choice = torch.log_softmax(functional.pad(logits, (1, 0)), dim=2)  # [K, B, 1 + classes], waiting first
    wait, decide = choice[:-1, :, 0], choice[:, :, 1:]
    if not silence_costs:
        decide = torch.cat([decide[:-1], torch.log_softmax(logits[-1:], dim=2)])
    waited = functional.pad(wait.cumsum(dim=0), (0, 0, 1, 0))  # [K, B], of having waited until now
    right = decide.gather(2, labels.expand(len(V), -1)[:, :, None]).squeeze(2)
    log_likelihood = torch.logsumexp(waited + right, dim=0)
    since_last = torch.tensor([-1, *steps], device=V.device).diff()
    inference_steps = (waited.exp() * since_last[:, None]).sum(dim=0)
    return (step_cost * inference_steps - log_likelihood).mean()

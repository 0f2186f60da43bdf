"""The step function of a spike, and what training takes for its derivative, which is 0 almost everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Surrogate(Protocol):
    """A derivative in place of the step function's own; the reference, the fast path and the kernels are given it."""

    def derivative(self, x: Tensor) -> Tensor:
        """g'(x), elementwise, of x = V - theta."""


@dataclass(frozen=True)
class Atan:
    """The slides' surrogate ("Training method"), SpikingJelly's ATan (Fang et al. 2023).

    g'(x) = (alpha / 2) / (1 + (pi / 2 · alpha · x)²): alpha / 2 at the threshold, and narrower the larger alpha is.

    >>> Atan(2.0).derivative(torch.tensor([0.0])).item()
    1.0
    """

    alpha: float = 2.0

    def derivative(self, x: Tensor) -> Tensor:
        return (self.alpha / 2) / (1 + (pi / 2 * self.alpha * x) ** 2)


ATAN = Atan()

# By `TrainingConfig.surrogate`: what makes a surrogate of `TrainingConfig.surrogate_alpha`.  Add your own.
SURROGATES: dict[str, Callable[[float], Surrogate]] = {"atan": Atan}


def heaviside(x: Tensor, surrogate: Surrogate = ATAN) -> Tensor:
    """1 where x > 0, else 0, elementwise; the gradient is the surrogate's.

    >>> x = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    >>> S = heaviside(x)
    >>> S.sum().backward()
    >>> S.tolist(), x.grad[1].item()
    ([0.0, 0.0, 1.0], 1.0)
    """
    spikes: Tensor = _Heaviside.apply(x, surrogate)
    return spikes


class _Heaviside(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, surrogate: Surrogate) -> Tensor:
        ctx.save_for_backward(x)
        ctx.surrogate = surrogate
        return (x > 0).to(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * ctx.surrogate.derivative(x), None

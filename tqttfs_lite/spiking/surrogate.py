"""The step function by which a neuron fires, and the surrogate gradient that replaces its derivative in training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Surrogate(Protocol):
    """A surrogate gradient for the step function, which the reference, the fast path and the kernels are given."""

    def derivative(self, x: Tensor) -> Tensor:
        """g'(x) for x = V - theta, elementwise."""


@dataclass(frozen=True)
class Atan:
    """The slides' surrogate gradient ("Training method"), which is SpikingJelly's ATan (Fang et al. 2023).

    g'(x) = (alpha / 2) / (1 + (pi / 2 · alpha · x)²): it is alpha / 2 at the threshold, and the larger alpha, the
    narrower it is.

    >>> Atan(2.0).derivative(torch.tensor([0.0])).item()
    1.0
    """

    alpha: float = 2.0

    def derivative(self, x: Tensor) -> Tensor:
        return (self.alpha / 2) / (1 + (pi / 2 * self.alpha * x) ** 2)


ATAN = Atan()

# Values of `TrainingConfig.surrogate`: each makes a surrogate from `TrainingConfig.surrogate_alpha`.  Add your own.
SURROGATES: dict[str, Callable[[float], Surrogate]] = {"atan": Atan}


def heaviside(x: Tensor, surrogate: Surrogate = ATAN) -> Tensor:
    """1 where x > 0, otherwise 0, elementwise; its gradient is the surrogate's.

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

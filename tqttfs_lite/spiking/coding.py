"""The encoder, from pixels to spike times, and the decoder, from spikes to a class (slides, "Encode" and "Decode")."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from tqttfs_lite.errors import InputError, is_whole
from tqttfs_lite.spiking.firing import LONGEST_TIME
from tqttfs_lite.spiking.kernels.operators import on_device


def encode(pixels: UInt8[Tensor, "*shape"], time_steps: int) -> UInt8[Tensor, "*shape"]:
    """Encode intensities as spike times: t = Round((T - 1)(1 - x / 255)).

    Every pixel spikes once, the brightest first; t counts from 0.
    The rounding mode does not matter because no value ends in .5: then 2 (T - 1)(255 - x), an even number, would have
    to be an odd multiple of 255.
    Raises `InputError` if T is not from 1 to 254, the largest T that leaves a byte value for "never", or if the pixels
    are not bytes: floating-point intensities from 0 to 1 would all be encoded as black.

    >>> encode(torch.tensor([255, 128, 0], dtype=torch.uint8), time_steps=8)
    tensor([0, 3, 7], dtype=torch.uint8)
    """
    check_time_steps(time_steps)
    if (found := pixels.dtype if isinstance(pixels, Tensor) else type(pixels).__name__) != torch.uint8:
        raise InputError(
            f"pixels must be integers from 0 to 255 of type torch.uint8, not {found}: multiply the output of"
            " torchvision's ToTensor by 255 and round it"
        )
    table = on_device(_latencies(time_steps), torch.uint8, pixels.device)
    return table[pixels.int()]


@cache
def _latencies(time_steps: int) -> tuple[int, ...]:
    """The spike time of each of the 256 intensities."""
    return tuple(round((time_steps - 1) * (1 - intensity / 255)) for intensity in range(256))


def check_time_steps(time_steps: int) -> None:
    """Raise `InputError` if T is not an integer from 1 to `LONGEST_TIME`."""
    if not is_whole(time_steps) or not 1 <= time_steps <= LONGEST_TIME:
        raise InputError(f"the number of time steps T must be an integer from 1 to {LONGEST_TIME}, not {time_steps}")


class Decision(NamedTuple):
    """The answer to each image and its decision step, counted from 1; the step is T if no output neuron fired."""

    label: Int64[Tensor, " B"]
    step: Int64[Tensor, " B"]


def decode(V: Float[Tensor, "K B N"], S: Bool[Tensor, "K B N"], steps: Sequence[int], time_steps: int) -> Decision:
    """Decode the output: the class is that of the output neuron that fires first.

    V and S are the output layer's membrane potentials and spikes at `steps`, which count from 0.  If several neurons
    fire first on the same step, the one with the highest V on that step wins; if none fires, the one with the highest V
    on the last step.  Between equal potentials the lower class wins, so that decisions are reproducible.
    Returns the `label` and decision `step` of each image; the step counts from 1, and is T if no neuron fires.
    Raises `InputError` if the shapes of V and S and the number of `steps` do not match, or if S is not Boolean.

    >>> V = torch.tensor([[[0.5, 0.0]], [[1.25, 1.5]]])
    >>> decode(V, V > 1, steps=(0, 1), time_steps=2)
    Decision(label=tensor([1]), step=tensor([2]))
    """
    if V.ndim != 3 or S.shape != V.shape or not 0 < len(steps) == len(V) or S.dtype != torch.bool:
        found = f"{list(V.shape)} and {list(S.shape)} of {S.dtype} at {len(steps)} steps"
        raise InputError(f"potentials and Boolean spikes must have the shape [K, B, N] for K steps, not {found}")
    fired = S.any(dim=2)  # [K, B]
    decided = fired.any(dim=0)  # [B]
    first = torch.where(decided, fired.int().argmax(dim=0), len(V) - 1)
    images = torch.arange(V.shape[1], device=V.device)
    contenders = S[first, images] | ~decided[:, None]  # [B, N]
    label = V[first, images].masked_fill(~contenders, -torch.inf).argmax(dim=1)
    at = on_device(tuple(steps), torch.int64, V.device)[first]
    return Decision(label, torch.where(decided, at + 1, time_steps))


NO_ANSWER = -1


def decode_weighted(
    S: Bool[Tensor, "K B N"], steps: Sequence[int], time_steps: int, weights: Sequence[float]
) -> Decision:
    """The class whose spikes weigh most, where a spike weighs less the later it comes; without one, `NO_ANSWER`.

    Our reading of the temporal weighting decoder of Che et al. (2024).  Their abstracts say that it sums the outputs'
    spikes over time with weights; that the weights fall is known at second hand, and neither their values nor when
    inference stops is known here.  But an output fires once, so no later spike weighs as much as the first: whatever
    the weights, the sum is decided on the step of the first output spike, and inference stops there, as with `decode`.
    The two differ where outputs fire first together, which here goes to the lower class, and in silence.

    S are the output layer's spikes at `steps`, at most one for each neuron; those after the first may be left out.
    Raises `InputError` for weights that are not positive and falling, one for each step.

    >>> S = torch.tensor([[[False, True]], [[True, False]]])
    >>> decode_weighted(S, steps=(0, 1), time_steps=2, weights=(1.0, 0.5))
    Decision(label=tensor([1]), step=tensor([1]))
    """
    check_weights(weights, steps)
    score = (S * S.new_tensor(weights, dtype=torch.float32)[:, None, None]).sum(dim=0)  # [B, N]
    fired = S.any(dim=2)
    decided = fired.any(dim=0)
    at = on_device(tuple(steps), torch.int64, S.device)[fired.int().argmax(dim=0)]
    return Decision(score.argmax(dim=1).masked_fill(~decided, NO_ANSWER), torch.where(decided, at + 1, time_steps))


def check_weights(weights: Sequence[float], steps: Sequence[int]) -> None:
    """Raise `InputError` for weights of spikes that are not positive and falling, one for each step."""
    if len(weights) != len(steps) or not all(high > low for high, low in pairwise((*weights, 0.0))):
        raise InputError(f"the {len(steps)} weights of spikes must be positive and fall with time, not {list(weights)}")

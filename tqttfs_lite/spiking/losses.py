"""What training minimises: functions of the output layer's potentials over time, smooth or with a surrogate gradient.

`LOSSES` maps the names that `TrainingConfig.loss` allows to these functions; a loss added to it can be trained with.

| `TrainingConfig.loss` | what it is |
|---|---|
| soft-decoder | the negative log-likelihood of the correct class under a soft version of the slides' decoder |
| tick-corrected | the same, with a chance of deciding per time step that does not grow with the number of ticks |
| few-ticks | the corrected loss on about four ticks of a finer clock, chosen by the image's place in its batch |
| first-spike-time | cross-entropy of a softmax over the output neurons' first-spike times |
| temporal-weighting | cross-entropy of a softmax over the outputs' spikes, each weighted less the later it comes |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from tqttfs_lite.spiking.coding import check_weights
from tqttfs_lite.spiking.firing import fire
from tqttfs_lite.spiking.kernels.operators import on_device
from tqttfs_lite.spiking.network import Output
from tqttfs_lite.spiking.neuron import TQ_TTFS, Neuron

REFERENCE_TICKS = 4  # K0 of the correction: with this many ticks, the corrected loss equals the uncorrected one


@runtime_checkable
class Settings(Protocol):
    """The settings of a `TrainingConfig` that a loss may use."""

    @property
    def time_steps(self) -> int: ...
    @property
    def neuron(self) -> Neuron: ...
    @property
    def sharpness(self) -> float: ...
    @property
    def half_life(self) -> float: ...
    @property
    def step_cost(self) -> float: ...
    @property
    def silence_costs(self) -> bool: ...
    @property
    def label_smoothing(self) -> float: ...


Loss = Callable[[Output, Tensor, Settings], Tensor]  # of the output layer, [K, B, classes], and the labels, [B]


def soft_decoder(
    output: Output, labels: Int64[Tensor, " B"], settings: Settings, correction: float | Tensor = 0.0
) -> Float[Tensor, ""]:
    """`soft_decoder_loss` of the output; without a `correction`, it is the same for every clock."""
    ticks = _deciding(output, settings)
    V, steps, theta = output.V[:ticks], output.steps[:ticks], settings.neuron.theta
    return soft_decoder_loss(
        V,
        labels,
        steps,
        theta,
        settings.sharpness,
        correction=correction,
        step_cost=settings.step_cost,
        silence_costs=settings.silence_costs,
        label_smoothing=settings.label_smoothing,
    )


def _deciding(output: Output, settings: Settings) -> int:
    """On how many of the output's steps something can be decided.

    If silence is not an answer, this excludes the last step, unless the clock ticks on it.
    """
    return len(output.clock) if settings.silence_costs else len(output.V)


def tick_corrected(output: Output, labels: Int64[Tensor, " B"], settings: Settings) -> Float[Tensor, ""]:
    """`soft_decoder_loss` with the `tick_correction` of the output's clock."""
    return soft_decoder(output, labels, settings, tick_correction(settings.time_steps, output.clock.step))


def ticks_apart(time_steps: int, q: int) -> int:
    """Every how many ticks `few_ticks` reads, so that they are `REFERENCE_TICKS` and the last step, or nearly so.

    >>> ticks_apart(16, 1), ticks_apart(16, 4), ticks_apart(8, 1)
    (4, 1, 2)
    """
    return max(1, round(time_steps / q / REFERENCE_TICKS))


def few_ticks(output: Output, labels: Int64[Tensor, " B"], settings: Settings) -> Float[Tensor, ""]:
    """`soft_decoder_loss` of every image only at the ticks of a coarser clock, and at the last step.

    Such a clock has about `REFERENCE_TICKS` ticks, and its phase is the image's place in its batch, which is random.
    So the loss has about as few terms as that of a coarse output clock, but trains the potentials on all ticks: a
    control for what such a clock does to training.
    """
    apart = ticks_apart(settings.time_steps, output.clock.step)
    correction = tick_correction(settings.time_steps, output.clock.step * apart)
    tick = torch.arange(_deciding(output, settings), device=output.V.device)
    image = torch.arange(output.V.shape[1], device=output.V.device)
    read = (tick[:, None] - image) % apart == 0
    read[-1] = True
    return soft_decoder(output, labels, settings, torch.where(read, correction, math.inf)[:, :, None])


def first_spike_time(output: Output, labels: Int64[Tensor, " B"], settings: Settings) -> Float[Tensor, ""]:
    """`first_spike_time_loss` on the ticks of the output's clock."""
    return first_spike_time_loss(
        output.V[: len(output.clock)],
        labels,
        output.clock,
        settings.time_steps,
        settings.sharpness,
        settings.neuron,
        step_cost=settings.step_cost,
        label_smoothing=settings.label_smoothing,
    )


def temporal_weighting(output: Output, labels: Int64[Tensor, " B"], settings: Settings) -> Float[Tensor, ""]:
    """`temporal_weighting_loss` on the ticks of the output's clock, with weights that halve every half-life."""
    return temporal_weighting_loss(
        output.V[: len(output.clock)],
        labels,
        output.clock,
        settings.time_steps,
        tuple(2 ** (-t / settings.half_life) for t in output.clock),
        settings.sharpness,
        settings.neuron,
        step_cost=settings.step_cost,
        label_smoothing=settings.label_smoothing,
    )


LOSSES: dict[str, Loss] = {
    "soft-decoder": soft_decoder,
    "tick-corrected": tick_corrected,
    "few-ticks": few_ticks,
    "first-spike-time": first_spike_time,
    "temporal-weighting": temporal_weighting,
}


def soft_decoder_loss(
    V: Float[Tensor, "K B classes"],
    labels: Int64[Tensor, " B"],
    steps: Sequence[int],
    theta: float,
    sharpness: float,
    *,
    correction: float | Float[Tensor, "K B 1"] = 0.0,
    step_cost: float = 0.0,
    silence_costs: bool = False,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Negative log-likelihood of the correct class under a soft version of the slides' decoder, plus a price of time.

    At each of the K ticks, the decoder either waits or decides for a class, with probabilities softmax(β [θ, V_1, ...,
    V_N]), the first of which is for waiting; at the last tick, it has to decide.  For a large sharpness β, it is the
    slides' decoder: it waits while every V is below θ, decides for the highest V at the first tick on which one is
    above, and otherwise for the highest V at the end.  The likelihood of a class is the sum over ticks of the
    probability of having waited so far times that of deciding for the class now.

    `step_cost`, in nats, is the price of a time step: it multiplies the soft decoder's expected inference time steps,
    the sum over ticks of the probability of having waited so far times the steps since the previous tick.  The total
    is the risk that a sequential test minimises, the cost of errors plus that of observations (Wald 1947).

    `correction`, in nats, is subtracted from every class's logit; `tick_correction` gives the value that treats all
    clocks alike.  It may differ from tick to tick and from image to image: where it is infinite, the decoder waits.

    With `silence_costs`, the decoder may also wait at the last tick, which is no answer: then only a spike is one.

    With `label_smoothing`, this share of each label goes to all classes equally, as in PyTorch's cross-entropy (Szegedy
    et al. 2016, "Rethinking the Inception architecture for computer vision").

    `steps` are the time steps of V, counted from 0.

    >>> V = torch.tensor([[[0.0, 0.0]], [[0.0, 9.0]]])
    >>> round(soft_decoder_loss(V, torch.tensor([1]), steps=(3, 7), theta=1.0, sharpness=10.0).item(), 4)
    0.0
    >>> round(soft_decoder_loss(V, torch.tensor([1]), steps=(3, 7), theta=1.0, sharpness=10.0, step_cost=0.1).item(), 4)
    0.8
    """
    waited, decide = soft_choices(V, theta, sharpness, correction=correction, silence_costs=silence_costs)
    right = decide.gather(2, labels.expand(len(V), -1)[:, :, None]).squeeze(2)
    log_likelihood = torch.logsumexp(waited + right, dim=0)
    if label_smoothing:
        of_any = torch.logsumexp(waited[:, :, None] + decide, dim=0).mean(dim=1)
        log_likelihood = torch.lerp(log_likelihood, of_any, label_smoothing)
    since_last = on_device((-1, *steps), torch.int64, V.device).diff()
    inference_steps = (waited.exp() * since_last[:, None]).sum(dim=0)
    return (step_cost * inference_steps - log_likelihood).mean()


def soft_choices(
    V: Float[Tensor, "K B classes"],
    theta: float,
    sharpness: float,
    *,
    correction: float | Float[Tensor, "K B 1"] = 0.0,
    silence_costs: bool = False,
) -> tuple[Float[Tensor, "K B"], Float[Tensor, "K B classes"]]:
    """The soft decoder of `soft_decoder_loss` at each tick: the chances of still waiting and of picking each class.

    Returns log-probabilities: of having waited at all ticks before this one and, given that, of deciding for a class at
    this one.
    """
    logits = sharpness * (V.float() - theta) - correction
    choice = torch.log_softmax(functional.pad(logits, (1, 0)), dim=2)  # [K, B, 1 + classes], waiting first
    wait, decide = choice[:-1, :, 0], choice[:, :, 1:]
    if not silence_costs:
        decide = torch.cat([decide[:-1], torch.log_softmax(logits[-1:], dim=2)])
    return functional.pad(wait.cumsum(dim=0), (0, 0, 1, 0)), decide


def tick_correction(time_steps: int, q: int) -> float:
    """The correction in nats, log(K / K0), that lets the soft decoder decide equally readily per step on every clock.

    While no potential crosses the threshold, the slides' decoder waits, but the soft one may decide at any tick.
    With N outputs at the same V, the odds of deciding are r = N exp(β (V - θ)): for ten outputs at V = 0 and β = 4, a
    probability of r / (1 + r) = 0.155 (Chapter 4).  An output with K ticks repeats this at all but the last, so the
    finer its clock, the sooner the loss takes a silent image for decided: the probability that the soft decoder is
    still waiting when the last tick comes is 8 % for 16 ticks and 60 % for 4.  With log(K / K0) subtracted from every
    class's logit, the odds are r K0 / K, and -log of the probability of waiting through K ticks is
    K log(1 + r K0 / K): to first order in r, this is r K0, whatever K is, and at V = 0 it differs by 7 % between 4 and
    16 ticks.  K0 = 4 leaves the loss of the networks in the slides' accuracy claims, 1-2, 1-2-4 and 1-2-2-4-4,
    unchanged.

    K = T / q is the clock's rate, not its number of ticks.  A clock whose first ticks are left out, since no spike can
    have arrived by then, keeps the rate of the others; where q does not divide T, K is not an integer.

    >>> round(tick_correction(16, 1), 3), tick_correction(16, 4), round(tick_correction(8, 3), 3)
    (1.386, 0.0, -0.405)
    """
    return math.log(time_steps / q / REFERENCE_TICKS)


def first_spike_time_loss(
    V: Float[Tensor, "K B classes"],
    labels: Int64[Tensor, " B"],
    steps: Sequence[int],
    time_steps: int,
    sharpness: float,
    neuron: Neuron = TQ_TTFS,
    *,
    step_cost: float = 0.0,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Cross-entropy of softmax(-β t / T) over the first-spike times t of the output neurons, plus a price of time.

    A neuron that fires at time step t, counted from 0, has t steps behind it on which it had not fired; one that never
    fires has T.  So t is the sum over time steps of 1 - C, where C is the cumulative firing state, with the surrogate
    gradient of the hidden layers (`firing.fire`).  Mostafa (2018) trains with a softmax over transformed spike times.
    The loss has no term per tick and depends on the potentials only through the spikes: an image on which no output
    fires has the loss of a guess.  But its surrogate gradient is a sum over ticks, which is larger on a finer clock.

    `step_cost`, in nats, multiplies the time step of the first output spike, counted from 1; T + 1 if there is none.
    `label_smoothing` is that of `soft_decoder_loss`.
    `steps` are the ticks of V, without a last step on which nothing can fire.

    >>> V = torch.tensor([[[0.0, 2.0]], [[0.0, 2.0]]])  # one image, two outputs: the second fires, at step 3
    >>> round(first_spike_time_loss(V, torch.tensor([1]), (3, 7), 8, sharpness=8.0).item(), 4)
    0.0067
    >>> round(first_spike_time_loss(V, torch.tensor([1]), (3, 7), 8, 8.0, step_cost=0.1).item(), 4)
    0.4067
    """
    t = _first_spike_times(_states(V, steps, neuron), steps, time_steps)
    cross_entropy = functional.cross_entropy(-sharpness * t / time_steps, labels, label_smoothing=label_smoothing)
    return cross_entropy + step_cost * (t.amin(dim=1) + 1).mean()


def temporal_weighting_loss(
    V: Float[Tensor, "K B classes"],
    labels: Int64[Tensor, " B"],
    steps: Sequence[int],
    time_steps: int,
    weights: Sequence[float],
    sharpness: float,
    neuron: Neuron = TQ_TTFS,
    *,
    step_cost: float = 0.0,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Cross-entropy of softmax(β z), where the score z of an output is its spike's weight, plus a price of time.

    `weights` are those of a spike at each step, and fall with time; an output that never fires scores 0.
    It trains for `coding.decode_weighted`.  With the weights 1 - t / T, it is `first_spike_time_loss`.

    `step_cost`, in nats, multiplies the time step of the first output spike, counted from 1; T + 1 if there is none.
    `label_smoothing` is that of `soft_decoder_loss`.
    `steps` are the ticks of V, without a last step on which nothing can fire.
    Raises `InputError` unless the weights are positive and falling, one for each step.

    >>> V = torch.tensor([[[0.0, 2.0]], [[2.0, 2.0]]])  # one image, whose outputs fire at time steps 1 and 0
    >>> round(temporal_weighting_loss(V, torch.tensor([1]), (0, 1), 2, (1.0, 0.5), sharpness=4.0).item(), 4)
    0.1269
    """
    check_weights(weights, steps)
    C = _states(V, steps, neuron)
    falls = [high - low for high, low in pairwise((*weights, 0.0))]  # from a spike on, they add up to its weight
    score = torch.stack([fall * state for fall, state in zip(falls, C, strict=True)]).sum(dim=0)  # [B, classes]
    cross_entropy = functional.cross_entropy(sharpness * score, labels, label_smoothing=label_smoothing)
    return cross_entropy + step_cost * (_first_spike_times(C, steps, time_steps).amin(dim=1) + 1).mean()


def _states(V: Float[Tensor, "K B classes"], steps: Sequence[int], neuron: Neuron) -> Float[Tensor, "K B classes"]:
    """The cumulative firing state of the outputs at their own ticks, with the gradient of the hidden layers."""
    return fire(V.float(), steps, steps, replace(neuron, response=None))


def _first_spike_times(
    C: Float[Tensor, "K B classes"], steps: Sequence[int], time_steps: int
) -> Float[Tensor, "B classes"]:
    """The number of time steps on which each output has not fired yet; T if it never does."""
    until_next = on_device((*steps, time_steps), torch.int64, C.device).diff()  # [K]
    return steps[0] + ((1 - C) * until_next[:, None, None]).sum(dim=0)

"""Each loss against a plain computation of what it claims to be."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from tqttfs_lite.errors import ConfigError, InputError
from tqttfs_lite.experiments.config import TrainingConfig, recipe
from tqttfs_lite.experiments.training import train
from tqttfs_lite.spiking import losses
from tqttfs_lite.spiking.coding import decode
from tqttfs_lite.spiking.firing import ticks
from tqttfs_lite.spiking.losses import (
    first_spike_time_loss,
    soft_decoder_loss,
    temporal_weighting_loss,
    tick_correction,
)
from tqttfs_lite.spiking.network import Output, clocks
from tqttfs_lite.spiking.notation import Architecture
from tqttfs_lite.spiking.surrogate import ATAN

OUTPUTS, SHARPNESS = 10, 4.0


def soft_decoder_by_hand(
    V: list[list[float]], steps: tuple[int, ...], label: int, sharpness: float, correction: float, silence_costs: bool
) -> tuple[float, float]:
    """The likelihood of the label and the expected inference time steps, spelled out tick by tick."""
    waited, likelihood, inference_steps = 1.0, 0.0, 0.0
    for k, potentials in enumerate(V):
        weights = [math.exp(sharpness * (v - 1) - correction) for v in potentials]
        has_to_decide = k == len(V) - 1 and not silence_costs
        total = sum(weights) + (0 if has_to_decide else 1)
        likelihood += waited * weights[label] / total
        ends = waited if k == len(V) - 1 else waited * sum(weights) / total  # silence ends there too
        inference_steps += ends * (steps[k] + 1)
        waited *= 1 / total
    return likelihood, inference_steps


@pytest.mark.parametrize("silence_costs", [False, True])
@pytest.mark.parametrize("step_cost", [0.0, 0.25])
@pytest.mark.parametrize("correction", [0.0, 1.4])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_the_loss_is_the_risk_of_the_soft_decoder(
    label: int, correction: float, step_cost: float, silence_costs: bool
) -> None:
    """Minus the log-likelihood of the label and the price of the expected time steps."""
    V, steps = [[0.2, 0.9, 1.4], [1.1, -0.3, 0.8], [0.5, 0.6, 0.7]], (1, 4, 6)
    settings = {"correction": correction, "step_cost": step_cost, "silence_costs": silence_costs}
    loss = soft_decoder_loss(torch.tensor(V)[:, None], torch.tensor([label]), steps, 1.0, 3.0, **settings)
    likelihood, inference_steps = soft_decoder_by_hand(V, steps, label, 3.0, correction, silence_costs)
    assert loss.item() == pytest.approx(step_cost * inference_steps - math.log(likelihood), rel=1e-5)


def test_a_sharp_soft_decoder_is_the_slides_decoder() -> None:
    torch.manual_seed(0)
    V = 2 * torch.randn(4, 200, 5)
    decided = decode(V, V > 1, range(4), 4).label
    images = range(V.shape[1])
    found = torch.stack(
        [
            torch.stack([soft_decoder_loss(V[:, [i]], torch.tensor([c]), range(4), 1.0, 1000.0) for c in range(5)])
            for i in images
        ]
    )
    assert torch.equal(found.argmin(dim=1), decided)
    assert found.min(dim=1).values.median() < 1e-3


def waiting_cost(potential: float, clock: range, correction: float) -> float:
    """-log of the soft decoder's chance to wait through every tick of a clock, all outputs at one potential.

    Taken from the loss itself: it may wait at the last tick too, and what it then decides is 1 minus the likelihoods.
    """
    V = torch.full((len(clock), 1, OUTPUTS), potential)
    found = soft_decoder_loss(
        V, torch.tensor([0]), clock, 1.0, SHARPNESS, correction=correction, silence_costs=True
    ).item()
    return -math.log(1 - OUTPUTS * math.exp(-found))  # every class is as likely


def test_the_chance_of_a_decision_at_a_tick_on_silent_potentials_is_the_closed_form() -> None:
    r = OUTPUTS * math.exp(-SHARPNESS)
    assert r / (1 + r) == pytest.approx(0.155, abs=5e-4)
    assert waiting_cost(0.0, range(1), 0.0) == pytest.approx(math.log(1 + r), rel=1e-4)
    still_waiting = [math.exp(-waiting_cost(0.0, range(K - 1), 0.0)) for K in (16, 4)]
    assert still_waiting == pytest.approx([0.08, 0.60], abs=5e-3)


@pytest.mark.parametrize("time_steps", [8, 16])
@pytest.mark.parametrize("potential", [0.0, -0.5])
def test_corrected_every_clock_decides_as_readily_per_time_step(potential: float, time_steps: int) -> None:
    plain, corrected = (
        [waiting_cost(potential, ticks(time_steps, q), on * tick_correction(time_steps, q)) for q in (1, 2, 4)]
        for on in (False, True)
    )
    assert max(corrected) / min(corrected) < 1.07 + (time_steps == 8) * 0.06  # equal to first order in the odds
    assert max(plain) / min(plain) == pytest.approx(4, rel=1e-3)


def test_corrected_the_mass_of_each_window_of_time_is_alike() -> None:
    """Not only over all of time: what is decided within each 4 time steps, of a silent image, on three clocks."""
    windows = []
    for q in (1, 2, 4):
        costs = [waiting_cost(-0.25, ticks(end, q), tick_correction(16, q)) for end in (4, 8, 12, 16)]
        waited = [1.0, *(math.exp(-cost) for cost in costs)]
        windows.append([before - after for before, after in pairwise(waited)])
    for window in zip(*windows, strict=True):
        assert max(window) / min(window) < 1.05


def test_a_clock_that_starts_late_has_the_correction_of_its_rate() -> None:
    late, early = (clocks(Architecture.parse(text), 16)[-1] for text in ("784-9(4)-10(1)", "784-9(1)-10(1)"))
    assert (len(late), len(early)) == (13, 16)  # no spike of the hidden layer can come before time step 3
    assert late.step == early.step
    ratio = waiting_cost(-0.5, late, tick_correction(16, late.step)) / len(late)
    assert ratio == pytest.approx(waiting_cost(-0.5, early, tick_correction(16, early.step)) / len(early), rel=1e-4)


def test_where_q_does_not_divide_the_time_the_rate_is_a_fraction() -> None:
    clock = ticks(8, 3)
    assert list(clock) == [2, 5]
    assert tick_correction(8, 3) == pytest.approx(math.log(8 / 3 / 4))
    rate = waiting_cost(-1.0, clock, tick_correction(8, 3)) / (3 * len(clock))
    every = waiting_cost(-1.0, ticks(8, 1), tick_correction(8, 1)) / 8
    assert rate == pytest.approx(every, rel=0.02)


def test_the_correction_leaves_the_slides_quantized_networks_as_they_are() -> None:
    assert tick_correction(16, 4) == tick_correction(8, 2) == 0
    assert tick_correction(16, 1) == pytest.approx(math.log(4))


def first_spike_time_by_hand(V: list[list[float]], steps: tuple[int, ...], T: int) -> list[int]:
    """The first of the steps on which each output is above 1, T where none is."""
    return [
        next((step for step, potentials in zip(steps, V, strict=True) if potentials[n] > 1), T)
        for n in range(len(V[0]))
    ]


@pytest.mark.parametrize("label", [0, 1, 2])
@pytest.mark.parametrize("V", [[[0.2, 0.9, 1.4], [1.1, -0.3, 0.8], [0.5, 0.6, 0.7]], [[0.0] * 3] * 3])
def test_the_first_spike_time_loss_is_a_cross_entropy_of_times(V: list[list[float]], label: int) -> None:
    steps, T = (1, 4, 6), 8
    t = first_spike_time_by_hand(V, steps, T)
    loss = first_spike_time_loss(torch.tensor(V)[:, None], torch.tensor([label]), steps, T, 5.0, step_cost=0.3)
    weights = [math.exp(-5 * time / T) for time in t]
    assert loss.item() == pytest.approx(-math.log(weights[label] / sum(weights)) + 0.3 * (min(t) + 1), rel=1e-5)


def test_the_gradient_of_the_first_spike_time_loss_is_that_of_the_literal_neuron() -> None:
    """dL/dV[k] = -g'(V[k] - θ) · [not fired before k] · time left at k · dL/dt."""
    steps, T, label = (1, 4, 6), 8, 1
    V = torch.tensor([[0.2, 0.9, 1.4], [1.1, -0.3, 0.8], [0.5, 0.6, 0.7]], requires_grad=True)
    first_spike_time_loss(V[:, None], torch.tensor([label]), steps, T, 5.0).backward()
    t = torch.tensor(first_spike_time_by_hand(V.tolist(), steps, T), dtype=torch.float32)
    softmax = torch.softmax(-5 * t / T, dim=0)
    dL_dt = -5 / T * (softmax - torch.nn.functional.one_hot(torch.tensor(label), 3))
    expected = torch.zeros_like(V)
    for k, step in enumerate(steps):
        not_fired = t >= step
        expected[k] = -ATAN.derivative(V.detach()[k] - 1) * not_fired * (T - step) * dL_dt
    assert torch.allclose(V.grad, expected, atol=1e-6)


POTENTIALS = [
    [[0.2, 0.9, 1.4], [1.1, -0.3, 0.8], [0.5, 0.6, 0.7]],  # the last output fires, then the first; the other is silent
    [[0.2, 0.9, 0.4], [1.1, 1.3, 0.8], [0.5, 0.6, 1.7]],  # two fire first together
    [[0.0] * 3] * 3,  # silence
]
STEPS, WEIGHTS = (1, 4, 6), (0.7, 0.4, 0.25)


@pytest.mark.parametrize("label", [0, 1, 2])
@pytest.mark.parametrize("V", POTENTIALS)
def test_the_temporal_weighting_loss_is_a_cross_entropy_of_weighted_spikes(V: list[list[float]], label: int) -> None:
    t = first_spike_time_by_hand(V, STEPS, 8)
    loss = temporal_weighting_loss(
        torch.tensor(V)[:, None], torch.tensor([label]), STEPS, 8, WEIGHTS, 5.0, step_cost=0.3
    )
    odds = [math.exp(5 * dict(zip(STEPS, WEIGHTS, strict=True)).get(time, 0)) for time in t]
    assert loss.item() == pytest.approx(-math.log(odds[label] / sum(odds)) + 0.3 * (min(t) + 1), rel=1e-5)


def test_the_gradient_of_the_temporal_weighting_loss_is_that_of_the_literal_neuron() -> None:
    """dL/dV[k] = g'(V[k] - θ) · [not fired before k] · (weight at k · dL/dz - time left at k · price of the first)."""
    V = torch.tensor(POTENTIALS[0], requires_grad=True)
    temporal_weighting_loss(V[:, None], torch.tensor([1]), STEPS, 8, WEIGHTS, 5.0, step_cost=0.3).backward()
    t = torch.tensor(first_spike_time_by_hand(POTENTIALS[0], STEPS, 8), dtype=torch.float32)
    z = torch.tensor([0.4, 0.0, 0.7])
    dL_dz = 5 * (torch.softmax(5 * z, dim=0) - torch.tensor([0.0, 1.0, 0.0]))
    expected = torch.zeros_like(V)
    for k, (step, weight) in enumerate(zip(STEPS, WEIGHTS, strict=True)):
        through = weight * dL_dz - 0.3 * (t == t.min()) * (8 - step)
        expected[k] = ATAN.derivative(V.detach()[k] - 1) * (t >= step) * through
    assert torch.allclose(V.grad, expected, atol=1e-6)


@pytest.mark.parametrize("V", POTENTIALS)
def test_weights_on_a_straight_line_give_the_loss_of_first_spike_times(V: list[list[float]]) -> None:
    """softmax(β (1 - t / T)) is softmax(-β t / T), silence included; the gradients are equal, too."""
    losses_, gradients = [], []
    for line in (True, False):
        leaf = torch.tensor(V, requires_grad=True)
        found = (
            temporal_weighting_loss(
                leaf[:, None], torch.tensor([1]), STEPS, 8, [1 - t / 8 for t in STEPS], 5.0, step_cost=0.3
            )
            if line
            else first_spike_time_loss(leaf[:, None], torch.tensor([1]), STEPS, 8, 5.0, step_cost=0.3)
        )
        found.backward()
        losses_.append(found.detach())
        gradients.append(leaf.grad)
    assert torch.allclose(*losses_)
    assert torch.allclose(*gradients, atol=1e-6)


@pytest.mark.parametrize("weights", [(1.0, 0.5), (1.0, 1.0, 0.5), (1.0, 0.5, 0.0), (0.2, 0.5, 0.7)])
def test_weights_that_do_not_fall_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="the 3 weights of spikes must be positive and fall with time, not"):
        temporal_weighting_loss(torch.zeros(3, 1, 3), torch.tensor([0]), STEPS, 8, weights, 5.0)


def test_training_weighs_a_spike_by_its_half_life(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(losses, "temporal_weighting_loss", lambda V, *given, **_: seen.append(given[3]) or V.sum())
    config = recipe("784-16-10(2)", "mnist", 8, loss="temporal-weighting", half_life=2.0)
    output = Output(torch.zeros(4, 1, 10), torch.zeros(4, 1, 10, dtype=torch.bool), (1, 3, 5, 7), range(1, 8, 2))
    losses.LOSSES[config.loss](output, torch.tensor([0]), config)
    assert seen == [pytest.approx((2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5))]


def test_the_losses_are_computed_where_the_potentials_are() -> None:
    V, labels = torch.zeros(2, 3, 5, device="meta"), torch.zeros(3, dtype=torch.int64, device="meta")
    assert soft_decoder_loss(V, labels, (1, 3), 1.0, 4.0, step_cost=0.1).device.type == "meta"
    assert first_spike_time_loss(V, labels, (1, 3), 4, 4.0, step_cost=0.1).device.type == "meta"
    assert temporal_weighting_loss(V, labels, (1, 3), 4, (1.0, 0.5), 4.0, step_cost=0.1).device.type == "meta"


@pytest.mark.parametrize("silence_costs", [False, True])
def test_few_ticks_are_those_of_a_coarser_clock_whose_phase_is_the_images_place(silence_costs: bool) -> None:
    settings = recipe("784-16-10", "mnist", 8, loss="few-ticks", step_cost=0.1, silence_costs=silence_costs)
    V = torch.randn(8, 5, 10, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.arange(5)
    found = losses.few_ticks(Output(V, V > 1, tuple(range(8)), range(8)), labels, settings)
    found.backward()
    assert V.grad is not None and V.grad.isfinite().all()
    each = []
    for image in range(5):
        read = [t for t in range(8) if t % 2 == image % 2 or t == 7]
        assert not V.grad[[t for t in range(8) if t not in read], image].any()
        alone = V[read, image : image + 1], labels[image : image + 1], read
        each.append(soft_decoder_loss(*alone, 1.0, 4.0, step_cost=0.1, silence_costs=silence_costs))
    assert found.item() == pytest.approx(sum(each).item() / 5, rel=1e-5)


def test_four_ticks_are_read_as_they_are() -> None:
    settings = recipe("784-16-10(4)", "mnist", 16)
    V = torch.randn(4, 6, 10, generator=torch.Generator().manual_seed(0))
    output, labels = Output(V, V > 1, (3, 7, 11, 15), range(3, 16, 4)), torch.arange(6)
    assert torch.equal(losses.few_ticks(output, labels, settings), losses.tick_corrected(output, labels, settings))


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_smoothed_labels_give_a_share_of_the_loss_to_every_class(loss: str) -> None:
    settings = recipe("784-16-10(2)", "mnist", 8, loss=loss, label_smoothing=0.2)
    V = torch.randn(4, 6, 10, generator=torch.Generator().manual_seed(0)).cumsum(dim=0)
    output = Output(V, V > 1, (1, 3, 5, 7), range(1, 8, 2))
    right = V[-1].argmax(dim=1)  # so that the loss is not the mean over the classes

    def value(labels: torch.Tensor, config: TrainingConfig) -> float:
        return losses.LOSSES[loss](output, labels, config).item()

    certain = replace(settings, label_smoothing=0.0)
    every = sum(value(torch.full((6,), label), certain) for label in range(10)) / 10
    assert value(right, settings) == pytest.approx(0.8 * value(right, certain) + 0.2 * every, rel=1e-5)
    assert value(right, settings) != pytest.approx(value(right, certain), rel=1e-3)


def test_a_loss_is_a_setting_and_the_default_leaves_every_hash_as_it_was() -> None:
    usual = recipe("784-400-10(2)", "mnist", 8)
    assert replace(usual, loss="soft-decoder").hash[:8] == "650a2a72"
    others = {recipe("784-400-10(2)", "mnist", 8, loss=name).hash for name in losses.LOSSES}
    assert len(others) == len(losses.LOSSES) and usual.hash in others
    with pytest.raises(ConfigError, match="or few-ticks or first-spike-time or temporal-weighting, not 'mse'"):
        recipe("784-400-10", "mnist", 8, loss="mse")
    with pytest.raises(ConfigError, match="silence_costs must be no with the loss first-spike-time"):
        recipe("784-400-10", "mnist", 8, loss="first-spike-time", silence_costs=True)
    with pytest.raises(ConfigError, match="silence_costs must be no with the loss temporal-weighting"):
        recipe("784-400-10", "mnist", 8, loss="temporal-weighting", silence_costs=True)
    with pytest.raises(ConfigError, match="half_life must be 4, the default, with the loss tick-corrected, which"):
        recipe("784-400-10", "mnist", 8, half_life=2.0)
    with pytest.raises(ConfigError, match="loss must be soft-decoder, the default, with rate coding"):
        recipe("784-400-10", "mnist", 8, coding="rate", step_cost=0.0, loss="tick-corrected")


@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("network", ["784-16(1)-10(1)", "784-16(1)-10(2)", "784-16(2)-10(3)", "784-16(3)-10(1)"])
@pytest.mark.usefixtures("small_data")
def test_every_loss_trains_on_every_clock(network: str, loss: str) -> None:
    """Among them one that does not divide T = 8 and one that starts late."""
    config = TrainingConfig(network, "mnist", 8, epochs=4, batch_size=32, initial_gain=2.0, averaging=0.9, loss=loss)
    config = replace(config, sharpness=4.0 if loss in ("soft-decoder", "tick-corrected", "few-ticks") else 8.0)
    assert train(config, progress=False).history[-1].validation_accuracy > 95


@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.usefixtures("small_data")
def test_where_time_costs_images_are_decided_sooner(loss: str) -> None:
    steps = {}
    for cost in (0.0, 1.0):
        config = TrainingConfig("784-16-10(2)", "mnist", 16, epochs=6, batch_size=32, initial_gain=2.0, averaging=0.9)
        trained = train(replace(config, loss=loss, step_cost=cost), progress=False)
        steps[cost] = trained.history[-1].validation_steps
    assert steps[1.0] < steps[0.0] - 0.5


@pytest.mark.usefixtures("small_data")
def test_the_correction_is_what_training_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(losses, "soft_decoder_loss", lambda V, *_, correction, **__: seen.append(correction) or V.sum())
    config = TrainingConfig("784-16-10(2)", "mnist", 16, epochs=1, batch_size=320, loss="tick-corrected")
    for changed in (config, replace(config, loss="soft-decoder")):
        train(changed, progress=False)
    assert seen == [math.log(2), 0.0]

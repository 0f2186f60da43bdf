"""What trained networks do, image by image: what they answer, when, and what other rules would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from matplotlib.figure import Figure
from pandas import DataFrame
from tqdm import tqdm

from tqttfs_lite.energy.models import Counts
from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import answers as stored
from tqttfs_lite.experiments import devices, experiment
from tqttfs_lite.experiments.datasets import EXAMPLE, get, load
from tqttfs_lite.experiments.evaluation import Evaluation, evaluate
from tqttfs_lite.experiments.results import ANSWERS, Result, beside
from tqttfs_lite.paper.seed_statistics import Group, Spread, paired, spread
from tqttfs_lite.report import result_figures
from tqttfs_lite.spiking.coding import decode, decode_weighted, encode
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.losses import soft_choices, tick_correction
from tqttfs_lite.spiking.notation import Architecture

FIRST_SPIKE, LAST_POTENTIAL = "first spike", "highest potential at the end"


def answers(result: Result, batch_size: int = 500) -> DataFrame:
    """One row for every test image: its label, the answer, the inference time steps, and what the answer rests on."""
    test = load(result.config.dataset, "test")
    network = experiment.trained_network(result).eval()
    batches = []
    for images, labels in zip(test.images.split(batch_size), test.labels.split(batch_size), strict=True):
        answer, step, first, _ = infer(network, encode(images, network.time_steps))
        by = [FIRST_SPIKE if fired else LAST_POTENTIAL for fired in first.any(dim=1).tolist()]
        batches.append(DataFrame({"label": labels.numpy(), "answer": answer.numpy(), "step": step.numpy(), "by": by}))
    return pd.concat(batches, ignore_index=True)


def by_kind(answers: DataFrame) -> DataFrame:
    """How many answers came from a first spike and how many from the potentials at the end, and how many are right.

    >>> by = [FIRST_SPIKE, FIRST_SPIKE, LAST_POTENTIAL]
    >>> table = pd.DataFrame({"label": [1, 2, 3], "answer": [1, 2, 0], "by": by})
    >>> by_kind(table)
                                  images  right  right, %
    first spike                        2      2     100.0
    highest potential at the end       1      0       0.0
    """
    right = (answers["answer"] == answers["label"]).groupby(answers["by"]).agg(["size", "sum"])
    table = right.set_axis(["images", "right"], axis=1).rename_axis(None)
    return table.assign(**{"right, %": (100 * table["right"] / table["images"]).round(2)})


def decision_shares(networks: Mapping[str, DataFrame], time_steps: int) -> DataFrame:
    """The percentage of images answered by a first spike on each step, and of those without one; the rows are steps.

    >>> table = pd.DataFrame({"step": [1, 2, 2, 2], "by": [FIRST_SPIKE, FIRST_SPIKE, FIRST_SPIKE, LAST_POTENTIAL]})
    >>> decision_shares({"a": table}, time_steps=2)["a"].to_dict()
    {'1': 25.0, '2': 50.0, 'none': 25.0}
    """
    rows = [*(str(step) for step in range(1, time_steps + 1)), "none"]
    steps = {
        name: table["step"].astype(str).where(table["by"] == FIRST_SPIKE, "none") for name, table in networks.items()
    }
    shares = {name: 100 * step.value_counts(normalize=True).reindex(rows, fill_value=0) for name, step in steps.items()}
    return DataFrame(shares)


def race(result: Result, index: int = EXAMPLE) -> Figure:
    """Run one test image and draw how the output potentials race for the threshold; print how the race ended."""
    config, test = result.config, load(result.config.dataset, "test")
    names = get(config.dataset).classes
    with torch.no_grad():
        output = experiment.trained_network(result).eval()(encode(test.images[[index]], config.time_steps))
    decision = decode(output.V, output.S, output.steps, config.time_steps)
    label, step = int(decision.label), int(decision.step)
    how = f"the first output spike came on step {step}" if output.S.any() else "no output neuron fired by the last step"
    print(f"{how} of {config.time_steps}: the answer is {names[label]}, the label {names[test.labels[index]]}")
    return result_figures.output_race(output.V[:, 0], output.steps, names, label, step, config.theta)


def counted(result: Result, index: int = EXAMPLE) -> Counts:
    """The counts of one test image in a network up to its decision, layer by layer."""
    test, network = load(result.config.dataset, "test"), experiment.trained_network(result)
    return evaluate(network, test.images[[index]], test.labels[[index]]).counts(network.architecture)


def raster(networks: Mapping[str, Result], index: int = EXAMPLE) -> Figure:
    """Run one test image through networks of one shape and draw when each of their neurons spikes."""
    (config, *_) = [result.config for result in networks.values()]
    times = encode(load(config.dataset, "test").images[[index]], config.time_steps)
    columns = {}
    for name, result in networks.items():
        ran = infer(experiment.trained_network(result).eval(), times, early_exit=False)
        columns[name] = ([times[0], *(layer[0] for layer in ran.firing_times)], int(ran.step))
    *hidden, _ = ran.firing_times
    layers = ["pixels", *(f"hidden layer {n}" for n, _ in enumerate(hidden, start=1)), "output"]
    return result_figures.network_raster(columns, layers, config.time_steps)


def confusion(answers: DataFrame, classes: Sequence[str]) -> DataFrame:
    """How many images of each class (the rows) are answered as each class (the columns).

    >>> confusion(pd.DataFrame({"label": [0, 0, 1], "answer": [0, 1, 1]}), ["shirt", "bag"])
           shirt  bag
    shirt      1    1
    bag        0    1
    """
    everything = range(len(classes))
    table = pd.crosstab(answers["label"], answers["answer"]).reindex(everything, axis=0).reindex(everything, axis=1)
    names = list(classes)
    return table.fillna(0).astype(int).set_axis(names, axis=0).set_axis(names, axis=1)


def stopped_at(result: Result, batch_size: int = 500) -> DataFrame:
    """The share of right answers, and of images decided by a spike, in percent, if inference must end by a given step.

    The rows are the steps on which the output layer ticks, counted from 1.  An image that has had its first output
    spike keeps that answer; for any other, the highest output potential on that step answers, as it does at the end.
    """
    network, test = experiment.trained_network(result).eval(), load(result.config.dataset, "test")
    right = torch.zeros(len(network.layers[-1].steps))
    decided = torch.zeros_like(right)
    with torch.no_grad(), torch.backends.nnpack.flags(enabled=False):
        for images, labels in zip(test.images.split(batch_size), test.labels.split(batch_size), strict=True):
            V, S, steps, _ = network(encode(images, network.time_steps))
            for k in range(len(steps)):
                answer = decode(V[: k + 1], S[: k + 1], steps[: k + 1], network.time_steps)
                right[k] += (answer.label == labels).sum()
                decided[k] += S[: k + 1].any(dim=2).any(dim=0).sum()
    percent = {"right, %": right, "decided, %": decided}
    index = pd.Index([t + 1 for t in network.layers[-1].steps], name="stopped at step")
    return DataFrame({name: 100 * count.numpy() / len(test.images) for name, count in percent.items()}, index=index)


def run_with(result: Result, quantizations: Sequence[str], *, device: str = "cpu", progress: bool = True) -> DataFrame:
    """The same weights on other clocks, without training: accuracy, mean steps and silence for these degrees.

    For the degrees that the weights were trained with, the values are the result's own.
    """
    test = load(result.config.dataset, "test")
    trained = Architecture.parse(result.config.architecture).short_form
    rows = {}
    for degrees in tqdm(quantizations, desc=f"trained as {result.config.architecture}", disable=not progress):
        score = result.test
        if degrees != trained:
            network = experiment.trained_network(result, degrees).to(devices.choose(device))
            score = evaluate(network, test.images, test.labels)
        rows[degrees] = [score.accuracy, score.mean_steps, 100 * score.silent / score.images]
    columns = ["accuracy, %", "inference time steps", "no output spike, %"]
    return DataFrame.from_dict(rows, "index", columns=columns).rename_axis(f"trained as {trained}, run as")


def later_where_both_decide(quantized: Group, baseline: Group) -> Spread | None:
    """By how many time steps the quantized network decides later on the test images that both decide by a spike.

    Over the seeds for which both have stored answers; None if there are none.  Such images are the easier ones, and are
    not the same for every seed.
    """
    labels = load(quantized.config.dataset, "test").labels
    later = []
    for pair in paired(quantized, baseline):
        if all(beside(result, *ANSWERS).exists() for result in pair):
            after, before = (stored.read(result, labels) for result in pair)
            both = after.decided & before.decided
            later.append(float((after.step[both].double() - before.step[both].double()).mean()))
    return spread(later) if later else None


@torch.no_grad()
@torch.backends.nnpack.flags(enabled=False)
def soft_decoder(result: Result, count: int = 2000, batch_size: int = 500) -> dict[str, float]:
    """How far the soft decoder of a network's loss is from the slides' decoder, on the first `count` test images.

    Returns the share of right answers of each, in percent; the mean time steps of each; and the chance, in percent,
    that the soft one decides on a tick, other than the last, on which no output neuron is above its threshold.
    Raises `InputError` for a loss that does not decide on every tick, and the errors of `experiment.trained_network`.
    """
    config = result.config
    network, test = experiment.trained_network(result).eval(), load(config.dataset, "test")
    q = network.layers[-1].clock.step
    corrections = {"soft-decoder": 0.0, "tick-corrected": tick_correction(config.time_steps, q)}
    if config.loss not in corrections:
        raise InputError(f"the loss {config.loss} has no soft decoder that decides on every tick")
    correction = corrections[config.loss]
    sums = torch.zeros(5, dtype=torch.float64)
    batches = (tensor[:count].split(batch_size) for tensor in (test.images, test.labels))
    for images, labels in zip(*batches, strict=True):
        V, S, steps, _ = network(encode(images, network.time_steps))
        waited, decide = soft_choices(
            V, config.theta, config.sharpness, correction=correction, silence_costs=config.silence_costs
        )
        chance = (waited[:, :, None] + decide).exp()  # [K, B, classes]
        since_last = torch.tensor([-1, *steps]).diff()
        answer, step, *_ = decode(V, S, steps, network.time_steps)
        below = ~S.any(dim=2)
        below[-1] = False  # there the highest potential is an answer for both
        sums += torch.stack(
            [
                (answer == labels).sum(),
                (chance.sum(dim=0).argmax(dim=1) == labels).sum(),
                step.sum(),
                (waited.exp() * since_last[:, None]).sum(),
                chance.sum(dim=2)[below].sum(),
            ]
        ).double()
    right, soft_right, steps_taken, soft_steps, early = (sums / len(test.images[:count])).tolist()
    return {
        "right, %": 100 * right,
        "right, soft, %": 100 * soft_right,
        "steps": steps_taken,
        "steps, soft": soft_steps,
        "decided below the threshold, %": 100 * early,
    }


def weighted_decoder(result: Result, count: int = 2000, batch_size: int = 500) -> dict[str, float]:
    """What a decoder that weights output spikes by their time makes of the spikes that the slides' decoder reads.

    On the first `count` test images, in percent: right answers of each; images on which the answers or the steps
    differ; and the two possible reasons, ties for the first spike and silence.  The output goes on spiking
    after the decision, up to the last time step; the weights are 1 - t / T, but any would do as long as they fall.
    """
    T = result.config.time_steps
    network, test = experiment.trained_network(result).eval(), load(result.config.dataset, "test")
    sums = torch.zeros(6, dtype=torch.int64)
    batches = (tensor[:count].split(batch_size) for tensor in (test.images, test.labels))
    for images, labels in zip(*batches, strict=True):
        answer, step, first, times = infer(network, encode(images, T), early_exit=False)
        clock = network.layers[-1].clock
        S = times[-1] == torch.tensor(clock, dtype=torch.uint8)[:, None, None]
        weighted = decode_weighted(S, clock, T, [1 - t / T for t in clock])
        sums += torch.stack(
            [
                (answer == labels).sum(),
                (weighted.label == labels).sum(),
                (weighted.label != answer).sum(),
                (weighted.step != step).sum(),
                (first.sum(dim=1) > 1).sum(),
                (~first.any(dim=1)).sum(),
            ]
        )
    names = ("right, %", "right, weighted, %", "other answer, %", "other step, %", "tied, %", "silent, %")
    return dict(zip(names, (100 * sums / len(test.images[:count])).tolist(), strict=True))


def on_training_images(result: Result, count: int = 5000, *, device: str = "cpu") -> Evaluation:
    """The score on the first `count` images that the network was trained with, none of them shifted or flipped."""
    train, network = load(result.config.dataset, "train"), experiment.trained_network(result)
    return evaluate(network.to(devices.choose(device)), train.images[:count], train.labels[:count])


def input_spikes(dataset: str, time_steps: int) -> list[float]:
    """Mean spikes of a test image's pixels up to each of the T time steps."""
    images = load(dataset, "test").images
    counts = torch.bincount(encode(images, time_steps).flatten(), minlength=time_steps)
    return [count / len(images) for count in counts.cumsum(0).tolist()]

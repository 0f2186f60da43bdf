"""Figures of neurons and coding, one function each, which returns a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, product
from math import ceil, floor, pi

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pandas import DataFrame
from torch import Tensor

from tqttfs_lite.energy.models import frequency_coefficients
from tqttfs_lite.report.style import CARD, COLORS, FAINT, INK, MUTED, WIDTH, panels
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.firing import ticks
from tqttfs_lite.spiking.losses import soft_choices
from tqttfs_lite.spiking.network import clocks
from tqttfs_lite.spiking.neuron import THRESHOLD, if_neuron, tq_ttfs_neuron, ttfs_neuron
from tqttfs_lite.spiking.notation import Architecture
from tqttfs_lite.spiking.rate_coding import encode_as_rate
from tqttfs_lite.spiking.surrogate import ATAN, Atan

ARRIVING, OWN = "#56B4E9", INK  # spikes that arrive at a layer, and those that it sends itself
MOST_FRAMES = 16  # of one image; beyond that they are too small to see


def time_axis(axes: Axes, time_steps: int, clock: Sequence[int] = ()) -> None:
    """Label the time axis, with integers from 0 to T - 1 or, if a clock has few ticks, with 0 and these."""
    axes.set(xlabel="time step t, counted from 0", xlim=(-0.6, time_steps - 0.4))
    if 0 < len(clock) <= 8:
        axes.set_xticks(sorted({0, *clock}))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def encoding_curve(time_steps: int) -> Figure:
    """The spike time of every pixel intensity, and the line before rounding (slide "Encode")."""
    figure, ((axes,),) = panels(1, 1, height=2.8)
    x = np.arange(256)
    t = encode(torch.arange(256, dtype=torch.uint8), time_steps).numpy()
    axes.plot(x, (time_steps - 1) * (1 - x / 255), color=MUTED, ls="--", lw=1, label="not rounded")
    axes.plot(x, t, color=INK, drawstyle="steps-mid", label="rounded, as encoded")
    axes.set(xlabel="pixel intensity x", ylabel="spike time t", xlim=(-3, 258), xticks=[0, 51, 102, 153, 204, 255])
    axes.yaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.legend()
    return figure


def class_gallery(
    names: Sequence[str], images: UInt8[Tensor, "classes height width"], digits: UInt8[Tensor, "digits height width"]
) -> Figure:
    """An image of each class with its name, in two rows, and digits, which need no names, in a third row."""
    columns = ceil(max(len(names), len(digits)) / 2)
    figure = plt.figure(figsize=(WIDTH, 3.9))
    grid = figure.add_gridspec(3, 2 * columns, height_ratios=(2, 2, 1))
    row, column = np.divmod(np.arange(len(names)), columns)
    places = [grid[r, 2 * c : 2 * c + 2] for r, c in zip(row, column, strict=True)]
    places += [grid[2, c] for c in range(len(digits))]
    for place, image, name in zip(places, [*images, *digits], [*names, *("" for _ in digits)], strict=True):
        axes = figure.add_subplot(place, xticks=[], yticks=[])
        axes.imshow(image.numpy(), cmap="gray", vmin=0, vmax=255, interpolation="none")
        axes.set_title(name, fontweight="normal")
    return figure


def three_codes(intensities: Sequence[int], time_steps: int, q: int) -> Figure:
    """The spikes of pixels with these intensities: many by rate coding, one by TTFS coding, and that one on a tick."""
    figure, (row,) = panels(1, 3, height=1.9, sharex=True, sharey=True)
    x = torch.tensor(intensities, dtype=torch.uint8)
    first = encode(x, time_steps).long()
    delayed = (first // q + 1) * q - 1
    trains = {
        "rate coding": [train.nonzero().flatten().tolist() for train in encode_as_rate(x, time_steps).T],
        "TTFS coding": [[t] for t in first.tolist()],
        f"TQ-TTFS, q = {q}": [[t] if t < time_steps else [] for t in delayed.tolist()],
    }
    colors = dict(zip(trains, COLORS.values(), strict=True))
    for axes, (name, steps) in zip(row, trains.items(), strict=True):
        axes.eventplot(steps, colors=colors[name], linelengths=0.7, linewidths=2.2)
        axes.set_title(name, color=colors[name])
        axes.set(yticks=range(len(intensities)), yticklabels=[f"x = {value}" for value in intensities])
        axes.invert_yaxis()
        time_axis(axes, time_steps, ticks(time_steps, q))
    for tick in ticks(time_steps, q):
        row[-1].axvline(tick, color=MUTED, ls=":", lw=1, zorder=0)
    return figure


def rectified_and_spiking(time_steps: int, theta: float = THRESHOLD) -> Figure:
    """The output of an artificial neuron by its weighted input (left), and that of an IF neuron (right).

    The IF neuron receives the same input on each of the T time steps, and its spikes are counted.
    """
    figure, (row,) = panels(1, 2, height=2.4, sharex=True)
    drive = torch.linspace(-0.5, 2, 501)[:, None]  # [neurons, 1]
    spikes = if_neuron(torch.ones(time_steps, 1, 1), drive, theta)[1].sum(dim=0).flatten()
    row[0].plot(drive, drive.clamp(min=0), color=INK)
    row[1].plot(drive, spikes, color=COLORS["IF"], drawstyle="steps-mid")
    row[0].set(title="artificial neuron, ReLU", xlabel="weighted input", ylabel="output")
    row[1].set(title="IF neuron", xlabel="weighted input on every step", ylabel=f"spikes in {time_steps} steps")
    return figure


def binned_input(times: UInt8[Tensor, " inputs"], q: int, time_steps: int) -> Figure:
    """The spikes of a neuron's inputs, with alternately shaded windows of q steps, and the number of spikes in each."""
    figure, ((dots,), (counts,)) = panels(2, 1, height=3.0, sharex=True, height_ratios=(2, 1))
    times = times.int()
    dots.plot(times, range(len(times)), "o", color=INK)
    clock = ticks(time_steps, q)
    for number, tick in enumerate(clock):
        for axes in (dots, counts):
            if number % 2 == 0:
                axes.axvspan(tick - q + 0.5, tick + 0.5, color=FAINT, alpha=0.35, lw=0)
            axes.axvline(tick, color=MUTED, ls=":", lw=1, zorder=0)
    amounts = [int(((times > tick - q) & (times <= tick)).sum()) for tick in clock]
    bars = counts.bar(clock, amounts, color=COLORS["TQ-TTFS"], width=0.7)
    counts.bar_label(bars, padding=1)
    dots.set(ylabel="input i")
    counts.set(ylabel="spikes", ymargin=0.3)
    dots.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    time_axis(counts, time_steps, clock)
    return figure


def image_as_spikes(image: UInt8[Tensor, "height width"], time_steps: int) -> Figure:
    """An image, and the pixels that spike on each of at most 16 time steps, in black (slide "Encode")."""
    times = encode(image, time_steps).numpy()
    steps = np.unique(np.linspace(0, time_steps - 1, min(time_steps, MOST_FRAMES)).round().astype(int))
    columns = ceil(len(steps) / 2)
    figure = plt.figure(figsize=(WIDTH, min(3.0, 0.6 + 2 * WIDTH / (columns + 2))))
    grid = figure.add_gridspec(2, columns + 2)
    picture = figure.add_subplot(grid[:, :2], title="image", xticks=[], yticks=[])
    picture.imshow(image.numpy(), cmap="gray", vmin=0, vmax=255, interpolation="none")
    for position, step in enumerate(steps):
        row, column = divmod(position, columns)
        frame = figure.add_subplot(grid[row, 2 + column], xticks=[], yticks=[])
        frame.imshow(times == step, cmap="binary", vmin=0, vmax=1, interpolation="none")
        frame.set_title(f"t = {step}", fontsize=8, fontweight="normal")
        frame.spines[:].set(visible=True, color=FAINT)
    return figure


def spike_raster(spike_times: Mapping[str, UInt8[Tensor, " *shape"]], time_steps: int) -> Figure:
    """A column for each set of spike times: a dash for every spike, pixels from top to bottom, and spikes per step."""
    figure, axes = panels(2, len(spike_times), height=4.2, sharex=True, sharey="row", height_ratios=(3, 1.2))
    for (dots, counts), (name, times) in zip(axes.T, spike_times.items(), strict=True):
        flat = times.flatten().numpy()
        dashes = flat[:, None] + np.array([-0.15, 0.15, np.nan])  # one line: a small SVG
        dots.plot(dashes.flatten(), np.arange(len(flat)).repeat(3), color=INK, lw=1)
        dots.set(title=name, ylim=(len(flat) + 8, -8))
        bars = counts.bar(range(time_steps), np.bincount(flat, minlength=time_steps), color=MUTED)
        if time_steps <= MOST_FRAMES:
            counts.bar_label(bars, fontsize=6.5, padding=1)
        time_axis(counts, time_steps)
    axes[0, 0].set(ylabel="pixel, row by row")
    axes[1, 0].set(ylabel="spikes", ymargin=0.2)
    return figure


def membrane_traces(
    S_in: Float[Tensor, "T 1 N_in"], W: Float[Tensor, "1 N_in"], q: int | None = None, theta: float = THRESHOLD
) -> Figure:
    """The IF, TTFS and, given q, TQ-TTFS neuron with the same input: from the top, input, V and θ, output spikes.

    An input spike is a disc if its weight is positive and a ring if it is negative, and faint if the neuron no longer
    receives it.  Dotted lines are the ticks of the quantized neuron (slides "TQ-TTFS neuron model").
    """
    time_steps = len(S_in)
    neurons = {"IF": if_neuron(S_in, W, theta), "TTFS": ttfs_neuron(S_in, W, theta)}
    if q is not None:
        neurons["TQ-TTFS"] = tq_ttfs_neuron(S_in, W, q, theta)
    clock: Sequence[int] = ticks(time_steps, q) if q is not None else ()
    figure, axes = panels(3, len(neurons), height=4.2, sharex=True, sharey="row", height_ratios=(2, 3, 0.7))
    for (received, membrane, output), (name, (V, S)) in zip(axes.T, neurons.items(), strict=True):
        deaf = (S.flatten().cumsum(0) - S.flatten() > 0) & (name != "IF")  # [T], from the step after its spike
        for t, i in S_in[:, 0].nonzero().tolist():
            color = FAINT if deaf[t] else INK
            received.plot(t, i, "o", color=color, markerfacecolor=color if W[0, i] > 0 else CARD)
        received.set_title(f"TQ-TTFS, q = {q}" if name == "TQ-TTFS" else name, color=COLORS[name])
        membrane.axhline(theta, color=MUTED, ls="--", lw=1)
        membrane.plot(range(time_steps), V.flatten().numpy(), "o-", color=COLORS[name])
        output.vlines(S.flatten().nonzero().flatten().tolist(), 0, 1, color=COLORS[name], lw=2.5)
        output.set(ylim=(0, 1.2), yticks=[])
        time_axis(output, time_steps, clock)
    for panel, tick in product(axes[:, -1], clock):
        panel.axvline(tick, color=MUTED, ls=":", lw=1, zorder=0)
    axes[0, 0].set(ylabel="input i", ylim=(-0.8, S_in.shape[2] - 0.2))
    axes[0, 0].yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes[1, 0].set_ylabel("potential V")
    axes[1, -1].annotate("θ", (time_steps - 0.4, theta), (3, -3), textcoords="offset points", annotation_clip=False)
    axes[2, 0].set_ylabel("output S", rotation=0, ha="right", va="center")
    return figure


def surrogate_gradient(alpha: float = ATAN.alpha) -> Figure:
    """The step function of firing, the arctangent that replaces it, and its derivative (slides, "Training method")."""
    figure, ((step, slope),) = panels(1, 2, height=2.6, sharex=True)
    x = torch.linspace(-2, 2, 401, dtype=torch.float64)
    step.plot(x, x > 0, color=INK, label="forward: the step")
    step.plot(x, torch.atan(pi / 2 * alpha * x) / pi + 0.5, color=COLORS["TTFS"], label="its stand-in g")
    slope.plot(x, Atan(alpha).derivative(x), color=COLORS["TTFS"])
    step.set(title="spike S", xlabel="V - θ", ylim=(-0.08, 1.35))
    slope.set(title="backward: the derivative g'", xlabel="V - θ", ylim=(0, alpha / 2 * 1.1))
    step.legend(loc="upper left")
    return figure


def layer_clocks(architecture: Architecture, time_steps: int) -> Figure:
    """A row for the input and every spiking layer: a dot where it may fire, and a bar over the steps of each window.

    The axis counts steps from 1, and its labels are the ticks of the slowest clock.
    """
    names = ["input", *(f"layer {n}, q = {x.quantization}" for n, x in enumerate(architecture.spiking_layers, 1))]
    counted = [[t + 1 for t in clock] for clock in (range(time_steps), *clocks(architecture, time_steps))]
    rows = dict(zip(names, counted, strict=True))
    figure, ((axes,),) = panels(1, 1, height=0.9 + 0.32 * len(rows))
    for row, steps in enumerate(rows.values()):
        starts = [1, *(step + 1 for step in steps[:-1])]
        widths = [step - start + 0.8 for start, step in zip(starts, steps, strict=True)]
        axes.barh([row] * len(steps), widths, left=[start - 0.4 for start in starts], height=0.5, color=FAINT)
        axes.plot(steps, [row] * len(steps), "o", color=COLORS["TQ-TTFS"] if row else INK)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set(xlabel="time step, counted from 1", xlim=(0.4, time_steps + 0.6))
    slowest = min(counted, key=len)
    axes.set_xticks(sorted({1, *slowest[:: ceil(len(slowest) / MOST_FRAMES)]}))
    return figure


def equal_latency(networks: Mapping[str, tuple[float, float]], degrees: Sequence[int]) -> Figure:
    """The ticks of an unquantized network's clock, and of a quantized network's layers, up to their common latency.

    `networks` gives mean time steps, unquantized and quantized.  A layer with degree q ticks at alpha times the
    unquantized frequency, whose period is the unit of time.  There is a row for every degree (slide "Energy Efficiency
    Analysis").
    """
    figure, (row,) = panels(1, len(networks), height=1.1 + 0.34 * len(set(degrees)), sharey=True)
    layers = {q: [n for n, degree in enumerate(degrees, 1) if degree == q] for q in sorted(set(degrees))}
    for axes, (name, (before, after)) in zip(row, networks.items(), strict=True):
        alphas = frequency_coefficients(after, before, list(layers))
        colors = [COLORS["TTFS"], *[COLORS["TQ-TTFS"]] * len(layers)]
        for place, (alpha, color) in enumerate(zip([1.0, *alphas], colors, strict=True)):
            periods = np.arange(1, floor(before * alpha + 1e-9) + 1) / alpha
            axes.plot([0, before], [place, place], color=FAINT, lw=1, zorder=0)
            axes.eventplot([periods], lineoffsets=place, colors=color, linelengths=0.5, linewidths=2.2)
            axes.annotate(f"α = {alpha:.2f}", (before, place), (5, 0), textcoords="offset points", va="center")
        axes.axvline(before, color=INK, ls=":", lw=1)
        axes.set(title=name, xlabel="time, in periods of the unquantized clock", xlim=(0, 1.34 * before))
        axes.set_xticks(np.arange(0, before, 2))
    words = [f"q = {q}, layer{'s' * (len(found) > 1)} {', '.join(map(str, found))}" for q, found in layers.items()]
    row[0].set(yticks=range(1 + len(words)), yticklabels=["unquantized", *words], ylim=(len(words) + 0.5, -0.5))
    return figure


def own_and_arriving(fewer: Mapping[str, tuple[float, float]]) -> Figure:
    """Spikes that arrive at a layer and its own spikes (left), and the reduction of both by quantization (right).

    On the left, two of four neurons spike, and each of their spikes reaches all three neurons of the next layer, one of
    which spikes.  On the right, each layer has a row with the reduction of arriving spikes and of its own, in percent.
    """
    figure, ((layers, bars),) = panels(1, 2, height=2.9, width_ratios=(5, 6))
    before, after = np.arange(4.0), np.arange(3) + 0.5
    spiking = {0: (1, 2), 1: (1,)}
    for (n, start), end in product(enumerate(before), after):
        arrives = n in spiking[0]
        layers.plot([0, 1], [start, end], color=ARRIVING if arrives else FAINT, lw=2 if arrives else 1, zorder=arrives)
    for x, heights, color in ((0, before, ARRIVING), (1, after, OWN)):
        for n, height in enumerate(heights):
            filled, edge = (color, color) if n in spiking[x] else (CARD, MUTED)
            layers.plot(x, height, "o", color=edge, markerfacecolor=filled, markersize=13, zorder=3)
    additions, connections = len(spiking[0]) * len(after), len(before) * len(after)
    counted = connections * len(spiking[1]) // len(after)
    for x, words in (
        (0, f"2 spikes arrive:\n{additions} additions"),
        (1, f"1 of 3 spikes:\nthe formula has {counted}"),
    ):
        layers.annotate(words, (x, 3.4), ha="center", va="top")
    layers.set(xlim=(-0.5, 1.5), ylim=(4.4, -0.5), title="a layer and the previous one")
    layers.axis("off")
    table = DataFrame(fewer, index=["arriving", "its own"]).T
    for (name, values), color, shift in zip(table.items(), (ARRIVING, OWN), (-0.2, 0.2), strict=True):
        drawn = bars.barh(np.arange(len(table)) + shift, values, 0.4, color=color, label=name)
        bars.bar_label(drawn, fmt="{:.0f} %", padding=3, fontsize=8)
    bars.axvline(0, color=INK, lw=1)
    bars.set(xlabel="fewer spikes than unquantized, %", yticks=range(len(table)), yticklabels=table.index)
    bars.margins(x=0.15)
    bars.invert_yaxis()
    bars.legend(loc="upper center", bbox_to_anchor=(0.4, 1.16), ncols=2)
    return figure


def quantized_firing_times(ttfs: UInt8[Tensor, " N"], tq: UInt8[Tensor, " N"], q: int, time_steps: int) -> Figure:
    """Firing times with quantization by firing times without it (T: never), and the first tick that is possible."""
    figure, ((axes,),) = panels(1, 1, height=3.4)
    pairs, counts = torch.stack([ttfs, tq])[:, ttfs < time_steps].unique(dim=1, return_counts=True)
    axes.scatter(*pairs, s=250 * counts / max(counts.tolist(), default=1), color=COLORS["TQ-TTFS"], alpha=0.75, lw=0)
    t = np.arange(time_steps)
    axes.step(t, ((t // q + 1) * q - 1).clip(max=time_steps), where="mid", color=MUTED, lw=1, ls="--")
    time_axis(axes, time_steps, ticks(time_steps, q))
    axes.set(xlabel="firing time of the TTFS neuron", ylabel=f"of the TQ-TTFS neuron, q = {q}")
    shown = ticks(time_steps, q)[:: ceil(time_steps / q / MOST_FRAMES)]
    axes.set_yticks([*shown, time_steps], [*map(str, shown), "never"])
    return figure


def waiting(panels_of_clocks: Mapping[str, Mapping[int, Sequence[float]]], time_steps: int) -> Figure:
    """The probability that a decoder is still waiting after each time step: a panel for each loss, a line per clock.

    Each panel is given as the probabilities after the clock's ticks, by the output layer's degree q.
    """
    figure, (row,) = panels(1, len(panels_of_clocks), height=2.6, sharey=True)
    for axes, (loss, by_clock) in zip(row, panels_of_clocks.items(), strict=True):
        quantized = cycle(("-", "--", ":"))
        for q, probabilities in by_clock.items():
            after = [t + 1 for t in ticks(time_steps, q)]
            color, line = (COLORS["TTFS"], "-") if q == 1 else (COLORS["TQ-TTFS"], next(quantized))
            axes.step([0, *after], [1, *probabilities], where="post", color=color, ls=line, label=f"q = {q}")
        axes.set(title=loss, xlabel="time steps", xlim=(0, time_steps), ylim=(0, 1.05))
    row[0].set_ylabel("probability of still waiting")
    row[0].legend(loc="upper right")
    return figure


def decision_tree(V: Float[Tensor, "K classes"], theta: float, sharpness: float) -> Figure:
    """The soft decoder as a tree: at each tick it waits or decides for a class, and at the last tick it must decide.

    Branches show the probabilities of the choices, leaves those of ending there; likelier branches are wider.
    """
    waited, decide = (found[:, 0].exp().tolist() for found in soft_choices(V[:, None], theta, sharpness))
    last = len(V) - 1
    figure, ((axes,),) = panels(1, 1, height=2.6)
    axes.set(xlim=(-0.3, len(V) + 0.1), ylim=(-V.shape[1] - 0.4, 0.6))
    axes.axis("off")
    for k, (reached, choices) in enumerate(zip(waited, decide, strict=True)):
        branches = [(f"class {c}", p, -c - 0.9, COLORS["TQ-TTFS"]) for c, p in enumerate(choices)]
        if k < last:
            branches.append(("wait", 1 - sum(choices), 0.0, MUTED))
        for words, p, height, color in branches:
            axes.plot([k, k + 0.75], [0, height], color=color, lw=0.8 + 5 * p, solid_capstyle="round", zorder=1)
            axes.annotate(f"{words} {p:.2f}", (k + 0.42, height * 0.56), (0, 4), textcoords="offset points", fontsize=8)
            if words != "wait":
                axes.annotate(f"{reached * p:.2f}", (k + 0.78, height), va="center", fontweight="bold")
        axes.plot(k, 0, "o", color=INK, markersize=7, zorder=2)
        axes.annotate(f"tick {k + 1}", (k, 0), (0, 9), textcoords="offset points", ha="center")
        if k < last:
            axes.plot([k + 0.75, k + 1], [0, 0], color=MUTED, lw=0.8 + 5 * (1 - sum(choices)), zorder=1)
    return figure

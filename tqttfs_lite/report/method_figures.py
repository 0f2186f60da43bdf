"""Figures of neurons and codes, one function each; each returns a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import ceil, pi

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from tqttfs_lite.report.style import CARD, COLORS, FAINT, INK, MUTED, WIDTH, panels
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.firing import ticks
from tqttfs_lite.spiking.losses import soft_choices
from tqttfs_lite.spiking.network import clocks
from tqttfs_lite.spiking.neuron import THRESHOLD, if_neuron, tq_ttfs_neuron, ttfs_neuron
from tqttfs_lite.spiking.notation import Architecture
from tqttfs_lite.spiking.rate_coding import encode_as_rate
from tqttfs_lite.spiking.surrogate import ATAN, Atan

MOST_FRAMES = 16  # of one image; beyond that they are too small to see


def time_axis(axes: Axes, time_steps: int) -> None:
    """Name the x axis, with whole numbers from 0 to T - 1."""
    axes.set(xlabel="time step t", xlim=(-0.6, time_steps - 0.4))
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


def three_codes(intensities: Sequence[int], time_steps: int, q: int) -> Figure:
    """The spikes of pixels of these intensities: many by rate, one by TTFS coding, and that one on a tick of q."""
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
        time_axis(axes, time_steps)
    for tick in ticks(time_steps, q):
        row[-1].axvline(tick, color=MUTED, ls=":", lw=1, zorder=0)
    return figure


def rectified_and_spiking(time_steps: int, theta: float = THRESHOLD) -> Figure:
    """What an artificial neuron makes of its weighted input (left), and an IF neuron of the same input (right).

    The IF neuron receives it on each of the T time steps; its spikes are counted.
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
    """The spikes of a neuron's inputs, its windows of q steps shaded in turn, and how many spikes each hands over."""
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
    time_axis(counts, time_steps)
    return figure


def image_as_spikes(image: UInt8[Tensor, "height width"], time_steps: int) -> Figure:
    """An image, and for each of at most 16 time steps the pixels that spike on it, in black (slide "Encode")."""
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
    """One column for each set of spike times: a dash for every spike, pixels top to bottom, and spikes per step."""
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
    """The IF, TTFS and, given q, TQ-TTFS neuron on one input, from top to bottom: input, V against θ, output spikes.

    An input spike is a disc where its weight is positive and a ring where it is negative, faint where the neuron no
    longer receives it; dotted lines are the ticks of the quantized neuron (slides "TQ-TTFS neuron model").
    """
    time_steps = len(S_in)
    neurons = {"IF": if_neuron(S_in, W, theta), "TTFS": ttfs_neuron(S_in, W, theta)}
    if q is not None:
        neurons["TQ-TTFS"] = tq_ttfs_neuron(S_in, W, q, theta)
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
        time_axis(output, time_steps)
    if q is not None:
        for panel, tick in product(axes[:, -1], ticks(time_steps, q)):
            panel.axvline(tick, color=MUTED, ls=":", lw=1, zorder=0)
    axes[0, 0].set(ylabel="input i", ylim=(-0.8, S_in.shape[2] - 0.2))
    axes[0, 0].yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes[1, 0].set_ylabel("potential V")
    axes[1, -1].annotate("θ", (time_steps - 0.4, theta), (3, -3), textcoords="offset points", annotation_clip=False)
    axes[2, 0].set_ylabel("output S", rotation=0, ha="right", va="center")
    return figure


def surrogate_gradient(alpha: float = ATAN.alpha) -> Figure:
    """The firing step, the arctangent that stands in for it, and its derivative (slides, "Training method")."""
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
    """For the input and every spiking layer a row: a dot where it may fire, a bar over the steps it gathers before."""
    names = ["input", *(f"layer {n}, q = {x.quantization}" for n, x in enumerate(architecture.spiking_layers, 1))]
    rows = dict(zip(names, [range(time_steps), *clocks(architecture, time_steps)], strict=True))
    figure, ((axes,),) = panels(1, 1, height=0.9 + 0.32 * len(rows))
    for row, steps in enumerate(rows.values()):
        starts = [0, *(step + 1 for step in steps[:-1])]
        widths = [step - start + 0.8 for start, step in zip(starts, steps, strict=True)]
        axes.barh([row] * len(steps), widths, left=[start - 0.4 for start in starts], height=0.5, color=FAINT)
        axes.plot(steps, [row] * len(steps), "o", color=COLORS["TQ-TTFS"] if row else INK)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    time_axis(axes, time_steps)
    return figure


def quantized_firing_times(ttfs: UInt8[Tensor, " N"], tq: UInt8[Tensor, " N"], q: int, time_steps: int) -> Figure:
    """When neurons that fire without quantization fire with it (T: never), and the first tick they could fire on."""
    figure, ((axes,),) = panels(1, 1, height=3.4)
    pairs, counts = torch.stack([ttfs, tq])[:, ttfs < time_steps].unique(dim=1, return_counts=True)
    axes.scatter(*pairs, s=250 * counts / max(counts.tolist(), default=1), color=COLORS["TQ-TTFS"], alpha=0.75, lw=0)
    t = np.arange(time_steps)
    axes.step(t, ((t // q + 1) * q - 1).clip(max=time_steps), where="mid", color=MUTED, lw=1, ls="--")
    time_axis(axes, time_steps)
    axes.set(xlabel="firing time of the TTFS neuron", ylabel=f"of the TQ-TTFS neuron, q = {q}")
    shown = ticks(time_steps, q)[:: ceil(time_steps / q / MOST_FRAMES)]
    axes.set_yticks([*shown, time_steps], [*map(str, shown), "never"])
    return figure


def waiting(panels_of_clocks: Mapping[str, Mapping[int, Sequence[float]]], time_steps: int) -> Figure:
    """How likely a decoder is still waiting after each time step: a panel for each loss, a line for each clock.

    A panel has, by degree q of the output, the probabilities after the clock's ticks.
    """
    figure, (row,) = panels(1, len(panels_of_clocks), height=2.6, sharey=True)
    for axes, (loss, by_clock) in zip(row, panels_of_clocks.items(), strict=True):
        for (q, probabilities), color in zip(by_clock.items(), COLORS.values(), strict=False):
            after = [t + 1 for t in ticks(time_steps, q)]
            axes.step([0, *after], [1, *probabilities], where="post", color=color, label=f"q = {q}")
        axes.set(title=loss, xlabel="time steps", xlim=(0, time_steps), ylim=(0, 1.05))
    row[0].set_ylabel("probability of still waiting")
    row[0].legend(loc="upper right")
    return figure


def decision_tree(V: Float[Tensor, "K classes"], theta: float, sharpness: float) -> Figure:
    """The soft decoder as a tree: at each tick it decides for a class or waits, and at the last it has to decide.

    The branches have the probabilities of the choices, the leaves those of ending there; a branch is as wide as it is
    likely.
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

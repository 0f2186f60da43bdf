"""Figures of results, one function each: trainings, decisions, accuracies and energies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, groupby, zip_longest

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter
from pandas import DataFrame
from torch import Tensor

from tqttfs_lite.experiments.bit_widths import SCALES, FixedPoint
from tqttfs_lite.experiments.config import family
from tqttfs_lite.experiments.datasets import get
from tqttfs_lite.experiments.training import Epoch
from tqttfs_lite.paper.attempts import MOST_SILENT
from tqttfs_lite.paper.attempts import Network as AimedAt
from tqttfs_lite.paper.operating_points import Operating
from tqttfs_lite.paper.random_search import SIDES, Expected
from tqttfs_lite.paper.seed_statistics import Spread
from tqttfs_lite.report.style import CARD, COLORS, FAINT, INK, MUTED, WIDTH, panels
from tqttfs_lite.spiking.neuron import THRESHOLD
from tqttfs_lite.spiking.notation import Architecture

OURS = COLORS["TQ-TTFS"]
NETWORKS = (COLORS["TTFS"], OURS)  # unquantized, and quantized
SHOWN = 4  # percentage points
TRIED = (INK, "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#882255", MUTED)  # the recipe first
LAYERS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7")  # Okabe and Ito, from the input to the output


def learning_curve(history: Sequence[Epoch]) -> Figure:
    """The loss and the validation accuracy of a training, by epoch."""
    figure, ((loss, accuracy),) = panels(1, 2, height=2.4)
    epochs = range(1, len(history) + 1)
    marker = "o" if len(history) < 8 else ""
    loss.plot(epochs, [epoch.loss for epoch in history], color=INK, marker=marker)
    loss.set(xlabel="epoch", ylabel="training loss")
    accuracy.plot(epochs, [epoch.validation_accuracy for epoch in history], color=OURS, marker=marker)
    accuracy.set(xlabel="epoch", ylabel="validation accuracy, %")
    for axes in (loss, accuracy):
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    return figure


def output_race(
    V: Float[Tensor, "K classes"],
    steps: Sequence[int],
    classes: Sequence[str],
    label: int,
    decision_step: int,
    theta: float = THRESHOLD,
) -> Figure:
    """The output potentials of one image, the chosen class in colour, and the step on which it was decided.

    `steps` count from 0, as t does; `decision_step` and the axis count from 1, as the slides count inference steps.
    """
    figure, ((axes,),) = panels(1, 1, height=2.8)
    shown = [t + 1 for t in steps]
    for c in range(len(classes)):
        chosen = c == label
        color, width = (OURS, 2.2) if chosen else (MUTED, 0.9)
        axes.plot(shown, V[:, c], "o-", color=color, lw=width, zorder=2 + chosen)
    offset = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "color": OURS}
    axes.annotate(classes[label], (shown[-1], V[-1, label].item()), **offset)
    axes.axhline(theta, color=INK, ls="--", lw=1)
    axes.annotate("θ", (shown[0], theta), (3, 3), textcoords="offset points")
    axes.axvline(decision_step, color=INK, ls=":", lw=1)
    axes.set(xlabel="time step, counted from 1", ylabel="output potential V", xticks=shown)
    return figure


def network_raster(
    networks: Mapping[str, tuple[Sequence[UInt8[Tensor, "..."]], int]], layers: Sequence[str], time_steps: int
) -> Figure:
    """One image in whole networks, a column each: a dash for every spike, layer by layer, and the step of the decision.

    `networks`, unquantized and quantized in turn, have the firing times of each layer, T where a neuron stays silent,
    and the decision step, counted from 1.
    """
    heights = [2, *(1.4 for _ in layers[2:]), 0.8]
    figure, grid = panels(len(layers), len(networks), height=5.4, sharex=True, sharey="row", height_ratios=heights)
    for column, (name, (times, decision)), color in zip(grid.T, networks.items(), cycle(NETWORKS), strict=False):
        for axes, layer in zip(column, times, strict=True):
            flat = layer.flatten().numpy()
            fired = (flat < time_steps).nonzero()[0]
            dashes = flat[fired, None] + 1 + np.array([-0.3, 0.3, np.nan])  # one line: a small SVG
            axes.plot(dashes.flatten(), fired.repeat(3), color=INK, lw=1 if len(flat) > len(LAYERS) * 4 else 2.5)
            axes.axvline(decision, color=color, lw=1.2)
            axes.set(ylim=(len(flat) - 0.5, -0.5), xlim=(0.3, time_steps + 0.7), yticks=[])
        column[0].set_title(name, color=color)
        column[-1].set_xlabel("time step, counted from 1")
        column[-1].xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 4, 10], integer=True))
    for axes, layer_name in zip(grid[:, 0], layers, strict=True):
        axes.set_ylabel(layer_name)
    return figure


def decision_steps(shares: DataFrame) -> Figure:
    """When networks (the columns) decide: bars over the time steps and "none" (the rows), in percent of the images."""
    figure, ((axes,),) = panels(1, 1, height=2.6)
    _side_by_side(axes.bar, shares, NETWORKS)
    axes.set_xticks(range(len(shares)), list(shares.index))
    axes.set(xlabel="step of the first output spike, counted from 1", ylabel="share of the images, %")
    axes.legend(loc="best")
    return figure


def firing_maps(times: UInt8[Tensor, "channels height width"], time_steps: int) -> Figure:
    """The firing times of a convolution's neurons, a picture for each channel: dark is early, white is never."""
    columns = min(8, len(times))
    rows = -(-len(times) // columns)
    figure, grid = panels(rows, columns, height=rows * 0.92 * WIDTH / columns)
    steps = np.ma.masked_greater(times.numpy().astype(int) + 1, time_steps)
    for axes, picture in zip_longest(grid.flat, steps):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=picture is not None, color=FAINT)
        if picture is not None:
            shown = axes.imshow(picture, cmap="viridis", vmin=1, vmax=time_steps, interpolation="none")
    figure.colorbar(shown, ax=grid, location="right", label="step of the spike", ticks=MaxNLocator(5, integer=True))
    return figure


def layer_shares(amounts: DataFrame) -> Figure:
    """How each column's total is divided among the layers, which are the rows: a bar for each column, in percent."""
    figure, ((axes,),) = panels(1, 1, height=0.9 + 0.36 * len(amounts.columns))
    shares = 100 * amounts / amounts.sum()
    left = shares.iloc[0] * 0
    for (layer, widths), color in zip(shares.iterrows(), cycle(LAYERS), strict=False):
        axes.barh(list(shares.columns), widths, left=left, color=color, height=0.62, label=layer)
        left = left + widths
    axes.set_xlabel("share of the network's total, %")
    axes.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=len(shares))
    return figure


def accuracy_comparison(rows: Sequence[tuple[str, float | None, Spread]]) -> Figure:
    """A row for each network: the paper's accuracy in percent (ring), and ours (disc) with its 95 % interval."""
    figure, ((axes,),) = panels(1, 1, height=0.9 + 0.4 * len(rows))
    _compare(axes, rows)
    axes.set_xlabel("test accuracy, %")
    axes.legend(loc="best")
    return figure


def sweep(rows: Sequence[tuple[str, float | None, Spread, Spread]]) -> Figure:
    """A row for each choice of degrees: accuracy on the left as in `accuracy_comparison`, mean steps on the right."""
    figure, ((accuracy, steps),) = panels(1, 2, height=0.9 + 0.32 * len(rows), sharey=True, width_ratios=(3, 2))
    _compare(accuracy, [row[:3] for row in rows])
    _discs(steps, [row[3] for row in rows])
    accuracy.set_xlabel("test accuracy, %")
    steps.set_xlabel("mean inference time steps")
    figure.legend(*accuracy.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def degree_sweep(rows: Sequence[tuple[str, Spread, Spread, Spread]]) -> Figure:
    """A row for each choice of degrees: test accuracy in percent, mean time steps, and nanojoules per image."""
    figure, (row,) = panels(1, 3, height=0.8 + 0.32 * len(rows), sharey=True)
    labels = ("test accuracy, %", "mean time steps", "causal energy, nJ")
    for axes, label, values in zip(row, labels, zip(*(measured for _, *measured in rows), strict=True), strict=True):
        _discs(axes, values)
        axes.set_xlabel(label)
        axes.margins(x=0.12, y=0.3 if len(rows) < 4 else 0.1)
    row[0].set(yticks=range(len(rows)), yticklabels=[degrees for degrees, *_ in rows])
    row[0].invert_yaxis()
    return figure


def ladder(networks: Mapping[str, Sequence[tuple[str, Spread]]]) -> Figure:
    """Test accuracy rung by rung, a panel for each network: a disc for the mean, a line for its 95 % interval."""
    heights = [len(rungs) for rungs in networks.values()]
    figure, column = panels(len(networks), 1, height=0.6 + 0.34 * sum(heights), height_ratios=heights)
    for (axes,), (name, rungs) in zip(column, networks.items(), strict=True):
        axes.plot([accuracy.mean for _, accuracy in rungs], range(len(rungs)), color=FAINT, lw=1, zorder=0)
        _discs(axes, [accuracy for _, accuracy in rungs])
        axes.set(title=name, yticks=range(len(rungs)), yticklabels=[words for words, _ in rungs])
        axes.margins(y=0.1)
        axes.invert_yaxis()
    column[-1, 0].set_xlabel("test accuracy, %")
    return figure


def degree_search(
    steps: Sequence[float],
    best: Mapping[str, Sequence[float]],
    pairs: Mapping[str, tuple[float, Spread]],
    chosen: Sequence[str] = (),
) -> Figure:
    """What a search found: accuracy by mean steps of the shared network (left), its ranking and the real one (right).

    `best` has the lines by name, in percent at these mean steps, nan where they do not reach them: the best degrees
    first, then what they are compared with.  `pairs` has, by degrees, the accuracy in percent of the shared network and
    of networks trained for real; those `chosen` by the search have our colour.
    """
    figure, ((front, ranks),) = panels(1, 2, height=3.2)
    for (name, accuracy), color in zip(best.items(), (OURS, LAYERS[0], COLORS["TTFS"], MUTED), strict=True):
        front.plot(steps, accuracy, color=color, label=name, ls="--" if color == MUTED else "-")
    front.set(xlabel="mean time steps", ylabel="validation accuracy, %")
    front.legend(loc="lower right", fontsize=7.5)
    for setting, (shared, real) in pairs.items():
        color = OURS if setting in chosen else INK
        ranks.errorbar(shared, real.mean, yerr=real.half_interval, fmt="o", color=color, markersize=5, capsize=2, lw=1)
        ranks.annotate(setting, (shared, real.mean), (4, 3), textcoords="offset points", fontsize=7, color=color)
    ranks.set(xlabel="shared network, %", ylabel="trained for real, %")
    ranks.margins(0.15)
    ranks.xaxis.set_major_locator(MaxNLocator(nbins=5))
    return figure


def random_search(networks: Mapping[str, Mapping[str, Expected]]) -> Figure:
    """The average best of a number of random settings, in 95 % bands: a row of panels for each network.

    A row has a panel for each target of its network, by title; all rows have equally many.  Accuracies are in percent.
    """
    figure, grid = panels(
        len(networks), len(next(iter(networks.values()))), height=0.7 + 2.2 * len(networks), sharey="row"
    )
    for row, (name, targets) in zip(grid, networks.items(), strict=True):
        for axes, (title, found) in zip(row, targets.items(), strict=True):
            draws = range(1, len(found.gain) + 1)
            for side, color, best, low, high in zip(SIDES, NETWORKS, found.best, *found.ends, strict=True):
                axes.plot(draws, best, color=color, label=side)
                axes.fill_between(draws, low, high, color=color, alpha=0.25, lw=0)
            axes.set_title(title)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        row[0].set_ylabel(f"{name}\nvalidation accuracy, %")
    for axes in grid[-1]:
        axes.set_xlabel("random settings tried")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def attempt_curves(networks: Sequence[AimedAt]) -> Figure:
    """A panel for each network: validation accuracy by mean steps, a colour for each attempt, dashed with degrees of 1.

    A line is thin where more images are silent than the aims allow.  An aim is a corner, which a thick
    line reaches by passing above it or to its left; one without a limit of steps is a line.
    """
    rows = -(-len(networks) // 2)
    figure, grid = panels(rows, min(2, len(networks)), height=0.8 + 2.6 * rows)
    for axes in grid.flat[len(networks) :]:
        axes.axis("off")
    colors: dict[str, str] = {}
    for axes, network in zip(grid.flat, networks, strict=False):
        curves = network.curves()
        for (name, as_trained), points in curves.items():
            color = colors.setdefault(name, TRIED[len(colors)])
            steps, percents = ([getattr(point, of) for point in points] for of in ("mean_steps", "accuracy"))
            allowed = [point.accuracy if point.silent <= MOST_SILENT else np.nan for point in points]
            for values, width in ((percents, 0.6), (allowed, 2.0)):
                axes.plot(steps, values, color=color, lw=width, ls="-" if as_trained else "--")
        lowest = min(aim.accuracy_percent for aim in network.aims)
        for aim in network.aims:
            if np.isinf(aim.steps):
                axes.axhline(aim.accuracy_percent, color=MUTED, ls=":")
            else:
                axes.plot([aim.steps] * 2, [lowest - 2, aim.accuracy_percent], color=MUTED, lw=0.8)
                axes.plot([0, aim.steps], [aim.accuracy_percent] * 2, color=MUTED, lw=0.8)
        limit = max(point.mean_steps for points in curves.values() for point in points)
        axes.set(title=network.name, xlabel="mean time steps", ylabel="validation accuracy, %")
        axes.set(ylim=(lowest - 1.5, None), xlim=(0, limit))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    lines = [Line2D([], [], color=color, lw=2, label=name) for name, color in colors.items()]
    figure.legend(handles=lines, loc="outside upper center", ncols=2)
    return figure


def bits_of_weights(networks: Sequence[FixedPoint]) -> Figure:
    """Validation accuracy by the bits of a weight, beside that as trained: a column for each data set and family.

    The rows are rounding alone and, if any network has one, rounding with a finish.  What lies more than `SHOWN` points
    below the lowest accuracy as trained of a column is cut off.
    """

    def kind(network: FixedPoint) -> tuple[str, str]:
        return network.config.dataset, family(Architecture.parse(network.config.architecture))

    groups = [list(group) for _, group in groupby(networks, kind)]
    rows = {"rounded": "rounding alone", "finished": "with a finish"}
    rows = {part: title for part, title in rows.items() if any(part in network.parts for network in networks)}
    figure, grid = panels(max(1, len(rows)), max(1, len(groups)), height=0.8 + 2.2 * len(rows))
    for row, (part, title) in zip(grid, rows.items(), strict=False):
        for axes, group in zip(row, groups, strict=False):
            dataset, name = kind(group[0])
            for network in group:
                _by_bits(axes, network, part)
            trained = [network.trained.accuracy for network in group]
            bits = sorted({bits for network in group for bits in network.rounded.bits}, reverse=True)
            axes.set(title=f"{get(dataset).title}, {name}", ylim=(min(trained) - SHOWN, max(trained) + 0.5))
            axes.set(xticks=bits, xlim=(bits[0] + 0.5, bits[-1] - 0.5), xlabel="bits of a weight")
            axes.set_visible(any(part in network.parts for network in group))
        row[0].set_ylabel(f"{title}\nvalidation accuracy, %")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _by_bits(axes: Axes, network: FixedPoint, part: str) -> None:
    quantized = max(Architecture.parse(network.config.architecture).quantization) > 1
    color = NETWORKS[quantized]
    axes.axhline(network.trained.accuracy, color=color, lw=0.8, alpha=0.5)
    if found := network.parts.get(part):
        for scale, line in zip(SCALES, ("o--", "o-"), strict=True):
            percent = [score.accuracy for score in found.scores(scale).validation]
            label = f"{SIDES[quantized]}, a scale per {scale}"
            axes.plot(found.bits, percent, line, color=color, markerfacecolor=CARD, label=label)


def _compare(axes: Axes, rows: Sequence[tuple[str, float | None, Spread]]) -> None:
    printed = [(place, percent) for place, (_, percent, _) in enumerate(rows) if percent is not None]
    percents, places = [percent for _, percent in printed], [place for place, _ in printed]
    axes.plot(percents, places, "o", markerfacecolor=CARD, color=INK, markersize=8, label="the paper")
    _discs(axes, [ours for *_, ours in rows])
    axes.set(yticks=range(len(rows)), yticklabels=[name for name, *_ in rows])
    axes.margins(y=0.3 if len(rows) < 4 else 0.1)
    axes.invert_yaxis()


def _discs(axes: Axes, values: Sequence[Spread]) -> None:
    """A disc for the mean, a line for its interval where seeds allow one."""
    means, bars = [value.mean for value in values], [value.half_interval for value in values]
    axes.errorbar(
        means, range(len(values)), xerr=bars, fmt="o", color=OURS, markersize=6, capsize=3, lw=1, label="ours"
    )


def weights_and_clocks(networks: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """What a network owes to its weights and what to its clocks: a panel per network, a line for each set of weights.

    A panel has the accuracy in percent by the degrees that the weights were trained with, then by those that they are
    run with.
    """
    figure, (row,) = panels(1, len(networks), height=2.5)
    for axes, (network, weights) in zip(row, networks.items(), strict=True):
        for (trained, accuracy), color in zip(weights.items(), NETWORKS, strict=True):
            axes.plot(range(len(accuracy)), list(accuracy.values()), "o-", color=color, label=f"trained as {trained}")
            axes.set_xticks(range(len(accuracy)), list(accuracy))
        axes.set(title=network, xlabel="run as", xlim=(-0.4, len(accuracy) - 0.6))
        axes.margins(y=0.15)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28))
    row[0].set_ylabel("test accuracy, %")
    return figure


def confusion_matrix(table: DataFrame) -> Figure:
    """Counts of images by class (rows) and answer (columns); the shades are those of the mistakes alone."""
    figure, ((axes,),) = panels(1, 1, height=5.4)
    counts = table.to_numpy()
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    axes.imshow(mistakes, cmap="Oranges", interpolation="none")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            weight = "bold" if row == column else "normal"
            color = CARD if mistakes[row, column] > 0.6 * mistakes.max() else INK
            axes.text(column, row, count, ha="center", va="center", fontsize=8, color=color, fontweight=weight)
    axes.set(xlabel="answer", ylabel="class", yticks=range(len(table)), yticklabels=table.index)
    axes.set_xticks(range(len(table)), table.columns, rotation=40, ha="right")
    axes.spines[:].set_visible(False)
    return figure


def stopping_curves(curves: Mapping[str, DataFrame]) -> Figure:
    """For each network, right answers (left) and decided images (right) by the step on which inference is stopped."""
    figure, (row,) = panels(1, 2, height=2.6, sharex=True)
    for axes, column in zip(row, ("right, %", "decided, %"), strict=True):
        for (name, table), color in zip(curves.items(), cycle(NETWORKS), strict=False):
            axes.plot(table.index, table[column], "o-", color=color, label=name)
        axes.set(xlabel="stopped at step, counted from 1", ylabel=column, ylim=(0, 105))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 4, 10], integer=True))
    row[0].legend(loc="lower right")
    return figure


def configuration_bars(accuracy: DataFrame, nanojoules: DataFrame) -> Figure:
    """Accuracy (left) and energy per image (right) of configurations, the rows: a disc and a bar for every column."""
    figure, ((left, right),) = panels(1, 2, height=2.9)
    colors = (MUTED, OURS)
    for name, color in zip(accuracy.columns, cycle(colors), strict=False):
        left.plot(range(len(accuracy)), accuracy[name], "o", color=color, markersize=6)
    _side_by_side(right.bar, nanojoules, colors)
    for axes, label in ((left, "test accuracy, %"), (right, "energy per image, nJ")):
        axes.set_xticks(range(len(accuracy)), list(accuracy.index), rotation=30)
        axes.set_ylabel(label)
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def waterfall(panels_of_savings: Mapping[str, Mapping[str, tuple[float, float, float]]]) -> Figure:
    """What is left of a saving as its accounting is corrected, from top to bottom: a panel for each source of counts.

    A panel has, by accounting, the percentage saved and the ends of the line through it.  The first bar is the saving;
    each of the others is a correction, from what was left before it, and the number beside it is what is left after it.
    """
    count = len(next(iter(panels_of_savings.values())))
    figure, (row,) = panels(1, len(panels_of_savings), height=1.1 + 0.4 * count, sharey=True)
    for axes, (whose, savings) in zip(row, panels_of_savings.items(), strict=True):
        color = OURS if whose == "ours" else INK
        left = [0.0, *(saved for saved, *_ in savings.values())]
        for place, (before, (after, low, high)) in enumerate(zip(left, savings.values(), strict=False)):
            axes.barh(place, after - before, left=before, height=0.6, color=color if not place else FAINT)
            axes.plot([after, after], [place - 0.3, min(place + 1.3, count - 0.7)], color=color, lw=1.2)
            axes.plot([low, high], [place, place], color=color, lw=1.2)
            axes.annotate(f"{after:.0f} %", (1, place), xycoords=("axes fraction", "data"), ha="right", va="center")
        axes.axvline(0, color=INK, lw=1)
        axes.set(title=whose, xlabel="energy saved, %")
        least, most = axes.get_xlim()
        axes.set_xlim(least, most + 0.25 * (most - least))  # room for the numbers
    row[0].set(yticks=range(count), yticklabels=savings, ylim=(count - 0.5, -0.6))
    return figure


def reductions_by_model(percent: Mapping[str, Mapping[str, Spread]], own: Sequence[str]) -> Figure:
    """Percent saved: a row for every model and a mark for every network; the values are by network, then by model.

    Lines are 95 % intervals of the mean if there are several seeds; the networks named in `own` have colours.
    """
    models = list(next(iter(percent.values())))
    figure, ((axes,),) = panels(1, 1, height=1.2 + 0.36 * len(models))
    colors = dict(zip(own, LAYERS, strict=False))
    marks = cycle("osD^v")
    for place, (name, values) in enumerate(percent.items()):
        rows = [row + 0.7 * ((place + 0.5) / len(percent) - 0.5) for row in range(len(models))]
        halves = np.nan_to_num([values[model].half_interval for model in models])
        axes.errorbar(
            [values[model].mean for model in models],
            rows,
            xerr=halves,
            fmt=next(marks),
            color=colors.get(name, MUTED),
            markersize=4,
            lw=1,
            label=name,
        )
    axes.axvline(0, color=INK, lw=1)
    axes.set(xlabel="energy saved, %", yticks=range(len(models)), yticklabels=models)
    axes.invert_yaxis()
    axes.legend(loc="upper right", bbox_to_anchor=(1.0, -0.14), ncols=2)
    return figure


def break_even(rates: Mapping[str, tuple[float, float]], per_step: float, per_synapse: tuple[float, float]) -> Figure:
    """Spike rates of networks, by name: per input and time step (left), per synapse and inference (right).

    A line and a band mark the published rates up to which spikes save energy.
    """
    figure, (row,) = panels(1, 2, height=0.9 + 0.3 * len(rates), sharey=True)
    names = ("spikes per input and time step", "spikes per synapse and inference")
    for n, (axes, name, ends) in enumerate(zip(row, names, ((per_step, per_step), per_synapse), strict=True)):
        axes.plot([rate[n] for rate in rates.values()], range(len(rates)), "o", color=OURS)
        axes.axvspan(*ends, color=FAINT, lw=1.5, alpha=0.6, zorder=0)
        axes.set(xlabel=name, yticks=range(len(rates)), yticklabels=rates)
        axes.set_xlim(left=0)
    row[0].invert_yaxis()
    return figure


def findings(networks: Mapping[str, Operating], savings: Mapping[str, tuple[float, float, Spread]]) -> Figure:
    """The result at a glance: accuracy against time (above), and the energy that quantization saves (below).

    `savings` has, by accounting, the lowest and the highest percentage by the paper's counts, and ours.
    """
    figure = plt.figure(figsize=(WIDTH, 4.3 + 0.3 * len(savings)))
    grid = figure.add_gridspec(2, len(networks), height_ratios=(7, len(savings)))
    row = [figure.add_subplot(grid[0, place]) for place in range(len(networks))]
    _operating(row, networks)
    below = figure.add_subplot(grid[1, :])
    for place, pair in enumerate(value[:2] for value in savings.values()):
        below.plot(pair, [place, place], "o-", color=INK, lw=1, markerfacecolor=CARD, markersize=8)
    _discs(below, [ours for *_, ours in savings.values()])
    below.set(yticks=range(len(savings)), yticklabels=savings, xlabel="energy saved by temporal quantization, %")
    below.invert_yaxis()
    below.axvline(0, color=FAINT, lw=1, zorder=0)
    below.margins(y=0.25)
    figure.legend(*row[-1].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def operating_curves(networks: Mapping[str, Operating]) -> Figure:
    """A panel for each network: accuracy by mean steps, bands over seeds; as trained (disc), the paper's (ring)."""
    figure, (row,) = panels(1, len(networks), height=2.9)
    _operating(list(row), networks)
    figure.legend(*row[-1].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _operating(row: Sequence[Axes], networks: Mapping[str, Operating]) -> None:
    for axes, (title, found) in zip(row, networks.items(), strict=True):
        for (name, curve), color in zip(found.curves.items(), NETWORKS, strict=True):
            _band(axes, curve, color, name)
            axes.plot(*[[value] for value in found.trained[name]], "o", color=color, ls="", label=f"{name}, as trained")
            steps, percent = found.printed[name]
            label = f"{name}, the paper"
            if steps is None:
                axes.axhline(percent, color=color, ls=":", lw=1.2, label=label)
            else:
                axes.plot([steps], [percent], "o", color=color, markerfacecolor=CARD, markersize=8, ls="", label=label)
        axes.set(title=title.replace(", ", "\n"), xlabel="mean time steps")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    row[0].set_ylabel("test accuracy, %")


def _band(axes: Axes, curve: Sequence[tuple[float, Spread]], color: str, name: str) -> None:
    """A line of means, with a band of their 95 % intervals where there are enough seeds."""
    steps = [at for at, _ in curve]
    axes.plot(steps, [accuracy.mean for _, accuracy in curve], color=color, label=name)
    ends = np.array([accuracy.interval for _, accuracy in curve if accuracy.seeds > 1])
    if len(ends):
        axes.fill_between(steps, ends[:, 0], ends[:, 1], color=color, alpha=0.25, lw=0)


def decoder_curves(
    networks: Mapping[str, Mapping[str, Sequence[tuple[float, Spread]]]],
    trained: Mapping[str, Mapping[str, tuple[float, float]]],
) -> Figure:
    """A panel for each network: accuracy in percent by mean steps, a line for each decoder that it was trained for.

    Bands are over seeds; `trained` has the steps and the accuracy as trained, by network and decoder (discs).
    """
    rows = -(-len(networks) // 2)
    figure, grid = panels(rows, 2, height=0.5 + 2.4 * rows)
    names = dict.fromkeys(name for curves in networks.values() for name in curves)
    dashed = ((INK, "-"), (LAYERS[4], "--"), (LAYERS[1], "-."), (LAYERS[2], (0, (1, 1))), (LAYERS[3], (0, (5, 1))))
    looks = dict(zip(names, dashed, strict=False))
    for axes in grid.flat[len(networks) :]:
        axes.axis("off")
    for axes, (title, curves) in zip(grid.flat, networks.items(), strict=False):
        for name, curve in curves.items():
            color, dashes = looks[name]
            _band(axes, curve, color, name)
            axes.lines[-1].set_linestyle(dashes)
            axes.plot(*[[value] for value in trained[title][name]], "o", color=color, ls="")
        axes.set(title=title, xlabel="mean time steps", ylabel="test accuracy, %")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    handles = {str(line.get_label()): line for axes in grid.flat for line in axes.lines if line.get_label() in names}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=min(3, len(handles)))
    return figure


def curves_by_reading(
    readings: Mapping[str, Mapping[str, Sequence[tuple[float, Spread]]]], printed: Mapping[str, tuple[float, float]]
) -> Figure:
    """A panel for each reading of mean steps: the networks' accuracy in percent by steps, the paper's as rings.

    `readings` has the curves by name, as steps and accuracies over seeds; bands are 95 % intervals of the means, where
    there are two seeds or more.  `printed` has the paper's steps and accuracies by name; those of networks with a curve
    have its colour.
    """
    rows = -(-len(readings) // 2)
    figure, grid = panels(rows, min(2, len(readings)), height=0.7 + 2.5 * rows, sharex=True, sharey=True)
    names = dict.fromkeys(name for curves in readings.values() for name in curves)
    colors = dict(zip(names, cycle((*NETWORKS, INK)), strict=False))
    for axes, (title, curves) in zip(grid.flat, readings.items(), strict=False):
        for name, curve in curves.items():
            _band(axes, curve, colors[name], name)
        for name, point in printed.items():
            (ring,) = axes.plot(*[[value] for value in point], "o", color=colors.get(name, MUTED), ls="", zorder=3)
            ring.set(markerfacecolor=CARD, markersize=8, label=f"the paper, {name}")
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set_xlabel("mean inference time steps, by this reading")
    for axes in grid[:, 0]:
        axes.set_ylabel("test accuracy, %")
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def pareto(networks: Mapping[str, tuple[Spread, float, float]]) -> Figure:
    """Accuracy in percent against nanojoules (left) and inference steps (right); `networks` has these three by name.

    The line joins the networks that no other one beats in both, and these are named; a bar is the 95 % interval over
    seeds, and a ring is a network with one seed, which has no interval.
    """
    figure, (row,) = panels(1, 2, height=3.4, sharey=True)
    for axes, column, label in zip(row, (1, 2), ("energy per image, nJ", "mean inference time steps"), strict=True):
        best = -np.inf
        front = []
        for name, values in sorted(networks.items(), key=lambda network: network[1][column]):
            cost, accuracy = values[column], values[0]
            percent = accuracy.mean
            leads = percent > best
            if leads:
                best = percent
                front.append((cost, percent, name))
            color = OURS if leads else MUTED
            fill = color if accuracy.seeds > 1 else CARD
            axes.errorbar(
                cost, percent, accuracy.half_interval, fmt="o", color=color, markerfacecolor=fill, markersize=6, lw=1
            )
        for cost, percent, name in front:  # the line's ends are named on their right, so that no name leaves the panel
            shift, side = (6, "left") if (cost, percent, name) in (front[0], front[-1]) else (-6, "right")
            offset = {"textcoords": "offset points", "ha": side, "va": "center_baseline"}
            axes.annotate(name, (cost, percent), (shift, 0), fontsize=7, **offset)
        axes.plot(*zip(*(point[:2] for point in front), strict=True), color=OURS, lw=1, zorder=0)
        axes.set_xlabel(label)
        axes.margins(x=0.18, y=0.12)
    row[0].set(ylabel="test accuracy, %", xscale="log")
    row[0].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    row[0].xaxis.set_major_formatter(ScalarFormatter())
    row[0].xaxis.set_minor_formatter(NullFormatter())
    return figure


def energy_bars(nanojoules: DataFrame) -> Figure:
    """Energy per image: a bar for every column (a configuration), divided among the rows (its layers), in nJ."""
    figure, ((axes,),) = panels(1, 1, height=3.2)
    names = [str(name).replace(", ", "\n") for name in nanojoules.columns]
    bottom = nanojoules.iloc[0] * 0
    for (layer, heights), color in zip(nanojoules.iterrows(), LAYERS, strict=True):
        axes.bar(names, heights, bottom=bottom, color=color, width=0.62, label=layer)
        bottom = bottom + heights
    axes.set_ylabel("energy per image, nJ")
    axes.legend()
    return figure


def speed_bars(ratios: DataFrame) -> Figure:
    """Times relative to ours: a group of bars for every column (a network), a bar for every row (a variant)."""
    figure, ((axes,),) = panels(1, 1, height=0.8 + 0.2 * ratios.size)
    _side_by_side(axes.barh, ratios.T, (*LAYERS, MUTED, "#D55E00"))
    axes.axvline(1, color=INK, lw=1)
    axes.set(
        xlabel="time of a training step, relative to ours",
        yticks=range(len(ratios.columns)),
        yticklabels=ratios.columns,
    )
    axes.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _side_by_side(draw: Callable[..., BarContainer], table: DataFrame, colors: Sequence[str]) -> list[BarContainer]:
    """A group of bars for every row, with a bar for every column; `draw` is `bar` or `barh` of the axes."""
    width = 0.8 / len(table.columns)
    containers = []
    for i, (name, color) in enumerate(zip(table.columns, cycle(colors), strict=False)):
        places = [row + (i + 0.5) * width - 0.4 for row in range(len(table))]
        containers.append(draw(places, table[name], width, color=color, label=name))
    return containers


def growth_curves(curves: Mapping[str, tuple[str, Sequence[float], Sequence[float]]]) -> Figure:
    """A panel for every curve, by title: the label of its horizontal axis, the values on it, and the milliseconds."""
    figure, (row,) = panels(1, len(curves), height=2.6)
    for axes, (title, (label, values, times)) in zip(row, curves.items(), strict=True):
        axes.plot(values, times, "o-", color=OURS)
        ticks = [value for value in values if 8 * value >= max(values)]  # smaller ones would run into one another
        axes.set(title=title, xlabel=label, ylim=(0, 1.15 * max(times)), xticks=ticks)
    row[0].set_ylabel("training step, ms")
    return figure

"""The book's interactive figures: the data that their scripts read, their still pictures, their place on a page.

A notebook has `<figure class="interactive" id="interactive-NAME">` with a caption and nothing else, which is a plain
sentence in Jupyter.  `install` works on the built pages: it writes what the figures show, from the released results,
into the folder of their scripts, puts a still picture and the script into each figure, and takes the sentence for
readers of the notebook out of its caption.  Without JavaScript the picture stays.  The folder's name carries a hash of
its content, so that no browser mixes an old script with new data.
"""

from __future__ import annotations

import json
from hashlib import sha256
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tqttfs_lite.energy.models import CAUSAL
from tqttfs_lite.experiments import datasets, experiment, results
from tqttfs_lite.experiments.checkpoints import GRID
from tqttfs_lite.experiments.config import TrainingConfig, family, follows_recipe, recipe
from tqttfs_lite.paper import comparisons, energy_claims, reported, seed_statistics
from tqttfs_lite.paper.seed_statistics import Group, Spread
from tqttfs_lite.report import method_figures, result_figures, style
from tqttfs_lite.spiking.coding import decode, encode
from tqttfs_lite.spiking.notation import Architecture

SCRIPTS = "interactive"  # in the book's static files
FOR_JUPYTER = "In the book this figure is interactive."  # begins the captions, and is not shown in the book

# A neuron that the three models treat differently: its potential dips below θ between two ticks.
NEURON: dict[str, Any] = {
    "T": 16,
    "q": 4,
    "theta": 1.0,
    "times": [1, 2, 3, 5, 9, 10],
    "weights": [0.75, 0.5, -0.5, 0.5, 0.75, 0.75],
}
DIGIT = recipe("784-400(1)-10(2)", "mnist", time_steps=8)
DATASETS = {name: datasets.get(name).title for name in reported.ACCURACY}
FIRST_DIGIT = 3  # the class whose image is there at the start

KINDS = {"SMLP, TTFS": "o", "SCNN, TTFS": "s", "SMLP, rate coded": "^"}
KIND_COLORS = dict(zip(KINDS, (result_figures.LAYERS[0], result_figures.OURS, style.COLORS["TTFS"]), strict=True))


class FigureError(ValueError):
    """What keeps an interactive figure from being built, in a sentence for whoever builds the book."""


class Interactive(NamedTuple):
    """One figure: the page that has it, and what its still picture shows."""

    page: str
    alt: str


FIGURES = {
    "neuron": Interactive(
        "notebooks/03_temporal_quantization",
        "Three columns: the IF neuron fires twice, the TTFS neuron at its first crossing, and the TQ-TTFS neuron at a"
        " later tick, since its potential has dipped below the threshold by the first one.",
    ),
    "digit": Interactive(
        "notebooks/04_mnist_smlp",
        f"The ten output potentials for a test image of a {FIRST_DIGIT} over the time steps, with the threshold; the"
        " chosen class is drawn in colour and the step of the decision is marked.",
    ),
    "tradeoff": Interactive(
        "notebooks/09_audit",
        "Two scatter plots, MNIST and FashionMNIST, of accuracy against causal energy on a logarithmic axis; networks"
        " are points labelled with their degrees, with standard deviations as lines.",
    ),
}


def install(html: Path) -> None:
    """Complete the interactive figures of a built book.

    Raises `FigureError` where a page does not have its figure exactly once, or a weight does not fit.
    """
    folder = html / "_static" / SCRIPTS
    write(folder)
    content = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    named = folder.with_name(f"{SCRIPTS}-{sha256(content).hexdigest()[:12]}")
    folder.rename(named)
    for name, figure in FIGURES.items():
        page = html / f"{figure.page}.html"
        page.write_text(completed(page.read_text("utf-8"), name, f"../_static/{named.name}"), "utf-8")


def completed(document: str, name: str, folder: str) -> str:
    """The page with the figure's picture, note, style and script, and without `FOR_JUPYTER`.

    Raises `FigureError` as `install` does.

    >>> page = '<head></head><figure class="interactive" id="interactive-neuron"></figure>'
    >>> "<noscript>" in completed(page, "neuron", "folder"), "folder/neuron.js" in completed(page, "neuron", "folder")
    (True, True)
    """
    opening = f'<figure class="interactive" id="interactive-{name}">'
    if document.count(opening) != 1:
        raise FigureError(f"{FIGURES[name].page} needs the line {opening} once: the interactive figure goes there")
    style = f'<link rel="stylesheet" href="{folder}/figures.css"/>'
    script = f'<script type="module" src="{folder}/{name}.js"></script>'
    still = (
        f'\n<img class="still" src="{folder}/{name}.svg" alt="{FIGURES[name].alt}"/>'
        "\n<noscript><p>This is a still picture: the interactive figure needs JavaScript.</p></noscript>"
    )
    before, after = document.replace("</head>", f"{style}\n{script}\n</head>", 1).split(opening)
    return before + opening + still + after.replace(FOR_JUPYTER, "", 1)


def write(folder: Path) -> None:
    """Write the data of all figures and their still pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    digit, points = digit_data(), tradeoff_data()
    _write_json(folder / "neuron.json", NEURON)
    _write_json(folder / "digit.json", digit)
    (folder / "digit.bin").write_bytes(digit_weights())
    _write_json(folder / "tradeoff.json", points)
    with plt.rc_context(style.STYLE):
        for name, picture in (
            ("neuron", neuron_picture()),
            ("digit", digit_picture(digit)),
            ("tradeoff", tradeoff_picture(points)),
        ):
            style.save_svg(picture, folder / f"{name}.svg")


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, separators=(",", ":"), allow_nan=False), "utf-8")


def neuron_picture() -> Figure:
    times, W = torch.tensor(NEURON["times"]), torch.tensor([NEURON["weights"]])
    S_in = torch.stack([times == t for t in range(NEURON["T"])])[:, None].float()
    return method_figures.membrane_traces(S_in, W, NEURON["q"], NEURON["theta"])


def digit_result() -> results.Result:
    """The released result whose weights the digit figure runs."""
    return results.read(results.result_file(DIGIT, released=True))


def digit_weights() -> bytes:
    """The weights of every layer, an input's side by side, as little-endian 16-bit multiples of 2^-12.

    Raises `FigureError` for weights that are none.
    """
    parts = []
    for weight in experiment.trained_network(digit_result()).parameters():
        multiples = (weight.detach().T / GRID).numpy()
        stored = multiples.astype("<i2")
        if not np.array_equal(stored, multiples):
            raise FigureError("a weight is no 16-bit multiple of 2^-12")
        parts.append(stored.tobytes())
    return b"".join(parts)


def digit_data() -> dict[str, Any]:
    """The network's shape, T_0 of the unquantized network, and the first test image of every class."""
    architecture = Architecture.parse(DIGIT.architecture)
    plain = recipe(architecture.unquantized, DIGIT.dataset, DIGIT.time_steps)
    baseline = results.read(results.result_file(plain, released=True))
    test = datasets.load(DIGIT.dataset, "test")
    names = datasets.get(DIGIT.dataset).classes
    images = [
        {"label": names[label], "index": index, "pixels": test.images[index].flatten().tolist()}
        for label, index in datasets.first_of_each_class(test).items()
    ]
    sizes = architecture.sizes()
    return {
        "T": DIGIT.time_steps,
        "start": FIRST_DIGIT,
        "baselineSteps": baseline.test.mean_steps,
        "layers": [
            {"inputs": size.flops // size.neurons, "neurons": size.neurons, "q": q}
            for size, q in zip(sizes, architecture.quantization, strict=True)
        ],
        "weightUnit": GRID,
        "images": images,
    }


def digit_picture(digit: dict[str, Any]) -> Figure:
    network = experiment.trained_network(digit_result()).eval()
    pixels = torch.tensor(digit["images"][FIRST_DIGIT]["pixels"], dtype=torch.uint8)
    with torch.no_grad():
        V, S, steps, _ = network(encode(pixels[None], DIGIT.time_steps))
    decision = decode(V, S, steps, DIGIT.time_steps)
    classes = datasets.get(DIGIT.dataset).classes
    return result_figures.output_race(V[:, 0], steps, classes, int(decision.label), int(decision.step), DIGIT.theta)


def tradeoff_data() -> dict[str, Any]:
    """Accuracy, energies and steps of every released network that was trained by its recipe."""
    groups = seed_statistics.released()
    points = [_point(group, groups) for config, group in groups.items() if kind(config)]
    return {
        "kinds": list(KINDS),
        "datasets": DATASETS,
        # The still picture's accounting first, which the figure opens with.
        "accountings": sorted(points[0]["energies"], key=lambda name: name != CAUSAL),
        "points": sorted(points, key=lambda point: (point["dataset"], point["kind"], point["degrees"])),
    }


def kind(config: TrainingConfig) -> str | None:
    """Which of `KINDS` a configuration is; None if it does not follow its recipe, or has another T than the paper's.

    >>> kind(recipe("784-400-10", "mnist", 8)), kind(recipe("784-400-10", "mnist", 8, epochs=1))
    ('SMLP, TTFS', None)
    """
    architecture = Architecture.parse(config.architecture)
    if config.dataset not in DATASETS or config.time_steps != comparisons.paper_time_steps(config.dataset):
        return None
    if config.coding == "rate":
        same = recipe(config.architecture, config.dataset, config.time_steps, coding="rate")
        return "SMLP, rate coded" if config == same else None
    if not follows_recipe(config):
        return None
    return f"{family(architecture)}, TTFS"


def _point(group: Group, groups: dict[TrainingConfig, Group]) -> dict[str, Any]:
    config = group.config
    architecture = Architecture.parse(config.architecture)
    plain = recipe(architecture.unquantized, config.dataset, config.time_steps)
    baseline = group if config.coding == "rate" else groups[plain]  # rate coding has no clock to slow down
    return {
        "dataset": config.dataset,
        "kind": kind(config),
        "network": config.architecture,
        "degrees": "rate" if config.coding == "rate" else architecture.short_form,
        "T": config.time_steps,
        "seeds": len(group.results),
        "accuracy": _spread(group.accuracy),
        "steps": _spread(group.steps),
        "energies": {name: _spread(found) for name, found in energy_claims.mean_energies(group, baseline).items()},
        "reductions": {name: found.mean for name, found in energy_claims.reductions(group, baseline).items()},
        "results": [f"{result.config.name}.json" for result in group.results],
    }


def _spread(value: Spread) -> dict[str, float | None]:
    """Mean and standard deviation, which is None for one seed: JSON has no nan."""
    return {"mean": value.mean, "deviation": None if isnan(value.deviation) else value.deviation}


def tradeoff_picture(data: dict[str, Any]) -> Figure:
    figure, (row,) = style.panels(1, len(DATASETS), height=3.2)
    for axes, (dataset, title) in zip(row, DATASETS.items(), strict=True):
        points = [point for point in data["points"] if point["dataset"] == dataset]
        for point in points:
            accuracy, energy = point["accuracy"], point["energies"]["causal"]
            place = (energy["mean"], accuracy["mean"])
            color, deviations = KIND_COLORS[point["kind"]], (accuracy["deviation"] or 0, energy["deviation"] or 0)
            axes.errorbar(*place, *deviations, fmt=KINDS[point["kind"]], color=color, markersize=6, lw=1)
            axes.annotate(point["degrees"], place, (4, 4), textcoords="offset points", fontsize=7)
        axes.set(xscale="log", title=title, xlabel="causal energy per image, nJ (log)")
        axes.margins(x=0.25, y=0.15)
        axes.minorticks_off()
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.xaxis.set_major_formatter("{x:.0f}")
    row[0].set_ylabel("test accuracy, %")
    return figure

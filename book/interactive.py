"""The book's interactive figures: the data that their scripts read, their still pictures, their place on a page.

A notebook has `<figure class="interactive" id="interactive-NAME">` with a caption and nothing else, which is a plain
sentence in Jupyter.  `install` works on the built pages: it writes what the figures show, from the released results,
into the folder of their scripts, puts a still picture and the script into each figure, and takes the sentence for
readers of the notebook out of its caption.  Without JavaScript the picture stays.  The folder's name carries a hash of
its content, so that no browser mixes an old script with new data.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tqttfs_lite.energy.models import (
    BULK,
    CAUSAL,
    MEMORY,
    SLIDES,
    Counts,
    causal_energies,
    layer_energies,
    memory_energies,
)
from tqttfs_lite.experiments import datasets, experiment, results
from tqttfs_lite.experiments.config import TrainingConfig, family, follows_recipe, recipe
from tqttfs_lite.paper import comparisons, energy_claims, reported, seed_statistics
from tqttfs_lite.paper.seed_statistics import Group, Spread
from tqttfs_lite.report import method_figures, per_image, result_figures, style
from tqttfs_lite.spiking.coding import decode, encode
from tqttfs_lite.spiking.firing import LONGEST_TIME
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
# The published perceptrons: of each data set without quantization, and with the degrees that the slides single out.
PERCEPTRONS = [
    recipe(network, dataset, comparisons.paper_time_steps(dataset))
    for dataset, plain, degrees, _ in reported.improvements()
    if family(Architecture.parse(plain)) == "SMLP"
    for network in (plain, str(Architecture.parse(plain).with_quantization(degrees)))
]
IMAGES_OF_A_CLASS = 3
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
    "run": Interactive(
        "book/run_it",
        "Two columns, the FashionMNIST perceptron without and with temporal quantization; in each, the spikes of one"
        " test image as dashes, layer by layer over the time steps, and a line at the step of the decision.",
    ),
    "tradeoff": Interactive(
        "notebooks/09_audit",
        "Two scatter plots, MNIST and FashionMNIST, of accuracy against causal energy on a logarithmic axis; networks"
        " are points labelled with their degrees, with standard deviations as lines.",
    ),
}


def install(html: Path) -> None:
    """Complete the interactive figures of a built book.

    Raises `FigureError` where a page does not have its figure exactly once.
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
    _write_json(folder / "run.json", run_data())
    for config in {DIGIT, *PERCEPTRONS}:
        shutil.copy(weights_file(config), folder)
    for name in {config.dataset for config in PERCEPTRONS}:
        (folder / f"{name}.bin").write_bytes(few_pixels(name))
    _write_json(folder / "tradeoff.json", points)
    with plt.rc_context(style.STYLE):
        for name, picture in (
            ("neuron", neuron_picture()),
            ("digit", digit_picture(digit)),
            ("run", run_picture()),
            ("tradeoff", tradeoff_picture(points)),
        ):
            style.save_svg(picture, folder / f"{name}.svg")


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, separators=(",", ":"), allow_nan=False), "utf-8")


def neuron_picture() -> Figure:
    times, W = torch.tensor(NEURON["times"]), torch.tensor([NEURON["weights"]])
    S_in = torch.stack([times == t for t in range(NEURON["T"])])[:, None].float()
    return method_figures.membrane_traces(S_in, W, NEURON["q"], NEURON["theta"])


def released(config: TrainingConfig) -> results.Result:
    return results.read(results.result_file(config, released=True))


def prices(architecture: Architecture) -> dict[str, list[dict[str, float]]]:
    """Nanojoules for one of each thing that is counted of a layer of a perceptron, by accounting and layer.

    Every accounting is linear in these counts; the slides' formula is then multiplied by alpha, layer by layer.
    """
    plain = Architecture.parse(architecture.unquantized)  # its layers tick on every step
    none, one = [0.0] * len(plain.layers), [1.0] * len(plain.layers)
    units = {
        "spikes": Counts(plain, 0, one, none, none),
        "arriving": Counts(plain, 0, none, one, none),
        "additions": Counts(plain, 0, none, none, one),
        "ticks": Counts(plain, 1, none, none, none),
    }
    models: dict[str, Callable[[Counts], list[float]]] = {
        SLIDES: lambda counts: layer_energies(counts.sizes, counts.spikes),
        CAUSAL: causal_energies,
        MEMORY: memory_energies,
        BULK: partial(memory_energies, bulk=True),
    }
    return {
        name: [
            dict(zip(units, of_layer, strict=True))
            for of_layer in zip(*(energies(counts) for counts in units.values()), strict=True)
        ]
        for name, energies in models.items()
    }


def digit_data() -> dict[str, Any]:
    """The network's weights and prices, T_0 of the unquantized network, and the first test image of every class."""
    architecture = Architecture.parse(DIGIT.architecture)
    baseline = released(recipe(architecture.unquantized, DIGIT.dataset, DIGIT.time_steps))
    test = datasets.load(DIGIT.dataset, "test")
    names = datasets.get(DIGIT.dataset).classes
    images = [
        {"label": names[label], "index": index, "pixels": test.images[index].flatten().tolist()}
        for label, index in datasets.first_of_each_class(test).items()
    ]
    of_accounting = prices(architecture)
    return {
        "T": DIGIT.time_steps,
        "start": FIRST_DIGIT,
        "baselineSteps": baseline.test.mean_steps,
        "degrees": architecture.quantization,
        "weights": weights_file(DIGIT).name,
        "prices": {"slides": of_accounting[SLIDES], "causal": of_accounting[CAUSAL]},
        "images": images,
    }


def weights_file(config: TrainingConfig) -> Path:
    """The released weights of a configuration, which the figures read as they are."""
    return results.checkpoint_file(config, released=True)


def run_data() -> dict[str, Any]:
    """The published perceptrons: how they were trained, their weights and prices, and some test images of each set."""
    return {
        "longest": LONGEST_TIME,
        "datasets": {name: _few_images(name) for name in dict.fromkeys(config.dataset for config in PERCEPTRONS)},
        "accountings": {"slides": SLIDES, "others": [CAUSAL, MEMORY, BULK]},
        "networks": [
            {
                "dataset": config.dataset,
                "architecture": (architecture := Architecture.parse(config.architecture)).unquantized,
                "degrees": architecture.quantization,
                "T": config.time_steps,
                "theta": config.theta,
                "weights": weights_file(config).name,
                "bytes": weights_file(config).stat().st_size,
                "prices": prices(architecture),
            }
            for config in PERCEPTRONS
        ],
    }


def _few_images(name: str) -> dict[str, Any]:
    """A data set's title and classes, and which test images there are: the first few of every class, class by class."""
    dataset, labels = datasets.get(name), datasets.load(name, "test").labels
    of_class = ((labels == label).nonzero().flatten() for label in range(len(dataset.classes)))
    first = [indices[:IMAGES_OF_A_CLASS].tolist() for indices in of_class]
    return {"title": dataset.title, "classes": dataset.classes, "images": f"{name}.bin", "indices": first}


def run_picture() -> Figure:
    """The still picture: the last two of `PERCEPTRONS`, which are of one shape, on one image."""
    pair = {Architecture.parse(config.architecture).short_form: released(config) for config in PERCEPTRONS[-2:]}
    return per_image.raster(pair)


def few_pixels(name: str) -> bytes:
    """The pixels of the images that `run_data` lists, one after the other, a byte each."""
    indices = [index for of_class in _few_images(name)["indices"] for index in of_class]
    return bytes(datasets.load(name, "test").images[indices].flatten().tolist())


def digit_picture(digit: dict[str, Any]) -> Figure:
    network = experiment.trained_network(released(DIGIT)).eval()
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

"""The paper's reported tables, transcribed from its slides into tables/, as typed records.

Source: Yang, Xuan, Kang, "TQ-TTFS: High-Accuracy and Energy-Efficient Spiking Neural Networks Using Temporal
Quantization Time-to-First-Spike Neuron", ASP-DAC 2024, pp. 836-841, doi:10.1109/ASP-DAC58780.2024.10473964.
"""

import csv
from math import inf
from typing import NamedTuple

from tqttfs_lite.experiments import datasets, paths
from tqttfs_lite.spiking.notation import Architecture

# The tables, by their names in `used_files`.
ACCURACY = {"mnist": "paper/accuracy_mnist.csv", "fashion-mnist": "paper/accuracy_fashion_mnist.csv"}
LAYERS, ENERGY, CLAIMS = "paper/layers.csv", "paper/energy.csv", "paper/claims.csv"
CODING, LITERATURE = "paper/coding.csv", "paper/literature.csv"
BREAK_EVEN, CHIPS = "paper/break_even.csv", "paper/measured_chips.csv"
AIMS = "paper/aims.csv"
SINCE_2024, STATEMENTS = "paper/since_2024.csv", "paper/since_2024_statements.csv"

# The paper's three networks: data set, and notation without degrees.
NETWORKS = {
    "mnist-smlp": ("mnist", "784-400-10"),
    "fashion-smlp": ("fashion-mnist", "784-400-400-10"),
    "fashion-scnn": ("fashion-mnist", "28x28-16C5-P2-32C5-P2-800-128-10"),
}


class Accuracy(NamedTuple):
    """One row of a table of accuracies; `architecture` is in the notation, `reference` as in the paper."""

    model: str
    architecture: str
    coding: str
    accuracy_percent: float
    reference: str


class Layer(NamedTuple):
    """Neurons and FLOPs (synaptic connections) of one layer of the SCNN."""

    layer: str
    neurons: int
    flops: int


class LayerEnergy(NamedTuple):
    """A layer of the SCNN in the table of energies, per image; `alpha` is text because its printed decimals matter."""

    configuration: str  # q of the five layers, as in "1-2-2-4-4", or "none"
    layer: str
    q: int
    spikes: float
    inference_time_steps: float
    alpha: str


class BreakEven(NamedTuple):
    """The highest spike rate at which spikes save energy, according to a work: `low` to `high`, by the comparison."""

    source: str
    quantity: str
    low: float
    high: float
    condition: str


class Chip(NamedTuple):
    """The energy per image that a work measured on a chip."""

    source: str
    chip: str
    technology: str
    dataset: str
    coding: str
    microjoules: float
    accuracy_percent: float
    read: str  # which part of the work was read


class Claim(NamedTuple):
    """A number that the slides state in words; `value` is text because its printed decimals matter."""

    claim: str
    value: str
    unit: str
    slide: str


class Improvement(NamedTuple):
    """The slides' gain in accuracy of a quantized network over its baseline; `points`, percentage points, is text."""

    dataset: str
    network: str  # in the notation, without degrees
    degrees: str
    points: str


class Aim(NamedTuple):
    """What we set out to reach with a network: an accuracy within mean time steps, with few silent images."""

    network: str  # in the notation, without degrees
    degrees: str
    accuracy_percent: float
    steps: float  # inf for any number
    why: str

    @property
    def words(self) -> str:
        """
        >>> aims()[0].words, aims()[1].words
        ('98.6 % within 2.5 steps', '99 % at any step')
        """
        within = "at any step" if self.steps == inf else f"within {self.steps:g} steps"
        return f"{self.accuracy_percent:g} % {within}"

    @property
    def has_slides_steps(self) -> bool:
        """Whether the steps are those that the slides print for this accuracy."""
        return self.why.endswith("and steps")


class Coding(NamedTuple):
    """One row of the introduction's comparison of rate coding and TTFS coding, in words."""

    property: str
    rate_coding: str
    ttfs_coding: str


class Citation(NamedTuple):
    """A cited accuracy for comparison with ours; None if the work gives none."""

    work: str
    network: str
    mnist_percent: float | None
    fashion_mnist_percent: float | None
    note: str
    verified: bool


class Later(NamedTuple):
    """A network of another work, with the conditions of its accuracies as stated there; empty if not stated."""

    key: str  # of the work in the bibliography
    what: str
    network: str
    time_steps: str
    weights: str
    decoder: str
    epoch: str  # whose weights were scored on the test set
    silent: str  # share of images on which no output neuron fires
    mnist_percent: str
    fashion_mnist_percent: str
    evidence: str
    read: str  # what was read of the work


class Statement(NamedTuple):
    """A statement of another work on a theme."""

    theme: str
    key: str  # of the work in the bibliography
    says: str
    evidence: str
    read: str  # what was read of the work


def accuracy(dataset: str) -> list[Accuracy]:
    """The table of accuracies on a data set; empty if the paper reports none.

    >>> accuracy("mnist")[-1].architecture, accuracy("mnist")[-1].accuracy_percent
    ('784-400(1)-10(2)', 98.6)

    Raises:
        InputError: the data set is unknown.
        FileNotFoundError: the table is missing.
    """
    datasets.get(dataset)
    table = ACCURACY.get(dataset)
    return [
        Accuracy(r["model"], r["architecture"], r["coding"], float(r["accuracy_percent"]), r["reference"])
        for r in (_rows(table) if table else [])
    ]


def own_accuracy(dataset: str) -> dict[str, float]:
    """The paper's own accuracies in percent, by canonical notation, where degrees missing on the slides are 1.

    >>> own_accuracy("mnist")
    {'784-400(1)-10(1)': 98.1, '784-400(1)-10(2)': 98.6}
    """
    own = [row for row in accuracy(dataset) if row.reference == "this paper"]
    return {str(Architecture.parse(row.architecture)): row.accuracy_percent for row in own}


def layers() -> list[Layer]:
    """Neurons and FLOPs of the SCNN's five layers, from the first to the output."""
    return [Layer(r["layer"], int(r["neurons"]), int(r["flops"])) for r in _rows(LAYERS)]


def energy() -> list[LayerEnergy]:
    """Spikes, time steps and alpha of the SCNN: five configurations for each of five layers."""
    order = [layer.layer for layer in layers()]
    records = []
    for r in _rows(ENERGY):
        degrees = "1-1-1-1-1" if r["configuration"] == "none" else r["configuration"]
        q = int(degrees.split("-")[order.index(r["layer"])])
        spikes, steps = float(r["spikes"]), float(r["inference_time_steps"])
        records.append(LayerEnergy(r["configuration"], r["layer"], q, spikes, steps, r["alpha"]))
    return records


def configurations() -> list[str]:
    """The configurations of the SCNN in the table of energies, the unquantized one first.

    >>> configurations()
    ['none', '1-1-1-2-2', '1-2-2-2-2', '1-2-2-4-4', '1-4-4-4-4']
    """
    return list(dict.fromkeys(row.configuration for row in energy()))


def claims() -> dict[str, Claim]:
    """The numbers stated in words, by name.

    >>> claims()["energy_reduction_1-2-2-4-4"].value
    '66.0'
    """
    return {r["claim"]: Claim(**r) for r in _rows(CLAIMS)}


def break_even() -> list[BreakEven]:
    """The highest spike rates at which other works find that spikes save energy.

    >>> [(rate.low, rate.high) for rate in break_even()]
    [(0.057, 0.057), (0.15, 1.38)]
    """
    return [
        BreakEven(r["source"], r["quantity"], float(r["low"]), float(r["high"]), r["condition"])
        for r in _rows(BREAK_EVEN)
    ]


def measured_chips() -> list[Chip]:
    """The energies per image measured on chips.

    >>> [chip.microjoules for chip in measured_chips()]
    [205.0, 21.8]
    """
    return [
        Chip(source, chip, technology, dataset, coding, float(microjoules), float(percent), read)
        for source, chip, technology, dataset, coding, microjoules, percent, read in map(dict.values, _rows(CHIPS))
    ]


def improvements() -> list[Improvement]:
    """The improvements in accuracy that the slides claim, from the smallest network to the largest.

    >>> improvements()[0]
    Improvement(dataset='mnist', network='784-400-10', degrees='1-2', points='0.5')
    """
    stated = claims()
    small, middle, large = NETWORKS.values()
    return [
        Improvement(*small, "1-2", stated["mnist_smlp_improvement"].value),
        Improvement(*middle, "1-2-4", stated["fashion_smlp_improvement_1-2-4"].value),
        Improvement(*large, "1-2-2-4-4", stated["fashion_scnn_improvement_1-2-2-4-4"].value),
    ]


def aims() -> list[Aim]:
    """What we set out to reach beyond the recipe's networks.

    >>> aims()[2].degrees
    '1-1'
    """
    found = []
    for r in _rows(AIMS):
        steps = inf if r["steps"] == "any" else float(r["steps"])
        degrees = r["degrees"] if r["degrees"] != "none" else Architecture.parse(r["network"]).short_form
        found.append(Aim(r["network"], degrees, float(r["accuracy_percent"]), steps, r["why"]))
    return found


def coding() -> list[Coding]:
    """Rate coding against TTFS coding, as the introduction puts it."""
    return [Coding(**r) for r in _rows(CODING)]


def literature() -> list[Citation]:
    """Accuracies of this paper and of other works."""

    def number(text: str) -> float | None:
        return float(text) if text else None

    return [
        Citation(work, network, number(mnist), number(fashion_mnist), note, {"yes": True, "no": False}[verified])
        for _, work, network, mnist, fashion_mnist, note, verified in map(dict.values, _rows(LITERATURE))
    ]


def literature_keys() -> dict[str, str]:
    """The bibliography key of each of these works.

    >>> literature_keys()["S4NN"]
    'kheradpisheh2020s4nn'
    """
    return {r["work"]: r["key"] for r in _rows(LITERATURE)}


def since_2024() -> list[Later]:
    """Networks of works published after the paper, and of works they are compared with, with their conditions."""
    return [Later(**r) for r in _rows(SINCE_2024)]


def statements() -> list[Statement]:
    """Statements of works since 2024, by theme."""
    return [Statement(**r) for r in _rows(STATEMENTS)]


def _rows(table: str) -> list[dict[str, str]]:
    """The rows of a table, as text by column; lines that start with #, which name the slide, are skipped."""
    path = paths.paper_directory() / table.removeprefix("paper/")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: it comes with the package; reinstall the package")
    lines = path.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader((line for line in lines if not line.startswith("#")), strict=True))

"""What the letter to the authors says in numbers: how far apart their possible answers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from book import marks
from book.compared import label
from book.wording import listed, rows
from tqttfs_lite.energy.models import MEMORY
from tqttfs_lite.experiments import anytime, used_files
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.dial import Dial
from tqttfs_lite.paper import comparisons, energy_claims, gains, operating_points, reported, seed_statistics
from tqttfs_lite.paper.operating_points import READINGS, Printed
from tqttfs_lite.paper.seed_statistics import Group, difference, spread
from tqttfs_lite.report import per_image, result_figures, style
from tqttfs_lite.spiking.notation import Architecture

LOSS, STEPS, POOLING, RUNS, REFERENCE = (
    f"<!-- {name} -->" for name in ("loss", "steps", "pooling", "runs", "reference")
)
FIGURE = "readings.svg"
CONFIGURATIONS = 4  # quantized ones of the slides' convolutional network, of which they single out the best
GRID = [n / 4 for n in range(8, 57)]  # mean steps, 2 to 14
DEGREES = {energy_claims.UNQUANTIZED: None, energy_claims.BEST: energy_claims.BEST}  # by the slides' words for them
LOSSES: dict[str, dict[str, Any]] = {  # by what the page calls them, how they differ from the recipe
    "soft decoder": comparisons.EARLIER,
    "soft decoder, tick-corrected": {},
    "soft decoder, about four ticks": {"loss": "few-ticks"},
    "first spike times": {"loss": "first-spike-time", "sharpness": 16.0},
}
Groups = Mapping[TrainingConfig, Group]


class Networks(NamedTuple):
    """The slides' convolutional network: ours, quantized and not, with the dials of all seeds, and the reference."""

    groups: dict[str, Group]  # by degrees
    dials: dict[str, list[Dial]]
    references: list[anytime.Reference]

    @property
    def used_files(self) -> tuple[str, ...]:
        """The names of the files behind them."""
        found = [group.dials for group in self.groups.values()]
        tables = (reported.ENERGY, reported.ACCURACY["fashion-mnist"])
        return tuple(used_files.names(self.groups, found, self.references, tables))


def write(folder: Path) -> dict[str, str]:
    """Write the figure into `folder`; by mark of the page, the Markdown that takes its place."""
    groups = seed_statistics.released()
    networks = convolutional(groups)
    with plt.rc_context(style.STYLE):
        style.save_svg(figure(networks), folder / FIGURE)
    return {
        LOSS: loss_part(groups),
        STEPS: steps_part(networks),
        POOLING: pooling_part(groups),
        RUNS: runs_part(groups),
        REFERENCE: reference_part(),
    }


def convolutional(groups: Groups) -> Networks:
    """The networks whose curves are read; without those that are not trained."""
    claim = reported.improvements()[-1]
    found = {degrees: comparisons.by_recipe(groups, claim.dataset, claim.network, q) for degrees, q in DEGREES.items()}
    there = {degrees: group for degrees, group in found.items() if group}
    dials = {degrees: group.read_dials() for degrees, group in there.items()}
    return Networks(there, dials, _references(claim.network))


def _references(network: str) -> list[anytime.Reference]:
    plain = str(Architecture.parse(network))
    return [found for task in anytime.STUDY if task.config.architecture == plain for found in anytime.stored(task)]


def figure(networks: Networks) -> Figure:
    """Accuracy against steps by each reading: ours, the reference and the slides' points."""
    claim = reported.improvements()[-1]
    T = comparisons.paper_time_steps(claim.dataset)
    curves = {degrees: dials for degrees, dials in networks.dials.items() if dials}
    if networks.references:
        curves["reference, no spikes"] = [reference.dial for reference in networks.references]
    readings = {
        reading.words: {name: operating_points.curve(dials, T, reading, GRID) for name, dials in curves.items()}
        for reading in READINGS
    }
    return result_figures.curves_by_reading(
        readings, {printed.degrees: (printed.steps, printed.accuracy) for printed in operating_points.printed()}
    )


def loss_part(groups: Groups) -> str:
    """What each loss that was trained makes of the slides' networks on FashionMNIST."""
    body, used = [], []
    by_loss = [comparisons.of_claims(groups, **changes)[1:] for changes in LOSSES.values()]
    for row in zip(*by_loss, strict=True):
        for words, comparison in zip(LOSSES, row, strict=True):
            claim, quantized, baseline = comparison
            if not (quantized and baseline and (gain := comparison.gain)):
                continue
            measured = [f"{group.steps.mean:.2f}; {group.silent.mean:.1f}" for group in (baseline, quantized)]
            seeds = f"{len(baseline.results)}, {len(quantized.results)}"
            body.append([label(claim), words, *measured, gain.text(2), f"+{claim.points}", seeds])
            used += [quantized, baseline]
    header = [
        "network",
        "our loss",
        "steps; silent, %",
        "quantized",
        "gain, points",
        "gain on the slides",
        "seeds",
    ]
    return marks.part(rows(header, body), used, reported.CLAIMS)


def steps_part(networks: Networks) -> str:
    """What our networks and the reference score at the slides' steps, by each reading of these."""
    T = comparisons.paper_time_steps(reported.improvements()[-1].dataset)
    references = [reference.dial for reference in networks.references]
    body = []
    for reading in READINGS:
        for printed in operating_points.printed():
            dials = networks.dials.get(printed.degrees, [])
            found = [_scores(dials, T, printed, reading), _scores(references, T, printed, reading)]
            body.append([reading.words, printed.degrees, f"{printed.steps:.2f}", f"{printed.accuracy:.1f}", *found])
    header = ["how steps are counted", "degrees", "the slides' steps", "the slides, %"]
    header += ["ours, % (silent, %)", "reference, %"]
    directive = [
        f"```{{figure}} {FIGURE}",
        ":name: fig-readings",
        f":alt: {_alternative(networks, T)}",
        "Accuracy against mean steps under each reading of the slides' steps: the convolutional network on"
        " FashionMNIST, unquantized (none) and quantized; a conventional reference that is given the step; and the"
        " paper's two points. Our networks move along their curves as the output threshold is varied; bands are 95 %"
        " intervals over seeds.",
        "```",
    ]
    sentences = [possible_sentence(networks, T), _seeds_sentence(networks)]
    return marks.part(
        "\n\n".join([rows(header, body), "\n".join(filter(None, sentences)), "\n".join(directive)]), networks
    )


def _scores(dials: Sequence[Dial], T: int, printed: Printed, reading: operating_points.Reading) -> str:
    """Accuracy and silence at the slides' steps, or at the first that all seeds can take where these are later."""
    if not dials:
        return "not trained"
    first = operating_points.earliest(dials, T, reading)
    points = operating_points.seeds_at(dials, T, reading, max(first, printed.steps))
    if not points:
        return "never takes that many"
    score = f"{spread([p.accuracy for p in points]).text(2)} ({mean(p.silent for p in points):.1f})"
    return score if first <= printed.steps else f"{score}, at its minimum of {first:.2f} steps"


def possible_sentence(networks: Networks, T: int) -> str:
    """Whether the slides' unquantized accuracy at their steps is within what the reference knows."""
    first, _ = operating_points.printed()
    dials = [reference.dial for reference in networks.references]
    within: list[str] = []
    beyond: list[str] = []
    for reading in READINGS:
        if known := operating_points.accuracy_at(dials, T, reading, first.steps):
            (within if known.mean >= first.accuracy else beyond).append(reading.words)
    said = f"{first.accuracy} % after {first.steps:.2f} steps"
    words = []
    for what, readings in (("within", within), ("beyond", beyond)):
        if readings:
            counted = f"if steps are counted {'; or '.join(readings)}"
            where = "under every reading" if len(readings) == len(READINGS) else counted
            words.append(f"{said} is {what} the reach of the reference {where}.")
    return "\n".join(words)


def _seeds_sentence(networks: Networks) -> str:
    names = {energy_claims.UNQUANTIZED: "the unquantized network"}
    counts = [f"{len(dials)} seeds of {names.get(degrees, degrees)}" for degrees, dials in networks.dials.items()]
    return f"The table is based on {listed([*counts, f'{len(networks.references)} of the reference'])}."


def _alternative(networks: Networks, T: int) -> str:
    found = []
    for printed in operating_points.printed():
        ours = operating_points.accuracy_at(networks.dials.get(printed.degrees, []), T, READINGS[0], printed.steps)
        found.append(f"{printed.degrees}: the paper {printed.accuracy}" + (f", ours {ours.mean:.1f}" if ours else ""))
    return f"Accuracy in % at the paper's steps, counted from 1 with silent images. {'; '.join(found)}."


def pooling_part(groups: Groups) -> str:
    """Our convolutional network with both kinds of pooling, and what the slides' counts say of energy with each."""
    claim = reported.improvements()[-1]
    average = {
        degrees: comparisons.by_recipe(groups, claim.dataset, claim.network, q, **comparisons.EARLIER)
        for degrees, q in DEGREES.items()
    }
    body, used = [], []
    for words, found in (("average", average), ("maximum", comparisons.maximum_pooled(groups))):
        plain, best = found.get(energy_claims.UNQUANTIZED), found.get(energy_claims.BEST)
        if plain and best:
            gain = difference(best.accuracy, plain.accuracy)
            scores = [
                f"{group.accuracy.text(2)} ({group.steps.mean:.2f}; {group.silent.mean:.1f})" for group in (plain, best)
            ]
            seeds = f"{len(plain.results)}, {len(best.results)}"
            body.append([words, str(plain.config.epochs), *scores, gain.text(2), seeds])
            used += [plain, best]
    header = ["pooling", "epochs", "unquantized, % (steps; silent, %)", "quantized", "gain, points", "seeds"]
    text = "Both were trained with the first loss in question 1:\n\n" + rows(header, body)
    tables = (reported.ENERGY, reported.LAYERS, "fashion-mnist/test")
    return marks.part(f"{text}\n\n{_saving_sentence(groups)}", used, tables)


def _saving_sentence(groups: Groups) -> str:
    """The energy saved by the slides' own counts, by what pooling passes on."""
    images = per_image.input_spikes("fashion-mnist", comparisons.paper_time_steps("fashion-mnist"))
    cases = energy_claims.reported_reductions(energy_claims.BEST, images, comparisons.pooling_cases(groups))
    said = [f"{saved[MEMORY]:.1f} % ({words})" for words, saved in cases.items()]
    return f"By the slides' own counts, {MEMORY}, their best configuration saves {listed(said)} of the energy."


def runs_part(groups: Groups) -> str:
    """Where one more pair of ours would be, and what a choice among runs or epochs adds."""
    body, used = [], []
    for claim in reported.improvements():
        quantized = comparisons.by_recipe(groups, claim.dataset, claim.network, claim.degrees)
        baseline = comparisons.by_recipe(groups, claim.dataset, claim.network)
        if quantized and baseline:
            one_more = gains.one_more_pair(quantized.accuracy, baseline.accuracy)
            low, high = one_more.interval
            scores = [result.test.accuracy for result in quantized.results]
            best = f"{best_of(scores, CONFIGURATIONS):+.2f}" if len(scores) >= CONFIGURATIONS else ""
            p_value = one_more.p_value(float(claim.points))
            values = [f"{low:.2f} to {high:.2f}", f"{p_value:.2g}", best, f"{best_epoch(quantized):+.2f}"]
            seeds = f"{len(baseline.results)}, {len(quantized.results)}"
            body.append([label(claim), f"+{claim.points}", *values, seeds])
            used += [quantized, baseline]
    header = [
        "network",
        "gain on the slides",
        "one more pair of ours, 95 % prediction interval",
        "p-value of the slides' gain",
        f"best of {CONFIGURATIONS} runs above their mean",
        "best epoch above the last, validation",
        "seeds",
    ]
    return marks.part(rows(header, body), used, reported.CLAIMS)


def best_of(scores: Sequence[float], runs: int) -> float:
    """By how much the best of so many runs is above the mean, on average over all ways to draw them.

    >>> best_of([1.0, 2.0, 3.0], 2)
    0.6666666666666665
    """
    return mean(max(drawn) for drawn in combinations(scores, runs)) - mean(scores)


def best_epoch(group: Group) -> float:
    """By how many points the best epoch's validation accuracy is above the last one's, on average over seeds."""
    histories = [[epoch.validation_accuracy for epoch in result.history] for result in group.results]
    return mean(max(history) - history[-1] for history in histories)


def reference_part() -> str:
    """The references that were trained: their settings, and the accuracy where every image stops at a step."""
    body, used = [], []
    for task in anytime.STUDY:
        found = anytime.stored(task)
        if found:
            config, last = found[0].config, len(found[0].test_by_step)
            shown = [4, 6, 8, last] if last > 8 else [2, 3, 4, last]
            images = found[0].dial.test.images
            by_step = [spread([100 * r.test_by_step[step - 1] / images for r in found]).text(2) for step in shown]
            network = f"{marks.DATASETS[config.dataset]}, {Architecture.parse(config.architecture).unquantized}"
            settings = [f"{config.learning_rate:g}", str(config.epochs), str(len(found))]
            scores = "; ".join(f"{accuracy} after {step}" for step, accuracy in zip(shown, by_step, strict=True))
            body.append([network, *settings, scores])
            used += found
    header = ["reference", "learning rate", "epochs", "seeds", "test accuracy if every image stops at the same step, %"]
    return marks.part(rows(header, body) if body else "No reference has been trained yet.", used)

"""Attempts to reach more: accuracies to aim at within a mean time, and what was tried for each.

    python -m tqttfs_lite.paper.attempts --device cuda

trains each attempt with one seed and scores it on the validation images: at all output thresholds, and with every
degree 1 as well as with those of training, since weights that were trained on a coarse clock may do better on the
finest.  With `--seeds 3`, the best attempt for each aim is then trained with that many seeds and scored on the test
images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, NamedTuple

import numpy as np
from pandas import DataFrame

from tqttfs_lite.errors import one_sentence
from tqttfs_lite.experiments import devices, dial, results, used_files
from tqttfs_lite.experiments.config import TrainingConfig, changes_text, losses_alike, recipe, variant
from tqttfs_lite.experiments.dial import Point
from tqttfs_lite.experiments.evaluation import Curve
from tqttfs_lite.experiments.experiment import run_together
from tqttfs_lite.experiments.random_settings import try_out
from tqttfs_lite.experiments.results import DIALS, Result, Trial, beside, trial_file
from tqttfs_lite.paper import reported
from tqttfs_lite.paper.comparisons import by_recipe, paper_time_steps, short
from tqttfs_lite.paper.random_search import as_study, parser_for
from tqttfs_lite.paper.reported import Aim
from tqttfs_lite.paper.seed_statistics import FEWEST, Group, Spread, released, spread
from tqttfs_lite.spiking.notation import Architecture

COMMAND = "python -m tqttfs_lite.paper.attempts"
RECIPE = "the recipe"  # beside the attempts' names
MOST_SILENT = 2.0  # percent of the images
VERDICTS = {  # on an aim, and how a sentence starts with them
    "yes": "Reached",
    "no": "Not reached",
    "few seeds": f"Not trained with {FEWEST} seeds yet",
    "not tried": "Nothing but the recipe was tried yet",
}


class Attempt(NamedTuple):
    """Changes to a recipe, and why they might help."""

    name: str
    reason: str
    changes: dict[str, Any]


def attempts(dataset: str) -> tuple[Attempt, ...]:
    """What is tried with each network for a data set, beside the settings around the recipe's of a `random_search`."""
    # Clothes are photographed upright, while digits are written at all angles.
    moved = {"rotate": 15.0, "zoom": 0.15} if dataset == "mnist" else {"rotate": 5.0, "zoom": 0.1}
    moved |= {"dropout": 0.0}
    # The mean number of images over which weights are averaged stays the same with larger batches.
    larger = {"batch_size": 512, "learning_rate": 4e-3, "averaging": 0.996}
    smoothed = {"label_smoothing": 0.3}
    return (
        Attempt("a higher price of time", "trains earlier decisions", {"step_cost": 0.02}),
        Attempt("rotation and zoom", "further images, instead of dropout", moved),
        Attempt("centred weights", "it matters which inputs have fired, not how many", {"centred": True}),
        Attempt("larger batches", "gradients with less noise", larger),
        Attempt("a flatter surrogate", "gradients further from the threshold", {"surrogate_alpha": 1.0}),
        Attempt("smoothed labels", "a network that need not be certain can decide sooner", smoothed),
        Attempt(
            "smoothed labels, few ticks", "together with fewer terms of the loss", {**smoothed, "loss": "few-ticks"}
        ),
        Attempt(
            "weights that halve in 2 T", "late spikes and silence lose by themselves", weights_that_halve(dataset, 2.0)
        ),
        Attempt("weights that halve in 4 T", "the same, with less haste", weights_that_halve(dataset, 4.0)),
        Attempt("silence costs", "silent images are what limits the threshold", {"silence_costs": True}),
        Attempt("smoothed labels, a higher price of time", "together", {**smoothed, "step_cost": 0.02}),
        Attempt("smoothed labels, the highest price of time", "for the earliest aims", {**smoothed, "step_cost": 0.04}),
        Attempt("smoothed labels, silence costs", "together", {**smoothed, "silence_costs": True}),
        Attempt("smoothed labels, longer", "more time to fit uncertain labels", {**smoothed, "epochs": 80}),
        Attempt("smoothed labels, rotation and zoom, longer", "together", {**moved, **smoothed, "epochs": 80}),
    )


def weights_that_halve(dataset: str, half_life: float) -> dict[str, Any]:
    """The changes to a recipe for a loss in which an output spike weighs half as much after so many times T.

    The sharpness was chosen on validation images (`weighted_decoder.tuning`); time needs no price of its own.
    """
    steps = half_life * paper_time_steps(dataset)
    return {"loss": "temporal-weighting", "sharpness": 8.0, "half_life": steps, "step_cost": 0.0}


def configurations(dataset: str, network: str, degrees: str) -> dict[str, TrainingConfig]:
    """The configuration of each attempt with a network, by the attempt's name.

    Attempts with a loss that for this output clock is the recipe's are left out.
    """
    T = paper_time_steps(dataset)
    tried = {each.name: variant(recipe(network, dataset, T, **each.changes), degrees) for each in attempts(dataset)}
    return {name: config for name, config in tried.items() if losses_alike(config)[0] == config.loss}


def reached(thresholds: Sequence[float], curve: Curve, steps: float) -> Point | None:
    """The highest accuracy within the given mean time steps, with at most `MOST_SILENT` percent of the images silent.

    Between measured thresholds, counts are interpolated, as in a dial.  The result is None if no threshold allows that.

    >>> curve = Curve(images=100, correct=(80, 90), silent=(0, 4), steps=(200, 400))
    >>> [round(reached((0.5, 1.0), curve, steps).accuracy) for steps in (2.5, 9.0)], reached((0.5, 1.0), curve, 1.9)
    ([82, 85], None)
    """
    grid = dial.interpolated(thresholds)
    correct, means, silent = (
        np.interp(grid, thresholds, counts) / curve.images for counts in (curve.correct, curve.steps, curve.silent)
    )
    allowed = (means <= steps) & (100 * silent <= MOST_SILENT)
    if not allowed.any():
        return None
    best = np.where(allowed, correct, -1).argmax()
    return Point(*(float(values[best]) for values in (grid, 100 * correct, means, 100 * silent)))


@dataclass(frozen=True)
class Tried:
    """The recipe or an attempt with one network: its counts on the validation images, with one seed."""

    name: str
    config: TrainingConfig
    trained: str  # how long, and on what
    thresholds: tuple[float, ...]
    curves: tuple[Curve | None, Curve | None]  # with the network's degrees, and with every degree 1
    files: tuple[str, ...]
    trained_as: str = ""  # the degrees of training, if they are not the network's

    @property
    def used_files(self) -> tuple[str, ...]:
        """The names of its files."""
        return self.files

    @property
    def words(self) -> str:
        """Its name, with the degrees of training if these are not the network's."""
        return f"{self.name}, trained as {self.trained_as}" if self.trained_as else self.name

    def points(self, aim: Aim) -> tuple[Point | None, Point | None]:
        """What is `reached` with either."""
        first, second = (reached(self.thresholds, curve, aim.steps) if curve else None for curve in self.curves)
        return first, second

    def best(self, aim: Aim) -> float:
        """The higher accuracy of the two; -inf if neither is within the aim's limits."""
        return max((point.accuracy for point in self.points(aim) if point), default=-inf)


@dataclass(frozen=True)
class Network:
    """A network with the aims for it and the attempts that are stored.

    An unquantized network also has the attempts with quantized networks of its shape: run with every degree 1, their
    weights make an unquantized network.
    """

    dataset: str
    network: str
    degrees: str
    aims: tuple[Aim, ...]
    tried: tuple[Tried, ...]

    @property
    def name(self) -> str:
        """Data set, family and degrees."""
        return f"{self.dataset}, {short(str(Architecture.parse(self.network).with_quantization(self.degrees)))}"

    @property
    def used_files(self) -> tuple[str, ...]:
        """The names of the trials' files, and of the table of aims."""
        return tuple(sorted({reported.AIMS, *used_files.names(self.tried)}))

    @property
    def attempts(self) -> tuple[Tried, ...]:
        """What was tried, apart from the recipe."""
        return tuple(tried for tried in self.tried if tried.name != RECIPE)

    @property
    def untried(self) -> tuple[TrainingConfig, ...]:
        """The configurations of the attempts that are not stored."""
        stored = {tried.name for tried in self.tried if not tried.trained_as}
        wanted = configurations(self.dataset, self.network, self.degrees)
        return tuple(config for name, config in wanted.items() if name not in stored)

    def best(self, aim: Aim) -> Tried | None:
        """The attempt with the highest validation accuracy within the aim's limits; None if none is within them."""
        found = max(self.tried, key=lambda tried: tried.best(aim), default=None)
        return found if found and found.best(aim) > -inf else None

    def curves(self) -> dict[tuple[str, bool], list[Point]]:
        """By name, and whether with the network's own degrees in training and run: validation scores at all thresholds.

        They are those of the recipe and of the attempts that are best for an aim.
        """
        best = [self.best(aim) for aim in self.aims]
        found = {}
        for tried in (tried for tried in self.tried if tried.name == RECIPE or tried in best):
            for as_trained, curve in zip((True, False), tried.curves, strict=True):
                if curve:
                    counts = np.array([curve.correct, curve.steps, curve.silent]) / curve.images * [[100], [1], [100]]
                    points = zip(tried.thresholds, *counts.tolist(), strict=True)
                    found[tried.name, as_trained] = [Point(*point) for point in points]
        return found

    def table(self) -> DataFrame:
        """One row per attempt: the validation accuracies for each aim, with the network's degrees / with 1."""
        return DataFrame(
            {
                "network": self.name,
                "attempt": tried.words,
                "changed": changes_text(tried.config),
                **{aim.words: " / ".join(_percent(point) for point in tried.points(aim)) for aim in self.aims},
                "trained": tried.trained,
            }
            for tried in self.tried
        )


class Outcome(NamedTuple):
    """What trained seeds reach for an aim on the test images, with thresholds chosen on the validation images."""

    as_trained: bool  # False with every degree 1
    seeds: int
    # Accuracy in percent, steps, and percent of silent images; None if a seed is not within the aim's limits.
    scores: tuple[Spread, Spread, Spread] | None

    @property
    def run(self) -> str:
        """With which degrees the network runs."""
        return "with its own degrees" if self.as_trained else "with every degree 1"


def outcome(network: Network, aim: Aim, groups: Mapping[TrainingConfig, Group]) -> Outcome | None:
    """The outcome of the best attempt for an aim; None if it is not released.

    `groups` are those of `seed_statistics.released`.
    """
    best = network.best(aim)
    group = best and groups.get(best.config)
    if not (best and group):
        return None
    first, second = (-inf if point is None else point.accuracy for point in best.points(aim))
    return tested(group, aim.steps, as_trained=first >= second)


def tested(group: Group, most_steps: float, *, as_trained: bool = True) -> Outcome:
    """The outcome of trained seeds within mean time steps, of those that have a dial of the degrees in question."""
    dials = [d for d in (d if as_trained else d.unquantized for d in group.read_dials()) if d]
    chosen = [reached(measured.thresholds, measured.validation, most_steps) for measured in dials]
    points = [measured.point(at.threshold) for measured, at in zip(dials, chosen, strict=True) if at]
    if not points or len(points) < len(dials):
        return Outcome(as_trained, len(dials), None)
    _, accuracy, steps, silent = (spread(values) for values in zip(*points, strict=True))
    return Outcome(as_trained, len(dials), (accuracy, steps, silent))


def outcomes(networks: Sequence[Network], groups: Mapping[TrainingConfig, Group]) -> DataFrame:
    """One row per aim: the best attempt, its validation accuracy, and what its seeds reach on the test images."""
    rows = []
    for network in networks:
        for aim in network.aims:
            best, found = network.best(aim), outcome(network, aim, groups)
            accuracy, steps, silent = (found and found.scores) or (None,) * 3
            usual = by_recipe(groups, network.dataset, network.network, network.degrees)
            before = usual and tested(usual, aim.steps).scores
            rows.append(
                {
                    "network": network.name,
                    "aim": aim.words,
                    "the aim is": aim.why,
                    "tried": len(network.attempts),
                    "best": best.words if best else "none within the limits",
                    "validation, %": f"{best.best(aim):.2f}" if best else "",
                    "test, %": accuracy.text(2) if accuracy else "",
                    "run": found.run if found else "",
                    "steps": f"{steps.mean:.2f}" if steps else "",
                    "silent, %": f"{silent.mean:.1f}" if silent else "",
                    "seeds": str(found.seeds) if found else "",
                    "recipe, test, %": before[0].text(2) if before else "",
                    "reached": _verdict(network, aim, found),
                }
            )
    return DataFrame(rows)


def sentence(networks: Sequence[Network], groups: Mapping[TrainingConfig, Group]) -> str:
    """Which aims are reached, with the mean accuracy on the test images where there is one."""
    told: dict[str, list[str]] = {verdict: [] for verdict in VERDICTS}
    for network in networks:
        for aim in network.aims:
            best, found = network.best(aim), outcome(network, aim, groups)
            coarse = f", trained as {best.trained_as}" if best and best.trained_as else ""
            accuracy = f" ({found.scores[0].mean:.2f}{coarse})" if found and found.scores else ""
            told[_verdict(network, aim, found)].append(f"{network.name}, {aim.words}{accuracy}")
    return " ".join(f"{VERDICTS[verdict]}: {'; '.join(words)}." for verdict, words in told.items() if words)


def counted_from_zero(networks: Sequence[Network]) -> list[Network]:
    """The networks whose aims have the slides' own steps, a step later: as if the slides count them from 0."""
    later = (
        replace(
            network,
            aims=tuple(
                aim._replace(steps=aim.steps + 1, why=f"{aim.why}, counted from 0")
                for aim in network.aims
                if aim.has_slides_steps
            ),
        )
        for network in networks
    )
    return [network for network in later if network.aims]


def _verdict(network: Network, aim: Aim, found: Outcome | None) -> str:
    enough = found is not None and found.seeds >= FEWEST
    if found and enough and found.scores and found.scores[0].mean >= aim.accuracy_percent:
        return "yes"
    if not network.attempts:
        return "not tried"
    return "no" if enough or not network.best(aim) else "few seeds"


def _percent(point: Point | None) -> str:
    return f"{point.accuracy:.2f}" if point else "–"


def stored(groups: Mapping[TrainingConfig, Group]) -> list[Network]:
    """The slides' networks for which there are aims, with the recipe and the attempts as far as they are stored."""
    aims: dict[tuple[str, str], list[Aim]] = {}
    for aim in reported.aims():
        aims.setdefault((aim.network, aim.degrees), []).append(aim)
    dataset_of = {network: dataset for dataset, network in reported.NETWORKS.values()}
    found = []
    for (network, degrees), of_network in aims.items():
        dataset = dataset_of[network]
        recipes = by_recipe(groups, dataset, network, degrees)
        tried = []
        if recipes and beside(recipes.results[0], *DIALS).exists():
            tried.append(_of_result(RECIPE, recipes.results[0]))
        for name, config in configurations(dataset, network, degrees).items():
            if trial_file(config).exists():
                tried.append(_of_trial(name, results.read_trial(trial_file(config))))
            elif (group := groups.get(config)) and beside(group.results[0], *DIALS).exists():
                tried.append(_of_result(name, group.results[0]))
        found.append(Network(dataset, network, degrees, tuple(of_network), tuple(tried)))
    return [_with_those_trained_on_coarse_clocks(network, found) for network in found]


def _with_those_trained_on_coarse_clocks(network: Network, others: Sequence[Network]) -> Network:
    """An unquantized network, with what was tried with the quantized ones of its shape; any other as it is."""
    if Architecture.parse(network.network).short_form != network.degrees:
        return network
    coarse = (
        replace(tried, curves=(None, tried.curves[1]), trained_as=other.degrees)
        for other in others
        if other.network == network.network and other.degrees != network.degrees
        for tried in other.tried
        if tried.curves[1]
    )
    return replace(network, tried=(*network.tried, *coarse))


def _of_result(name: str, result: Result) -> Tried:
    measured = dial.read(result)
    curves = measured.validation, measured.unquantized.validation if measured.unquantized else None
    names = f"results/{result.config.name}.json", used_files.name(beside(result, *DIALS))
    return Tried(name, result.config, _trained(result), measured.thresholds, curves, names)


def _of_trial(name: str, trial: Trial) -> Tried:
    return Tried(
        name, trial.config, _trained(trial), trial.thresholds, (trial.curve, trial.unquantized), trial.used_files
    )


def _trained(stored: Result | Trial) -> str:
    seconds = sum(epoch.seconds for epoch in stored.history)
    took = f"{seconds / 60:.1f} min" if seconds > 60 else f"{seconds:.0f} s"
    return f"{took}, {stored.made.get('processor', '')}"


def fresh(networks: Sequence[Network]) -> list[TrainingConfig]:
    """The best attempts for all aims, each once, with seed 0; without the recipe, which is released."""
    best = (network.best(aim) for network in networks for aim in network.aims)
    return list(dict.fromkeys(found.config for found in best if found and found.name != RECIPE))


def main(arguments: Sequence[str] | None = None) -> None:
    """Try out what might raise the accuracy of the slides' networks, or of some of them."""
    names = list(dict.fromkeys(aim.network for aim in reported.aims()))
    best_of = "train the best attempt for each aim with this many seeds, and release them"
    parser = parser_for(COMMAND, main.__doc__, names, best_of)
    options = parser.parse_args(arguments)
    at_once = options.at_once if devices.choose(options.device).type != "cpu" else 1

    def chosen() -> list[Network]:
        return [network for network in stored(released()) if network.network in options.networks]

    wanted = [config for network in chosen() for config in network.untried]
    try_out(wanted, at_once=at_once, device=options.device)
    networks = chosen()
    best = fresh([*networks, *counted_from_zero(networks)])
    if options.seeds:
        seeds = [replace(config, seed=seed) for config in best for seed in range(options.seeds)]
        run_together(seeds, release=True, at_once=at_once, device=options.device)
    print(outcomes(chosen(), released()).to_string(index=False))
    print(as_study(best, range(options.seeds or 3)), end="")


if __name__ == "__main__":
    with one_sentence(COMMAND):
        main()

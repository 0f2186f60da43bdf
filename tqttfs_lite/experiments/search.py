"""Automatic choice of degrees: a network with shared weights ranks them, and the best few are trained individually.

1. One set of weights is trained with degrees that are drawn at random for each batch (`shared`).
2. It is evaluated on the validation images with every choice of degrees that gives a different network, at several
   output thresholds.  Each choice then has a curve of accuracy against the cost of a decision, and the choices are
   ranked by their accuracy within a budget.
3. The first few are trained by the recipe and evaluated in the same way.  The best of these is chosen, and it is the
   only one to be evaluated on the test images.

Each step is stored when it is completed, so that an interrupted search resumes, and a search with another budget trains
only networks that are not stored yet.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np
from filelock import FileLock
from pydantic import BaseModel

from tqttfs_lite import files
from tqttfs_lite.energy import models
from tqttfs_lite.errors import InputError, ResultError, shown
from tqttfs_lite.experiments import checkpoints, devices, dial, experiment, paths, results, used_files
from tqttfs_lite.experiments.checks import STRICT, parse, reading_counts
from tqttfs_lite.experiments.config import TrainingConfig, losses_alike, unquantized, variant
from tqttfs_lite.experiments.datasets import data_sums, load
from tqttfs_lite.experiments.dial import Dial, Point, evaluations, interpolated
from tqttfs_lite.experiments.evaluation import Curve, Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.experiments.shared import DEGREES, SharedTrainer, distinct, on_clocks, settings_of
from tqttfs_lite.experiments.trainer import build
from tqttfs_lite.experiments.training import (
    Trained,
    finished_epochs,
    seconds_per_epoch,
    train,
)
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture

FOLDER = "rankings"  # in the data folder
FACTORS = dial.FACTORS[3:40:2]  # of θ, from 0.2 to 2: every second one of a dial's, without the extremes
SHARE_OF_EPOCHS = 4  # the shared network is trained for a quarter of the recipe's epochs
ACCOUNTINGS = {
    "slides": models.SLIDES,
    "without-alpha": models.WITHOUT_ALPHA,
    "causal": models.CAUSAL,
    "memory": models.MEMORY,
    "memory-bulk": models.BULK,
}
Tell = Callable[[str], None]


class Budget(NamedTuple):
    """The highest mean cost of a decision, over the validation images."""

    limit: float
    unit: str  # "steps"; "nJ", or "%" of the unquantized network's energy at the threshold of training
    accounting: str = models.CAUSAL  # for energy

    @staticmethod
    def parse(text: str, accounting: str = "causal") -> Budget:
        """
        >>> Budget.parse("steps=7"), Budget.parse("energy=80%", "slides").unit
        (Budget(limit=7.0, unit='steps', accounting='causal'), '%')
        """
        kind, _, amount = text.partition("=")
        unit = "steps" if kind == "steps" else "%" if amount.endswith("%") else "nJ"
        try:
            limit = float(amount.removesuffix("nJ" if unit == "nJ" else "%" if unit == "%" else ""))
        except ValueError:
            limit = -1.0
        if kind not in ("steps", "energy") or not 0 < limit < np.inf:
            raise InputError(f"a budget must be like steps=7, energy=80% or energy=120 in nJ, not {shown(text)}")
        return Budget(limit, unit, ACCOUNTINGS[accounting])

    @property
    def of_energy(self) -> bool:
        return self.unit != "steps"

    def cost(self, counts: models.Counts, baseline: models.Counts) -> float:
        """The mean cost per image, in the budget's unit."""
        if not self.of_energy:
            return counts.steps
        spent, before = (sum(models.accountings(each, baseline.steps)[self.accounting]) for each in (counts, baseline))
        return 100 * spent / before if self.unit == "%" else spent

    def text(self, cost: float) -> str:
        """A cost with its unit."""
        if not self.of_energy:
            return f"{cost:.2f} steps"
        return f"{cost:.1f} {self.unit}" + (" of the unquantized network's energy" if self.unit == "%" else "")


@dataclass(frozen=True)
class Scores:
    """Counts of one set of weights on the validation images, for each choice of degrees and each threshold."""

    config: TrainingConfig
    degrees: tuple[int, ...]  # from which training drew; empty for a network that was trained with fixed degrees
    seconds: float  # of training
    data_sha256: dict[str, str]
    made: dict[str, str | int]
    thresholds: tuple[float, ...]
    settings: dict[str, tuple[Evaluation, ...]]  # by the degrees in short form
    # Of the weights.  Older files have none: their degrees were drawn from all choices, so that a network that results
    # from several choices was drawn more often.  Now they are drawn from choices that give distinct networks.
    weights_sha256: str = ""

    @property
    def complete(self) -> bool:
        """Whether all choices are scored; an interrupted search has scored only some."""
        return not self.degrees or self.settings.keys() >= set(_choices(self.config, self.degrees))

    @property
    def used_files(self) -> tuple[str, ...]:
        """The name of its file."""
        return (used_files.name(scores_file(self.config, self.degrees)),)

    @property
    def command(self) -> str:
        """The command that makes the file again, for a recipe; its budget excludes no choice of degrees."""
        config, T = self.config, self.config.time_steps
        network = Architecture.parse(config.architecture).unquantized
        epochs = config.epochs * (SHARE_OF_EPOCHS if self.degrees else 1)
        return (
            f"tqttfs search '{network}' --dataset {config.dataset} --time-steps {T} --budget steps={T}"
            f" --epochs {epochs} --seed {config.seed} --trainings {1 if self.degrees else self._place()}"
        )

    def _place(self) -> int:
        """The rank of its degrees by the shared network with seed 0; the last place if none is stored."""
        shared = shared_config(replace(self.config, seed=0))
        (setting,), file = self.settings, scores_file(shared, DEGREES)
        choices = read(file).settings if file.exists() else {}
        if setting not in choices:
            return len(_choices(shared, DEGREES))
        best = {name: max(each.correct for each in found) for name, found in choices.items()}
        return sorted(best, key=lambda name: -best[name]).index(setting) + 1

    def counts(self, setting: str) -> list[models.Counts]:
        """Mean counts per image, at each threshold."""
        architecture = Architecture.parse(variant(self.config, setting).architecture)
        return [found.counts(architecture) for found in self.settings[setting]]

    def as_trained(self, setting: str) -> models.Counts:
        """Mean counts per image, at the threshold of training."""
        return self.counts(setting)[self.thresholds.index(self.config.theta)]


class Choice(NamedTuple):
    """Degrees, with the output threshold that gives the highest validation accuracy within a budget."""

    setting: str
    cost: float  # in the budget's unit
    point: Point  # on the validation images


def within(scores: Scores, setting: str, budget: Budget, baseline: models.Counts) -> Choice | None:
    """The best result of these weights with one choice of degrees; None if every threshold exceeds the budget."""
    found = scores.settings[setting]
    counts = zip(*((each.correct, each.silent, each.steps) for each in found), strict=True)
    costs = [budget.cost(each, baseline) for each in scores.counts(setting)]
    return _choice(setting, scores.thresholds, Curve(found[0].images, *counts), costs, budget.limit)


def within_steps(measured: Dial, config: TrainingConfig, mean_steps: float) -> Choice | None:
    """`within` for a budget of steps, from a network's dial, at the thresholds of a search."""
    cut = measured.only(thresholds_of(config))
    setting = Architecture.parse(config.architecture).short_form
    costs = [steps / cut.validation.images for steps in cut.validation.steps]
    return _choice(setting, cut.thresholds, cut.validation, costs, mean_steps)


def _choice(
    setting: str, thresholds: Sequence[float], curve: Curve, costs: Sequence[float], limit: float
) -> Choice | None:
    threshold = best_within(thresholds, costs, curve.correct, limit)
    if threshold is None:
        return None
    cost, correct, steps, silent = (
        float(np.interp(threshold, thresholds, values)) for values in (costs, curve.correct, curve.steps, curve.silent)
    )
    point = Point(threshold, 100 * correct / curve.images, steps / curve.images, 100 * silent / curve.images)
    return Choice(setting, cost, point)


def best_within(
    thresholds: Sequence[float], costs: Sequence[float], scores: Sequence[float], limit: float
) -> float | None:
    """The threshold with the highest score among those that cost at most `limit`; None if all cost more.

    Between measured thresholds, costs and scores are interpolated, as in a dial.

    >>> round(best_within((0.5, 1.0), costs=(2.0, 4.0), scores=(10, 20), limit=3.0), 2)
    0.75
    """
    grid = interpolated(thresholds)
    allowed = np.interp(grid, thresholds, costs) <= limit
    best = np.where(allowed, np.interp(grid, thresholds, scores), -1).argmax()
    return float(grid[best]) if allowed.any() else None


def highest_within(
    thresholds: Sequence[float], costs: Sequence[float], scores: Sequence[float], limit: float
) -> float | None:
    """The score at `best_within`; None if every threshold costs more."""
    threshold = best_within(thresholds, costs, scores, limit)
    return None if threshold is None else float(np.interp(threshold, thresholds, scores))


def ranked(scores: Scores, budget: Budget, baseline: models.Counts) -> list[Choice]:
    """The choices of degrees that stay within a budget, the most accurate first.

    Raises `InputError` if none does; its message says what is possible.
    """
    choices = [within(scores, setting, budget, baseline) for setting in scores.settings]
    found = sorted((choice for choice in choices if choice), key=lambda choice: -choice.point.accuracy)
    if not found:
        raise _unreachable(
            budget, {s: min(budget.cost(c, baseline) for c in scores.counts(s)) for s in scores.settings}
        )
    return found


def _unreachable(budget: Budget, least: Mapping[str, float]) -> InputError:
    setting = min(least, key=lambda name: least[name])
    return InputError(
        f"no choice of degrees stays within {budget.text(budget.limit)} on the validation images with output thresholds"
        f" from {FACTORS[0]:g} to {FACTORS[-1]:g} θ: the lowest cost is {budget.text(least[setting])}, with {setting}"
    )


def shared_config(config: TrainingConfig) -> TrainingConfig:
    """The configuration of the network with shared weights: the recipe, with a fraction of its epochs."""
    return replace(unquantized(config), epochs=max(1, config.epochs // SHARE_OF_EPOCHS))


def score_shared(
    config: TrainingConfig, degrees: tuple[int, ...] = DEGREES, *, device: str | None = None, progress: bool = True
) -> Scores:
    """The scores of the shared network: read from their file if complete, otherwise trained and scored, or resumed.

    `config` is made by `shared_config`.  The state after training stays in `data/runs/`.
    Raises the same errors as `training.train`.
    """
    file, purpose, wanted = scores_file(config, degrees), _purpose(degrees), _choices(config, degrees)
    trainer = partial(SharedTrainer, settings=wanted)
    paths.runs_directory().mkdir(parents=True, exist_ok=True)
    with FileLock(paths.runs_directory() / f"{config.name}{purpose}.lock"):
        stored = read(file) if file.exists() else None
        if stored and stored.complete:
            return _of_todays_images(stored)
        made = experiment.made(devices.choose(device))
        trained = train(config, device=device, progress=progress, purpose=purpose, trainer=trainer)
        scores = _scores(config, degrees, trained, {}, made)
        if stored and stored.weights_sha256 == scores.weights_sha256:  # otherwise it belongs to other weights
            scores = stored
        for setting in wanted:
            if setting not in scores.settings:
                found = _score(on_clocks(_spiking(trained), config, setting), config)
                scores = replace(scores, settings={**scores.settings, setting: found})
                _write(scores, file)
    return read(file)


def _choices(config: TrainingConfig, degrees: tuple[int, ...]) -> tuple[str, ...]:
    """The choices of degrees from which training draws, and which are scored."""
    return distinct(config, settings_of(config, degrees))


def score_trained(
    configs: Sequence[TrainingConfig], *, at_once: int = 1, device: str | None = None, progress: bool = True
) -> list[Scores]:
    """The scores of networks of the recipe: read from a file, computed from stored weights, or trained first.

    The states after training stay in `data/runs/`, so that `experiment.run` need not train them again.
    """

    def stored(config: TrainingConfig) -> bool:
        return scores_file(config).exists()

    def store(config: TrainingConfig, trained: Trained, made: experiment.Made) -> None:
        setting = Architecture.parse(config.architecture).short_form
        counts = {setting: _score(_spiking(trained), config)}
        _write(_scores(config, (), trained, counts, made), scores_file(config))

    for config in configs:
        result = _with_weights(config)
        if result and not stored(config):
            network = experiment.trained_network(result).to(devices.choose(device))
            store(config, Trained(network, list(result.history)), result.made)
    missing = [config for config in configs if not stored(config)]
    experiment.train_missing(missing, stored, store, at_once, device, progress)
    return [_of_todays_images(read(scores_file(config))) for config in configs]


def _with_weights(config: TrainingConfig) -> Result | None:
    """The result of a configuration if its weights are stored; those of released results of further seeds are not."""
    return next((result for result in _results(config) if result.checkpoint.exists()), None)


def _with_dial(config: TrainingConfig) -> Result | None:
    """The result of a configuration if its dial is stored."""
    return next((result for result in _results(config) if results.beside(result, *results.DIALS).exists()), None)


def _results(config: TrainingConfig) -> list[Result]:
    """The results of a configuration and of the same one with an equivalent loss."""
    alike = (results.find(replace(config, loss=loss)) for loss in losses_alike(config))
    return [results.read(path) for path in alike if path]


def _dial_alone(config: TrainingConfig) -> Dial | None:
    """The dial of a result that has neither weights nor scores; for a budget of steps, it replaces the scores."""
    if scores_file(config).exists() or _with_weights(config) or not (result := _with_dial(config)):
        return None
    return dial.read(result)


def _fewest_steps(measured: Dial, config: TrainingConfig) -> float:
    return measured.only(thresholds_of(config)).fewest_steps


def _of_todays_images(scores: Scores) -> Scores:
    """Return the scores; raise `ResultError` if the images of their data set have changed."""
    name = scores.config.dataset
    if scores.data_sha256 != data_sums(name):
        file = scores_file(scores.config, scores.degrees)
        raise ResultError(
            f"{file.name} was made with different images than {name} has now: delete it or rename the data set"
        )
    return scores


def _spiking(trained: Trained) -> SpikingNetwork:
    assert isinstance(trained.network, SpikingNetwork)
    return trained.network


def _score(network: SpikingNetwork, config: TrainingConfig) -> tuple[Evaluation, ...]:
    held_out = load(config.dataset, "validation")
    return evaluations(network, held_out.images, held_out.labels, thresholds_of(config))


def thresholds_of(config: TrainingConfig) -> tuple[float, ...]:
    """The output thresholds at which a search evaluates a network."""
    return tuple(factor * config.theta for factor in FACTORS)


class Found(NamedTuple):
    """The outcome of a search."""

    budget: Budget
    shared: list[Choice]  # ranked by the shared network, the best first
    finalists: dict[str, dict[int, Choice]]  # trained individually, by degrees and seed; only those within the budget
    chosen: str  # the degrees with the best mean validation accuracy
    results: list[Result]  # of the chosen degrees, one for each seed


def search(
    config: TrainingConfig,
    budget: Budget,
    *,
    degrees: tuple[int, ...] = DEGREES,
    trainings: int = 4,
    seeds: Sequence[int] = (0,),
    at_once: int = 1,
    device: str | None = None,
    progress: bool = True,
    tell: Tell = print,
) -> Found:
    """Choose degrees for a network within a budget; `tell` is given an estimate of the time before each stage.

    Args:
        config: the unquantized network and its recipe.
        budget: the highest mean cost of a decision on the validation images.
        degrees: the degrees to choose from, for every layer.
        trainings: how many choices are trained individually.
        seeds: the seeds with which each of these is trained.
        at_once: how many trainings run in parallel.
        device: as in `devices.choose`.
        progress: whether to show the progress.
        tell: called with a line of text before each stage that takes time.

    Raises `InputError` if the network has degrees, if no choice stays within the budget, or if the budget is one of
    energy and 1 is not among the degrees, and the same errors as `training.train_together`.
    """
    plain = unquantized(config)
    unset = Architecture.parse(plain.architecture).short_form
    if plain != config:
        network = Architecture.parse(config.architecture)
        raise InputError(f"a search chooses the degrees: write {network.unquantized} instead of {network}")
    if not budget.of_energy and budget.limit < (first := min(degrees)):
        raise InputError(
            f"no network decides within {budget.limit:g} mean steps: with q = {first}, the first tick is step {first}"
        )
    if budget.of_energy and 1 not in degrees:
        raise InputError("an energy budget needs the unquantized network for comparison: add 1 to the degrees")
    tell(_cost_of_sharing(shared_config(plain), degrees, trainings * len(seeds), plain, device))
    scores = score_shared(shared_config(plain), degrees, device=device, progress=progress)
    shared = ranked(scores, budget, scores.as_trained(unset if budget.of_energy else next(iter(scores.settings))))
    named = [choice.setting for choice in shared[:trainings]]
    wanted = dict.fromkeys([*([unset] if budget.of_energy else []), *named])
    configs = [replace(variant(plain, setting), seed=seed) for setting in wanted for seed in seeds]
    dials = {} if budget.of_energy else {c: d for c in configs if (d := _dial_alone(c))}
    configs = [config for config in configs if config not in dials]
    tell(_cost_of_training(configs, named, device))
    scored = {s.config: s for s in score_trained(configs, at_once=at_once, device=device, progress=progress)}

    finalists: dict[str, dict[int, Choice]] = {}
    least: dict[str, float] = {}  # the lowest cost of each choice that all seeds reach
    for setting in named:
        finalists[setting] = {}
        for seed in seeds:
            each = replace(variant(plain, setting), seed=seed)
            if measured := dials.get(each):
                choice, lowest = within_steps(measured, each, budget.limit), _fewest_steps(measured, each)
            else:
                own = scored[each]
                before = (scored[replace(plain, seed=seed)], unset) if budget.of_energy else (own, setting)
                baseline = before[0].as_trained(before[1])
                choice = within(own, setting, budget, baseline)
                lowest = min(budget.cost(counts, baseline) for counts in own.counts(setting))
            least[setting] = max(least.get(setting, 0.0), lowest)
            if choice:
                finalists[setting][seed] = choice
    reached = {
        setting: mean(choice.point.accuracy for choice in found.values())
        for setting, found in finalists.items()
        if len(found) == len(seeds)
    }
    if not reached:
        raise _unreachable(budget, least)
    chosen = max(reached, key=lambda setting: reached[setting])
    final = [replace(variant(plain, chosen), seed=seed) for seed in seeds]
    tested = [
        _with_weights(each)
        or (_with_dial(each) if each in dials else None)
        or experiment.run(each, device=device, progress=progress)
        for each in final
    ]
    return Found(budget, shared, finalists, chosen, tested)


def _cost_of_sharing(
    config: TrainingConfig, degrees: tuple[int, ...], trainings: int, full: TrainingConfig, device: str | None
) -> str:
    wanted, file, purpose = _choices(config, degrees), scores_file(config, degrees), _purpose(degrees)
    stored = read(file) if file.exists() else None
    if stored and stored.complete:
        return f"{len(wanted)} choices of degrees have been scored before: reading {file.name}"
    epochs = config.epochs - finished_epochs(config, purpose)
    left = len(wanted) - (len(stored.settings) if stored and not epochs else 0)  # other weights need all scores again
    trainer = partial(SharedTrainer, settings=wanted)
    epoch = seconds_per_epoch(config, 24, device=device, trainer=trainer)
    network, held_out = build(config).to(devices.choose(device)), load(config.dataset, "validation")
    assert isinstance(network, SpikingNetwork)
    started, some = time.perf_counter(), slice(0, min(500, len(held_out)))
    evaluations(network, held_out.images[some], held_out.labels[some], thresholds_of(config))
    scoring = (time.perf_counter() - started) * len(held_out) / len(held_out.labels[some]) * left
    return (
        f"one shared network, {epochs} of {config.epochs} epochs to go: about {epochs * epoch / 60:.1f} minutes on this"
        f" machine; {left} choices of degrees to score: about {scoring / 60:.1f} minutes; then up to {trainings}"
        f" trainings, about {full.epochs * epoch / 60:.1f} minutes each"
    )


def _cost_of_training(configs: Sequence[TrainingConfig], named: Sequence[str], device: str | None) -> str:
    """An estimate of the time; `named` are the best degrees, and configurations with others are for comparison."""
    missing = [config for config in configs if not (scores_file(config).exists() or _with_weights(config))]
    epochs = {config: config.epochs - finished_epochs(config) for config in missing}
    minutes = sum(left * seconds_per_epoch(c, device=device) for c, left in epochs.items() if left) / 60
    others = dict.fromkeys(Architecture.parse(config.architecture).short_form for config in configs)
    beside = ", ".join(setting for setting in others if setting not in named)
    return (
        f"the best degrees by the shared network: {', '.join(named)}"
        + (f"; for comparison: {beside}" if beside else "")
        + f"; {len(missing)} to train, about {minutes:.1f} minutes"
    )


def _purpose(degrees: Sequence[int]) -> str:
    """The part of file names that marks a shared network."""
    return f".shared-{'-'.join(map(str, degrees))}" if degrees else ""


def scores_file(config: TrainingConfig, degrees: Sequence[int] = ()) -> Path:
    return paths.data_directory() / FOLDER / f"{config.name}{_purpose(degrees)}.json"


def _scores(
    config: TrainingConfig,
    degrees: tuple[int, ...],
    trained: Trained,
    settings: dict[str, tuple[Evaluation, ...]],
    made: experiment.Made,
) -> Scores:
    seconds = sum(epoch.seconds for epoch in trained.history)
    sums, digest = data_sums(config.dataset), checkpoints.digest_of(trained.network)
    return Scores(config, degrees, seconds, sums, made, thresholds_of(config), settings, digest)


def _write(scores: Scores, path: Path) -> None:
    """Store scores as JSON, with a line for each choice of degrees."""
    content = {"config_sha256": scores.config.hash, **asdict(scores)}
    rows = [f"  {json.dumps(s)}: {json.dumps(list(found))}" for s, found in content.pop("settings").items()]
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    lines.append(' "settings": {\n' + ",\n".join(rows) + "\n }")
    files.write_bytes(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def read(path: Path) -> Scores:
    """Read the scores that a search stored; raises `ResultError` if the file is missing, damaged or inconsistent."""
    with reading_counts(path, "tqttfs search"):
        stored = parse(path.read_bytes(), _Stored)
        found = Scores(**{name: getattr(stored, name) for name in Scores.__dataclass_fields__})
        if stored.config_sha256 != stored.config.hash or path != scores_file(stored.config, stored.degrees):
            raise ValueError("its configuration has a different hash")
        if any(len(each) != len(stored.thresholds) for each in stored.settings.values()):
            raise ValueError("there must be counts for every threshold")
        for setting, each in stored.settings.items():
            config = variant(stored.config, setting)
            for counts in each:
                results.check_counts(counts, config)
    return found


class _Stored(BaseModel):
    model_config = STRICT

    config_sha256: str
    config: TrainingConfig
    degrees: tuple[int, ...]
    seconds: float
    data_sha256: dict[str, str]
    made: dict[str, str | int]
    thresholds: tuple[float, ...]
    settings: dict[str, tuple[Evaluation, ...]]
    weights_sha256: str = ""

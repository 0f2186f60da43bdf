"""Random searches: what the best of a number of settings reaches within a mean time, unquantized and quantized.

    python -m tqttfs_lite.paper.random_search --draws 32 --seeds 10 --device cuda

tries random settings out on the validation images, the same for both sides, and trains the best of each side to the
end, with new seeds.  A trial has the counts at all output thresholds, so it serves every mean time; the threshold is
chosen with the setting.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any, NamedTuple

import numpy as np
import yaml
from jaxtyping import Float
from pandas import DataFrame

from tqttfs_lite.errors import at_least, one_sentence
from tqttfs_lite.experiments import devices, random_settings, results, used_files
from tqttfs_lite.experiments.config import TrainingConfig, changes, recipe, unquantized, variant
from tqttfs_lite.experiments.experiment import run_together
from tqttfs_lite.experiments.results import Trial
from tqttfs_lite.experiments.search import highest_within
from tqttfs_lite.paper import reported
from tqttfs_lite.paper.comparisons import EQUAL_STEPS, paper_time_steps, short
from tqttfs_lite.paper.degree_search import expected_bests
from tqttfs_lite.paper.reported import Improvement
from tqttfs_lite.paper.seed_statistics import Difference, Group, difference
from tqttfs_lite.spiking.notation import Architecture

COMMAND = "python -m tqttfs_lite.paper.random_search"
SIDES = ("unquantized", "quantized")
TARGETS = {name: steps[:3] for name, steps in EQUAL_STEPS.items()}  # mean time steps
RESAMPLES = 2000
FEWEST = 8  # draws for an interval


class Expected(NamedTuple):
    """The accuracy in percent of the best of 1, 2, … draws on average, and by how much the quantized side leads.

    The ends are those of 95 % bootstrap intervals over draws, which both sides share.  They are too narrow where nearly
    all draws are used: no resample has a better draw than the best one.
    """

    best: Float[np.ndarray, "2 draws"]  # of `SIDES`
    ends: Float[np.ndarray, "2 2 draws"]  # low and high
    gain: Float[np.ndarray, " draws"]
    gain_ends: Float[np.ndarray, "2 draws"]


@dataclass(frozen=True)
class Search:
    """A random search of one claim's network."""

    claim: Improvement
    draws: tuple[tuple[Trial | None, Trial | None], ...]  # of `SIDES`; None where the training diverged

    @property
    def name(self) -> str:
        return _name(self.claim)

    @property
    def used_files(self) -> tuple[str, ...]:
        """The names of the trials' files."""
        return tuple(sorted(used_files.names(*self.draws)))

    @property
    def targets(self) -> tuple[float, ...]:
        """The mean time steps within which the sides are compared."""
        return TARGETS[self.claim.dataset]

    def reached(self, mean_steps: float) -> Float[np.ndarray, "2 draws"]:
        """The validation accuracy in percent of each side's draws within this many mean time steps.

        A draw that is never that fast, or that diverged, counts as the least accurate of those that are.
        """
        values = self._in_time(mean_steps)
        return np.where(np.isnan(values), min(values[~np.isnan(values)], default=0.0), values)

    def _in_time(self, mean_steps: float) -> Float[np.ndarray, "2 draws"]:
        return np.array([[reached(trial, mean_steps) for trial in draw] for draw in self.draws]).T

    def expected(self, mean_steps: float) -> Expected:
        """What the best of 1, 2, … draws reaches within this many mean time steps."""
        values = self.reached(mean_steps)
        chosen = np.random.default_rng(0).integers(len(self.draws), size=(RESAMPLES, len(self.draws)))
        best, resampled = expected_bests(values), expected_bests(values[:, chosen])
        ends = np.percentile(resampled, [2.5, 97.5], axis=1)
        return Expected(best, ends, best[1] - best[0], np.percentile(resampled[1] - resampled[0], [2.5, 97.5], axis=0))

    def chosen(self, mean_steps: float) -> tuple[TrainingConfig, TrainingConfig]:
        """Each side's best draw within this many mean time steps, as it is trained to the end; here with seed 0."""
        best = zip(_networks(self.claim), self.reached(mean_steps).argmax(axis=1), strict=True)
        drawn = ((config, random_settings.draw(config, int(place) + 1)[-1]) for config, place in best)
        first, second = (replace(found, epochs=config.epochs, seed=config.seed) for config, found in drawn)
        return first, second

    def tested(self, mean_steps: float, groups: Mapping[TrainingConfig, Group]) -> Difference | None:
        """How far the quantized side's best setting is above the other's on the test images, trained with new seeds.

        In points, at this many mean time steps; None if one is not trained yet or does not reach this number.
        """
        before, after = (
            (group := groups.get(config)) and group.at_steps(mean_steps) for config in self.chosen(mean_steps)
        )
        return difference(after, before) if before and after else None

    @property
    def half(self) -> int:
        """Half the draws: for the best of this many, resamples are still informative."""
        return len(self.draws) // 2

    def gain(self, mean_steps: float) -> tuple[float, float, float]:
        """By how many points the quantized side's best of half the draws is above the other's, and the interval's ends.

        NaN if there are too few draws.
        """
        if len(self.draws) < FEWEST:
            return nan, nan, nan
        found = self.expected(mean_steps)
        low, high = found.gain_ends[:, self.half - 1]
        return float(found.gain[self.half - 1]), float(low), float(high)

    def table(self, groups: Mapping[TrainingConfig, Group]) -> DataFrame:
        """By mean time steps: the best of all draws, the gain of the best of half, and the best trained with new seeds.

        `groups` are those of `seed_statistics.released`.
        """
        rows = []
        for target in self.targets:
            (gained, low, high), tested = self.gain(target), self.tested(target, groups)
            unquantized, quantized = self.reached(target).max(axis=1)
            in_time = (~np.isnan(self._in_time(target))).sum(axis=1)
            rows.append(
                {
                    "network": self.name,
                    "steps": f"{target:g}",
                    "draws": len(self.draws),
                    "in time": ", ".join(map(str, in_time)),
                    "best unquantized, %": f"{unquantized:.2f}",
                    "best quantized, %": f"{quantized:.2f}",
                    "gain, half the draws": "" if isnan(gained) else f"{gained:+.2f} ({low:.2f} to {high:.2f})",
                    "gain, new seeds, test": tested.text(2) if tested else "not trained yet",
                }
            )
        return DataFrame(rows)

    def sentence(self) -> str:
        """Which side leads, in words that follow the trials."""
        told = f"{self.name}: {len(self.draws)} random settings were tried with each side"
        if len(self.draws) < FEWEST:
            return f"{told}, too few to compare the two."
        leads: dict[str, list[str]] = {}
        for target in self.targets:
            _, low, high = self.gain(target)
            leader = f"the {SIDES[low > 0]} side is" if low > 0 or high < 0 else "neither side is shown to be"
            leads.setdefault(leader, []).append(f"{target:g}")
        said = "; ".join(f"within {' or '.join(steps)}, {who} ahead" for who, steps in leads.items())
        return (
            f"{told}, for {random_settings.EPOCHS} epochs and with one seed each."
            f" Comparing the best of {self.half} of them on the validation images, by mean time steps: {said}."
        )


def reached(trial: Trial | None, mean_steps: float) -> float:
    """The best validation accuracy in percent over the output thresholds that take no more mean time steps.

    NaN if all take more, or if the training diverged.
    """
    if not (trial and trial.curve):
        return nan
    images = trial.curve.images
    means, percents = ([100 * c / images for c in counts] for counts in (trial.curve.steps, trial.curve.correct))
    best = highest_within(trial.thresholds, means, percents, 100 * mean_steps)
    return nan if best is None else best


def _name(claim: Improvement) -> str:
    return f"{claim.dataset}, {short(_networks(claim)[1].architecture)}"


def _networks(claim: Improvement) -> tuple[TrainingConfig, TrainingConfig]:
    """The configurations of both sides, by the recipe."""
    config = recipe(claim.network, claim.dataset, paper_time_steps(claim.dataset))
    return unquantized(config), variant(config, claim.degrees)


def stored() -> tuple[list[Search], str]:
    """The searches that are stored, and a sentence that names the networks without one; empty where all have one."""
    trials = {trial.config: trial for trial in results.read_trials() if random_settings.is_drawn(trial.config)}
    most = max((trial.seed for trial in trials), default=0) - random_settings.FIRST_SEED + 1
    searches, missing = [], []
    for claim in reported.improvements():
        pairs = zip(*(random_settings.draw(config, most) for config in _networks(claim)), strict=True)
        draws = [(trials.get(plain), trials.get(quantized)) for plain, quantized in pairs]
        while draws and not all(draws[-1]):  # while a search is running, its last draws are not there yet
            draws.pop()
        if draws:
            searches.append(Search(claim, tuple(draws)))
        else:
            missing.append(_name(claim))
    words = f"No random search is stored yet for {'; '.join(missing)}: `{COMMAND}` makes it."
    return searches, words if missing else ""


def fresh(searches: Iterable[Search]) -> list[TrainingConfig]:
    """The best settings of all sides, each once, with seed 0."""
    chosen = (config for found in searches for target in found.targets for config in found.chosen(target))
    return list(dict.fromkeys(chosen))


def as_study(configs: Iterable[TrainingConfig], seeds: Sequence[int]) -> str:
    """The parts of a study that trains these configurations with these seeds, to put into `data/queue.yml`."""
    parts: list[dict[str, Any]] = []
    for config in configs:
        network = Architecture.parse(config.architecture)
        part = {"dataset": config.dataset, "time_steps": config.time_steps, "architectures": [network.unquantized]}
        parts.append({**part, "degrees": [network.short_form], "seeds": list(seeds), "settings": changes(config)})
    return str(yaml.safe_dump(parts, sort_keys=False, default_flow_style=None, width=120))


def parser_for(command: str, purpose: str | None, networks: Sequence[str], best: str) -> argparse.ArgumentParser:
    """The options of a program that tries settings out and then trains the best with several seeds."""
    parser = argparse.ArgumentParser(description=purpose, prog=command)
    parser.add_argument("--networks", nargs="+", choices=networks, default=networks)
    parser.add_argument("--seeds", type=at_least(0), default=0, help=f"{best} (default: print the study that does)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps, or auto (default: auto)")
    parser.add_argument("--at-once", type=at_least(1), default=8, help="trainings side by side on a GPU (default: 8)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Search settings at random for the slides' networks, or some of them, and train the best with new seeds."""
    names = [claim.network for claim in reported.improvements()]
    best_of = "train the best of each side to the end, with so many seeds, and release them"
    parser = parser_for(COMMAND, main.__doc__, names, best_of)
    parser.add_argument("--draws", type=at_least(1), default=32, help="settings for each side (default: 32)")
    options = parser.parse_args(arguments)
    at_once = options.at_once if devices.choose(options.device).type != "cpu" else 1
    for claim in reported.improvements():
        if claim.network in options.networks:
            sides = zip(*(random_settings.draw(config, options.draws) for config in _networks(claim)), strict=True)
            random_settings.try_out([c for both in sides for c in both], at_once=at_once, device=options.device)
    searches = [found for found in stored()[0] if found.claim.network in options.networks]
    best = fresh(searches)
    if options.seeds:
        wanted = [replace(config, seed=seed) for config in best for seed in range(options.seeds)]
        run_together(wanted, release=True, at_once=at_once, device=options.device)
    for found in searches:
        print(found.sentence())
    print(as_study(best, range(options.seeds or 8)), end="")


if __name__ == "__main__":
    with one_sentence(COMMAND):
        main()

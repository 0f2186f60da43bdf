"""The slides' claims that are not a single number, checked against the slides' tables, other works and our networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from tqttfs_lite.energy.models import SLIDES
from tqttfs_lite.experiments import used_files
from tqttfs_lite.experiments.config import TrainingConfig, follows_recipe
from tqttfs_lite.paper import comparisons, energy_claims, reported
from tqttfs_lite.paper.seed_statistics import FEWEST, Group, difference
from tqttfs_lite.spiking.notation import Architecture

YEAR = 2024  # of the paper


class Verdict(NamedTuple):
    """A claim, the evidence on it, whether it holds (yes, no, in part or open), and the files behind the evidence."""

    claim: str
    found: str
    holds: str
    used_files: frozenset[str]


def all_of(groups: Mapping[TrainingConfig, Group]) -> list[Verdict]:
    """The claims in the order of the slides; `groups` are those of `seed_statistics.released`."""
    small, middle, large = reported.improvements()
    return [
        best_of_its_structure(small),
        best_degrees(groups, middle),
        best_degrees(groups, large),
        highest_of_known(large),
        largest_saving(groups, large),
        no_more_latency(),
    ]


def best_of_its_structure(claim: reported.Improvement) -> Verdict:
    """Whether no other work in the slides' own table reaches the same accuracy with the same network."""
    ours = reported.own_accuracy(claim.dataset)[_quantized(claim)]
    others = {
        row.model: row.accuracy_percent
        for row in reported.accuracy(claim.dataset)
        if row.reference != "this paper" and Architecture.parse(row.architecture).unquantized == _plain(claim)
    }
    told = _listed(others) or "no other work"
    return Verdict(
        f"{claim.network} has the best accuracy among networks of the same structure, {ours:.1f} %",
        f"others in the slides' table: {told}",
        "yes" if all(percent < ours for percent in others.values()) else "no",
        _files(reported.ACCURACY[claim.dataset]),
    )


def best_degrees(groups: Mapping[TrainingConfig, Group], claim: reported.Improvement) -> Verdict:
    """Whether no other degrees, trained by our recipe with enough seeds, are more accurate than the slides' best ones.

    The best of several is high partly by chance, so its interval has a Bonferroni correction: 95 % for all together.
    """
    named = comparisons.by_recipe(groups, claim.dataset, claim.network, claim.degrees)
    others = [
        group
        for config, group in groups.items()
        if group is not named
        and follows_recipe(config)
        and (config.dataset, config.time_steps) == (claim.dataset, comparisons.paper_time_steps(claim.dataset))
        and Architecture.parse(config.architecture).unquantized == _plain(claim)
        and len(group.results) >= FEWEST
    ]
    words = f"{claim.network} is best at {claim.degrees}"
    if not (named and others and len(named.results) >= FEWEST):
        return Verdict(words, "too few degrees have been trained with enough seeds", "open", frozenset())
    best = max(others, key=lambda group: group.accuracy.mean)
    ahead = difference(best.accuracy, named.accuracy, confidence=1 - 0.05 / len(others))
    degrees = Architecture.parse(best.config.architecture).short_form
    low, high = ahead.interval
    return Verdict(
        words,
        f"the best of {len(others)} others with at least {FEWEST} seeds is {degrees}, by {ahead.text(2)} points",
        "no" if low > 0 else "yes" if high < 0 else "open",
        _files(named, others),
    )


def highest_of_known(claim: reported.Improvement) -> Verdict:
    """Whether an earlier work, by the year in its arXiv number, has a higher accuracy with any network."""
    ours = reported.own_accuracy(claim.dataset)[_quantized(claim)]
    higher = {}
    for work in reported.literature():
        number = re.search(r"arXiv (\d\d)", work.work)
        if number and 2000 + int(number[1]) < YEAR and (work.fashion_mnist_percent or 0) > ours:
            higher[f"{work.work}, {work.network}"] = work.fashion_mnist_percent
    return Verdict(
        f"it has the highest accuracy among known TTFS networks, {ours:.1f} % on FashionMNIST",
        f"earlier works with a higher accuracy, by other networks: {_listed(higher) or 'none in our table'}",
        "no" if higher else "open",
        _files(reported.ACCURACY[claim.dataset], reported.LITERATURE),
    )


def largest_saving(groups: Mapping[TrainingConfig, Group], claim: reported.Improvement) -> Verdict:
    """Whether our network saves as much by the slides' formula, with the degrees of the slides' largest saving."""
    degrees = "1-4-4-4-4"
    percent = reported.claims()[f"energy_reduction_{degrees}"].value
    found = [comparisons.by_recipe(groups, claim.dataset, claim.network, q) for q in (degrees, None)]
    words = f"{degrees} saves {percent} % of the energy"
    if not (found[0] and found[1]):
        return Verdict(words, "not trained yet", "open", _files(reported.CLAIMS))
    saved = energy_claims.reductions(found[0], found[1])[SLIDES]
    low, high = saved.interval
    return Verdict(
        words,
        f"our network saves {saved.text(1)} % by the same formula ({saved.seeds} seed{'s' * (saved.seeds > 1)})",
        "open" if saved.seeds < FEWEST else "yes" if low <= float(percent) <= high else "no",
        _files(reported.CLAIMS, found),
    )


def no_more_latency() -> Verdict:
    """Whether the latency can stay the same with no layer's clock faster than the baseline's: every alpha at most 1."""
    alphas = [row.alpha for row in reported.energy() if row.configuration == energy_claims.BEST]
    no_faster = [float(alpha) <= 1 for alpha in alphas]
    return Verdict(
        f"{energy_claims.BEST} can run at lower clock frequencies without more latency",
        f"by the slides' alpha, the layers' clocks must run {', '.join(alphas)} times as fast as the baseline's",
        "yes" if all(no_faster) else "in part" if any(no_faster) else "no",
        _files(reported.ENERGY, reported.LAYERS),
    )


def _files(*made_from: object) -> frozenset[str]:
    return frozenset(used_files.names(*made_from))


def _plain(claim: reported.Improvement) -> str:
    return Architecture.parse(claim.network).unquantized


def _quantized(claim: reported.Improvement) -> str:
    return str(Architecture.parse(claim.network).with_quantization(claim.degrees))


def _listed(percents: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {percent:g} %" for name, percent in percents.items())

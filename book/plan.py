"""What the page on differences draws from tables and trials: what was tried with baselines, silence, the hypotheses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

from book import marks
from book.compared import label, name
from book.wording import listed, rows
from tqttfs_lite.energy.models import SLIDES
from tqttfs_lite.experiments import results
from tqttfs_lite.experiments.config import family, recipe
from tqttfs_lite.experiments.results import Trial
from tqttfs_lite.paper import comparisons, energy_claims, gains, operating_points, reported
from tqttfs_lite.spiking.notation import Architecture

TRIED_MARK, SILENCE_MARK, HYPOTHESES_MARK = "<!-- tried -->", "<!-- silence -->", "<!-- hypotheses -->"


def parts() -> dict[str, str]:
    """By mark of the page, the Markdown that takes its place."""
    trials = results.read_trials()
    return {
        TRIED_MARK: marks.part(tried_sentence(trials), trials),
        SILENCE_MARK: marks.part(silence_sentence(), reported.ENERGY, reported.CLAIMS),
        HYPOTHESES_MARK: marks.part(hypotheses_table(), reported.CLAIMS),
    }


def tried(trials: Sequence[Trial], dataset: str, kind: str, *, quantized: bool) -> set[str]:
    """The settings that differ among the trials of a family of networks, or from the recipe but for loss and epochs."""
    values: defaultdict[str, set[object]] = defaultdict(set)
    for config in (trial.config for trial in trials):
        architecture = Architecture.parse(config.architecture)
        found = (config.dataset, family(architecture), max(architecture.quantization) > 1)
        if found == (dataset, kind, quantized):
            usual = recipe(str(architecture), dataset, config.time_steps, loss=config.loss, epochs=config.epochs)
            for setting, value in (*asdict(config).items(), *asdict(usual).items()):
                values[setting].add(value)
    return {setting for setting, different in values.items() if len(different) > 1} - {"architecture", "seed"}


def tried_sentence(trials: Sequence[Trial]) -> str:
    """For each of the slides' networks, which settings were tried with the baseline, and which only quantized."""
    said = []
    for claim in reported.improvements():
        kind = family(Architecture.parse(claim.network))
        baseline, quantized = (tried(trials, claim.dataset, kind, quantized=q) for q in (False, True))
        both, alone = (_in_words(settings) for settings in (baseline, quantized - baseline))
        words = f"{both} with the baseline" if both else "nothing with the baseline"
        words += f", and {alone} with quantized networks only" if alone else ""
        said.append(f"for the {name(claim)}, {words}")
    return f"The stored trials varied these settings: {'; '.join(said)}."


def _in_words(settings: set[str]) -> str:
    return listed([f"`{setting}`" for setting in sorted(settings)]) if settings else ""


def silence_sentence() -> str:
    """What the slides' mean steps allow."""
    shares = [f"{operating_points.most_silent(network):.0f} %" for network in operating_points.printed()]
    return (
        f"If the slides' mean steps include silent images, with all T steps, at most {listed(shares)} of the images can"
        " be silent in their unquantized and quantized convolutional network, respectively; if silent images are left"
        " out of the mean, nothing on the slides limits their share."
    )


def hypotheses_table() -> str:
    """The claims that are tested, their margins and the steps at which networks are compared."""
    body = []
    for claim in reported.improvements():
        margin = gains.MARGINS[claim.dataset]
        steps = listed([f"{at:g}" for at in comparisons.EQUAL_STEPS[claim.dataset]])
        body.append([f"accuracy, {label(claim)}", f"+{claim.points} points", f"± {margin:g} points", steps])
    saved = reported.claims()[f"energy_reduction_{energy_claims.BEST}"].value
    tenth = f"± {gains.ENERGY_MARGIN:g} % of the baseline's energy"
    body.append([f"energy by {SLIDES}, {label(reported.improvements()[-1])}", f"{saved} % saved", tenth, "its own"])
    return rows(["claim", "the slides", "margin", "mean steps of the comparison"], body)

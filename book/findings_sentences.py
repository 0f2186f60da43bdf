"""The first page's sentences; with other results each says something else, or is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from book.compared import (
    RECIPE,
    Compared,
    Finding,
    Savings,
    by_clocks_alone,
    name,
    strongest,
)
from book.wording import interval, listed, seeds
from tqttfs_lite.energy.models import CAUSAL, SLIDES
from tqttfs_lite.paper import comparisons, energy_claims, gains, reported, seed_statistics
from tqttfs_lite.paper.seed_statistics import Group
from tqttfs_lite.report import energy_views, per_image

Parts = Sequence[tuple[Compared, Mapping[str, Group]]]  # comparisons with other networks, by what is said of them


def gains_sentence(compared: Sequence[Compared]) -> str:
    """Which networks gain accuracy by quantization, as trained, which lose, which neither, and which are open."""
    told: dict[str, list[str]] = {"gains": [], "loses": [], "none": [], "open": []}
    for one in compared:
        low, high = one.gain.interval
        verdict = "gains" if low > 0 else "loses" if high < 0 else "none" if one.equivalent else "open"
        points = one.gain._replace(mean=-one.gain.mean) if verdict == "loses" else one.gain
        beside = f"; [margin](#decided-beforehand): ±{gains.MARGINS[one.claim.dataset]:g}" if verdict == "none" else ""
        told[verdict].append(f"{points.text(2)} points for the {name(one.claim)} (slides: +{one.claim.points}{beside})")
    said = [f"Quantization {verb} {'; '.join(told[verb])}." for verb in ("gains", "loses") if told[verb]]
    if told["none"]:
        said.append(f"The difference is too small to matter: {'; '.join(told['none'])}.")
    if told["open"]:
        said.append(f"Our seeds show neither a gain nor a loss: {'; '.join(told['open'])}.")
    return " ".join(said)


def energy_sentence(compared: Sequence[Compared], saved: Savings) -> str:
    """What the slides' formula and the causal count say of the convolutional network."""
    claim, quantized, baseline, *_ = compared[-1]
    percent = reported.claims()[f"energy_reduction_{energy_claims.BEST}"].value
    formula, (papers, causal) = saved[SLIDES][1], saved[CAUSAL]
    return (
        f"By the slides' formula, quantization saves {interval(formula)} % of the energy of the {name(claim)}"
        f" (slides: {percent} %). But the formula rewards a slow clock by itself: with every spike and every decision"
        f" unchanged, it would give {by_clocks_alone(baseline, quantized):.1f} %."
        f" If the additions that arriving spikes cause are counted instead, the slides' own spikes save"
        f" {min(papers.values()):.0f} to {max(papers.values()):.0f} % under our assumptions about pooling, and ours"
        f" {interval(causal)} %, where a negative saving means more energy."
    )


def energy_at_equal_steps_sentence(compared: Sequence[Compared]) -> str:
    """The causal saving of the convolutional network where both take as many steps; empty where they cannot."""
    claim, quantized, baseline, *_ = compared[-1]
    rows = energy_views.on_equal_terms(*seed_statistics.paired(quantized, baseline)[0])
    if energy_views.EQUAL_STEPS not in rows.index:
        return ""
    trained, equal = (rows.loc[name] for name in (energy_views.AS_TRAINED, energy_views.EQUAL_STEPS))
    return (
        f"The energy of the {name(claim)} depends on its steps, too: if the additions that arriving spikes cause are"
        f" counted, the quantized network {saved_or_needed(trained[CAUSAL])} as trained and"
        f" {saved_or_needed(equal[CAUSAL])} at equal steps, for seed 0 and the first {trained['images']:.0f} test"
        " images only ([chapter 9](../notebooks/09_audit.ipynb))."
    )


def saved_or_needed(percent: float) -> str:
    """A saving in words that hold for a negative one too.

    >>> saved_or_needed(12.34), saved_or_needed(-12.34)
    ('saves 12.3 %', 'needs 12.3 % more')
    """
    return f"saves {percent:.1f} %" if percent >= 0 else f"needs {-percent:.1f} % more"


def layers_sentence(partly: Parts) -> str:
    """What quantizing the hidden layers alone gains, and the output alone; empty where neither is trained."""
    told, alike = [], []
    for (claim, _, baseline, *_), found in partly:
        *_, before, output = claim.degrees.split("-")
        alike += [name(claim)] * (before == output)  # with that clock, the output behaves as if it had its input's
        told.append(_gained(claim, baseline, found))
    if not told:
        return ""
    same = f", so the {listed(alike)} then runs as if all of it were quantized, and differs only in its training"
    return (
        f"Gains from quantizing only a part of the network, in points: {'; '.join(told)}."
        " With the hidden layers alone, the output still fires only on the ticks of the layer before it"
        f"{same if alike else ''}."
    )


def _gained(claim: reported.Improvement, baseline: Group, found: Mapping[str, Group]) -> str:
    """The network, and what each of these gains over its baseline."""
    gains_over = (f"{words} {seed_statistics.gain(group, baseline).text(2)}" for words, group in found.items())
    return f"{name(claim)}: {', '.join(gains_over)}"


def controls_sentence(controlled: Parts) -> str:
    """What networks gain that share mainly one property with a coarse output clock; empty where none is trained."""
    told = [_gained(one.claim, one.baseline, found) for one, found in controlled]
    if not told:
        return ""
    return (
        "Gains of unquantized networks from mainly one property of a coarse output clock:"
        f" {'; '.join(told)}. What quantization gains over these stands [below](#stronger-baselines)."
    )


def strongest_sentence(controlled: Parts) -> str:
    """What quantization gains over the best baseline, where that is not the recipe's; empty where there is none."""
    said = []
    for one, found in controlled:
        words = strongest(one, found)
        if words == RECIPE:
            continue
        over, steps = found[words], comparisons.middle_steps(one.claim.dataset)
        there = seed_statistics.gain_at(one.quantized, over, steps)
        said.append(
            f"The [best baseline](#stronger-baselines) of the {name(one.claim)} on the validation images is that with"
            f" {words}: over it, the gain is {seed_statistics.gain(one.quantized, over).text(2)} as trained"
            + (f" and {there.text(2)} at {steps:g} mean time steps." if there else ".")
        )
    return " ".join(said)


def fewer_steps_sentence(fewer: Sequence[tuple[Compared, Sequence[Group]]]) -> str:
    """What the unquantized networks reach that were trained with fewer time steps; empty where none was."""
    said = []
    for (claim, quantized, baseline, *_), found in fewer:
        shown = [
            f"{group.accuracy.text(2)} % at {group.steps.mean:.2f} steps with T = {group.config.time_steps}"
            for group in [*found, baseline]
        ]
        beside = f"{quantized.accuracy.text(2)} % at {quantized.steps.mean:.2f} steps"
        said.append(f"{name(claim)}, {listed(shown)}; with degrees {claim.degrees}, {beside}")
    return f"Without quantization, but trained with fewer time steps: {'; '.join(said)}." if said else ""


def equal_steps_sentence(compared: Sequence[Compared]) -> str:
    """From how many mean time steps on quantization is ahead, and where it is behind; empty where none was measured."""
    told = []
    for one in compared:
        if not one.at_steps:
            continue
        ahead = [steps for steps, gain in one.at_steps.items() if gain.interval[0] > 0]
        behind = [steps for steps, gain in one.at_steps.items() if gain.interval[1] < 0]
        shown = "; ".join(f"{gain.text(2)} at {steps:g}" for steps, gain in one.at_steps.items())
        verdicts = [f"ahead at {listed([f'{s:g}' for s in ahead])}"] if ahead else []
        verdicts += [f"behind at {listed([f'{s:g}' for s in behind])}"] if behind else []
        missed = [f"{s:g}" for s in comparisons.EQUAL_STEPS[one.claim.dataset] if s not in one.at_steps]
        shown += f"; {listed(missed)} planned, but not reached by both" if missed else ""
        told.append(f"- {name(one.claim)}, {' and '.join(verdicts) or 'no significant difference'}: {shown}.")
    if not told:
        return ""
    return (
        "Networks that decide at different times are not directly comparable. The list below therefore gives the gain"
        " at equal mean time steps, wherever both networks reach them. The threshold of the output neurons, which makes"
        " a trained network decide earlier or later, is chosen for this on the validation images.\n\n" + "\n".join(told)
    )


def slides_steps_sentence(compared: Sequence[Compared]) -> str:
    """How our convolutional networks stand at the slides' own time steps."""
    claim, quantized, baseline, _, _ = compared[-1]
    before, after = (energy_claims.reported_steps(key) for key in (energy_claims.UNQUANTIZED, energy_claims.BEST))
    printed = reported.own_accuracy(claim.dataset)
    said = [
        f"The slides' convolutional networks decide after {before:.2f} and {after:.2f} steps,"
        f" ours after {baseline.steps.mean:.2f} and {quantized.steps.mean:.2f}."
        " The slides do not say whether the first step counts as 0 or as 1; ours count from 1."
    ]
    for words, group, steps in (("unquantized", baseline, before), ("quantized", quantized, after)):
        percent = printed[group.config.architecture]
        if found := group.at_steps(steps):
            said.append(
                f"At {steps:.2f} steps our {words} network reaches {found.text(2)} %, the slides' {percent:.1f} %."
            )
        elif fewest := group.fewest_steps:
            from_0 = group.at_steps(steps + 1)
            said.append(
                f"Counted so, no output threshold brings our {words} network down to the {steps:.2f} steps at which the"
                f" slides' reaches {percent:.1f} %: its minimum is {fewest:.2f}."
                + (f" Counted from 0, it reaches {from_0.text(2)} % there." if from_0 else "")
            )
    return " ".join([*said, "[The letter to the authors](letter.md) compares all readings."])


def baselines_sentence(compared: Sequence[Compared]) -> str:
    """How many of our networks have the slides' accuracies, at whatever steps, and how far our baselines are above."""
    reached, better = [], []
    for claim, quantized, baseline, *_ in compared:
        printed = reported.own_accuracy(claim.dataset)
        if quantized.accuracy.mean >= printed[quantized.config.architecture]:
            reached.append(f"{quantized.steps.mean:.2f}")
        better.append(f"{baseline.accuracy.mean - printed[baseline.config.architecture]:+.1f}")
    after = f", after {listed(reached)} steps" if reached else ""
    verb = "reaches" if len(reached) == 1 else "reach"
    who = f"Of our {len(compared)} quantized networks, {len(reached)} {verb}"
    if len(reached) == len(compared) > 1:
        who = f"All {len(compared)} of our quantized networks reach"
    return (
        f"{who} at least the accuracy printed on the slides{after}; our unquantized baselines differ from the slides'"
        f" by {listed(better)} points, and any gain is measured from there."
    )


def others_sentence(compared: Sequence[Compared]) -> str:
    """What the paper's formula says of the networks for which the slides claim no saving."""
    said = []
    for claim, quantized, baseline, *_ in compared[:-1]:
        said.append(f"{energy_claims.reductions(quantized, baseline)[SLIDES].text(1)} % for the {name(claim)}")
    return f"By the slides' formula alone, the saving is {listed(said)}; a negative saving means more energy."


def bounds_sentence(images: Sequence[float]) -> str:
    """What the slides' counts allow at all, whatever pooling passes on."""
    bounds = energy_claims.reported_bounds(energy_claims.BEST, images)
    said = [f"{low:.0f} to {high:.0f} % {key}" for key, (low, high) in bounds.items() if low < high]
    return f"If each network may pass on any share, the slides' counts allow savings of {listed(said)}."


def steps_sentence(compared: Sequence[Compared]) -> str:
    """What silence does to the steps of the convolutional network, whose images without an output spike take all T."""
    _, quantized, baseline, *_ = compared[-1]
    silent = [f"{group.silent.mean:.1f} %" for group in (baseline, quantized)]
    said = (
        "An image on which no output neuron fires takes all time steps."
        f" This happens on {silent[0]} of the images in the unquantized convolutional network and on {silent[1]} in the"
        " quantized one."
    )
    later = per_image.later_where_both_decide(quantized, baseline)
    if not later:
        return said
    return f"{said} On the images that both networks decide, the quantized one takes {later.text(2)} steps more."


def pooling_sentence(pooled: Mapping[str, Group]) -> str:
    """How the convolutional network's gain hangs on its pooling, which the slides do not name; empty if untrained."""
    if len(pooled) < 2:
        return ""
    before = pooled[energy_claims.UNQUANTIZED]
    maximum = seed_statistics.gain(pooled[energy_claims.BEST], before)
    return (
        "The slides do not name the kind of pooling; our networks use average pooling."
        f" With maximum pooling, {before.config.epochs} epochs and the earlier loss, quantization gained"
        f" {maximum.text(2)} points ({seeds(min(maximum.seeds))})."
    )


def reproduction_sentences(findings: Sequence[Finding]) -> str:
    """What reproduced in direction and in size, what did not, and what our seeds cannot tell; a sentence a line."""
    words = {
        "yes": "reproduced",
        "no": "not reproduced",
        "no difference": "without a difference that matters",
        "less than if nothing changed": "less than if nothing changed",
        "the opposite": "opposite",
        "open": "undecided",
    }
    said = []
    for what, verdicts in (
        ("Direction", [finding.direction for finding in findings]),
        ("Size", [finding.size for finding in findings]),
    ):
        counts = [f"{verdicts.count(verdict)} {words[verdict]}" for verdict in words if verdict in verdicts]
        said.append(f"{what} of the {len(findings)} claims below: {', '.join(counts)}.")
    return "\n".join(said)

"""The first page's tables, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

from book.compared import RECIPE, Compared, Finding, Savings, baselines, name
from book.wording import rows
from tqttfs_lite.energy.models import CAUSAL, SLIDES
from tqttfs_lite.paper import comparisons, energy_claims, reported, seed_statistics
from tqttfs_lite.paper.seed_statistics import Group
from tqttfs_lite.spiking.notation import Architecture


def findings_table(findings: Sequence[Finding]) -> str:
    """The claims one by one."""
    header = [
        "claim",
        "the paper",
        "ours",
        "95 % interval",
        "one more pair",
        "seeds",
        "if nothing changed",
        "same direction",
        "same size",
    ]
    body = []
    for finding in findings:
        ours, decimals, unchanged = finding.ours, finding.decimals, finding.unchanged
        known = [finding.printed, f"{ours.mean:+.{decimals}f}", ours.interval_text(decimals)]
        known.append(
            "" if isnan(finding.one_more[0]) else " to ".join(f"{end:.{decimals}f}" for end in finding.one_more)
        )
        known.extend([str(finding.fewest), f"{unchanged:+.{decimals}f}" if unchanged else "0"])
        body.append([finding.words, *known, finding.direction, finding.size])
    return rows(header, body)


def networks_table(compared: Sequence[Compared]) -> str:
    """The networks behind the claims, unquantized and quantized."""
    header = ["network", "degrees", "the paper, %", "ours, %", "silent, %", "steps", "seeds"]
    body = []
    for claim, quantized, baseline, *_ in compared:
        for group in (baseline, quantized):
            network = Architecture.parse(group.config.architecture)
            printed = reported.own_accuracy(claim.dataset)[group.config.architecture]
            measured = [group.accuracy.text(2), f"{group.silent.mean:.1f}", f"{group.steps.mean:.2f}"]
            body.append([name(claim), network.short_form, f"{printed:.1f}", *measured, str(len(group.results))])
    return rows(header, body)


def loss_table(earlier: Sequence[tuple[Compared, Group]]) -> str:
    """What the loss of our earlier recipe made of the baselines; empty where too few were trained with it."""
    header = [
        "network",
        "loss",
        "unquantized, %",
        "steps",
        "silent, %",
        "seeds",
        "gain (over seeds alone), points",
        "saved, causal, %",
    ]
    body = []
    for (claim, quantized, baseline, *_), before in earlier:
        for words, group in (("earlier", before), (RECIPE, baseline)):
            saved = energy_claims.reductions(quantized, group)[CAUSAL]
            body.append(
                [name(claim), words, *_known(group), seed_statistics.gain(quantized, group).text(2), saved.text(1)]
            )
    if not body:
        return ""
    return (
        "Steps, silent images and energy depend on a loss that charges every clock equally for waiting"
        " ([chapter 4](../notebooks/04_mnist_smlp.ipynb)).\n"
        "The loss of our earlier recipe counted an image on a fine clock as decided before any output was above its"
        " threshold, so that waiting cost the network little; it became slow and often silent"
        " ([chapter 7](../notebooks/07_accuracy.ipynb)).\n"
        "The table shows the unquantized network under each loss, and so what quantization appears to gain and save:"
        "\n\n" + rows(header, body)
    )


def controls_table(controlled: Sequence[tuple[Compared, Mapping[str, Group]]]) -> str:
    """What quantization gains over baselines that share mainly one property with a coarse output clock.

    Empty where none is trained.
    """
    header = [
        "network",
        "its baseline",
        "gain, points",
        "gain at equal steps",
        "baseline there, validation, %",
        "baseline, %",
        "steps",
        "silent, %",
        "seeds",
    ]
    body = []
    for one, found in controlled:
        steps = comparisons.middle_steps(one.claim.dataset)
        for words, group in baselines(one, found).items():
            there = seed_statistics.gain_at(one.quantized, group, steps)
            chosen = group.at_steps(steps, split="validation")
            body.append(
                [
                    f"{name(one.claim)}, {one.claim.degrees}",
                    words,
                    seed_statistics.gain(one.quantized, group).text(2),
                    f"{there.text(2)} at {steps:g}" if there else "",
                    chosen.text(2) if chosen else "",
                    *_known(group),
                ]
            )
    if not body:
        return ""
    return (
        "(stronger-baselines)=\n\n"
        "A coarse output clock also changes what is trained: the loss has fewer terms, and no output fires in the first"
        " steps."
        "\nThe table shows what quantization gains over unquantized networks that were trained with mainly one of these"
        " ([chapter 7](../notebooks/07_accuracy.ipynb#where-the-improvement-comes-from)):\n\n" + rows(header, body)
    )


def _known(group: Group) -> list[str]:
    """Its accuracy in percent, its steps, its silent images in percent and its seeds."""
    return [group.accuracy.text(2), group.steps.text(2), f"{group.silent.mean:.1f}", str(len(group.results))]


def energy_table(saved: Savings) -> str:
    """What the best configuration saves in percent under every accounting: by the paper's counts, and ours."""
    cases = list(saved[SLIDES][0])
    header = ["accounting", *(f"the paper, {case}" for case in cases), "ours", "95 % interval"]
    body = [
        [key, *(f"{papers[case]:.1f}" for case in cases), ours.text(1), ours.interval_text(1)]
        for key, (papers, ours) in saved.items()
    ]
    return rows(header, body)

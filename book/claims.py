"""The first page's claims and verdicts for programs: claims.json, beside the pages."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

from book import marks
from book.citing import Citation
from book.compared import Facts, Finding, found
from tqttfs_lite.paper import reported
from tqttfs_lite.paper.seed_statistics import Difference

Record = dict[str, Any]


def record(finding: Finding) -> Record:
    """One claim: what the slides print, ours with its intervals, the verdict and the files behind ours.

    The only place that knows what a `Finding` is made of.
    """
    ours = finding.ours
    low, high = ours.interval
    return {
        "claim": finding.words,
        "paper": float(finding.printed),
        "ours": ours.mean,
        "interval_95_percent": None if isnan(low) else [low, high],
        "one_more_95_percent": None if isnan(low) else list(finding.one_more),
        "seeds": list(ours.seeds) if isinstance(ours, Difference) else [ours.seeds],
        "unchanged": finding.unchanged,
        "same_direction": finding.direction,
        "same_size": finding.size,
        "files": list(finding.files),
    }


def records(facts: Facts) -> list[Record]:
    """Every claim of the first page's table, in its order."""
    return [record(finding) for finding in found(facts.compared, facts.saved)]


def document(records: Sequence[Record], citation: Citation) -> dict[str, Any]:
    """The content of claims.json: the records, and what their words mean."""
    (paper,) = citation["references"]
    return {
        "paper": f"https://doi.org/{paper['doi']}",
        "source_of_the_claims": sorted({reported.CLAIMS, reported.ENERGY}),
        "seeds": "of the quantized network and of its baseline, or those that both share",
        "unchanged": "the result if quantization changed no spike and no decision",
        "interval_95_percent": "the confidence interval of the mean",
        "one_more_95_percent": "the prediction interval for one more pair of networks",
        "same_direction": "whether the confidence interval lies on the same side of `unchanged` as the paper's number",
        "same_size": "whether the prediction interval contains the paper's number, which is of one pair",
        "claims": list(records),
    }


def table(records: Sequence[Record]) -> str:
    """The claims as a Markdown table in one element, with the mark of what ours are made from."""
    header = ["claim", "the paper", "ours", "95 % interval", "one more pair", "seeds"]
    header += ["if nothing changed", "same direction", "same size"]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for claim in records:
        shown = [
            f"{ends[0]:+.2f} to {ends[1]:+.2f}" if (ends := claim[f"{interval}_95_percent"]) else ""
            for interval in ("interval", "one_more")
        ]
        seeds = " and ".join(map(str, claim["seeds"]))
        numbers = (
            f"{claim['paper']:+} | {claim['ours']:+.2f} | {' | '.join(shown)} | {seeds} | {claim['unchanged']:+.1f}"
        )
        lines.append(f"| {claim['claim']} | {numbers} | {claim['same_direction']} | {claim['same_size']} |")
    files = {file for claim in records for file in claim["files"]} | {reported.CLAIMS, reported.ENERGY}
    return "\n".join(["::::{container} claims", *lines, "::::", "", marks.mark(files)])

"""When, how far and where the numbers were last verified, as recorded by `tqttfs verify --record`.

A page that draws on results is flagged if that record does not hold for the library as it is now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tqttfs_lite.paper import verification

MEANING = {
    "arithmetic": "the slides' numbers, recomputed from one another, and the checksums of all files",
    "checkpoints": "also every stored network, evaluated on the whole test set",
    "retrain": "also the slides' two MNIST perceptrons, trained from scratch",
    "full": "also every network of a recipe, trained from scratch",
}


UNKNOWN = "it is not known whether today's library still gives these results"
NAMED = 3  # changed files that a flag names


def flag(record: Path) -> str:
    """Why a reader should not take the results for those of today's library; empty if there is no reason."""
    if not record.is_file():
        return f"No verification was recorded where this book was built: {UNKNOWN}."
    last = json.loads(record.read_text("utf-8"))
    date = last["made"]["date"][:10]
    if last["level"] not in verification.EVALUATED or "library" not in last:
        return f"The verification of {date} did not run the stored networks: {UNKNOWN}."
    if differing := last["numbers"] - last["agreeing"]:
        return f"In the verification of {date}, {differing} of {last['numbers']} numbers differ from what is stored."
    if changes := changed(last["library"], verification.library_sums()):
        more = f" and {len(changes) - NAMED} more" if len(changes) > NAMED else ""
        return f"The library has changed since its results were verified on {date}: {', '.join(changes[:NAMED])}{more}."
    return ""


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names of the files that have another checksum, are new or are gone.

    >>> changed({"a.py": "1", "b.py": "2", "c.py": "3"}, {"b.py": "2", "c.py": "4", "d.py": "5"})
    ['a.py', 'c.py', 'd.py']
    """
    return sorted({name for name, _ in before.items() ^ now.items()})


def sentences(record: Path) -> str:
    """The last verification in words; without a record, how to make one.

    In the record, `numbers` is how many were recomputed, and `agreeing` how many of them agreed.
    """
    if not record.is_file():
        return "No verification has been recorded where this book was built: run `make test` to record one."
    last = json.loads(record.read_text("utf-8"))
    made = last["made"]
    differing = last["numbers"] - last["agreeing"]
    verdict = "all of them agree" if not differing else f"**{differing} of them differ**"
    return (
        f"Last verified on {made['date'][:10]} at level `{last['level']}`: {MEANING[last['level']]}.\n"
        f"{last['numbers']} numbers were recomputed, and {verdict}.\n"
        f"Machine: `{made['processor']}`, `{made['system']}`, Python `{made['python']}`, PyTorch `{made['torch']}`."
        f" Library: commit `{made['commit'][:12]}`{made['commit'][40:]}."
    )

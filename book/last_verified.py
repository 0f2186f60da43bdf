"""When the numbers were verified last, how far and where, as `tqttfs verify --record` wrote it down."""

from __future__ import annotations

import json
from pathlib import Path

MEANING = {
    "arithmetic": "the slides' numbers from one another, and the sums of all files",
    "checkpoints": "also every stored network on the whole test set",
    "retrain": "also the slides' two MNIST perceptrons, trained from scratch",
    "full": "also every network of a recipe, trained from scratch",
}


def sentences(record: Path) -> str:
    """The last verification in words; without a record, how to make one.

    Its numbers are those that agreed and those that were looked at.
    """
    if not record.is_file():
        return "No verification has been recorded where this book was built: `make test` makes one."
    last = json.loads(record.read_text("utf-8"))
    made = last["made"]
    differing = last["numbers"] - last["agreeing"]
    verdict = "all of them agree" if not differing else f"**{differing} of them differ**"
    return (
        f"Last verified on {made['date'][:10]} at the level `{last['level']}`: {MEANING[last['level']]}.\n"
        f"{last['numbers']} numbers were computed again, and {verdict}.\n"
        f"The machine: {made['processor']}, {made['system']}, Python {made['python']}, PyTorch {made['torch']};"
        f" the library: commit `{made['commit'][:12]}`{made['commit'][40:]}."
    )

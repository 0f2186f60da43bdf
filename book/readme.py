"""Write the table of published results into the README: `python book/readme.py`."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from statistics import mean, stdev

from tqttfs_lite import paper, paths, results
from tqttfs_lite.config import TrainingConfig
from tqttfs_lite.results import Result

README = paths.REPOSITORY / "README.md"
START, END = "<!-- results, written by `python book/readme.py` -->\n", "<!-- end of results -->\n"


def table() -> str:
    """One row per configuration; several seeds are averaged."""
    lines = [
        "| data | network | the paper, % | ours, % | seeds | epochs | price of a step | steps | silent, % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for config, group in groupby(sorted(results.read_all(), key=_order), key=_without_seed):
        tests = [result.test for result in group]
        scores = [test.accuracy for test in tests]
        cells = [
            config.dataset,
            config.architecture,
            paper.own_accuracy(config.dataset).get(config.architecture, ""),
            f"{mean(scores):.2f}" + (f" ± {stdev(scores):.2f}" if len(scores) > 1 else ""),
            len(scores),
            config.epochs,
            config.step_cost,
            f"{mean(test.mean_steps for test in tests):.2f}",
            f"{mean(100 * test.silent / test.images for test in tests):.1f}",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def _without_seed(result: Result) -> TrainingConfig:
    return replace(result.config, seed=0)


def _order(result: Result) -> tuple[str, str, int, str]:
    """By data set, network and training length; the hash keeps the seeds of a configuration together."""
    config = _without_seed(result)
    return config.dataset, config.architecture, config.epochs, config.hash


def updated(text: str) -> str:
    """The README with today's table between its marks."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return before + START + table() + END + after


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")

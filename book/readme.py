"""Write the table of released results into the README: `python book/readme.py`."""

from __future__ import annotations

from operator import attrgetter

from tqttfs_lite.experiments import paths
from tqttfs_lite.experiments.config import follows_recipe
from tqttfs_lite.paper import comparisons, reported, seed_statistics

README = paths.REPOSITORY / "README.md"
START, END = "<!-- results, written by `python book/readme.py` -->\n", "<!-- end of results -->\n"


def table() -> str:
    """One row per network that was trained by its recipe; several seeds are averaged."""
    lines = [
        "| data | network | T | the paper, % | ours, % | seeds | epochs | steps | silent, % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    groups = seed_statistics.released()
    order = attrgetter("dataset", "architecture", "time_steps")
    for config in sorted(filter(follows_recipe, groups), key=order):
        group = groups[config]
        alike = config.time_steps == comparisons.paper_time_steps(config.dataset)
        printed = reported.own_accuracy(config.dataset) if alike else {}
        cells = [
            config.dataset,
            config.architecture,
            config.time_steps,
            printed.get(config.architecture, ""),
            group.accuracy.text(2),
            group.accuracy.seeds,
            config.epochs,
            f"{group.steps.mean:.2f}",
            f"{group.silent.mean:.1f}",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def updated(text: str) -> str:
    """The README with today's table between its marks."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return before + START + table() + END + after


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")

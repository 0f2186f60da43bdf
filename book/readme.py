"""Write the table of published results into the README: `python book/readme.py`."""

from __future__ import annotations

from itertools import groupby
from statistics import mean, stdev

from tqttfs_lite import paper, paths, results
from tqttfs_lite.notation import Architecture
from tqttfs_lite.results import Result

README = paths.REPOSITORY / "README.md"
START, END = "<!-- results, written by `python book/readme.py` -->\n", "<!-- end of results -->\n"


def table() -> str:
    """One row per data set, network and training length; several seeds are averaged."""

    def row_of(result: Result) -> tuple[str, str, int]:
        return result.config.dataset, result.config.architecture, result.config.epochs

    # The slides leave q out where it is 1 in every layer; the canonical notation does not.
    published = {
        (dataset, str(Architecture.parse(row.architecture))): row.accuracy_percent
        for dataset in ("mnist", "fashion-mnist")
        for row in paper.accuracy(dataset)
        if row.reference == "this paper"
    }
    lines = ["| data | network | the paper, % | ours, % | seeds | epochs | steps |", "|---|---|---|---|---|---|---|"]
    for row, group in groupby(sorted(results.read_all(), key=row_of), key=row_of):
        tests = [result.test for result in group]
        scores = [test.accuracy for test in tests]
        ours = f"{mean(scores):.2f}" + (f" ± {stdev(scores):.2f}" if len(scores) > 1 else "")
        steps = f"{mean(test.mean_steps for test in tests):.2f}"
        dataset, network, epochs = row
        paper_percent = published.get((dataset, network), "")
        lines.append(f"| {dataset} | {network} | {paper_percent} | {ours} | {len(scores)} | {epochs} | {steps} |")
    return "\n".join(lines) + "\n"


def updated(text: str) -> str:
    """The README with today's table between its marks."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return before + START + table() + END + after


if __name__ == "__main__":
    README.write_text(updated(README.read_text()))

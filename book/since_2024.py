"""The tables of the chapter "Since 2024": other works from the paper's tables, ours from the stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from book import marks
from tqttfs_lite.experiments import used_files
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.paper import comparisons, reported
from tqttfs_lite.paper.seed_statistics import Group
from tqttfs_lite.spiking.notation import Architecture

THEMES = ("followers", "clocks", "aggregation", "energy", "chips")
NOT_TOLD = "?"
HEADER = ("work", "MNIST, %", "FashionMNIST, %", "decoder", "epoch", "silent, %", "T", "weights", "evidence; read")


def ours(groups: Mapping[TrainingConfig, Group]) -> list[Group]:
    """Our networks with the degrees for which the slides claim a gain, those that are trained."""
    return [quantized for _, quantized, _ in comparisons.of_claims(groups) if quantized]


def networks_table(groups: Mapping[TrainingConfig, Group]) -> str:
    """Networks of other works and ours under the same headings, in MyST Markdown, with the mark of ours."""
    rows = [
        [
            f"{{cite:t}}`{row.key}`, {row.what}{f': {row.network}' if row.network else ''}",
            *(row.mnist_percent, row.fashion_mnist_percent),
            *(value or NOT_TOLD for value in (row.decoder, row.epoch, row.silent, row.time_steps, row.weights)),
            f"{row.evidence}; {row.read}",
        ]
        for row in reported.since_2024()
    ]
    for group in ours(groups):
        config, accuracy = group.config, group.accuracy.text(2)
        rows.append(
            [
                f"ours, one spike: {config.architecture}, {group.accuracy.seeds} seeds",
                *((accuracy, "") if config.dataset == "mnist" else ("", accuracy)),
                *("first spike, then potential", "last", f"{group.silent.mean:.1f}"),
                *(str(config.time_steps), f"{sum(Architecture.parse(config.architecture).weights()):,}", "simulated"),
            ]
        )
    return _marked([HEADER, *rows], used_files.names(reported.SINCE_2024, ours(groups)))


def statements_table(theme: str) -> str:
    """What works say on a theme, with the mark of the table that they are in."""
    rows = [
        [f"{{cite:t}}`{said.key}`", said.says, said.evidence, said.read]
        for said in reported.statements()
        if said.theme == theme
    ]
    return _marked([("work", "what it says", "evidence", "read"), *rows], {reported.STATEMENTS})


def _marked(rows: Sequence[Sequence[str]], files: set[str]) -> str:
    """A table in one element, which the mark behind it is of."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    table = [head, "|---" * len(rows[0]) + "|", *body]
    return "\n".join(["::::{container} cited", *table, "::::", "", marks.mark(files)])

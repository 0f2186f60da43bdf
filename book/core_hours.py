"""What the trainings behind the book took, from the seconds that their files record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from book import marks
from tqttfs_lite.experiments import used_files
from tqttfs_lite.experiments.results import Result, Trial


class Machine(NamedTuple):
    """What trained: a GPU, or so many threads of a processor."""

    name: str
    cores: int  # that a training kept busy; none of a GPU's
    gpu: bool


class Effort(NamedTuple):
    """Trainings of one kind on one machine, and the time that they took."""

    kind: str
    machine: Machine
    trainings: int
    hours: float  # of a core, or of the GPU


def machine(made: dict[str, str | int]) -> Machine:
    """The machine that a result or a trial names; older ones name no device, and were made on processors.

    >>> machine({"processor": "AMD EPYC", "threads": 2})
    Machine(name='AMD EPYC', cores=2, gpu=False)
    """
    gpu = made.get("device", "cpu") != "cpu"
    return Machine(str(made["processor"]), 0 if gpu else int(made["threads"]), gpu)


def efforts(results: Iterable[Result], trials: Iterable[Trial]) -> list[Effort]:
    """Hours by kind and machine, an epoch's seconds counting for every thread; networks that share a GPU share its."""
    totals: defaultdict[tuple[str, Machine], list[float]] = defaultdict(list)
    for kind, records in (("released networks", results), ("trials, on validation images", trials)):
        for record in records:
            where = machine(record.made)
            seconds = sum(epoch.seconds for epoch in record.history)
            totals[kind, where].append(seconds * (where.cores or 1) / 3600)
    return [Effort(kind, where, len(hours), sum(hours)) for (kind, where), hours in sorted(totals.items())]


def table(found: Iterable[Effort]) -> str:
    """The efforts as a Markdown table with a row of totals.

    >>> slow, fast = Machine("CPU", 2, gpu=False), Machine("GPU", 0, gpu=True)
    >>> print(table([Effort("trials", slow, 3, 1.25), Effort("nets", fast, 9, 0.5)]))
    | trainings | machine | number | core-hours | GPU-hours |
    |---|---|--:|--:|--:|
    | trials | CPU | 3 | 1.2 | |
    | nets | GPU | 9 | | 0.50 |
    | all | | 12 | 1.2 | 0.50 |
    """
    efforts = list(found)
    lines = ["| trainings | machine | number | core-hours | GPU-hours |", "|---|---|--:|--:|--:|"]
    for effort in efforts:
        hours = f"| {effort.hours:.2f} |" if effort.machine.gpu else f"{effort.hours:.1f} | |"
        lines.append(f"| {effort.kind} | {effort.machine.name} | {effort.trainings} | {hours}")
    cores, gpus = (sum(e.hours for e in efforts if e.machine.gpu == gpu) for gpu in (False, True))
    lines.append(f"| all | | {sum(e.trainings for e in efforts)} | {cores:.1f} | {gpus:.2f} |")
    return "\n".join(lines)


def marked(results: Sequence[Result], trials: Sequence[Trial]) -> str:
    """The table in one element, with the mark of the files that it is summed from."""
    mark = marks.mark(used_files.names(results, trials))
    return "\n".join(["::::{container} hours", table(efforts(results, trials)), "::::", "", mark])

"""Verification: every number of the slides and of this repository is recomputed and compared with its allowed values.

| level | what is recomputed |
|---|---|
| arithmetic | the slides' numbers from each other; the checksums of all files behind results and notebooks |
| checkpoints | every count of every released network with stored weights, on the whole test set |
| retrain | the slides' two MNIST perceptrons, seed 0, trained from scratch |
| full | every network that follows a recipe, every seed, trained from scratch |

Each level includes those above it.  A training on the same machine as the released one ends with exactly the same
weights; on another machine sums are rounded differently, which acts like another seed.  A retrained network must
therefore fall into the 99.9 % prediction interval of one further seed.  (99.9 %, because a run of the tests checks six
values.)  The standard deviation is that of the network's own seeds if there are eight or more; otherwise it is pooled
over all networks of its family on the data set.  Such an interval can be wide, and an entry states its width, because a
wide one cannot distinguish a network from its baseline.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from itertools import chain
from math import sqrt
from statistics import mean, variance
from typing import Any, NamedTuple

import torch
from scipy.stats import t as student
from tqdm import tqdm

from tqttfs_lite.errors import CheckpointError, InputError, ResultError
from tqttfs_lite.experiments import (
    anytime,
    bit_widths,
    conventional,
    devices,
    dial,
    experiment,
    paths,
    results,
    search,
    used_files,
)
from tqttfs_lite.experiments.config import TrainingConfig, family, follows_recipe
from tqttfs_lite.experiments.datasets import data_sums
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.experiments.used_files import MIME
from tqttfs_lite.paper import energy_claims, reported, seed_statistics
from tqttfs_lite.paper.seed_statistics import Group
from tqttfs_lite.spiking.notation import Architecture

LEVELS = ("arithmetic", "checkpoints", "retrain", "full")
EVALUATED = LEVELS[1:]  # those at which every stored network is run with today's library
TRAINED = LEVELS[2:]  # those with an interval, whose width is shown with the verdict
MAKERS = ("spiking", "energy", "experiments")  # the subpackages whose code makes results
CONFIDENCE = 0.999
ENOUGH = 8  # seeds of a network for a standard deviation of its own
DIAL_STRIDE = 12  # every twelfth threshold of a dial is checked
QUANTITIES = {
    "accuracy, %": 2,
    "inference time steps": 3,
    "silent images, %": 2,
}  # and their decimals


class Entry(NamedTuple):
    """A number as stored in a file, and as recomputed."""

    level: str
    file: str  # the file that contains it
    what: str
    expected: str
    allowed: str  # one value, or an interval
    found: str
    agrees: bool


def verify(level: str, *, device: str | None = None, progress: bool = False) -> Iterator[Entry]:
    """All entries up to this level, as they are recomputed.

    Raises `InputError` if the level is unknown, `ResultError` if there is no checkpoint to evaluate, and `DatasetError`
    if a required data set is missing.
    """
    if level not in LEVELS:
        raise InputError(f"unknown level {level!r}: choose one of {', '.join(LEVELS)}")
    depth = LEVELS.index(level)
    if depth >= 1 and not any(paths.checkpoints_directory().glob("*.safetensors")):
        raise ResultError(f"there is no released checkpoint in {paths.checkpoints_directory()}: nothing to verify")
    yield from slides()
    stored = yield from files()
    yield from pages()
    if depth >= 1:
        yield from checkpoints(stored, device=device, progress=progress)
    known = {config: group for config, group in seed_statistics.grouped(stored).items() if follows_recipe(config)}
    if depth >= 2:
        chosen = [
            (result, intervals(config, known))
            for config, group in known.items()
            for result in (group.results if depth == 3 else group.results[: is_quick(config)])
        ]

        def again(one: tuple[Result, Mapping[str, tuple[float, float]]]) -> list[Entry]:
            return list(retrained(*one, level, device=device, progress=progress))

        on_cpu = devices.choose(device).type == "cpu"
        with _side_by_side(_cores() if on_cpu else 1) as pool:
            yield from chain.from_iterable(pool.map(again, chosen))


def slides() -> Iterator[Entry]:
    """Every number on the slides that follows from other numbers on the slides."""
    for check in energy_claims.arithmetic():
        yield Entry("arithmetic", "paper", check.what, check.printed, check.printed, check.recomputed, check.agrees)


def files() -> Generator[Entry, None, list[Result]]:
    """Whether results are intact and belong to the existing checkpoints and data sets; returns the intact ones."""
    whole: list[Result] = []
    for path in sorted(paths.results_directory().glob("*.json")):
        try:
            result = results.read(path)
        except ResultError as damage:
            yield _unequal(f"results/{path.name}", "the file", "whole", str(damage))
            continue
        whole.append(result)
        file = f"results/{path.name}"
        yield _equal("arithmetic", file, "SHA-256 of the data", result.data_sha256, data_sums(result.config.dataset))
        if result.checkpoint.exists():
            digest = sha256(result.checkpoint.read_bytes()).hexdigest()
            yield _equal("arithmetic", file, "SHA-256 of the checkpoint", result.checkpoint_sha256, digest)
        elif result.config.seed == 0:
            yield _unequal(file, "the checkpoint", "there", "missing")
        if results.beside(result, *results.DIALS).exists():
            yield _whole("arithmetic", f"dials/{path.name}", partial(dial.read, result))
        if results.beside(result, *results.FIXED_POINT).exists():
            yield _whole("arithmetic", f"fixed_point/{path.name}", partial(bit_widths.read, result))
    for path in sorted(paths.search_directory().glob("*.json")):
        yield _whole("arithmetic", f"search/{path.name}", partial(results.read_trial, path))
    for kept in (anytime, search, conventional):
        for path in sorted((paths.data_directory() / kept.FOLDER).glob("[!.]*.json")):
            yield _whole("arithmetic", f"{kept.FOLDER}/{path.name}", partial(kept.read, path))
    known = {result.config.name for result in whole}
    integers = results.FIXED_POINT[0], ".safetensors"
    for kind, suffix in (
        ("checkpoints", ".safetensors"),
        results.ANSWERS,
        results.DIALS,
        results.FIXED_POINT,
        integers,
    ):
        for path in sorted((paths.data_directory() / kind).glob(f"[!.]*{suffix}")):
            if path.name.partition(".")[0] not in known:
                yield _unequal(f"{kind}/{path.name}", "its result file", "there", "missing or damaged")
    return whole


def pages() -> Iterator[Entry]:
    """Whether the files behind the outputs of committed notebooks are unchanged.

    There are no entries if `$TQTTFS_DATA` is set to other results, which committed notebooks do not show.
    """
    if paths.data_directory() != paths.REPOSITORY / "data":
        return
    for path in sorted((paths.REPOSITORY / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        records = [output.get("data", {}).get(MIME, {}) for cell in cells for output in cell.get("outputs", [])]
        for file, digest in sorted({item for record in records for item in record.items()}):
            try:
                found = used_files.digest(file)
            except FileNotFoundError:
                found = "missing"
            yield _equal("arithmetic", f"notebooks/{path.name}", f"SHA-256 of {file}", digest, found)


def checkpoints(stored: Sequence[Result], *, device: str | None = None, progress: bool = False) -> Iterator[Entry]:
    """Every count of results with stored weights, several results at a time, and the answers of the other results."""
    without = [r for r in stored if not r.checkpoint.exists() and results.beside(r, *results.ANSWERS).exists()]
    for result in without:
        yield _whole("checkpoints", _answers_file(result), partial(experiment.answers_of, result))
    weighed = [result for result in stored if result.checkpoint.exists()]
    with _side_by_side(_cores()) as pool:
        found = pool.map(lambda result: [*counts(result, device=device), *in_fixed_point(result)], weighed)
        yield from chain.from_iterable(tqdm(found, "evaluating", len(weighed), disable=None if progress else True))


@contextmanager
def _side_by_side(at_once: int) -> Iterator[ThreadPoolExecutor]:
    """Worker threads for this many networks; NNPACK, which is set per process, is off until the last one has ended."""
    with torch.backends.nnpack.flags(enabled=False), ThreadPoolExecutor(at_once) as pool:
        yield pool


def _cores() -> int:
    """The number of networks for which the CPU has enough cores."""
    return max(1, (os.cpu_count() or 1) // torch.get_num_threads())


def counts(result: Result, *, device: str | None = None) -> Iterator[Entry]:
    """Every count of a result, from its checkpoint."""
    file = f"results/{result.config.name}.json"
    try:
        evaluation, each = experiment.evaluate_each_again(result, device=device)
    except CheckpointError as damage:
        yield _unequal(file, "the checkpoint", "whole", str(damage), level="checkpoints")
        return
    found = asdict(evaluation)
    for name, expected in asdict(result.test).items():
        yield _equal("checkpoints", file, name, expected, found[name])
    if stated := results.stored_metrics(result):
        name = "connection_sparsity"
        yield _equal("checkpoints", file, name, stated[name], results.neurobench(result)[name])
    try:
        stored = experiment.answers_of(result)
    except ResultError as damage:
        yield _unequal(_answers_file(result), "the file", "whole", str(damage), level="checkpoints")
        return
    differing = sum(int((ours != theirs).sum()) for ours, theirs in zip(stored, each, strict=True))
    yield _equal("checkpoints", _answers_file(result), "differences from the network's answers", 0, differing)
    if results.beside(result, *results.DIALS).exists():
        try:
            stored_dial = dial.read(result).thinned(DIAL_STRIDE)
        except ResultError:  # already reported at the level above
            return
        both = stored_dial.unquantized is not None
        again = experiment.measure_dial(result, DIAL_STRIDE, device=device, also_unquantized=both)
        same = stored_dial == again
        yield _equal("checkpoints", f"dials/{result.config.name}.json", "its counts equal the network's", True, same)


def in_fixed_point(result: Result) -> Iterator[Entry]:
    """Whether a result's network, rounded to the chosen bits, gives the stored fixed-point counts, if there are any."""
    if not results.beside(result, *results.FIXED_POINT).exists():
        return
    try:
        stored = bit_widths.read(result)
        again = bit_widths.scored(stored, result)
    except (ResultError, CheckpointError):  # reported already
        return
    file = f"fixed_point/{result.config.name}.json"
    for (name, scale, split), found in again.items():
        part = stored.parts[name]
        expected = stored.chosen(part, scale) if split == "validation" else part.scores(scale).test
        yield _equal("checkpoints", file, f"its {split} counts, {name}, by {scale}", expected, found)


def is_quick(config: TrainingConfig) -> bool:
    """Whether a network is retrained on every run of the tests, which takes minutes."""
    return config.dataset == "mnist" and config.architecture in reported.own_accuracy("mnist")


def retrained(
    result: Result,
    allowed: Mapping[str, tuple[float, float]],
    level: str,
    *,
    device: str | None = None,
    progress: bool = False,
) -> Iterator[Entry]:
    """The accuracy, steps and silent images of a result's configuration, retrained from scratch.

    If there is no interval, nothing is trained, and the result is a single entry that disagrees.
    """
    file = f"results/{result.config.name}.json"
    if not allowed:
        yield _unequal(file, "its interval", "two seeds of a network of its family", "one of each", level=level)
        return
    found = quantities(experiment.retrain(result.config, device=device, progress=progress))
    for name, expected in quantities(result.test).items():
        decimals = QUANTITIES[name]
        low, high = allowed[name]
        yield Entry(
            level,
            file,
            f"{name}, retrained",
            f"{expected:.{decimals}f}",
            f"{low:.{decimals}f} to {high:.{decimals}f}, {high - low:.{decimals}f} wide",
            f"{found[name]:.{decimals}f}",
            bool(low <= found[name] <= high),
        )


def quantities(test: Evaluation) -> dict[str, float]:
    """The quantities that vary over seeds, by their names in `QUANTITIES`."""
    values = (test.accuracy, test.mean_steps, 100 * test.silent / test.images)
    return dict(zip(QUANTITIES, values, strict=True))


def intervals(config: TrainingConfig, groups: Mapping[TrainingConfig, Group]) -> dict[str, tuple[float, float]]:
    """The 99.9 % prediction interval for one more seed of a configuration, for each of `QUANTITIES`.

    It is centred on the configuration's own mean and uses Student's t.  The standard deviation is the configuration's
    own if it has `ENOUGH` seeds; otherwise it is pooled, by degrees of freedom, over all configurations of its family
    on its data set.  The result is empty if each of them has only one seed.
    """

    def kind(config: TrainingConfig) -> tuple[str, str]:
        return config.dataset, family(Architecture.parse(config.architecture))

    own = groups[config].results
    alike = [group.results for other, group in groups.items() if kind(other) == kind(config)]
    if len(own) >= ENOUGH:
        alike = [own]
    freedom = sum(len(seeds) - 1 for seeds in alike)
    if not freedom:
        return {}
    factor = student.ppf(1 - (1 - CONFIDENCE) / 2, freedom) * sqrt(1 + 1 / len(own))
    found = {}
    for name in QUANTITIES:
        values = [[quantities(result.test)[name] for result in seeds] for seeds in alike]
        pooled = sqrt(sum(variance(seeds) * (len(seeds) - 1) for seeds in values if len(seeds) > 1) / freedom)
        middle = mean(quantities(result.test)[name] for result in own)
        found[name] = (middle - factor * pooled, middle + factor * pooled)
    return found


def library_sums() -> dict[str, str]:
    """The SHA-256 of every source file in the subpackages that make results, by its path within the package."""
    files = (file for room in MAKERS for file in sorted((paths.PACKAGE / room).rglob("*")))
    return {
        file.relative_to(paths.PACKAGE).as_posix(): sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    }


def table(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The number of entries for each level and file, and how many of them agree."""
    rows: dict[tuple[str, str], list[bool]] = {}
    for entry in entries:
        rows.setdefault((entry.level, entry.file), []).append(entry.agrees)
    return [
        {"level": level, "file": file, "numbers": len(found), "agree": sum(found)}
        for (level, file), found in rows.items()
    ]


def _answers_file(result: Result) -> str:
    return f"answers/{result.config.name}.npz"


def _whole(level: str, file: str, read: Callable[[], object]) -> Entry:
    """Whether a file can be read and agrees with its result."""
    try:
        read()
    except ResultError as damage:
        return _unequal(file, "the file", "whole", str(damage), level=level)
    return _equal(level, file, "the file", "whole", "whole")


def _equal(level: str, file: str, what: str, expected: Any, found: Any) -> Entry:
    return Entry(level, file, what, str(expected), str(expected), str(found), expected == found)


def _unequal(file: str, what: str, wanted: str, found: str, level: str = "arithmetic") -> Entry:
    return Entry(level, file, what, wanted, wanted, found, agrees=False)

"""The measurements of `make bench`, read from `data/benchmarks/`, and ratios within a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from statistics import median, quantiles
from typing import NamedTuple

from pandas import DataFrame

from tqttfs_lite.experiments import paths
from tqttfs_lite.experiments.config import TrainingConfig, recipe, variant
from tqttfs_lite.paper.comparisons import paper_time_steps
from tqttfs_lite.paper.reported import NETWORKS

OURS = "ours"
SIDE_BY_SIDE = "gpu-side-by-side"
PEERS = ("SpikingJelly", "snnTorch")


def configuration(network: str, quantization: str) -> TrainingConfig:
    """The configuration with which a network is timed: today's released recipe with these degrees and seed 0.

    >>> configuration("fashion-scnn", "1-2-2-4-4").pooling
    'average'
    """
    dataset, architecture = NETWORKS[network]
    return variant(recipe(architecture, dataset, paper_time_steps(dataset)), quantization)


def kernels() -> str:
    """The first 16 digits of the SHA-256 of the kernels' source files."""
    spiking = paths.PACKAGE / "spiking"
    sources = [path for path in sorted((spiking / "kernels").iterdir()) if path.is_file()]
    return sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


class Ratio(NamedTuple):
    """The ratio of two variants' times in the same run: the median and the quartiles over rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """
        >>> str(Ratio(3.14159, 3.0, 3.25))
        '3.14 (3.00–3.25)'
        """
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


@dataclass(frozen=True)
class Measurement:
    """One benchmark: what was timed, where, and the seconds of every variant in each round."""

    kind: str  # train, infer, growth, memory or, on a GPU, gpu-train or gpu-side-by-side
    network: str
    quantization: str
    dtype: str
    threads: int
    made: dict[str, str | int]
    weights: str  # the SHA-256 of the released checkpoint, or "random"
    seconds: float  # duration of the benchmark
    measured: dict[str, list[float]]
    config: str = ""  # the hash of `configuration` at that time; older benchmarks have none
    kernels: str = ""  # `kernels()` at that time

    @property
    def changed(self) -> str:
        """What has changed since the benchmark, in words; empty if nothing has."""
        if not (self.config and self.kernels):
            return "unknown: neither its configuration nor its kernels were recorded"
        now = {
            "the recipe": self.config == configuration(self.network, self.quantization).hash,
            "the kernels": self.kernels == kernels(),
        }
        return " and ".join(what for what, same in now.items() if not same)

    @property
    def imitated(self) -> bool:
        """Whether the machine has no instructions for the type, which makes its products many times slower."""
        return self.dtype == "bfloat16" and self.made["training_dtype"] != self.dtype

    @property
    def used_files(self) -> tuple[str, ...]:
        """The name of its file."""
        return (f"benchmarks/{self.kind}_{self.network}_q{self.quantization}_{self.dtype}_{self.threads}threads.json",)

    def ratio(self, variant: str, reference: str = OURS) -> Ratio:
        """A variant's time relative to the reference's; raises `KeyError` if the variant was not timed."""
        rounds = [a / b for a, b in zip(self.measured[variant], self.measured[reference], strict=True)]
        low, _, high = quantiles(rounds, n=4)
        return Ratio(median(rounds), low, high)

    def milliseconds(self, variant: str) -> float:
        """A variant's median time over rounds, in milliseconds."""
        return 1000 * median(self.measured[variant])

    def fastest_peer(self, *words: str) -> str:
        """The fastest variant of another library among those with all of these words in their name."""
        peers = [n for n in self.measured if n.startswith(PEERS) and all(word in n for word in words)]
        return min(peers, key=self.milliseconds)


def read_all() -> list[Measurement]:
    """All stored benchmarks, in the order of their names."""
    files = sorted(paths.benchmarks_directory().glob("*.json"))
    return [Measurement(**json.loads(file.read_text("utf-8"))) for file in files]


def warning() -> str:
    """A sentence about benchmarks that are older than the recipes or the kernels; empty if there are none."""
    stored = read_all()
    changed = [found for found in stored if found.changed]
    if not changed:
        return ""
    return (
        f"{len(changed)} of {len(stored)} benchmarks may predate today's recipes and kernels;"
        " the last table shows what has changed since, and `make bench` times all of them again."
    )


def find(kind: str, network: str, dtype: str = "bfloat16", threads: int = 2, *, quantized: bool = True) -> Measurement:
    """The stored benchmark of a network, with the paper's best degrees or unquantized.

    Raises `LookupError` if there is none.
    """
    wanted = (kind, network, dtype, threads, quantized)
    for found in read_all():
        has_degrees = set(found.quantization.split("-")) != {"1"}
        if (found.kind, found.network, found.dtype, found.threads, has_degrees) == wanted:
            return found
    raise LookupError(f"there is no benchmark {kind} of {network} in {dtype} with {threads} threads: make bench")


def training(dtype: str, threads: int, *, quantized: bool = True) -> dict[str, Measurement]:
    """The stored benchmarks of training steps by network; raises the same errors as `find`."""
    return {network: find("train", network, dtype, threads, quantized=quantized) for network in NETWORKS}


def ratios(benchmarks: Mapping[str, Measurement]) -> DataFrame:
    """The time of a training step relative to ours, for every variant (rows) and network (columns)."""
    columns = {}
    for network, found in benchmarks.items():
        columns[network] = {name: str(found.ratio(name)) for name in found.measured if name != OURS}
        columns[network]["ours, milliseconds"] = f"{found.milliseconds(OURS):.1f}"
    return DataFrame(columns).fillna("")


def side_by_side() -> dict[str, Measurement]:
    """The stored benchmarks of parallel trainings on a GPU, by network and degrees."""
    found = [measured for measured in read_all() if measured.kind == SIDE_BY_SIDE]
    return {f"{measured.network} {measured.quantization}": measured for measured in found}


def gpu_targets() -> DataFrame:
    """Targets for a GPU, measurements, and whether they are reached, in milliseconds per training step.

    Targets for networks that were not timed are omitted.
    """
    found = side_by_side()
    rows = []
    for network, at_once, most in (
        ("fashion-scnn 1-2-2-4-4", 1, 0.8),
        ("fashion-scnn 1-2-2-4-4", 8, 0.5),
        ("fashion-scnn 1-1-1-1-1", 8, 0.8),
        ("mnist-smlp 1-2", 32, 0.04),
    ):
        if network in found:
            each = found[network].milliseconds(f"{at_once} at once")
            row = {
                "network": network,
                "at once": at_once,
                "target, ms": f"at most {most:g}",
                "measured, ms": f"{each:.3f}",
            }
            rows.append({**row, "reached": "yes" if each <= most else "no"})
    return DataFrame(rows)


def for_targets(dtype: str) -> tuple[Measurement, ...]:
    """The stored benchmarks behind `targets`."""
    return (
        find("train", "fashion-scnn", dtype),
        find("train", "mnist-smlp", dtype),
        find("infer", "fashion-scnn", "float32"),
        find("growth", "fashion-scnn"),
        find("memory", "fashion-scnn"),
    )


def targets(dtype: str) -> DataFrame:
    """Targets, measurements, and whether the targets are reached; ratios are within one run with two threads.

    `dtype` is that of the compared training steps; growth, memory and inference are measured in one type each.
    """
    scnn, smlp, inference, growth, memory = for_targets(dtype)
    training, products = "SCNN training step", "relative to PyTorch's products including the first convolution"
    binned = scnn.fastest_peer("SpikingJelly", "our binning")
    rows: list[tuple[Measurement, str, str, float, Ratio | float]] = [
        (scnn, f"{training}, {products}", "at most", 1.25, scnn.ratio(OURS, "floor")),
        (scnn, "fastest SpikingJelly variant with our binning, relative to ours", "at least", 3, scnn.ratio(binned)),
        (
            scnn,
            "SpikingJelly eager with all T frames, relative to ours",
            "at least",
            7,
            scnn.ratio("SpikingJelly eager, all T frames"),
        ),
        (
            smlp,
            "MNIST SMLP training step: fastest other library, relative to ours",
            "at least",
            3,
            smlp.ratio(smlp.fastest_peer()),
        ),
        (
            inference,
            "SCNN inference to the last step, relative to ours",
            "at least",
            2,
            inference.ratio("ours, all images to the end"),
        ),
        (
            growth,
            f"{training}, T = 64 relative to T = 16 at the same T/q",
            "at most",
            1.15,
            growth.ratio("T and q 64", "T and q 16"),
        ),
        (
            memory,
            "peak memory of SCNN training, without the imports, GB",
            "at most",
            1.5,
            memory.measured["peak bytes beyond the imports"][0] / 1e9,
        ),
    ]
    table = []
    for measurement, what, side, target, found in rows:
        middle = found.median if isinstance(found, Ratio) else found
        reached = middle <= target if side == "at most" else middle >= target
        table.append(
            {
                "what": what,
                "target": f"{side} {target:g}",
                "measured": str(found) if isinstance(found, Ratio) else f"{found:.2f}",
                "reached": "yes" if reached else "no",
                "in": measurement.dtype + (", imitated" if measurement.imitated else ""),
            }
        )
    return DataFrame(table).set_index("what")

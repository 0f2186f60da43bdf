"""The names of the files that a number is made from, and the sums by which a later change of a file is detected.

A name is that of a file in the data folder, as in results/….json, of a table of the paper, as in paper/layers.csv, or
of a split of a data set, as in mnist/test.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from tqttfs_lite.experiments import paths

SPLITS = ("train", "validation", "test")  # of a data set
MIME = "application/vnd.tqttfs.sources+json"  # of a record, in the outputs of a notebook's cell


def names(*made_from: Any) -> set[str]:
    """The names of all the files behind these.

    They are names, records and groups of them, which know their `used_files`, and None for what is not trained, also in
    collections.

    >>> sorted(names("paper/layers.csv", ["mnist/test", None], {"sizes": "paper/layers.csv"}))
    ['mnist/test', 'paper/layers.csv']
    """
    found: set[str] = set()
    for source in made_from:
        if isinstance(source, str):
            found.add(source)
        elif hasattr(type(source), "used_files"):
            found.update(source.used_files)
        elif source is not None:
            found |= names(*(source.values() if isinstance(source, Mapping) else source))
    return found


def name(path: Path) -> str:
    """The name of a file in the data folder; raises `ValueError` for one elsewhere."""
    return path.relative_to(paths.data_directory()).as_posix()


def digest(file: str) -> str:
    """The start of the SHA-256 sum of a file by its name; empty for a data set, which has sums of its own.

    Raises `FileNotFoundError` where it is gone.
    """
    folder, _, rest = file.partition("/")
    fixed = {"paper": paths.paper_directory(), "benchmarks": paths.benchmarks_directory()}
    if rest in SPLITS:
        return ""
    return sha256((fixed.get(folder, paths.data_directory() / folder) / rest).read_bytes()).hexdigest()[:16]

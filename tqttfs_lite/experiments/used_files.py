"""The names of the files behind a number, and the checksums by which later changes of these files are detected.

A name belongs to a file in the data folder, such as results/….json, to a table of the paper, such as paper/layers.csv,
or to a split of a data set, such as mnist/test.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from tqttfs_lite.experiments import paths

SPLITS = ("train", "validation", "test")  # of a data set
MIME = "application/vnd.tqttfs.sources+json"  # of the record of used files in the outputs of a notebook's cell


def names(*made_from: Any) -> set[str]:
    """The names of all files behind these objects.

    An object is a name, a record or group with `used_files`, None for something that is not trained, or a collection of
    such objects.

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
    """The name of a file in the data folder; raises `ValueError` if it is not in the data folder."""
    return path.relative_to(paths.data_directory()).as_posix()


def digest(file: str) -> str:
    """The first 16 digits of a file's SHA-256, by its name; empty for a data set, which has its own checksums.

    Raises `FileNotFoundError` if the file does not exist.
    """
    folder, _, rest = file.partition("/")
    fixed = {"paper": paths.paper_directory(), "benchmarks": paths.benchmarks_directory()}
    if rest in SPLITS:
        return ""
    return sha256((fixed.get(folder, paths.data_directory() / folder) / rest).read_bytes()).hexdigest()[:16]

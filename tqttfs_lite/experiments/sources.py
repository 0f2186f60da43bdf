"""Which stored files a computation has drawn on, noted wherever a number is taken out of one.

Results are read many at a time and used few at a time.  So a record does not note its file when it is read but when
one of its measured fields is, each time: no cache hides that, and who merely looks a configuration up draws on nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, ClassVar

from tqttfs_lite.experiments import paths

SPLITS = ("train", "validation", "test")  # of a data set
MIME = "application/vnd.tqttfs.sources+json"  # of a record, in the outputs of a notebook's cell

_noted: set[str] = set()


def note(folder: str, name: str) -> None:
    """Note that a number is being taken from a file of this folder of the data, or from a split of this data set."""
    _noted.add(f"{folder}/{name}")


def take() -> set[str]:
    """What was noted since the last call.

    >>> _ = take()
    >>> note("paper", "claims.csv")
    >>> take(), take()
    ({'paper/claims.csv'}, set())
    """
    taken = set(_noted)
    _noted.clear()
    return taken


def digest(file: str) -> str:
    """The start of the SHA-256 sum of a file as `note` names it; empty for a data set, whose sums are its own matter.

    Raises `FileNotFoundError` where it is gone.
    """
    folder, _, name = file.partition("/")
    fixed = {"paper": paths.paper_directory(), "benchmarks": paths.benchmarks_directory()}
    if name in SPLITS:
        return ""
    return sha256((fixed.get(folder, paths.data_directory() / folder) / name).read_bytes()).hexdigest()[:16]


@contextmanager
def aside() -> Iterator[None]:
    """Keep no note of what is read meanwhile: a training, whose result says itself what it was made from."""
    before = set(_noted)
    try:
        yield
    finally:
        _noted.intersection_update(before)


class Record:
    """The content of a file, which is noted whenever one of the `MEASURED` fields is read."""

    MEASURED: ClassVar[frozenset[str]] = frozenset()

    @property
    def source(self) -> tuple[str, str]:
        """Folder and name of the file."""
        raise NotImplementedError

    def __getattribute__(self, name: str) -> Any:
        if name in type(self).MEASURED:
            note(*self.source)
        return super().__getattribute__(name)

"""What the output of a notebook's cell is made from, for the mark beside it in the book."""

from __future__ import annotations

from typing import Any

from IPython.core.getipython import get_ipython

from tqttfs_lite.experiments import used_files
from tqttfs_lite.experiments.used_files import MIME


def cite(*made_from: Any) -> None:
    """Record which files the output of this cell is made from; outside a notebook nothing is recorded.

    `made_from` are results, groups of them, benchmarks and names of files, as `used_files.names` takes them.
    The record is an output of its own, of the type `MIME`, which no front end shows: the names of the files, and sums
    by which a later change of a file is detected.

    Raises `FileNotFoundError` for a file that is not there.
    """
    record = {file: used_files.digest(file) for file in sorted(used_files.names(*made_from))}
    if record and (shell := get_ipython()):
        shell.display_pub.publish({MIME: record})

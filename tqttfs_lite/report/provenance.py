"""The record of the files behind the output of a notebook's cell, for the mark beside it in the book."""

from __future__ import annotations

from typing import Any

from IPython.core.getipython import get_ipython

from tqttfs_lite.experiments import used_files
from tqttfs_lite.experiments.used_files import MIME


def cite(*made_from: Any) -> None:
    """Record the files from which the output of this cell is made; outside a notebook, nothing is recorded.

    `made_from` are results, groups of results, benchmarks and names of files, as for `used_files.names`.
    The record is a separate output of type `MIME`, which front ends do not show.  It contains the names of the files
    and the checksums by which later changes of these files are detected.

    Raises `FileNotFoundError` if a file does not exist.
    """
    record = {file: used_files.digest(file) for file in sorted(used_files.names(*made_from))}
    if record and (shell := get_ipython()):
        shell.display_pub.publish({MIME: record})

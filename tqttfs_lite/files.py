"""Atomic writing of files: completely or not at all."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; it becomes `path` on success and is deleted on failure.

    Readers, and the next run after an interruption, see either the old file or the complete new one.  If an
    interruption leaves the temporary file behind, no pattern for files like `path` finds it.

    Raises:
        FileNotFoundError: the block ended without writing the temporary file.
        OSError: the file could not be written; the error names `path` if the system does not name a file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # otherwise a power failure may leave an empty file under the new name
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is None:  # e.g. if the disk is full
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file as `atomic_write` does; returns it."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return path


def write_json(path: Path, content: Any) -> Path:
    """Write what JSON can represent, one value a line; returns the file."""
    return write_bytes(path, f"{json.dumps(content, indent=1)}\n".encode())


def write_lines(path: Path, content: Mapping[str, Any]) -> Path:
    """Write the same with one line for each key, so that long lists of counts stay readable; returns the file."""
    lines = (f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    return write_bytes(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())

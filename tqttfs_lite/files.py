"""How a file is written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; it becomes `path` on success and vanishes on failure.

    A reader, and the next run after a kill, sees the old file or the whole new one, never a part.
    No pattern that looks for files like `path` finds the temporary one, which a kill may leave behind.

    Raises:
        FileNotFoundError: the block ended without writing the temporary file.
        OSError: the file could not be written; it names `path` where the system names none.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # else a power cut may leave the new name on an empty file
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is None:  # as where the disk is full
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)

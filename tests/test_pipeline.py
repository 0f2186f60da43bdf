"""The graph of the Snakefile: what a fresh clone runs, what a missing result does, a study killed at random moments."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tqttfs_lite.experiments import paths

KILLS = int(os.environ.get("TQTTFS_KILLS", "2"))  # a long look for a bad moment: TQTTFS_KILLS=20 pytest ...
STUDY = """
- dataset: mnist
  time_steps: 4
  architectures: [784-16(1)-10(2)]
  seeds: [0, 1]
  settings: {epochs: 2, batch_size: 500}
"""


def snakemake(*arguments: str, data: Path | None = None) -> subprocess.Popen[str]:
    """A run of its own process group, as in a terminal, on another data folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=paths.REPOSITORY,
        env={**os.environ, "TQTTFS_DATA": str(data or "")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def output(*arguments: str, data: Path | None = None) -> str:
    process = snakemake(*arguments, data=data)
    text, _ = process.communicate()
    assert process.returncode == 0, text
    return text


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The data folder of a fresh clone: results with arbitrary dates, and no data sets."""
    for folder in (paths.results_directory(), paths.checkpoints_directory()):
        shutil.copytree(folder, tmp_path / folder.name)
    for path in tmp_path.glob("*/*"):
        os.utime(path, (moment := random.uniform(0, time.time()), moment))
    return tmp_path


def test_the_published_results_are_all_there(clone: Path) -> None:
    assert "Nothing to be done" in output("results", data=clone)


def test_a_fresh_clone_fetches_the_data_and_trains_nothing(clone: Path) -> None:
    plan = output("book", "--dry-run", "--forcerun", "notebook", data=clone)
    jobs = set(re.findall(r"^(\w+) +\d+$", plan, re.MULTILINE))
    assert jobs == {"fetch_mnist", "fetch_fashion_mnist", "notebook", "book_pages", "book", "total"}


@pytest.mark.data
def test_each_data_set_is_fetched_by_its_own_job_which_keeps_files_that_are_right(tmp_path: Path) -> None:
    shutil.copytree(paths.raw_directory(), tmp_path / "raw")
    jobs = ("fetch_mnist", "fetch_fashion_mnist")
    text = output(*jobs, "--forcerun", *jobs, data=tmp_path)
    told = [line for line in text.splitlines() if line.endswith(": there already, verified")]
    assert sorted(told) == [f"{name}: there already, verified" for name in ("fashion-mnist", "mnist")]


def test_what_is_missing_of_the_published_study_is_trained_and_published(clone: Path) -> None:
    one = next(clone.glob("results/mnist_784-400-10_q1-2_T8_seed4_*.json"))
    one.unlink()
    plan = output("results", "--dry-run", "--printshellcmds", "--quiet", "host", data=clone)
    (command,) = re.findall(r"tqttfs train .*", plan)
    assert command.startswith("tqttfs train '784-400(1)-10(2)' --dataset mnist --time-steps 8 --seed 4 --publish ")


def test_a_result_that_is_there_is_read_and_never_deleted(clone: Path) -> None:
    """Even by a job for it that was planned before it was there, as where two calls run at the same time."""
    part = "{dataset: mnist, time_steps: 8, architectures: [784-400-10], degrees: [1-2], seeds: [0]}"
    (clone / "study.yml").write_text(f"[{part}]", encoding="utf-8")
    (stored,) = clone.glob("results/mnist_784-400-10_q1-2_T8_seed0_650a2a72.json")
    content = stored.read_bytes()
    text = output("study", "--forcerun", "train", "--config", f"study={clone / 'study.yml'}", data=clone)
    assert "(Rule: train)" in text
    assert stored.read_bytes() == content


def scores(data: Path) -> dict[str, tuple[object, str]]:
    """The counts on the test set and the weights of every result."""
    stored = {path.name: json.loads(path.read_text("utf-8")) for path in data.glob("runs/*.json")}
    return {name: (content["test"], content["checkpoint_sha256"]) for name, content in stored.items()}


@pytest.mark.slow
@pytest.mark.data
def test_a_study_killed_at_random_moments_ends_with_the_same_counts_and_weights(tmp_path: Path) -> None:
    """kill -9 of all its processes at once; then the same command again, with nothing mended in between."""
    (tmp_path / "study.yml").write_text(STUDY, encoding="utf-8")
    arguments = ("study", "--config", f"study={tmp_path / 'study.yml'}")
    raw = paths.raw_directory()

    def folder() -> Path:
        """A new data folder."""
        data = Path(tempfile.mkdtemp(dir=tmp_path))
        (data / "raw").symlink_to(raw)
        return data

    started = time.monotonic()
    output(*arguments, data=(whole := folder()))
    seconds = time.monotonic() - started
    expected = scores(whole)
    assert len(expected) == 2

    moments: list[float] = []
    data = folder()
    while len(moments) < KILLS:
        process = snakemake(*arguments, data=data)
        moment = random.uniform(0, seconds)
        try:
            text, _ = process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()  # ends only when no process is left that could write to it
            moments.append(round(moment, 1))
            continue
        assert process.returncode == 0, text
        assert scores(data) == expected, f"killed after {moments} s"
        data = folder()  # it was done before a kill: once more
    output(*arguments, data=data)
    assert scores(data) == expected, f"killed after {moments} s"
    print(f"killed after {moments} s of {seconds:.1f} s")

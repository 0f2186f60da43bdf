"""The graph of the Snakefile: what a fresh clone runs, what a change makes run, a study killed at random moments."""

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

from tqttfs_lite.experiments import datasets, paths
from tqttfs_lite.paper import reported

KILLS = int(os.environ.get("TQTTFS_KILLS", "2"))  # a long look for a bad moment: TQTTFS_KILLS=20 pytest ...
STUDY = """
- dataset: mnist
  time_steps: 4
  architectures: [784-16(1)-10(2)]
  seeds: [0, 1]
  settings: {epochs: 2, batch_size: 500}
"""


def snakemake(*arguments: str, data: Path | None = None, clone: Path = paths.REPOSITORY) -> subprocess.Popen[str]:
    """A run of its own process group, as in a terminal, on another data folder or in another clone."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=clone,
        env={**os.environ, "TQTTFS_DATA": str(data or ""), "PYTHONPATH": str(clone)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def output(*arguments: str, data: Path | None = None, clone: Path = paths.REPOSITORY) -> str:
    process = snakemake(*arguments, data=data, clone=clone)
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


def test_the_released_results_are_all_there(clone: Path) -> None:
    assert "Nothing to be done" in output("results", data=clone)


def test_a_fresh_clone_fetches_the_data_and_trains_nothing(clone: Path) -> None:
    plan = output("book", "--dry-run", "--forcerun", "notebook", data=clone)
    assert jobs(plan) == {"fetch_mnist", "fetch_fashion_mnist", "notebook", "book_pages", "book"}


@pytest.mark.data
def test_a_data_set_is_fetched_by_a_job_of_its_own_and_only_where_a_file_is_missing(tmp_path: Path) -> None:
    shutil.copytree(paths.raw_directory(), tmp_path / "raw")
    (tmp_path / datasets.data_sums("mnist").popitem()[0]).unlink()
    plan = output("book", "--dry-run", "--forcerun", "notebook", data=tmp_path)
    assert "fetch_mnist" in plan
    assert "fetch_fashion_mnist" not in plan


def test_what_is_missing_of_the_released_study_is_trained_and_released(clone: Path) -> None:
    one = next(clone.glob("results/mnist_784-400-10_q1-2_T8_seed4_*.json"))
    one.unlink()
    plan = output("results", "--dry-run", "--printshellcmds", "--quiet", "host", data=clone)
    (command,) = re.findall(r"tqttfs train .*", plan)
    assert command.startswith(
        "tqttfs train '784-400(1)-10(2)' --dataset mnist --time-steps 8 --seed 4 --loss soft-decoder --release "
    )


def test_a_result_that_came_while_its_job_waited_is_read_and_never_deleted(clone: Path) -> None:
    """As where two calls run at the same time: the process of a job that was planned before it was there."""
    (stored,) = clone.glob("results/mnist_784-400-10_q1-2_T8_seed0_650a2a72.json")
    content = stored.read_bytes()
    log = paths.REPOSITORY / "_build" / "logs" / "results" / f"{stored.stem}.log"
    log.unlink(missing_ok=True)
    output(
        "--mode",
        "subprocess",
        "--target-jobs",
        f"train_{stored.stem.replace('-', '_')}:",
        "--cores=1",
        "--force",
        data=clone,
    )
    assert log.exists()
    assert stored.read_bytes() == content


@pytest.mark.parametrize("target", ["book", "results"])
def test_no_option_of_snakemake_deletes_a_result_or_a_data_set(clone: Path, target: str) -> None:
    for name in reported.ACCURACY:
        for file in datasets.data_sums(name):
            (clone / file).parent.mkdir(parents=True, exist_ok=True)
            (clone / file).touch()
    text = output(target, "--delete-all-output", "--dry-run", "--forceall", data=clone)
    assert str(clone) not in text


def jobs(plan: str) -> set[str]:
    """The rules that a dry run would run."""
    return set(re.findall(r"^(\w+) +\d+$", plan, re.MULTILINE)) - {"total"}


@pytest.mark.slow
def test_contents_decide_what_is_made_again_in_a_clone_of_any_name(tmp_path: Path) -> None:
    """Not dates, which say nothing of a file that was unpacked, copied or removed; the folder's name needs quoting."""
    clone = tmp_path / "it's a {clone} $HOME"
    others = shutil.ignore_patterns("[._]*", "raw", "checkpoints")
    shutil.copytree(paths.REPOSITORY, clone, ignore=lambda folder, names: others(folder, names) - {"__init__.py"})
    for name in reported.ACCURACY:
        for file in datasets.data_sums(name):
            (clone / "data" / file).parent.mkdir(parents=True, exist_ok=True)
            (clone / "data" / file).touch()
    notebooks, page = clone / "_build" / "notebooks", clone / "_build" / "html" / "index.html"
    shutil.copytree(clone / "notebooks", notebooks)
    page.parent.mkdir()
    page.touch()
    output("book", "--touch", "--forcerun", "notebook", "book_pages", clone=clone)  # as if all of it had run

    def planned(data: Path | None = None) -> set[str]:
        return jobs(output("book", "--dry-run", clone=clone, data=data))

    def replace(file: str, old: str, new: str) -> None:
        """By one that is older than anything that was made from the file before."""
        path = clone / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
        os.utime(path, (0, 0))

    assert not planned()
    everything = {"notebook", "book_pages", "book"}
    result, ranking = (
        str(next(clone.glob(f"data/{kind}/*.json")).relative_to(clone)) for kind in ("results", "rankings")
    )
    for file, old, new in (
        (result, '"date"', '"date" '),
        (ranking, '"seconds"', '"seconds" '),
        ("tqttfs_lite/errors.py", "errors", "mistakes"),
        ("notebooks/01_coding.ipynb", "time_steps: int = 8", "time_steps: int = 9"),
    ):
        replace(file, old, new)
        assert planned() == everything, file
        replace(file, new, old)
    replace("book/intro.md", "# ", "# A ")
    assert planned() == {"book_pages", "book"}
    replace("book/intro.md", "# A ", "# ")
    replace("notebooks/01_coding.ipynb", '"output_type": "stream"', '"output_type":  "stream"')
    assert not planned()  # `make notebooks` puts outputs into them
    other = tmp_path / "other"
    shutil.copytree(clone / "data", other)
    next(other.glob("dials/*.json")).unlink()
    assert planned(other) == everything


def digits(folder: Path) -> tuple[str, str]:
    """A study of three seeds that trains in a second, for Snakemake."""
    (folder / "study.yml").write_text(
        STUDY.replace("mnist", "digits").replace("784", "64").replace("[0, 1]", "[0, 1, 2]")
    )
    return "--config", f"study={folder / 'study.yml'}"


def test_the_seeds_of_a_network_are_one_job_and_every_gpu_has_its_own(tmp_path: Path) -> None:
    gpus = ("devices=cuda:0,cuda:1", "at_once=2")
    plan = output("study", *digits(tmp_path), *gpus, "--dry-run", "--printshellcmds", "--quiet", "host", data=tmp_path)
    found = re.findall(r"tqttfs train .* --seed (\S+) .* --device (\S+)", plan)
    seeds, devices = zip(*found, strict=True)
    assert sorted(seeds) == ["0,1", "2"] and sorted(devices) == ["cuda:0", "cuda:1"]
    assert sorted(re.findall(r"resources: .*gpu=1.*, (cuda_\d)=1", plan)) == ["cuda_0", "cuda_1"]


@pytest.mark.slow
def test_a_job_of_several_seeds_trains_those_that_are_missing(tmp_path: Path) -> None:
    """On processors too, where it is not asked for; what is there stays as it is."""
    arguments = ("study", *digits(tmp_path), "at_once=3")
    assert len(jobs(output(*arguments, data=tmp_path))) == 2  # one for all seeds, and the study itself
    expected, files = scores(tmp_path), {path: path.read_bytes() for path in tmp_path.glob("runs/*.json")}
    (second,) = tmp_path.glob("runs/*_seed1_*.json")
    second.unlink()
    output(*arguments, data=tmp_path)
    assert len(expected) == 3 and scores(tmp_path) == expected
    assert all(path == second or path.read_bytes() == content for path, content in files.items())


@pytest.mark.parametrize("profile", ["slurm", "kubernetes"])
def test_the_profiles_plan_a_study_with_a_gpu_for_each_job(tmp_path: Path, profile: str) -> None:
    study = (*digits(tmp_path), "devices=cuda", "--quiet", "host")  # which shows what each job asks for
    plan = output("study", *study, "--profile", f"profiles/{profile}", "--dry-run", data=tmp_path)
    assert len(jobs(plan)) == 2 and len(re.findall(r"resources: .*gpu=1, gpu_manufacturer=nvidia", plan)) == 1


def test_what_make_and_the_graph_start_waits_without_spinning() -> None:
    """Threads that spin until all are done slow an epoch from seconds to minutes where other work has the cores."""
    assert "export OMP_WAIT_POLICY=passive " in (paths.REPOSITORY / "Snakefile").read_text("utf-8")
    plan = subprocess.run(["make", "--dry-run", "test", "queue"], cwd=paths.REPOSITORY, capture_output=True, text=True)
    starts = [line for line in plan.stdout.splitlines() if "verify" in line or 'PATH="$(cd ' in line]
    assert len(starts) == 2
    assert all("OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive " in line for line in starts)


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


@pytest.mark.slow
@pytest.mark.data
def test_make_queue_trains_and_releases_what_its_file_asks_for(tmp_path: Path) -> None:
    queue = tmp_path / "a: queue #1's.yml"
    queue.write_text(STUDY.replace("seeds: [0, 1]", "seeds: [0]").replace("epochs: 2", "epochs: 1"), "utf-8")
    (tmp_path / "raw").symlink_to(paths.raw_directory())
    done = subprocess.run(
        ["make", "queue", "--old-file=.venv/.installed", f"BIN={Path(sys.executable).parent}", f"QUEUE={queue}"],
        cwd=paths.REPOSITORY,
        env={**os.environ, "TQTTFS_DATA": str(tmp_path), "PYTHONPATH": str(paths.REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("results/*.json"))) == len(list(tmp_path.glob("checkpoints/*.safetensors"))) == 1

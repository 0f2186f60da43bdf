"""From a configuration to its result: read where it is stored, trained and evaluated where it is not."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import torch
from filelock import FileLock

from tqttfs_lite.errors import InputError, ResultError
from tqttfs_lite.experiments import answers, checkpoints, devices, dial, paths, results
from tqttfs_lite.experiments.config import TrainingConfig, variant
from tqttfs_lite.experiments.datasets import data_sums, get, load
from tqttfs_lite.experiments.dial import Dial, curve, thresholds_of
from tqttfs_lite.experiments.evaluation import Answers, Evaluation, evaluate, evaluate_each
from tqttfs_lite.experiments.results import Result, Trial, result_file
from tqttfs_lite.experiments.trainer import build
from tqttfs_lite.experiments.training import Progress, Trained, state_file, train, train_together
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.rate_coding import Network

Made = dict[str, str | int]
Stored = TypeVar("Stored", Result, Trial)
AGAIN = ".again"  # the purpose of a retraining, which goes on from no other training's state


def run(config: TrainingConfig, *, release: bool = False, device: str | None = None, progress: bool = True) -> Result:
    """`run_together` of one configuration."""
    return run_together([config], release=release, device=device, progress=progress)[0]


def run_together(
    configs: Sequence[TrainingConfig],
    *,
    at_once: int = 1,
    release: bool = False,
    device: str | None = None,
    progress: bool = True,
) -> list[Result]:
    """The result of each configuration: from its file if there is one, else trained, evaluated once and stored.

    With `release` it ends up among the released results, wherever it was before.  Two processes that ask for the same
    configuration train it once: the second waits for the first.

    What is missing is trained on `device`, which is chosen as in `devices.choose` and recorded in the result, so many
    `at_once`: on an NVIDIA GPU several small trainings take little longer than one, while its memory holds them.

    Raises `DatasetError` where the data sets are missing or damaged, `ResultError` where a stored result is of other
    images under the same name, and what `training.train_together` raises.
    """

    def store(config: TrainingConfig, trained: Trained, origin: Made) -> None:
        score, each = _score(trained.network, config, progress)
        digest = checkpoints.write(trained.network, results.checkpoint_file(config, released=False))
        result = Result(config, tuple(trained.history), score, digest, data_sums(config.dataset), origin)
        answers.write(each, result)
        if config.coding == "ttfs":
            dial.write(_dial(trained.network, config), result)
        results.write(result, result_file(config, released=False))
        state_file(config).unlink()  # nothing is left to go on from

    def release_own(config: TrainingConfig) -> None:
        if release and not results.find(config, released_only=True) and (own := results.find(config)):
            results.release(_of_todays_images(results.read(own)))

    missing = [config for config in configs if not results.find(config, released_only=release)]
    train_missing(missing, results.find, store, at_once, device, progress, then=release_own)
    found = (results.find(config, released_only=release) for config in configs)
    return [_of_todays_images(results.read(path)) for path in found if path]


def _of_todays_images(stored: Stored) -> Stored:
    """A result or a trial; `ResultError` where a data set that is made in memory has other images than it was made of.

    Data sets in files are held to their published sums when they are read.
    """
    name, sums = stored.config.dataset, stored.data_sha256
    if not get(name).files and sums != data_sums(name) and (sums or isinstance(stored, Result)):
        raise ResultError(
            f"{stored.config.name}.json was made from other images than {name} has now: delete it or rename the set"
        )
    return stored


def try_out(config: TrainingConfig, *, device: str | None = None, progress: bool = True) -> Trial:
    """`try_out_together` of one configuration."""
    return try_out_together([config], device=device, progress=progress)[0]


def try_out_together(
    configs: Sequence[TrainingConfig], *, at_once: int = 1, device: str | None = None, progress: bool = True
) -> list[Trial]:
    """Train configurations and score them on the validation images alone, or read the trials that were made before.

    This is how settings are chosen: the test set is not read, and `data/search/` keeps the score.  The finished state
    stays in `data/runs/`, from which `run` goes on if the settings are chosen, without training again.
    The arguments are those of `run_together`, which raises the same.
    """

    def store(config: TrainingConfig, trained: Trained, origin: Made) -> None:
        held_out = load(config.dataset, "validation")
        score = evaluate(trained.network, held_out.images, held_out.labels, progress=progress)
        trial = Trial(config, tuple(trained.history), score, origin, data_sha256=data_sums(config.dataset))
        if isinstance(trained.network, SpikingNetwork):
            thresholds = thresholds_of(config)
            scores = curve(trained.network, held_out.images, held_out.labels, thresholds)
            trial = replace(trial, thresholds=thresholds, curve=scores)
        results.write_trial(trial)

    def stored(config: TrainingConfig) -> bool:
        return results.trial_file(config).exists()

    missing = [config for config in configs if not stored(config)]
    train_missing(missing, stored, store, at_once, device, progress)
    return [_of_todays_images(results.read_trial(results.trial_file(config))) for config in configs]


def train_missing(
    configs: Sequence[TrainingConfig],
    stored: Callable[[TrainingConfig], object],
    store: Callable[[TrainingConfig, Trained, Made], None],
    at_once: int,
    device: str | None,
    progress: bool,
    then: Callable[[TrainingConfig], None] = lambda config: None,
) -> None:
    """Train so many at once of what is not stored, and store it; `then` do the rest, with each one locked."""
    paths.runs_directory().mkdir(parents=True, exist_ok=True)
    place = devices.choose(device)
    with closing(Progress([config for config in configs if not stored(config)], shown=progress)) as shown:
        for start in range(0, len(configs), at_once):
            group = configs[start : start + at_once]
            with ExitStack() as locks:
                for name in sorted(config.name for config in group):  # in one order, so that no two wait for each other
                    locks.enter_context(FileLock(paths.runs_directory() / f"{name}.lock"))
                left = [config for config in group if not stored(config)]
                origin = made(place)  # before training: the code that runs, not the one that is there when it ends
                trained = train_together(left, device=device, progress=shown)
                for config, network in zip(left, trained, strict=True):
                    store(config, network, origin)
                for config in group:
                    then(config)


def retrain(config: TrainingConfig, *, device: str | None = None, progress: bool = True) -> Evaluation:
    """Train a configuration from scratch whatever is stored of it, and evaluate it; nothing is stored.

    A retraining that was cut off goes on from its last whole epoch.  Raises what `run` raises.
    """
    paths.runs_directory().mkdir(parents=True, exist_ok=True)
    with FileLock(paths.runs_directory() / f"{config.name}.lock"):
        trained = train(config, device=device, progress=progress, purpose=AGAIN)
        score, _ = _score(trained.network, config, progress)
        state_file(config, AGAIN).unlink()
    return score


def _score(network: Network, config: TrainingConfig, progress: bool) -> tuple[Evaluation, Answers]:
    test = load(config.dataset, "test")
    return evaluate_each(network, test.images, test.labels, progress=progress)


def trained_network(result: Result, quantization: str | None = None) -> SpikingNetwork:
    """The network of a result, with the weights that the result was measured with; or with other degrees.

    `quantization` is the short form of degrees to run the trained weights with, such as 1-2-4.
    Raises `CheckpointError` where the checkpoint is missing or is not the one of the result, and
    `ValueError` for degrees that do not fit and for a rate-coded network.
    """
    config = result.config
    network = _trained(result, config if quantization is None else variant(config, quantization))
    if not isinstance(network, SpikingNetwork):
        raise InputError(f"{config.name} is rate-coded: it has no first spikes")
    return network


def evaluate_again(result: Result, *, device: str | None = None, progress: bool = False) -> Evaluation:
    """Evaluate the stored checkpoint of a result on the whole test set; it should equal `result.test` on any device."""
    return evaluate_each_again(result, device=device, progress=progress)[0]


def evaluate_each_again(
    result: Result, *, device: str | None = None, progress: bool = False
) -> tuple[Evaluation, Answers]:
    """`evaluate_again`, and the answer to each image."""
    return _score(_trained(result, result.config).to(devices.choose(device)), result.config, progress)


def answers_of(result: Result) -> Answers:
    """The stored answers of a result's network; raises `ResultError` as `answers.read` does."""
    return answers.read(result, load(result.config.dataset, "test").labels)


def measure_dial(result: Result, stride: int = 1, *, device: str | None = None) -> Dial:
    """A result's network at other output thresholds, on the validation and the test images; nothing is stored.

    With a `stride` only at every so many of the thresholds.

    Raises what `trained_network` raises.
    """
    return _dial(trained_network(result).to(devices.choose(device)), result.config, stride)


def _dial(network: Network, config: TrainingConfig, stride: int = 1) -> Dial:
    assert isinstance(network, SpikingNetwork)
    thresholds = thresholds_of(config)[::stride]
    splits = (load(config.dataset, split) for split in ("validation", "test"))
    return Dial(thresholds, *(curve(network, split.images, split.labels, thresholds) for split in splits))


def dial_of(result: Result, *, device: str | None = None) -> Dial:
    """The dial of a result's network: read where it is stored, else measured and stored.

    Raises what `dial.read` and `measure_dial` raise.
    """
    if not results.beside(result, *results.DIALS).exists():
        dial.write(measure_dial(result, device=device), result)
    return dial.read(result)


def _trained(result: Result, config: TrainingConfig) -> Network:
    """A configuration's network with the weights of a result."""
    network = build(config)
    checkpoints.read(network, result.checkpoint, result.checkpoint_sha256)
    return network


def made(device: torch.device) -> Made:
    """Where and when: what a reader needs to judge, or repeat, a run."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "device": device.type,
        "processor": devices.title(device),
        "threads": torch.get_num_threads(),
        "training_dtype": str(devices.training_dtype(device)).removeprefix("torch."),
    }


def commit() -> str:
    """The commit of the code, marked where the library has changed since.

    "unknown" outside a checkout, also where the code lies within another repository.
    """
    # Without GIT_DIR and its like, which in a hook of another repository name that one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*words: str) -> str:
        command = ["git", "-C", str(paths.REPOSITORY), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.rstrip("\n")

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != paths.REPOSITORY.resolve():
            return "unknown"
        commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--", "tqttfs_lite")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit} with changes" if changes else commit

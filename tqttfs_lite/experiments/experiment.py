"""From a configuration to its result, which is read from its file or, if there is none, trained and evaluated."""

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
from tqttfs_lite.experiments.shared import with_degrees_of_1
from tqttfs_lite.experiments.trainer import build
from tqttfs_lite.experiments.training import Progress, Trained, state_file, train, train_together
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.rate_coding import Network

Made = dict[str, str | int]
Stored = TypeVar("Stored", Result, Trial)
AGAIN = ".again"  # the purpose of a retraining, which does not resume from the state of any other training


def run(config: TrainingConfig, *, release: bool = False, device: str | None = None, progress: bool = True) -> Result:
    """The result of a configuration: read from its file if there is one, otherwise trained, evaluated once and stored.

    Its `test` is the evaluation on the test set; `trained_network` gives its network.

    `release=True` moves the result to the released results if it is not there yet.  `device` is cpu, cuda, cuda:1, mps
    or auto, which is also the default: cuda if available, otherwise cpu.  It is recorded in the result.  If two
    processes ask for the same configuration, only one of them trains it, and the other waits.

    Raises `DatasetError` if the data set is missing or damaged, `InputError` if the device is not available,
    `ResultError` if the stored result is damaged or was made with different images under the same name,
    `CheckpointError` if the state of an unfinished run is damaged, and `DivergenceError` if the loss is not finite.
    """
    return run_together([config], release=release, device=device, progress=progress)[0]


def run_together(
    configs: Sequence[TrainingConfig],
    *,
    at_once: int = 1,
    release: bool = False,
    device: str | None = None,
    progress: bool = True,
) -> list[Result]:
    """`run` for each of several configurations.

    The missing results are trained on `device`, which is chosen as in `devices.choose` and recorded in the result,
    `at_once` of them at a time: on an NVIDIA GPU, several small trainings take little longer than one as long as they
    fit into its memory.  Raises the same errors as `run`.
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
    """Return the result or trial; raise `ResultError` if the images of its data set have changed.

    Only data sets without files are checked here: files are compared with their published checksums when they are read.
    """
    name, sums = stored.config.dataset, stored.data_sha256
    if not get(name).files and sums != data_sums(name) and (sums or isinstance(stored, Result)):
        raise ResultError(
            f"{stored.config.name}.json was made with different images than {name} has now:"
            " delete it or rename the data set"
        )
    return stored


def try_out(config: TrainingConfig, *, device: str | None = None, progress: bool = True) -> Trial:
    """`try_out_together` for a single configuration."""
    return try_out_together([config], device=device, progress=progress)[0]


def try_out_together(
    configs: Sequence[TrainingConfig], *, at_once: int = 1, device: str | None = None, progress: bool = True
) -> list[Trial]:
    """Train configurations and score them on the validation images only, or read trials that are already stored.

    This is how settings are chosen: the test set is not read, and the score is stored in `data/search/`.  The final
    state is kept in `data/runs/`, so that `run` need not train again if the settings are chosen.
    The arguments and errors are those of `run_together`.
    """

    def store(config: TrainingConfig, trained: Trained, origin: Made) -> None:
        held_out = load(config.dataset, "validation")
        score = evaluate(trained.network, held_out.images, held_out.labels, progress=progress)
        trial = Trial(config, tuple(trained.history), score, origin, data_sha256=data_sums(config.dataset))
        if isinstance(trained.network, SpikingNetwork):
            thresholds = thresholds_of(config)
            scores = curve(trained.network, held_out.images, held_out.labels, thresholds)
            trial = replace(trial, thresholds=thresholds, curve=scores)
            if fine := with_degrees_of_1(trained.network, config):
                scores = curve(fine, held_out.images, held_out.labels, thresholds)
                trial = replace(trial, unquantized=scores)
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
    """Train the configurations that are not stored, `at_once` at a time, and store them; then call `then` for each.

    Each configuration is locked meanwhile, against other processes that train it.
    """
    paths.runs_directory().mkdir(parents=True, exist_ok=True)
    place = devices.choose(device)
    with closing(Progress([config for config in configs if not stored(config)], shown=progress)) as shown:
        for start in range(0, len(configs), at_once):
            group = configs[start : start + at_once]
            with ExitStack() as locks:
                for name in sorted(config.name for config in group):  # in a fixed order, to avoid deadlocks
                    locks.enter_context(FileLock(paths.runs_directory() / f"{name}.lock"))
                left = [config for config in group if not stored(config)]
                origin = made(place)  # before training, since the code on disk may change meanwhile
                trained = train_together(left, device=device, progress=shown)
                for config, network in zip(left, trained, strict=True):
                    store(config, network, origin)
                for config in group:
                    then(config)


def retrain(config: TrainingConfig, *, device: str | None = None, progress: bool = True) -> Evaluation:
    """Train a configuration from scratch, even if its result is stored, and evaluate it; the result is not stored.

    An interrupted retraining resumes after its last completed epoch.  Raises the same errors as `run`.
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
    """The network of a result, with the weights for which the result was measured.

    `quantization`, a short form such as 1-2-4, runs the same weights with other degrees than they were trained with.
    Raises `CheckpointError` if the checkpoint is missing or does not belong to the result, and `InputError` if the
    degrees do not fit the network or if the network is rate-coded.
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
    """`evaluate_again`, and the network's answer to each image."""
    return _score(_trained(result, result.config).to(devices.choose(device)), result.config, progress)


def answers_of(result: Result) -> Answers:
    """The stored answers of a result's network; raises the same errors as `answers.read`."""
    return answers.read(result, load(result.config.dataset, "test").labels)


def measure_dial(result: Result, stride: int = 1, *, device: str | None = None, also_unquantized: bool = True) -> Dial:
    """Measure a result's network at other output thresholds, on the validation and test images; nothing is stored.

    With a `stride` of n, only every n-th threshold is measured; `also_unquantized` measures the weights of a quantized
    network with every degree 1 too.  Raises the same errors as `trained_network`.
    """
    network = trained_network(result).to(devices.choose(device))
    return _dial(network, result.config, stride, also_unquantized=also_unquantized)


def _dial(network: Network, config: TrainingConfig, stride: int = 1, *, also_unquantized: bool = True) -> Dial:
    assert isinstance(network, SpikingNetwork)
    thresholds = thresholds_of(config)[::stride]
    splits = [load(config.dataset, split) for split in ("validation", "test")]

    def measured(run: SpikingNetwork) -> Dial:
        validation, test = (curve(run, split.images, split.labels, thresholds) for split in splits)
        return Dial(thresholds, validation, test)

    found, fine = measured(network), with_degrees_of_1(network, config) if also_unquantized else None
    return replace(found, unquantized=measured(fine)) if fine else found


def dial_of(result: Result, *, device: str | None = None) -> Dial:
    """The dial of a result's network, which is read from its file or, if there is none, measured and stored.

    Raises the same errors as `dial.read` and `measure_dial`.
    """
    if not results.beside(result, *results.DIALS).exists():
        dial.write(measure_dial(result, device=device), result)
    return dial.read(result)


def _trained(result: Result, config: TrainingConfig) -> Network:
    """The network of a configuration, with the weights of a result."""
    network = build(config)
    checkpoints.read(network, result.checkpoint, result.checkpoint_sha256)
    return network


def made(device: torch.device) -> Made:
    """The date, code version and machine of a run: what is needed to judge or repeat it."""
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
    """The commit of the code, followed by "with changes" if the library has uncommitted changes.

    It is "unknown" outside a checkout, and if the code is inside another repository.
    """
    # Without GIT_DIR and similar variables, which point to another repository if one of its hooks calls this.
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

"""From a configuration to its result: read where it is stored, trained and evaluated where it is not."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch
from filelock import FileLock

from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import answers, checkpoints, dial, paths, results
from tqttfs_lite.experiments.config import TrainingConfig, variant
from tqttfs_lite.experiments.datasets import data_sums, load
from tqttfs_lite.experiments.dial import FACTORS, Dial, curve
from tqttfs_lite.experiments.evaluation import Answers, Evaluation, evaluate, evaluate_each
from tqttfs_lite.experiments.results import Result, Trial, result_file
from tqttfs_lite.experiments.training import Trained, build, state_file, train, training_dtype
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.rate_coding import Network


def run(config: TrainingConfig, *, release: bool = False, progress: bool = True) -> Result:
    """The result of a configuration: from its file if there is one, else trained, evaluated once and stored.

    With `release` it ends up among the released results, wherever it was before.  Two processes that ask for the same
    configuration train it once: the second waits for the first.

    Raises `DatasetError` where the data sets are missing or damaged, and what `training.train` raises.
    """
    if stored := results.find(config, released_only=release):
        return results.read(stored)
    paths.runs_directory().mkdir(parents=True, exist_ok=True)
    with FileLock(paths.runs_directory() / f"{config.name}.lock"):
        if not (stored := results.find(config)):
            origin = made()  # before training: the code that runs, not the one that is there when it ends
            (network, history), score, each = _train_and_evaluate(config, progress)
            digest = checkpoints.write(network, results.checkpoint_file(config, released=False))
            result = Result(config, tuple(history), score, digest, data_sums(config.dataset), origin)
            answers.write(each, result)
            if config.coding == "ttfs":
                dial.write(_dial(network, config), result)
            stored = results.write(result, result_file(config, released=False))
            state_file(config).unlink()  # nothing is left to go on from
        if release and stored.parent != paths.results_directory():
            stored = results.release(results.read(stored))
        return results.read(stored)


def try_out(config: TrainingConfig, *, progress: bool = True) -> Trial:
    """Train a configuration and score it on the validation images alone, or read the trial that was made before.

    This is how settings are chosen: the test set is not read, and `data/search/` keeps the score.  The finished state
    stays in `data/runs/`, from which `run` goes on if the settings are chosen, without training again.
    Raises what `run` raises.
    """
    if (stored := results.trial_file(config)).exists():
        return results.read_trial(stored)
    paths.runs_directory().mkdir(parents=True, exist_ok=True)
    with FileLock(paths.runs_directory() / f"{config.name}.lock"):
        if not stored.exists():
            origin = made()
            trained = train(config, progress=progress)
            held_out = load(config.dataset, "validation")
            score = evaluate(trained.network, held_out.images, held_out.labels, progress=progress)
            results.write_trial(Trial(config, tuple(trained.history), score, origin))
    return results.read_trial(stored)


def retrain(config: TrainingConfig, *, progress: bool = True) -> Evaluation:
    """Train a configuration from scratch whatever is stored of it, and evaluate it; nothing is stored.

    A retraining that was cut off goes on from its last whole epoch.  Raises what `run` raises.
    """
    paths.runs_directory().mkdir(parents=True, exist_ok=True)
    with FileLock(paths.runs_directory() / f"{config.name}.lock"):
        _, score, _ = _train_and_evaluate(config, progress)
        state_file(config).unlink()
    return score


def _train_and_evaluate(config: TrainingConfig, progress: bool) -> tuple[Trained, Evaluation, Answers]:
    trained = train(config, progress=progress)
    test = load(config.dataset, "test")
    return trained, *evaluate_each(trained.network, test.images, test.labels, progress=progress)


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


def evaluate_again(result: Result, *, progress: bool = False) -> Evaluation:
    """Evaluate the stored checkpoint of a result on the whole test set; it should equal `result.test`."""
    return evaluate_each_again(result, progress=progress)[0]


def evaluate_each_again(result: Result, *, progress: bool = False) -> tuple[Evaluation, Answers]:
    """`evaluate_again`, and the answer to each image."""
    test = load(result.config.dataset, "test")
    return evaluate_each(_trained(result, result.config), test.images, test.labels, progress=progress)


def answers_of(result: Result) -> Answers:
    """The stored answers of a result's network; raises `ResultError` as `answers.read` does."""
    return answers.read(result, load(result.config.dataset, "test").labels)


def measure_dial(result: Result, stride: int = 1) -> Dial:
    """A result's network at other output thresholds, on the validation and the test images; nothing is stored.

    With a `stride` only at every so many of the thresholds.

    Raises what `trained_network` raises.
    """
    return _dial(trained_network(result), result.config, stride)


def _dial(network: Network, config: TrainingConfig, stride: int = 1) -> Dial:
    assert isinstance(network, SpikingNetwork)
    thresholds = tuple(factor * network.neuron.theta for factor in FACTORS[::stride])
    splits = (load(config.dataset, split) for split in ("validation", "test"))
    return Dial(thresholds, *(curve(network, split.images, split.labels, thresholds) for split in splits))


def dial_of(result: Result) -> Dial:
    """The dial of a result's network: read where it is stored, else measured and stored.

    Raises what `dial.read` and `measure_dial` raise.
    """
    if not results.beside(result, *results.DIALS).exists():
        dial.write(measure_dial(result), result)
    return dial.read(result)


def _trained(result: Result, config: TrainingConfig) -> Network:
    """A configuration's network with the weights of a result."""
    network = build(config)
    checkpoints.read(network, result.checkpoint, result.checkpoint_sha256)
    return network


def made() -> dict[str, str | int]:
    """Where and when: what a reader needs to judge, or repeat, a run."""
    processor = torch.cpu.get_capabilities().get("cpu_name") or platform.processor()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": str(processor),
        "threads": torch.get_num_threads(),
        "training_dtype": str(training_dtype()).removeprefix("torch."),
    }


def _commit() -> str:
    """The commit of the code, marked where the library has changed since.

    "unknown" outside a checkout, also where the code lies within another repository.
    """
    git = ["git", "-C", str(paths.REPOSITORY)]
    try:
        top = subprocess.run([*git, "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True).stdout
        if Path(top.strip()).resolve() != paths.REPOSITORY.resolve():
            return "unknown"
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--", "tqttfs_lite"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit} with changes" if changes else commit

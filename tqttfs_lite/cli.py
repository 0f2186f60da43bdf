"""The command `tqttfs`: data, train, study, evaluate, dial, energy, verify."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pandas import DataFrame

from tqttfs_lite import answers, datasets, energy, experiment, ledger, paths, results, study
from tqttfs_lite.checkpoints import CheckpointError
from tqttfs_lite.config import TrainingConfig, changes, recipe
from tqttfs_lite.evaluation import Evaluation
from tqttfs_lite.notation import Architecture
from tqttfs_lite.results import Result, ResultError

# What a user can cause and mend; anything else is a defect of ours and keeps its traceback.
USER_ERRORS = (datasets.DatasetError, CheckpointError, ResultError, ValueError, FloatingPointError, OSError)
MAIN_SETTINGS = {"architecture", "dataset", "time_steps"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status, 0 where all is well."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except USER_ERRORS as error:
        print(f"tqttfs: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tqttfs: interrupted; a training goes on from its last whole epoch", file=sys.stderr)
        return 130


def data(options: argparse.Namespace) -> int:
    for name in options.datasets or datasets.CLASSES:
        datasets.fetch(name)
    return 0


def train(options: argparse.Namespace) -> int:
    chosen = {name: value for name, value in vars(options).items() if name in _settings() and value is not None}
    config = recipe(options.architecture, options.dataset, options.time_steps, **chosen)
    if options.validation_only:
        _report(config, experiment.try_out(config).validation, "validation")
        print(f"trial       {results.trial_file(config)}")
        return 0
    result = experiment.run(config, publish=options.publish)
    _report(config, result.test)
    print(f"result      {results.find(config)}")
    return 0


def run_study(options: argparse.Namespace) -> int:
    configs = study.read(options.file)
    if options.commands:
        missing = (config for config in configs if not results.find(config, published_only=True))
        print("\n".join(training_command(config, "--publish") for config in missing))
        return 0
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "study",
        *options.snakemake,
        "--config",
        f"study={options.file.absolute()}",
    ]
    if status := subprocess.run(command, cwd=paths.REPOSITORY, check=False).returncode:
        return status
    stored = [path for config in configs if (path := results.find(config))]
    if len(stored) == len(configs):  # fewer after a dry run
        print(study.table(map(results.read, stored)).to_string(index=False))
    return 0


def evaluate(options: argparse.Namespace) -> int:
    return _evaluate_again([_result(path) for path in options.files])


def show_dial(options: argparse.Namespace) -> int:
    result = _result(options.file)
    found = experiment.dial_of(result)
    points = [found.at_steps(steps) for steps in options.steps or []]
    points = points or [found.point(threshold) for threshold in found.thresholds[1::2]]
    rows = (
        {
            "output threshold": f"{point.threshold:.3g}",
            "validation, %": f"{(held_out := found.point(point.threshold, split='validation')).accuracy:.2f}",
            "its steps": f"{held_out.mean_steps:.3f}",
            "test, %": f"{point.accuracy:.2f}",
            "steps": f"{point.mean_steps:.3f}",
            "silent, %": f"{point.silent:.1f}",
        }
        for point in points
    )
    print(DataFrame(rows).to_string(index=False))
    print(f"counts      {results.beside(result, *results.DIALS)}")
    return 0


def verify(options: argparse.Namespace) -> int:
    entries = []
    for entry in ledger.verify(options.level, progress=not options.json):
        entries.append(entry)
        if not entry.agrees:
            print(
                f"DIFFERS     {entry.source}, {entry.what}: published {entry.published}, allowed {entry.allowed},"
                f" found {entry.found}",
                file=sys.stderr,
            )
    agreeing = sum(entry.agrees for entry in entries)
    if options.json:
        print(json.dumps([entry._asdict() for entry in entries], indent=1))
    else:
        print(DataFrame(ledger.table(entries)).to_string(index=False))
        print(f"{agreeing} of {len(entries)} published numbers confirmed")
    return 0 if agreeing == len(entries) else 1


def show_energy(options: argparse.Namespace) -> int:
    result = _result(options.file)
    architecture = Architecture.parse(result.config.architecture)
    plain = replace(result.config, architecture=architecture.unquantized)  # in the canonical spelling, all q = 1
    if not (found := options.baseline or results.find(plain)):
        raise ResultError("alpha refers to the unquantized network, which was not trained: name one with --baseline")
    baseline = _result(found)
    same = ("architecture", "dataset", "time_steps", "coding")
    if different := [name for name in same if getattr(baseline.config, name) != getattr(plain, name)]:
        raise ResultError(f"{baseline.config.name} is no baseline of {architecture}: another {', '.join(different)}")
    report = _energy_report(result, baseline)
    if options.json:
        print(json.dumps(report, indent=1))
        return 0
    steps, baseline_steps = report["inference_time_steps"], report["baseline_inference_time_steps"]
    print(f"{architecture}: {steps:.3f} inference time steps, against {baseline_steps:.3f} of the baseline\n")
    print(DataFrame(report["layers"]).to_string(index=False, float_format="{:.3f}".format))
    table = DataFrame(report["nanojoules"], index=[str(layer) for layer in architecture.spiking_layers])
    table.loc["total"] = table.sum()
    table.loc["baseline"] = DataFrame(report["baseline_nanojoules"]).sum()
    table.loc["reduction, %"] = table.apply(lambda nj: energy.reduction_percent(nj["total"], nj["baseline"]))
    print("\nnJ per image, by layer")
    print(table.to_string(float_format="{:.3f}".format))
    return 0


def _energy_report(result: Result, baseline: Result) -> dict[str, Any]:
    """Counts and energies of a network and the energies of its baseline, as `tqttfs energy --json` prints them."""
    architecture = Architecture.parse(result.config.architecture)
    counts = result.test.counts(architecture)
    before = baseline.test.counts(Architecture.parse(baseline.config.architecture))
    alphas = energy.frequency_coefficients(counts.steps, before.steps, counts.quantization)
    layers = [
        {
            "layer": str(layer),
            **size._asdict(),
            "spikes": spikes,
            "arriving": arriving,
            "additions": added,
            "alpha": alpha,
        }
        for layer, size, spikes, arriving, added, alpha in zip(
            architecture.spiking_layers,
            counts.sizes,
            counts.spikes,
            counts.arriving,
            counts.additions,
            alphas,
            strict=True,
        )
    ]
    return {
        "network": str(architecture),
        "inference_time_steps": counts.steps,
        "baseline_inference_time_steps": before.steps,
        "layers": layers,
        "nanojoules": energy.accountings(counts, before.steps),
        "baseline_nanojoules": energy.accountings(before, before.steps),
    }


def _evaluate_again(stored: Sequence[Result]) -> int:
    """Re-evaluate and compare, and keep the answers where they were not kept; 1 where a count differs."""
    changed = 0
    for result in stored:
        found, each = experiment.evaluate_each_again(result, progress=True)
        _report(result.config, found)
        if found != result.test:
            changed += 1
            print(f"DIFFERS     the result file says {result.test}", file=sys.stderr)
            continue
        print("confirmed   the same counts as the result file")
        if not results.beside(result, *results.ANSWERS).exists():
            print(f"answers     {answers.write(each, result)}")
    print(f"{len(stored) - changed} of {len(stored)} confirmed")
    return 1 if changed else 0


def _report(config: TrainingConfig, found: Evaluation, split: str = "test") -> None:
    spikes = ", ".join(f"{count:.2f}" for count in found.mean_spikes)
    print(
        f"{config.dataset} {config.architecture}, T = {config.time_steps}, seed {config.seed}\n"
        f"accuracy    {found.accuracy:.2f} % ({found.correct} of {found.images} {split} images)\n"
        f"steps       {found.mean_steps:.3f} on average, {found.silent} images without an output spike\n"
        f"spikes      {spikes} per layer and image"
    )


def _result(path: Path) -> Result:
    """The result that a checkpoint or result file belongs to, named by either."""
    if not path.exists():
        raise ResultError(f"{path} does not exist: name a checkpoint in {paths.checkpoints_directory()}")
    if path.suffix != ".safetensors":
        return results.read(path)
    folder = paths.results_directory() if path.parent.name == paths.checkpoints_directory().name else path.parent
    return results.read(folder / f"{path.stem}.json")


def training_command(config: TrainingConfig, *options: str, seeds: Sequence[int] = ()) -> str:
    """What trains a configuration again, naming what differs from the recipe; for several seeds, a loop over them.

    >>> config = recipe("784-400-10(2)", "mnist", 8, step_cost=0.01, flip=True)
    >>> training_command(config, "--publish")
    "tqttfs train '784-400(1)-10(2)' --dataset mnist --time-steps 8 --seed 0 --step-cost 0.01 --flip yes --publish"
    """
    words = [f"tqttfs train '{config.architecture}' --dataset {config.dataset} --time-steps {config.time_steps}"]
    words.append(f"--seed {'$seed' if len(seeds) > 1 else config.seed}")
    for name, value in changes(config).items():
        text = ("no", "yes")[value] if isinstance(value, bool) else value
        words.append(f"--{name.replace('_', '-')} {text}")
    line = " ".join([*words, *options])
    return f"for seed in {' '.join(map(str, seeds))}; do {line}; done" if len(seeds) > 1 else line


def _settings() -> dict[str, Callable[[str], object]]:
    """The fields of `TrainingConfig` that are flags of their own, with the types that read them."""
    types: dict[str, Callable[[str], object]] = {"int": int, "float": float, "bool": _yes_or_no}
    return {f.name: types.get(str(f.type), str) for f in fields(TrainingConfig) if f.name not in MAIN_SETTINGS}


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return text == "yes"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tqttfs", description="Train and measure TQ-TTFS spiking neural networks.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(command=command)
        return sub

    sub = add("data", data, "Fetch the data sets and check them against the published sums.")
    sub.add_argument(
        "datasets", nargs="*", metavar="DATASET", help=f"{' or '.join(datasets.CLASSES)}; both if left out"
    )

    sub = add("train", train, "Train a network, or read its result where it was trained before.")
    sub.add_argument("architecture", help="such as '784-400(1)-10(2)'; a bracket is that layer's quantization degree q")
    sub.add_argument("--dataset", required=True, help=" or ".join(datasets.CLASSES))
    sub.add_argument("--time-steps", type=int, required=True, help="T")
    where = sub.add_mutually_exclusive_group()
    where.add_argument("--publish", action="store_true", help="store among the published results, not in data/runs/")
    where.add_argument(
        "--validation-only",
        action="store_true",
        help="to choose settings: score on the validation images, leave the test set alone, store in data/search/",
    )
    defaults = {f.name: f.default for f in fields(TrainingConfig)}
    for name, kind in _settings().items():
        kind_text = "yes or no; " if kind is _yes_or_no else ""
        default_text = f"{kind_text}default: the recipe's, else {defaults[name]}"
        sub.add_argument(f"--{name.replace('_', '-')}", type=kind, help=default_text)

    sub = add("study", run_study, "Train every network and seed that a study file asks for, and print a summary.")
    sub.add_argument(
        "--commands",
        action="store_true",
        help="print the commands that train what is not published yet, in the file's order, instead of training",
    )
    sub.add_argument("file", type=Path, metavar="STUDY", help="a YAML file such as data/example_study.yml")
    sub.add_argument(
        "snakemake",
        nargs=argparse.REMAINDER,
        metavar="...",
        help="options of snakemake, such as --dry-run, --cores 1, or --profile profiles/slurm",
    )

    sub = add("evaluate", evaluate, "Evaluate trained networks again and compare with their result files.")
    sub.add_argument("files", nargs="+", type=Path, metavar="CHECKPOINT", help="a checkpoint or a result file")

    sub = add(
        "dial", show_dial, "Score a trained network at other output thresholds, where it decides sooner or later."
    )
    sub.add_argument("file", type=Path, metavar="CHECKPOINT", help="a checkpoint or a result file")
    sub.add_argument(
        "--steps",
        type=float,
        nargs="+",
        help="mean time steps, at which to score it: the threshold is chosen on the validation images",
    )

    sub = add("energy", show_energy, "Print a trained network's counts, and its energy under four accountings.")
    sub.add_argument("file", type=Path, metavar="CHECKPOINT", help="a checkpoint or a result file")
    sub.add_argument("--baseline", type=Path, help="the unquantized network to compare with (default: by recipe)")
    sub.add_argument("--json", action="store_true", help="for programs")

    sub = add("verify", verify, "Recompute what is published, and say what differs.")
    sub.add_argument(
        "--level",
        choices=ledger.LEVELS,
        default="checkpoints",
        help="arithmetic: the slides' numbers from one another, and every file's sums; checkpoints (default): that, and"
        " every stored network on the whole test set, to the same counts; retrain: that, and the MNIST perceptrons"
        " trained from scratch, in minutes; full: every network of a recipe, in hours",
    )
    sub.add_argument("--json", action="store_true", help="every number, for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The commands of `tqttfs`; `cli` parses the command line, and imports this module when the command is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pandas import DataFrame

from tqttfs_lite import files
from tqttfs_lite.energy.costs import BY_CAPACITY
from tqttfs_lite.errors import InputError, ResultError
from tqttfs_lite.experiments import answers, cost_file, datasets, devices, experiment, paths, results
from tqttfs_lite.experiments import export as exporting
from tqttfs_lite.experiments import search as searches
from tqttfs_lite.experiments import study as studies
from tqttfs_lite.experiments.config import TrainingConfig, recipe, training_command, unquantized
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.paper import energy_report, reported, seed_statistics, verification
from tqttfs_lite.spiking.notation import Architecture

DRY_RUN = {"-n", "-np", "--dry-run", "--dryrun"}  # of snakemake


def data(options: Namespace) -> int:
    for name in options.datasets or reported.ACCURACY:
        datasets.fetch(name)
    return 0


def train(options: Namespace) -> int:
    named = {field.name: getattr(options, field.name) for field in fields(TrainingConfig)}
    given = {name: value for name, value in named.items() if value is not None}
    configs = [recipe(**given | {"seed": seed}) for seed in options.seed]
    where: dict[str, Any] = {"at_once": len(configs) if _on_gpu(options.device) else 1, "device": options.device}
    if options.validation_only:
        for trial in experiment.try_out_together(configs, **where):
            _report(trial.config, trial.validation, "validation")
            print(f"trial       {results.trial_file(trial.config)}")
        return 0
    for config, result in zip(configs, experiment.run_together(configs, release=options.release, **where), strict=True):
        _report(config, result.test)
        print(f"result      {results.find(config)}")
    return 0


def study(options: Namespace) -> int:
    configs = studies.read(options.file)
    if options.commands:
        for config in configs:
            if not results.find(config, released_only=True):
                print(training_command(config, "--release"))
        return 0
    # Snakemake's options may send the work to another machine, which may have a device that this one does not have.
    on_gpu = options.device not in (None, "cpu") if options.snakemake else _on_gpu(options.device)
    if (paths.REPOSITORY / "Snakefile").exists() and (options.snakemake or not on_gpu):
        # Quoted as in a URL: Snakemake reads the value as YAML, where " #" and ": " have a meaning, and strips quotes.
        settings = [f"study={quote(str(options.file.absolute()))}"]
        settings += [f"devices={options.device}", f"at_once={options.at_once}"] if on_gpu else []
        command = [sys.executable, "-m", "snakemake", "study", *options.snakemake, "--config", *settings]
        environment = {**os.environ, "TQTTFS_DATA": str(paths.data_directory())}  # it may be relative to this folder
        if status := subprocess.run(command, cwd=paths.REPOSITORY, env=environment).returncode:
            return status
    elif options.snakemake:
        given = " ".join(options.snakemake)
        raise InputError(f"{given}: Snakemake options need a checkout of the repository")
    else:
        experiment.run_together(configs, at_once=options.at_once if on_gpu else 1, device=options.device)
    stored = [path for config in configs if (path := results.find(config))]
    if len(stored) == len(configs):
        print(seed_statistics.table(map(results.read, stored)).to_string(index=False))
    elif not DRY_RUN.intersection(options.snakemake):
        raise ResultError(f"{len(configs) - len(stored)} of {len(configs)} results are missing: nothing to summarise")
    return 0


def search(options: Namespace) -> int:
    epochs = {"epochs": options.epochs} if options.epochs else {}
    config = recipe(options.architecture, options.dataset, options.time_steps, **epochs)
    budget = searches.Budget.parse(options.budget, options.accounting)
    found = searches.search(
        config,
        budget,
        trainings=options.trainings,
        seeds=options.seed,
        at_once=options.at_once if _on_gpu(options.device) else 1,
        device=options.device,
    )
    by_shared = {choice.setting: choice.point.accuracy for choice in found.shared}
    rows = (
        {
            "degrees": setting,
            "shared network, %": f"{by_shared[setting]:.2f}",
            "seed": seed,
            "validation, %": f"{choice.point.accuracy:.2f}" if choice else "",
            "cost": budget.text(choice.cost) if choice else "above the budget",
            "output threshold": f"{choice.point.threshold:.3g}" if choice else "",
            "chosen": "←" if setting == found.chosen else "",
        }
        for setting, choices in found.finalists.items()
        for seed, choice in ((seed, choices.get(seed)) for seed in options.seed)
    )
    print(DataFrame(rows).to_string(index=False))
    for result in found.results:
        _report(result.config, result.test)
        point = experiment.dial_of(result, device=options.device).point(
            found.finalists[found.chosen][result.config.seed].point.threshold
        )
        print(
            f"in budget   {point.accuracy:.2f} %, {point.mean_steps:.3f} steps, at a threshold of {point.threshold:.3g}"
        )
        print(f"result      {results.find(result.config)}")
    return 0


def _on_gpu(device: str | None) -> bool:
    return devices.choose(device).type != "cpu"


def evaluate(options: Namespace) -> int:
    return _evaluate_again([_result(path) for path in options.files], options.device)


def dial(options: Namespace) -> int:
    result = _result(options.file)
    found = experiment.dial_of(result, device=options.device)
    points = [found.at_steps(steps) for steps in options.steps or []]
    points = points or [found.point(threshold) for threshold in found.thresholds[1::2]]
    rows = (
        {
            "output threshold": f"{point.threshold:.3g}",
            "validation, %": f"{(held_out := found.point(point.threshold, split='validation')).accuracy:.2f}",
            "validation steps": f"{held_out.mean_steps:.3f}",
            "test, %": f"{point.accuracy:.2f}",
            "steps": f"{point.mean_steps:.3f}",
            "silent, %": f"{point.silent:.1f}",
        }
        for point in points
    )
    print(DataFrame(rows).to_string(index=False))
    print(f"counts      {results.beside(result, *results.DIALS)}")
    return 0


def verify(options: Namespace) -> int:
    origin: dict[str, Any] = {}
    if options.record:  # before anything runs, since the code on disk may change meanwhile
        origin = {"made": experiment.made(devices.choose(options.device)), "library": verification.library_sums()}
    entries = []
    for entry in verification.verify(options.level, device=options.device, progress=not options.json):
        entries.append(entry)
        if not entry.agrees or entry.level in verification.TRAINED:
            verdict = "AGREES  " if entry.agrees else "DIFFERS "
            print(
                f"{verdict}    {entry.file}, {entry.what}: expected {entry.expected}, allowed {entry.allowed},"
                f" found {entry.found}",
                file=sys.stderr,
            )
    agreeing = sum(entry.agrees for entry in entries)
    if options.record:
        record = {"level": options.level, "numbers": len(entries), "agreeing": agreeing, **origin}
        files.write_json(options.record, record)
    if options.json:
        print(json.dumps([entry._asdict() for entry in entries], indent=1))
    else:
        print(DataFrame(verification.table(entries)).to_string(index=False))
        print(f"{agreeing} of {len(entries)} numbers confirmed")
    return 0 if agreeing == len(entries) else 1


def energy(options: Namespace) -> int:
    result = _result(options.file)
    architecture = Architecture.parse(result.config.architecture)
    plain = unquantized(result.config)
    if not (found := options.baseline or results.find(plain)):
        raise ResultError("the unquantized network, to which alpha refers, is not trained: name one with --baseline")
    baseline = _result(found)
    same = ("architecture", "dataset", "time_steps", "coding")
    if different := [name for name in same if getattr(baseline.config, name) != getattr(plain, name)]:
        raise ResultError(
            f"{baseline.config.name} is not a baseline for {architecture}: it differs in {', '.join(different)}"
        )
    costs = cost_file.read(options.model) if options.model else BY_CAPACITY
    report = energy_report.of(result, baseline, costs)
    print(json.dumps(report, indent=1) if options.json else energy_report.text(report))
    return 0


def export(options: Namespace) -> int:
    result = _result(options.file)
    write = exporting.to_nir if options.format == "nir" else exporting.to_numpy
    folder = write(result, options.folder)
    print(f"{result.config.dataset} {result.config.architecture}, T = {result.config.time_steps}")
    for file in sorted(folder.iterdir()):
        print(f"written     {file}")
    return 0


def _evaluate_again(stored: Sequence[Result], device: str | None) -> int:
    """Evaluate networks again and compare the counts; store missing answers.  Returns 1 if a count differs, else 0."""
    changed = 0
    for result in stored:
        if result.data_sha256 != datasets.data_sums(result.config.dataset):
            raise ResultError(
                f"{result.config.name}.json was made with different images than {result.config.dataset} has now"
            )
        found, each = experiment.evaluate_each_again(result, device=device, progress=True)
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
    """The result that belongs to a checkpoint or result file.

    The result file of a checkpoint is in the same folder; for one in `checkpoints/`, it is in the `results/` beside it.
    """
    path = path.absolute()
    if not path.exists():
        released, own = paths.checkpoints_directory(), paths.runs_directory()
        raise ResultError(f"{path} does not exist: released checkpoints are in {released}, your own in {own}")
    if path.suffix != ".safetensors":
        return results.read(path)
    folder = path.parent.parent / "results" if path.parent.name == "checkpoints" else path.parent
    if not (file := folder / f"{path.stem}.json").exists():
        raise ResultError(f"{path} has no result file: {file} is missing")
    return results.read(file)

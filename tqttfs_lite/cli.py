"""The command `tqttfs`: data, train, study, search, evaluate, dial, energy, export, verify.

PyTorch takes seconds to import, so nothing of it is imported before it is known what is wanted.
"""

from __future__ import annotations

import argparse
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from tqttfs_lite.errors import TqttfsError

LEVELS = ("arithmetic", "checkpoints", "retrain", "full")  # of verification; `paper.verification` says what each is


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status, 0 where all is well.

    An error that a user can cause and fix is one sentence; anything else is our bug and keeps its traceback.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    # Else OpenMP's threads spin while they wait, on a busy machine for minutes; PyTorch reads it when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    options = _parser(words).parse_args(words)
    from tqttfs_lite import commands

    run: Callable[[argparse.Namespace], int] = getattr(commands, options.command)
    try:
        return run(options)
    except (TqttfsError, OSError) as error:
        print(f"tqttfs: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        ran_out = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # of a GPU's memory
        if not (ran_out or "can't allocate memory" in str(error)):
            raise
        print("tqttfs: out of memory: use a smaller batch_size, a smaller network or fewer time steps", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tqttfs: interrupted; a training resumes from its last completed epoch", file=sys.stderr)
        return 130


def _parser(words: Sequence[str]) -> ArgumentParser:
    """Of the commands only the one that is asked for has its arguments."""
    parser = ArgumentParser(prog="tqttfs", description="Train and measure TQ-TTFS spiking neural networks.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, (summary, add_arguments) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary)
        if name in words:
            add_arguments(sub)
    return parser


def _device(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        metavar="DEVICE",
        help="cpu, cuda, cuda:1, mps, or auto: cuda if available, else cpu (default: auto)",
    )


def _at_once(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least 1")
    return int(text)


def _side_by_side(parser: ArgumentParser, on_cpu: str) -> None:
    parser.add_argument(
        "--at-once",
        type=_at_once,
        metavar="N",
        default=8,
        help=f"on a GPU: train this many networks in parallel, if its memory allows (default: 8); on a CPU {on_cpu}",
    )


def _data(parser: ArgumentParser) -> None:
    parser.add_argument(
        "datasets", nargs="*", metavar="DATASET", help="mnist, fashion-mnist or cifar-10 (default: the paper's two)"
    )


def _train(parser: ArgumentParser) -> None:
    from tqttfs_lite.experiments.config import TrainingConfig

    where = parser.add_mutually_exclusive_group()
    where.add_argument("--release", action="store_true", help="store with the released results, not in data/runs/")
    where.add_argument(
        "--validation-only",
        action="store_true",
        help="for choosing settings: score on the validation images, leave the test set alone, store in data/search/",
    )
    _device(parser)
    types: dict[Any, tuple[Callable[[str], object], str]]
    types = {int: (int, "N"), float: (float, "X"), bool: (_yes_or_no, "yes|no")}
    for name, field in TrainingConfig.__pydantic_fields__.items():  # type: ignore[attr-defined]
        kind, metavar = types.get(field.annotation, (str, "|".join(get_args(field.annotation)) or name.upper()))
        default = "no" if field.default is False else field.default
        if name == "architecture":
            parser.add_argument(name, help=field.description)
        elif name == "seed":
            text = f"{field.description}; several are trained in parallel on a GPU (default: {default})"
            parser.add_argument(_flag(name), type=_seeds, metavar="N[,N...]", help=text, default=[default])
        elif field.is_required():
            parser.add_argument(_flag(name), type=kind, metavar=metavar, help=field.description, required=True)
        else:
            text = f"{field.description} (default: the recipe's, else {default})"
            parser.add_argument(_flag(name), type=kind, metavar=metavar, help=text)


def _flag(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"


def _seeds(text: str) -> list[int]:
    seeds = text.split(",")
    if not all(seed.isdecimal() for seed in seeds):
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer or a comma-separated list of integers")
    return list(dict.fromkeys(map(int, seeds)))


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return text == "yes"


def _study(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--commands",
        action="store_true",
        help="instead of training, print the commands that train what is not released yet, in the file's order",
    )
    _device(parser)
    _side_by_side(parser, "each core trains one")
    parser.add_argument("file", type=Path, metavar="STUDY", help="a YAML file such as data/example_study.yml")
    parser.add_argument(
        "snakemake",
        nargs=argparse.REMAINDER,
        metavar="...",
        help="in a checkout: options for Snakemake, such as --dry-run, --cores 1, or --profile profiles/slurm",
    )


def _search(parser: ArgumentParser) -> None:
    from tqttfs_lite.experiments.search import ACCOUNTINGS

    parser.add_argument("architecture", help="the network in the slides' notation without brackets, such as 784-400-10")
    parser.add_argument("--dataset", required=True, help="mnist, fashion-mnist, digits, or a data set of your own")
    parser.add_argument("--time-steps", required=True, type=int, metavar="N", help="T")
    parser.add_argument(
        "--budget",
        required=True,
        help="what a decision may cost on average: steps=7, energy=120 in nJ, or energy=80%% of what the unquantized"
        " network spends",
    )
    named = "; ".join(f"{name}: {words}" for name, words in ACCOUNTINGS.items() if name != words)
    parser.add_argument(
        "--accounting", choices=ACCOUNTINGS, default="causal", help=f"of energy; {named} (default: causal)"
    )
    parser.add_argument(
        "--trainings", type=_at_once, metavar="N", default=4, help="choices to train for real (default: 4)"
    )
    parser.add_argument("--seed", type=_seeds, metavar="N[,N...]", default=[0], help="of each of them (default: 0)")
    parser.add_argument("--epochs", type=_at_once, metavar="N", help="of each of them (default: the recipe's)")
    _device(parser)
    _side_by_side(parser, "one after another")


def _evaluate(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="CHECKPOINT", help="a checkpoint or a result file")
    _device(parser)


def _dial(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="CHECKPOINT", help="a checkpoint or a result file")
    parser.add_argument(
        "--steps",
        type=float,
        nargs="+",
        help="score the network at these mean time steps; the thresholds are chosen on the validation images",
    )
    _device(parser)


def _energy(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="CHECKPOINT", help="a checkpoint or a result file")
    parser.add_argument("--baseline", type=Path, help="the unquantized network to compare with (default: by recipe)")
    parser.add_argument(
        "--model", type=Path, metavar="FILE.yml", help="your own constants and memory sizes (default: the book's)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _export(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="CHECKPOINT", help="a checkpoint or a result file")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder")
    parser.add_argument(
        "--format",
        choices=("numpy", "nir"),
        default="numpy",
        help="numpy (default): weights, settings and a program that needs NumPy alone; nir: a file of the Neuromorphic"
        " Intermediate Representation, with the clocks as metadata",
    )


def _verify(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--level",
        choices=LEVELS,
        default="checkpoints",
        help="arithmetic: the slides' numbers from one another, and the checksums of all files; checkpoints (default):"
        " also every stored network on the whole test set, with equal counts; retrain: also the MNIST perceptrons"
        " trained from scratch, in minutes; full: every network of a recipe, in hours",
    )
    parser.add_argument("--json", action="store_true", help="print every number as JSON")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="record the date, machine and level for the status page",
    )
    _device(parser)


COMMANDS: dict[str, tuple[str, Callable[[ArgumentParser], None]]] = {
    "data": ("Fetch the data sets and check them against the published checksums.", _data),
    "train": ("Train a network, or read its result if it has been trained before.", _train),
    "study": ("Train every network and seed in a study file, and print a summary.", _study),
    "search": ("Choose the degrees of a network within a budget of time steps or of energy.", _search),
    "evaluate": ("Evaluate trained networks again and compare the counts with their result files.", _evaluate),
    "dial": ("Score a trained network at other output thresholds; at lower ones it decides earlier.", _dial),
    "energy": ("Print a trained network's counts, and its energy under five accountings and at other prices.", _energy),
    "export": ("Write a trained network into a folder for other programs.", _export),
    "verify": ("Recompute the released and the reported numbers, and say what differs.", _verify),
}


if __name__ == "__main__":
    sys.exit(main())

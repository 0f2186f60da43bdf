"""The command `tqttfs`: data, train, study, search, evaluate, dial, energy, export, verify.

PyTorch takes seconds to import, so whatever needs it is imported only when the command is known.
"""

from __future__ import annotations

import argparse
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from tqttfs_lite.errors import TqttfsError, at_least

LEVELS = ("arithmetic", "checkpoints", "retrain", "full")  # of verification, explained in `paper.verification`


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status, 0 for success.

    An error that a user can cause is printed as one sentence; any other error is a bug and keeps its traceback.
    The status is 141 if whatever reads the output closes the pipe.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    # Otherwise OpenMP's threads spin while they wait, which costs minutes on a busy machine; read when PyTorch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    parser = _parser(words)
    options, others = parser.parse_known_args(words)
    if "snakemake" in options:
        options.snakemake = others
    elif others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    from tqttfs_lite import commands

    run: Callable[[argparse.Namespace], int] = getattr(commands, options.command)
    try:
        status = run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader closed the pipe, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that Python's flush at exit does not fail
        return 128 + 13  # as a shell has it for SIGPIPE
    except (TqttfsError, OSError) as error:
        print(f"tqttfs: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        ran_out = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # of PyTorch, on a GPU
        if not (ran_out or "can't allocate memory" in str(error)):
            raise
        print("tqttfs: out of memory: use a smaller batch_size, a smaller network or fewer time steps", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tqttfs: interrupted; a training resumes from its last completed epoch", file=sys.stderr)
        return 130


def _parser(words: Sequence[str]) -> ArgumentParser:
    """A parser for all commands, of which only the requested one has its arguments defined."""
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
        help="cpu, cuda, cuda:1, mps, or auto: cuda if available, otherwise cpu (default: auto)",
    )


def _side_by_side(parser: ArgumentParser, on_cpu: str) -> None:
    parser.add_argument(
        "--at-once",
        type=at_least(1),
        metavar="N",
        default=8,
        help="on a GPU: number of networks to train in parallel, which must fit into its memory (default: 8); on a CPU,"
        f" {on_cpu}",
    )


def _data(parser: ArgumentParser) -> None:
    parser.add_argument(
        "datasets", nargs="*", metavar="DATASET", help="mnist, fashion-mnist or cifar-10 (default: the paper's two)"
    )


def _train(parser: ArgumentParser) -> None:
    from tqttfs_lite.experiments.config import TrainingConfig

    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--release", action="store_true", help="store the result among the released results instead of in data/runs/"
    )
    where.add_argument(
        "--validation-only",
        action="store_true",
        help="for choosing settings: evaluate on the validation images only, not on the test set, and store the score"
        " in data/search/",
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
            text = f"{field.description}; several seeds are trained in parallel on a GPU (default: {default})"
            parser.add_argument(_flag(name), type=_seeds, metavar="N[,N...]", help=text, default=[default])
        elif field.is_required():
            parser.add_argument(_flag(name), type=kind, metavar=metavar, help=field.description, required=True)
        else:
            text = f"{field.description} (default: the recipe's, otherwise {default})"
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
        help="do not train, but print the commands that train the results not released yet, in the file's order",
    )
    _device(parser)
    _side_by_side(parser, "each core trains one network")
    parser.add_argument("file", type=Path, metavar="STUDY", help="a YAML file such as data/example_study.yml")
    parser.set_defaults(snakemake=[])  # takes all other options
    parser.epilog = (
        "In a checkout, all other options are Snakemake's, such as --dry-run, --cores 1 or --profile profiles/slurm;"
        " they follow STUDY."
    )


def _search(parser: ArgumentParser) -> None:
    from tqttfs_lite.experiments.search import ACCOUNTINGS

    parser.add_argument("architecture", help="the network in the slides' notation without degrees, such as 784-400-10")
    parser.add_argument("--dataset", required=True, help="mnist, fashion-mnist, digits, or your own data set")
    parser.add_argument(
        "--time-steps", required=True, type=int, metavar="N", help="T, for how many time steps an image is shown"
    )
    parser.add_argument(
        "--budget",
        required=True,
        help="the highest mean cost of a decision: steps=7, energy=120 (nJ), or energy=80%% (of the unquantized"
        " network's energy)",
    )
    named = "; ".join(f"{name}: {words}" for name, words in ACCOUNTINGS.items() if name != words)
    parser.add_argument(
        "--accounting",
        choices=ACCOUNTINGS,
        default="causal",
        help=f"how the energy of a budget is counted; {named} (default: causal)",
    )
    parser.add_argument(
        "--trainings",
        type=at_least(1),
        metavar="N",
        default=4,
        help="how many of the best-ranked choices to train individually (default: 4)",
    )
    parser.add_argument(
        "--seed", type=_seeds, metavar="N[,N...]", default=[0], help="the seeds of these trainings (default: 0)"
    )
    parser.add_argument(
        "--epochs", type=at_least(1), metavar="N", help="the epochs of each of these trainings (default: the recipe's)"
    )
    _device(parser)
    _side_by_side(parser, "networks are trained one after another")


def _evaluate(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="CHECKPOINT", help="a checkpoint or a result file")
    _device(parser)


def _dial(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="CHECKPOINT", help="a checkpoint or a result file")
    parser.add_argument(
        "--steps",
        type=float,
        nargs="+",
        help="evaluate the network at these mean time steps, with thresholds chosen on the validation images",
    )
    _device(parser)


def _energy(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="CHECKPOINT", help="a checkpoint or a result file")
    parser.add_argument(
        "--baseline",
        type=Path,
        help="the unquantized network to compare with (default: the one trained with the same settings)",
    )
    parser.add_argument(
        "--model", type=Path, metavar="FILE.yml", help="your own constants and memory sizes (default: the book's)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _export(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="CHECKPOINT", help="a checkpoint or a result file")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder to create")
    parser.add_argument(
        "--format",
        choices=("numpy", "nir"),
        default="numpy",
        help="numpy (default): weights, settings and a program that needs only NumPy; nir: a file in the Neuromorphic"
        " Intermediate Representation, with the clocks as metadata",
    )


def _verify(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--level",
        choices=LEVELS,
        default="checkpoints",
        help="arithmetic: recompute the slides' numbers from each other, and compare the checksums of all files;"
        " checkpoints (default): also evaluate every stored network on the whole test set, and compare the counts;"
        " retrain: also train the MNIST perceptrons from scratch, which takes minutes; full: train every network that"
        " follows a recipe, which takes hours",
    )
    parser.add_argument("--json", action="store_true", help="print every number as JSON")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write the date, machine and level to this file, for the status page",
    )
    _device(parser)


COMMANDS: dict[str, tuple[str, Callable[[ArgumentParser], None]]] = {
    "data": ("Download the data sets and check them against the published checksums.", _data),
    "train": ("Train and evaluate a network, or read its result if it has been trained before.", _train),
    "study": ("Train every network and seed in a study file, and print a summary.", _study),
    "search": ("Choose the degrees of a network within a budget of time steps or energy.", _search),
    "evaluate": ("Evaluate trained networks again and compare the counts with their result files.", _evaluate),
    "dial": ("Evaluate a trained network at other output thresholds; at lower ones it decides earlier.", _dial),
    "energy": ("Print a trained network's counts, and its energy under five accountings and at other prices.", _energy),
    "export": ("Write a trained network to a folder, for use in other programs.", _export),
    "verify": ("Recompute the released results and the paper's numbers, and list the differences.", _verify),
}


if __name__ == "__main__":
    sys.exit(main())

"""Attempts to reach more: accuracies to aim at within a mean time, and what was tried for each.

    python -m tqttfs_lite.paper.attempts --device cuda

trains each attempt with one seed and scores it on the validation images: at all output thresholds, and with every
degree 1 as well as with those of training, since training on a coarse clock helps more than running on one.  With
`--seeds 3`, the best attempt for each aim is then trained with so many seeds and scored on the test images.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

from tqttfs_lite.errors import one_sentence
from tqttfs_lite.experiments import devices
from tqttfs_lite.experiments.config import TrainingConfig, recipe
from tqttfs_lite.experiments.experiment import try_out_together
from tqttfs_lite.paper.comparisons import paper_time_steps

COMMAND = "python -m tqttfs_lite.paper.attempts"
NETWORKS = {  # the data set of each
    "784-400(1)-10(2)": "mnist",
    "784-400(1)-400(2)-10(4)": "fashion-mnist",
    "28x28-16C5(1)-P2-32C5(2)-P2-800(2)-128(4)-10(4)": "fashion-mnist",
    "28x28-16C5-P2-32C5-P2-800-128-10": "fashion-mnist",
}


class Attempt(NamedTuple):
    """Changes to a recipe, and why they might help."""

    name: str
    reason: str
    changes: dict[str, Any]


def attempts(dataset: str) -> tuple[Attempt, ...]:
    """What is tried with each network for a data set.

    The attempts differ in kind; settings that differ only in size are for `random_search`.
    """
    # Clothes are photographed upright, while digits are written at all angles.
    moved = {"rotate": 15.0, "zoom": 0.15} if dataset == "mnist" else {"rotate": 5.0, "zoom": 0.1}
    moved |= {"dropout": 0.0}
    # The mean number of images over which weights are averaged stays the same with larger batches.
    larger = {"batch_size": 512, "learning_rate": 4e-3, "averaging": 0.996}
    return (
        Attempt("a higher price of time", "trains earlier decisions", {"step_cost": 0.02}),
        Attempt("rotation and zoom", "further images, instead of dropout", moved),
        Attempt("centred weights", "it matters which inputs have fired, not how many", {"centred": True}),
        Attempt("larger batches", "gradients with less noise", larger),
        Attempt("a flatter surrogate", "gradients further from the threshold", {"surrogate_alpha": 1.0}),
        Attempt("longer, all images moved, centred", "together", {**moved, "centred": True, "epochs": 80}),
    )


def configurations(network: str) -> dict[str, TrainingConfig]:
    """The configuration of each attempt with a network, by the attempt's name."""
    dataset = NETWORKS[network]
    T = paper_time_steps(dataset)
    return {tried.name: recipe(network, dataset, T, **tried.changes) for tried in attempts(dataset)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Try out what might raise the accuracy of the slides' networks, or of some of them."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog=COMMAND)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps, or auto (default: auto)")
    parser.add_argument("--at-once", type=int, default=8, help="trainings side by side on a GPU (default: 8)")
    options = parser.parse_args(arguments)
    at_once = options.at_once if devices.choose(options.device).type != "cpu" else 1
    wanted = [config for network in options.networks for config in configurations(network).values()]
    try_out_together(wanted, at_once=at_once, device=options.device)


if __name__ == "__main__":
    with one_sentence(COMMAND):
        main()

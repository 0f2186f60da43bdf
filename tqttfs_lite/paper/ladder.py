"""The ladder from a conventional network to temporal quantization: one change a rung, each of them trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.conventional import EVERY, Activations
from tqttfs_lite.experiments.conventional import Result as Conventional
from tqttfs_lite.paper.comparisons import Comparison, by_recipe
from tqttfs_lite.paper.seed_statistics import Difference, Group, Spread, difference, spread
from tqttfs_lite.spiking.notation import Architecture

WORDS: dict[Activations, str] = {
    "relu": "ReLU network",
    "input-levels": "input of T levels",
    "levels": "activations of T levels",
    "one-spike": "one spike per neuron, read at the end",
}


class Rung(NamedTuple):
    """What has changed since the rung before, and what the network then scores."""

    name: str
    results: Sequence[Conventional] | Group
    accuracy: Spread  # percent
    steps: Spread | None  # inference time steps; None without spikes, or where the end of time is waited for
    silent: Spread | None  # percent of the images

    def since(self, before: Rung) -> Difference:
        """The percentage points since another rung, with Welch's interval."""
        return difference(self.accuracy, before.accuracy)


def rungs(
    comparison: Comparison,
    groups: Mapping[TrainingConfig, Group],
    conventional: Mapping[tuple[str, str, Activations], Sequence[Conventional]],
) -> list[Rung]:
    """Those that are trained of the ladder to one of the slides' quantized networks, from the ReLU network on.

    `groups` are those of `seed_statistics.released`, `conventional` those of `conventional.released`.
    """
    claim = comparison.claim
    network = Architecture.parse(claim.network).unquantized
    found = []
    for kind in EVERY:
        if results := conventional.get((claim.dataset, network, kind)):
            accuracy = spread([result.test.accuracy for result in results if result.test])
            found.append(Rung(WORDS[kind], results, accuracy, None, None))
    for name, group in (
        ("the first output spike decides", by_recipe(groups, claim.dataset, claim.network, step_cost=0.0)),
        ("price per time step: TTFS", comparison.baseline),
        (f"degrees {claim.degrees}: TQ-TTFS", comparison.quantized),
    ):
        if group:
            found.append(Rung(name, group, group.accuracy, group.steps, group.silent))
    return found

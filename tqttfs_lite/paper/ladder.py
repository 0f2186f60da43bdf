"""The ladder from a conventional network to temporal quantization: each rung makes one change and is trained."""

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
    """The change from the previous rung, and the network's scores, which are missing if it is not trained."""

    name: str
    results: Sequence[Conventional] | Group = ()
    accuracy: Spread | None = None  # percent
    steps: Spread | None = None  # inference time steps; None without spikes, or if the answer is read at the last step
    silent: Spread | None = None  # percent of the images

    def since(self, before: Rung) -> Difference | None:
        """The change in percentage points from the previous rung, with Welch's interval; None if one is not trained."""
        return difference(self.accuracy, before.accuracy) if self.accuracy and before.accuracy else None


def rungs(
    comparison: Comparison,
    groups: Mapping[TrainingConfig, Group],
    conventional: Mapping[tuple[str, str, Activations], Sequence[Conventional]],
) -> list[Rung]:
    """The ladder from the ReLU network to one of the slides' quantized networks.

    `groups` come from `seed_statistics.released`, `conventional` from `conventional.released`.
    """
    claim = comparison.claim
    network = Architecture.parse(claim.network).unquantized
    found = []
    for kind in EVERY:
        results = conventional.get((claim.dataset, network, kind), ())
        scores = [result.test.accuracy for result in results if result.test]
        found.append(Rung(WORDS[kind], results, spread(scores) if scores else None))
    for name, group in (
        ("the first output spike decides", by_recipe(groups, claim.dataset, claim.network, step_cost=0.0)),
        ("price per time step: TTFS", comparison.baseline),
        (f"degrees {claim.degrees}: TQ-TTFS", comparison.quantized),
    ):
        found.append(Rung(name, group, group.accuracy, group.steps, group.silent) if group else Rung(name))
    return found

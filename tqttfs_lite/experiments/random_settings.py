"""Settings drawn at random around a recipe: the same for a network and for its quantized versions.

A recipe was chosen with quantized networks, and may suit these alone.  In a random search, each side gets the same
settings and picks its own best of them, so that neither is tuned more than the other (Bergstra and Bengio 2012).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tqttfs_lite.errors import DivergenceError
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.experiment import try_out_together
from tqttfs_lite.experiments.results import trial_file

FIRST_SEED = 1000  # of the trials, far above the seeds of results; each draw has a seed of its own
EPOCHS = 5  # enough to rank settings, and the same for both sides; the best are trained to the end afterwards
# A setting is the recipe's times a factor that is log-uniform between 1 / span and span.  The loss, the batches and
# what is done to the images stay the recipe's.
SPANS = {
    "learning_rate": 4.0,  # may suit one side alone: a fine clock's gradients add up over more ticks
    "weight_decay": 10.0,  # hardly tried: an order of magnitude to either side
    "sharpness": 2.0,  # of the loss's decoder: from a softer one to one nearer to the slides', which is hard
    "step_cost": 4.0,  # moves a network along its curve, as the threshold does: wide enough for all targets
    "initial_gain": 2.0,  # from PyTorch's own width, with which networks begin silent, to four times as wide
    "surrogate_alpha": 2.0,  # hardly tried: how far from the threshold a potential still has a gradient
}
MOST_DROPOUT = 0.3  # a share, so uniform from 0, since no dropout may be best over few epochs; the recipe's is 0.1


def draw(config: TrainingConfig, draws: int) -> list[TrainingConfig]:
    """A network with the first `draws` random settings around its own.

    They depend only on their place in the order and on the configuration's settings; networks with the same recipe get
    the same.
    """
    generator = random.Random(FIRST_SEED)
    found = []
    for number in range(draws):
        changes: dict[str, Any] = {
            name: float(f"{getattr(config, name) * span ** generator.uniform(-1, 1):.3g}")
            for name, span in SPANS.items()
        }
        dropout = round(generator.uniform(0, MOST_DROPOUT), 3)
        found.append(replace(config, **changes, dropout=dropout, epochs=EPOCHS, seed=FIRST_SEED + number))
    return found


def is_drawn(config: TrainingConfig) -> bool:
    """Whether a trial belongs to such a search, and not to one that chose the recipe."""
    return config.seed >= FIRST_SEED


def try_out(
    configs: Sequence[TrainingConfig], *, at_once: int = 1, device: str | None = None, progress: bool = True
) -> None:
    """Store a trial of each configuration, in this order; one whose training diverges gets none.

    Each has the counts of the validation images at all output thresholds; the test set is not read.
    The arguments and the errors are those of `experiment.run_together`, but without `DivergenceError`.
    """

    def missing() -> list[TrainingConfig]:
        return [config for config in configs if not trial_file(config).exists() and config not in diverged]

    diverged: set[TrainingConfig] = set()
    while left := missing():
        try:
            try_out_together(left, at_once=at_once, device=device, progress=progress)
        except DivergenceError:  # of one of those trained side by side, none of which is stored
            for config in missing()[:at_once]:
                diverged.add(config)
                with suppress(DivergenceError):
                    try_out_together([config], device=device, progress=progress)

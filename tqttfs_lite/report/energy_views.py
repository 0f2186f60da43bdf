"""The energy that quantization saves if networks are compared on equal terms, and if pooling adds up spikes first.

Both are counted on the first images of the test set, with stored weights.
"""

from __future__ import annotations

from contextlib import suppress

import torch
from jaxtyping import Bool
from pandas import DataFrame
from torch import Tensor

from tqttfs_lite.energy.models import BULK, CAUSAL, MEMORY, Counts, accountings, reduction_percent
from tqttfs_lite.energy.synops import pooled_operations
from tqttfs_lite.errors import InputError, ResultError
from tqttfs_lite.experiments import dial, experiment
from tqttfs_lite.experiments.datasets import Images, load
from tqttfs_lite.experiments.evaluation import evaluate_each
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.inference import infer

IMAGES = 500
AS_TRAINED, EQUAL_STEPS = "as trained", "equal steps, by the baseline's output threshold"


def on_equal_terms(quantized: Result, baseline: Result, images: int = IMAGES) -> DataFrame:
    """Percent saved by every accounting: as trained, at equal mean time steps, and on images that both decide.

    For equal steps, the baseline has the output threshold at which it takes as many steps on the validation images as
    the quantized network.  This row is omitted if no threshold does or no dial is stored, and the last row is omitted
    if no image is decided by both.
    """
    data = _first(quantized, images)
    (after, theirs), (before, ours) = (_counted(result, data) for result in (quantized, baseline))
    rows = {AS_TRAINED: _saved(after, before, len(data))}
    with suppress(InputError, ResultError):  # no threshold gives so many steps, or no dial is stored
        steps = dial.read(quantized).point(quantized.config.theta, split="validation").mean_steps
        threshold = dial.read(baseline).at_steps(steps).threshold
        at_threshold, _ = _counted(baseline, data, threshold)
        rows[EQUAL_STEPS] = _saved(after, at_threshold, len(data))
    if (both := theirs & ours).any():
        decided = Images(data.images[both], data.labels[both])
        (after, _), (before, _) = (_counted(result, decided) for result in (quantized, baseline))
        rows["images that both decide"] = _saved(after, before, len(decided))
    return DataFrame(rows).T


def _counted(result: Result, data: Images, threshold: float | None = None) -> tuple[Counts, Bool[Tensor, " n"]]:
    """Counts for these images, and on which of them an output neuron fires, at an output threshold (default: θ).

    A threshold θ' instead of θ has the same effect as multiplying the output weights by θ / θ'.
    """
    network = experiment.trained_network(result)
    if threshold:
        with torch.no_grad():
            network.layers[-1].weight.mul_(result.config.theta / threshold)
    found, answers = evaluate_each(network, data.images, data.labels)
    return found.counts(network.architecture), answers.decided


def _saved(after: Counts, before: Counts, images: int) -> dict[str, float]:
    energies = [accountings(counts, before.steps) for counts in (after, before)]
    return {"images": images, "steps": after.steps, "steps, baseline": before.steps} | {
        name: reduction_percent(sum(energies[0][name]), sum(energies[1][name])) for name in energies[0]
    }


def pooled_first(quantized: Result, baseline: Result, images: int = IMAGES) -> DataFrame:
    """Percent saved if average pooling passes on every spike of a window, and if it adds up the spikes first.

    Adding up takes one addition for each spike of a layer that is followed by pooling; these additions are included.
    """
    data, rows = _first(quantized, images), {}
    for words, pooled in (("every spike is passed on", False), ("a window adds up its spikes first", True)):
        after, before = (
            _pooled(result, data) if pooled else _counted(result, data)[0] for result in (quantized, baseline)
        )
        saved = _saved(after, before, len(data))
        rows[words] = {"additions": sum(after.additions), "additions, baseline": sum(before.additions)} | {
            name: saved[name] for name in (CAUSAL, MEMORY, BULK)
        }
    return DataFrame(rows).T


@torch.no_grad()
def _pooled(result: Result, data: Images) -> Counts:
    counts, _ = _counted(result, data)
    network = experiment.trained_network(result).eval()
    found = torch.zeros(len(network.layers), 2, dtype=torch.float64)
    for batch in data.images.split(250):
        times = encode(batch, network.time_steps)
        found += torch.tensor(pooled_operations(network, times, infer(network, times)))
    arriving, additions = (found.T / len(data)).tolist()
    for n, layer in enumerate(network.layers[:-1]):
        additions[n + 1] += counts.spikes[n] if layer.average_window > 1 else 0
    return counts._replace(arriving=arriving, additions=additions)


def _first(result: Result, images: int) -> Images:
    test = load(result.config.dataset, "test")
    return Images(test.images[:images], test.labels[:images])

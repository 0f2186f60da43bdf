"""Rate coding: the code, the network against the IF neuron, the decision, and a training."""

from dataclasses import replace

import pytest
import torch

from tqttfs_lite.errors import ConfigError
from tqttfs_lite.experiments import training
from tqttfs_lite.experiments.config import TrainingConfig, recipe
from tqttfs_lite.experiments.evaluation import evaluate
from tqttfs_lite.spiking.neuron import if_neuron
from tqttfs_lite.spiking.notation import Architecture
from tqttfs_lite.spiking.rate_coding import RateNetwork, RateOutput, decode_rate, encode_as_rate

CONFIG = TrainingConfig("784-16-10", "mnist", 8, coding="rate", epochs=2, batch_size=32, initial_gain=2.0)


@pytest.mark.parametrize("time_steps", [1, 8, 16, 254])
def test_a_pixel_spikes_as_often_as_it_is_bright_and_at_most_once_a_step(time_steps: int) -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    S = encode_as_rate(pixels, time_steps)
    assert set(S.unique().tolist()) <= {0.0, 1.0}
    assert S.sum(dim=0).tolist() == [time_steps * x // 255 for x in range(256)]


def test_the_network_is_the_if_neuron_layer_after_layer() -> None:
    network = RateNetwork(Architecture.parse("6-5-3"), time_steps=8).eval()
    pixels = torch.randint(0, 256, (4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
        _, hidden = if_neuron(encode_as_rate(pixels, 8), network.synapses[0].weight)
        V, S = if_neuron(hidden, network.synapses[1].weight)
        output = network(pixels)
    assert 0 < S.sum() < S.numel()
    assert torch.equal(output.counts, S.sum(dim=0))
    assert output.spikes == (encode_as_rate(pixels, 8).sum(), hidden.sum(), S.sum())
    fires_last = S[-1] > 0
    assert torch.equal(output.V[~fires_last], V[-1][~fires_last])
    assert not output.V[fires_last].any()


def test_silence_goes_to_the_highest_potential_and_nobody_fired_most() -> None:
    label, most = decode_rate(RateOutput(torch.zeros(1, 3), torch.tensor([[-1.0, 0.5, 0.2]]), (0,)))
    assert label.tolist() == [1]
    assert not most.any()


@pytest.mark.parametrize("architecture", ["784-16(1)-10(2)", "28x28-4C5-P2-10"])
def test_only_perceptrons_without_quantization_are_rate_coded(architecture: str) -> None:
    with pytest.raises(ValueError, match="rate coding needs a perceptron"):
        replace(CONFIG, architecture=architecture)


def test_a_rate_has_no_price_of_time() -> None:
    with pytest.raises(ConfigError, match="step_cost must be 0 with rate coding"):
        recipe("784-400-10", "mnist", 8, coding="rate", step_cost=0.01)
    assert recipe("784-400-10", "mnist", 8, coding="rate").name.startswith("mnist_784-400-10_rate_T8")


@pytest.mark.usefixtures("small_data")
def test_it_learns() -> None:
    trained = training.train(replace(CONFIG, dropout=0.1, averaging=0.9), progress=False)
    assert trained.history[-1].validation_accuracy > 95
    held_out = training.load("mnist", "validation")
    score = evaluate(trained.network, held_out.images, held_out.labels)
    assert score.accuracy > 95
    assert score.mean_steps == CONFIG.time_steps
    assert score.correct <= score.correct_if_tied


def test_a_tie_goes_to_the_neuron_nearest_to_its_next_spike() -> None:
    """Both fire once: the first on the last step, which resets it, the second before, and has charged again since."""
    network = RateNetwork(Architecture.parse("1-2"), time_steps=3).eval()
    with torch.no_grad():
        network.synapses[0].weight.copy_(torch.tensor([[0.5], [0.75]]))
        output = network(torch.tensor([[255]], dtype=torch.uint8))
    assert output.counts.tolist() == [[1.0, 1.0]]
    assert output.V.tolist() == [[0.0, 0.75]]
    assert decode_rate(output).label.tolist() == [1]


def test_the_correct_answers_among_ties_by_brute_force() -> None:
    network = RateNetwork(Architecture.parse("6-5-3"), time_steps=3).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    images = torch.randint(0, 256, (60, 6), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 3, (60,), generator=generator)
    output, tied = network(images), 0
    for image, label in enumerate(labels.tolist()):
        counts = output.counts[image].tolist()
        if max(counts) > 0:
            tied += counts[label] == max(counts)
        else:
            tied += int(output.V[image].argmax()) == label
    found = evaluate(network, images.view(-1, 2, 3), labels)
    assert found.correct < found.correct_if_tied == tied

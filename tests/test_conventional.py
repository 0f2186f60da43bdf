"""Networks that do not spike: their activations, their counts, and files that are what they say."""

import json
from pathlib import Path

import pytest
import torch

from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments import conventional
from tqttfs_lite.experiments.conventional import ConventionalNetwork, Images, configuration

T = 8
PIXELS = torch.randint(0, 256, (6, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def network_of(activations: conventional.Activations, text: str = "8x8-3C3-P2-6-10") -> ConventionalNetwork:
    torch.manual_seed(0)
    return ConventionalNetwork(configuration(activations, "digits", text, T, learning_rate=0.01)).eval()


def test_levels_are_as_many_as_time_steps_and_pass_gradients_between_the_ends() -> None:
    network = network_of("levels")
    read, output = network.layer_inputs(PIXELS)
    for values in read:
        assert set((values * (T - 1)).round(decimals=4).flatten().tolist()) <= set(range(T))
    output.sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in network.parameters())
    assert len(network_of("relu").layer_inputs(PIXELS)[0][1].unique()) > T


def test_the_brightest_pixel_is_the_highest_level_and_black_is_none() -> None:
    read, _ = network_of("levels", "64-10").layer_inputs(
        torch.tensor([0, 255, 128] + 61 * [0], dtype=torch.uint8)[None]
    )
    assert (read[0][0, :3] * (T - 1)).tolist() == pytest.approx([0, 7, 4])


@pytest.mark.parametrize("activations", ["relu", "levels"])
def test_every_input_that_is_not_zero_counts_with_the_neurons_that_it_reaches(
    activations: conventional.Activations,
) -> None:
    network = network_of(activations)
    found = conventional.score(network, Images(PIXELS, torch.zeros(6, dtype=torch.int64)), batch_size=4)
    read, output = network.layer_inputs(PIXELS)
    assert found.correct == int((output.argmax(dim=1) == 0).sum())
    reached = [2, *[3] * 6, 2]  # of a 3x3 filter, along one side
    expected = sum(3 * reached[y] * reached[x] for _, _, y, x in read[0].nonzero().tolist())
    assert found.multiply_accumulates == (expected, 6 * int((read[1] != 0).sum()), 10 * int((read[2] != 0).sum()))
    assert found.arriving == tuple(int((values != 0).sum()) for values in read)


def test_a_result_is_trained_once_tested_when_it_is_chosen_and_read_strictly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    config = configuration("levels", "digits", "64-8-10", T, learning_rate=0.01, epochs=2)
    trial = conventional.run(config, test=False, progress=False)
    assert trial.test is None
    assert conventional.released() == {}
    monkeypatch.setattr(conventional, "train", lambda *_, **__: pytest.fail("it was trained before"))
    chosen = conventional.run(config, test=True, progress=False)
    assert chosen.history == trial.history
    assert chosen.test.accuracy > 30
    assert conventional.run(config, test=True) == chosen == conventional.read(conventional.result_file(config))
    assert conventional.released() == {("digits", "64-8-10", "levels"): [chosen]}
    file = conventional.result_file(config)
    content = json.loads(file.read_text())
    for change in ({"test": {**content["test"], "correct": 10**6}}, {"activations": "relu"}, {"more": 1}):
        file.write_text(json.dumps(content | change))
        with pytest.raises(ResultError, match="not a readable result file"):
            conventional.read(file)

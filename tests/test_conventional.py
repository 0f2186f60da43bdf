"""Networks that do not spike: their activations, their counts, and files that are what they say."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tqttfs_lite.errors import DivergenceError, ResultError
from tqttfs_lite.experiments import anytime, bit_widths, conventional, paths
from tqttfs_lite.experiments.conventional import ConventionalNetwork, Images, configuration
from tqttfs_lite.paper import attempts, random_search
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.firing import firing_time

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


@pytest.mark.parametrize("activations", ["relu", "input-levels", "levels"])
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


def test_input_levels_are_those_of_the_input_alone() -> None:
    read, _ = network_of("input-levels").layer_inputs(PIXELS)
    assert torch.equal(read[0], network_of("levels").layer_inputs(PIXELS)[0][0])
    assert len(read[1].unique()) > T


def test_one_spike_answers_at_the_end_of_time_and_counts_all_spikes() -> None:
    network = conventional.build(configuration("one-spike", "digits", "8x8-3C3-P2-6-10", T, learning_rate=0.01)).eval()
    labels = network(PIXELS).argmax(dim=1)
    found = conventional.score(network, Images(PIXELS, labels))
    assert found.correct == len(PIXELS)
    visible = int((encode(PIXELS, T) < T).sum())
    times = encode(PIXELS, T).reshape(-1, 1, 8, 8)
    hidden = []
    for layer in network.spiking.layers[:-1]:
        V = network.spiking.potentials(len(hidden), times, layer.clock)
        times = firing_time(V, layer.clock, never=T)
        hidden.append(int((layer.handed_on(times) < T).sum()))
    assert found.arriving == (visible, *hidden)
    assert found.multiply_accumulates[1:] == (6 * hidden[0], 10 * hidden[1])


def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration("one-spike", "digits", "64-8-10", T, learning_rate=0.01, epochs=3)
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path / "whole"))
    whole = conventional.run(config, test=True, progress=False)
    assert not conventional.state_file(config).exists()
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path / "stopped"))
    keep = conventional._keep

    def stop(config: conventional.Conventional, parts: object, history: list[conventional.Epoch]) -> None:
        keep(config, parts, history)
        if len(history) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(conventional, "_keep", stop)
    with pytest.raises(KeyboardInterrupt):
        conventional.run(config, test=True, progress=False)
    monkeypatch.setattr(conventional, "_keep", keep)
    again = conventional.run(config, test=True, progress=False)
    assert (again.test, again.validation) == (whole.test, whole.validation)
    assert [epoch.loss for epoch in again.history] == [epoch.loss for epoch in whole.history]
    conventional.state_file(config).write_bytes(b"damaged")
    conventional.result_file(config).unlink()
    with pytest.raises(ResultError, match="remove it to train from scratch"):
        conventional.run(config, test=True, progress=False)


def test_a_rate_that_diverges_is_the_worst_and_doubling_ends_at_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(config: conventional.Conventional, *, test: bool) -> conventional.Result:
        if config.settings.learning_rate > 0.003:
            raise DivergenceError("the loss became nan")
        right = round(1e6 * config.settings.learning_rate)
        score = conventional.Score(images=10**6, correct=right, arriving=(), multiply_accumulates=())
        return conventional.Result(
            activations=config.activations,
            settings=config.settings,
            history=(),
            validation=score,
            test=None,
            data_sha256={},
            made={},
        )

    monkeypatch.setattr(conventional, "run", run)
    found = conventional.study("levels", "digits", "64-8-10", T, seeds=2)
    assert [(r.config.settings.learning_rate, r.config.settings.seed) for r in found] == [(0.002, 0), (0.002, 1)]
    assert conventional.best_rate(lambda rate: rate) == 0.512


def test_results_of_other_settings_are_not_taken_for_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    for rate, seed in ((0.01, 0), (0.01, 1), (0.02, 2)):
        config = configuration("levels", "digits", "64-8-10", T, learning_rate=rate, epochs=1, seed=seed)
        conventional.run(config, test=True, progress=False)
        if rate == 0.01:
            (group,) = conventional.released().values()
            assert len(group) == seed + 1
    with pytest.raises(ResultError, match="differ in more than the seed"):
        conventional.released()


def test_without_the_data_sets_the_programs_say_so_in_a_sentence(tmp_path: Path) -> None:
    for command, words in (
        (conventional.COMMAND, "mnist"),
        (bit_widths.COMMAND, "is not released"),
    ):
        program = [sys.executable, *command.split()[1:]]
        environment = {**os.environ, "TQTTFS_DATA": str(tmp_path)}
        ended = subprocess.run(program, env=environment, cwd=paths.REPOSITORY, capture_output=True, text=True)
        assert ended.returncode == 1
        assert ended.stderr.startswith(f"{command}: ") and words in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("program", [anytime, attempts, bit_widths, conventional, random_search])
def test_a_long_program_asked_for_help_does_nothing_else(program: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        program.main(["--help"])
    told = capsys.readouterr().out
    assert told.startswith(f"usage: {program.COMMAND} ") and "--networks" in told


@pytest.mark.parametrize(
    ("program", "option", "value"),
    [
        (random_search, "--seeds", "-1"),
        (random_search, "--draws", "0"),
        (random_search, "--at-once", "0"),
        (attempts, "--seeds", "1.5"),
        (conventional, "--seeds", "0"),
    ],
)
def test_a_long_program_refuses_a_number_of_nothing(
    program: Any, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        program.main([option, value])
    assert f"{option}: '{value}' is not an integer of at least" in capsys.readouterr().err


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

"""Scores in fixed point: how the bits are chosen, what is kept of them, and what no run can have kept."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tqttfs_lite.errors import ResultError
from tqttfs_lite.experiments import bit_widths, checkpoints, experiment, finish, paths, results, training
from tqttfs_lite.experiments.bit_widths import FixedPoint
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.evaluation import evaluate, evaluate_each
from tqttfs_lite.experiments.finish import FinishTrainer
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.experiments.trainer import Trainer, build
from tqttfs_lite.experiments.training import Epoch
from tqttfs_lite.paper import verification
from tqttfs_lite.report import result_figures, tables
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.fixed_point import FixedPointNetwork, layer_scales
from tqttfs_lite.spiking.network import SpikingNetwork

CONFIG = TrainingConfig("784-20(1)-10(2)", "mnist", 8, epochs=1, initial_gain=6.0)


@pytest.fixture
def released(home: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    """A network that is released with random weights."""
    monkeypatch.setattr(bit_widths, "load", experiment.load)
    torch.manual_seed(0)
    network = build(CONFIG)
    checkpoints.round_weights(network)
    digest = checkpoints.write(network, results.checkpoint_file(CONFIG, released=True))
    test = experiment.load("mnist", "test")
    score = evaluate(network, test.images, test.labels)
    result = Result(CONFIG, (Epoch(1.0, 10.0, 2.0, 1.0),), score, digest, {}, {}, released=True)
    results.write(result, results.result_file(CONFIG, released=True))
    return result


@pytest.fixture
def measured(released: Result) -> FixedPoint:
    measured = bit_widths.measure(released)
    bit_widths.write(measured, released)
    return measured


@pytest.fixture
def finished(released: Result, monkeypatch: pytest.MonkeyPatch) -> FixedPoint:
    """Measured with a finish of an epoch, after which any accuracy is preserved."""
    monkeypatch.setattr(bit_widths, "ALLOWED", 100.0)
    monkeypatch.setattr(bit_widths, "FINISHED_BITS", {"SMLP": (4, 3)})
    monkeypatch.setattr(bit_widths, "FRACTIONS", (1.0, 10.0))  # an epoch of two steps changes few weights
    monkeypatch.setattr(finish, "EPOCHS", {"SMLP": 1})
    return bit_widths.run(CONFIG)


def test_scores_are_those_of_the_rounded_network(released: Result, measured: FixedPoint) -> None:
    held_out = experiment.load("mnist", "validation")
    network = experiment.trained_network(released)
    for scale in ("layer", "channel"):
        scores = measured.rounded.scores(scale)
        for bits, found in zip(measured.rounded.bits, scores.validation, strict=True):
            rounded = FixedPointNetwork(network, bits, per_channel=scale == "channel")
            assert evaluate(rounded, held_out.images, held_out.labels) == found
            needed = scores.potential_bits[measured.rounded.bits.index(bits)]
            largest = max(layer.largest_potential for layer in rounded.whole_layers)
            assert 2 ** (needed - 2) <= largest < 2 ** (needed - 1)
    assert measured.rounded.layer != measured.rounded.channel


def test_the_test_images_are_for_the_chosen_bits_and_read_after_the_choice(
    released: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits: list[str] = []
    load = experiment.load
    monkeypatch.setattr(bit_widths, "load", lambda name, split: splits.append(split) or load(name, split))
    measured = bit_widths.measure(released)
    chosen = [scale for scale in ("layer", "channel") if measured.fewest_bits(measured.rounded, scale)]
    expected = ["validation"]
    for scale in ("layer", "channel"):
        expected += ["validation"] * len(measured.rounded.bits) + ["test"] * (scale in chosen)
    assert splits == expected
    monkeypatch.setattr(bit_widths, "ALLOWED", 100.0)
    generous = bit_widths.measure(released)
    assert generous.fewest_bits(generous.rounded, "layer") == generous.fewest_bits(generous.rounded, "channel") == 2
    monkeypatch.setattr(bit_widths, "ALLOWED", -100.0)
    strict = bit_widths.measure(released)
    assert strict.rounded.layer.test is None and strict.rounded.channel.test is None


def test_a_second_run_reads_and_a_network_that_is_not_released_has_none(
    released: Result, measured: FixedPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bit_widths, "FINISHED_BITS", {"SMLP": (4, 3)})
    monkeypatch.setattr(finish, "EPOCHS", {"SMLP": 1})
    monkeypatch.setattr(bit_widths, "measure", lambda result: pytest.fail("it was measured before"))
    first = bit_widths.run(CONFIG)
    assert first.model_copy(update={"finished": None}) == measured
    assert not [*paths.runs_directory().glob("*.state.safetensors")]
    monkeypatch.setattr(bit_widths, "measure_finish", lambda *_: pytest.fail("it was finished before"))
    left = training.state_file(finish.settings(CONFIG, 1.0), finish._purpose(released))
    left.touch()  # by a run that was killed between storing the scores and removing its states
    assert bit_widths.run(CONFIG) == first
    assert not left.exists()
    with pytest.raises(ResultError, match="is not released"):
        bit_widths.run(replace(CONFIG, seed=1))


def test_verification_rounds_the_network_again(released: Result, measured: FixedPoint) -> None:
    assert all(entry.agrees for entry in verification.in_fixed_point(released))
    scale = next(scale for scale in ("layer", "channel") if measured.rounded.scores(scale).test)
    test = measured.rounded.scores(scale).test
    assert test
    another = replace(test, correct_if_tied=test.correct_if_tied + 1)
    chosen = measured.chosen(measured.rounded, scale)
    held_out = [replace(s, silent=s.silent + (s is chosen)) for s in measured.rounded.scores(scale).validation]
    for split, changed in (("test", another), ("validation", tuple(held_out))):
        scores = measured.rounded.scores(scale).model_copy(update={split: changed})
        part = measured.rounded.model_copy(update={scale: scores})
        bit_widths.write(measured.model_copy(update={"rounded": part}), released)
        differing = [entry for entry in verification.in_fixed_point(released) if not entry.agrees]
        assert [entry.what for entry in differing] == [f"its {split} counts, rounded, by {scale}"]


def test_what_was_not_tested_is_no_number_that_agrees(released: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bit_widths, "ALLOWED", -100.0)
    measured = bit_widths.measure(released)
    bit_widths.write(measured, released)
    assert [*verification.in_fixed_point(released)] == []
    table = tables.fixed_point([(released, measured)])
    assert table["bits"].tolist() == ["none", "none"]
    assert "test, %" not in table


def drop_bits(content: dict[str, Any]) -> None:
    content["rounded"]["bits"].pop()


def turn_bits(content: dict[str, Any]) -> None:
    content["rounded"]["bits"].reverse()


def set_seed(content: dict[str, Any]) -> None:
    content["config"]["seed"] = 1


def set_weights(content: dict[str, Any]) -> None:
    content["checkpoint_sha256"] = "0" * 64


def set_correct(content: dict[str, Any]) -> None:
    content["rounded"]["layer"]["validation"][0]["correct"] = content["trained"]["images"] + 1


def set_images(content: dict[str, Any]) -> None:
    content["rounded"]["channel"]["validation"][0]["images"] += 1
    content["rounded"]["channel"]["validation"][0]["steps"] += 8
    content["rounded"]["channel"]["validation"][0]["silent"] += 1


def take_test(content: dict[str, Any]) -> None:
    for scale in ("layer", "channel"):
        content["rounded"][scale]["test"] = None if content["rounded"][scale]["test"] else content["trained"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop_bits, "there must be 6 counts"),
        (turn_bits, "the numbers of bits must decrease"),
        (set_seed, "its configuration is not the result's"),
        (set_weights, "weights other than the result's"),
        (set_correct, "correct must be from 0 to"),
        (set_images, "the same validation images"),
        (take_test, "if and only if some number of bits preserves the accuracy"),
    ],
)
def test_a_file_that_no_run_wrote_is_refused(
    released: Result, measured: FixedPoint, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    file = results.beside(released, *results.FIXED_POINT)
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(ResultError, match=words):
        bit_widths.read(released)
    assert [*verification.in_fixed_point(released)] == []  # the level above reports the file
    (entry,) = (e for e in verification.files() if e.file == f"fixed_point/{file.name}")
    assert not entry.agrees


def test_a_file_without_its_result_is_reported(released: Result, measured: FixedPoint) -> None:
    results.result_file(CONFIG, released=True).unlink()
    assert "fixed_point/" in " ".join(entry.file for entry in verification.files() if not entry.agrees)


def test_the_figure_has_a_line_for_each_kind_of_scale_and_the_table_what_was_chosen(
    released: Result, measured: FixedPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    (axes,) = result_figures.bits_of_weights([measured]).axes
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert lines["quantized, a scale per layer"] == [score.accuracy for score in measured.rounded.layer.validation]
    assert lines["quantized, a scale per channel"] == [score.accuracy for score in measured.rounded.channel.validation]
    table = tables.fixed_point([(released, measured)])
    chosen = [scale for scale in ("layer", "channel") if measured.fewest_bits(measured.rounded, scale)]
    assert chosen and table["scale per"].tolist() == chosen
    row, test = table.iloc[0], measured.rounded.scores(chosen[0]).test
    assert test and row["test, %"] == f"{released.test.accuracy:.2f} → {test.accuracy:.2f}"
    assert row["bits"] == measured.fewest_bits(measured.rounded, chosen[0])
    before, after = map(float, row["nJ"].split(" → "))
    assert after < before
    assert bit_widths.released() == []  # those of the paper's networks alone


def stored_integers(released: Result, scale: bit_widths.Scale) -> list[torch.Tensor]:
    tensors = load_file(bit_widths.weights_file(released, scale))
    return [tensors[f"layers.{n}.weight"] for n in range(len(tensors))]


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_finish_computes_with_the_rounded_weights_of_the_trained_network(released: Result, per_channel: bool) -> None:
    network = experiment.trained_network(released)
    scale = layer_scales(network, 3, per_channel=per_channel)
    data = experiment.load("mnist", "train")
    trainer = FinishTrainer(CONFIG, data, data, trained=network, bits=3, scale=scale)
    times = encode(data.images[:20], 8)

    def as_integers(trained: SpikingNetwork) -> torch.Tensor:
        rounded = deepcopy(trained)
        for layer, s in zip(rounded.layers, scale, strict=True):
            layer.weight.data = ((layer.weight / s[:, None]).round().clamp(-3, 3) * s[:, None]).float()
        return rounded(times).V

    for ours in (trainer.network, trainer.averaged):
        assert isinstance(ours, SpikingNetwork)
        for weight, before in zip(ours.parameters(), network.parameters(), strict=True):
            assert torch.equal(weight, before)
        torch.testing.assert_close(trainer.output(ours, times).V, as_integers(network))
    assert not torch.allclose(network(times).V, as_integers(network))
    trainer.begin(0)
    trainer.step()  # the schedule starts from 0
    trainer.step()
    for ours in (trainer.network, trainer.averaged):
        assert isinstance(ours, SpikingNetwork)
        moved = [not torch.equal(a, b) for a, b in zip(ours.parameters(), network.parameters(), strict=True)]
        assert all(moved)  # the unrounded weights of every layer are trained
        torch.testing.assert_close(trainer.output(ours, times).V, as_integers(ours))


def test_a_finish_keeps_the_integers_behind_its_scores(released: Result, finished: FixedPoint) -> None:
    part = finished.finished
    assert part and part.bits == (4, 3) and part.epochs == 1
    assert [tried.fraction for tried in part.tried] == [*bit_widths.FRACTIONS]
    held_out = experiment.load("mnist", "validation")
    network = experiment.trained_network(released)
    for scale in bit_widths.SCALES:
        integers = stored_integers(released, scale)
        again = finish.from_integers(network, integers, 3, per_channel=scale == "channel")
        assert evaluate(again, held_out.images, held_out.labels) == part.scores(scale).validation[1]
        rounded = FixedPointNetwork(network, 3, per_channel=scale == "channel").whole_layers
        for layer, w, before in zip(again.whole_layers, integers, rounded, strict=True):
            assert torch.equal(layer.weight, w.float()) and w.abs().max() <= 3
            assert torch.equal(layer.threshold, before.threshold)  # the scales are those of the trained network
        assert any(not torch.equal(w.float(), before.weight) for w, before in zip(integers, rounded, strict=True))


def test_the_fraction_with_the_most_correct_answers_is_taken(
    released: Result, measured: FixedPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, bool, float]] = []

    def instead(result: Result, bits: int, *, per_channel: bool, fraction: float, device: None) -> SpikingNetwork:
        asked.append((bits, per_channel, fraction))
        network = experiment.trained_network(result)
        if fraction != 0.1:
            network.layers[-1].weight.data.neg_()  # the others are wrong more often
        return FixedPointNetwork(network, 8)

    held_out = experiment.load("mnist", "validation")
    right = FixedPointNetwork(experiment.trained_network(released), 8)
    labels = evaluate_each(right, held_out.images, held_out.labels)[1].answer
    relabelled = replace(held_out, labels=labels.long())
    monkeypatch.setattr(bit_widths, "load", lambda name, split: relabelled)
    monkeypatch.setattr(finish, "finished", instead)
    bit_widths.measure_finish(measured, released)
    tried = [(3, False, fraction) for fraction in bit_widths.FRACTIONS]
    bits = bit_widths.FINISHED_BITS["SMLP"]
    assert asked == [*tried, *((b, own, 0.1) for own in (False, True) for b in bits)]


def test_a_finish_is_verified_from_its_integers(released: Result, finished: FixedPoint) -> None:
    entries = [*verification.in_fixed_point(released)]
    assert all(entry.agrees for entry in entries)
    assert {entry.what for entry in entries} == {
        f"its {split} counts, {part}, by {scale}"
        for split in ("validation", "test")
        for part in ("rounded", "finished")
        for scale in bit_widths.SCALES
    }
    file, part = bit_widths.weights_file(released, "layer"), finished.finished
    assert part
    save_file({name: -w for name, w in load_file(file).items()}, file)
    with pytest.raises(ResultError, match="is corrupted"):
        bit_widths.read(released)
    digests = part.weights_sha256 | {"layer": sha256(file.read_bytes()).hexdigest()}
    forged = part.model_copy(update={"weights_sha256": digests})
    bit_widths.write(finished.model_copy(update={"finished": forged}), released)
    wrong = {entry.what for entry in verification.in_fixed_point(released) if not entry.agrees}
    assert wrong == {f"its {split} counts, finished, by layer" for split in ("validation", "test")}


def test_integers_belong_to_the_test_counts(released: Result, finished: FixedPoint) -> None:
    part = finished.finished
    assert part
    one = part.model_copy(update={"weights_sha256": {"layer": part.weights_sha256["layer"]}})
    bit_widths.write(finished.model_copy(update={"finished": one}), released)
    with pytest.raises(ResultError, match="if and only if there are test counts"):
        bit_widths.read(released)


def test_a_finish_after_which_no_bits_preserve_the_accuracy_keeps_no_integers(
    released: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bit_widths, "FINISHED_BITS", {"SMLP": (3,)})
    monkeypatch.setattr(bit_widths, "FRACTIONS", (1.0,))
    monkeypatch.setattr(finish, "EPOCHS", {"SMLP": 1})
    monkeypatch.setattr(bit_widths, "ALLOWED", -100.0)
    part = bit_widths.run(CONFIG).finished
    assert part and part.weights_sha256 == {} and part.layer.test is None
    assert not bit_widths.weights_file(released, "layer").exists()


def test_a_finish_that_was_interrupted_goes_on(
    released: Result, measured: FixedPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bit_widths, "FINISHED_BITS", {"SMLP": (3,)})
    monkeypatch.setattr(bit_widths, "FRACTIONS", (1.0,))
    monkeypatch.setattr(bit_widths, "ALLOWED", 100.0)
    monkeypatch.setattr(finish, "EPOCHS", {"SMLP": 2})
    expected = bit_widths.run(CONFIG).finished
    integers = stored_integers(released, "layer")
    bit_widths.write(measured, released)
    steps: list[int] = []
    allowed = 3  # of two in each of two epochs

    def interrupted(trainer: Trainer) -> None:
        if len(steps) == allowed:
            raise KeyboardInterrupt
        steps.append(1)
        Trainer.step(trainer)

    monkeypatch.setattr(FinishTrainer, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bit_widths.run(CONFIG)
    allowed = 3 + 2 + 4  # the second epoch again, and the other kind of scale
    again = bit_widths.run(CONFIG).finished
    assert len(steps) == allowed
    assert again and expected
    assert again.model_dump(exclude={"made"}) == expected.model_dump(exclude={"made"})
    for ours, before in zip(stored_integers(released, "layer"), integers, strict=True):
        assert torch.equal(ours, before)


def test_a_finish_never_goes_on_from_that_of_other_weights(released: Result) -> None:
    network = experiment.trained_network(released)
    with torch.no_grad():
        network.layers[0].weight.mul_(2)
    digest = checkpoints.write(network, results.checkpoint_file(CONFIG, released=True))
    other = replace(released, checkpoint_sha256=digest)
    settings = finish.settings(CONFIG, 1.0)
    names = {training.state_file(settings, finish._purpose(result)) for result in (released, other)}
    assert len(names) == 2


def test_the_figure_and_the_table_show_a_finish(released: Result, finished: FixedPoint) -> None:
    part = finished.finished
    assert part
    for axes, shown in zip(result_figures.bits_of_weights([finished]).axes, (finished.rounded, part), strict=True):
        lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
        assert lines["quantized, a scale per channel"] == [score.accuracy for score in shown.channel.validation]
    table = tables.fixed_point([(released, finished)])
    assert table["epochs of finish"].tolist() == ["", "", 1, 1]
    assert table["bits"].tolist()[2:] == [3, 3]

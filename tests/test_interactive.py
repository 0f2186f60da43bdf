"""The interactive figures compute what the library computes, and their data are the released results."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from book import interactive
from tqttfs_lite.energy import models as energy
from tqttfs_lite.energy.synops import synaptic_operations
from tqttfs_lite.experiments import experiment, paths
from tqttfs_lite.experiments.config import recipe
from tqttfs_lite.experiments.datasets import load
from tqttfs_lite.paper import seed_statistics
from tqttfs_lite.report import result_figures, style
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.firing import LONGEST_TIME
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.network import clocks, from_state_dict
from tqttfs_lite.spiking.neuron import Neuron, if_neuron, tq_ttfs_neuron, ttfs_neuron
from tqttfs_lite.spiking.notation import Architecture

SCRIPTS = paths.REPOSITORY / "book" / "_static" / interactive.SCRIPTS
GENERATOR = torch.Generator().manual_seed(0)
T = interactive.DIGIT.time_steps


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The figures' scripts, where Node takes them for the modules that they are."""
    if not shutil.which("node"):
        reason = "no Node.js to run the figures' scripts: on Debian, apt-get install nodejs"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("scripts")
    shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def run(scripts: Path, body: str, **values: Any) -> Any:
    """What the body of a function returns that has the scripts' exports and the values, there and back as JSON."""
    program = f"""
        import {{ readFileSync }} from "node:fs";
        import * as model from "./model.js";
        import * as drawing from "./drawing.js";
        import {{ TASKS }} from "./tasks.js";
        const {{ {", ".join(values) or "_"} }} = JSON.parse(readFileSync(0, "utf8"));
        const run = () => {{ {body} }};
        console.log(JSON.stringify(run()));
    """
    (scripts / "program.js").write_text(program)
    done = subprocess.run(["node", "program.js"], cwd=scripts, input=json.dumps(values), capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


# The neuron


def test_the_three_neurons_fire_as_the_librarys_do(scripts: Path) -> None:
    cases, expected = [], []
    for _ in range(400):
        steps, inputs, q = (int(torch.randint(1, high, (), generator=GENERATOR)) for high in (21, 9, 7))
        S_in = torch.randint(0, 2, (steps, 1, inputs), generator=GENERATOR).float()
        W = torch.randint(-8, 12, (1, inputs), generator=GENERATOR) / 8
        theta = int(torch.randint(0, 17, (), generator=GENERATOR)) / 8  # ties with the potential among them
        cases.append({"S_in": S_in[:, 0].tolist(), "W": W[0].tolist(), "q": q, "theta": theta})
        found = (if_neuron(S_in, W, theta), ttfs_neuron(S_in, W, theta), tq_ttfs_neuron(S_in, W, q, theta))
        expected.append([{"V": V.flatten().tolist(), "S": S.flatten().tolist()} for V, S in found])
    body = """return cases.map(({ S_in, W, q, theta }) => [
        model.ifNeuron(S_in, W, theta), model.ttfsNeuron(S_in, W, theta), model.tqTtfsNeuron(S_in, W, q, theta)]);"""
    assert run(scripts, body, cases=cases) == expected
    assert len({str([neuron["S"] for neuron in case]) for case in expected}) > 200, "the cases are too much alike"


def test_spike_trains_are_ones_at_the_times_of_the_spikes(scripts: Path) -> None:
    assert run(scripts, "return model.spikeTrains([2, 0], 3);") == [[0, 1], [0, 0], [1, 0]]


def test_the_neuron_at_the_start_shows_what_its_picture_says() -> None:
    times, W = torch.tensor(interactive.NEURON["times"]), torch.tensor([interactive.NEURON["weights"]])
    S_in = torch.stack([times == t for t in range(interactive.NEURON["T"])])[:, None].float()
    q, theta = interactive.NEURON["q"], interactive.NEURON["theta"]
    fired = [
        S.flatten().nonzero().flatten().tolist()
        for _, S in (if_neuron(S_in, W, theta), ttfs_neuron(S_in, W, theta), tq_ttfs_neuron(S_in, W, q, theta))
    ]
    assert [len(steps) for steps in fired] == [2, 1, 1]
    crossing = fired[1][0]
    assert fired[2][0] > (crossing // q + 1) * q - 1, "it fires later than at the first tick behind the crossing"


def test_every_task_can_be_done_and_none_is_at_the_start(scripts: Path) -> None:
    body = """
        const all = [neuron];
        for (let q = 1; q <= neuron.T; q++)
            for (let theta = 0; theta <= 3; theta += 0.25) all.push({ ...neuron, q, theta });
        for (let i = 0; i < neuron.times.length; i++)
            for (let time = 0; time < neuron.T; time++)
                for (let weight = -2; weight <= 2; weight += 0.25) {
                    all.push(structuredClone(neuron));
                    [all.at(-1).times[i], all.at(-1).weights[i]] = [time, weight];
                }
        return TASKS.map(({ done }) => [done(neuron, neuron), all.some((now) => done(now, neuron))]);"""
    assert run(scripts, body, neuron=interactive.NEURON) == [[False, True]] * 3


# The network


def test_pixels_spike_when_the_encoder_says_for_every_T(scripts: Path) -> None:
    body = """return Array.from({ length: 254 }, (_, n) =>
        Array.from({ length: 256 }, (_, x) => model.encode(x, n + 1)));"""
    pixels = torch.arange(256, dtype=torch.uint8)
    assert run(scripts, body) == [encode(pixels, time_steps).tolist() for time_steps in range(1, LONGEST_TIME + 1)]


def test_every_finite_float16_is_read(scripts: Path) -> None:
    numbers = torch.arange(2**16).to(torch.uint16).view(torch.float16).double()
    finite = numbers.isfinite()
    found = run(scripts, "return bits.map(model.float16);", bits=finite.nonzero().flatten().tolist())
    assert found == numbers[finite].tolist()


def test_degrees_that_can_never_fire_are_refused_as_in_the_library(scripts: Path) -> None:
    cases = list(product(range(1, 10), range(1, 10), (1, 7, 8, 16)))
    expected: list[Any] = []
    for *degrees, time_steps in cases:
        architecture = Architecture.parse("784-400-10").with_quantization("-".join(map(str, degrees)))
        try:
            expected.append([list(steps) for steps in clocks(architecture, time_steps)])
        except ValueError:
            expected.append("never")
    body = """return cases.map(([q1, q2, T]) => model.canFire([q1, q2], T) ? model.clocks([q1, q2], T) : "never");"""
    assert run(scripts, body, cases=cases) == expected
    assert 0 < expected.count("never") < len(expected)


def test_a_silent_layer_is_named_in_words(scripts: Path) -> None:
    message = run(scripts, "try { model.clocks([8, 3], 8); } catch (error) { return error.message; }")
    assert message.startswith("T = 8 time steps are too few for layer 2 with q = 3: its clock never ticks")


def test_equal_potentials_go_to_the_lower_class(scripts: Path) -> None:
    body = """return [model.decode([1, 3, 2, 3], [false, false, false, false]),
        model.decode([5, 3, 2, 3], [false, true, true, true]), model.decode([-2, -1], [false, false])];"""
    assert run(scripts, body) == [1, 1, 1]


@pytest.fixture(scope="module")
def figure_data(scripts: Path) -> dict[str, Any]:
    """What the build writes for the digit and for the perceptrons; the files lie beside the scripts."""
    for config in interactive.PERCEPTRONS:
        shutil.copy(interactive.weights_file(config), scripts)
    return {"digit": interactive.digit_data(), **interactive.run_data()}


MNIST, MNIST_QUANTIZED, FASHION, FASHION_QUANTIZED = range(4)  # of `interactive.PERCEPTRONS`
AS_TRAINED = [
    (n, Architecture.parse(config.architecture).short_form, config.time_steps, config.theta)
    for n, config in enumerate(interactive.PERCEPTRONS)
]
OTHERS = [
    (MNIST_QUANTIZED, "1-1", 8, 1.0),
    (MNIST_QUANTIZED, "2-3", 8, 1.0),
    (MNIST_QUANTIZED, "3-4", 8, 1.0),
    (MNIST, "1-1", 1, 1.0),
    (MNIST, "5-7", 254, 0.35),
    (MNIST_QUANTIZED, "4-4", 5, 2.0),
    (FASHION, "4-4-4", 16, 0.8),
    (FASHION_QUANTIZED, "1-1-1", 16, 1.25),
    (FASHION_QUANTIZED, "3-1-5", 24, 0.6),
    (FASHION, "2-3-2", 7, 0.05),
]


# Spikes are equal, neuron by neuron: weights are multiples of 2^-12, so that no sum rounds, here or there.
@pytest.mark.data
@pytest.mark.parametrize(("which", "degrees", "time_steps", "theta"), AS_TRAINED + OTHERS)
def test_the_networks_in_the_browser_are_the_librarys(
    scripts: Path, figure_data: dict[str, Any], which: int, degrees: str, time_steps: int, theta: float
) -> None:
    config, data = interactive.PERCEPTRONS[which], figure_data["networks"][which]
    trained = experiment.trained_network(interactive.released(config))
    architecture = trained.architecture.with_quantization(degrees)
    images = load(config.dataset, "test").images[:200]
    times = encode(images, time_steps)
    network, unquantized = (
        from_state_dict(trained.state_dict(), each, time_steps, neuron=Neuron(theta)).eval()
        for each in (architecture, architecture.unquantized)
    )
    found, plain = infer(network, times), infer(unquantized, times)
    body = """
        const { buffer } = new Uint8Array(readFileSync(data.weights));
        const network = model.readWeights(buffer).map((layer, l) => ({ ...layer, q: degrees[l] }));
        return images.map((pixels, n) => {
            const found = model.infer(network, pixels, T, theta);
            const counts = model.counts(network, found);
            const alphas = model.frequencyCoefficients(found.step, plain[n], degrees);
            const energies = Object.entries(data.prices).map(([name, prices]) =>
                [name, model.energies(counts, prices, name === slides ? alphas : undefined)]);
            delete found.potentials; // many numbers, which the label, the steps and the ties have been made from
            return { ...found, times: found.times.map((layer) => [...layer]), counts,
                energies: Object.fromEntries(energies) };
        });"""
    answers = run(
        scripts,
        body,
        data=data,
        images=images.flatten(1).tolist(),
        degrees=architecture.quantization,
        T=time_steps,
        theta=theta,
        plain=plain.step.tolist(),
        slides=energy.SLIDES,
    )

    assert [answer["label"] for answer in answers] == found.label.tolist()
    assert [answer["step"] for answer in answers] == found.step.tolist()
    assert [answer["first"] for answer in answers] == found.first.tolist()
    inputs = times.flatten(1).masked_fill(times.flatten(1) >= found.step[:, None], time_steps)
    for layer, expected in enumerate([inputs, *found.firing_times]):
        assert [answer["times"][layer] for answer in answers] == expected.tolist()
    for image, answer in enumerate(answers):
        alone = _only(found, image)
        arriving = synaptic_operations(network, times[image : image + 1], alone)
        spikes = [int((layer < time_steps).sum()) for layer in alone.firing_times]
        assert [(layer["arriving"], layer["additions"]) for layer in answer["counts"]] == arriving
        assert [layer["spikes"] for layer in answer["counts"]] == spikes
        additions = [float(count.additions) for count in arriving]
        arrived = [count.spikes for count in arriving]
        counts = energy.Counts(architecture, int(found.step[image]), spikes, arrived, additions)
        expected_energies = energy.accountings(counts, int(plain.step[image]))
        assert answer["energies"].keys() == expected_energies.keys() - {energy.WITHOUT_ALPHA}
        for name, of_layers in answer["energies"].items():
            assert of_layers == pytest.approx(expected_energies[name], rel=1e-12)


@pytest.mark.data
def test_the_images_compared_have_early_decisions_ties_and_silence() -> None:
    config = interactive.PERCEPTRONS[FASHION_QUANTIZED]
    images = load(config.dataset, "test").images[:200]
    found = infer(experiment.trained_network(interactive.released(config)).eval(), encode(images, config.time_steps))
    assert len(set(found.step.tolist())) > 2
    assert {0, 1, 2} <= set(found.first.sum(dim=1).tolist())


def _only(found: Any, image: int) -> Any:
    """The inference of one image out of a batch."""
    kept = slice(image, image + 1)
    times = [layer[kept] for layer in found.firing_times]
    return found._replace(label=found.label[kept], step=found.step[kept], first=found.first[kept], firing_times=times)


@pytest.mark.data
def test_the_digit_is_one_of_the_perceptrons(figure_data: dict[str, Any]) -> None:
    digit, network = figure_data["digit"], figure_data["networks"][MNIST_QUANTIZED]
    assert interactive.DIGIT == interactive.PERCEPTRONS[MNIST_QUANTIZED]
    assert digit["prices"] == {"slides": network["prices"][energy.SLIDES], "causal": network["prices"][energy.CAUSAL]}
    assert [digit[key] for key in ("weights", "degrees", "T")] == [network[key] for key in ("weights", "degrees", "T")]


@pytest.mark.data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_every_class_has_its_first_test_images(name: str) -> None:
    test, listed = load(name, "test"), interactive.run_data()["datasets"][name]["indices"]
    pixels = torch.tensor(list(interactive.few_pixels(name)), dtype=torch.uint8).view(-1, 28, 28)
    flat = [index for indices in listed for index in indices]
    assert torch.equal(pixels, test.images[flat])
    for label, indices in enumerate(listed):
        assert indices == sorted(indices) and len(indices) == interactive.IMAGES_OF_A_CLASS
        assert (test.labels[indices] == label).all()
        assert int((test.labels[: indices[-1]] == label).sum()) == len(indices) - 1


@pytest.mark.data
def test_the_buttons_load_the_first_test_image_of_every_class() -> None:
    test = load("mnist", "test")
    images = interactive.digit_data()["images"]
    assert [image["label"] for image in images] == list("0123456789")
    for image in images:
        assert test.labels[: image["index"] + 1].tolist().index(int(image["label"])) == image["index"]
        assert image["pixels"] == test.images[image["index"]].flatten().tolist()


# The pen


def test_a_stroke_darkens_what_it_touches_and_stays_on_the_paper(scripts: Path) -> None:
    body = """
        const pixels = new Uint8Array(784);
        drawing.stroke(pixels, { x: -3, y: 5.5 }, { x: 40, y: 5.5 });
        return Array.from({ length: 28 }, (_, row) => [...pixels.slice(28 * row, 28 * row + 28)]);"""
    rows = run(scripts, body)
    assert rows[5] == [255] * 28
    assert max(rows[9]) == max(rows[1]) == 0
    assert rows[4] == rows[6]


def test_a_drawing_is_moved_to_the_middle_and_loses_nothing(scripts: Path) -> None:
    body = """
        const pixels = new Uint8Array(784);
        drawing.stroke(pixels, { x: 3, y: 3 }, { x: 3, y: 9 });
        const moved = drawing.centred(pixels);
        return { before: [...pixels], after: [...moved], again: [...drawing.centred(moved)],
            empty: [...drawing.centred(new Uint8Array(784))] };"""
    found = run(scripts, body)
    ink, place = torch.tensor(found["after"]).view(28, 28).double(), torch.arange(28).double()
    assert sorted(found["before"]) == sorted(found["after"])
    assert abs(float((ink.sum(1) @ place) / ink.sum()) - 14) <= 0.5
    assert abs(float((ink.sum(0) @ place) / ink.sum()) - 14) <= 0.5
    assert found["again"] == found["after"] != found["before"]
    assert found["empty"] == [0] * 784


# Data, pictures and pages


def test_every_network_trained_by_its_recipe_is_a_point_with_its_result_files() -> None:
    groups, points = seed_statistics.released(), interactive.tradeoff_data()["points"]
    expected = {c.architecture + c.coding: group for c, group in groups.items() if interactive.kind(c)}
    assert len(points) == len(expected) > 5
    for point in points:
        group = expected[point["network"] + ("rate" if point["degrees"] == "rate" else "ttfs")]
        assert point["accuracy"]["mean"] == group.accuracy.mean
        assert point["steps"]["mean"] == group.steps.mean
        assert (point["accuracy"]["deviation"] is None) == (point["seeds"] == 1)
        assert all((paths.results_directory() / name).is_file() for name in point["results"])
        assert len(point["results"]) == point["seeds"]


def test_a_network_is_of_the_kind_that_it_was_trained_as() -> None:
    rate = recipe("784-400-10", "mnist", 8, coding="rate", step_cost=0.0)
    assert interactive.kind(rate) == "SMLP, rate coded"
    assert interactive.kind(recipe("28x28-16C5-P2-10", "mnist", 8)) == "SCNN, TTFS"
    assert interactive.kind(replace(rate, epochs=1)) is None


def test_the_colours_are_those_of_the_other_figures() -> None:
    css = (SCRIPTS / "figures.css").read_text()
    found = {name: color.upper() for name, color in re.findall(r"--([\w-]+): (#\w{6});", css)}
    names = {"IF": "if", "TTFS": "ttfs", "TQ-TTFS": "tq"}
    assert {names[name]: color for name, color in style.COLORS.items()}.items() <= found.items()
    assert {f"layer-{n}": color for n, color in enumerate(result_figures.LAYERS)}.items() <= found.items()
    assert {f"kind-{n}": color for n, color in enumerate(interactive.KIND_COLORS.values())}.items() <= found.items()


@pytest.mark.parametrize("name", interactive.FIGURES)
def test_a_page_without_its_figure_or_with_two_is_an_error(name: str) -> None:
    figure = f'<figure class="interactive" id="interactive-{name}"></figure>'
    for document in ("<head></head>", f"<head></head>{figure}{figure}"):
        with pytest.raises(interactive.FigureError, match="once: the interactive figure goes there"):
            interactive.completed(document, name, "folder")

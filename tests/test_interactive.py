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
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.network import clocks
from tqttfs_lite.spiking.neuron import if_neuron, tq_ttfs_neuron, ttfs_neuron
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


@pytest.mark.parametrize("time_steps", [1, 8, 16, 254])
def test_pixels_spike_when_the_encoder_says(scripts: Path, time_steps: int) -> None:
    expected = encode(torch.arange(256, dtype=torch.uint8), time_steps).tolist()
    found = run(scripts, "return Array.from({ length: 256 }, (_, x) => model.encode(x, T));", T=time_steps)
    assert found == expected


def test_degrees_that_can_never_fire_are_refused_as_in_the_library(scripts: Path) -> None:
    cases = list(product(range(1, 10), range(1, 10), (1, 7, 8, 16)))
    expected: list[Any] = []
    for *degrees, time_steps in cases:
        architecture = Architecture.parse("784-400-10").with_quantization("-".join(map(str, degrees)))
        try:
            expected.append([list(steps) for steps in clocks(architecture, time_steps)])
        except ValueError:
            expected.append("never")
    body = """return cases.map(([q1, q2, T]) => {
        try { return model.clocks([q1, q2], T); } catch (error) { if (error instanceof RangeError) return "never"; }
    });"""
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
def digit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digit figure's data as the build writes them."""
    folder = tmp_path_factory.mktemp("digit")
    (folder / "digit.json").write_text(json.dumps(interactive.digit_data()))
    (folder / "digit.bin").write_bytes(interactive.digit_weights())
    return folder


# Among the first 200 images are early and late decisions, and some on which the output stays silent.
@pytest.mark.data
@pytest.mark.parametrize("degrees", ["1-2", "1-1", "2-3", "3-4"])
def test_the_network_in_the_browser_is_the_librarys(scripts: Path, digit_folder: Path, degrees: str) -> None:
    images = load("mnist", "test").images[:200]
    network = experiment.trained_network(interactive.digit_result(), degrees).eval()
    times = encode(images, T)
    found = infer(network, times)
    inputs = times.flatten(1).masked_fill(times.flatten(1) >= found.step[:, None], T)
    sizes, baseline = network.architecture.sizes(), interactive.digit_data()["baselineSteps"]

    body = """
        const { layers, T, weightUnit, baselineSteps } = JSON.parse(readFileSync(`${folder}/digit.json`, "utf8"));
        const { buffer } = new Uint8Array(readFileSync(`${folder}/digit.bin`));
        const network = model.withWeights(layers, buffer, weightUnit).map((layer, l) => ({ ...layer, q: degrees[l] }));
        return images.map((pixels) => {
            const found = model.infer(network, pixels, T);
            const counts = model.counts(network, found);
            return { ...found, times: found.times.map((layer) => [...layer]), counts,
                slides: model.slidesEnergies(counts, found.step, baselineSteps), causal: model.causalEnergies(counts) };
        });"""
    values = {"folder": str(digit_folder), "degrees": list(network.architecture.quantization)}
    answers = run(scripts, body, images=images.flatten(1).tolist(), **values)

    assert [answer["label"] for answer in answers] == found.label.tolist()
    assert [answer["step"] for answer in answers] == found.step.tolist()
    assert [answer["first"] for answer in answers] == found.first.tolist()
    for layer, expected in enumerate([inputs, *found.firing_times]):
        assert [answer["times"][layer] for answer in answers] == expected.tolist()
    for image, answer in enumerate(answers):
        step, alone = int(found.step[image]), _only(found, image)
        arriving = synaptic_operations(network, times[image : image + 1], alone)
        spikes = [int((layer < T).sum()) for layer in alone.firing_times]
        assert [(layer["arriving"], layer["additions"]) for layer in answer["counts"]] == arriving
        assert [layer["spikes"] for layer in answer["counts"]] == spikes
        assert [(layer["neurons"], layer["flops"]) for layer in answer["counts"]] == list(sizes)
        additions = [float(count.additions) for count in arriving]
        counts = energy.Counts(network.architecture, step, spikes, [], additions)
        alphas = energy.frequency_coefficients(step, baseline, network.architecture.quantization)
        assert answer["slides"] == pytest.approx(energy.layer_energies(sizes, spikes, alphas), rel=1e-12)
        assert answer["causal"] == pytest.approx(energy.causal_energies(counts), rel=1e-12)
    assert len(set(found.step.tolist())) > 1 and not found.first.any(dim=1).all()


def _only(found: Any, image: int) -> Any:
    """The inference of one image out of a batch."""
    kept = slice(image, image + 1)
    times = [layer[kept] for layer in found.firing_times]
    return found._replace(label=found.label[kept], step=found.step[kept], first=found.first[kept], firing_times=times)


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


def test_weights_that_do_not_fit_their_file_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    network = experiment.trained_network(interactive.digit_result())
    with torch.no_grad():
        network.layers[1].weight[0, 0] = 8.0  # one more than the largest multiple that 16 bits hold
    monkeypatch.setattr(experiment, "trained_network", lambda _: network)
    with pytest.raises(interactive.FigureError, match="no 16-bit multiple"):
        interactive.digit_weights()

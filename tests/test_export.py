"""A network that travels gives the same spikes and decisions: with NumPy alone, and read from NIR by another loop."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nir
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tqttfs_lite.cli import main
from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import checkpoints, experiment, export, portable, results
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.experiments.trainer import build
from tqttfs_lite.experiments.training import Epoch
from tqttfs_lite.spiking.coding import decode, encode
from tqttfs_lite.spiking.inference import Inference, infer
from tqttfs_lite.spiking.network import SpikingNetwork, from_state_dict

NETWORKS = [
    TrainingConfig("784-24(1)-16(2)-10(3)", "mnist", 8, initial_gain=4.0),  # the output's last tick is not the end
    TrainingConfig("28x28-3C5(1)-P2-4C3(2)-P2-20(1)-10(4)", "fashion-mnist", 16, initial_gain=4.0),
    TrainingConfig("28x28-3C5(2)-P2-10(2)", "fashion-mnist", 8, initial_gain=6.0, pooling="average"),
    TrainingConfig("784-24(1)-10(5)", "mnist", 7, initial_gain=0.1),  # silent
]


EPOCHS = (Epoch(1.0, 10.0, 1.0, 1.0),) * 10
IMAGES = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path / "data"))
    return tmp_path


def trained(config: TrainingConfig) -> tuple[SpikingNetwork, Result]:
    """A network whose random weights are stored as a training's are, and its result."""
    torch.manual_seed(0)
    network = build(config)
    assert isinstance(network, SpikingNetwork)
    checkpoints.round_weights(network)
    digest = checkpoints.write(network, results.checkpoint_file(config, released=False))
    layers = (1,) * len(network.layers)
    return network, Result(config, EPOCHS[: config.epochs], Evaluation(1, 1, 1, 0, 1, layers), digest, {}, {})


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("write", [export.to_numpy, export.to_nir])
def test_an_output_that_waits_is_not_exported(write: Callable[[Result, Path], Path], tmp_path: Path) -> None:
    _, result = trained(TrainingConfig("784-16-10", "mnist", 8, earliest_output=4))
    with pytest.raises(InputError, match="whose output may not fire from the start cannot be exported"):
        write(result, tmp_path / "travels")
    assert not (tmp_path / "travels").exists()


@pytest.mark.parametrize("config", NETWORKS, ids=lambda config: config.architecture)
def test_an_exported_network_is_equal_spike_for_spike(config: TrainingConfig, home: Path, tmp_path: Path) -> None:
    network, result = trained(config)
    folder = export.to_numpy(result, tmp_path / "travels")
    with pytest.raises(InputError, match="exists already"):
        export.to_numpy(result, folder)

    images = IMAGES
    expected = infer(network, encode(torch.from_numpy(images), config.time_steps), early_exit=False)
    labels, steps, fired = portable.run(portable.load(folder), images)
    assert labels.tolist() == expected.label.tolist()
    assert steps.tolist() == expected.step.tolist()
    for found, wanted in zip(fired, expected.firing_times, strict=True):
        assert np.array_equal(found, wanted.numpy())

    without_us = [
        sys.executable,
        "-S",
        "-c",
        "import sys, runpy; sys.path.append(sys.argv.pop(1)); runpy.run_path(sys.argv.pop(1), run_name='__main__')",
    ]
    command = [*without_us, str(Path(np.__file__).parents[1]), str(folder / "run.py")]

    def program(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], capture_output=True, text=True)

    file = tmp_path / "images.npy"
    np.save(file, np.concatenate([images, images]))  # more than a batch
    expected_lines = [f"{label} {step}" for label, step in zip(labels, steps, strict=True)]
    assert program(str(file)).stdout.splitlines() == 2 * expected_lines
    np.save(file, images / 255)
    refused, misused = program(str(file)), program()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "run.py: images must be of type uint8, from 0 to 255, not float64\n"
    assert (misused.returncode, misused.stderr) == (2, "usage: python run.py images.npy\n")


def run_graph(graph: nir.NIRGraph, images: np.ndarray, *, clocks: bool = True) -> Inference:
    """NIR's equations on time steps of 1, node by node as the edges say; of the metadata it reads what is read here."""
    T = int(graph.metadata["time_steps"])
    after = dict(graph.edges)
    names, name = [], "input"
    while (name := after[name]) != "output":
        names.append(name)
    times = np.rint((T - 1) * (1 - images / 255)).reshape(-1, *graph.nodes["input"].input_type["input"])
    V: dict[str, torch.Tensor] = {}
    fired: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    potentials = []  # of the output neurons before their reset
    for t in range(T):
        x = torch.from_numpy(times == t).double()
        for name in names:
            node = graph.nodes[name]
            match node:
                case nir.Linear():
                    x = x @ torch.from_numpy(node.weight).double().T
                case nir.Conv2d():
                    assert not node.bias.any() and node.groups == 1
                    x = functional.conv2d(
                        x, torch.from_numpy(node.weight).double(), None, tuple(node.stride), tuple(node.padding)
                    )
                case nir.AvgPool2d() | nir.SumPool2d():
                    x = functional.avg_pool2d(x, tuple(map(int, node.kernel_size)), tuple(map(int, node.stride)))
                    x = x * (np.prod(node.kernel_size) if isinstance(node, nir.SumPool2d) else 1)
                case nir.Flatten():
                    x = x.flatten(1)
                case nir.IF():
                    v = V.get(name, torch.zeros_like(x)) + torch.from_numpy(node.r) * x
                    ticks = (t + 1) % int(node.metadata["q"]) == 0 if clocks else True
                    z = (v > torch.from_numpy(node.v_threshold)) & ticks
                    V[name] = torch.where(z, torch.from_numpy(node.v_reset).double(), v)
                    fired[name].append(z)
                    x = z.double()
                    last = v
                case _:
                    raise AssertionError(f"{type(node).__name__} is none of NIR's nodes that an export has")
        potentials.append(last)
    layers = [torch.stack(fired[name]) for name in names if name.startswith("spikes")]
    assert all((spikes.sum(dim=0) <= 1).all() for spikes in layers)  # with v_reset = -inf
    label, step = decode(torch.stack(potentials), layers[-1], range(T), T)
    first = [torch.where(S.any(dim=0), S.int().argmax(dim=0), T).byte() for S in layers]
    return Inference(label, step, layers[-1].any(dim=0), first)


@pytest.mark.parametrize("config", NETWORKS, ids=lambda config: config.architecture)
def test_a_graph_that_is_read_again_is_equal_spike_for_spike(
    config: TrainingConfig, home: Path, tmp_path: Path
) -> None:
    network, result = trained(config)
    folder = export.to_nir(result, tmp_path / "travels")
    with pytest.raises(InputError, match="exists already"):
        export.to_nir(result, folder)
    graph = nir.read(folder / "network.nir")
    assert graph.metadata["architecture"] == config.architecture
    times = encode(torch.from_numpy(IMAGES), config.time_steps)
    expected, found = infer(network, times, early_exit=False), run_graph(graph, IMAGES)
    assert torch.equal(found.label, expected.label) and torch.equal(found.step, expected.step)
    assert all(map(torch.equal, found.firing_times, expected.firing_times))


def test_who_does_not_read_the_clocks_runs_every_layer_with_q_1(home: Path, tmp_path: Path) -> None:
    _, result = trained(NETWORKS[0])
    graph = nir.read(export.to_nir(result, tmp_path / "travels") / "network.nir")
    times = encode(torch.from_numpy(IMAGES), 8)
    plain = infer(experiment.trained_network(result, "1-1-1"), times, early_exit=False)
    found = run_graph(graph, IMAGES, clocks=False)
    assert all(map(torch.equal, found.firing_times, plain.firing_times))
    assert not torch.equal(found.step, run_graph(graph, IMAGES).step)  # the clocks matter here


def test_without_the_package_nir_it_says_what_to_install(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, result = trained(NETWORKS[0])
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(InputError, match=r"pip install 'tqttfs-lite\[nir\]'"):
        export.to_nir(result, tmp_path / "travels")
    assert not (tmp_path / "travels").exists()


@pytest.mark.parametrize(("words", "files"), [([], 3), (["--format", "nir"], 1)])
def test_the_command_writes_a_new_folder(
    words: list[str], files: int, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, result = trained(NETWORKS[0])
    file = results.write(result, results.result_file(result.config, released=False))
    command = ["export", str(file), str(home / "travels"), *words]
    assert main(command) == 0
    assert capsys.readouterr().out.count("written") == len([*(home / "travels").iterdir()]) == files
    assert main(command) == 1
    assert "choose a new folder" in capsys.readouterr().err


def sequential(bias: bool = False) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 3, 5, padding="same", bias=bias),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3 * 14 * 14, 10, bias=False),
    )


def test_a_model_of_pytorch_of_the_same_shape_lends_its_weights() -> None:
    model = sequential()
    network = from_state_dict(model.state_dict(), "28x28-3C5-P2-10(2)", 8)
    times = encode(torch.from_numpy(IMAGES), 8)
    with torch.no_grad():  # at the end of time every input has spiked, as if all were 1
        ones = torch.ones(1, 1, 28, 28)
        assert torch.equal(network.potentials(0, torch.zeros_like(ones).byte(), [7])[0], model[0](ones))
    assert torch.equal(network.layers[1].weight, model[4].weight)
    assert infer(network, times).label.shape == (60,)
    model[4].weight.data.zero_()
    assert network.layers[1].weight.any()  # a copy


def replaced(name: str, value: torch.Tensor) -> dict[str, torch.Tensor]:
    return {**sequential().state_dict(), name: value}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (sequential(bias=True).state_dict(), "0.bias cannot be used: these neurons have no bias"),
        (replaced("1.running_mean", torch.zeros(3)), "1.running_mean .* only weights"),
        (replaced("5.weight", torch.zeros(10, 10)), "has 2 layers with weights, not 3"),
        (replaced("4.weight", torch.zeros(10, 100)), r"4.weight must be of shape \[10, 588\], not \[10, 100\]"),
        (replaced("4.weight", torch.full((10, 588), torch.nan)), "4.weight has values that are not finite"),
    ],
)
def test_what_is_no_model_of_the_shape_is_refused(weights: dict[str, torch.Tensor], words: str) -> None:
    with pytest.raises(InputError, match=words):
        from_state_dict(weights, "28x28-3C5-P2-10(2)", 8)

"""Stored benchmarks, what is read from them, and the peers that they were measured against."""

import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.benchmarks import __main__ as bench
from tests.benchmarks import gpu
from tests.benchmarks.__main__ import ROUNDS, Benchmark, all_benchmarks, take_turns
from tests.benchmarks.peers import Peer, add_windows, at_the_end_of_windows, first_of_window, variants
from tqttfs_lite.experiments import paths, results
from tqttfs_lite.paper import benchmarks
from tqttfs_lite.paper.benchmarks import Measurement, Ratio
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.network import PoolingMode, SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture

GAIN = {"max": 8, "average": 24}  # of random weights, with which some output neurons fire and others do not


def measurement(**seconds: list[float]) -> Measurement:
    return Measurement("train", "mnist-smlp", "1-2", "float32", 2, {}, "random", 1.0, seconds)


def test_every_benchmark_is_stored_and_every_stored_one_exists() -> None:
    files = {path.stem for path in paths.benchmarks_directory().glob("*.json")}
    on_gpu = {name for name in files if name.startswith("gpu-")}  # as far as there was one
    assert files - on_gpu == {benchmark.name for benchmark in all_benchmarks()}
    known = {Benchmark(kind, *setting, "bfloat16", 1).name for kind in gpu.KINDS for setting in gpu.SETTINGS}
    assert on_gpu and on_gpu <= known
    checkpoints = {result.checkpoint_sha256 for result in results.read_all()}
    for found in benchmarks.read_all():
        assert found.weights in (checkpoints if found.kind == "infer" else {"random"})
        rounds = {"memory": 1, benchmarks.SIDE_BY_SIDE: gpu.ROUNDS}.get(found.kind, ROUNDS)
        assert {len(values) for values in found.measured.values()} == {rounds}
        assert all(value > 0 for values in found.measured.values() for value in values)


def test_where_there_is_no_gpu_its_benchmarks_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="on an NVIDIA GPU, and PyTorch finds none here"):
        gpu.main("bench")


def test_a_ratio_is_taken_round_by_round() -> None:
    found = measurement(ours=[1.0, 2.0, 4.0, 1.0], snnTorch=[3.0, 4.0, 4.0, 2.0])
    assert found.ratio("snnTorch").median == 2.0  # of 3, 2, 1, 2: the machine was slow in the third round
    assert found.ratio("snnTorch", "snnTorch") == Ratio(1, 1, 1)
    assert found.milliseconds("snnTorch") == 3500
    with pytest.raises(KeyError):
        found.ratio("norse")


def test_the_fastest_peer_is_another_library() -> None:
    names = {"ours": [1.0], "SpikingJelly eager, our binning": [2.0], "snnTorch, all T frames": [1.5], "floor": [0.5]}
    found = measurement(**names)
    assert found.fastest_peer() == "snnTorch, all T frames"
    assert found.fastest_peer("our binning") == "SpikingJelly eager, our binning"


def test_a_benchmark_that_was_not_run_is_named() -> None:
    with pytest.raises(LookupError, match="train of mnist-smlp in float16 with 7 threads: make bench"):
        benchmarks.find("train", "mnist-smlp", "float16", 7)


@pytest.fixture
def small_bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`make bench` with sizes of a second, stored elsewhere."""
    sizes = {"BATCH": 8, "BATCHES": (2, 4), "IMAGES": 20, "DECIDED": 10, "WARM_UP": 0, "ROUNDS": 2}
    for name, size in sizes.items():
        monkeypatch.setattr(bench, name, size)
    monkeypatch.setattr(paths, "benchmarks_directory", lambda: tmp_path)


def run_small(benchmark: Benchmark) -> Measurement:
    bench.run(benchmark)
    (found,) = benchmarks.read_all()
    assert {len(seconds) for seconds in found.measured.values()} == {1 if benchmark.kind == "memory" else 2}
    assert found.changed == ""
    return found


SLOW = Benchmark("growth", "fashion-scnn", bench.BEST["fashion-scnn"], "bfloat16")
SMALL = [
    *(Benchmark(kind, network, best) for network, best in bench.BEST.items() for kind in ("train", "infer")),
    replace(SLOW, kind="memory"),
    pytest.param(SLOW, marks=pytest.mark.slow),
]


@pytest.mark.data
@pytest.mark.parametrize("benchmark", SMALL, ids=lambda benchmark: benchmark.name)
def test_every_kind_of_benchmark_runs(small_bench: None, monkeypatch: pytest.MonkeyPatch, benchmark: Benchmark) -> None:
    monkeypatch.setattr(bench, "variants", lambda *_: {})
    run_small(benchmark)


@pytest.mark.peers
@pytest.mark.data
@pytest.mark.filterwarnings("ignore")  # of the compiler, about the processor
@pytest.mark.parametrize("benchmark", SMALL[:6], ids=lambda benchmark: benchmark.name)
def test_every_kind_of_benchmark_runs_beside_the_peers(small_bench: None, benchmark: Benchmark) -> None:
    assert run_small(benchmark).fastest_peer()


def test_a_benchmark_of_another_recipe_or_other_kernels_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measurement(ours=[1.0])
    assert "unknown" in found.changed
    now = {"config": benchmarks.configuration("mnist-smlp", "1-2").hash, "kernels": benchmarks.kernels()}
    found = replace(found, **now)
    assert found.changed == ""
    assert replace(found, config="another").changed == "the recipe"
    assert replace(found, config="another", kernels="others").changed == "the recipe and the kernels"
    monkeypatch.setattr(benchmarks, "read_all", lambda: [found, replace(found, kernels="others")])
    assert benchmarks.warning().startswith("1 of 2 benchmarks")
    monkeypatch.setattr(benchmarks, "read_all", lambda: [found])
    assert benchmarks.warning() == ""


def test_the_networks_are_timed_as_they_are_released() -> None:
    for network, best in bench.BEST.items():
        layers = Benchmark("train", network, best).build().layers
        windows = {(layer.max_window, layer.average_window) for layer in layers}
        pooled = (2, 1) if benchmarks.configuration(network, best).pooling == "max" else (1, 2)
        assert windows == ({(1, 1), pooled} if "scnn" in network else {(1, 1)})


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("binned", [True, False])
def test_peers_pool_as_the_network_does(pooling: PoolingMode, binned: bool) -> None:
    network = SpikingNetwork(Architecture.parse("8x8-4C3(1)-P2-6C3(2)-P2-12(2)-10(4)"), 8, pooling=pooling)
    torch.manual_seed(0)
    for weight in network.parameters():
        weight.data = (torch.randn_like(weight) * GAIN[pooling] / weight[0].numel() ** 0.5).round() / 4

    def neuron(current: Tensor) -> Tensor:
        fired = (current.cumsum(0) > network.neuron.theta).cummax(0).values.float()
        return fired.diff(dim=0, prepend=torch.zeros_like(fired[:1]))

    times = encode(torch.randint(0, 256, (20, 8, 8), dtype=torch.uint8), 8)
    expected = network(times).V
    assert 0 < int((expected > 1).sum()) < expected.numel()
    assert torch.equal(Peer(network, lambda: neuron, torch.float32, binned=binned)(times), expected)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_targets_are_judged_by_the_stored_benchmarks(dtype: str) -> None:
    table = benchmarks.targets(dtype)
    assert table["in"].iloc[0] == dtype
    for _, row in table.iterrows():
        side, aim = row["target"].rsplit(" ", 1)
        value = float(row["measured"].split()[0])
        assert row["reached"] == ("yes" if (value <= float(aim)) == (side == "at most") else "no")
    scnn = benchmarks.find("train", "fashion-scnn", dtype)
    rounds = zip(scnn.measured["ours"], scnn.measured["floor"], strict=True)
    assert table["measured"].iloc[0].startswith(f"{statistics.median(a / b for a, b in rounds):.2f} ")


def test_an_unknown_benchmark_is_refused() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "train_lstm"]
    done = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no benchmark has 'train_lstm' in its name: train_mnist-smlp" in done.stderr


def test_variants_take_turns() -> None:
    order: list[str] = []
    seconds = take_turns({name: lambda name=name: order.append(name) for name in "ab"})
    assert order == ["a", "b"] * (len(order) // 2)
    assert {name: len(values) for name, values in seconds.items()} == {"a": ROUNDS, "b": ROUNDS}


def test_windows_of_frames_are_added_up_and_spread_again() -> None:
    frames = torch.arange(6.0).view(6, 1)
    assert add_windows(frames, 3).flatten().tolist() == [3, 12]
    assert at_the_end_of_windows(add_windows(frames, 3), 3).flatten().tolist() == [0, 0, 3, 0, 0, 12]


def test_a_pooling_window_of_the_peers_spikes_once() -> None:
    S = torch.zeros(3, 1, 1, 2, 2)
    S[1, 0, 0, 0, 0] = S[1, 0, 0, 0, 1] = S[2, 0, 0, 1, 1] = 1
    assert first_of_window(S, 2).flatten().tolist() == [0, 1, 0]


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")  # of the compiler, about the processor
@pytest.mark.parametrize("text", ["64-20(1)-10(2)", "8x8-4C3(1)-P2-12(2)-10(4)"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_every_peer_gives_the_same_potentials(text: str, dtype: torch.dtype, pooling: PoolingMode) -> None:
    network = SpikingNetwork(Architecture.parse(text), 8, pooling=pooling)
    torch.manual_seed(0)
    for weight in network.parameters():
        weight.data = (torch.randn_like(weight) * GAIN[pooling] / weight[0].numel() ** 0.5).round() / 4
    times = encode(torch.randint(0, 256, (20, 8, 8), dtype=torch.uint8), 8)
    peers = variants(network, dtype)
    assert len(peers) == 6
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16), torch.no_grad():
        expected = network(times).V
        assert 0 < int((expected > 1).sum()) < expected.numel()
        for name, peer in peers.items():
            assert torch.equal(peer(times), expected), name

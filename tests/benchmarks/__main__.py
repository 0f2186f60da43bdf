"""Time the library beside its peers and store every figure: `make bench`, on a machine that does nothing else.

    python -m tests.benchmarks               everything
    python -m tests.benchmarks train_scnn    what has this in its name

Each benchmark runs in a process of its own and stores `data/benchmarks/<name>.json` when it ends.  Within it the
variants take turns, so that what else happens on the machine happens to all of them: only ratios of one run mean
something.  Before anything is timed, every variant has to give the same output potentials or decisions.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from unittest import mock

import torch
from torch import Tensor, nn
from tqdm import tqdm

from tests.benchmarks.peers import variants
from tqttfs_lite import files
from tqttfs_lite.experiments import experiment, paths, results, training
from tqttfs_lite.experiments.datasets import load
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.paper import benchmarks
from tqttfs_lite.spiking import losses
from tqttfs_lite.spiking.coding import decode, encode
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.kernels import cpu
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture

BEST = {"mnist-smlp": "1-2", "fashion-smlp": "1-2-4", "fashion-scnn": "1-2-2-4-4"}  # degrees of the paper's networks
DEGREES = ("1-1-1-1-1", "1-1-1-2-2", "1-2-2-2-2", "1-2-2-4-4", "1-4-4-4-4", "4-4-4-4-4")  # of the last
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
BATCH = 128  # of a training step
BATCHES = (32, 64, 128, 256, 512)
IMAGES, DECIDED = 1000, 250  # test images, and how many of them are decided about at a time
WARM_UP, ROUNDS = 3, 20
Call = Callable[[], object]


@dataclass(frozen=True)
class Benchmark:
    kind: str
    network: str
    quantization: str
    dtype: str = "float32"
    threads: int = 2

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.network}_q{self.quantization}_{self.dtype}_{self.threads}threads"

    def build(self, quantization: str = "", time_steps: int = 0) -> SpikingNetwork:
        """The network with random weights that are multiples of 1/4, which both types add without rounding."""
        config = benchmarks.configuration(self.network, quantization or self.quantization)
        architecture = Architecture.parse(config.architecture)
        network = SpikingNetwork(architecture, time_steps or config.time_steps, pooling=config.pooling)
        torch.manual_seed(0)
        gain = {"max": 2, "average": 4}[config.pooling]  # with which about a third of the output neurons fire
        for weight in network.parameters():
            nn.init.normal_(weight, std=gain / weight[0].numel() ** 0.5)
            weight.data = (weight.data * 4).round() / 4
        return network

    def data(self, images: int) -> tuple[Tensor, Tensor]:
        test = load(benchmarks.configuration(self.network, self.quantization).dataset, "test")
        return test.images[:images], test.labels[:images]

    def under(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """The same in this benchmark's type."""
        dtype = DTYPES[self.dtype]

        def inside() -> Tensor:
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                return call()

        return inside


def all_benchmarks() -> list[Benchmark]:
    found = []
    for network, best in BEST.items():
        plain = "-".join("1" for _ in best.split("-"))
        for dtype in DTYPES:
            found += [Benchmark("train", network, q, dtype) for q in (plain, best)]
            found.append(Benchmark("train", network, best, dtype, threads=1))
        found.append(Benchmark("infer", network, best))
    return [
        *found,
        *(Benchmark(kind, "fashion-scnn", BEST["fashion-scnn"], "bfloat16") for kind in ("growth", "memory")),
    ]


def train(benchmark: Benchmark) -> dict[str, list[float]]:
    """Whole training steps of the library, with and without its kernels, of its peers, and the floor below them."""
    network = benchmark.build()
    pixels, labels = benchmark.data(BATCH)
    times = encode(pixels, network.time_steps)

    def plain_pytorch() -> Tensor:
        with mock.patch.object(cpu, "available", lambda: False):
            return network(times).V

    outputs = {"ours": lambda: network(times).V, "ours, plain PyTorch": plain_pytorch}
    modules: dict[str, nn.Module] = dict.fromkeys(outputs, network)
    for name, peer in variants(network, DTYPES[benchmark.dtype]).items():
        outputs[name], modules[name] = lambda peer=peer: peer(times), peer
    outputs = {name: benchmark.under(call) for name, call in outputs.items()}
    expected = outputs["ours"]()
    assert 0 < int((expected > network.neuron.theta).sum()) < expected.numel()
    for name, call in outputs.items():
        assert torch.equal(call(), expected), f"{name} gives other potentials"
    # A maximum has no gradient of its own where its arguments are equal.
    if max(layer.max_window for layer in network.layers) == 1:
        assert_gradients_agree(outputs, modules)
    steps = network.layers[-1].steps
    calls: dict[str, Call] = {name: step_of(modules[name], outputs[name], steps, labels) for name in outputs}
    calls["floor"] = floor(network, DTYPES[benchmark.dtype])
    if network.layers[0].convolves:
        calls["floor without the first convolution"] = floor(network, DTYPES[benchmark.dtype], first=1)
    return take_turns(calls)


def assert_gradients_agree(outputs: dict[str, Callable[[], Tensor]], modules: dict[str, nn.Module]) -> None:
    expected = None
    for name, call in outputs.items():
        V = call()
        pull = torch.linspace(-1, 1, V.numel()).view_as(V).to(V.dtype)
        gradients = torch.autograd.grad(V, list(modules[name].parameters()), pull)
        expected = expected or gradients
        for found, wanted in zip(gradients, expected, strict=True):
            error = (found - wanted).norm() / wanted.norm()
            assert error < (1e-4 if V.dtype == torch.float32 else 0.05), f"{name} gives other gradients, by {error:.1e}"


def step_of(network: nn.Module, outputs: Callable[[], Tensor], steps: tuple[int, ...], labels: Tensor) -> Call:
    """Forward, loss, backward, AdamW; the learning rate is so small that the spikes stay what they are."""
    on_gpu = next(network.parameters()).is_cuda
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-9, weight_decay=0, fused=True, capturable=on_gpu)

    def step() -> None:
        optimizer.zero_grad()
        losses.soft_decoder_loss(outputs(), labels, steps, theta=1.0, sharpness=4.0).backward()
        optimizer.step()

    return step


def floor(network: SpikingNetwork, dtype: torch.dtype, first: int = 0) -> Call:
    """The convolutions and matrix products of a training step alone, from the layer `first` on, in the best layout."""
    products_of = []
    C = torch.rand(BATCH, *network.architecture.image_shape)
    for n, layer in enumerate(network.layers):
        conv = layer.convolves
        C = C if conv else C.flatten(1)
        states = (C.repeat(len(layer.steps), *[1] * (C.ndim - 1)) > 0.5).to(dtype)
        states = states.contiguous(memory_format=torch.channels_last) if conv else states
        states.requires_grad_(n > 0)
        weight = layer.weight.detach().to(dtype).requires_grad_()
        run = nn.functional.conv2d if conv else nn.functional.linear
        padding = {"padding": "same"} if conv else {}
        gradient = torch.randn_like(run(states, weight, **padding))
        if n >= first:
            products_of.append((run, states, weight, padding, gradient))
        C = torch.rand(BATCH, *layer.pooled_shape)

    def products() -> None:
        for run, states, weight, padding, gradient in products_of:
            wanted = [weight, states] if states.requires_grad else [weight]
            torch.autograd.grad(run(states, weight, **padding), wanted, gradient)

    return products


def inference(benchmark: Benchmark) -> dict[str, list[float]]:
    """Decisions of the released network about test images, a batch at a time."""
    network = experiment.trained_network(released(benchmark)).eval()
    T = network.time_steps
    batches = encode(benchmark.data(IMAGES)[0], T).split(DECIDED)

    def answers(decide: Callable[[Tensor], tuple[Tensor, ...]]) -> Callable[[], Tensor]:
        def call() -> Tensor:
            with torch.no_grad():
                return torch.cat([torch.stack(decide(times)[:2]) for times in batches], dim=1)

        return call

    calls = {
        "ours": answers(lambda times: infer(network, times)),
        "ours, all images to the end": answers(lambda times: infer(network, times, early_exit=False)),
    }
    for name, peer in variants(network, torch.float32).items():

        def decide(times: Tensor, peer: nn.Module = peer) -> tuple[Tensor, ...]:
            V = peer(times)
            return decode(V, V > network.neuron.theta, network.layers[-1].steps, T)

        calls[name] = answers(decide)
    for name, call in calls.items():
        assert torch.equal(call(), calls["ours"]()), f"{name} decides otherwise"
    return take_turns(dict(calls))


def released(benchmark: Benchmark) -> Result:
    """The network that its recipe made, with seed 0."""
    config = benchmarks.configuration(benchmark.network, benchmark.quantization)
    return results.read(results.result_file(config, released=True))


def growth(benchmark: Benchmark) -> dict[str, list[float]]:
    """Training steps of the library as T, the degrees and the batch grow."""
    best = BEST[benchmark.network]
    T = benchmarks.configuration(benchmark.network, best).time_steps
    finer = [int(q) for q in best.split("-")]
    settings: dict[str, tuple[str, int, int]] = {}
    settings |= {f"T {steps}": (best, steps, BATCH) for steps in (8, 16, 32, 64)}
    settings |= {f"T and q {n * T}": ("-".join(str(n * q) for q in finer), n * T, BATCH) for n in (1, 2, 4)}
    settings |= {f"q {degrees}": (degrees, T, BATCH) for degrees in DEGREES}
    settings |= {f"batch {batch}": (best, T, batch) for batch in BATCHES}
    calls: dict[str, Call] = {}
    for name, (degrees, steps, batch) in settings.items():
        network = benchmark.build(degrees, steps)
        pixels, labels = benchmark.data(batch)
        times = encode(pixels, steps)
        outputs = benchmark.under(lambda network=network, times=times: network(times).V)
        calls[name] = step_of(network, outputs, network.layers[-1].steps, labels)
    return take_turns(calls)


def memory(benchmark: Benchmark) -> dict[str, list[float]]:
    """Peak memory of training steps beyond the imports, in bytes."""
    assert cpu.available()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    network = benchmark.build()
    pixels, labels = benchmark.data(BATCH)
    times = encode(pixels, network.time_steps)
    step = step_of(network, benchmark.under(lambda: network(times).V), network.layers[-1].steps, labels)
    for _ in range(WARM_UP + ROUNDS):
        step()
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"peak bytes beyond the imports": [kibibytes * 1024.0]}


def take_turns(calls: dict[str, Call]) -> dict[str, list[float]]:
    """Seconds of every call, round after round; the first round, with what is compiled in it, and warm-up left out."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(WARM_UP + ROUNDS):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    return {name: values[WARM_UP:] for name, values in seconds.items()}


def run(benchmark: Benchmark) -> None:
    torch.set_num_threads(benchmark.threads)
    torch._dynamo.config.recompile_limit = 64  # shapes that a compiled neuron may meet
    training.reuse_memory()
    origin, started = experiment.made(torch.device("cpu")), time.perf_counter()
    measured = {"train": train, "infer": inference, "growth": growth, "memory": memory}[benchmark.kind](benchmark)
    weights = released(benchmark).checkpoint_sha256 if benchmark.kind == "infer" else "random"
    store(benchmark, origin, weights, time.perf_counter() - started, measured)


def store(
    benchmark: Benchmark, origin: experiment.Made, weights: str, seconds: float, measured: dict[str, list[float]]
) -> None:
    content = {**asdict(benchmark), "made": origin, "weights": weights, "seconds": seconds, "measured": measured}
    content |= {"config": benchmarks.configuration(benchmark.network, benchmark.quantization).hash}
    content |= {"kernels": benchmarks.kernels()}
    files.write_json(paths.benchmarks_directory() / f"{benchmark.name}.json", content)


def main(wanted: str = "") -> None:
    chosen = [benchmark for benchmark in all_benchmarks() if wanted in benchmark.name]
    if not chosen:
        sys.exit(f"no benchmark has {wanted!r} in its name: {', '.join(b.name for b in all_benchmarks())}")
    if [benchmark.name for benchmark in chosen] == [wanted]:
        return run(chosen[0])
    for benchmark in (bar := tqdm(chosen, unit="benchmark")):
        bar.set_postfix_str(benchmark.name)
        subprocess.run([sys.executable, "-m", "tests.benchmarks", benchmark.name], check=True, cwd=paths.REPOSITORY)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The library on an NVIDIA GPU: equal counts and weights first, then times, then a seed of each network to the end.

    python -m tests.benchmarks.gpu              all of it
    python -m tests.benchmarks.gpu equal bench  some of it

`bench` and `aside` store what they measure in `data/benchmarks/`, as `tests.benchmarks` does.  Data sets, released
checkpoints and the library's dependencies have to be there; `bench` wants SpikingJelly and snnTorch too.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from statistics import median

import torch
from torch import Tensor, nn

from tests.benchmarks.__main__ import BATCH, Benchmark, Call, step_of, store, take_turns
from tests.benchmarks.peers import variants
from tqttfs_lite.experiments import devices, experiment, results, training
from tqttfs_lite.experiments.config import TrainingConfig, recipe
from tqttfs_lite.experiments.datasets import load
from tqttfs_lite.experiments.trainer import Trainer
from tqttfs_lite.paper import benchmarks
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.network import Output

SETTINGS = (
    ("fashion-scnn", "1-2-2-4-4"),
    ("mnist-smlp", "1-2"),
    ("fashion-smlp", "1-2-4"),
    ("fashion-scnn", "1-1-1-1-1"),
)  # of `bench` and `aside`
KINDS = ("gpu-train", benchmarks.SIDE_BY_SIDE)
ROUNDS = 5  # of `aside`
WIDTHS = (1, 2, 4, 8, 16, 32)  # trainings side by side
NETWORKS = {
    "MNIST SMLP 1-2": ("784-400(1)-10(2)", "mnist", 8),
    "FashionMNIST SMLP 1-1-1": ("784-400-400-10", "fashion-mnist", 16),
    "FashionMNIST SMLP 1-2-4": ("784-400(1)-400(2)-10(4)", "fashion-mnist", 16),
    "SCNN 1-1-1-1-1": ("28x28-16C5-P2-32C5-P2-800-128-10", "fashion-mnist", 16),
    "SCNN 1-2-2-4-4": ("28x28-16C5(1)-P2-32C5(2)-P2-800(2)-128(4)-10(4)", "fashion-mnist", 16),
}
STEPS = 100  # of a training, that are timed


def config(network: str, seed: int = 0) -> TrainingConfig:
    return recipe(*NETWORKS[network], seed=seed)


def trainers(configs: Sequence[TrainingConfig]) -> list[Trainer]:
    place = devices.choose("cuda")
    split = cache(lambda dataset, name: load(dataset, name).to(place))
    made = [Trainer(c, split(c.dataset, "train"), split(c.dataset, "validation")) for c in configs]
    for trainer in made:
        trainer.begin(0)
    return made


def run(together: Sequence[Trainer], steps: int) -> None:
    for _ in range(steps):
        for trainer in together:
            trainer.step()


def equal() -> None:
    """Counts of every stored network as on the processor; side by side the weights of a training alone; no waiting."""
    for network in NETWORKS:
        result = results.read(results.result_file(config(network), released=True))
        started = time.perf_counter()
        same = experiment.evaluate_again(result, device="cuda") == result.test
        print(f"{network}: test counts {'equal' if same else 'DIFFER'}, {time.perf_counter() - started:.1f} s")
    for network in NETWORKS:
        alone, together = trainers([config(network, 1)]), trainers([config(network, seed) for seed in range(3)])
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            run(alone, 50)
            run(together, 50)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        torch.cuda.synchronize()
        pairs = zip(alone[0].network.parameters(), together[1].network.parameters(), strict=True)
        same = all(torch.equal(a, b) for a, b in pairs)
        print(f"{network}: weights after 50 steps side by side {'equal' if same else 'DIFFER'}, without waiting")


def timing(widths: Sequence[int] = (1, 4, 8, 32)) -> None:
    """Milliseconds for each training's step, so many side by side, and the memory that they take."""
    for network in NETWORKS:
        cells = []
        for width in widths:
            if width > 8 and "SCNN" in network:
                continue
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            together = trainers([config(network, seed) for seed in range(width)])
            run(together, 10)
            torch.cuda.synchronize()
            started = time.perf_counter()
            run(together, STEPS)
            torch.cuda.synchronize()
            each = 1000 * (time.perf_counter() - started) / STEPS / width
            cells.append(f"{width}: {each:.3f} ms, {torch.cuda.max_memory_reserved() / 2**30:.1f} GiB")
            del together
        print(f"{network}: " + "; ".join(cells))
    for network in NETWORKS:
        (trainer,) = trainers([config(network)])
        trainer.end()
        trainer.score()
        started = time.perf_counter()
        trainer.end()
        trainer.score()
        print(f"{network}: validation {1000 * (time.perf_counter() - started):.1f} ms")


def profile() -> None:
    """The GPU's time in a step, by kernel."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    for network in ("SCNN 1-2-2-4-4", "SCNN 1-1-1-1-1", "MNIST SMLP 1-2"):
        together = trainers([config(network)])
        run(together, 5)
        torch.cuda.synchronize()
        with record(activities=[ProfilerActivity.CUDA]) as found:
            run(together, 10)
            torch.cuda.synchronize()
        rows = sorted(found.key_averages(), key=lambda row: -row.self_device_time_total)
        total = sum(row.self_device_time_total for row in rows)
        print(f"{network}: {total / 1e4:.3f} ms of kernels a step, {sum(r.count for r in rows) / 10:.0f} kernels")
        for row in rows[:16]:
            print(f"  {row.self_device_time_total / 1e4:.4f} ms  {row.count / 10:.1f}x  {row.key[:110]}")


def train() -> None:
    """One seed of each network to the end, without storing it."""
    for network in NETWORKS:
        started = time.perf_counter()
        with training.closing(training.Progress([config(network)], shown=False)) as shown:
            wanted = replace(config(network), seed=7)
            (trained,) = training.train_together([wanted], device="cuda", progress=shown)
        training.state_file(wanted).unlink()
        last = trained.history[-1]
        print(
            f"{network}: {time.perf_counter() - started:.1f} s, validation {last.validation_accuracy:.2f} %"
            f" at {last.validation_steps:.2f} steps"
        )


def bench() -> None:
    """Whole training steps beside SpikingJelly and snnTorch: equal potentials first, as graphs where possible."""
    torch._dynamo.config.recompile_limit = 64
    for network, degrees in SETTINGS:
        benchmark = Benchmark(KINDS[0], network, degrees, "bfloat16", threads=1)
        ours = benchmark.build().cuda()
        pixels, labels = (part.cuda() for part in benchmark.data(BATCH))
        times, steps, began = encode(pixels, ours.time_steps), ours.layers[-1].steps, time.perf_counter()
        calls: dict[str, Call] = {}
        modules = {"ours": ours, **{name: peer.cuda() for name, peer in variants(ours, torch.bfloat16).items()}}
        expected = None
        for name, module in modules.items():
            try:

                def outputs(module: nn.Module = module, times: Tensor = times) -> Tensor:
                    with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
                        V = module(times)
                    return V.V if isinstance(V, Output) else V

                V = outputs().detach()  # what keeps the backward graph keeps its stream, and no capture succeeds
                expected = V if expected is None else expected
                if not torch.equal(V, expected):
                    print(f"{network} {degrees}, {name}: other potentials")
                    continue
                step = step_of(module, outputs, steps, labels)
                calls[f"{name}, eager" if name == "ours" else name] = step
                for _ in range(3):
                    step()
                torch.cuda.synchronize()
                calls[name if name == "ours" else f"{name}, as a graph"] = captured(step)
            except Exception as failure:  # of this variant, which is said
                print(f"{network} {degrees}, {name}: {type(failure).__name__} {str(failure)[:200]}")
        keep(benchmark, take_turns({name: finished(call) for name, call in calls.items()}), began)


def finished(call: Call) -> Call:
    """The same, until the GPU is done with it."""

    def run() -> None:
        call()
        torch.cuda.synchronize()

    return run


def captured(step: Call) -> Call:
    """The same as one CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    side.synchronize()
    with torch.cuda.graph(graph, stream=side):
        step()
    return graph.replay


def aside(widths: Sequence[int] = WIDTHS) -> None:
    """Seconds for each training's step of whole trainings side by side."""
    for network, degrees in SETTINGS:
        benchmark = Benchmark(benchmarks.SIDE_BY_SIDE, network, degrees, "bfloat16", threads=1)
        began, measured = time.perf_counter(), {}
        for width in widths:
            if width > 8 and network == "fashion-scnn":
                continue
            torch.cuda.empty_cache()
            chosen = benchmarks.configuration(network, degrees)
            together = trainers([replace(chosen, seed=seed) for seed in range(width)])
            run(together, 10)
            seconds = []
            for _ in range(ROUNDS):
                torch.cuda.synchronize()
                started = time.perf_counter()
                run(together, 200 // width)
                torch.cuda.synchronize()
                seconds.append((time.perf_counter() - started) / (200 // width * width))
            measured[f"{width} at once"] = seconds
            del together
        keep(benchmark, measured, began)


def keep(benchmark: Benchmark, measured: dict[str, list[float]], began: float) -> None:
    store(benchmark, experiment.made(devices.choose("cuda")), "random", time.perf_counter() - began, measured)
    shown = "; ".join(f"{name} {1000 * median(seconds):.3f} ms" for name, seconds in measured.items())
    print(f"{benchmark.kind} {benchmark.network} {benchmark.quantization}: {shown}")


PARTS: dict[str, Callable[[], None]] = {
    "equal": equal,
    "time": timing,
    "profile": profile,
    "train": train,
    "bench": bench,
    "aside": aside,
}


if __name__ == "__main__":
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    failed = []
    for part in sys.argv[1:] or PARTS:
        began = time.perf_counter()
        try:
            PARTS[part]()
        except Exception:  # the other parts say something too
            traceback.print_exc()
            failed.append(part)
        print(f"[{part}: {time.perf_counter() - began:.1f} s]", flush=True)
    sys.exit(bool(failed))

"""The library on an NVIDIA GPU: equal counts and weights first, then times, then a seed of each network to the end.

    python -m tests.benchmarks.gpu              all of it
    python -m tests.benchmarks.gpu bench aside  some of it, as `make bench-gpu` does

`bench` and `aside` store what they measure in `data/benchmarks/`, as `tests.benchmarks` does.  Data sets, released
checkpoints and the library's dependencies have to be there; `bench` wants SpikingJelly and snnTorch too.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import starmap
from statistics import median

import torch
from torch import Tensor, nn

from tests.benchmarks.__main__ import BATCH, Benchmark, Call, step_of, store, take_turns
from tests.benchmarks.peers import variants
from tqttfs_lite.experiments import devices, experiment, results, training
from tqttfs_lite.experiments.config import TrainingConfig
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
)  # networks and their degrees
KINDS = ("gpu-train", benchmarks.SIDE_BY_SIDE)
ROUNDS = 5  # of `aside`
WIDTHS = (1, 2, 4, 8, 16, 32)  # trainings side by side


def trainers(config: TrainingConfig, seeds: Sequence[int] = (0,)) -> list[Trainer]:
    data, held_out = (load(config.dataset, split).to(devices.choose("cuda")) for split in ("train", "validation"))
    made = [Trainer(replace(config, seed=seed), data, held_out) for seed in seeds]
    for trainer in made:
        trainer.begin(0)
    return made


def run(together: Sequence[Trainer], steps: int) -> None:
    for _ in range(steps):
        for trainer in together:
            trainer.step()


def equal() -> None:
    """Counts of every stored network as on the processor; side by side the weights of a training alone; no waiting."""
    for config in starmap(benchmarks.configuration, SETTINGS):
        result = results.read(results.result_file(config, released=True))
        started = time.perf_counter()
        same = experiment.evaluate_again(result, device="cuda") == result.test
        took = time.perf_counter() - started
        assert same, f"{config.architecture}: test counts differ"
        print(f"{config.architecture}: test counts equal, {took:.1f} s")
        alone, together = trainers(config, [1]), trainers(config, range(3))
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            run(alone, 50)
            run(together, 50)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        torch.cuda.synchronize()
        pairs = zip(alone[0].network.parameters(), together[1].network.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs), f"{config.architecture}: weights differ side by side"
        print(f"{config.architecture}: weights after 50 steps side by side equal, no waiting")


def profile() -> None:
    """The GPU's time in a step, by kernel."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    for config in starmap(benchmarks.configuration, SETTINGS):
        together = trainers(config)
        run(together, 5)
        torch.cuda.synchronize()
        with record(activities=[ProfilerActivity.CUDA]) as found:
            run(together, 10)
            torch.cuda.synchronize()
        rows = sorted(found.key_averages(), key=lambda row: -row.self_device_time_total)
        total = sum(row.self_device_time_total for row in rows)
        count = sum(row.count for row in rows) / 10
        print(f"{config.architecture}: {total / 1e4:.3f} ms of kernels a step, {count:.0f} kernels")
        for row in rows[:16]:
            print(f"  {row.self_device_time_total / 1e4:.4f} ms  {row.count / 10:.1f}x  {row.key[:110]}")


def train() -> None:
    """One seed of each network to the end, without storing it."""
    for config in starmap(benchmarks.configuration, SETTINGS):
        started, wanted = time.perf_counter(), replace(config, seed=7)
        last = training.train(wanted, device="cuda", progress=False).history[-1]
        training.state_file(wanted).unlink()
        print(
            f"{config.architecture}: {time.perf_counter() - started:.1f} s, validation {last.validation_accuracy:.2f} %"
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
    """Seconds for each training's step of whole trainings side by side, and the memory that they take."""
    for network, degrees in SETTINGS:
        benchmark = Benchmark(benchmarks.SIDE_BY_SIDE, network, degrees, "bfloat16", threads=1)
        began, measured = time.perf_counter(), {}
        for width in widths:
            if width > 8 and network == "fashion-scnn":
                continue
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            together = trainers(benchmarks.configuration(network, degrees), range(width))
            run(together, 10)
            seconds = []
            for _ in range(ROUNDS):
                torch.cuda.synchronize()
                started = time.perf_counter()
                run(together, 200 // width)
                torch.cuda.synchronize()
                seconds.append((time.perf_counter() - started) / (200 // width * width))
            measured[f"{width} at once"] = seconds
            memory = torch.cuda.max_memory_reserved() / 2**30
            print(f"{network} {degrees}, {width} at once: {memory:.1f} GiB")
            del together
        keep(benchmark, measured, began)


def keep(benchmark: Benchmark, measured: dict[str, list[float]], began: float) -> None:
    store(benchmark, experiment.made(devices.choose("cuda")), "random", time.perf_counter() - began, measured)
    shown = "; ".join(f"{name} {1000 * median(seconds):.3f} ms" for name, seconds in measured.items())
    print(f"{benchmark.kind} {benchmark.network} {benchmark.quantization}: {shown}")


PARTS: dict[str, Callable[[], None]] = {
    "equal": equal,
    "profile": profile,
    "train": train,
    "bench": bench,
    "aside": aside,
}


def main(*parts: str) -> None:
    if not torch.cuda.is_available():
        sys.exit("this times the library on an NVIDIA GPU, and PyTorch finds none here: `make bench` times processors")
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    failed = []
    for part in parts or PARTS:
        began = time.perf_counter()
        try:
            PARTS[part]()
        except Exception:  # the other parts say something too
            traceback.print_exc()
            failed.append(part)
        print(f"[{part}: {time.perf_counter() - began:.1f} s]", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main(*sys.argv[1:])

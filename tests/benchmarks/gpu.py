"""The library on an NVIDIA GPU: equal counts and weights first, then times, then a seed of each network to the end.

    python -m tests.benchmarks.gpu              all of it
    python -m tests.benchmarks.gpu equal time   some of it

It needs the data sets and the published checkpoints, and nothing that PyTorch and Triton do not bring along but
pydantic, filelock and the other dependencies of the library.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from tqttfs_lite.experiments import devices, experiment, results, training
from tqttfs_lite.experiments.config import TrainingConfig, recipe
from tqttfs_lite.experiments.datasets import load
from tqttfs_lite.experiments.trainer import Trainer

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
    split = {
        name: {s: load(name, s).to(place) for s in ("train", "validation")} for name in {c.dataset for c in configs}
    }
    made = [Trainer(c, split[c.dataset]["train"], split[c.dataset]["validation"]) for c in configs]
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
        result = results.read(results.result_file(config(network), published=True))
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
    """One seed of each network to the end, without publishing it."""
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


PARTS: dict[str, Callable[[], None]] = {"equal": equal, "time": timing, "profile": profile, "train": train}


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

"""The operators on processors: C++, beside this module, compiled on first use and kept.

Plain PyTorch walks through the membrane potentials about ten times; `fire` reads them once forward and once backward
and remembers one byte per neuron.  `convolve` does not even store them: it is a convolution of an image whose pixels
spike once, which takes an addition for each weight of a neuron's window and one for each tick, not their product.
`charge` is the same for fully connected layers, whose potentials it stores.
Where there is no C++ compiler, for other types than float32 and bfloat16, and for what else a kernel does not cover,
plain PyTorch does the same.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from tqttfs_lite import files
from tqttfs_lite.spiking.kernels import operators

log = logging.getLogger(__name__)

KERNELS = Path(__file__).parent
SOURCES = [*sorted(KERNELS.glob("*.cpp")), *sorted(KERNELS.glob("*.h"))]
FLAGS = ("-O3", "-march=native", "-std=c++20", "-fPIC", "-shared", "-fno-math-errno")
TYPES = (torch.float32, torch.bfloat16)
compiled = torch.ops.tqttfs_cpu


@cache
def available() -> bool:
    """Compile the kernels, or find them compiled; False, with a line in the log, where that cannot be done.

    The environment variable TQTTFS_FUSED=0 switches them off.
    """
    if os.environ.get("TQTTFS_FUSED") == "0":
        return False
    try:
        torch.ops.load_library(_compiled())
    except (OSError, RuntimeError) as reason:
        log.warning("training runs in plain PyTorch, several times slower, without its compiled kernel: %s", reason)
        return False
    return True


def covers(dtype: torch.dtype, pool: int = 1) -> bool:
    """Whether the kernels are there, for states of this type and this pooling window."""
    return dtype in TYPES and pool in (1, 2) and available()


def fire(
    V: Tensor, steps: Sequence[int], read_at: Sequence[int], pool: int, theta: float, alpha: float, keep: Tensor | None
) -> tuple[Tensor, Tensor]:
    if not covers(V.dtype, pool):
        return operators.fire(V, steps, read_at, pool, theta, alpha, keep)
    state, time = compiled.fire(V, steps, read_at, pool, theta, keep)
    return state, time


def fire_backward(
    V: Tensor,
    time: Tensor,
    gradient: Tensor,
    steps: Sequence[int],
    read_at: Sequence[int],
    pool: int,
    theta: float,
    alpha: float,
    keep: Tensor | None,
) -> Tensor:
    run = compiled.fire_backward if covers(V.dtype, pool) else operators.fire_backward
    dV: Tensor = run(V, time, gradient, steps, read_at, pool, theta, alpha, keep)
    return dV


def read(time: Tensor, read_at: Sequence[int], keep: Tensor | None, dtype: torch.dtype) -> Tensor:
    if not covers(dtype):
        return operators.read(time, read_at, keep, dtype)
    state: Tensor = compiled.read(time, read_at, dtype)
    return state if keep is None else state * keep


def convolve(
    times: Tensor,
    W: Tensor,
    steps: Sequence[int],
    read_at: Sequence[int],
    pool: int,
    theta: float,
    alpha: float,
    keep: Tensor | None,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    if not _convolves(W, dtype, pool):
        return operators.convolve(times, W, steps, read_at, pool, theta, alpha, keep, dtype)
    state, time = compiled.convolve(times[:, 0].contiguous(), W, steps, read_at, pool, theta, keep, dtype)
    return state, time


def convolve_backward(
    times: Tensor,
    W: Tensor,
    time: Tensor,
    gradient: Tensor,
    steps: Sequence[int],
    read_at: Sequence[int],
    pool: int,
    theta: float,
    alpha: float,
    keep: Tensor | None,
) -> Tensor:
    settings = (steps, read_at, pool, theta, alpha, keep)
    if not _convolves(W, gradient.dtype, pool):
        return operators.convolve_backward(times, W, time, gradient, *settings)
    dW: Tensor = compiled.convolve_backward(times[:, 0].contiguous(), W, time, gradient, *settings)
    return dW


def _convolves(W: Tensor, dtype: torch.dtype, pool: int) -> bool:
    """Whether the kernels convolve these images: gray ones alone, with weights in float32."""
    return W.shape[1] == 1 and W.dtype == torch.float32 and covers(dtype, pool)


def charge(times: Tensor, W: Tensor, steps: Sequence[int], keep: Tensor | None, dtype: torch.dtype) -> Tensor:
    run = compiled.charge if W.dtype == torch.float32 and covers(dtype) else operators.charge
    V: Tensor = run(times, W, steps, keep, dtype)
    return V


def charge_backward(times: Tensor, gradient: Tensor, steps: Sequence[int], keep: Tensor | None) -> Tensor:
    run = compiled.charge_backward if covers(gradient.dtype) else operators.charge_backward
    dW: Tensor = run(times, gradient, steps, keep)
    return dW


for _function in (fire, fire_backward, read, convolve, convolve_backward, charge, charge_backward):
    torch.library.impl(f"tqttfs::{_function.__name__}", "cpu", _function)


def _compiled() -> Path:
    """The kernel's library, compiled for this processor and this PyTorch unless that was done before."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")
    if compiler is None:
        raise RuntimeError("there is no C++ compiler (on Debian and Ubuntu: apt-get install g++)")
    texts = [source.read_text() for source in SOURCES]
    key = [texts, FLAGS, compiler, torch.__version__, dict(torch.cpu.get_capabilities())]
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tqttfs-lite"
    library = cache_folder / f"fused-{sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]}.so"
    if not library.exists():
        package = Path(torch.__file__).parent
        command = [compiler, *FLAGS, f"-I{package}/include", f"-I{package}/include/torch/csrc/api/include"]
        command += [f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}"]
        command += [str(source) for source in SOURCES if source.suffix == ".cpp"]
        command += [f"-L{package}/lib", "-ltorch_cpu", "-lc10"]
        command += ["-fopenmp"] if torch.backends.openmp.is_available() else []
        # Two processes may compile at once; each one's library appears whole.
        with files.atomic_write(library) as temporary:
            done = subprocess.run([*command, "-o", temporary], capture_output=True, text=True)
            if done.returncode:
                errors = [line for line in done.stderr.splitlines() if "error" in line]
                raise RuntimeError(f"{compiler} failed: {(errors or ['no message'])[0]}")
    return library

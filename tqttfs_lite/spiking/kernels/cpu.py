"""The operators on CPUs: C++ files in this folder, which are compiled on first use and cached.

Plain PyTorch reads or writes the membrane potentials about ten times; `fire` reads them once in the forward and once in
the backward pass, and keeps one byte per neuron.  `convolve` does not even store them: since each pixel spikes once, it
takes one addition for each weight of a neuron's window plus one for each tick, instead of their product.
`charge` does the same for fully connected layers, but stores the potentials.
Plain PyTorch takes over if there is no C++ compiler, if the type is neither float32 nor bfloat16, and in all other
cases that a kernel does not support.
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
    """Load the kernels, compiling them if necessary; returns False, and logs the reason, if that is not possible.

    Setting the environment variable TQTTFS_FUSED=0 disables them.
    """
    if os.environ.get("TQTTFS_FUSED") == "0":
        return False
    try:
        torch.ops.load_library(_compiled())
    except (OSError, RuntimeError) as reason:
        log.warning("training uses plain PyTorch, which is several times slower than the compiled kernels: %s", reason)
        return False
    return True


def covers(dtype: torch.dtype, pool: int = 1) -> bool:
    """Whether there are kernels for states of this type and this pooling window."""
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
    """Whether the kernels support this convolution: of grayscale images, with float32 weights."""
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
    """The kernels' library, which is compiled for this CPU and this version of PyTorch unless it is cached."""
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

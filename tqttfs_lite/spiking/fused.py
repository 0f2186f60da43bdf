"""The firing of a layer as one pass over time on the CPU: `kernels/`, compiled on first use and kept.

Plain PyTorch walks through the membrane potentials about ten times; `Fire` reads them once forward and once backward
and remembers one byte per neuron.  `Convolve` does not even store them: it is a convolution of an image whose pixels
spike once, which takes an addition for each weight of a neuron's window and one for each tick, not their product.
`Charge` and `FireAndCharge` are the same for fully connected layers, whose potentials they store.
Where there is no C++ compiler, on a GPU, and for other types than float32 and bfloat16, `firing` does the same in plain
PyTorch.
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
from typing import Any

import torch
from torch import Tensor

from tqttfs_lite import files

log = logging.getLogger(__name__)

KERNELS = Path(__file__).parent / "kernels"
SOURCES = [*sorted(KERNELS.glob("*.cpp")), *sorted(KERNELS.glob("*.h"))]
FLAGS = ("-O3", "-march=native", "-std=c++20", "-fPIC", "-shared", "-fno-math-errno")


def covers(tensor: Tensor, dtype: torch.dtype, pool: int = 1) -> bool:
    """Whether the kernels are there, for a tensor on this device, states of this type and this pooling window."""
    return tensor.device.type == "cpu" and dtype in (torch.float32, torch.bfloat16) and pool in (1, 2) and available()


@cache
def available() -> bool:
    """Compile the kernel, or find it compiled; False, with a line in the log, where that cannot be done.

    The environment variable TQTTFS_FUSED=0 switches the kernel off.
    """
    if os.environ.get("TQTTFS_FUSED") == "0":
        return False
    try:
        torch.ops.load_library(_compiled())
    except (OSError, RuntimeError) as reason:
        log.warning("training runs in plain PyTorch, several times slower, without its compiled kernel: %s", reason)
        return False
    return True


class Fire(torch.autograd.Function):
    """Forward and backward of `firing.fire` on V as [K, B, H, W, C]; `keep` is [B, H / pool, W / pool, C] or None."""

    @staticmethod
    def forward(
        ctx: Any,
        V: Tensor,
        steps: Sequence[int],
        read_at: Sequence[int],
        theta: float,
        alpha: float,
        pool: int,
        keep: Tensor | None,
    ) -> Tensor:
        V = V.contiguous()
        keep = None if keep is None else keep.to(V.dtype).contiguous()
        state, time = torch.ops.tqttfs.fire(V, steps, read_at, pool, theta, keep)
        ctx.save_for_backward(V, time, keep)
        ctx.settings = (steps, read_at, pool, theta, alpha)
        return state  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None, None, None]:
        V, time, keep = ctx.saved_tensors
        gradient = torch.ops.tqttfs.fire_backward(V, time, gradients[0].contiguous(), *ctx.settings, keep)
        return gradient, None, None, None, None, None, None


class Convolve(torch.autograd.Function):
    """Forward and backward of `firing.convolve_and_fire` on firing times [B, H, W] and filters [C, 1, size, size].

    `keep` is as in `Fire`; the state, [R, B, H / pool, W / pool, C], is of `dtype`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        times: Tensor,
        W: Tensor,
        steps: Sequence[int],
        read_at: Sequence[int],
        theta: float,
        alpha: float,
        pool: int,
        keep: Tensor | None,
        dtype: torch.dtype,
    ) -> Tensor:
        keep = None if keep is None else keep.to(dtype).contiguous()
        state, time = torch.ops.tqttfs.convolve(times, W, steps, read_at, pool, theta, keep, dtype)
        ctx.save_for_backward(times, W, time, keep)
        ctx.settings = (steps, read_at, pool, theta, alpha)
        return state  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        times, W, time, keep = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        dW = torch.ops.tqttfs.convolve_backward(times, W, time, gradient, *ctx.settings, keep)
        return None, dW, *[None] * 7


class Charge(torch.autograd.Function):
    """Forward and backward of `firing.charge` on firing times [B, inputs] and weights [N, inputs]."""

    @staticmethod
    def forward(ctx: Any, times: Tensor, W: Tensor, steps: Sequence[int], dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(times)
        ctx.steps = steps
        return torch.ops.tqttfs.charge(times, W, steps, None, dtype)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None, None]:
        (times,) = ctx.saved_tensors
        return None, torch.ops.tqttfs.charge_backward(times, gradients[0].contiguous(), ctx.steps, None), None, None


class FireAndCharge(torch.autograd.Function):
    """Forward and backward of `firing.fire_and_charge` on V [K, B, inputs], weights [N, inputs] and `keep` [B, inputs].

    Between the layers there are firing times, a byte for each neuron, and no state.
    """

    @staticmethod
    def forward(
        ctx: Any,
        V: Tensor,
        W: Tensor,
        steps: Sequence[int],
        read_at: Sequence[int],
        theta: float,
        alpha: float,
        keep: Tensor | None,
    ) -> Tensor:
        V = V.contiguous()
        keep = None if keep is None else keep.to(V.dtype).contiguous()
        time = torch.ops.tqttfs.fire(V[:, :, None, None], steps, [], 1, theta, None)[1].flatten(1)
        ctx.save_for_backward(V, W, time, keep)
        ctx.settings = (steps, read_at, theta, alpha)
        return torch.ops.tqttfs.charge(time, W, read_at, keep, V.dtype)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        V, W, time, keep = ctx.saved_tensors
        steps, read_at, theta, alpha = ctx.settings
        gradient = gradients[0].contiguous()
        dW = torch.ops.tqttfs.charge_backward(time, gradient, read_at, keep)
        dC = gradient @ W.to(gradient.dtype)
        as_image = (V[:, :, None, None], time[:, None, None], dC, steps, read_at, 1, theta, alpha, keep)
        dV = torch.ops.tqttfs.fire_backward(*as_image)[:, :, 0, 0]
        return dV, dW, *[None] * 5


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

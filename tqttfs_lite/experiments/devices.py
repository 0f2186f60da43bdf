"""The device on which a network is trained and evaluated: a given one, or a GPU if available, otherwise the CPU."""

from __future__ import annotations

import platform

import torch

from tqttfs_lite.errors import InputError

AUTO = "auto"


def choose(name: str | torch.device | None = None) -> torch.device:
    """The device with this name, such as cpu, cuda, cuda:1 or mps; for auto or None, cuda if available, otherwise cpu.

    Raises `InputError` if this machine does not have the device.

    >>> choose("cpu")
    device(type='cpu')
    """
    try:
        if name in (None, AUTO):
            name = "cuda" if torch.cuda.is_available() else "cpu"
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):  # unknown, not built in, or not there
        raise InputError(f"the device must be one that this machine has, {' or '.join(there())}, not {name}") from None
    return device


def there() -> list[str]:
    """The names of the devices that this machine has."""
    gpus = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *(["cuda", *gpus] if gpus else []), *(["mps"] if torch.backends.mps.is_available() else [])]


def title(device: torch.device) -> str:
    """The name of the GPU or CPU, for readers."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor())


def training_dtype(device: torch.device) -> torch.dtype:
    """The type for matrix products in training: bfloat16 if the device supports it in hardware, otherwise float32."""
    if device.type == "cuda":
        wide = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        wide = device.type == "cpu" and bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    return torch.bfloat16 if wide else torch.float32

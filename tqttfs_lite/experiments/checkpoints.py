"""Trained weights as safetensors files: in float16, on a grid on which evaluation is exact.

Released weights are multiples of 2^-12 that float16 can represent.  A membrane potential is then a sum of multiples of
2^-12, which float32 adds without rounding, in any order, as long as magnitudes stay below 2^12.  Every machine
therefore counts the same spikes, provided that it convolves by adding up.  Each 2x2 average pooling refines the grid by
a factor of 4, to 2^-14 for the first one, and lowers the bound by the same factor, to 2^10; average pooling over
windows whose size is not a power of two rounds.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from tqttfs_lite import files
from tqttfs_lite.errors import CheckpointError
from tqttfs_lite.spiking.rate_coding import Network

GRID = 2.0**-12


@torch.no_grad()
def round_weights(network: nn.Module) -> None:
    """Round every weight to the released precision, in place.

    >>> network = nn.Linear(4, 2, bias=False)
    >>> round_weights(network)
    >>> bool((next(network.parameters()) / GRID % 1 == 0).all())
    True
    """
    for weight in network.parameters():
        weight.copy_(((weight / GRID).round() * GRID).to(torch.float16))


def write(network: nn.Module, path: Path) -> str:
    """Store the weights as float16; returns the file's SHA-256."""
    return _store(_content(network), path)


def digest_of(network: nn.Module) -> str:
    """The SHA-256 of the file that `write` would create."""
    return sha256(_content(network)).hexdigest()


def _content(network: nn.Module) -> bytes:
    return save({_name(n): weight.to(torch.float16) for n, weight in enumerate(network.state_dict().values())})


def read(network: Network, path: Path, digest: str | None = None) -> None:
    """Load the weights into a network of the same architecture; `digest` is the SHA-256 that the file must have.

    Raises `CheckpointError` if the file is missing, damaged, has another SHA-256, or is for another architecture.
    """
    tensors, _ = read_tensors(path, digest)
    state = network.state_dict()
    try:
        if len(tensors) != len(state):
            raise KeyError
        network.load_state_dict({key: tensors[_name(n)] for n, key in enumerate(state)})
    except (KeyError, RuntimeError):
        raise CheckpointError(f"{path.name} does not contain the weights of {network.architecture}") from None


def _name(layer: int) -> str:
    """The name of a layer's weights in the file; a network has one tensor per layer, in order."""
    return f"synapses.{layer}.weight"


def write_tensors(tensors: dict[str, Tensor], metadata: dict[str, Any], path: Path) -> str:
    """Store tensors unchanged, with metadata that JSON can represent; returns the file's SHA-256."""
    return _store(save(tensors, {"json": json.dumps(metadata)}), path)


def _store(content: bytes, path: Path) -> str:
    files.write_bytes(path, content)
    return sha256(content).hexdigest()


def read_tensors(path: Path, digest: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The inverse of `write_tensors`; raises `CheckpointError`.  safetensors files cannot contain code."""
    if not path.is_file():
        raise CheckpointError(f"{path.name} is missing from {path.parent.name}/")
    if digest is not None and (found := sha256(path.read_bytes()).hexdigest()) != digest:
        raise CheckpointError(f"{path.name} is corrupted: its SHA-256 is {found[:12]}…, expected {digest[:12]}…")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = json.loads((file.metadata() or {}).get("json", "{}"))
    except (SafetensorError, OSError, ValueError) as damage:
        raise CheckpointError(f"{path.name} is not a readable safetensors file: {damage}") from None
    if wrong := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise CheckpointError(f"{path.name} is damaged: {wrong[0]} has values that are not finite")
    return tensors, metadata

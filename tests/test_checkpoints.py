from pathlib import Path

import pytest
import torch

from tqttfs_lite.errors import CheckpointError
from tqttfs_lite.experiments import checkpoints
from tqttfs_lite.experiments.checkpoints import GRID
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.network import SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture


def network(text: str = "784-40(1)-10(2)", **settings: object) -> SpikingNetwork:
    torch.manual_seed(0)
    made = SpikingNetwork(Architecture.parse(text), 8, **settings)  # type: ignore[arg-type]
    checkpoints.round_weights(made)
    return made


def test_weights_survive_the_file(tmp_path: Path) -> None:
    stored, loaded = network(), SpikingNetwork(Architecture.parse("784-40-10"), 8)
    digest = checkpoints.write(stored, tmp_path / "a.safetensors")
    checkpoints.read(loaded, tmp_path / "a.safetensors", digest)
    assert all(torch.equal(a, b) for a, b in zip(stored.parameters(), loaded.parameters(), strict=True))


def test_every_damage_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    digest = checkpoints.write(network(), path)
    whole = path.read_bytes()
    for place in (0, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckpointError, match="corrupted"):
            checkpoints.read(network(), path, digest)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="not a readable"):
        checkpoints.read(network(), path)
    with pytest.raises(CheckpointError, match="missing"):
        checkpoints.read(network(), tmp_path / "b.safetensors")
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="does not contain the weights of 784-41"):
        checkpoints.read(network("784-41-10"), path)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_potentials_of_released_weights_are_exact_in_float32(pooling: str) -> None:
    """The claim of the module: float32 and float64 give the same potentials to the last bit."""
    made = network("28x28-8C5(1)-P2-16C5(2)-P2-64(2)-10(4)", pooling=pooling)
    for weight in made.parameters():
        weight.data *= 8  # far beyond what training reaches, still on the grid
    times = encode(torch.randint(0, 256, (20, 28, 28), dtype=torch.uint8), 8)
    single, spikes = made(times), infer(made, times, early_exit=False).firing_times
    made.double()
    assert torch.equal(single.V.double(), made(times).V)
    double_spikes = infer(made, times, early_exit=False).firing_times
    assert all(torch.equal(a, b) for a, b in zip(spikes, double_spikes, strict=True))


def test_rounding_moves_no_weight_by_more_than_half_a_step() -> None:
    made = SpikingNetwork(Architecture.parse("784-40-10"), 8)
    before = [weight.clone() for weight in made.parameters()]
    checkpoints.round_weights(made)
    for old, new in zip(before, made.parameters(), strict=True):
        assert (old - new).abs().max() <= GRID / 2
        assert not torch.equal(old, new)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_refused(value: float, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    checkpoints.write_tensors({"synapses.0.weight": torch.tensor([[1.0, value]])}, {}, path)
    with pytest.raises(CheckpointError, match=r"synapses\.0\.weight has values that are not finite"):
        checkpoints.read_tensors(path)

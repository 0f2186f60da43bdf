import subprocess
import sys
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tqttfs_lite.spiking.coding import decode, encode


@given(st.integers(1, 254))
def test_every_pixel_value_is_encoded_as_the_slides_round_it(time_steps: int) -> None:
    times = encode(torch.arange(256, dtype=torch.uint8), time_steps)
    for pixel, time in enumerate(times.tolist()):
        exact = (time_steps - 1) * (1 - Fraction(pixel, 255))
        assert abs(time - exact) < Fraction(1, 2)  # and never equal: no pixel value lands on .5


def test_the_brightest_pixel_comes_first_and_a_black_one_last() -> None:
    assert encode(torch.tensor([[255, 0]], dtype=torch.uint8), 16).tolist() == [[0, 15]]


@pytest.mark.parametrize("time_steps", [0, -1, 255])
def test_impossible_numbers_of_time_steps_are_refused(time_steps: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 254"):
        encode(torch.zeros(1, dtype=torch.uint8), time_steps)


def one_image(*potentials: list[float]) -> torch.Tensor:
    """[K, N] -> [K, 1, N]"""
    return torch.tensor(potentials)[:, None]


def decision(V: torch.Tensor, steps: list[int], time_steps: int) -> tuple[int, int]:
    label, step = decode(V, V > 1, steps, time_steps)
    return int(label), int(step)


def test_the_earliest_spike_wins_whatever_the_potentials_are_later() -> None:
    assert decision(one_image([0, 1.1, 0], [9, 1.2, 9]), [0, 1], 2) == (1, 1)


def test_a_tie_goes_to_the_highest_potential_among_those_that_fired() -> None:
    assert decision(one_image([0, 0, 0], [1.5, 1.25, 1.75]), [1, 3], 4) == (2, 4)


def test_silence_goes_to_the_highest_potential_at_the_end_after_all_steps() -> None:
    assert decision(one_image([0.9, 0, 0], [0, 0.5, 0.25]), [1, 3], 5) == (1, 5)


def test_a_spike_beats_a_higher_potential_that_did_not_fire() -> None:
    V = one_image([1.5, 2.0])
    S = torch.tensor([[[True, False]]])
    assert int(decode(V, S, [0], 1).label) == 0


def test_equal_potentials_go_to_the_lower_class() -> None:
    assert decision(one_image([0.5, 0.5]), [0], 1) == (0, 1)


def test_pixels_that_are_not_bytes_are_refused() -> None:
    """Numbers from 0 to 1, as torchvision's ToTensor gives them, would all spike on the last step.

    In a process of its own, since the types that are checked in tests are not checked elsewhere.
    """
    script = (
        "import torch\nfrom tqttfs_lite import TqttfsError, encode\n"
        "for pixels in (torch.rand(2, 3), torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3).bool()):\n"
        "    try:\n        encode(pixels, 8)\n    except TqttfsError as error:\n        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.count("pixels must be integers from 0 to 255 of type torch.uint8") == 3

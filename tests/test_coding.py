import subprocess
import sys
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tqttfs_lite.errors import InputError
from tqttfs_lite.spiking.coding import NO_ANSWER, decode, decode_weighted, encode


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


def spikes(times: list[int], steps: list[int]) -> torch.Tensor:
    """[K, 1, N]: each output fires at one of the steps, or at none."""
    return torch.tensor(times) == torch.tensor(steps)[:, None, None]


@pytest.mark.parametrize(
    ("times", "label", "step"),
    [([3, 1, 5], 1, 2), ([9, 3, 9], 1, 4), ([5, 3, 3], 1, 4), ([9, 9, 9], NO_ANSWER, 8)],
    ids=["all fire", "one fires", "two fire first", "silence"],
)
def test_the_weightiest_spikes_win(times: list[int], label: int, step: int) -> None:
    found = decode_weighted(spikes(times, [1, 3, 5]), [1, 3, 5], 8, [0.9, 0.8, 0.1])
    assert (int(found.label), int(found.step)) == (label, step)


@given(st.data())
def test_weighted_spikes_say_the_same_on_the_same_step_as_the_first_one(data: st.DataObject) -> None:
    """Whatever the weights: an output fires once, so nothing later weighs as much.

    Where one output fires before all others; the slides' decoder settles the other images by potentials.
    """
    K, N = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    steps = sorted(data.draw(st.sets(st.integers(0, 9), min_size=K, max_size=K)))
    fallen = data.draw(st.lists(st.floats(0.01, 10), min_size=K, max_size=K))
    weights = [sum(fallen[k:]) for k in range(K)]
    times = data.draw(st.lists(st.sampled_from([*steps, 10]), min_size=N, max_size=N))
    S = spikes(times, steps)
    weighted, slides = decode_weighted(S, steps, 10, weights), decode(torch.zeros(S.shape), S, steps, 10)
    assert torch.equal(weighted.step, slides.step)
    up_to_it = S & (torch.tensor(steps) < slides.step)[:, None, None]  # what was seen when inference stopped
    assert torch.equal(decode_weighted(up_to_it, steps, 10, weights).label, weighted.label)
    if min(times) < 10 and times.count(min(times)) == 1:
        assert torch.equal(weighted.label, slides.label)


@pytest.mark.parametrize("weights", [(1.0, 0.5), (1.0, 1.0, 0.5), (1.0, 0.5, 0.0), (0.2, 0.5, 0.7)])
def test_weights_that_do_not_fall_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="the 3 weights of spikes must be positive and fall with time, not"):
        decode_weighted(spikes([1, 3], [1, 3, 5]), [1, 3, 5], 8, weights)


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

"""Constants of the energy models in a file of one's own."""

from pathlib import Path

import pytest

from tqttfs_lite.energy.costs import BY_CAPACITY, Costs
from tqttfs_lite.experiments import cost_file


def test_what_a_file_leaves_out_is_the_books(tmp_path: Path) -> None:
    file = tmp_path / "model.yml"
    file.write_text("{}")
    assert cost_file.read(file) == BY_CAPACITY
    file.write_text("sram: [[8192, 5], [1048576, 50.5]]\naccess_bits: 32\nbeyond: dram\nweight_bytes: [1e5, 2.5e6]\n")
    with pytest.raises(ValueError, match=r"weight_bytes\.0 must be a valid number, not '1e5'"):
        cost_file.read(file)
    file.write_text(file.read_text().replace("1e5", "1.0e+5").replace("2.5e6", "2500000"))
    assert cost_file.read(file) == Costs(
        sram=((8192, 5), (1048576, 50.5)), access_bits=32, beyond="dram", weight_bytes=(1e5, 2.5e6)
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("addition_pj: -1", "addition_pj must be greater than or equal to 0, not -1"),
        ("addition_pj: .nan", "addition_pj must be"),
        ("sram: []", "sram must have at least 1 item"),
        ("sram: [[8192, 20], [4096, 10]]", "the points of sram must increase"),
        ("beyond: nowhere", "beyond must be 'capped', 'extrapolated' or 'dram', not 'nowhere'"),
        ("pj: 1", "unknown key pj: allowed are addition_pj, multiplication_pj"),
        ("- 1", "must be an object, not"),
        ("a: b: c", "is not valid YAML"),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "model.yml"
    file.write_text(content)
    with pytest.raises(ValueError) as found:
        cost_file.read(file)
    assert said in str(found.value)
    assert str(file) in str(found.value)
    assert "\n" not in str(found.value)

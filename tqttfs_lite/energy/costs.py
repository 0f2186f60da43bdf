"""The energy of an operation and of a memory access: all constants in one table, each with its source.

They are for 45 nm CMOS at 0.9 V and 32-bit words.  They are published estimates for circuits, not measurements of a
chip that runs these networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Annotated, Literal, get_type_hints

from pydantic import ConfigDict, Field

from tqttfs_lite.errors import InputError

Price = Annotated[float, Field(ge=0, le=1e9)]
Bytes = Annotated[float, Field(ge=0, le=1e15)]
Bits = Annotated[int, Field(ge=1, le=1024)]


@dataclass(frozen=True)
class Costs:
    """The constants of the energy models; the defaults are the book's.

    Raises `InputError` if the points of `sram` do not increase.
    """

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    addition_pj: Annotated[
        Price, Field(description="E_AC, adding two 32-bit floating-point numbers (Horowitz 2014; the slides)")
    ] = 0.9
    multiplication_pj: Annotated[
        Price, Field(description="multiplying two 32-bit floating-point numbers (Horowitz 2014)")
    ] = 3.7
    address_addition_pj: Annotated[
        Price, Field(description="adding two 32-bit integers, for an address (Horowitz 2014)")
    ] = 0.1
    address_multiplication_pj: Annotated[
        Price, Field(description="multiplying two 32-bit integers, for an address (Horowitz 2014)")
    ] = 3.1
    sram: Annotated[
        tuple[tuple[Bytes, Price], ...],
        Field(
            min_length=1,
            description="bytes of an SRAM and pJ of one access to it, linear between the points (three from"
            " Horowitz 2014; the line from zero after Lemaire et al. 2022)",
        ),
    ] = ((0, 0.0), (8 * 1024, 10.0), (32 * 1024, 20.0), (1024 * 1024, 100.0))
    access_bits: Annotated[Bits, Field(description="bits per such access (Horowitz 2014)")] = 64
    beyond: Annotated[
        Literal["capped", "extrapolated", "dram"],
        Field(
            description="price of an access above the last point: that point's, the last line extended, or `dram_pj`"
            " (chosen here: the cheapest)"
        ),
    ] = "capped"
    dram_pj: Annotated[Price, Field(description="one access to a DRAM, from 1300 to 2600 (Horowitz 2014)")] = 1300.0
    weight_bits: Annotated[Bits, Field(description="bits of a weight in memory (Lemaire et al. 2022)")] = 32
    potential_bits: Annotated[Bits, Field(description="bits of a membrane potential (Lemaire et al. 2022)")] = 32
    spike_bits: Annotated[
        Bits, Field(description="bits of a spike in a queue, i.e. its address (Lemaire et al. 2022)")
    ] = 32
    queue_spikes: Annotated[
        int,
        Field(ge=1, le=10**9, description="capacity in spikes of the queue before each layer (Lemaire et al. 2022)"),
    ] = 1000
    weight_bytes: Annotated[
        tuple[Bytes, ...] | None,
        Field(description="the memory of each layer's weights (default: their size)"),
    ] = None
    potential_bytes: Annotated[
        tuple[Bytes, ...] | None,
        Field(description="the memory of each layer's membrane potentials (default: their size)"),
    ] = None

    def __post_init__(self) -> None:
        if any(low[0] >= high[0] or low[1] > high[1] for low, high in pairwise(self.sram)):
            raise InputError("the points of sram must increase, in bytes and in pJ, such as [[8192, 10], [32768, 20]]")

    def access_pj(self, capacity: float, bits: int) -> float:
        """The energy in pJ of reading or writing `bits` bits in a memory of `capacity` bytes.

        >>> Costs().access_pj(8 * 1024, bits=32), Costs().access_pj(20 * 1024, bits=64)
        (5.0, 15.0)
        """
        return self._access_pj(capacity) * bits / self.access_bits

    def _access_pj(self, capacity: float) -> float:
        (first, price), (last, highest) = self.sram[0], self.sram[-1]
        if capacity <= first:
            return price
        if capacity > last and self.beyond == "dram":
            return self.dram_pj
        if len(self.sram) == 1 or (capacity > last and self.beyond == "capped"):
            return highest
        (x0, y0), (x1, y1) = next((ends for ends in pairwise(self.sram) if capacity <= ends[1][0]), self.sram[-2:])
        return y0 + (y1 - y0) * (capacity - x0) / (x1 - x0)

    def weight_capacities(self, weights: Sequence[int]) -> list[float]:
        """The capacity in bytes of the memory for each layer's weights, from the number of weights per layer.

        Raises `InputError` if `weight_bytes` is given for a different number of layers.
        """
        return _capacities("weight_bytes", self.weight_bytes, weights, self.weight_bits)

    def potential_capacities(self, neurons: Sequence[int]) -> list[float]:
        """The same for each layer's membrane potentials, from the number of neurons per layer."""
        return _capacities("potential_bytes", self.potential_bytes, neurons, self.potential_bits)

    @property
    def queue_capacity(self) -> float:
        """The capacity in bytes of the queue before each layer."""
        return self.queue_spikes * self.spike_bits / 8


def _capacities(name: str, given: Sequence[float] | None, words: Sequence[int], bits: int) -> list[float]:
    if given is None:
        return [count * bits / 8 for count in words]
    if len(given) != len(words):
        raise InputError(f"{name} must have {len(words)} sizes, one for each layer, not {len(given)}")
    return list(given)


BY_CAPACITY = Costs()
INTEGERS = "integers, 8-bit weights"
FLAT = "a flat 5 pJ, no addresses"
# Other prices for the same counts, named after how they differ from the book's.
VARIANTS: dict[str, Costs] = {
    "by capacity, capped at 1 MB": BY_CAPACITY,
    "extrapolated beyond 1 MB": replace(BY_CAPACITY, beyond="extrapolated"),
    "DRAM beyond 1 MB": replace(BY_CAPACITY, beyond="dram"),
    "16-bit words": replace(BY_CAPACITY, weight_bits=16, potential_bits=16, spike_bits=16),
    INTEGERS: replace(BY_CAPACITY, addition_pj=0.1, multiplication_pj=0.2, weight_bits=8),
    "price per 32 bits": replace(BY_CAPACITY, access_bits=32),
    "queues for 12,544 spikes": replace(BY_CAPACITY, queue_spikes=12544),
    "no addresses": replace(BY_CAPACITY, address_addition_pj=0.0, address_multiplication_pj=0.0),
    FLAT: replace(BY_CAPACITY, sram=((0, 10.0),), address_addition_pj=0.0, address_multiplication_pj=0.0),
}


def constants(costs: Costs = BY_CAPACITY) -> list[tuple[str, object, str]]:
    """Every constant with its name, its value, and a description that includes its source."""
    hints = get_type_hints(Costs, include_extras=True)
    notes = {field.name: hints[field.name].__metadata__[-1].description for field in fields(costs)}
    return [(name, getattr(costs, name), note) for name, note in notes.items()]

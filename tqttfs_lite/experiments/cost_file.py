"""Constants of the energy models in a YAML file of one's own, for `tqttfs energy --model`.

    addition_pj: 0.1                    # what is left out is the book's
    weight_bits: 8
    beyond: dram
    weight_bytes: [65536, 1048576]      # the memories of a chip, one for each layer

The keys are the fields of `energy.costs.Costs`.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tqttfs_lite.energy.costs import Costs
from tqttfs_lite.errors import InputError
from tqttfs_lite.experiments import yaml_files
from tqttfs_lite.experiments.checks import sentence


def read(path: str | Path) -> Costs:
    """The constants of a file, and the book's where it leaves them out.

    Raises `InputError` for a file that is missing or no YAML, and for a key or a value that is not allowed.
    """
    content = yaml_files.read(path)
    try:
        return TypeAdapter(Costs).validate_json(json.dumps(content, default=str))
    except ValidationError as found:
        raise InputError(f"{path}: {sentence(found, Costs.__dataclass_fields__)}") from None

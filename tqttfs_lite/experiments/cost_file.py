"""The constants of the energy models from a user's YAML file, for `tqttfs energy --model`.

    addition_pj: 0.1                    # whatever is omitted has the book's value
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
    """The constants in a file; those that it omits have the book's values.

    Raises `InputError` if the file is missing or not valid YAML, or if a key or value is not allowed.
    """
    content = yaml_files.read(path)
    try:
        return TypeAdapter(Costs).validate_json(json.dumps(content, default=str))
    except ValidationError as found:
        raise InputError(f"{path}: {sentence(found, Costs.__dataclass_fields__)}") from None

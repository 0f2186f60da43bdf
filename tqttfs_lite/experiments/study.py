"""Studies: a YAML file lists networks and seeds, and is read into the corresponding configurations.

    - dataset: mnist
      time_steps: 8
      architectures: [784-400-10]
      degrees: [1-1, 1-2]           # q of each spiking layer; if omitted, the degrees in the architectures
      seeds: [0, 1, 2]
      settings: {epochs: 5}         # changes to the recipe, if any

A file is a list of such parts, and each part means every combination of its architectures, degrees and seeds.
`data/study.yml` is the released study; the Snakefile trains all networks of a study.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from tqttfs_lite.errors import StudyError, shown
from tqttfs_lite.experiments import paths, yaml_files
from tqttfs_lite.experiments.checks import STRICT, sentence
from tqttfs_lite.experiments.config import DatasetName, Seed, TimeSteps, TrainingConfig, recipe
from tqttfs_lite.spiking.notation import Architecture

OUTSIDE = {"architecture", "dataset", "time_steps", "seed"}  # not among a part's settings: it has other keys for them
if TYPE_CHECKING:
    Settings = dict[str, Any]
else:
    _hints = get_type_hints(TrainingConfig, include_extras=True)
    Settings = TypedDict("Settings", {name: _hints[name] for name in _hints if name not in OUTSIDE}, total=False)
    with_config(STRICT)(Settings)


class Part(BaseModel):
    """Networks of one data set and number of time steps, each trained with every seed."""

    model_config = STRICT

    dataset: DatasetName
    time_steps: TimeSteps
    architectures: Annotated[list[str], Field(min_length=1, description="networks such as [784-400-10]")]
    degrees: Annotated[list[str], Field(min_length=1, description="q of each spiking layer, such as [1-1, 1-2]")] = []
    seeds: Annotated[list[Seed], Field(min_length=1)]
    settings: Annotated[Settings, Field(description="what differs from the recipe")] = {}


def released_file() -> Path:
    """The study behind the released results; always the one in the repository, like the paper's tables."""
    return paths.REPOSITORY / "data" / "study.yml"


def read(path: str | Path) -> list[TrainingConfig]:
    """The configurations of a study file, in its order.

    Raises `StudyError` if the file is missing or not valid YAML, and the errors of `configurations` with the file's
    name.
    """
    parts = yaml_files.read(path, StudyError)
    try:
        return configurations(parts)
    except StudyError as error:
        raise StudyError(f"{path}, {error}") from None


def schema() -> str:
    """The format as a JSON schema, with which editors complete and check a study.

    The committed file is made by `python -c "from tqttfs_lite.experiments import study; print(study.schema(), end='')"
    > data/study.schema.json`.
    """
    return json.dumps(TypeAdapter(list[Part]).json_schema(), indent=1, ensure_ascii=False) + "\n"


def configurations(parts: Any) -> list[TrainingConfig]:
    """The configurations for the content of a study file: the recipe of each network, changed by the settings.

    Raises `StudyError` if a key is unknown, missing or of the wrong type, if `recipe` refuses a value, or if a
    configuration is listed twice.

    >>> part = {"dataset": "mnist", "time_steps": 8, "architectures": ["784-400-10"], "degrees": ["1-2"], "seeds": [3]}
    >>> [config.architecture for config in configurations([part])]
    ['784-400(1)-10(2)']
    >>> configurations([{**part, "seeds": 3}])
    Traceback (most recent call last):
    tqttfs_lite.errors.StudyError: part 1: seeds must be a valid list, not 3
    """
    if not isinstance(parts, list) or not parts:
        raise StudyError(f"part 1: a study is a list of parts, each with the keys {', '.join(Part.model_fields)}")
    found: dict[TrainingConfig, int] = {}
    for number, part in enumerate(parts, 1):
        try:
            for config in _combinations(part):
                if config in found:
                    network = f"{config.architecture} with seed {config.seed}"
                    raise StudyError(f"{network} is listed twice, first in part {found[config]}")
                found[config] = number
        except ValueError as error:  # raised here, by the configuration or by the notation
            raise StudyError(f"part {number}: {error}") from None
    return list(found)


def _combinations(content: Any) -> list[TrainingConfig]:
    try:
        part = Part.model_validate(content)
    except ValidationError as found:
        names = Settings.__annotations__ if "settings" in found.errors()[0]["loc"][:-1] else Part.model_fields
        raise StudyError(sentence(found, names)) from None
    networks: Sequence[str] = part.architectures
    if part.degrees:
        if named := [text for text in part.architectures if "(" in text]:
            raise StudyError(
                f"{shown(named[0])} has degrees in parentheses, and `degrees` gives them, too: remove one of the two"
            )
        combined = product(part.architectures, part.degrees)
        networks = [str(Architecture.parse(network).with_quantization(degrees)) for network, degrees in combined]
    return [
        recipe(network, part.dataset, part.time_steps, **part.settings, seed=seed)
        for network, seed in product(networks, part.seeds)
    ]

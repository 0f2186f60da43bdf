"""A study: a YAML file of networks and seeds, read into the configurations that it asks for.

    - dataset: mnist
      time_steps: 8
      architectures: [784-400-10]
      degrees: [1-1, 1-2]           # q of each spiking layer; left out, what the architectures say in brackets
      seeds: [0, 1, 2]
      settings: {epochs: 5}         # what differs from the recipe; left out, nothing

A file is a list of such parts; a part asks for every combination of its architectures, degrees and seeds.
`data/study.yml` is the published study, and the Snakefile trains whatever a study asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from tqttfs_lite.errors import StudyError
from tqttfs_lite.experiments import paths
from tqttfs_lite.experiments.config import TrainingConfig, recipe
from tqttfs_lite.spiking.notation import Architecture

REQUIRED = ("dataset", "time_steps", "architectures", "seeds")
OPTIONAL = ("degrees", "settings")


def published_file() -> Path:
    """The study behind the published results; always the repository's own, like the paper's tables."""
    return paths.REPOSITORY / "data" / "study.yml"


def read(path: str | Path) -> list[TrainingConfig]:
    """The configurations that a file asks for, in its order.

    Raises `StudyError` for a file that is missing or no YAML, and what `configurations` raises, with the file's name.
    """
    try:
        parts = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:  # the latter for bytes that are no text, or a date such as 2024-13-1
        raise StudyError(f"{path} is not valid YAML: {error}") from None
    try:
        return configurations(parts)
    except StudyError as error:
        raise StudyError(f"{path}, {error}") from None


class _Loader(yaml.SafeLoader):
    """YAML in which a key may not stand twice: PyYAML takes the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, (at, _) in zip(keys, node.value, strict=True):
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", at.start_mark)
        return super().construct_mapping(node, deep)


def configurations(parts: Any) -> list[TrainingConfig]:
    """The configurations that the content of a study file asks for: the recipe of each network, with the settings.

    Raises `StudyError`: for a key that is unknown, missing or of the wrong kind, for a value that `recipe` refuses, and
    for a configuration that the study asks for twice.

    >>> part = {"dataset": "mnist", "time_steps": 8, "architectures": ["784-400-10"], "degrees": ["1-2"], "seeds": [3]}
    >>> [config.architecture for config in configurations([part])]
    ['784-400(1)-10(2)']
    >>> configurations([{**part, "seeds": 3}])
    Traceback (most recent call last):
    tqttfs_lite.errors.StudyError: part 1: seeds must be a list of whole numbers such as [0, 1, 2], not 3
    """
    if not isinstance(parts, list) or not parts:
        raise StudyError("part 1: a study is a list of parts, each with the keys " + ", ".join((*REQUIRED, *OPTIONAL)))
    found: dict[TrainingConfig, int] = {}
    for number, part in enumerate(parts, 1):
        try:
            for config in _combinations(part):
                if config in found:
                    network = f"{config.architecture} with seed {config.seed}"
                    raise StudyError(f"{network} is asked for a second time, first in part {found[config]}")
                found[config] = number
        except ValueError as error:  # of ours, of the configuration, or of the notation
            raise StudyError(f"part {number}: {error}") from None
    return list(found)


def _combinations(part: Any) -> list[TrainingConfig]:
    if not isinstance(part, dict):
        raise StudyError(f"it must have the keys {', '.join((*REQUIRED, *OPTIONAL))}, and is {part!r}")
    if unknown := [str(key) for key in part if key not in (*REQUIRED, *OPTIONAL)]:
        raise StudyError(f"unknown key {', '.join(unknown)}: allowed are {', '.join((*REQUIRED, *OPTIONAL))}")
    if missing := [key for key in REQUIRED if key not in part]:
        raise StudyError(f"missing key {', '.join(missing)}")
    if type(part["dataset"]) is not str:
        raise StudyError(f"dataset must be a name such as mnist, not {part['dataset']!r}")
    if type(part["time_steps"]) is not int:
        raise StudyError(f"time_steps must be a whole number, not {part['time_steps']!r}")
    architectures = _list_of(str, "architectures", part, "architectures such as [784-400-10]")
    seeds = _list_of(int, "seeds", part, "whole numbers such as [0, 1, 2]")
    networks: Sequence[str] = architectures
    if "degrees" in part:
        degrees = _list_of(str, "degrees", part, "texts such as [1-1, 1-2], a degree for each spiking layer")
        if named := [text for text in architectures if "(" in text]:
            raise StudyError(f"{named[0]} has degrees in brackets, and `degrees` says them too: leave one of them out")
        networks = [str(Architecture.parse(a).with_quantization(q)) for a, q in product(architectures, degrees)]
    settings = part.get("settings", {})
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise StudyError(f"settings must be names and values such as {{epochs: 5}}, not {settings!r}")
    if own := [key for key in ("dataset", "architecture", "time_steps", "seed") if key in settings]:
        raise StudyError(f"settings must not name {', '.join(own)}, which is said outside of them")
    return [
        recipe(network, part["dataset"], part["time_steps"], **settings, seed=seed)
        for network, seed in product(networks, seeds)
    ]


def _list_of(kind: type, key: str, part: dict[str, Any], allowed: str) -> list[Any]:
    values = part[key]
    if not isinstance(values, list) or not values or not all(type(value) is kind for value in values):
        raise StudyError(f"{key} must be a list of {allowed}, not {values!r}")
    return values

"""Strict checks of settings and files, with the errors that pydantic finds reported in one sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from tqttfs_lite.errors import CheckpointError, ResultError, shortened, shown

# Types as declared, except that an integer may stand for a real number; no unknown keys, no NaN, no infinities.
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Model = TypeVar("Model", bound=BaseModel)


@contextmanager
def reading_counts(path: Path, command: str) -> Iterator[None]:
    """Raise `ResultError` if a file of counts is damaged, or if it is missing, with the command that makes it."""
    try:
        yield
    except FileNotFoundError:
        raise ResultError(f"{path.name} is missing from {path.parent.name}/: `{command}` makes it") from None
    except (OSError, ValueError, CheckpointError) as damage:
        raise ResultError(f"{path.parent.name}/{path.name} is not a readable file of counts: {damage}") from None


def _number(value: object) -> object:
    """The number for a text such as 1e-3, which YAML does not read as a number."""
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


Real = Annotated[float, BeforeValidator(_number)]


def sentence(found: ValidationError, allowed: Iterable[str] = ()) -> str:
    """The first error, with its place and value; `allowed` are the names to list if an unknown one was given."""
    errors = found.errors(include_url=False)
    first = errors[0]
    if isinstance(cause := first.get("ctx", {}).get("error"), Exception):
        return str(cause)
    same = ", ".join(_place(error["loc"]) for error in errors if error["type"] == first["type"])
    if first["type"] == "json_invalid":
        return first["msg"]
    if first["type"] == "invalid_key":
        return f"the key {_place(first['loc'])} must be a text"
    if first["type"] == "missing":
        return f"missing key {shortened(same)}"
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown key {shortened(same)}" + (f": allowed are {', '.join(allowed)}" if allowed else "")
    wanted = first["msg"].removesuffix(f" or instance of {first.get('ctx', {}).get('class_name')}")
    wanted = re.sub(r"^\w+ should |after validation, not \d+$", "", wanted).strip()
    return f"{_place(first['loc']) or 'it'} must {wanted}, not {shown(first['input'])}"


def parse(content: bytes, kind: type[Model]) -> Model:
    """Read JSON, in which no key may appear twice, into a model; raises `ValueError` with one sentence."""
    try:
        found = kind.model_validate_json(content)
    except ValidationError as damage:
        raise ValueError(sentence(damage)) from None
    json.loads(content, object_pairs_hook=_once)  # if a key appears twice, pydantic silently takes the last one
    return found


def _once(pairs: list[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise ValueError(f"the key {shown(twice)} appears twice")


def _place(keys: tuple[int | str, ...]) -> str:
    return ".".join(map(str, keys))

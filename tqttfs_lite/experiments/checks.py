"""How settings and files are checked: strictly, and what pydantic finds wrong is said in one sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from tqttfs_lite.errors import ResultError, shortened, shown

# Types as declared, except that a whole number is also a real one; no unknown keys, no NaN, no infinities.
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Model = TypeVar("Model", bound=BaseModel)


@contextmanager
def reading_counts(path: Path, command: str) -> Iterator[None]:
    """Raise `ResultError` for a file of counts that is missing, with the command that makes it, or that is damaged."""
    try:
        yield
    except FileNotFoundError:
        raise ResultError(f"{path.name} is missing from {path.parent.name}/: `{command}` makes it") from None
    except (OSError, ValueError) as damage:
        raise ResultError(f"{path.parent.name}/{path.name} is not a readable file of counts: {damage}") from None


def _number(value: object) -> object:
    """The number of a text such as YAML makes of 1e-3."""
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


Real = Annotated[float, BeforeValidator(_number)]


def sentence(found: ValidationError, allowed: Iterable[str] = ()) -> str:
    """What is wrong first, with its place and the value; `allowed` are the names where an unknown one was given."""
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
    """JSON in which no key appears twice, as a model; raises `ValueError` with one sentence."""
    try:
        found = kind.model_validate_json(content)
    except ValidationError as damage:
        raise ValueError(sentence(damage)) from None
    json.loads(content, object_pairs_hook=_once)  # of two equal keys pydantic takes the last one without a word
    return found


def _once(pairs: list[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise ValueError(f"the key {shown(twice)} appears twice")


def _place(keys: tuple[int | str, ...]) -> str:
    return ".".join(map(str, keys))

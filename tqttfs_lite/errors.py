"""The errors that users meet; each message is one sentence that says what is wrong and what is allowed."""

import reprlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral

LONGEST_ECHO = 80  # characters of a value in a message, whatever the file has that it comes from
_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring, _repr.maxlong, _repr.maxother = 3, LONGEST_ECHO, LONGEST_ECHO, LONGEST_ECHO


def is_whole(number: object) -> bool:
    """Whether a value is a whole number, NumPy's among them.

    >>> is_whole(2), is_whole(2.0), is_whole(True), is_whole("2")
    (True, False, False, False)
    """
    return isinstance(number, Integral) and not isinstance(number, bool)


def shown(value: object) -> str:
    """A value as messages repeat it.

    >>> shown("1-2"), len(shown("1" * 1_000_000))
    ("'1-2'", 80)
    """
    try:
        return shortened(_repr.repr(value))
    except ValueError:  # Python writes no decimal number of more than 4300 digits
        return "a number of thousands of digits"


def shortened(text: str) -> str:
    """The start of a text, all of it up to 80 characters."""
    return text if len(text) <= LONGEST_ECHO else f"{text[: LONGEST_ECHO - 3]}..."


class TqttfsError(Exception):
    """The base of all of them: catching it catches every mistake of a user, and no defect of the library."""


class InputError(TqttfsError, ValueError):
    """A value that is not allowed."""


class NotationError(InputError):
    """A text that is not an architecture: `position` is the offending character, `allowed` says what may be there."""

    def __init__(self, text: str, position: int, allowed: str) -> None:
        self.text, self.position, self.allowed = text, position, allowed
        found = repr(text[position]) if position < len(text) else "the end"
        start = max(0, position - LONGEST_ECHO // 2) if len(text) > LONGEST_ECHO else 0
        nearby = text[start : start + LONGEST_ECHO]
        super().__init__(f"expected {allowed}, found {found}\n    {nearby}\n    {' ' * (position - start)}^")


class ConfigError(InputError):
    """A configuration that cannot be trained; the message names the setting."""


class StudyError(InputError):
    """A study that cannot be run; the message names the part and the key."""


class DatasetError(TqttfsError, RuntimeError):
    """A data set is missing, corrupted or cannot be fetched."""


class CheckpointError(TqttfsError, RuntimeError):
    """A checkpoint that is missing, damaged, or not of the network it is read for."""


class ResultError(TqttfsError, RuntimeError):
    """A result file that is missing, damaged, or that contradicts its configuration."""


class DivergenceError(TqttfsError, FloatingPointError):
    """A training whose loss is no longer a number."""


@contextmanager
def one_sentence(command: str) -> Iterator[None]:
    """What a program does: an error that a user can cause and fix ends it with its message and exit status 1."""
    try:
        yield
    except (TqttfsError, OSError) as error:
        sys.exit(f"{command}: {error}")

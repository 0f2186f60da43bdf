"""The errors that a user can cause; each message says in one sentence what is wrong and what is allowed."""

import reprlib
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral

LONGEST_ECHO = 80  # characters of a value that a message repeats, however long the value is
_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring, _repr.maxlong, _repr.maxother = 3, LONGEST_ECHO, LONGEST_ECHO, LONGEST_ECHO


def is_whole(number: object) -> bool:
    """Whether a value is an integer, including NumPy's integers.

    >>> is_whole(2), is_whole(2.0), is_whole(True), is_whole("2")
    (True, False, False, False)
    """
    return isinstance(number, Integral) and not isinstance(number, bool)


def at_least(least: int) -> Callable[[str], int]:
    """A type for `argparse`: an integer that is not smaller, or an error that says so.

    >>> at_least(1)("8")
    8
    """

    def checked(text: str) -> int:
        if not (text.isdecimal() and int(text) >= least):
            raise ArgumentTypeError(f"{text!r} is not an integer of at least {least}")
        return int(text)

    return checked


def shown(value: object) -> str:
    """A value as it is repeated in a message.

    >>> shown("1-2"), len(shown("1" * 1_000_000))
    ("'1-2'", 80)
    """
    try:
        return shortened(_repr.repr(value))
    except ValueError:  # Python does not convert integers of more than 4300 digits to text
        return "a number of thousands of digits"


def shortened(text: str) -> str:
    """A text, cut off after 80 characters."""
    return text if len(text) <= LONGEST_ECHO else f"{text[: LONGEST_ECHO - 3]}..."


class TqttfsError(Exception):
    """The base class of every error that a user can cause; catching it does not hide defects of the library.

    Its subclasses are in `tqttfs_lite.errors`.  The one for values that are not allowed, `InputError`, is also a
    `ValueError`.
    """


class InputError(TqttfsError, ValueError):
    """A value that is not allowed."""


class NotationError(InputError):
    """A text that is not valid notation: `position` is the index of the error, `allowed` says what may be there."""

    def __init__(self, text: str, position: int, allowed: str) -> None:
        self.text, self.position, self.allowed = text, position, allowed
        found = repr(text[position]) if position < len(text) else "the end"
        start = max(0, position - LONGEST_ECHO // 2) if len(text) > LONGEST_ECHO else 0
        nearby = text[start : start + LONGEST_ECHO]
        super().__init__(f"expected {allowed}, found {found}\n    {nearby}\n    {' ' * (position - start)}^")


class ConfigError(InputError):
    """A configuration that cannot be used for training; the message names the setting."""


class StudyError(InputError):
    """A study that cannot be run; the message names the part and the key."""


class DatasetError(TqttfsError, RuntimeError):
    """A data set that is missing, damaged or cannot be downloaded."""


class CheckpointError(TqttfsError, RuntimeError):
    """A checkpoint that is missing, damaged or belongs to another network."""


class ResultError(TqttfsError, RuntimeError):
    """A result file that is missing, damaged or contradicts its configuration."""


class DivergenceError(TqttfsError, FloatingPointError):
    """A training run whose loss is no longer finite."""


@contextmanager
def one_sentence(command: str) -> Iterator[None]:
    """Run a program; an error that a user can cause ends it with the error's message and exit status 1."""
    try:
        yield
    except (TqttfsError, OSError) as error:
        sys.exit(f"{command}: {error}")

"""The errors that users meet; each message is one sentence that says what is wrong and what is allowed."""


class TqttfsError(Exception):
    """The base of all of them: whoever catches it has caught every mistake of a user, and no defect of ours."""


class InputError(TqttfsError, ValueError):
    """A value that is not allowed."""


class NotationError(InputError):
    """A text that is not an architecture: `position` is the offending character, `allowed` what may stand there."""

    def __init__(self, text: str, position: int, allowed: str) -> None:
        self.text, self.position, self.allowed = text, position, allowed
        found = repr(text[position]) if position < len(text) else "the end"
        super().__init__(f"expected {allowed}, found {found}\n    {text}\n    {' ' * position}^")


class ConfigError(InputError):
    """A configuration that cannot be trained; the message names the setting."""


class StudyError(InputError):
    """A study that cannot be run; the message names the part and the key."""


class DatasetError(TqttfsError, RuntimeError):
    """A data set is missing, corrupted or cannot be fetched."""


class CheckpointError(TqttfsError, RuntimeError):
    """A checkpoint that is missing, damaged, or not of the network it is read for."""


class ResultError(TqttfsError, RuntimeError):
    """A result file that is missing, damaged, or says something else than its configuration."""


class DivergenceError(TqttfsError, FloatingPointError):
    """A training whose loss is no longer a number."""

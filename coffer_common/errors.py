"""The errors that the three programs share. They grow on the tree of `coffer_protocol.errors`.

    CofferError
    ├── ConfigurationError
    │   ├── AmbiguousError
    │   ├── UsageError
    │   └── TextFileError
    │       └── MissingFileError
    └── OutputError
        └── ReaderGoneError

Errors of keys are `coffer_protocol.errors.KeyTextError` here too.
"""

from __future__ import annotations

from coffer_protocol.errors import CofferError
from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

_MATCHES_SHOWN: Final = 8


class ConfigurationError(CofferError):
    """A setting from the command line, the environment or a file is missing or cannot be used."""


class UsageError(ConfigurationError):
    """A command line, or the value of an option or a setting, is not one that the program knows."""


class AmbiguousError(ConfigurationError):
    """A person named more than one thing.

    Args:
        text: what was typed.
        matches: what it may mean, for people.
    """

    def __init__(self, text: str, matches: Sequence[str]) -> None:
        # Unpickling calls the class with exactly these arguments.
        super().__init__(text, matches)
        self.text = text
        self.matches = tuple(matches)

    def __str__(self) -> str:
        more = len(self.matches) - _MATCHES_SHOWN
        shown = ", ".join(self.matches[:_MATCHES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return f"{self.text!r} fits more than one: {shown}: type more of the one that is meant"


class TextFileError(ConfigurationError):
    """A text file cannot be used.

    Args:
        path: the file's name, for people.
        reason: what is wrong with it.
        remedy: what to do.
        line, column: the first byte that is wrong, each counted from 1; None if the whole file is wrong.
    """

    def __init__(self, path: str, reason: str, remedy: str, line: int | None = None, column: int | None = None) -> None:
        # Unpickling calls the class with exactly these arguments.
        super().__init__(path, reason, remedy, line, column)
        self.path = path
        self.reason = reason
        self.remedy = remedy
        self.line = line
        self.column = column

    def __str__(self) -> str:
        line = "" if self.line is None else f", line {self.line}"
        column = "" if self.column is None else f", column {self.column}"
        return f"{self.path}{line}{column}: {self.reason}: {self.remedy}"


class MissingFileError(TextFileError):
    """A text file does not exist."""


class OutputError(CofferError):
    """A result cannot be written."""


class ReaderGoneError(OutputError):
    """The reader of stdout has gone, as `head` does when it has read enough. The program ends without a message."""

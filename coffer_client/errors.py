"""What can go wrong on the client's side, and the one table of exit codes.

Errors of keys, sessions and releases are `coffer_protocol.errors`; these are the client's own, of the same tree.
"""

from __future__ import annotations

from coffer_protocol.errors import (
    CofferError,
    KeyNotFoundError,
    KeyTextError,
    ProtocolError,
    ReleaseError,
    ServerError,
    ShardError,
    UnreachableError,
)
from coffer_protocol.lean import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final


class ConfigurationError(CofferError):
    """What this client was told, by its caller or its environment, is missing or cannot be used."""


class UsageError(ConfigurationError):
    """A command line is not one that the program knows."""


class NamingError(ConfigurationError):
    """Secrets cannot stand where they were asked for: by their names, or by what is in them. The text names every one, and no value."""


class EnvironmentNameError(NamingError):
    """The same, of an environment, or of a format that is read into one."""


class TemplateError(ConfigurationError):
    """A template cannot be read, or cannot be rendered. The text names template and line, and no value."""


class BusyServerError(ServerError):
    """The server is there, and cannot serve now: it is at a limit, or has failed. Another of its hosts may do."""


class RefusedClientError(ServerError):
    """The server knows this client and refuses it: dropped while it asked, or known under its other key.

    Args:
        code, sentence: as the server gave them.
        advice: what to do, for people.
    """

    def __init__(self, code: str, sentence: str, advice: str) -> None:
        super().__init__(code, sentence)
        self.args = (code, sentence, advice)
        self.advice = advice

    def __str__(self) -> str:
        return f"{super().__str__()}. {self.advice}"


class NoSuchKeyError(CofferError, KeyError):
    """The coffer holds no secret under a key that was asked for. It is a KeyError, as mappings raise."""

    # KeyError would show the repr of the sentence.
    __str__ = CofferError.__str__


class WrongTypeError(CofferError, TypeError):
    """A secret is of another type than the one that was asked for. The text names both, and not the value."""


class OutputError(CofferError):
    """What was asked for cannot be written."""


class ReaderGoneError(OutputError):
    """Nobody reads stdout any more, as where `head` has seen enough. That is told to nobody."""


class CommandFailedError(CofferError):
    """A command that was to be run where something had changed has failed."""


class StateError(CofferError):
    """What this client remembers of its releases is damaged."""


class CacheError(CofferError):
    """The cache holds nothing that can stand in for a server."""


class CofferWarning(UserWarning):
    """Something that a fetch went on in spite of: no server answered, or the state cannot be kept."""


class CommandNotFoundError(CofferError):
    """`run` was given a command that does not exist."""


class CommandNotExecutableError(CofferError):
    """`run` was given a command that cannot be executed."""


class Exit(Record):
    """An exit code, what it means, and the errors that end in it (their subclasses too, unless they have a row of their own)."""

    code: int
    meaning: str
    errors: tuple[type[CofferError], ...] = ()


EXITS: Final = (
    Exit(code=0, meaning="done"),
    Exit(code=1, meaning="failed for a reason of this machine's own", errors=(CofferError,)),
    Exit(code=2, meaning="wrong usage, configuration, or names", errors=(ConfigurationError, KeyTextError)),
    Exit(code=3, meaning="the server cannot be reached, or cannot serve now", errors=(UnreachableError, BusyServerError)),
    Exit(code=4, meaning="the server does not know this client", errors=(KeyNotFoundError, RefusedClientError)),
    Exit(code=5, meaning="refused: what came back does not verify", errors=(ProtocolError, ReleaseError, ShardError)),
    Exit(code=6, meaning="no such key", errors=(NoSuchKeyError,)),
    Exit(code=126, meaning="run: the command cannot be executed", errors=(CommandNotExecutableError,)),
    Exit(code=127, meaning="run: the command was not found", errors=(CommandNotFoundError,)),
)
# As shells have it: 128 and the number of SIGINT.
EXIT_INTERRUPTED: Final = 130
# And of SIGPIPE, which ends other programs of a pipeline, and which Python ignores.
EXIT_READER_GONE: Final = 141

_CODES: Final[Mapping[type, int]] = {error: row.code for row in EXITS for error in row.errors}


def exit_code(error: CofferError) -> int:
    """The code with which a command ends that `error` ended."""
    return next(_CODES[ancestor] for ancestor in type(error).__mro__ if ancestor in _CODES)

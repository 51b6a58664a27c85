"""How a command ends: its exit code, and the sentence that says why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, TypeVar

import trio
import typer

from coffer_common.errors import ConfigurationError
from coffer_common.program import give_up_output
from coffer_protocol.errors import (
    CofferError,
    KeyTextError,
    ProtocolError,
    ReleaseError,
    ServerError,
    TruncatedError,
    UnreachableError,
)

from ..definition import DefinitionError
from ..importers.values import ImportingError
from ..releases.commit import PublishersDifferError
from ..releases.publishers import OwnKeyError, UnknownPublisherError
from ..releases.reader import NoReleaseError, NoteKeyMissingError, NotLetInError
from ..releases.rollback import NothingToTakeBackError
from ..releases.shards import PublisherAsClientError
from ..settings import SettingsError
from .output import errors

FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
UNKNOWN: Final = 4
REFUSED: Final = 5
CONFLICT: Final = 7
CHANGES: Final = 10
INTERRUPTED: Final = 130
EXITS: Final = {
    0: "done",
    FAILED: "it failed, or somebody is behind and `status --require-adopted` was asked",
    USAGE: "wrong usage, or a definition that is wrong",
    UNREACHABLE: "the server cannot be reached",
    UNKNOWN: "the server does not know this publisher, or does not let it",
    REFUSED: "what the server shows does not verify",
    CONFLICT: "another release came first",
    CHANGES: "there are changes, and `diff --exit-code` was asked",
    INTERRUPTED: "interrupted",
}

T = TypeVar("T")


def code_of(error: CofferError) -> int:
    """The exit code that an error ends with."""
    match error:
        case ConfigurationError() | DefinitionError() | KeyTextError() | SettingsError() | PublisherAsClientError():
            return USAGE
        case ImportingError() | NoReleaseError() | NothingToTakeBackError() | UnknownPublisherError() | OwnKeyError():
            return USAGE
        case UnreachableError() | TruncatedError():
            return UNREACHABLE
        case NotLetInError() | NoteKeyMissingError() | PublishersDifferError() | ServerError(code="denied" | "suite"):
            return UNKNOWN
        case ServerError(code="conflict"):
            return CONFLICT
        case ServerError():
            return FAILED
        case ReleaseError() | ProtocolError():
            return REFUSED
    return FAILED


def report(error: CofferError) -> int:
    """Say what happened, and return the exit code."""
    text = str(error)
    if isinstance(error, ServerError):
        text = _of_server(error)
    hint = "" if error.hint is None else f"\nhint: {error.hint}"
    errors.print(f"coffer-companion: {text}{hint}", soft_wrap=True)
    return code_of(error)


def _of_server(error: ServerError) -> str:
    match error.code:
        case "conflict":
            return "another release came first, and this one changed nothing: look at it (`coffer-companion history`), then try again"
        case "busy":
            return f"the server is busy: {error.sentence}. Nothing was changed; try again in a minute"
        case _:
            return f"the server refused: {error.sentence} ({error.code})"


def report_system(error: OSError) -> int:
    """Say what the system refused, as a full disk that stdout goes to, and return the exit code."""
    errors.print(f"coffer-companion: {error.filename or 'the system'}: {error.strerror}", soft_wrap=True)
    give_up_output()
    return FAILED


def fail(message: str, code: int) -> NoReturn:
    """End the command."""
    errors.print(f"coffer-companion: {message}", soft_wrap=True)
    raise typer.Exit(code)


def execute(main: Callable[[], Awaitable[T]]) -> T:
    """Run it under trio; an interruption ends the command. Raises what it raises."""
    try:
        return trio.run(main)
    except KeyboardInterrupt:
        _interrupted()
    except BaseExceptionGroup as group:
        # trio opens connections in a nursery, which wraps what ends it.
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        _interrupted()


def _interrupted() -> NoReturn:
    fail("interrupted. Nothing was changed, unless the server was committing just then: `coffer-companion history` tells", INTERRUPTED)

"""The one table of exit codes, with the errors that end a command with them."""

from __future__ import annotations

from coffer_protocol.errors import (
    CofferError,
    KeyNotFoundError,
    KeyTextError,
    ProtocolError,
    ReleaseError,
    ShardError,
    UnreachableError,
)
from coffer_protocol.lean import TYPE_CHECKING, Record

from ..errors import (
    BusyServerError,
    CommandNotExecutableError,
    CommandNotFoundError,
    ConfigurationError,
    NoSuchKeyError,
    RefusedClientError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final


class Exit(Record):
    """An exit code, its meaning, and the errors that end a command with it. A subclass counts, too, unless it has a row of its own."""

    code: int
    meaning: str
    errors: tuple[type[CofferError], ...] = ()


EXITS: Final = (
    Exit(code=0, meaning="done"),
    Exit(code=1, meaning="failed for a reason on this machine", errors=(CofferError,)),
    Exit(code=2, meaning="wrong usage, configuration or names", errors=(ConfigurationError, KeyTextError)),
    Exit(code=3, meaning="the server cannot be reached, or cannot serve now", errors=(UnreachableError, BusyServerError)),
    Exit(code=4, meaning="the server does not know this client", errors=(KeyNotFoundError, RefusedClientError)),
    Exit(code=5, meaning="refused: the answer does not verify, and no cache may be used", errors=(ProtocolError, ReleaseError, ShardError)),
    Exit(code=6, meaning="no such key", errors=(NoSuchKeyError,)),
    Exit(code=126, meaning="run: the command cannot be executed", errors=(CommandNotExecutableError,)),
    Exit(code=127, meaning="run: the command was not found", errors=(CommandNotFoundError,)),
)
# As in a shell: 128 and the number of SIGINT.
EXIT_INTERRUPTED: Final = 130
# 128 and the number of SIGPIPE, which ends other programs of a pipeline and which Python ignores.
EXIT_READER_GONE: Final = 141

_CODES: Final[Mapping[type, int]] = {error: row.code for row in EXITS for error in row.errors}


def exit_code(error: CofferError) -> int:
    """Return the exit code of a command that `error` ended."""
    return next(_CODES[ancestor] for ancestor in type(error).__mro__ if ancestor in _CODES)

"""The companion's errors. They grow on the tree of `coffer_protocol.errors`.

    CofferError
    ├── DefinitionError
    ├── ImportingError
    ├── KeysChangeError
    ├── NoReleaseError
    ├── NotLetInError
    ├── NoteKeyMissingError
    ├── NothingToTakeBackError
    ├── OwnKeyError
    ├── PublisherAsClientError
    ├── PublisherClockError
    ├── PublishersDifferError
    ├── ReadableDefinitionError
    ├── RemovalsError
    ├── RevertsError
    ├── SettingsError
    ├── StateFileError
    ├── UnknownEntryError
    └── UnknownPublisherError

    ReleaseError
    ├── LostReleaseError
    └── RestartError

    UnreachableError
    └── PendingReleaseError

    NoteError
    └── EarlierNoteKeyError

    ServerError
    ├── ConflictError
    └── DeniedError

`EXITS` has the exit code of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from coffer_common.errors import ConfigurationError
from coffer_protocol.errors import (
    CofferError,
    KeyTextError,
    NoteError,
    ProtocolError,
    ReleaseError,
    ServerError,
    TruncatedError,
    UnreachableError,
)

# ---------------------------------------------------------------------------------------------------------- on this machine


class SettingsError(CofferError):
    """One of the companion's own files cannot be read, or does not hold what it should."""


class StateFileError(CofferError):
    """What this publisher remembers of its releases cannot be written, as on a full disk. The text names the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a definition.

    Attributes:
        path: the file, as the operator named it.
        line: the line, from 1; None if the file could not be read at all.
        column: the character in that line, from 1.
        key: the dotted key, or the empty text.
        text: what is wrong and what to do, never a secret value.
    """

    path: str
    line: int | None = None
    column: int | None = None
    key: str = ""
    text: str

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}:{self.column}"
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class DefinitionError(CofferError):
    """The definition is refused. Its text has every problem that one run could find, each on a line of its own.

    Attributes:
        problems: these problems, in the order of the files and their lines.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class ReadableDefinitionError(CofferError):
    """The definition holds secrets in the clear, and other users can read it."""


class ImportingError(CofferError):
    """Something cannot be imported. The text names it, never its value, and says what to do."""


class PublisherAsClientError(CofferError):
    """A client of the definition has the key of a publisher, whose own shard is the note key."""


class KeysChangeError(CofferError):
    """A client's public keys would change under the same id, and nobody has confirmed that."""


class RemovalsError(CofferError):
    """A release would remove so much that it looks like a mistake."""


class RevertsError(CofferError):
    """A release would set something back to what an earlier one had, and nobody has said that this is intended."""


# ---------------------------------------------------------------------------------------------------------- the coffer


class NoReleaseError(CofferError):
    """The coffer has no release yet, or not the one that was asked for."""


class NothingToTakeBackError(CofferError):
    """The release to go back to is the newest one."""


class NoteKeyMissingError(CofferError):
    """No publisher has given this one the coffer's note key."""


class EarlierNoteKeyError(NoteError):
    """A release was made under a note key that this publisher does not have."""


class LostReleaseError(ReleaseError):
    """The server does not show a release that this publisher has seen. It lost the release or hides it; only its operator can tell."""


class RestartError(ReleaseError):
    """Another publisher has begun the coffer's history again, and nobody has accepted that here."""


class PendingReleaseError(UnreachableError):
    """There is nothing to change, but a release that was signed here may still become the newest."""


class PublisherClockError(CofferError):
    """This machine's clock, or that of the publisher of the release before, is wrong by more than a day."""


class UnknownPublisherError(CofferError):
    """The coffer has no publisher of that name or key, or more than one."""


class UnknownEntryError(CofferError):
    """An entry is to be dropped that the release does not have, or whose note opens."""


class OwnKeyError(CofferError):
    """A publisher cannot retire itself: nobody would be left to sign the next release."""


# ---------------------------------------------------------------------------------------------------------- the server


class NotLetInError(CofferError):
    """The server does not know this publisher, or does not let it publish this coffer. It does not say which."""


class PublishersDifferError(CofferError):
    """The server's table does not have the same publishers as the release."""


class DeniedError(ServerError):
    """The server knows this publisher, but refuses what it asked for."""


class ConflictError(ServerError):
    """Another release came first, so the server refused this one."""

    def __str__(self) -> str:
        return "another release came first, and this one changed nothing"


# ---------------------------------------------------------------------------------------------------------- exit codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """An exit code.

    Attributes:
        code: the code.
        meaning: what it means, for people.
        errors: the errors that end in it, with their subclasses unless these have a row of their own.
    """

    code: int
    meaning: str
    errors: tuple[type[CofferError], ...] = ()


EXIT_FAILED: Final = 1
EXIT_CHANGES: Final = 10
# As shells have it: 128 and the number of SIGINT.
EXIT_INTERRUPTED: Final = 130

EXITS: Final = (
    Exit(code=0, meaning="done"),
    Exit(
        code=EXIT_FAILED,
        meaning="failed; or `status --require-adopted` was used, and a client is behind or cannot sign",
        errors=(CofferError, ServerError),
    ),
    Exit(
        code=2,
        meaning="wrong usage, or a wrong definition",
        errors=(
            ConfigurationError,
            KeyTextError,
            DefinitionError,
            ImportingError,
            NoReleaseError,
            NothingToTakeBackError,
            OwnKeyError,
            PublisherAsClientError,
            ReadableDefinitionError,
            SettingsError,
            UnknownEntryError,
            UnknownPublisherError,
        ),
    ),
    Exit(code=3, meaning="the server cannot be reached", errors=(UnreachableError, TruncatedError)),
    Exit(
        code=4,
        meaning="the server does not know this publisher, or does not let it publish",
        errors=(NotLetInError, NoteKeyMissingError, PublishersDifferError, DeniedError),
    ),
    Exit(
        code=5,
        meaning="what the server shows does not verify; or a client has signed for a release that is not known here (`status`)",
        errors=(ReleaseError, ProtocolError),
    ),
    Exit(code=7, meaning="another release came first", errors=(ConflictError,)),
    Exit(code=EXIT_CHANGES, meaning="`diff --exit-code` was used, and there are changes"),
    Exit(code=EXIT_INTERRUPTED, meaning="interrupted"),
)
_CODES: Final[Mapping[type, int]] = {error: row.code for row in EXITS for error in row.errors}


def exit_code(error: CofferError) -> int:
    """Return the exit code of a command that ended with an error."""
    return next(_CODES[ancestor] for ancestor in type(error).__mro__ if ancestor in _CODES)

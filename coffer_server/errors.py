"""The server's errors.

A `RefusedError` goes to the peer, as an Error message with its `code` (docs/protocol.md, 3). All other errors are for the operator of this
server; the peer gets only `busy` or `internal`.

    CofferError
    ├── SettingsError
    ├── StateError
    ├── ListenError
    ├── NotServingError
    ├── KeyInUseError
    ├── StoppingError
    ├── StoreError
    │   ├── OldStateError
    │   ├── DatabaseAwayError
    │   ├── SealError
    │   ├── EventError
    │   └── DamagedError
    └── RefusedError
        ├── DeniedError
        ├── ConflictError
        ├── TooLargeError
        ├── BusyError
        ├── WrongSuiteError
        ├── NotHeldError
        └── UnsupportedError
"""

from __future__ import annotations

from typing import ClassVar

from coffer_protocol.errors import CofferError


class SettingsError(CofferError):
    """The settings cannot be used: server.toml or an option of `init` is wrong."""


class StateError(CofferError):
    """The state folder or a file in it cannot be used, or a command does not fit what is in it."""


class ListenError(CofferError):
    """The server cannot listen on an address that its settings name."""


class NotServingError(CofferError):
    """The server does not run, or does not answer when it is asked for its health."""


class StoreError(CofferError):
    """The store cannot be used: it is damaged, locked or full, or another version made it."""


class OldStateError(StoreError):
    """The database was made before the protocol was revised.

    Args:
        name: the name of the database.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name}: this database was made before Coffer's protocol was revised, and cannot be used any more",
            hint="move DIR away, keep the file identity in it, and make the server again:\n"
            "  coffer-server init DIR --identity OLD_DIR/identity\n"
            "then let each publisher in, with the text that it prints by `coffer-companion id --text`:\n"
            "  coffer-server publisher add DIR COFFER TEXT\n"
            "then each publisher uploads:\n"
            "  coffer-companion upload FILE",
        )


class DatabaseAwayError(StoreError):
    """The database cannot be reached now, but may come back: it was stopped, is restarting, or is failing over to its standby."""


class SealError(StoreError):
    """A value at rest does not open: it belongs to another identity, or another program changed the database."""


class EventError(StoreError):
    """The event log has an entry that no Coffer of this version can have written."""


class DamagedError(StoreError):
    """The store differs from its event log. The text names the first difference."""


class KeyInUseError(CofferError):
    """A publisher's key or name is already in use."""


class RefusedError(CofferError):
    """A request is refused. The text is for the peer, who has proven its key; it says nothing about other users."""

    code: ClassVar[str]


class DeniedError(RefusedError):
    """The client or publisher has no right to do this, or the release breaks a rule of docs/protocol.md, 7."""

    code = "denied"


class ConflictError(RefusedError):
    """Another release was committed first."""

    code = "conflict"


class TooLargeError(RefusedError):
    """An upload or an answer is larger than the server's settings or the protocol allow."""

    code = "limit"


class BusyError(RefusedError):
    """The publisher has an upload open in another session."""

    code = "busy"


class WrongSuiteError(RefusedError):
    """The key is registered for the other suite."""

    code = "suite"


class NotHeldError(RefusedError):
    """The server no longer holds the contents of that release: it is beyond the server's retention."""

    code = "limit"


class UnsupportedError(RefusedError):
    """This server does not answer the question, or does not answer it any more."""

    code = "unsupported"


class StoppingError(CofferError):
    """The server is stopping.

    A session that only waits is closed without a message. Its client connects to another server, or to this one when it runs again.
    """

"""What the server refuses, and why.

A `RefusedError` is the peer's to know: it becomes an Error message with its `code` (docs/protocol.md, 3). The others are for the person
at this end.
"""

from __future__ import annotations

from typing import ClassVar

from coffer_protocol.errors import CofferError


class SettingsError(CofferError):
    """server.toml cannot be used."""


class StateError(CofferError):
    """The state folder, or a file in it, is not as it must be."""


class ListenError(CofferError):
    """The server cannot listen where it should."""


class NotServingError(CofferError):
    """The server that is asked for its health does not run, or does not answer."""


class StoreError(CofferError):
    """The store cannot be used: it is damaged, locked, full, or of another version."""


class DatabaseAwayError(StoreError):
    """The database cannot be reached now, and may be again: it is stopped, restarts, or fails over to its standby."""


class SealError(StoreError):
    """A value at rest does not open: the identity is another one, or the database was changed by something else than Coffer."""


class EventError(StoreError):
    """The event log has an entry that cannot be."""


class DamagedError(StoreError):
    """The store is not what its event log says. Its text names the first thing that is wrong."""


class KeyInUseError(CofferError):
    """A publisher's key, or its name, is taken already."""


class RefusedError(CofferError):
    """A request is refused. Its text is for the peer, who has proven its key: it says nothing about others."""

    code: ClassVar[str]


class DeniedError(RefusedError):
    """The client or publisher may not do this, or the release breaks a rule of docs/protocol.md, 7."""

    code = "denied"


class ConflictError(RefusedError):
    """Another release came first."""

    code = "conflict"


class TooLargeError(RefusedError):
    """More than the server's settings, or the protocol, allow."""

    code = "limit"


class BusyError(RefusedError):
    """The publisher has an upload open elsewhere."""

    code = "busy"


class WrongSuiteError(RefusedError):
    """The key is registered for the other suite."""

    code = "suite"


class NotHeldError(RefusedError):
    """What was in that release is not held any more: it is beyond the server's retention."""

    code = "limit"


class StoppingError(CofferError):
    """The server stops. A session that only waits is closed without a word: its client goes to another server, or waits for this one."""

"""A transaction that changes the store: each change in it is appended to the log and applied to the tables."""

from __future__ import annotations

from sqlalchemy import Connection

from ..events import Happening, Pruned
from ..sealing import Keyring
from . import projection, retention
from .log import Appender


class Ledger:
    """An open transaction, the only one that writes.

    Args:
        connection: the connection of the transaction.
        keyring: the database's keyring.
        now: the time in seconds since 1970.
    """

    def __init__(self, connection: Connection, keyring: Keyring, *, now: int) -> None:
        self.connection = connection
        self.keyring = keyring
        self._now = now
        self._log = Appender(connection, keyring)

    def record(self, happening: Happening) -> None:
        """Append a change to the log and apply it to the tables."""
        self._log.append(happening, at=self._now)
        projection.apply(self.connection, self.keyring, happening, at=self._now)

    def prune(self, pruned: Pruned) -> int:
        """Record a change by retention, and return the number of deleted blobs."""
        self._log.append(pruned, at=self._now)
        return retention.delete(self.connection, pruned)

"""A transaction that changes the store: what happens in it goes into the log and into the tables that answer, and nowhere else."""

from __future__ import annotations

from sqlalchemy import Connection

from ..events import Happening, Pruned
from ..sealing import Keyring
from . import projection, retention
from .log import Appender


class Ledger:
    """An open transaction, the only one that writes.

    Args:
        connection: of the transaction.
        keyring: the database's.
        now: seconds since 1970.
    """

    def __init__(self, connection: Connection, keyring: Keyring, *, now: int) -> None:
        self.connection = connection
        self.keyring = keyring
        self._now = now
        self._log = Appender(connection, keyring)

    def record(self, happening: Happening) -> None:
        """Let it happen."""
        self._log.append(happening, at=self._now)
        projection.apply(self.connection, self.keyring, happening, at=self._now)

    def prune(self, pruned: Pruned) -> int:
        """As `record`; how many blobs were let go of."""
        self._log.append(pruned, at=self._now)
        return retention.let_go(self.connection, pruned)

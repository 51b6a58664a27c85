"""The `Database` protocol: what SQLAlchemy Core leaves to each database, such as how to begin, lock, announce and fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

# The connections of one server: each reader and the writer hold one for as long as their transaction.
CONNECTIONS: Final = 24
# How long a writer waits for another writer, which may be committing a large upload.
BUSY_TIMEOUT_S: Final = 60

_Result = TypeVar("_Result")


class Rows(Protocol):
    """The rows that a statement has found."""

    def fetchone(self) -> Any:
        """Return the next row as a tuple, or None if there are no more rows."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the remaining rows as tuples."""


class Reader(Protocol):
    """A driver's own connection, in a transaction that reads."""

    def execute(self, statement: str, parameters: Mapping[str, object] = ..., /) -> Rows:
        """Run one statement. Its parameters are written as `:name`."""


class Database(Protocol):
    """An open database of one kind.

    Every method may raise `StoreError`. It raises `DatabaseAwayError` if the database cannot be reached now.
    """

    @property
    def name(self) -> str:
        """The database's name in errors. It contains no password."""

    def transaction(self, *, writes: bool = False) -> AbstractContextManager[Connection]:
        """Open a transaction that sees one state. It is committed when the context ends, and rolled back if the context fails.

        Args:
            writes: whether the transaction writes. Only one such transaction is open at a time, across all servers of the database.
        """

    def read(self, work: Callable[[Reader], _Result]) -> _Result:
        """Run `work` in a transaction that sees one state, and return its result. If the connection is lost, `work` may run again."""

    def announce(self, connection: Connection, *, coffer: str, serial: int) -> None:
        """Tell the other servers of this database of a release when the transaction is committed, and not otherwise."""

    def touch(self, connection: Connection) -> None:
        """Write something that changes no table, in a transaction that writes. It is on the disk when the transaction is committed."""

    def check(self) -> None:
        """Check the database's own structure for damage.

        Raises:
            StoreError: if there is damage. The text has the database's first finding.
        """

    def forget_deleted(self) -> None:
        """Make deleted and overwritten values unreadable, as far as open readers allow it."""

    def close(self) -> None:
        """Close all connections of the database."""

"""What the databases that SQLAlchemy Core speaks to do differently: how they begin, lock, tell others, and fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

# Readers and the writer of one server; each holds a connection for as long as its transaction.
CONNECTIONS: Final = 24
# How long a writer waits for another, which may be committing a large upload.
BUSY_TIMEOUT_S: Final = 60

_Result = TypeVar("_Result")


class Rows(Protocol):
    """The rows that a statement has found."""

    def fetchone(self) -> Any:
        """The next row, a tuple; None where there is none."""

    def __iter__(self) -> Iterator[Any]:
        """The rows that are left."""


class Reader(Protocol):
    """A driver's own connection, in a transaction that reads."""

    def execute(self, statement: str, parameters: Mapping[str, object] = ..., /) -> Rows:
        """Run one statement. Its parameters stand in it as `:name`."""


class Database(Protocol):
    """One kind of database, opened. Every method may raise `StoreError`; `DatabaseAwayError` where the database cannot be reached now."""

    @property
    def name(self) -> str:
        """What it is called in errors: no password is in it."""

    def transaction(self, *, writes: bool = False) -> AbstractContextManager[Connection]:
        """A transaction that sees one state throughout, is committed where the context ends, and rolled back where it fails.

        Args:
            writes: whether it will. No two transactions that write are open at one time, on however many servers.
        """

    def read(self, work: Callable[[Reader], _Result]) -> _Result:
        """What `work` returns, which runs in a transaction that sees one state. It may be called again where a connection was lost."""

    def announce(self, connection: Connection, *, coffer: str, serial: int) -> None:
        """Tell the other servers of this database that there is a release, once the transaction is committed, and only then."""

    def touch(self, connection: Connection) -> None:
        """Write, in a transaction that writes, something that changes no table, and is on the disk where the transaction is committed."""

    def check(self) -> None:
        """Let the database look for damage of its own.

        Raises:
            StoreError: it has found some. The text has its first word on it.
        """

    def keep_copy(self, version: int) -> None:
        """Copy the database before it is migrated from this version, where it is a file."""

    def forget_deleted(self) -> None:
        """See that what was deleted or overwritten can be read no more, as far as readers let it."""

    def close(self) -> None:
        """Let go of every connection."""

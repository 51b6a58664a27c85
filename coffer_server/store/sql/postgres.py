"""A PostgreSQL database, which any number of servers share. Several hosts in its URL are a primary and its standbys."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import psycopg
import sqlalchemy
from psycopg import errors as pg
from sqlalchemy import Connection, PoolProxiedConnection, event
from sqlalchemy.exc import ArgumentError, DBAPIError

from ...errors import DatabaseAwayError, SettingsError, StoreError
from .database import BUSY_TIMEOUT_S, CONNECTIONS, Database, Reader, Rows

# A transaction that writes holds this advisory lock. Its number is ASCII "coffer", because other programs in the database pick their own.
_LOCK: Final = f"SET LOCAL lock_timeout = '{BUSY_TIMEOUT_S}s'; SELECT pg_advisory_xact_lock({int.from_bytes(b'coffer', 'big')})"
# A host that has vanished must cost seconds; with libpq's own values a read could wait for minutes. All times are in seconds except for
# tcp_user_timeout, which is in milliseconds. The URL may set other values.
_CONNECTING: Final = {
    "connect_timeout": "3",
    "keepalives_idle": "3",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
    "target_session_attrs": "read-write",
    "application_name": "coffer-server",
}
# PostgreSQL's errors when a session ends or cannot begin for a temporary reason: it is stopping or starting, is now a standby, or is full.
_PASSING: Final = (pg.AdminShutdown, pg.CrashShutdown, pg.CannotConnectNow, pg.ReadOnlySqlTransaction, pg.TooManyConnections)
_UNSYNCED: Final = "coffer_unsynced"
_NO_PARAMETERS: Final[Mapping[str, object]] = {}
# The channel of LISTEN and NOTIFY. The payload of a notice is the serial of a new release, a space, and the coffer's name.
CHANNEL: Final = "coffer_release"

_Result = TypeVar("_Result")


class Postgres(Database):
    """The `Database` protocol over a PostgreSQL server, or a primary and its standbys.

    Args:
        url: the URL in SQLAlchemy's form, `postgresql+psycopg://…`. If there are several hosts, each is a parameter `host=NAME:PORT`.

    Raises:
        SettingsError: if `url` is not a URL.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = sqlalchemy.make_url(url)
        except (ArgumentError, ValueError):
            # The text repeats neither the URL nor the error, because they contain a password.
            raise SettingsError("store: expected the URL of a database") from None
        self._engine = sqlalchemy.create_engine(
            parsed.update_query_dict({name: value for name, value in _CONNECTING.items() if name not in parsed.query}),
            pool_size=CONNECTIONS,
            max_overflow=0,
            # After a failover every connection of the pool is dead. This finds out before a statement fails.
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",
        )
        event.listen(self._engine, "connect", _prepare)
        # Connections that `read` keeps out of the pool: the pool would ask each time whether one still works, which costs as much as a
        # read.
        self._idle: list[PoolProxiedConnection] = []
        self._name = f"database {parsed.database} on {parsed.query.get('host', parsed.host)}"

    @property
    def name(self) -> str:
        return self._name

    @contextmanager
    def transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection, self._writing(connection) if writes else connection.begin():
                yield connection
        except DBAPIError as error:
            raise _failure(error.orig) from None

    @contextmanager
    def _writing(self, connection: Connection) -> Iterator[None]:
        # After it has the lock, every statement must see what the last holder committed, not the state in which this transaction began.
        connection.execution_options(isolation_level="READ COMMITTED")
        connection.info.pop(_UNSYNCED, None)
        with connection.begin():
            connection.exec_driver_sql(_LOCK)
            yield
        # If the wait for the standby is cancelled, the commit succeeds with a warning.
        if connection.info.pop(_UNSYNCED, False):
            raise StoreError("the commit is on the primary, but no standby has confirmed it: check the standby, and upload again")

    def read(self, work: Callable[[Reader], _Result]) -> _Result:
        while True:
            kept, is_new = self._take()
            connection = kept.driver_connection
            assert isinstance(connection, psycopg.Connection)
            try:
                with connection.transaction():
                    return work(_Reader(connection))
            except psycopg.Error as error:
                # A kept connection may lead to a server that is gone. A new one leads to its successor.
                if is_new or not _passes(error):
                    raise _failure(error) from None
            finally:
                if connection.closed:
                    kept.invalidate()
                else:
                    self._idle.append(kept)

    def _take(self) -> tuple[PoolProxiedConnection, bool]:
        """Return a connection, and whether it is new."""
        try:
            return self._idle.pop(), False
        except IndexError:
            pass
        try:
            return self._engine.raw_connection(), True
        except psycopg.Error as error:
            raise _failure(error) from None

    def announce(self, connection: Connection, *, coffer: str, serial: int) -> None:
        connection.execute(sqlalchemy.select(sqlalchemy.func.pg_notify(CHANNEL, f"{serial} {coffer}")))

    def touch(self, connection: Connection) -> None:
        # A message to nobody in the write-ahead log: the standby must confirm it like any change.
        connection.execute(sqlalchemy.select(sqlalchemy.func.pg_logical_emit_message(True, "coffer", "")))

    def listen(self) -> psycopg.Connection[Any]:
        """Open a connection that commits every statement and listens to announcements. The caller closes it."""
        try:
            pooled = self._engine.raw_connection()
            connection = pooled.driver_connection
            assert isinstance(connection, psycopg.Connection)
            # From here on the connection no longer belongs to the pool.
            pooled.detach()
            try:
                connection.rollback()
                connection.autocommit = True
                connection.execute(f"LISTEN {CHANNEL}".encode())
            except psycopg.Error:
                connection.close()
                raise
        except psycopg.Error as error:
            raise _failure(error) from None
        return connection

    def check(self) -> None:
        """Do nothing: PostgreSQL checks its pages as it reads them, if it was made with checksums."""

    def forget_deleted(self) -> None:
        """Do nothing: PostgreSQL's own vacuum does that later."""

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
        self._engine.dispose()


def _prepare(connection: psycopg.Connection[Any], record: Any) -> None:
    """Watch for the warning at a commit that no standby has confirmed (syncrep.c in PostgreSQL's source, class 01)."""

    def notice(diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING" and diagnostic.source_function == "SyncRepWaitForLSN":
            record.info[_UNSYNCED] = True

    connection.add_notice_handler(notice)


class _Reader(Reader):
    """The `Reader` protocol over a connection of psycopg, which writes parameters as `%(name)s` and prepares frequent statements."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, statement: str, parameters: Mapping[str, object] = _NO_PARAMETERS, /) -> Rows:
        return self._connection.execute(_native(statement), parameters, binary=True)


@functools.cache
def _native(statement: str) -> bytes:
    return re.sub(r":(\w+)", r"%(\1)s", statement).encode()


def _passes(error: BaseException | None) -> bool:
    """Return whether the failed call may succeed later, on another connection, or on another server."""
    # Only the server's own errors have a code. An error without one means that no server answered.
    return isinstance(error, _PASSING) or (isinstance(error, pg.OperationalError) and error.sqlstate is None)


def _failure(error: BaseException | None) -> StoreError:
    # This is the driver's text. SQLAlchemy's text would show the statement and its parameters, which must not be logged.
    text = " ".join(str(error).split())
    return DatabaseAwayError(f"the database cannot be reached: {text}") if _passes(error) else StoreError(f"the database failed: {text}")

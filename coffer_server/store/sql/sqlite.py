"""An SQLite database: WAL, durable at every commit, with one writer and any number of readers at a time. Also its errors and copies."""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy
from sqlalchemy import Connection, PoolProxiedConnection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from coffer_common import files

from ...errors import StoreError
from .database import BUSY_TIMEOUT_S, CONNECTIONS, Database, Reader
from .schema import metadata

_WRITES: Final = "coffer_writes"
# The pages that a backup copies between two updates of its progress: 4 MiB if a page has 4 KiB.
_BACKUP_PAGES: Final = 1024
# The low byte of an extended result code is the code itself (sqlite.org/rescode.html).
_PRIMARY_CODE: Final = 0xFF
# What happened, and what to do, for the errors that an operator can repair.
_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space on it; nothing was changed, and the server still serves what it has"),
    sqlite3.SQLITE_READONLY: ("the database or its folder is read-only", "mount or chmod it so that it can be written"),
    sqlite3.SQLITE_BUSY: (f"another process has kept the database locked for {BUSY_TIMEOUT_S} s", "wait for that process, or end it"),
    sqlite3.SQLITE_CANTOPEN: ("the database cannot be opened", "check that its folder exists, and that this user may write in it"),
    sqlite3.SQLITE_IOERR: ("the disk fails to read or to write", "see the system's log"),
}
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

# Called with the number of copied pages and the number of all pages.
Progress = Callable[[int, int], None]


_Result = TypeVar("_Result")


class Sqlite(Database):
    """The `Database` protocol over a file.

    Args:
        path: the path of the file. If it is missing, it is created, readable only by its owner.
        is_frozen: whether nobody writes the file, such as a backup. It is then read as it is, and SQLite adds no files to its folder.

    Attributes:
        path: the path of the file.
        engine: SQLAlchemy's engine.

    Raises:
        StoreError: if the file cannot be created.
    """

    def __init__(self, path: Path, *, is_frozen: bool = False) -> None:
        self.path = path
        self._is_frozen = is_frozen
        self._uri = f"{path.absolute().as_uri()}?{'immutable=1' if is_frozen else 'mode=rw'}"
        if not path.exists():
            try:
                # SQLite gives its other files the mode of this one.
                path.touch(mode=0o600)
            except OSError as error:
                raise StoreError(f"cannot create {path}: {error.strerror}") from None
        self.engine = sqlalchemy.create_engine(
            "sqlite://", creator=self._connect, poolclass=QueuePool, pool_size=CONNECTIONS, max_overflow=0
        )
        event.listen(self.engine, "connect", _prepare_frozen if is_frozen else _prepare)
        event.listen(self.engine, "begin", _begin)
        # Connections that `read` keeps out of the pool.
        self._idle: list[PoolProxiedConnection] = []

    @property
    def name(self) -> str:
        return str(self.path)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._uri, uri=True, timeout=float(BUSY_TIMEOUT_S), check_same_thread=False)

    @contextmanager
    def transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                if writes:
                    connection = connection.execution_options(**{_WRITES: True})
                with connection.begin():
                    yield connection
        except DBAPIError as error:
            # This is the driver's text. SQLAlchemy's text would show the statement and its parameters, which must not be logged.
            raise self.explain(error.orig) from None

    def read(self, work: Callable[[Reader], _Result]) -> _Result:
        try:
            kept = self._take()
            connection = kept.driver_connection
            assert isinstance(connection, sqlite3.Connection)
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.execute("COMMIT")
                self._idle.append(kept)
        except sqlite3.Error as error:
            raise self.explain(error) from None

    def _take(self) -> PoolProxiedConnection:
        try:
            return self._idle.pop()
        except IndexError:
            return self.engine.raw_connection()

    def announce(self, connection: Connection, *, coffer: str, serial: int) -> None:
        """Do nothing: a file has one server."""

    def touch(self, connection: Connection) -> None:
        # The first page is written and says the same as before: nobody uses this number.
        connection.exec_driver_sql("PRAGMA user_version = 0")

    def explain(self, error: object, *, copying_to: Path | None = None) -> StoreError:
        """Return what an error of the driver means to the operator, and what to do. During a copy it names the new file, `copying_to`."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE
        if code in _DAMAGED and self._is_frozen:
            flaw = "not a database" if code == sqlite3.SQLITE_NOTADB else "damaged"
            return StoreError(f"{self.path} is {flaw}, so it is not a backup: name a file that `coffer-server backup` made")
        if code in _DAMAGED:
            folder = shlex.quote(str(self.path.parent))
            return StoreError(
                f"{self.path}: the database is damaged ({error}): restore a backup", hint=f"coffer-server restore {folder} BACKUP"
            )
        if code in _REMEDIES:
            what, remedy = _REMEDIES[code]
            return StoreError(f"{copying_to or self.path}: {what} ({error}): {remedy}")
        return StoreError(f"{self.path}: the database failed: {error}")

    def check(self) -> None:
        # SQLite looks at every page.
        with self.transaction() as connection:
            [verdict] = connection.exec_driver_sql("PRAGMA integrity_check(1)").one()
            if verdict != "ok":
                raise self.explain(_corrupt(verdict))
            if (orphan := connection.exec_driver_sql("PRAGMA foreign_key_check").first()) is not None:
                raise self.explain(_corrupt(f"a row of {orphan[0]} belongs to a row of {orphan[2]} that is missing"))

    def copy(self, path: Path, progress: Progress = lambda done, total: None) -> None:
        """Copy the database in its state at this moment into a new file, while other processes read and write it.

        The copy is durable when this returns.

        Args:
            path: the new file.
            progress: called again and again during the copy.

        Raises:
            FileExistsError: if the file exists.
            StoreError: if one of the two databases failed, or another file took the new file's name. Then there is no copy.
        """
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with closing(self._connect()) as source, closing(sqlite3.connect(path)) as target:
                # SQLite opens a file by its name, which another user may have given to another file if the folder allows that.
                if not os.path.samestat(os.fstat(made), path.lstat()):
                    raise StoreError(f"{path} was exchanged during the copy: name a folder in which only this user can write")
                # A transaction that stays open sees one state of the database. Without it, the copy would begin again at every write.
                source.execute("BEGIN")
                source.execute("SELECT * FROM sqlite_master").fetchone()
                source.backup(target, pages=_BACKUP_PAGES, progress=lambda _, left, total: progress(total - left, total), sleep=0)
                # Make the copy one file, without a write-ahead log.
                target.execute("PRAGMA journal_mode = DELETE")
            _sync(path)
            files.sync_folder(path.parent)
        except sqlite3.Error as error:
            path.unlink(missing_ok=True)
            raise self.explain(error, copying_to=path) from None
        finally:
            # SQLite has closed the file by now: closing it earlier would end SQLite's locks on it.
            os.close(made)

    def forget_deleted(self) -> None:
        # The write-ahead log goes into the database, so that nothing old stays in either.
        with self.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
        self.engine.dispose()


@contextmanager
def empty_tables() -> Iterator[Connection]:
    """Give all tables, empty, in a database without a name, which is deleted at the end. Its foreign keys are not checked."""
    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: sqlite3.connect("", check_same_thread=False), poolclass=StaticPool)
    try:
        with engine.begin() as connection:
            metadata.create_all(connection)
            yield connection
    finally:
        engine.dispose()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _corrupt(verdict: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(verdict)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _prepare_frozen(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    """Set up a new connection. It begins its transactions itself, because the driver would begin them too late."""
    connection.isolation_level = None
    # `secure_delete` overwrites deleted values: a root key that was rotated out must be gone.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A writer takes its lock at once, because SQLite may refuse to let a reader become a writer.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

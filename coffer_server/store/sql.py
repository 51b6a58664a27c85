"""A store on SQLite, through SQLAlchemy Core: WAL, durable at every commit, one writer and any number of readers beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy
from sqlalchemy import Connection, Engine, bindparam, event, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from coffer_protocol.identity import PublicKey
from coffer_protocol.question import Fetch

from ..errors import StoreError
from . import history, pruning, rules
from .base import Change, Fetched, Known, Listing, Publisher, Retention
from .hot import HotReads
from .making import Making, groups
from .rules import Last
from .schema import IS_CURRENT, VERSION, fetches, members, metadata, migrate_from_1, publishers, releases, schema_version
from .snapshot import Leaf, SnapshotCache

# How long a writer waits for another, which may be committing a large upload.
BUSY_TIMEOUT_S: Final = 60.0
# Readers and the writer of one server; each holds a connection for as long as its transaction.
_CONNECTIONS: Final = 24
_WRITES: Final = "coffer_writes"

_LAST: Final = select(releases).where(releases.c.coffer == bindparam("coffer")).order_by(releases.c.serial.desc()).limit(1)
_LEAVES: Final = (
    select(members.c.client, members.c.alg, members.c.since, members.c.sha256, members.c.blob_bytes)
    .where(members.c.coffer == bindparam("coffer"), IS_CURRENT)
    .order_by(members.c.client)
)
_PUBLISHER: Final = select(publishers).where(publishers.c.client == bindparam("client"))
_HOLDER: Final = select(members.c.coffer).where(members.c.client == bindparam("client"), IS_CURRENT)


_NEW_FETCH: Final = sqlite.insert(fetches)
_RECORD_FETCH: Final = _NEW_FETCH.on_conflict_do_update(
    index_elements=[fetches.c.coffer, fetches.c.client], set_={"serial": _NEW_FETCH.excluded.serial, "at": _NEW_FETCH.excluded.at}
)


class SqlStore:
    """The `Store` protocol over a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._snapshots = SnapshotCache()
        self._hot = HotReads(engine, self._snapshots)

    @classmethod
    def open(cls, path: Path) -> SqlStore:
        """The store in the SQLite database at `path`, made where there is none.

        Raises:
            StoreError: it cannot be used, or was made by a newer Coffer.
        """
        # SQLite gives its other files the mode of this one.
        if not path.exists():
            path.touch(mode=0o600)
        engine = sqlalchemy.create_engine(
            sqlalchemy.URL.create("sqlite", database=str(path)),
            pool_size=_CONNECTIONS,
            max_overflow=0,
            connect_args={"timeout": BUSY_TIMEOUT_S},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        store = cls(engine)
        try:
            store._migrate()
        except StoreError as error:
            store.close()
            raise StoreError(f"{path}: {error}") from None
        return store

    def _migrate(self) -> None:
        """Bring the schema to this version, in one transaction."""
        with self._transaction(writes=True) as connection:
            metadata.create_all(connection, tables=[schema_version])
            version = connection.scalar(select(schema_version.c.version))
            if version is None:
                metadata.create_all(connection)
                connection.execute(schema_version.insert().values(version=VERSION))
            elif version == 1:
                migrate_from_1(connection)
            elif version != VERSION:
                raise StoreError(
                    f"the database has schema {version}, and this Coffer knows {VERSION}: install the version that made it, or newer"
                )

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                if writes:
                    connection = connection.execution_options(**{_WRITES: True})
                with connection.begin():
                    yield connection
        except DBAPIError as error:
            # The driver's own words: SQLAlchemy's would show statement and parameters, and a parameter may be anything.
            raise StoreError(f"the database failed: {error.orig}") from None

    # ------------------------------------------------------------------------------------------------------ reading

    def look_up(self, client: bytes) -> Known | None:
        """See `Store`."""
        return self._hot.look_up(client)

    def fetch(self, client: bytes) -> Fetched:
        """See `Store`."""
        return self._hot.fetch_all([client]).get(client) or rules.deny_get()

    def fetch_all(self, clients: Iterable[bytes]) -> dict[bytes, Fetched]:
        """See `Store`."""
        return self._hot.fetch_all(clients)

    @contextmanager
    def current(self, *, coffer: str, publisher: bytes) -> Iterator[Listing | None]:
        """See `Store`."""
        with self._transaction() as connection:
            _author(connection, coffer, publisher)
            last = connection.execute(_LAST, {"coffer": coffer}).first()
            yield None if last is None else history.current(connection, coffer, last.signed)

    def heads(self, *, coffer: str, asker: bytes, from_serial: int) -> list[bytes]:
        """See `Store`."""
        with self._transaction() as connection:
            if connection.scalar(_HOLDER, {"client": asker}) != coffer:
                _author(connection, coffer, asker)
            return history.heads(connection, coffer, from_serial)

    @contextmanager
    def entries(self, *, coffer: str, publisher: bytes, serial: int) -> Iterator[Listing]:
        """See `Store`."""
        with self._transaction() as connection:
            _author(connection, coffer, publisher)
            yield history.entries(connection, coffer, serial)

    @contextmanager
    def notes(self, *, coffer: str, publisher: bytes, serial: int, ids: Collection[bytes]) -> Iterator[Iterator[tuple[bytes, bytes]]]:
        """See `Store`."""
        with self._transaction() as connection:
            _author(connection, coffer, publisher)
            yield history.notes(connection, coffer, serial, ids)

    @contextmanager
    def fetches(self, *, coffer: str, publisher: bytes) -> Iterator[Iterator[Fetch]]:
        """See `Store`."""
        with self._transaction() as connection:
            _author(connection, coffer, publisher)
            yield history.recorded_fetches(connection, coffer)

    def publishers(self) -> list[Publisher]:
        """See `Store`."""
        with self._transaction() as connection:
            rows = connection.execute(select(publishers).order_by(publishers.c.coffer, publishers.c.added, publishers.c.client))
            return [Publisher(coffer=row.coffer, key=PublicKey.from_text(row.public_text), name=row.name, added=row.added) for row in rows]

    # ------------------------------------------------------------------------------------------------------ writing

    def commit(self, *, coffer: str, publisher: bytes, signed: bytes, changes: Iterable[Change], now: int) -> int:
        """See `Store`."""
        with self._transaction(writes=True) as connection:
            author = _author(connection, coffer, publisher)
            trusted = connection.scalars(select(publishers.c.sign).where(publishers.c.coffer == coffer)).all()
            last = _last(connection, coffer)
            release = rules.verify_head_untrusted(signed, coffer=coffer, author=author, publishers=trusted, last=last)
            head = release.head
            made = Making(connection, coffer, head.serial)
            for group in groups(changes):
                made.apply(group)
            rules.check_changed(head, last=last, changed=made.has_changed)
            snapshot = rules.check_tree(release, _leaves(connection, coffer))
            row = {"sha256": release.sha256, "expires": head.expires, "committed": now, "signed": signed}
            connection.execute(releases.insert(), {"coffer": coffer, "serial": head.serial, **row})
        self._snapshots.put(coffer, head.serial, snapshot)
        return head.serial

    def record_fetches(self, fetches: Iterable[tuple[str, Fetch]]) -> None:
        """See `Store`."""
        rows = [{"coffer": coffer, "client": fetch.id, "serial": fetch.serial, "at": fetch.at} for coffer, fetch in fetches]
        if rows:
            with self._transaction(writes=True) as connection:
                connection.execute(_RECORD_FETCH, rows)

    def prune(self, retention: Retention, *, now: int) -> int:
        """See `Store`."""
        with self._transaction(writes=True) as connection:
            return pruning.prune(connection, retention, now=now)

    def add_publisher(self, *, coffer: str, key: PublicKey, name: str | None, now: int) -> bool:
        """See `Store`."""
        with self._transaction(writes=True) as connection:
            own = connection.execute(_PUBLISHER, {"client": key.id}).first()
            namesake = connection.scalar(
                select(publishers.c.public_text).where(
                    publishers.c.coffer == coffer, publishers.c.name == name, publishers.c.name.is_not(None)
                )
            )
            is_new = rules.check_publisher(
                coffer=coffer,
                key=key,
                name=name,
                publishes=None if own is None else own.coffer,
                holder=connection.scalar(_HOLDER, {"client": key.id}),
                namesake=None if namesake is None else PublicKey.from_text(namesake),
            )
            if is_new:
                row = {"client": key.id, "coffer": coffer, "sign": key.sign, "public_text": key.text(), "name": name, "added": now}
                connection.execute(publishers.insert(), row)
            return is_new

    def remove_publisher(self, *, coffer: str, publisher: bytes) -> bool:
        """See `Store`."""
        with self._transaction(writes=True) as connection:
            removed = connection.execute(publishers.delete().where(publishers.c.coffer == coffer, publishers.c.client == publisher))
            return removed.rowcount == 1

    def close(self) -> None:
        """See `Store`."""
        self._hot.close()
        self._engine.dispose()


# ----------------------------------------------------------------------------------------------------------- SQLite


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Set up a new connection, by its own transactions: the driver's would begin them too late."""
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once, for a reader that becomes a writer can be refused in the middle.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


# ------------------------------------------------------------------------------------------------- inside a transaction


def _author(connection: Connection, coffer: str, publisher: bytes) -> PublicKey:
    row = connection.execute(_PUBLISHER, {"client": publisher}).first()
    if row is None or row.coffer != coffer:
        rules.deny_open()
    return PublicKey.from_text(row.public_text)


def _last(connection: Connection, coffer: str) -> Last | None:
    row = connection.execute(_LAST, {"coffer": coffer}).first()
    return None if row is None else Last(serial=row.serial, sha256=row.sha256, expires=row.expires)


def _leaves(connection: Connection, coffer: str) -> Iterator[Leaf]:
    rows = connection.execute(_LEAVES, {"coffer": coffer}, execution_options={"yield_per": history.ROWS_AT_A_TIME})
    return (Leaf(*row) for row in rows)

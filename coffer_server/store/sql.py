"""A store on SQLite, through SQLAlchemy Core: WAL, durable at every commit, one writer and any number of readers beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Engine, and_, bindparam, event, func, literal, select
from sqlalchemy.exc import DBAPIError

from coffer_protocol.identity import PublicKey
from coffer_protocol.message import Drop, Entry, Put, Reuse
from coffer_protocol.primitives import sha256
from coffer_protocol.release.coffer import Coffer

from ..errors import StoreError
from . import rules
from .base import Change, Current, Fetched, Known, Publisher
from .rules import Last
from .schema import VERSION, blobs, members, metadata, publishers, releases, schema_version
from .snapshot import Leaf, Snapshot, SnapshotCache

# How long a writer waits for another, which may be committing a large upload.
BUSY_TIMEOUT_S: Final = 60.0
# Readers and the writer of one server; each holds a connection for as long as its transaction.
_CONNECTIONS: Final = 16
_ROWS_AT_A_TIME: Final = 4096
# Changes are written in groups: many rows for one statement, and never many large blobs in memory.
_GROUP_CHANGES: Final = 500
_GROUP_BYTES: Final = 4 << 20
_WRITES: Final = "coffer_writes"

_IS_CURRENT: Final = members.c.until_serial.is_(None)
_LOOK_UP: Final = (
    select(publishers.c.coffer, literal(None).label("alg"), literal(0).label("rank"))
    .where(publishers.c.client == bindparam("client"))
    .union_all(select(members.c.coffer, members.c.alg, literal(1)).where(members.c.client == bindparam("client"), _IS_CURRENT))
    .order_by("rank")
)
_LAST_SERIAL: Final = select(func.max(releases.c.serial)).where(releases.c.coffer == members.c.coffer).correlate(members).scalar_subquery()
_FETCH: Final = (
    select(members.c.coffer, members.c.alg, members.c.since, blobs.c.blob, releases.c.serial, releases.c.signed)
    .join(
        blobs,
        and_(
            blobs.c.coffer == members.c.coffer,
            blobs.c.client == members.c.client,
            blobs.c.since == members.c.since,
            blobs.c.alg == members.c.alg,
            blobs.c.sha256 == members.c.sha256,
        ),
    )
    .join(releases, and_(releases.c.coffer == members.c.coffer, releases.c.serial == _LAST_SERIAL))
    .where(members.c.client == bindparam("client"), _IS_CURRENT)
)
_LAST: Final = select(releases).where(releases.c.coffer == bindparam("coffer")).order_by(releases.c.serial.desc()).limit(1)
_ENTRIES: Final = (
    select(members.c.client, members.c.alg, members.c.since, members.c.sha256, members.c.mark, members.c.blob_bytes)
    .where(members.c.coffer == bindparam("coffer"), _IS_CURRENT)
    .order_by(members.c.client)
)
_PUBLISHER: Final = select(publishers).where(publishers.c.client == bindparam("client"))
_HOLDER: Final = select(members.c.coffer).where(members.c.client == bindparam("client"), _IS_CURRENT)
_END_MEMBER: Final = (
    members.update()
    .where(members.c.coffer == bindparam("of_coffer"), members.c.client == bindparam("of_client"), _IS_CURRENT)
    .values(until_serial=bindparam("ended"))
)


class SqlStore:
    """The `Store` protocol over a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._snapshots = SnapshotCache()

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
        with self._transaction() as connection:
            row = connection.execute(_LOOK_UP, {"client": client}).first()
        if row is None:
            return None
        return Known(coffer=row.coffer, suite=rules.PUBLISHER_SUITE if row.alg is None else rules.SUITE_OF_ALG[row.alg])

    def fetch(self, client: bytes) -> Fetched:
        """See `Store`."""
        with self._transaction() as connection:
            row = connection.execute(_FETCH, {"client": client}).first()
            if row is None:
                rules.deny_get()
            snapshot = self._snapshots.get(row.coffer, row.serial, lambda: Snapshot(row.coffer, _leaves(connection, row.coffer)))
        index = snapshot.index_of(client)
        path = tuple(snapshot.tree.path(index))
        body = Coffer(signed=row.signed, index=index, path=path, alg=row.alg, since=row.since, blob=row.blob)
        return Fetched(coffer=row.coffer, serial=row.serial, body=body)

    @contextmanager
    def current(self, *, coffer: str, publisher: bytes) -> Iterator[Current]:
        """See `Store`."""
        with self._transaction() as connection:
            _author(connection, coffer, publisher)
            last = connection.execute(_LAST, {"coffer": coffer}).first()
            entries = (
                Entry(id=row.client, alg=row.alg, since=row.since, sha256=row.sha256, mark=row.mark)
                for row in _entry_rows(connection, coffer)
            )
            yield Current(signed=None if last is None else last.signed, entries=entries)

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
            made = _Making(connection, coffer, head.serial)
            for group in _groups(changes):
                made.apply(group)
            rules.check_changed(head, last=last, changed=made.has_changed)
            snapshot = rules.check_tree(release, _leaves(connection, coffer))
            row = {"sha256": release.sha256, "expires": head.expires, "committed": now, "signed": signed}
            connection.execute(releases.insert(), {"coffer": coffer, "serial": head.serial, **row})
        self._snapshots.put(coffer, head.serial, snapshot)
        return head.serial

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


def _entry_rows(connection: Connection, coffer: str) -> Iterator[Any]:
    yield from connection.execute(_ENTRIES, {"coffer": coffer}, execution_options={"yield_per": _ROWS_AT_A_TIME})


def _leaves(connection: Connection, coffer: str) -> Iterator[Leaf]:
    return (Leaf(row.client, row.alg, row.since, row.sha256, row.blob_bytes) for row in _entry_rows(connection, coffer))


def _groups(changes: Iterable[Change]) -> Iterator[list[Change]]:
    group: list[Change] = []
    size_bytes = 0
    for change in changes:
        group.append(change)
        if isinstance(change, Put):
            size_bytes += len(change.blob) + len(change.note)
        if len(group) >= _GROUP_CHANGES or size_bytes >= _GROUP_BYTES:
            yield group
            group, size_bytes = [], 0
    if group:
        yield group


class _Making:
    """Writes the changes of one upload into an open transaction, which ends in a release or in nothing."""

    def __init__(self, connection: Connection, coffer: str, serial: int) -> None:
        self._connection = connection
        self._coffer = coffer
        self._serial = serial
        self.has_changed = False

    def apply(self, group: list[Change]) -> None:
        """Check and write some changes.

        Raises:
            DeniedError: one of them may not be.
        """
        ids = [change.id for change in group]
        rules.check_named_once(ids, self._touched(ids))
        current = {
            row.client: row
            for row in self._rows(select(members).where(members.c.client.in_(bindparam("ids", expanding=True)), _IS_CURRENT), ids)
        }
        publishing = {
            row.client: row.coffer
            for row in self._rows(
                select(publishers.c.client, publishers.c.coffer).where(publishers.c.client.in_(bindparam("ids", expanding=True))), ids
            )
        }
        for change in group:
            old = current.get(change.id)
            rules.check_change(change, coffer=self._coffer, holder=None if old is None else old.coffer, publishes=publishing.get(change.id))
            if old is None or not rules.is_same(change, alg=old.alg, since=old.since, sha256=old.sha256, mark=old.mark):
                self.has_changed = True
        if current:
            self._connection.execute(
                _END_MEMBER, [{"of_coffer": self._coffer, "of_client": client, "ended": self._serial} for client in current]
            )
        if puts := [self._blob_row(change) for change in group if isinstance(change, Put)]:
            self._connection.execute(blobs.insert(), puts)
        if rows := self._member_rows(group):
            self._connection.execute(members.insert(), rows)

    def _rows(self, statement: sqlalchemy.Select[Any], ids: list[bytes]) -> Iterable[Any]:
        return self._connection.execute(statement, {"ids": ids})

    def _touched(self, ids: list[bytes]) -> list[Any]:
        """Those that an earlier group has changed: they have begun, or ended, at the serial that is being made."""
        at_serial = (members.c.from_serial == self._serial) | (members.c.until_serial == self._serial)
        of_coffer = and_(members.c.coffer == self._coffer, members.c.client.in_(bindparam("ids", expanding=True)))
        return list(self._rows(select(members.c.client).where(of_coffer, at_serial), ids))

    def _blob_row(self, put: Put) -> dict[str, Any]:
        row = {"coffer": self._coffer, "client": put.id, "since": self._serial, "alg": put.alg, "sha256": sha256(put.blob)}
        return row | {"blob": put.blob, "note": put.note}

    def _member_rows(self, group: list[Change]) -> list[dict[str, Any]]:
        sizes = self._held([change for change in group if isinstance(change, Reuse)])
        rows: list[dict[str, Any]] = []
        for change in group:
            match change:
                case Put():
                    since, digest, size = self._serial, sha256(change.blob), len(change.blob)
                case Reuse():
                    since, digest = change.since, change.sha256
                    held = sizes.get((change.id, change.alg, since, digest))
                    size = rules.deny_reuse(change.id) if held is None else held
                case Drop():
                    continue
            row = {"coffer": self._coffer, "client": change.id, "from_serial": self._serial, "until_serial": None}
            rows.append(row | {"since": since, "alg": change.alg, "sha256": digest, "blob_bytes": size, "mark": change.mark})
        return rows

    def _held(self, reuses: list[Reuse]) -> dict[tuple[bytes, int, int, bytes], int]:
        """The size in bytes of each blob that the coffer's history holds for these clients."""
        if not reuses:
            return {}
        statement = select(blobs.c.client, blobs.c.alg, blobs.c.since, blobs.c.sha256, func.length(blobs.c.blob).label("size")).where(
            blobs.c.coffer == self._coffer, blobs.c.client.in_(bindparam("ids", expanding=True))
        )
        rows = self._rows(statement, [reuse.id for reuse in reuses])
        return {(row.client, row.alg, row.since, row.sha256): row.size for row in rows}

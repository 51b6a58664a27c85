"""A store on a database, through SQLAlchemy Core. Every change is an event, appended in the transaction that changes the tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, text, union

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.identity import PublicKey
from coffer_protocol.question import Fetch, PastEntry

from ..errors import StoreError
from . import rules
from .base import Blocked, Change, Changes, Fetched, Known, Listing, Publisher, Reads, Receipt, Retention, Store, StoreStatus
from .cache import Cache
from .events import ClientBlocked, ClientUnblocked, PublisherAdded, PublisherRemoved, Released
from .log import retention as pruning
from .log.ledger import Ledger
from .log.log import Appender
from .pending_release import PendingRelease, groups
from .rules import Last
from .sealing import Keyring
from .sql import history, outlines
from .sql.database import Database
from .sql.root_keys import RootKeys
from .sql.schema import IS_CURRENT, PUBLISHER_NAME, blocked, events, members, publishers, releases
from .upkeep.prepare import prepare

_LAST: Final = select(releases).where(releases.c.coffer == bindparam("coffer")).order_by(releases.c.serial.desc()).limit(1)
_PUBLISHER: Final = select(publishers).where(publishers.c.client == bindparam("client"))
_PUBLISHES: Final = select(publishers.c.coffer).where(publishers.c.client == bindparam("client"))
_HOLDER: Final = select(members.c.coffer).where(members.c.client == bindparam("client"), IS_CURRENT)
_BLOCKED: Final = select(blocked.c.client).where(blocked.c.client == bindparam("client"))
_IDS_BETWEEN: Final = (
    union(
        select(members.c.client).where(members.c.client.between(bindparam("first"), bindparam("last")), IS_CURRENT),
        select(blocked.c.client).where(blocked.c.client.between(bindparam("first"), bindparam("last"))),
    )
    .order_by("client")
    .limit(bindparam("limit"))
)
_LAST_EVENT: Final = select(func.max(events.c.number))
_NEWEST: Final = select(releases.c.coffer, func.max(releases.c.serial).label("serial")).group_by(releases.c.coffer)

# Several servers may record one client in any order. The newest is kept.
_RECORD_FETCH: Final = text("""
    INSERT INTO fetches (coffer, client, serial, at) VALUES (:coffer, :client, :serial, :at)
    ON CONFLICT (coffer, client) DO UPDATE SET serial = excluded.serial, at = excluded.at WHERE excluded.at >= fetches.at
""")
_RECORD_RECEIPT: Final = text("""
    INSERT INTO receipts (coffer, client, use, serial, sha256, receipt) VALUES (:coffer, :client, :use, :serial, :sha256, :receipt)
    ON CONFLICT (coffer, client, use) DO UPDATE SET serial = excluded.serial, sha256 = excluded.sha256, receipt = excluded.receipt
    WHERE excluded.serial >= receipts.serial
""")


class SqlStore(Store):
    """The `Store` protocol over a database, which is first created, or migrated to this version.

    Args:
        database: the database. It is closed with the store.
        roots: the database's root keys.
        reads: the reads that every session makes, on the same database.
        cache: keeps the outlines of releases.

    Raises:
        StoreError: if the database cannot be used, or if a newer Coffer made it.
        SealError: if the database belongs to another identity.
    """

    def __init__(self, database: Database, roots: RootKeys, reads: Reads, cache: Cache) -> None:
        self._database = database
        self.roots = roots
        self._reads = reads
        self._cache = cache
        try:
            prepare(database, roots)
        except StoreError:
            database.close()
            raise

    @property
    def name(self) -> str:
        return self._database.name

    @property
    def database(self) -> Database:
        """The database of this store."""
        return self._database

    @contextmanager
    def _reading(self) -> Iterator[tuple[Connection, Keyring]]:
        with self._database.transaction() as connection:
            yield connection, self.roots.read(connection)

    @contextmanager
    def _writing(self, now: int) -> Iterator[Ledger]:
        with self._database.transaction(writes=True) as connection:
            yield Ledger(connection, self.roots.read(connection), now=now)

    # ------------------------------------------------------------------------------------------------------ reading

    def look_up(self, client: bytes) -> Known | None:
        return self._reads.look_up(client)

    def fetch(self, client: bytes) -> Fetched:
        return self._reads.fetch_all([client]).get(client) or rules.deny_get()

    def fetch_all(self, clients: Iterable[bytes]) -> dict[bytes, Fetched]:
        return self._reads.fetch_all(clients)

    def publisher(self, *, coffer: str, publisher: bytes) -> Publisher:
        with self._reading() as (connection, keyring):
            _author(connection, coffer, publisher)
            return _publisher(connection.execute(_PUBLISHER, {"client": publisher}).one(), keyring)

    def ids_between(self, first: bytes, last: bytes, *, limit: int) -> list[bytes]:
        with self._database.transaction() as connection:
            return list(connection.scalars(_IDS_BETWEEN, {"first": first, "last": last, "limit": limit}))

    @contextmanager
    def current(self, *, coffer: str, publisher: bytes) -> Iterator[Listing | None]:
        with self._reading() as (connection, keyring):
            _author(connection, coffer, publisher)
            last = connection.execute(_LAST, {"coffer": coffer}).first()
            yield None if last is None else history.current(connection, keyring, coffer, last.signed)

    def heads(self, *, coffer: str, asker: bytes, from_serial: int) -> list[bytes]:
        with self._database.transaction() as connection:
            if connection.scalar(_HOLDER, {"client": asker}) != coffer or _is_blocked(connection, asker):
                _author(connection, coffer, asker)
            return history.heads(connection, coffer, from_serial)

    @contextmanager
    def entries(self, *, coffer: str, publisher: bytes, serial: int) -> Iterator[Listing]:
        with self._reading() as (connection, keyring):
            _author(connection, coffer, publisher)
            yield history.entries(connection, keyring, coffer, serial)

    @contextmanager
    def changes(self, *, coffer: str, publisher: bytes, serial: int) -> Iterator[Changes]:
        with self._reading() as (connection, keyring):
            _author(connection, coffer, publisher)
            last = connection.execute(_LAST, {"coffer": coffer}).first()
            rules.check_comparable(serial, held=last is not None)
            assert last is not None
            yield history.changes(connection, keyring, coffer, last.signed, serial)

    @contextmanager
    def past(self, *, coffer: str, publisher: bytes, ids: Collection[bytes]) -> Iterator[Iterator[PastEntry]]:
        with self._reading() as (connection, keyring):
            _author(connection, coffer, publisher)
            yield history.past(connection, keyring, coffer, ids)

    def oldest(self, *, coffer: str, publisher: bytes) -> int:
        with self._database.transaction() as connection:
            _author(connection, coffer, publisher)
            return history.oldest(connection, coffer)

    @contextmanager
    def notes(self, *, coffer: str, publisher: bytes, serial: int, ids: Collection[bytes]) -> Iterator[Iterator[tuple[bytes, bytes]]]:
        with self._reading() as (connection, keyring):
            _author(connection, coffer, publisher)
            yield history.notes(connection, keyring, coffer, serial, ids)

    @contextmanager
    def fetches(self, *, coffer: str, publisher: bytes) -> Iterator[Iterator[Fetch]]:
        with self._database.transaction() as connection:
            _author(connection, coffer, publisher)
            yield history.recorded_fetches(connection, coffer)

    def publishers(self) -> list[Publisher]:
        with self._reading() as (connection, keyring):
            rows = connection.execute(select(publishers).order_by(publishers.c.coffer, publishers.c.added, publishers.c.client))
            return [_publisher(row, keyring) for row in rows]

    def blocked(self) -> list[Blocked]:
        with self._database.transaction() as connection:
            rows = connection.execute(select(blocked).order_by(blocked.c.at, blocked.c.client))
            return [Blocked(id=row.client, at=row.at) for row in rows]

    def status(self) -> StoreStatus:
        with self._database.transaction() as connection:
            newest = {row.coffer: row.serial for row in connection.execute(_NEWEST)}
            return StoreStatus(event=connection.scalar(_LAST_EVENT) or 0, releases=newest, away=None)

    # ------------------------------------------------------------------------------------------------------ writing

    def commit(self, *, coffer: str, publisher: bytes, signed: bytes, changes: Iterable[Change], now: int) -> int:
        with self._writing(now) as ledger:
            connection = ledger.connection
            author = _author(connection, coffer, publisher)
            trusted = connection.scalars(select(publishers.c.sign).where(publishers.c.coffer == coffer)).all()
            last = _last(connection, coffer)
            if last is not None and last.sha256 == sha256(signed):
                # The answer to the first Commit was lost on its way.
                return last.serial
            release = rules.verify_head_untrusted(signed, coffer=coffer, author=author, publishers=trusted, last=last, now=now)
            head = release.head
            pending = PendingRelease(ledger, coffer, head.serial)
            for group in groups(changes):
                pending.apply(group)
            rules.check_changed(head, last=last, changed=pending.has_changed)
            outline = rules.check_tree(release, outlines.leaves(connection, coffer))
            ledger.record(Released(signed=signed))
            outlines.keep(connection, coffer, head.serial, outline)
            self._database.announce(connection, coffer=coffer, serial=head.serial)
        self._cache.put(release.sha256, outline)
        return head.serial

    def record_adoption(self, fetches: Iterable[tuple[str, Fetch]], receipts: Iterable[Receipt]) -> None:
        fetched = [{"coffer": coffer, "client": fetch.id, "serial": fetch.serial, "at": fetch.at} for coffer, fetch in fetches]
        signed = [_receipt_row(receipt) for receipt in receipts]
        if not fetched and not signed:
            return
        with self._database.transaction(writes=True) as connection:
            for statement, rows in ((_RECORD_FETCH, fetched), (_RECORD_RECEIPT, signed)):
                if rows:
                    connection.execute(statement, rows)

    def prune(self, retention: Retention, *, now: int) -> int:
        with self._writing(now) as ledger:
            return sum(ledger.prune(pruned) for pruned in pruning.due(ledger.connection, retention, now=now))

    def add_publisher(self, *, coffer: str, key: PublicKey, name: str | None, now: int, may_block: bool = False) -> bool:
        with self._writing(now) as ledger:
            connection = ledger.connection
            own = connection.execute(_PUBLISHER, {"client": key.id}).first()
            others = connection.execute(select(publishers).where(publishers.c.coffer == coffer)).all()
            # Names are sealed, so there is no index of them. There are few.
            named = {other.name: other.key for other in (_publisher(row, ledger.keyring) for row in others)}
            is_new = rules.check_publisher(
                coffer=coffer,
                key=key,
                name=name,
                publishes=None if own is None else own.coffer,
                holder=connection.scalar(_HOLDER, {"client": key.id}),
                namesake=None if name is None else named.get(name),
            )
            if is_new:
                ledger.record(PublisherAdded(coffer=coffer, key=key, name=name, may_block=may_block))
            return is_new

    def remove_publisher(self, *, coffer: str, publisher: bytes, now: int) -> bool:
        with self._writing(now) as ledger:
            row = ledger.connection.execute(_PUBLISHER, {"client": publisher}).first()
            if row is None or row.coffer != coffer:
                return False
            ledger.record(PublisherRemoved(coffer=coffer, publisher=publisher))
            return True

    def block(self, client: bytes, *, now: int) -> bool:
        with self._writing(now) as ledger:
            if _is_blocked(ledger.connection, client):
                return False
            ledger.record(ClientBlocked(client=client))
            return True

    def block_for(self, client: bytes, *, coffer: str, publisher: bytes, is_blocked: bool, now: int) -> None:
        with self._writing(now) as ledger:
            connection = ledger.connection
            _author(connection, coffer, publisher)
            rules.check_block(
                client,
                coffer=coffer,
                may_block=connection.execute(_PUBLISHER, {"client": publisher}).one().may_block,
                holder=connection.scalar(_HOLDER, {"client": client}),
                publishes=connection.scalar(_PUBLISHES, {"client": client}),
            )
            if _is_blocked(connection, client) != is_blocked:
                ledger.record(ClientBlocked(client=client) if is_blocked else ClientUnblocked(client=client))

    def unblock(self, client: bytes, *, now: int) -> bool:
        with self._writing(now) as ledger:
            if not _is_blocked(ledger.connection, client):
                return False
            ledger.record(ClientUnblocked(client=client))
            return True

    def try_writing(self) -> None:
        with self._database.transaction(writes=True) as connection:
            # Every change reads the end of the log: if that is damaged, no change can be made.
            Appender(connection, self.roots.read(connection))
            self._database.touch(connection)

    def follow(self, heard: Callable[[str, int], None]) -> None:
        """Do nothing: nobody else commits to this store."""

    def close(self) -> None:
        self._database.close()


# ------------------------------------------------------------------------------------------------- inside a transaction


def _author(connection: Connection, coffer: str, publisher: bytes) -> PublicKey:
    row = connection.execute(_PUBLISHER, {"client": publisher}).first()
    if row is None or row.coffer != coffer or _is_blocked(connection, publisher):
        rules.deny_open()
    return PublicKey.from_body(row.body)


def _is_blocked(connection: Connection, client: bytes) -> bool:
    return connection.scalar(_BLOCKED, {"client": client}) is not None


def _publisher(row: Any, keyring: Keyring) -> Publisher:
    name = None if row.name is None else keyring.open(PUBLISHER_NAME.of(row.client), row.name).decode()
    return Publisher(coffer=row.coffer, key=PublicKey.from_body(row.body), name=name, may_block=row.may_block, added=row.added)


def _receipt_row(receipt: Receipt) -> dict[str, Any]:
    held = receipt.held
    row = {"coffer": receipt.coffer, "client": receipt.client, "use": held.use}
    return row | {"serial": held.serial, "sha256": held.sha256, "receipt": held.receipt}


def _last(connection: Connection, coffer: str) -> Last | None:
    row = connection.execute(_LAST, {"coffer": coffer}).first()
    return None if row is None else Last(serial=row.serial, sha256=row.sha256, issued=row.issued, expires=row.expires)

"""The reads that every session makes, as prepared statements on the driver itself: through SQLAlchemy each would cost four times that."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import PoolProxiedConnection

from coffer_protocol.release.coffer import Coffer

from . import rules
from .base import Fetched, Known
from .roots import RootKeys
from .schema import BLOB
from .snapshot import Leaf, Snapshot, SnapshotCache
from .sqlite import Sqlite

_LAST_SERIAL: Final = "(SELECT MAX(serial) FROM releases WHERE releases.coffer = members.coffer)"
# One row in any case.
_LOOK_UP: Final = f"""
    SELECT (SELECT coffer FROM publishers WHERE client = :client), members.coffer, members.alg, {_LAST_SERIAL}
    FROM (SELECT 1) LEFT JOIN members ON members.client = :client AND members.until_serial IS NULL
"""  # noqa: S608 (made of constants)
_FETCH: Final = f"""
    SELECT members.coffer, releases.serial, releases.signed, members.alg, members.since, members.sha256, blobs.blob
    FROM members JOIN blobs USING (coffer, client, since, alg, sha256)
    JOIN releases ON releases.coffer = members.coffer AND releases.serial = {_LAST_SERIAL}
    WHERE members.client = :client AND members.until_serial IS NULL
"""  # noqa: S608 (made of constants)
_LEAVES: Final = """
    SELECT client, alg, since, sha256, blob_bytes FROM members WHERE coffer = :coffer AND until_serial IS NULL ORDER BY client
"""
_ROOT_KEYS: Final = "SELECT number, wrapped FROM root_keys"


class HotReads:
    """Look-ups and fetches, on connections that are kept aside from the engine's pool for them. Threads may share it.

    Args:
        database: where they read.
        snapshots: of current releases.
        roots: the database's root keys.
    """

    def __init__(self, database: Sqlite, snapshots: SnapshotCache, roots: RootKeys) -> None:
        self._database = database
        self._snapshots = snapshots
        self._roots = roots
        self._idle: list[PoolProxiedConnection] = []

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            kept = self._take()
            connection = kept.driver_connection
            assert isinstance(connection, sqlite3.Connection)
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")
                self._idle.append(kept)
        except sqlite3.Error as error:
            raise self._database.explain(error) from None

    def _take(self) -> PoolProxiedConnection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._database.engine.raw_connection()

    def look_up(self, client: bytes) -> Known | None:
        """See `Store`."""
        with self._transaction() as connection:
            publishes, holder, alg, serial = connection.execute(_LOOK_UP, {"client": client}).fetchone()
        if publishes is not None:
            return Known(coffer=publishes, suite=rules.PUBLISHER_SUITE, serial=serial)
        return None if holder is None else Known(coffer=holder, suite=rules.SUITE_OF_ALG[alg], serial=serial)

    def fetch_all(self, clients: Iterable[bytes]) -> dict[bytes, Fetched]:
        """See `Store`."""
        found = {}
        with self._transaction() as connection:
            for client in clients:
                if (fetched := self._fetch(connection, client)) is not None:
                    found[client] = fetched
        return found

    def _fetch(self, connection: sqlite3.Connection, client: bytes) -> Fetched | None:
        row = connection.execute(_FETCH, {"client": client}).fetchone()
        if row is None:
            return None
        coffer, serial, signed, alg, since, digest, sealed = row
        keyring = self._roots.keyring_for(sealed) or self._roots.update(connection.execute(_ROOT_KEYS))
        blob = keyring.open(BLOB.of(coffer, client, since, alg, digest), sealed)
        snapshot = self._snapshots.get(coffer, serial, lambda: Snapshot(coffer, _leaves(connection, coffer)))
        index = snapshot.index_of(client)
        body = Coffer(signed=signed, index=index, path=tuple(snapshot.tree.path(index)), alg=alg, since=since, blob=blob)
        return Fetched(coffer=coffer, serial=serial, body=body)

    def close(self) -> None:
        """Give the connections back."""
        while self._idle:
            self._idle.pop().close()


def _leaves(connection: sqlite3.Connection, coffer: str) -> Iterator[Leaf]:
    return (Leaf(*row) for row in connection.execute(_LEAVES, {"coffer": coffer}))

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from coffer_protocol.message import Drop
from coffer_server.store.base import Retention
from coffer_server.store.events import Pruned
from coffer_server.store.log.ledger import Ledger
from coffer_server.store.log.retention import delete, due
from coffer_server.store.open import SqliteStore, open_sqlite
from coffer_server.store.sql.schema import blobs, releases

from ...publishing import AT_REST_KEY, ISSUED, Author, Release, client_id, identity
from ..transactions import released

WEB = identity(100).id()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "coffer.sqlite3"


def commit(store: SqliteStore, author: Author, release: Release) -> None:
    store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    author.published(release)


def published(store: SqliteStore) -> Author:
    author = Author()
    store.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
    commit(store, author, author.first({WEB: b"for web"}))
    return author


def three_releases(ledger: Ledger, author: Author | None = None, client: bytes = WEB) -> Author:
    """Three releases, each with another blob for one client."""
    author = author or Author()
    released(ledger, author, author.first({client: b"1"}))
    for blob in (b"2", b"3"):
        released(ledger, author, author.release([author.put(client, blob)]))
    return author


def test_what_is_pruned_leaves_the_tables(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        author = published(store)
        commit(store, author, author.release([author.put(WEB, b"second")]))
        commit(store, author, author.release([Drop(id=WEB)]))
        assert store.prune(Retention(releases=1, age_s=1), now=ISSUED + 10) == 2
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT client FROM blobs").fetchall() == [(author.key.id,)]
        assert connection.execute("SELECT client FROM members").fetchall() == [(author.key.id,)]
        assert connection.execute("SELECT serial, held FROM releases ORDER BY serial").fetchall() == [(1, 0), (2, 0), (3, 1)]


def test_nothing_is_due_while_every_release_is_young(ledger: Ledger, tables: Connection) -> None:
    author = three_releases(ledger)
    young = Retention(releases=1, age_s=60)
    assert due(tables, young, now=ISSUED + 59) == []
    assert due(tables, young, now=ISSUED + 60) == [Pruned(coffer=author.coffer, first=3)]


def test_so_many_releases_are_held_however_old_they_are(ledger: Ledger, tables: Connection) -> None:
    author = three_releases(ledger)
    for count, first in ((2, 2), (1, 3)):
        assert due(tables, Retention(releases=count, age_s=1), now=ISSUED + 60) == [Pruned(coffer=author.coffer, first=first)]
    assert due(tables, Retention(releases=3, age_s=1), now=ISSUED + 60) == []


def test_a_blob_that_a_held_release_uses_stays(ledger: Ledger, tables: Connection) -> None:
    author = three_releases(ledger)
    # The third release has the publisher's blob of the first.
    assert delete(tables, Pruned(coffer=author.coffer, first=3)) == 2
    kept = tables.execute(select(blobs.c.client, blobs.c.since).order_by(blobs.c.since)).all()
    assert kept == [(author.key.id, 1), (WEB, 3)]
    assert tables.scalars(select(releases.c.held).order_by(releases.c.serial)).all() == [False, False, True]


def test_the_second_time_there_is_nothing_left(ledger: Ledger, tables: Connection) -> None:
    author = three_releases(ledger)
    delete(tables, Pruned(coffer=author.coffer, first=3))
    assert delete(tables, Pruned(coffer=author.coffer, first=3)) == 0
    assert due(tables, Retention(releases=1, age_s=1), now=ISSUED + 60) == []


def test_another_coffer_keeps_what_it_has(ledger: Ledger, tables: Connection) -> None:
    three_releases(ledger)
    other = three_releases(ledger, Author(2, "billing"), client_id(200))
    delete(tables, Pruned(coffer="web-shop", first=3))
    assert tables.scalars(select(releases.c.held).where(releases.c.coffer == other.coffer)).all() == [True, True, True]
    assert len(tables.execute(select(blobs).where(blobs.c.coffer == other.coffer)).all()) == 4

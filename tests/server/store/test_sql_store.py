"""What the SQLite store is beyond the contract: durable, private, and of one version."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from coffer_protocol.message import Drop
from coffer_server.store.open import SqliteStore, open_sqlite

from ..publishing import AT_REST_KEY, ISSUED, Author, Release, identity

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


def test_what_was_committed_is_there_for_another(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        author = published(store)
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        fetched = store.fetch(WEB)
        assert (fetched.serial, fetched.body.signed, fetched.body.blob) == (1, author.signed, b"for web")


def test_another_process_sees_it_at_once(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as server, closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as command:
        author = published(server)
        assert command.fetch(WEB).serial == 1
        commit(command, author, author.release([author.put(WEB, b"new")]))
        # The snapshot that the first one keeps is of a release that is no longer current.
        assert server.fetch(WEB).body.blob == b"new"
        assert server.fetch(WEB).serial == 2


def test_history_says_who_had_what_when(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        author = published(store)
        commit(store, author, author.release([author.put(WEB, b"second")]))
        commit(store, author, author.release([Drop(id=WEB)]))
        commit(store, author, author.release([author.put(WEB, b"fourth")]))
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT from_serial, until_serial, since FROM members WHERE client = ? ORDER BY from_serial", (WEB,)
        ).fetchall()
        assert rows == [(1, 2, 1), (2, 3, 2), (4, None, 4)]
        assert connection.execute("SELECT serial FROM releases ORDER BY serial").fetchall() == [(1,), (2,), (3,), (4,)]

"""What the SQLite store is beyond the contract: durable, private, and of one version."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.message import Drop
from coffer_protocol.release.head import claimed_untrusted
from coffer_protocol.release.tree import leaf_data, leaf_hash, root_of_path
from coffer_server.errors import DeniedError, StoreError
from coffer_server.store.base import Retention
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


def test_the_settings_that_make_it_durable(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store, store.database.transaction() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_nobody_else_can_read_its_files(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        published(store)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert path.name in modes


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


def test_a_get_uses_the_indexes(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        published(store)
    with closing(sqlite3.connect(path)) as connection:
        for where in ("client = x'00' AND until_serial IS NULL", "coffer = 'a' AND until_serial IS NULL ORDER BY client"):
            [plan] = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM members WHERE {where}").fetchall()
            assert "USING INDEX members_" in plan[3], plan


def test_pruning_uses_its_index(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        published(store)
    with closing(sqlite3.connect(path)) as connection:
        for statement, index in (
            ("SELECT * FROM members WHERE coffer = 'a' AND until_serial <= 5", "members_ended"),
            ("SELECT coffer, MAX(serial) FROM releases WHERE held GROUP BY coffer", "releases_held"),
        ):
            [plan] = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            assert f"INDEX {index}" in plan[3], plan


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


def test_an_outline_that_is_not_kept_is_made_when_it_is_wanted(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        author = published(store)
        fetched = store.fetch(WEB)
    with closing(sqlite3.connect(path)) as connection, connection:
        [(coffer, serial)] = connection.execute("SELECT coffer, serial FROM outlines").fetchall()
        assert (coffer, serial) == (author.coffer, 1)
        connection.execute("DELETE FROM outlines")
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        assert store.fetch(WEB) == fetched


def test_a_cache_too_small_for_anything_changes_no_answer(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY, cache_bytes=1)) as store:
        author = published(store)
        many = [author.put(identity(number).id(), b"%d" % number) for number in range(200, 300)]
        commit(store, author, author.release(many))
        for put in many:
            body = store.fetch(put.id).body
            leaf = leaf_hash(leaf_data(coffer=author.coffer, client_id=put.id, alg=2, since=2, blob_sha256=sha256(body.blob)))
            head = claimed_untrusted(body.signed)
            assert body.blob == put.blob
            assert root_of_path(leaf, index=body.index, size=head.count, path=body.path) == head.root


def test_reads_from_many_threads_at_once(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        published(store)
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: store.fetch(WEB).body.blob, range(200)))
    assert found == [b"for web"] * 200


def test_a_newer_schema_is_refused(path: Path) -> None:
    open_sqlite(path, at_rest_key=AT_REST_KEY).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StoreError, match="schema 99"):
        open_sqlite(path, at_rest_key=AT_REST_KEY)


def test_what_is_not_a_database_is_refused(path: Path) -> None:
    path.write_bytes(b"this is not a database, and long enough to say so" * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_sqlite(path, at_rest_key=AT_REST_KEY)


def test_a_fault_of_the_database_shows_no_values(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        author = published(store)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DROP TABLE blobs")
        with pytest.raises(StoreError) as error:
            store.fetch(WEB)
        assert WEB.hex() not in str(error.value)
        assert "no such table" in str(error.value)
        with pytest.raises(StoreError):
            commit(store, author, author.release([author.put(WEB, b"x")]))


def test_a_refusal_leaves_the_connection_usable(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        author = published(store)
        for _ in range(40):
            with pytest.raises(DeniedError):
                store.fetch(identity(999).id())
            with pytest.raises(DeniedError):
                commit(store, author, author.release([]))
        commit(store, author, author.release([author.put(WEB, b"x")]))

"""What every session reads: the same whatever memory and the outlines have."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.release.head import claimed_untrusted
from coffer_protocol.release.tree import Leaf, root_of_path
from coffer_server.store.base import Known
from coffer_server.store.cache import Cache
from coffer_server.store.open import SqliteStore, open_sqlite
from coffer_server.store.sql.root_keys import RootKeys
from coffer_server.store.sql.session_reads import SessionReads

from ...publishing import AT_REST_KEY, ISSUED, Author, Release, identity

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
            leaf = Leaf(coffer=author.coffer, client_id=put.id, alg=2, since=2, blob_sha256=sha256(body.blob)).hash()
            head = claimed_untrusted(body.signed)
            assert body.blob == put.blob
            assert root_of_path(leaf, index=body.index, size=head.count, path=body.path) == head.root


def test_reads_from_many_threads_at_once(path: Path) -> None:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        published(store)
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: store.fetch(WEB).body.blob, range(200)))
    assert found == [b"for web"] * 200


@pytest.fixture
def reads(path: Path) -> Iterator[tuple[SqliteStore, SessionReads]]:
    """A store, and reads of its database that share nothing with it."""
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        yield store, SessionReads(store.database, Cache(1 << 20), RootKeys(AT_REST_KEY))


def test_a_stranger_is_unknown_and_gets_nothing(reads: tuple[SqliteStore, SessionReads]) -> None:
    store, session = reads
    published(store)
    assert session.look_up(identity(999).id()) is None
    assert session.fetch_all([identity(999).id()]) == {}


def test_a_client_speaks_the_suite_of_its_blob(reads: tuple[SqliteStore, SessionReads]) -> None:
    store, session = reads
    author, plain = published(store), identity(101).id()
    commit(store, author, author.release([author.put(plain, b"plain", alg=1)]))
    assert session.look_up(WEB) == Known(coffer=author.coffer, suite=1, serial=2)
    assert session.look_up(plain) == Known(coffer=author.coffer, suite=0, serial=2)


def test_a_publisher_is_known_before_there_is_a_release(reads: tuple[SqliteStore, SessionReads]) -> None:
    store, session = reads
    author = Author()
    store.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
    assert session.look_up(author.key.id) == Known(coffer=author.coffer, suite=1, serial=None, is_publisher=True)


def test_who_is_blocked_is_unknown(reads: tuple[SqliteStore, SessionReads]) -> None:
    store, session = reads
    published(store)
    store.block(WEB, now=ISSUED)
    assert session.look_up(WEB) is None
    assert session.fetch_all([WEB]) == {}


def test_many_are_fetched_at_once_with_their_proofs(reads: tuple[SqliteStore, SessionReads]) -> None:
    store, session = reads
    author = published(store)
    found = session.fetch_all([WEB, identity(999).id(), author.key.id])
    assert found.keys() == {WEB, author.key.id}
    assert found[WEB] == store.fetch(WEB)
    assert found[WEB].body.blob == b"for web"


def test_a_root_key_that_came_later_is_read(reads: tuple[SqliteStore, SessionReads]) -> None:
    store, session = reads
    author = published(store)
    assert session.fetch_all([WEB])[WEB].body.blob == b"for web"
    with store.database.transaction(writes=True) as connection:
        store.roots.add(connection)
    commit(store, author, author.release([author.put(WEB, b"under the second")]))
    assert session.fetch_all([WEB])[WEB].body.blob == b"under the second"

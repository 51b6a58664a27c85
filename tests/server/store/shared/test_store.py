"""A store that several servers share: one database, and memory while it is away."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

import tests.postgres
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.message import Drop
from coffer_protocol.release.head import claimed_untrusted
from coffer_protocol.release.tree import Leaf, root_of_path
from coffer_server.errors import DatabaseAwayError, DeniedError
from coffer_server.store.sql_store import SqlStore
from tests.postgres import Postgres

from ...publishing import ISSUED, Author, identity
from ..shared_stores import SOON_S, WEB, WORKER, Heard, commit, is_served, opened, published


def test_a_release_committed_through_oneis_served_by_all(stores: tuple[SqlStore, SqlStore]) -> None:
    first, second = stores
    author = published(first)
    assert second.fetch(WEB).body.blob == b"for web"
    commit(second, author, author.release([author.put(WEB, b"new"), Drop(id=WORKER)]))
    assert (first.fetch(WEB).serial, first.fetch(WEB).body.blob) == (2, b"new")
    assert first.look_up(WORKER) is None


def test_after_a_lost_release_another_has_its_serial(database_url: str, postgres: Postgres, schema: str) -> None:
    with closing(opened(database_url)) as store:
        published(store)
        # As a failover to a standby that lags would do it.
        tables = ("fetches", "outlines", "members", "blobs", "releases", "publishers", "events")
        store.fetch(WEB)
        for table in tables:
            postgres.execute(f"DELETE FROM {schema}.{table}")
        author = Author()
        store.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
        commit(store, author, author.first({WEB: b"another", identity(300).id(): b"more"}))
        body = store.fetch(WEB).body
        leaf = Leaf(coffer=author.coffer, client_id=WEB, alg=2, since=1, blob_sha256=sha256(b"another")).hash()
        head = claimed_untrusted(body.signed)
        assert root_of_path(leaf, index=body.index, size=head.count, path=body.path) == head.root


def test_memory_serves_while_the_database_is_away(mortal: Postgres) -> None:
    with closing(opened(tests.postgres.url(mortal))) as store:
        author = published(store)
        fetched, known = store.fetch(WEB), store.look_up(WEB)
        mortal.stop()
        assert store.fetch(WEB) == fetched
        assert store.look_up(WEB) == known
        for client in (WORKER, identity(404).id()):
            with pytest.raises(DatabaseAwayError):
                store.look_up(client)
        release = author.release([author.put(WEB, b"new")])
        with pytest.raises(DatabaseAwayError):
            commit(store, author, release)
        mortal.start()
        # Connections that were kept are dead, and nobody notices.
        assert store.look_up(identity(404).id()) is None
        assert store.fetch(WORKER).body.blob == b"for worker"
        commit(store, author, release)
        assert store.fetch(WEB).body.blob == b"new"


def test_memory_serves_nothing_to_who_is_blocked(mortal: Postgres) -> None:
    with closing(opened(tests.postgres.url(mortal))) as store, closing(opened(tests.postgres.url(mortal))) as other:
        author = published(store)
        heard = Heard(store)
        heard.expect("web-shop", 1)
        release = author.release([author.put(identity(300).id(), b"more")])
        other.block(WEB, now=ISSUED)
        assert store.look_up(WEB) is None
        other.unblock(WEB, now=ISSUED)
        # Memory has it, and no read of this store's finds the block.
        assert store.fetch(WEB).serial == 1
        other.block(WEB, now=ISSUED)
        commit(other, author, release)
        heard.expect("web-shop", 2)
        mortal.stop()
        assert store.look_up(WEB) is None
        assert WEB not in store.fetch_all([WEB])
        with pytest.raises(DeniedError):
            store.fetch(WEB)
        mortal.start()
        other.unblock(WEB, now=ISSUED)
        assert other.fetch(WEB).serial == 2
        # This store knows it again once its follower is back.
        commit(other, author, author.release([author.put(WEB, b"third")]))
        heard.expect("web-shop", 3)
        deadline = time.monotonic() + SOON_S
        while not is_served(store, WEB):
            assert time.monotonic() < deadline

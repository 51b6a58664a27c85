"""What the PostgreSQL store is beyond the contract: shared by many servers, and gone at times."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

import tests.postgres
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.message import Drop
from coffer_protocol.release.head import claimed_untrusted
from coffer_protocol.release.tree import leaf_data, leaf_hash, root_of_path
from coffer_server.errors import ConflictError, DatabaseAwayError, DeniedError, SettingsError, StoreError
from coffer_server.store.base import Change, Store
from coffer_server.store.cache import Cache
from coffer_server.store.open import open_postgres
from coffer_server.store.sql import postgres as store_postgres
from coffer_server.store.sql.root_keys import RootKeys
from coffer_server.store.sql.session_reads import SessionReads
from coffer_server.store.sql_store import SqlStore
from tests.postgres import Postgres

from ...publishing import AT_REST_KEY, ISSUED, Author, Release, identity

WEB = identity(100).id()
WORKER = identity(101).id()
# For what comes at once, or within a second, on a machine that has other things to do.
_SOON_S = 30.0


class Heard:
    """What a store says that it has heard of."""

    def __init__(self, store: Store) -> None:
        self._releases: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        store.follow(lambda coffer, serial: self._releases.put((coffer, serial)))

    def expect(self, coffer: str, serial: int) -> None:
        """Wait until this is the next that is heard."""
        assert self._releases.get(timeout=_SOON_S) == (coffer, serial)


def opened(url: str) -> SqlStore:
    return open_postgres(url, at_rest_key=AT_REST_KEY)


@pytest.fixture
def stores(database_url: str) -> Iterator[tuple[SqlStore, SqlStore]]:
    """Two servers' stores on one database."""
    with closing(opened(database_url)) as first, closing(opened(database_url)) as second:
        yield first, second


@pytest.fixture
def mortal() -> Iterator[Postgres]:
    """A PostgreSQL server that a test may stop."""
    with tests.postgres.primary(**tests.postgres.FAST) as server:
        yield server


def commit(store: Store, author: Author, release: Release) -> None:
    store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    author.published(release)


def published(store: Store) -> Author:
    author = Author()
    store.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
    commit(store, author, author.first({WEB: b"for web", WORKER: b"for worker"}))
    return author


# ----------------------------------------------------------------------------------------------------- many servers


def test_a_release_committed_through_one_is_served_by_all(stores: tuple[SqlStore, SqlStore]) -> None:
    first, second = stores
    author = published(first)
    assert second.fetch(WEB).body.blob == b"for web"
    commit(second, author, author.release([author.put(WEB, b"new"), Drop(id=WORKER)]))
    assert (first.fetch(WEB).serial, first.fetch(WEB).body.blob) == (2, b"new")
    assert first.look_up(WORKER) is None


def test_of_two_that_commit_at_once_one_wins(stores: tuple[SqlStore, SqlStore]) -> None:
    author = published(stores[0])
    # Both upload what follows release 1.
    rivals = [author.release([author.put(WEB, blob)]) for blob in (b"first", b"second")]
    start = threading.Barrier(2)
    outcomes: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def upload(store: Store, release: Release) -> None:
        start.wait(_SOON_S)
        try:
            store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
        except ConflictError as error:
            outcomes.put(error)
        else:
            outcomes.put(release.signed)

    threads = [threading.Thread(target=upload, args=pair) for pair in zip(stores, rivals, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [outcome for outcome in (outcomes.get(), outcomes.get()) if isinstance(outcome, bytes)]
    assert len(won) == 1
    for store in stores:
        assert store.fetch(WEB).body.signed == won[0]
        assert store.fetch(WEB).serial == 2


def test_a_commit_waits_for_another_to_end(stores: tuple[SqlStore, SqlStore]) -> None:
    first, second = stores
    author = published(first)
    second_has_begun = threading.Event()
    other = Author(2, "billing")
    second.add_publisher(coffer="billing", key=other.key, name=None, now=ISSUED)

    def upload() -> None:
        second_has_begun.set()
        commit(second, other, other.first())

    waiting = threading.Thread(target=upload)
    release = author.release([author.put(WEB, b"new")])
    with first.database.transaction(writes=True):
        waiting.start()
        assert second_has_begun.wait(_SOON_S)
        assert second.look_up(WEB) is not None
    waiting.join()
    commit(first, author, release)
    assert first.fetch(other.key.id).serial == 1


def test_every_server_hears_of_every_release(stores: tuple[SqlStore, SqlStore]) -> None:
    first, second = stores
    author = published(first)
    heard = [Heard(store) for store in stores]
    for store in heard:
        store.expect("web-shop", 1)
    commit(first, author, author.release([author.put(WEB, b"new")]))
    for store in heard:
        store.expect("web-shop", 2)
    commit(second, author, author.release([author.put(WEB, b"newer")]))
    for store in heard:
        store.expect("web-shop", 3)


class Silent(store_postgres.Postgres):
    """A database whose notices are all lost."""

    def announce(self, connection: Connection, *, coffer: str, serial: int) -> None:
        """Tell nobody."""


def test_a_release_without_a_notice_is_heard_of(stores: tuple[SqlStore, SqlStore], database_url: str) -> None:
    author = published(stores[0])
    heard = Heard(stores[1])
    heard.expect("web-shop", 1)
    database, roots, cache = Silent(database_url), RootKeys(AT_REST_KEY), Cache(1 << 20)
    with closing(SqlStore(database, roots, SessionReads(database, cache, roots), cache)) as silent:
        commit(silent, author, author.release([author.put(WEB, b"new")]))
    heard.expect("web-shop", 2)


def test_a_notice_lost_with_its_connection_is_no_lost_release(stores: tuple[SqlStore, SqlStore], postgres: Postgres) -> None:
    first, second = stores
    author = published(first)
    heard = Heard(second)
    heard.expect("web-shop", 1)
    every_other = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'coffer-server'"
    assert (True,) in postgres.execute(every_other)
    commit(first, author, author.release([author.put(WEB, b"new")]))
    heard.expect("web-shop", 2)


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
        leaf = leaf_hash(leaf_data(coffer=author.coffer, client_id=WEB, alg=2, since=1, blob_sha256=sha256(b"another")))
        head = claimed_untrusted(body.signed)
        assert root_of_path(leaf, index=body.index, size=head.count, path=body.path) == head.root


# ------------------------------------------------------------------------------------------- a database that is away


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
        deadline = time.monotonic() + _SOON_S
        while not _is_served(store, WEB):
            assert time.monotonic() < deadline


def _is_served(store: SqlStore, client: bytes) -> bool:
    try:
        return client in store.fetch_all([client])
    except DatabaseAwayError:
        return False


def test_it_is_said_once_that_the_database_is_away(mortal: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(opened(tests.postgres.url(mortal))) as store, closing(opened(tests.postgres.url(mortal))) as other:
        author = published(store)
        heard = Heard(store)
        heard.expect("web-shop", 1)
        mortal.stop()
        mortal.start()
        commit(other, author, author.release([author.put(WEB, b"new")]))
        heard.expect("web-shop", 2)
    said = capsys.readouterr().out
    assert said.count("the database is away: serving from memory") == 1
    assert said.count("the database is back") == 1


def test_a_database_that_goes_in_the_middle_of_a_commit(mortal: Postgres) -> None:
    with closing(opened(tests.postgres.url(mortal))) as store:
        author = published(store)

        def changes() -> Iterator[Change]:
            mortal.stop()
            yield from release.changes

        release = author.release([author.put(WEB, b"new")])
        with pytest.raises(DatabaseAwayError):
            store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=changes(), now=ISSUED)
        mortal.start()
        assert store.fetch(WEB).serial == 1


def test_a_commit_that_no_standby_confirms_is_not_acknowledged(mortal: Postgres) -> None:
    with closing(opened(tests.postgres.url(mortal))) as store:
        author = published(store)
        # The standby of this name will never come.
        mortal.configure(synchronous_commit="on", synchronous_standby_names="nobody")
        mortal.reload()
        release = author.release([author.put(WEB, b"new")])
        outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

        def upload() -> None:
            try:
                commit(store, author, release)
            except StoreError as error:
                outcome.put(error)
            else:
                outcome.put(None)

        uploading = threading.Thread(target=upload)
        uploading.start()
        cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        while not mortal.execute(cancel):
            assert uploading.is_alive()
        assert "no standby has confirmed it" in str(outcome.get(timeout=_SOON_S))
        uploading.join()


# ---------------------------------------------------------------------------------------------------------- opening


def test_many_servers_may_start_at_once(database_url: str) -> None:
    made: queue.SimpleQueue[SqlStore | Exception] = queue.SimpleQueue()

    def start() -> None:
        try:
            made.put(opened(database_url))
        except StoreError as error:
            made.put(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in threads:
        store = made.get()
        assert isinstance(store, SqlStore)
        store.close()


def test_what_is_no_url() -> None:
    with pytest.raises(SettingsError) as error:
        opened("postgresql+psycopg://coffer:canary-55c1@host:port/coffer")
    assert "canary-55c1" not in str(error.value)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatabaseAwayError, match="cannot be reached") as error:
        opened(f"postgresql+psycopg://coffer:canary-55c1@/coffer?host={tmp_path}")
    assert "canary-55c1" not in str(error.value)


def test_a_database_that_is_not_there(postgres: Postgres) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        opened(tests.postgres.url(postgres, database="nothing"))


def test_a_fault_of_the_database_shows_no_values(stores: tuple[SqlStore, SqlStore], postgres: Postgres, schema: str) -> None:
    published(stores[0])
    postgres.execute(f"DROP TABLE {schema}.blobs CASCADE")
    with pytest.raises(StoreError, match="blobs") as error:
        stores[0].fetch(WEB)
    assert WEB.hex() not in str(error.value)

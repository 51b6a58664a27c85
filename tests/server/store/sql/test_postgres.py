"""What the PostgreSQL store is beyond the contract: shared by many servers, and gone at times."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import tests.postgres
from coffer_server.errors import ConflictError, DatabaseAwayError, SettingsError, StoreError
from coffer_server.store.base import Change, Store
from coffer_server.store.sql_store import SqlStore
from tests.postgres import Postgres

from ...publishing import ISSUED, Author, Release
from ..shared_stores import SOON_S, WEB, commit, opened, published

# ----------------------------------------------------------------------------------------------------- many servers


def test_of_two_that_commit_at_once_one_wins(stores: tuple[SqlStore, SqlStore]) -> None:
    author = published(stores[0])
    # Both upload what follows release 1.
    rivals = [author.release([author.put(WEB, blob)]) for blob in (b"first", b"second")]
    start = threading.Barrier(2)
    outcomes: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def upload(store: Store, release: Release) -> None:
        start.wait(SOON_S)
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
        assert second_has_begun.wait(SOON_S)
        assert second.look_up(WEB) is not None
    waiting.join()
    commit(first, author, release)
    assert first.fetch(other.key.id).serial == 1


# ------------------------------------------------------------------------------------------- a database that is away


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
        assert "no standby has confirmed it" in str(outcome.get(timeout=SOON_S))
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

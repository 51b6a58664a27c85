"""A store that fails: at each of its steps in turn, and as disks and other processes make it fail."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from coffer_protocol.message import Drop
from coffer_server.errors import StoreError
from coffer_server.store.base import Retention
from coffer_server.store.log import verification
from coffer_server.store.open import SqliteStore, open_sqlite
from coffer_server.store.upkeep.rotation import Rotation

from .conftest import make_read_only
from .publishing import AT_REST_KEY, ISSUED, Author, Release, identity

WEB = identity(100).id()
WORKER = identity(101).id()


class InjectedError(Exception):
    """What a failing step raises."""


@contextmanager
def failing_at(engine: Engine, step: int) -> Iterator[list[int]]:
    """Let the engine's statement with this number fail, or its COMMIT where that is the step. Gives the number of steps, in a list."""
    steps = [0]

    def take(*_: Any) -> None:
        steps[0] += 1
        if steps[0] == step:
            raise InjectedError

    event.listen(engine, "before_cursor_execute", take)
    event.listen(engine, "commit", take)
    try:
        yield steps
    finally:
        event.remove(engine, "before_cursor_execute", take)
        event.remove(engine, "commit", take)


def every_step(engine: Engine, act: Callable[[], object], check: Callable[[], None]) -> int:
    """Do it with every step failing in turn, and `check` after each; at last without a fault. How many steps there were."""
    step = 1
    while True:
        with failing_at(engine, step) as steps:
            try:
                act()
            except InjectedError:
                check()
                step += 1
                continue
        return steps[0]


def opened(path: Path) -> SqliteStore:
    return open_sqlite(path, at_rest_key=AT_REST_KEY)


def commit(store: SqliteStore, author: Author, release: Release) -> None:
    store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "coffer.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A store on it."""
    with closing(opened(path)) as made:
        yield made


@pytest.fixture
def author(store: SqliteStore) -> Author:
    """The author of the one release in it."""
    author = Author()
    store.add_publisher(coffer=author.coffer, key=author.key, name="laptop", now=ISSUED)
    commit(store, author, author.published(author.first({WEB: b"for web", WORKER: b"for worker"})))
    return author


def unchanged(store: SqliteStore) -> Callable[[], None]:
    """A check that the store is whole, and as it is now."""

    def state() -> object:
        verified = verification.verify(store.database, store.roots)
        with store.current(coffer="web-shop", publisher=Author().key.id) as current:
            assert current is not None
            return verified, current.signed, list(current.entries), store.publishers(), store.fetch(WEB)

    before = state()

    def check() -> None:
        assert state() == before

    return check


# ------------------------------------------------------------------------------------------------- each step in turn


def test_a_commit(store: SqliteStore, author: Author) -> None:
    release = author.release([author.put(WEB, b"new"), Drop(id=WORKER), author.put(identity(3).id(), b"more")])
    steps = every_step(store.database.engine, lambda: commit(store, author, release), unchanged(store))
    assert steps > 15
    assert store.fetch(WEB).body.blob == b"new"
    verification.verify(store.database, store.roots)


def test_publishers(store: SqliteStore, author: Author) -> None:
    key = identity(3).public()
    every_step(store.database.engine, lambda: store.add_publisher(coffer="web-shop", key=key, name="ci", now=ISSUED), unchanged(store))
    assert len(store.publishers()) == 2
    every_step(store.database.engine, lambda: store.remove_publisher(coffer="web-shop", publisher=key.id, now=ISSUED), unchanged(store))
    assert len(store.publishers()) == 1
    assert author.serial == 1


def test_retention(store: SqliteStore, author: Author) -> None:
    for number in range(3):
        commit(store, author, author.published(author.release([author.put(WORKER, b"%d" % number)])))
    every_step(store.database.engine, lambda: store.prune(Retention(releases=1, age_s=0), now=ISSUED + 1), unchanged(store))
    verification.verify(store.database, store.roots)
    with closing(sqlite3.connect(store.database.path)) as connection:
        assert connection.execute("SELECT count(*) FROM blobs").fetchone() == (3,)


def test_a_rebuild(store: SqliteStore, author: Author) -> None:
    every_step(store.database.engine, lambda: verification.rebuild(store.database, store.roots), unchanged(store))
    assert author.serial == 1


def test_a_rotation_goes_on_after_any_fault(store: SqliteStore, author: Author) -> None:
    def rotate() -> None:
        list(Rotation(store.database, store.roots, now=ISSUED).run())

    def check() -> None:
        assert store.fetch(WEB).body.blob == b"for web"
        verification.verify(store.database, store.roots)

    every_step(store.database.engine, rotate, check)
    assert author.serial == 1
    with store.database.transaction() as connection:
        assert store.roots.read(connection).is_single


# ------------------------------------------------------------------------------------------------------- what SQLite says


def every_connection(store: SqliteStore, pragma: str) -> None:
    """Set something for every connection of a store from now on."""
    store.database.close()
    event.listen(store.database.engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}"))


def test_a_full_disk(store: SqliteStore, author: Author) -> None:
    check = unchanged(store)
    every_connection(store, "max_page_count = 1")
    with pytest.raises(StoreError, match=r"coffer\.sqlite3: the disk is full \(.*\): free some space"):
        commit(store, author, author.release([author.put(WEB, bytes(1 << 20))]))
    check()
    # A page that is there can be written: what an upload needs beside that, `check_room` in upload.py asks for.
    store.try_writing()


def test_a_database_that_another_keeps_locked(store: SqliteStore, author: Author) -> None:
    check = unchanged(store)
    every_connection(store, "busy_timeout = 1")
    with closing(sqlite3.connect(store.database.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process has kept the database locked"):
            commit(store, author, author.release([author.put(WEB, b"x")]))
        with pytest.raises(StoreError, match="another process has kept the database locked"):
            store.try_writing()
        check()
    store.try_writing()
    check()
    commit(store, author, author.release([author.put(WEB, b"x")]))


def test_a_damaged_database_serves_what_it_can(store: SqliteStore, author: Author) -> None:
    commit(store, author, author.published(author.release([author.put(WORKER, bytes(1 << 18))])))
    store.database.forget_deleted()
    store.database.close()
    with closing(sqlite3.connect(store.database.path)) as connection:
        [[page]] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events'").fetchall()
        [[page_bytes]] = connection.execute("PRAGMA page_size").fetchall()
    with store.database.path.open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xff" * page_bytes)
    with pytest.raises(StoreError, match=r"the database is damaged \(.*\): restore a backup") as caught:
        commit(store, author, author.release([author.put(WEB, b"x")]))
    assert caught.value.hint == f"coffer-server restore {store.database.path.parent} BACKUP"
    assert store.fetch(WEB).body.blob == b"for web"
    with pytest.raises(StoreError, match="the database is damaged"):
        store.try_writing()
    with pytest.raises(StoreError, match="the database is damaged"):
        verification.verify(store.database, store.roots)


def test_a_folder_that_has_become_read_only(as_anybody: Path) -> None:
    path = as_anybody / "coffer.sqlite3"
    author = Author()
    before = opened(path)
    before.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
    commit(before, author, author.published(author.first({WEB: b"for web"})))
    make_read_only(as_anybody)
    # A server that was killed leaves its write-ahead log, so the database can be read.
    with closing(opened(path)) as store:
        assert store.fetch(WEB).body.blob == b"for web"
        with pytest.raises(StoreError, match=r"read-only \(.*\): mount or chmod it"):
            commit(store, author, author.release([author.put(WEB, b"x")]))
        with pytest.raises(StoreError, match=r"read-only \(.*\): mount or chmod it"):
            store.try_writing()
        assert store.status().releases == {author.coffer: 1}
        assert store.fetch(WEB).body.blob == b"for web"
    before.close()


def test_a_folder_in_which_nothing_can_be_made(as_anybody: Path) -> None:
    opened(as_anybody / "coffer.sqlite3").close()
    make_read_only(as_anybody)
    with pytest.raises(StoreError, match=r"its folder is read-only \(.*\): mount or chmod it"):
        opened(as_anybody / "coffer.sqlite3")
    with pytest.raises(StoreError, match=r"cannot create .*: Permission denied"):
        opened(as_anybody / "other.sqlite3")

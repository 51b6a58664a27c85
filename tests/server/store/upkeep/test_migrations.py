"""Databases of older versions are brought to this one, with a backup first."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from coffer_protocol.message import Entry
from coffer_server.errors import StoreError
from coffer_server.store.log import verification
from coffer_server.store.log.log import read
from coffer_server.store.open import SqliteStore, open_sqlite
from coffer_server.store.sql.schema import VERSION
from coffer_server.store.sql.sqlite import backup_path
from coffer_server.store.upkeep.migrations import STEPS

from ... import old_databases
from ...old_databases import GONE, MAKERS, PUBLISHER_NAME, WEB, WORKER
from ...publishing import AT_REST_KEY, ISSUED, Author


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "coffer.sqlite3"


def opened(path: Path) -> SqliteStore:
    return open_sqlite(path, at_rest_key=AT_REST_KEY)


def entries(store: SqliteStore, author: Author) -> list[Entry]:
    with store.current(coffer=author.coffer, publisher=author.key.id) as current:
        assert current is not None
        return list(current.entries)


def shape(path: Path) -> dict[str, object]:
    """Every table's columns and indexes, as SQLite has understood them."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {
            table: (
                [column[1:4] + column[5:] for column in connection.execute(f"PRAGMA table_info({table})")],
                sorted(index[1:] for index in connection.execute(f"PRAGMA index_list({table})")),
            )
            for table in tables
        }


def test_every_old_version_has_a_step_and_a_maker() -> None:
    assert STEPS.keys() == MAKERS.keys() == set(range(1, VERSION))


@pytest.mark.parametrize("version", MAKERS)
def test_what_was_there_is_there(path: Path, version: int) -> None:
    author = MAKERS[version](path)
    with closing(opened(path)) as store:
        assert entries(store, author) == [author.entries[id_] for id_ in sorted(author.entries)]
        assert [store.fetch(id_).body.blob for id_ in (WEB, WORKER)] == [b"for web", b"fourth"]
        assert store.look_up(GONE) is None
        assert [(publisher.name, publisher.key) for publisher in store.publishers()] == [(PUBLISHER_NAME, author.key)]
        # And life goes on.
        release = author.release([author.put(WEB, b"fifth")])
        store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
        assert store.fetch(WEB).body.blob == b"fifth"
        verification.verify(store.database, store.roots)


@pytest.mark.parametrize("version", MAKERS)
def test_the_log_says_how_it_came_to_be(path: Path, version: int) -> None:
    MAKERS[version](path)
    with closing(opened(path)) as store:
        assert verification.verify(store.database, store.roots).releases == 4
        before = shape_of_rows(path)
        verification.rebuild(store.database, store.roots)
        assert shape_of_rows(path) == before
        with store.database.transaction() as connection:
            kinds = [event.kind for event in read(connection, store.roots.read(connection))]
        assert kinds[0] == "publisher-added"
        assert kinds.count("adopted") == 4


def shape_of_rows(path: Path) -> list[object]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT coffer, client, from_serial, until_serial, since, alg, sha256, blob_bytes FROM members ORDER BY 1, 2, 3"
        ).fetchall()


@pytest.mark.parametrize("version", MAKERS)
def test_its_tables_are_those_of_a_new_one(tmp_path: Path, path: Path, version: int) -> None:
    MAKERS[version](path)
    opened(path).close()
    opened(tmp_path / "new").close()
    assert shape(path) == shape(tmp_path / "new")


@pytest.mark.parametrize("version", MAKERS)
def test_nothing_stays_in_the_open(path: Path, version: int) -> None:
    MAKERS[version](path)
    assert PUBLISHER_NAME.encode() in path.read_bytes()
    opened(path).close()
    data = path.read_bytes()
    for open_ in (PUBLISHER_NAME.encode(), b"for web", b"fourth"):
        assert open_ not in data


@pytest.mark.parametrize("version", MAKERS)
def test_a_backup_comes_first(path: Path, version: int) -> None:
    MAKERS[version](path)
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
    opened(path).close()
    kept = backup_path(path, version)
    with closing(sqlite3.connect(kept)) as connection:
        assert list(connection.iterdump()) == before
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    old_databases.make_1(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE root_keys (in_the_way INTEGER)")
        before = list(connection.iterdump())
    with pytest.raises(StoreError, match="root_keys already exists"):
        opened(path)
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before


def test_a_migration_that_was_interrupted_begins_again(path: Path) -> None:
    author = old_databases.make_1(path)
    path.with_name("coffer.sqlite3.schema-1.partial").write_bytes(b"half of it")
    with closing(opened(path)) as store:
        assert entries(store, author)

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from coffer_server.errors import SealError, StoreError
from coffer_server.store.open import open_sqlite
from coffer_server.store.sql.root_keys import RootKeys
from coffer_server.store.sql.schema import VERSION, metadata
from coffer_server.store.sql.sqlite import Sqlite
from coffer_server.store.upkeep.prepare import check_restorable, prepare

from ...publishing import AT_REST_KEY, identity


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "coffer.sqlite3"


def test_a_newer_schema_is_refused(path: Path) -> None:
    open_sqlite(path, at_rest_key=AT_REST_KEY).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE coffer_schema SET version = 99")
    with pytest.raises(StoreError, match="schema 99"):
        open_sqlite(path, at_rest_key=AT_REST_KEY)


def version(path: Path) -> int | None:
    with closing(sqlite3.connect(path)) as connection:
        found: tuple[int] | None = connection.execute("SELECT version FROM coffer_schema").fetchone()
        return None if found is None else found[0]


def prepared(path: Path, at_rest_key: bytes = AT_REST_KEY) -> RootKeys:
    with closing(Sqlite(path)) as database:
        roots = RootKeys(at_rest_key)
        prepare(database, roots)
        return roots


def test_a_new_database_gets_its_tables_and_a_root_key(path: Path) -> None:
    prepared(path)
    assert version(path) == VERSION
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == {table.name for table in metadata.sorted_tables}
        assert connection.execute("SELECT number FROM root_keys").fetchall() == [(1,)]


def test_the_second_time_nothing_is_written(path: Path) -> None:
    prepared(path)
    before = path.read_bytes()
    prepared(path)
    assert path.read_bytes() == before


def test_a_database_of_another_identity_is_refused(path: Path) -> None:
    prepared(path)
    with pytest.raises(SealError):
        prepared(path, identity(9).at_rest_key())


def check(path: Path) -> None:
    with closing(Sqlite(path, is_frozen=True)) as database:
        check_restorable(database, RootKeys(AT_REST_KEY))


def test_a_backup_of_this_version_can_be_restored(path: Path) -> None:
    prepared(path)
    check(path)


def test_what_is_no_servers_database_cannot_be_restored(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE words (word)")
    with pytest.raises(StoreError, match="not the database of a server"):
        check(path)


def test_a_backup_of_a_newer_version_cannot_be_restored(path: Path) -> None:
    prepared(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE coffer_schema SET version = 99")
    with pytest.raises(StoreError, match="schema 99"):
        check(path)

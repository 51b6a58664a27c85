"""SQLite: durable, private, and what its errors say."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from coffer_server.errors import DeniedError, StoreError
from coffer_server.store.open import SqliteStore, open_sqlite
from coffer_server.store.sql.schema import blocked, metadata
from coffer_server.store.sql.sqlite import Sqlite, empty_tables

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


@pytest.fixture
def database(path: Path) -> Iterator[Sqlite]:
    """A database with one table."""
    with closing(Sqlite(path)) as made:
        with made.transaction(writes=True) as connection:
            connection.exec_driver_sql("CREATE TABLE words (word TEXT)")
        yield made


def words(database: Sqlite) -> list[str]:
    return database.read(lambda reader: [word for (word,) in reader.execute("SELECT word FROM words")])


def add(connection: Connection, word: str) -> None:
    connection.exec_driver_sql("INSERT INTO words VALUES (?)", (word,))


def test_a_transaction_that_fails_changes_nothing(database: Sqlite) -> None:
    with suppress(ZeroDivisionError), database.transaction(writes=True) as connection:
        add(connection, "lost")
        raise ZeroDivisionError
    assert words(database) == []
    with database.transaction(writes=True) as connection:
        add(connection, "kept")
    assert words(database) == ["kept"]


def test_a_reader_sees_one_state_while_another_writes(database: Sqlite) -> None:
    with database.transaction() as reading:
        count = "SELECT COUNT(*) FROM words"
        assert reading.exec_driver_sql(count).scalar() == 0
        with database.transaction(writes=True) as writing:
            add(writing, "new")
        assert reading.exec_driver_sql(count).scalar() == 0
    assert words(database) == ["new"]


def test_a_read_that_fails_leaves_its_connection_usable(database: Sqlite) -> None:
    for _ in range(40):
        with pytest.raises(ZeroDivisionError):
            database.read(lambda reader: 1 // 0)
        with pytest.raises(StoreError, match="no such table"):
            database.read(lambda reader: reader.execute("SELECT * FROM absent"))
    assert words(database) == []


def test_a_copy_is_a_database_of_its_own(database: Sqlite, tmp_path: Path) -> None:
    copy, seen = tmp_path / "copy", list[tuple[int, int]]()
    with database.transaction(writes=True) as connection:
        add(connection, "kept")
    database.copy(copy, lambda done, total: seen.append((done, total)))
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert seen[-1][0] == seen[-1][1] > 0
    with closing(Sqlite(copy, is_frozen=True)) as frozen:
        assert words(frozen) == ["kept"]
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("copy")] == ["copy"]
    with pytest.raises(FileExistsError):
        database.copy(copy)


def test_a_frozen_database_takes_nothing(database: Sqlite, tmp_path: Path) -> None:
    database.copy(tmp_path / "copy")
    with closing(Sqlite(tmp_path / "copy", is_frozen=True)) as frozen:
        with pytest.raises(StoreError), frozen.transaction(writes=True) as connection:
            add(connection, "x")
        assert words(frozen) == []


def test_damage_is_found(database: Sqlite, path: Path) -> None:
    with database.transaction(writes=True) as connection:
        for number in range(2000):
            add(connection, f"word {number}")
    database.check()
    database.forget_deleted()
    with path.open("r+b") as file:
        file.seek(4096 * 4)
        file.write(b"\xff" * 4096)
    with closing(Sqlite(path)) as damaged, pytest.raises(StoreError, match="coffer-server restore"):
        damaged.check()


def test_what_was_deleted_is_in_none_of_its_files(database: Sqlite, path: Path) -> None:
    with database.transaction(writes=True) as connection:
        add(connection, "canary")
    with database.transaction(writes=True) as connection:
        connection.exec_driver_sql("DELETE FROM words")
    database.forget_deleted()
    assert not [file.name for file in path.parent.iterdir() if b"canary" in file.read_bytes()]


@pytest.mark.parametrize(
    ("code", "mend"),
    [(sqlite3.SQLITE_FULL, "the disk is full"), (sqlite3.SQLITE_READONLY, "read-only"), (sqlite3.SQLITE_CORRUPT, "restore")],
)
def test_an_error_says_what_mends_it(database: Sqlite, path: Path, code: int, mend: str) -> None:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    told = str(database.explain(error))
    assert told.startswith(f"{path}: ")
    assert mend in told


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"{tmp_path}/none/coffer.sqlite3: "):
        Sqlite(tmp_path / "none" / "coffer.sqlite3")


def test_empty_tables_are_all_there_and_gone_afterwards() -> None:
    with empty_tables() as connection:
        assert [connection.execute(select(table)).all() for table in metadata.sorted_tables] == [[]] * len(metadata.sorted_tables)
    with empty_tables() as connection:
        connection.execute(blocked.insert(), {"client": bytes(32), "at": 1})
    with empty_tables() as connection:
        assert connection.execute(select(blocked)).all() == []


def test_a_copy_whose_file_is_exchanged_does_not_touch_the_other_file(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.touch()

    class Exchanged(Sqlite):
        """Another user gives the name to a link, between the making of the file and SQLite's opening of it."""

        def _connect(self) -> sqlite3.Connection:
            if copy.exists():
                copy.unlink()
                copy.symlink_to(victim)
            return super()._connect()

    copy = tmp_path / "copy"
    with closing(open_sqlite(tmp_path / "database", at_rest_key=AT_REST_KEY)):
        pass
    with closing(Exchanged(tmp_path / "database")) as database, pytest.raises(StoreError, match="was exchanged during the copy"):
        database.copy(copy)
    assert victim.read_bytes() == b""

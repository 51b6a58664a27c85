"""Rotation of the root key: everything is sealed again, whatever happens meanwhile."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from coffer_server.errors import SealError
from coffer_server.store import sealing
from coffer_server.store.events import RootKeysTakenOver
from coffer_server.store.log import log, verification
from coffer_server.store.open import SqliteStore, open_sqlite
from coffer_server.store.sql.root_keys import RootKeys
from coffer_server.store.sql.schema import PUBLISHER_NAME, SEALED
from coffer_server.store.sql.sqlite import Sqlite
from coffer_server.store.upkeep.rotation import Rotation, take_over

from ...publishing import AT_REST_KEY, ISSUED, Author, identity

CLIENTS = {identity(number).id(): b"for %d" % number for number in range(100, 250)}


def opened(path: Path) -> SqliteStore:
    return open_sqlite(path, at_rest_key=AT_REST_KEY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with more values of each kind than one transaction seals."""
    path = tmp_path / "coffer.sqlite3"
    author = Author()
    with closing(opened(path)) as store:
        store.add_publisher(coffer=author.coffer, key=author.key, name="laptop", now=ISSUED)
        release = author.first(CLIENTS)
        store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    return path


def published() -> Author:
    author = Author()
    author.published(author.first(CLIENTS))
    return author


def numbers(path: Path) -> set[int]:
    """The root keys that values are sealed under."""
    with closing(sqlite3.connect(path)) as connection:
        statements = [f"SELECT {column.name} FROM {column.table.name}" for _, column in SEALED]
        return {sealing.number_of(value) for statement in statements for (value,) in connection.execute(statement) if value is not None}


def kept(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM root_keys ORDER BY number")]


def test_everything_is_sealed_again(path: Path) -> None:
    assert (numbers(path), kept(path)) == ({1}, [1])
    with closing(opened(path)) as store:
        rotation = Rotation(store.database, store.roots, now=ISSUED)
        # publishers, blobs, notes, marks; events, but for that of the rotation's beginning.
        assert rotation.total == 1 + 3 * len(CLIENTS | {b"": b""}) + 3
        assert sum(rotation.run()) == rotation.total
        verification.verify(store.database, store.roots)
        assert {client: store.fetch(client).body.blob for client in CLIENTS} == CLIENTS
        assert [publisher.name for publisher in store.publishers()] == ["laptop"]
    assert (numbers(path), kept(path)) == ({2}, [2])


def test_the_old_root_key_is_gone_from_the_file(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        [[wrapped]] = connection.execute("SELECT wrapped FROM root_keys").fetchall()
    assert wrapped in path.read_bytes()
    with closing(opened(path)) as store:
        list(Rotation(store.database, store.roots, now=ISSUED).run())
        store.database.forget_deleted()
        assert all(wrapped not in file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize("steps", [0, 1, 4, 7])
def test_one_that_is_interrupted_goes_on(path: Path, steps: int) -> None:
    with closing(opened(path)) as store:
        rotation = Rotation(store.database, store.roots, now=ISSUED)
        for _, _ in zip(range(steps), rotation.run(), strict=False):
            pass
        first = rotation.total
    assert kept(path) == [1, 2]
    with closing(opened(path)) as store:
        assert {client: store.fetch(client).body.blob for client in CLIENTS} == CLIENTS
        verification.verify(store.database, store.roots)
        rotation = Rotation(store.database, store.roots, now=ISSUED)
        assert rotation.total < first or steps == 0
        list(rotation.run())
        verification.verify(store.database, store.roots)
    assert (numbers(path), kept(path)) == ({2}, [2])


def test_a_server_reads_and_writes_meanwhile(path: Path) -> None:
    author = published()
    with closing(opened(path)) as server, closing(opened(path)) as command:
        server.fetch(next(iter(CLIENTS)))
        rotation = Rotation(command.database, command.roots, now=ISSUED)
        for number, _ in enumerate(rotation.run()):
            client = list(CLIENTS)[number]
            release = author.release([author.put(client, b"new %d" % number)])
            server.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
            author.published(release)
            assert server.fetch(client).body.blob == b"new %d" % number
        # It has never heard of the new root key but through the values that are sealed under it.
        assert [server.fetch(client).body.blob for client in CLIENTS]
        verification.verify(server.database, server.roots)
    assert (numbers(path), kept(path)) == ({2}, [2])


def test_the_old_root_key_stays_while_a_value_needs_it(path: Path) -> None:
    with closing(opened(path)) as store:
        with store.database.transaction() as connection:
            old = store.roots.read(connection)
        running = Rotation(store.database, store.roots, now=ISSUED).run()
        # Publishers' names come first.
        next(running)
        publisher = Author().key.id
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("UPDATE publishers SET name = ?", (old.seal(PUBLISHER_NAME.of(publisher), b"laptop"),))
        with pytest.raises(SealError, match="1 values are still sealed under the old root key"):
            list(running)
        assert kept(path) == [1, 2]
        list(Rotation(store.database, store.roots, now=ISSUED).run())
    assert (numbers(path), kept(path)) == ({2}, [2])


def test_another_identity_can_take_over(path: Path) -> None:
    other = identity(77).at_rest_key()
    with pytest.raises(SealError, match="does not open with this server's identity"):
        open_sqlite(path, at_rest_key=other)
    with closing(Sqlite(path)) as database:
        with pytest.raises(SealError):
            take_over(database, RootKeys(other), identity(78).at_rest_key(), server=identity(77).id(), now=ISSUED)
        assert take_over(database, RootKeys(other), AT_REST_KEY, server=identity(77).id(), now=ISSUED) == 1
    with closing(open_sqlite(path, at_rest_key=other)) as store:
        verification.verify(store.database, store.roots)
        with store.database.transaction() as connection:
            *_, last = log.read(connection, store.roots.read(connection))
        assert last.happening == RootKeysTakenOver(server=identity(77).id())
    with pytest.raises(SealError):
        opened(path)

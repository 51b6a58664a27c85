"""verify names the first thing that is wrong, and rebuild makes the answering tables out of the log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from coffer_protocol.message import Drop
from coffer_server.errors import DamagedError, StoreError
from coffer_server.store.base import Retention
from coffer_server.store.log import verification
from coffer_server.store.log.verification import Verified
from coffer_server.store.open import SqliteStore, open_sqlite

from ...publishing import AT_REST_KEY, ISSUED, Author, Release, identity

WEB = identity(100).id()
WORKER = identity(101).id()
DAY_S = 86400


def commit(store: SqliteStore, author: Author, release: Release) -> None:
    now = ISSUED + release.head.serial * DAY_S
    store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=now)
    author.published(release)


def opened(path: Path) -> SqliteStore:
    return open_sqlite(path, at_rest_key=AT_REST_KEY)


def verify(path: Path) -> Verified:
    with closing(opened(path)) as store:
        return verification.verify(store.database, store.roots)


def rebuild(path: Path) -> None:
    with closing(opened(path)) as store:
        verification.rebuild(store.database, store.roots)


def rows(path: Path) -> dict[str, list[object]]:
    """The answering tables, but for what is sealed: no two sealings are the same."""
    sealed = {"publishers": ("name",), "blocked": (), "releases": (), "members": ("mark",)}
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return {
            table: sorted(
                (tuple(row[name] for name in row.keys() if name not in names) for row in connection.execute(f"SELECT * FROM {table}")),  # noqa: SIM118 (a Row is no dict)
                key=repr,
            )
            for table, names in sealed.items()
        }


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database in which everything has happened that can."""
    path = tmp_path / "coffer.sqlite3"
    author, other, former = Author(), Author(2, "billing"), Author(3)
    with closing(opened(path)) as store:
        for number, publisher in enumerate((author, other, former)):
            store.add_publisher(coffer=publisher.coffer, key=publisher.key, name=f"name-{number}", now=ISSUED)
        commit(store, author, author.first({WEB: b"for web", WORKER: b"for worker"}))
        commit(store, other, other.first({identity(200).id(): b"elsewhere"}))
        old = author.reuse(WEB)
        commit(store, author, author.release([author.put(WEB, b"second")]))
        commit(store, author, author.release([old, Drop(id=WORKER)]))
        commit(store, author, author.release([author.put(WORKER, b"back")]))
        store.remove_publisher(coffer=former.coffer, publisher=former.key.id, now=ISSUED)
        for client in (identity(404).id(), WEB, WORKER):
            store.block(client, now=ISSUED)
        store.unblock(WORKER, now=ISSUED)
        store.prune(Retention(releases=2, age_s=DAY_S), now=ISSUED + 5 * DAY_S)
        commit(store, author, author.release([author.put(WEB, b"fifth")]))
    return path


def test_what_is_whole(path: Path) -> None:
    verified = verify(path)
    assert (verified.releases, verified.events) == (6, 3 + 2 * 6 + 1 + 4 + 1)
    assert verified == verify(path)


def test_an_empty_store_is_whole(tmp_path: Path) -> None:
    assert verify(tmp_path / "new.sqlite3").events == 0


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("UPDATE publishers SET coffer = 'billing' WHERE coffer = 'web-shop'", "table of publishers"),
        ("DELETE FROM publishers", "table of publishers: .* is missing"),
        ("UPDATE publishers SET added = 0", "table of publishers"),
        ("DELETE FROM blocked", "table of blocked clients: .* is missing"),
        ("UPDATE blocked SET at = 0", "table of blocked clients: .* differs"),
        ("INSERT INTO blocked VALUES (x'FF', 0)", "table of blocked clients: FF is not in the event log"),
        ("DELETE FROM releases WHERE serial = 5", "releases of 'web-shop': release 5 is missing"),
        ("UPDATE releases SET held = 1", "releases of 'web-shop': release 1 differs"),
        ("UPDATE releases SET expires = 1 WHERE coffer = 'billing'", "releases of 'billing': release 1 differs"),
        ("UPDATE members SET until_serial = 5 WHERE until_serial IS NULL AND coffer = 'billing'", "clients of 'billing'"),
        ("DELETE FROM members WHERE coffer = 'billing'", "clients of 'billing': .* is missing"),
        ("UPDATE outlines SET serial = 4 WHERE coffer = 'web-shop'", "outlines: the outline of 'web-shop'"),
        ("UPDATE outlines SET outline = zeroblob(8) WHERE coffer = 'billing'", "outlines: the outline of 'billing'"),
        ("UPDATE members SET alg = 1 WHERE 0", None),
        ("UPDATE members SET mark = (SELECT mark FROM members WHERE coffer = 'billing') WHERE coffer = 'web-shop'", "moved"),
    ],
)
def test_a_projection_that_differs_is_named_and_can_be_rebuilt(path: Path, statement: str, match: str | None) -> None:
    whole = rows(path)
    change(path, statement)
    if match is not None:
        with pytest.raises(DamagedError, match=match) as error:
            verify(path)
        assert "coffer-server rebuild DIR" in (error.value.hint or "")
    rebuild(path)
    assert rows(path) == whole
    verify(path)


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("UPDATE blobs SET blob = (SELECT blob FROM blobs WHERE coffer = 'billing' LIMIT 1) WHERE coffer = 'web-shop'", "blob of client"),
        ("UPDATE blobs SET note = (SELECT note FROM blobs WHERE coffer = 'billing' LIMIT 1) WHERE coffer = 'web-shop'", "moved"),
        ("UPDATE blobs SET blob = x'00' WHERE coffer = 'web-shop'", "wrong size"),
    ],
)
def test_a_blob_that_is_not_what_it_was_is_named(path: Path, statement: str, match: str) -> None:
    change(path, statement)
    with pytest.raises(DamagedError, match=match):
        verify(path)


def test_a_blob_that_is_missing_is_named(path: Path) -> None:
    change(path, "DELETE FROM blobs WHERE coffer = 'billing'")
    with pytest.raises(StoreError, match="a row of members belongs to a row of blobs that is missing"):
        verify(path)
    with pytest.raises(DamagedError, match="names is missing"):
        rebuild(path)


def test_a_log_whose_end_was_cut_off_is_noticed(path: Path) -> None:
    change(path, "DELETE FROM events WHERE number > 10")
    with pytest.raises(DamagedError, match="differs from the event log"):
        verify(path)
    # What the log does not know any more would be lost.
    whole = rows(path)
    with pytest.raises(DamagedError, match="the event log ends before release"):
        rebuild(path)
    assert rows(path) == whole


def test_a_page_that_was_overwritten_is_noticed(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 8)
        file.write(b"\xff" * 4096)
    with pytest.raises(StoreError, match="the database is damaged"):
        verify(path)


def test_a_rebuild_that_fails_changes_nothing(path: Path) -> None:
    whole = rows(path)
    change(path, "DELETE FROM events WHERE number = 4")
    with pytest.raises(StoreError):
        rebuild(path)
    assert rows(path) == whole

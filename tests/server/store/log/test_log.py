"""The event log in the database: appended to, read in order, and refused if it was changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from coffer_server.errors import EventError, SealError, StoreError
from coffer_server.store.events import (
    BEGINNING,
    Event,
)
from coffer_server.store.log import log
from coffer_server.store.open import SqliteStore, open_sqlite

from ...publishing import AT_REST_KEY, ISSUED, Author, identity


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a log of seven events."""
    path = tmp_path / "coffer.sqlite3"
    author = Author()
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        store.add_publisher(coffer=author.coffer, key=author.key, name="laptop", now=ISSUED)
        for number in range(3):
            release = author.release([author.put(author.key.id, b"%d" % number)])
            store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED + number)
            author.published(release)
    return path


def read(path: Path, after: int = 0) -> list[Event]:
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store, store.database.transaction() as connection:
        return list(log.read(connection, store.roots.read(connection), after=after))


def test_every_change_is_an_event(path: Path) -> None:
    found = read(path)
    assert [event.kind for event in found] == ["publisher-added"] + ["changed", "released"] * 3
    assert [event.number for event in found] == list(range(1, 8))
    assert [event.at for event in found] == [ISSUED, ISSUED, ISSUED, ISSUED + 1, ISSUED + 1, ISSUED + 2, ISSUED + 2]
    assert [event.prev for event in found] == [BEGINNING] + [event.sha256 for event in found[:-1]]


def test_it_can_be_read_from_anywhere(path: Path) -> None:
    found = read(path)
    for after in range(8):
        assert read(path, after) == found[after:]


def test_what_is_refused_is_no_event(path: Path) -> None:
    author = Author(2, "billing")
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        assert not store.remove_publisher(coffer="billing", publisher=author.key.id, now=ISSUED)
        with pytest.raises(Exception, match="not a publisher"):
            store.commit(coffer="billing", publisher=author.key.id, signed=b"", changes=(), now=ISSUED)
    assert len(read(path)) == 7


@pytest.mark.parametrize(
    ("statement", "error", "match"),
    [
        ("DELETE FROM events WHERE number = 1", EventError, "event 1 is missing"),
        ("DELETE FROM events WHERE number = 4", EventError, "event 4 is missing"),
        ("UPDATE events SET at = at + 1 WHERE number = 4", EventError, "event 5 does not hold the hash of event 4"),
        ("UPDATE events SET prev = x'00' WHERE number = 4", EventError, "event 4 does not hold"),
        ("UPDATE events SET kind = 'released' WHERE number = 4", EventError, "event 5 does not hold"),
        ("UPDATE events SET body = (SELECT body FROM events WHERE number = 2) WHERE number = 4", SealError, "moved"),
    ],
)
def test_a_log_that_was_changed_is_refused(path: Path, statement: str, error: type[StoreError], match: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    with pytest.raises(error, match=match):
        read(path)


def test_appending_goes_on_where_the_log_ends(path: Path) -> None:
    make: Callable[[], SqliteStore] = lambda: open_sqlite(path, at_rest_key=AT_REST_KEY)  # noqa: E731 (a name for each opening)
    with closing(make()) as store:
        store.add_publisher(coffer="billing", key=identity(5).public(), name=None, now=ISSUED)
    assert [event.number for event in read(path)][-1] == 8

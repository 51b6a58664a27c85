"""The changes of one upload: in groups, checked, and written in an open transaction."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select

from coffer_protocol.message import Drop, Put, Reuse
from coffer_server.errors import DeniedError
from coffer_server.store.base import Change
from coffer_server.store.events import CHANGES_PER_EVENT, Changed, Entered, Left
from coffer_server.store.log.ledger import Ledger
from coffer_server.store.log.log import read
from coffer_server.store.pending_release import PendingRelease, groups
from coffer_server.store.sealing import Keyring
from coffer_server.store.sql.schema import BLOB, NOTE, blobs

from ..publishing import Author, client_id
from .transactions import released

WEB, WORKER = client_id(100), client_id(101)


def pending(ledger: Ledger, author: Author) -> PendingRelease:
    """The author's next release, without a change yet."""
    return PendingRelease(ledger, author.coffer, author.serial + 1)


@pytest.fixture
def author(ledger: Ledger) -> Author:
    """A publisher whose first release has WEB."""
    made = Author()
    released(ledger, made, made.first({WEB: b"for web"}))
    return made


def put(number: int, size_bytes: int = 1) -> Put:
    return Put(id=client_id(number), mark=bytes(16), note=b"note", alg=2, blob=bytes(size_bytes))


def test_many_changes_are_written_in_groups() -> None:
    changes: list[Change] = [Drop(id=client_id(number)) for number in range(CHANGES_PER_EVENT * 2 + 1)]
    made = list(groups(changes))
    assert [len(group) for group in made] == [CHANGES_PER_EVENT, CHANGES_PER_EVENT, 1]
    assert [change for group in made for change in group] == changes


def test_large_blobs_end_a_group_early() -> None:
    sizes = [len(group) for group in groups([put(number, 3 << 20) for number in range(5)])]
    assert sizes == [2, 2, 1]


def test_no_changes_are_no_group() -> None:
    assert list(groups([])) == []


def test_a_blob_and_its_note_are_sealed_to_their_place(ledger: Ledger, tables: Connection, keyring: Keyring, author: Author) -> None:
    [row] = tables.execute(select(blobs).where(blobs.c.client == WEB)).all()
    key = (author.coffer, WEB, 1, 2, row.sha256)
    assert b"for web" not in row.blob
    assert keyring.open(BLOB.of(*key), row.blob) == b"for web"
    assert keyring.open(NOTE.of(*key), row.note) == b"note"


def test_what_happened_is_one_event_without_the_blobs(ledger: Ledger, tables: Connection, keyring: Keyring, author: Author) -> None:
    old = author.entries[WEB]
    pending(ledger, author).apply([author.reuse(WEB), author.put(WORKER, b"for worker")])
    happening = list(read(tables, keyring))[-1].happening
    assert isinstance(happening, Changed)
    web, worker = happening.changes
    assert web == Entered(id=WEB, alg=2, since=1, sha256=old.sha256, mark=old.mark, blob_bytes=len(b"for web"))
    assert isinstance(worker, Entered)
    assert (worker.id, worker.since, worker.blob_bytes) == (WORKER, 2, len(b"for worker"))


def test_a_client_that_is_dropped_leaves(ledger: Ledger, tables: Connection, keyring: Keyring, author: Author) -> None:
    made = pending(ledger, author)
    made.apply([Drop(id=WEB)])
    assert made.has_changed
    happening = list(read(tables, keyring))[-1].happening
    assert happening == Changed(coffer=author.coffer, serial=2, changes=(Left(id=WEB),))


def test_the_same_blob_under_the_same_mark_changes_nothing(ledger: Ledger, author: Author) -> None:
    made = pending(ledger, author)
    made.apply([author.reuse(WEB)])
    assert not made.has_changed
    made.apply([author.put(author.key.id, b"another note key")])
    assert made.has_changed


def test_another_mark_is_a_change(ledger: Ledger, author: Author) -> None:
    made, same = pending(ledger, author), author.reuse(WEB)
    made.apply([Reuse(id=WEB, mark=bytes(16), alg=same.alg, since=same.since, sha256=same.sha256)])
    assert made.has_changed


def test_a_client_is_named_once_in_a_group(ledger: Ledger, author: Author) -> None:
    with pytest.raises(DeniedError):
        pending(ledger, author).apply([put(7), put(7)])


def test_a_client_is_named_once_in_all_groups(ledger: Ledger, author: Author) -> None:
    made = pending(ledger, author)
    made.apply([put(7)])
    made.apply([Drop(id=WEB)])
    for again in (Drop(id=client_id(7)), put(100)):
        with pytest.raises(DeniedError):
            made.apply([again])


def test_a_blob_that_is_not_held_cannot_be_used_again(ledger: Ledger, author: Author) -> None:
    same = author.reuse(WEB)
    for other in ({"id": WORKER}, {"since": 7}, {"sha256": bytes(32)}, {"alg": 1}):
        fields: dict[str, Any] = {"id": WEB, "mark": same.mark, "alg": same.alg, "since": same.since, "sha256": same.sha256}
        with pytest.raises(DeniedError):
            pending(ledger, author).apply([Reuse(**fields | other)])


def test_a_client_of_another_coffer_is_not_touched(ledger: Ledger, author: Author) -> None:
    other = Author(2, "billing")
    with pytest.raises(DeniedError, match="another coffer"):
        pending(ledger, other).apply([other.put(WEB, b"mine")])
    with pytest.raises(DeniedError):
        pending(ledger, other).apply([Drop(id=WEB)])

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from coffer_protocol.limits import HEADS_PER_ANSWER
from coffer_protocol.message import Drop
from coffer_protocol.question import Fetch
from coffer_server.errors import DeniedError, NotHeldError, SealError
from coffer_server.store.events import Pruned
from coffer_server.store.log.ledger import Ledger
from coffer_server.store.sealing import Keyring
from coffer_server.store.sql import history
from coffer_server.store.sql.schema import fetches, releases

from ...publishing import ISSUED, Author, client_id
from ..transactions import released

WEB, WORKER = client_id(100), client_id(101)


@pytest.fixture
def author(ledger: Ledger) -> Author:
    """Three releases: WEB and WORKER; WEB changed; WORKER dropped."""
    made = Author()
    released(ledger, made, made.first({WEB: b"one", WORKER: b"one"}))
    released(ledger, made, made.release([made.put(WEB, b"two")]))
    released(ledger, made, made.release([Drop(id=WORKER)]))
    return made


def clients(tables: Connection, keyring: Keyring, serial: int) -> dict[bytes, int]:
    listing = history.entries(tables, keyring, "web-shop", serial)
    return {entry.id: entry.since for entry in listing.entries}


def test_each_release_has_the_entries_that_it_had(tables: Connection, keyring: Keyring, author: Author) -> None:
    assert clients(tables, keyring, 1) == {author.key.id: 1, WEB: 1, WORKER: 1}
    assert clients(tables, keyring, 2) == {author.key.id: 1, WEB: 2, WORKER: 1}
    assert clients(tables, keyring, 3) == {author.key.id: 1, WEB: 2}


def test_entries_are_those_that_were_published(tables: Connection, keyring: Keyring, author: Author) -> None:
    assert author.signed is not None
    for listing in (history.entries(tables, keyring, author.coffer, 3), history.current(tables, keyring, author.coffer, author.signed)):
        assert listing.signed == author.signed
        assert list(listing.entries) == [author.entries[client] for client in sorted(author.entries)]


@pytest.mark.parametrize("serial", [0, 4])
def test_a_release_that_never_was_is_denied(tables: Connection, keyring: Keyring, author: Author, serial: int) -> None:
    with pytest.raises(DeniedError):
        history.entries(tables, keyring, author.coffer, serial)
    with pytest.raises(DeniedError):
        history.notes(tables, keyring, author.coffer, serial, [WEB])


def test_a_release_that_is_not_held_is_another_matter(ledger: Ledger, tables: Connection, keyring: Keyring, author: Author) -> None:
    ledger.prune(Pruned(coffer=author.coffer, first=2))
    with pytest.raises(NotHeldError):
        history.entries(tables, keyring, author.coffer, 1)
    assert clients(tables, keyring, 2) == {author.key.id: 1, WEB: 2, WORKER: 1}
    assert len(history.heads(tables, author.coffer, 1)) == 3


def test_notes_come_for_those_that_were_there(tables: Connection, keyring: Keyring, author: Author) -> None:
    ids = [WORKER, client_id(999), WEB, WEB]
    assert dict(history.notes(tables, keyring, author.coffer, 1, ids)) == {WEB: b"note", WORKER: b"note"}
    assert dict(history.notes(tables, keyring, author.coffer, 3, ids)) == {WEB: b"note"}
    assert dict(history.notes(tables, keyring, author.coffer, 3, [])) == {}


def test_notes_of_more_than_one_statement_takes(ledger: Ledger, tables: Connection, keyring: Keyring) -> None:
    author = Author(2, "billing")
    many = [client_id(number) for number in range(1000, 2100)]
    released(ledger, author, author.first(dict.fromkeys(many, b"x")))
    assert [client for client, _ in history.notes(tables, keyring, author.coffer, 1, reversed(many))] == many  # type: ignore[arg-type]


def test_a_mark_under_another_key_does_not_open(tables: Connection, author: Author) -> None:
    listing = history.entries(tables, Keyring({1: bytes(32)}), author.coffer, 3)
    with pytest.raises(SealError):
        list(listing.entries)


def test_heads_come_in_order_from_a_serial_on(tables: Connection, author: Author) -> None:
    heads = history.heads(tables, author.coffer, 0)
    assert len(heads) == 3
    assert heads[-1] == author.signed
    assert history.heads(tables, author.coffer, 2) == heads[1:]
    assert history.heads(tables, author.coffer, 4) == []
    assert history.heads(tables, "billing", 0) == []


def test_heads_are_as_many_as_an_answer_has(tables: Connection) -> None:
    row = {"coffer": "c", "sha256": b"", "issued": ISSUED, "committed": ISSUED, "held": True}
    tables.execute(releases.insert(), [row | {"serial": serial, "signed": b"%d" % serial} for serial in range(1, HEADS_PER_ANSWER + 10)])
    heads = history.heads(tables, "c", 3)
    assert (len(heads), heads[0]) == (HEADS_PER_ANSWER, b"3")


def test_fetches_are_those_of_the_coffer(tables: Connection) -> None:
    rows = [("shop", WORKER, 2, ISSUED), ("shop", WEB, 1, ISSUED + 1), ("billing", WEB, 9, ISSUED)]
    tables.execute(fetches.insert(), [dict(zip(("coffer", "client", "serial", "at"), row, strict=True)) for row in rows])
    assert list(history.recorded_fetches(tables, "shop")) == [
        Fetch(id=WEB, serial=1, at=ISSUED + 1),
        Fetch(id=WORKER, serial=2, at=ISSUED),
    ]

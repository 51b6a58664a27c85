from __future__ import annotations

from sqlalchemy import Connection, select

from coffer_server.store.events import ClientBlocked, Pruned, PublisherAdded
from coffer_server.store.log.ledger import Ledger
from coffer_server.store.log.log import read
from coffer_server.store.sealing import Keyring
from coffer_server.store.sql.schema import blobs, blocked, publishers

from ...publishing import ISSUED, Author, client_id
from ..transactions import released

WEB = client_id(100)


def test_what_happens_is_in_the_log_and_in_the_tables(ledger: Ledger, tables: Connection, keyring: Keyring) -> None:
    author = Author()
    added = PublisherAdded(coffer=author.coffer, key=author.key, name="laptop", may_block=False)
    ledger.record(added)
    ledger.record(ClientBlocked(client=WEB))
    assert [(event.number, event.at, event.happening) for event in read(tables, keyring)] == [
        (1, ISSUED, added),
        (2, ISSUED, ClientBlocked(client=WEB)),
    ]
    assert tables.scalars(select(publishers.c.client)).all() == [author.key.id]
    assert tables.execute(select(blocked)).all() == [(WEB, ISSUED)]


def test_another_ledger_goes_on_from_the_last_event(ledger: Ledger, tables: Connection, keyring: Keyring) -> None:
    ledger.record(ClientBlocked(client=client_id(1)))
    Ledger(tables, keyring, now=ISSUED + 60).record(ClientBlocked(client=client_id(2)))
    first, second = read(tables, keyring)
    assert (second.number, second.at, second.prev) == (2, ISSUED + 60, first.sha256)


def test_pruning_is_an_event_and_says_how_many_blobs_are_gone(ledger: Ledger, tables: Connection, keyring: Keyring) -> None:
    author = Author()
    released(ledger, author, author.first({WEB: b"first"}))
    released(ledger, author, author.release([author.put(WEB, b"second")]))
    pruned = Pruned(coffer=author.coffer, first=2)
    assert ledger.prune(pruned) == 1
    assert list(read(tables, keyring))[-1].happening == pruned
    assert tables.execute(select(blobs.c.client, blobs.c.since).order_by(blobs.c.since)).all() == [(author.key.id, 1), (WEB, 2)]

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select

from coffer_protocol.message import Drop
from coffer_server.store.log.ledger import Ledger
from coffer_server.store.snapshot import Outline
from coffer_server.store.sql import outlines
from coffer_server.store.sql.schema import outlines as table

from ...publishing import Author, client_id
from ..transactions import released

WEB = client_id(100)


@pytest.fixture
def author(ledger: Ledger) -> Author:
    """A publisher with a release of a hundred clients."""
    made = Author()
    released(ledger, made, made.first({client_id(number): b"%d" % number for number in range(100, 200)}))
    return made


def kept(tables: Connection) -> list[tuple[str, int]]:
    return [(row.coffer, row.serial) for row in tables.execute(select(table).order_by(table.c.coffer))]


def test_leaves_are_those_of_the_current_release_in_the_order_of_their_ids(ledger: Ledger, tables: Connection, author: Author) -> None:
    released(ledger, author, author.release([Drop(id=WEB), author.put(client_id(101), b"new")]))
    leaves = list(outlines.leaves(tables, author.coffer))
    assert [leaf.client for leaf in leaves] == sorted(author.entries)
    assert {leaf.client: (leaf.since, leaf.sha256) for leaf in leaves} == {
        entry.id: (entry.since, entry.sha256) for entry in author.entries.values()
    }
    assert list(outlines.leaves(tables, "billing")) == []


def test_one_outline_is_kept_for_each_coffer(ledger: Ledger, tables: Connection, author: Author) -> None:
    snapshot = Outline.of(author.coffer, outlines.leaves(tables, author.coffer))
    outlines.keep(tables, author.coffer, 1, snapshot)
    outlines.keep(tables, "billing", 7, snapshot)
    outlines.keep(tables, author.coffer, 2, snapshot)
    assert kept(tables) == [("billing", 7), (author.coffer, 2)]


def test_all_are_made_again_from_the_members(ledger: Ledger, tables: Connection, author: Author) -> None:
    outlines.keep(tables, "gone", 1, Outline.of("gone", []))
    outlines.rebuild(tables)
    assert kept(tables) == [(author.coffer, 1)]
    assert outlines.wrong(tables) is None
    [row] = tables.execute(select(table)).all()
    assert Outline.from_bytes(row.outline).size == 101


def test_an_outline_that_its_members_do_not_make_is_found(ledger: Ledger, tables: Connection, author: Author) -> None:
    outlines.rebuild(tables)
    tables.execute(table.update().values(serial=7))
    assert outlines.wrong(tables) == author.coffer
    outlines.rebuild(tables)
    released(ledger, author, author.release([author.put(WEB, b"changed")]))
    assert outlines.wrong(tables) == author.coffer


def test_one_that_is_not_kept_is_not_wrong(tables: Connection, author: Author) -> None:
    assert kept(tables) == []
    assert outlines.wrong(tables) is None

"""The log, replayed into tables of its own: each release in it must be one that its publisher signed, in its place."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select

from coffer_protocol.message import Drop
from coffer_server.errors import DamagedError, EventError
from coffer_server.store.events import Changed, Entered, PublisherAdded, PublisherRemoved, Released
from coffer_server.store.log.ledger import Ledger
from coffer_server.store.log.log import read
from coffer_server.store.log.replay import replayed
from coffer_server.store.sealing import Keyring
from coffer_server.store.sql.schema import events, members, releases

from ...publishing import Author, client_id, identity
from ..transactions import released

WEB = client_id(100)


@pytest.fixture
def author(ledger: Ledger) -> Author:
    """A publisher with two releases."""
    made = Author()
    ledger.record(PublisherAdded(coffer=made.coffer, key=made.key, name=None, may_block=False))
    released(ledger, made, made.first({WEB: b"first"}))
    released(ledger, made, made.release([made.put(WEB, b"second")]))
    return made


def test_it_makes_the_tables_that_the_log_was_made_with(tables: Connection, keyring: Keyring, author: Author) -> None:
    def shown(connection: Connection) -> list[object]:
        rows = select(members.c.client, members.c.from_serial, members.c.until_serial, members.c.sha256)
        heads = select(releases.c.serial, releases.c.signed, releases.c.committed)
        return [sorted(connection.execute(statement).all()) for statement in (rows, heads)]

    with replayed(tables, keyring) as result:
        assert shown(result.tables) == shown(tables)
        assert (result.events, result.releases) == (5, 2)
        assert result.sha256 == list(read(tables, keyring))[-1].sha256


def test_an_empty_log_makes_empty_tables(tables: Connection, keyring: Keyring) -> None:
    with replayed(tables, keyring) as result:
        assert (result.events, result.releases) == (0, 0)
        assert result.tables.execute(select(releases)).all() == []


def refused(tables: Connection, keyring: Keyring, match: str) -> None:
    with pytest.raises(DamagedError, match=match), replayed(tables, keyring):
        pass


def test_a_release_that_its_publisher_did_not_sign_is_named(ledger: Ledger, tables: Connection, keyring: Keyring, author: Author) -> None:
    ledger.record(Released(signed=author.release([author.put(WEB, b"x")], signer=identity(9)).signed))
    refused(tables, keyring, "event 6: .*not trusted")


def test_a_publisher_that_was_removed_signs_no_more(ledger: Ledger, tables: Connection, keyring: Keyring, author: Author) -> None:
    ledger.record(PublisherRemoved(coffer=author.coffer, publisher=author.key.id))
    ledger.record(Released(signed=author.release([Drop(id=WEB)]).signed))
    refused(tables, keyring, "event 7: .*not trusted")


@pytest.mark.parametrize("fields", [{"serial": 2}, {"serial": 1}, {"prev": bytes(32)}])
def test_a_release_that_does_not_follow_is_named(
    ledger: Ledger, tables: Connection, keyring: Keyring, author: Author, fields: dict[str, Any]
) -> None:
    # The tables would not take it.
    ledger._log.append(Released(signed=author.release([], **fields).signed), at=1)
    refused(tables, keyring, "does not follow release 2")


def test_a_release_with_another_root_is_named(ledger: Ledger, tables: Connection, keyring: Keyring, author: Author) -> None:
    ledger.record(Released(signed=author.release([author.put(WEB, b"never entered")]).signed))
    refused(tables, keyring, "does not have the root")


def test_changes_of_a_release_that_never_came_are_noticed(ledger: Ledger, tables: Connection, keyring: Keyring, author: Author) -> None:
    entered = Entered(id=WEB, alg=2, since=7, sha256=bytes(32), mark=bytes(16), blob_bytes=1)
    ledger.record(Changed(coffer=author.coffer, serial=7, changes=(entered,)))
    ledger.record(Released(signed=author.release([]).signed))
    refused(tables, keyring, "changes of release 7")


def test_what_is_no_release_is_named(tables: Connection, keyring: Keyring, ledger: Ledger, author: Author) -> None:
    ledger._log.append(Released(signed=b"no head"), at=1)
    refused(tables, keyring, "event 6 ")


def test_a_log_with_a_hole_is_refused(tables: Connection, keyring: Keyring, author: Author) -> None:
    tables.execute(events.delete().where(events.c.number == 2))
    with pytest.raises(EventError, match="event 2"), replayed(tables, keyring):
        pass

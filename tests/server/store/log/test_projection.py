from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Table, select

from coffer_protocol.crypto.primitives import sha256
from coffer_server.store.events import (
    Changed,
    ClientBlocked,
    ClientUnblocked,
    Entered,
    Happening,
    Left,
    PublisherAdded,
    PublisherRemoved,
    Released,
    RootKeysTakenOver,
    RotationBegun,
    RotationEnded,
)
from coffer_server.store.log import projection
from coffer_server.store.sealing import Keyring
from coffer_server.store.sql.schema import MARK, PUBLISHER_NAME, blocked, members, metadata, publishers, releases

from ...publishing import ISSUED, Author, client_id

WEB = client_id(100)
MARK_OF_WEB = bytes(range(16))


def rows(tables: Connection, table: Table) -> list[Any]:
    return list(tables.execute(select(table)).all())


def entered(blob: bytes = b"x", since: int = 1) -> Entered:
    return Entered(id=WEB, alg=2, since=since, sha256=sha256(blob), mark=MARK_OF_WEB, blob_bytes=len(blob))


@pytest.mark.parametrize("name", ["laptop", None])
def test_a_publisher_is_added_with_a_sealed_name(tables: Connection, keyring: Keyring, name: str | None) -> None:
    key = Author().key
    projection.apply(tables, keyring, PublisherAdded(coffer="web-shop", key=key, name=name, may_block=False), at=ISSUED)
    [row] = rows(tables, publishers)
    assert (row.client, row.coffer, row.sign, row.body, row.may_block, row.added) == (key.id, "web-shop", key.sign, key.body, False, ISSUED)
    assert (None if row.name is None else keyring.open(PUBLISHER_NAME.of(key.id), row.name)) == (name and name.encode())


def test_a_publisher_is_removed_from_its_coffer_alone(tables: Connection, keyring: Keyring) -> None:
    key = Author().key
    projection.apply(tables, keyring, PublisherAdded(coffer="web-shop", key=key, name=None, may_block=False), at=ISSUED)
    projection.apply(tables, keyring, PublisherRemoved(coffer="billing", publisher=key.id), at=ISSUED)
    assert len(rows(tables, publishers)) == 1
    projection.apply(tables, keyring, PublisherRemoved(coffer="web-shop", publisher=key.id), at=ISSUED)
    assert rows(tables, publishers) == []


def test_a_client_is_blocked_and_unblocked(tables: Connection, keyring: Keyring) -> None:
    projection.apply(tables, keyring, ClientBlocked(client=WEB), at=ISSUED)
    assert rows(tables, blocked) == [(WEB, ISSUED)]
    projection.apply(tables, keyring, ClientUnblocked(client=WEB), at=ISSUED + 1)
    assert rows(tables, blocked) == []


def test_a_member_has_a_blob_from_one_release_until_another(tables: Connection, keyring: Keyring) -> None:
    for serial, change in ((1, entered()), (3, entered(b"yy", since=3)), (4, Left(id=WEB))):
        projection.apply(tables, keyring, Changed(coffer="web-shop", serial=serial, changes=(change,)), at=ISSUED)
    first, second = rows(tables, members)
    assert (first.from_serial, first.until_serial, first.since, first.sha256, first.blob_bytes) == (1, 3, 1, sha256(b"x"), 1)
    assert (second.from_serial, second.until_serial, second.since, second.blob_bytes) == (3, 4, 3, 2)
    assert keyring.open(MARK.of("web-shop", WEB, 3), second.mark) == MARK_OF_WEB


def test_a_change_is_one_of_its_coffer_alone(tables: Connection, keyring: Keyring) -> None:
    projection.apply(tables, keyring, Changed(coffer="web-shop", serial=1, changes=(entered(),)), at=ISSUED)
    projection.apply(tables, keyring, Changed(coffer="billing", serial=9, changes=(Left(id=WEB),)), at=ISSUED)
    [row] = rows(tables, members)
    assert row.until_serial is None


def test_a_release_is_held_and_has_the_time_of_its_commit(tables: Connection, keyring: Keyring) -> None:
    release = Author().first()
    projection.apply(tables, keyring, Released(signed=release.signed), at=ISSUED + 5)
    [row] = rows(tables, releases)
    assert (row.coffer, row.serial, row.sha256, row.signed) == ("web-shop", 1, sha256(release.signed), release.signed)
    assert (row.issued, row.expires, row.committed, row.held) == (ISSUED, release.head.expires, ISSUED + 5, True)


@pytest.mark.parametrize("happening", [RotationBegun(root_key=2), RotationEnded(root_key=2), RootKeysTakenOver(server=bytes(32))])
def test_what_is_about_sealing_changes_no_table(tables: Connection, keyring: Keyring, happening: Happening) -> None:
    projection.apply(tables, keyring, happening, at=ISSUED)
    assert [table.name for table in metadata.sorted_tables if rows(tables, table)] == []

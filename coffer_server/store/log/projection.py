"""The projection of events to tables: how each event changes the tables, when it happens and when it is replayed."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, bindparam

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.release import head as heads

from ..events import (
    Changed,
    ClientBlocked,
    ClientUnblocked,
    Entered,
    Happening,
    Pruned,
    PublisherAdded,
    PublisherRemoved,
    Released,
    RootKeysTakenOver,
    RotationBegun,
    RotationEnded,
)
from ..sealing import Keyring
from ..sql.schema import IS_CURRENT, MARK, PUBLISHER_NAME, blocked, members, publishers, releases
from . import retention

_END_MEMBER: Final = (
    members.update()
    .where(members.c.coffer == bindparam("of_coffer"), members.c.client == bindparam("of_client"), IS_CURRENT)
    .values(until_serial=bindparam("ended"))
)


def apply(connection: Connection, keyring: Keyring, happening: Happening, *, at: int) -> None:
    """Apply what happened, at `at` seconds since 1970, to the tables."""
    match happening:
        case PublisherAdded():
            _add_publisher(connection, keyring, happening, at)
        case PublisherRemoved(coffer=coffer, publisher=publisher):
            connection.execute(publishers.delete().where(publishers.c.coffer == coffer, publishers.c.client == publisher))
        case ClientBlocked(client=client):
            connection.execute(blocked.insert(), {"client": client, "at": at})
        case ClientUnblocked(client=client):
            connection.execute(blocked.delete().where(blocked.c.client == client))
        case Changed():
            _change(connection, keyring, happening)
        case Released(signed=signed):
            _add_release(connection, signed, at)
        case Pruned():
            retention.delete(connection, happening)
        case RotationBegun() | RotationEnded() | RootKeysTakenOver():
            # These change how values are sealed, not what they are.
            pass


def _add_publisher(connection: Connection, keyring: Keyring, added: PublisherAdded, at: int) -> None:
    key, name = added.key, added.name
    sealed = None if name is None else keyring.seal(PUBLISHER_NAME.of(key.id), name.encode())
    row = {"client": key.id, "coffer": added.coffer, "sign": key.sign, "body": key.body, "name": sealed, "added": at}
    connection.execute(publishers.insert(), row | {"may_block": added.may_block})


def _change(connection: Connection, keyring: Keyring, changed: Changed) -> None:
    coffer, serial = changed.coffer, changed.serial
    ended = [{"of_coffer": coffer, "of_client": change.id, "ended": serial} for change in changed.changes]
    connection.execute(_END_MEMBER, ended)
    if rows := [_member_row(keyring, coffer, serial, change) for change in changed.changes if isinstance(change, Entered)]:
        connection.execute(members.insert(), rows)


def _member_row(keyring: Keyring, coffer: str, serial: int, entered: Entered) -> dict[str, Any]:
    row = {"coffer": coffer, "client": entered.id, "from_serial": serial, "until_serial": None}
    row |= {"since": entered.since, "alg": entered.alg, "sha256": entered.sha256, "blob_bytes": entered.blob_bytes}
    return row | {"mark": keyring.seal(MARK.of(coffer, entered.id, serial), entered.mark)}


def _add_release(connection: Connection, signed: bytes, at: int) -> None:
    # The head was verified before it became an event.
    head = heads.claimed_untrusted(signed)
    row = {"sha256": sha256(signed), "issued": head.issued, "expires": head.expires, "committed": at, "signed": signed, "held": True}
    connection.execute(releases.insert(), {"coffer": head.coffer, "serial": head.serial, **row})

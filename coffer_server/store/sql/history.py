"""The contents of a coffer's releases, read in an open transaction: the facts behind the answers of docs/protocol.md, 8."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, or_, select

from coffer_protocol.limits import HEADS_PER_ANSWER
from coffer_protocol.message import Entry
from coffer_protocol.question import Fetch

from .. import rules
from ..base import Listing
from ..sealing import Keyring
from .schema import IS_CURRENT, MARK, NOTE, blobs, fetches, members, releases

ROWS_AT_A_TIME: Final = 4096
# Ids in one statement: far fewer than SQLite takes parameters.
_IDS_AT_A_TIME: Final = 500

_AT_SERIAL: Final = and_(
    members.c.coffer == bindparam("coffer"),
    members.c.from_serial <= bindparam("serial"),
    or_(members.c.until_serial.is_(None), members.c.until_serial > bindparam("serial")),
)
_ENTRY: Final = select(members.c.client, members.c.from_serial, members.c.alg, members.c.since, members.c.sha256, members.c.mark).order_by(
    members.c.client
)
_ENTRIES: Final = _ENTRY.where(_AT_SERIAL)
# The same for the current release. An index has only its rows.
_LAST_ENTRIES: Final = _ENTRY.where(members.c.coffer == bindparam("coffer"), IS_CURRENT)
_RELEASE: Final = select(releases.c.signed, releases.c.held).where(
    releases.c.coffer == bindparam("coffer"), releases.c.serial == bindparam("serial")
)
_HEADS: Final = (
    select(releases.c.signed)
    .where(releases.c.coffer == bindparam("coffer"), releases.c.serial >= bindparam("serial"))
    .order_by(releases.c.serial)
    .limit(HEADS_PER_ANSWER)
)
_NOTES: Final = (
    select(members.c.client, members.c.since, members.c.alg, members.c.sha256, blobs.c.note)
    .join(blobs)
    .where(_AT_SERIAL, members.c.client.in_(bindparam("ids", expanding=True)))
    .order_by(members.c.client)
)
_FETCHES: Final = select(fetches).where(fetches.c.coffer == bindparam("coffer")).order_by(fetches.c.client)


def _rows(connection: Connection, statement: Any, parameters: dict[str, Any]) -> Iterator[Any]:
    yield from connection.execute(statement, parameters, execution_options={"yield_per": ROWS_AT_A_TIME})


def _signed(connection: Connection, coffer: str, serial: int) -> bytes:
    """Return the *signed* of a release that is held.

    Raises:
        DeniedError, NotHeldError: as for `rules.check_held`.
    """
    row = connection.execute(_RELEASE, {"coffer": coffer, "serial": serial}).first()
    rules.check_held(serial, held=None if row is None else row.held)
    assert row is not None
    signed: bytes = row.signed
    return signed


def heads(connection: Connection, coffer: str, from_serial: int) -> list[bytes]:
    """Return what `Store.heads` does."""
    return list(connection.scalars(_HEADS, {"coffer": coffer, "serial": from_serial}))


def entries(connection: Connection, keyring: Keyring, coffer: str, serial: int) -> Listing:
    """Return what `Store.entries` does."""
    signed = _signed(connection, coffer, serial)
    return _listing(keyring, coffer, signed, _rows(connection, _ENTRIES, {"coffer": coffer, "serial": serial}))


def current(connection: Connection, keyring: Keyring, coffer: str, signed: bytes) -> Listing:
    """Return the current release, which has this *signed*."""
    return _listing(keyring, coffer, signed, _rows(connection, _LAST_ENTRIES, {"coffer": coffer}))


def _listing(keyring: Keyring, coffer: str, signed: bytes, rows: Iterator[Any]) -> Listing:
    def entry(row: Any) -> Entry:
        mark = keyring.open(MARK.of(coffer, row.client, row.from_serial), row.mark)
        return Entry(id=row.client, alg=row.alg, since=row.since, sha256=row.sha256, mark=mark)

    return Listing(signed=signed, entries=map(entry, rows))


def notes(connection: Connection, keyring: Keyring, coffer: str, serial: int, ids: Collection[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Return what `Store.notes` does."""
    _signed(connection, coffer, serial)
    return _iter_notes(connection, keyring, coffer, serial, ids)


def _iter_notes(
    connection: Connection, keyring: Keyring, coffer: str, serial: int, ids: Collection[bytes]
) -> Iterator[tuple[bytes, bytes]]:
    wanted = iter(sorted(set(ids)))
    while some := list(islice(wanted, _IDS_AT_A_TIME)):
        for row in _rows(connection, _NOTES, {"coffer": coffer, "serial": serial, "ids": some}):
            yield row.client, keyring.open(NOTE.of(coffer, row.client, row.since, row.alg, row.sha256), row.note)


def recorded_fetches(connection: Connection, coffer: str) -> Iterator[Fetch]:
    """Return what `Store.fetches` does."""
    return (Fetch(id=row.client, serial=row.serial, at=row.at) for row in _rows(connection, _FETCHES, {"coffer": coffer}))

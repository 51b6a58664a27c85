"""The contents of a coffer's releases, read in an open transaction: the facts behind the answers of docs/protocol.md, 8."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, and_, bindparam, exists, func, or_, select

from coffer_protocol.limits import HEADS_PER_ANSWER
from coffer_protocol.message import USE_FOLLOWED, USE_ONCE, Entry, Held
from coffer_protocol.question import Fetch, PastEntry

from .. import rules
from ..base import Changes, Listing
from ..sealing import Keyring
from .schema import IS_CURRENT, MARK, NOTE, blobs, fetches, members, receipts, releases

ROWS_AT_A_TIME: Final = 4096
# Ids in one statement: far fewer than SQLite takes parameters.
_IDS_AT_A_TIME: Final = 500

_RECEIPT: Final = ("serial", "sha256", "receipt")

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
_CHANGED: Final = _LAST_ENTRIES.where(members.c.from_serial > bindparam("serial"))
_now = members.alias()
_GONE: Final = (
    select(members.c.client)
    .where(
        members.c.coffer == bindparam("coffer"),
        members.c.from_serial <= bindparam("serial"),
        members.c.until_serial > bindparam("serial"),
        ~exists().where(_now.c.coffer == members.c.coffer, _now.c.client == members.c.client, _now.c.until_serial.is_(None)),
    )
    .order_by(members.c.client)
)
_PAST: Final = (
    select(blobs.c.client, blobs.c.since, blobs.c.alg, blobs.c.sha256, blobs.c.note)
    .where(blobs.c.coffer == bindparam("coffer"), blobs.c.client.in_(bindparam("ids", expanding=True)))
    .order_by(blobs.c.client, blobs.c.since)
)
_OLDEST: Final = select(func.min(releases.c.serial)).where(releases.c.coffer == bindparam("coffer"), releases.c.held)
_once, _followed = receipts.alias(), receipts.alias()


def _receipt(of: FromClause, use: int) -> ColumnElement[bool]:
    return and_(of.c.coffer == fetches.c.coffer, of.c.client == fetches.c.client, of.c.use == use)


_FETCHES: Final = (
    select(
        fetches.c.client,
        fetches.c.serial,
        fetches.c.at,
        *(of.c[name].label(f"{use}_{name}") for use, of in (("once", _once), ("followed", _followed)) for name in _RECEIPT),
    )
    .outerjoin(_once, _receipt(_once, USE_ONCE))
    .outerjoin(_followed, _receipt(_followed, USE_FOLLOWED))
    .where(fetches.c.coffer == bindparam("coffer"))
    .order_by(fetches.c.client)
)


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


def changes(connection: Connection, keyring: Keyring, coffer: str, signed: bytes, serial: int) -> Changes:
    """Return what `Store.changes` does. `signed` is that of the current release."""
    row = connection.execute(_RELEASE, {"coffer": coffer, "serial": serial}).first()
    rules.check_comparable(serial, held=row is not None and row.held)
    of_serial = {"coffer": coffer, "serial": serial}
    return Changes(
        signed=signed,
        changed=_entries(keyring, coffer, _rows(connection, _CHANGED, of_serial)),
        gone=(row.client for row in _rows(connection, _GONE, of_serial)),
    )


def oldest(connection: Connection, coffer: str) -> int:
    """Return what `Store.oldest` does."""
    return connection.scalar(_OLDEST, {"coffer": coffer}) or 0


def _listing(keyring: Keyring, coffer: str, signed: bytes, rows: Iterator[Any]) -> Listing:
    return Listing(signed=signed, entries=_entries(keyring, coffer, rows))


def _entries(keyring: Keyring, coffer: str, rows: Iterator[Any]) -> Iterator[Entry]:
    for row in rows:
        mark = keyring.open(MARK.of(coffer, row.client, row.from_serial), row.mark)
        yield Entry(id=row.client, alg=row.alg, since=row.since, sha256=row.sha256, mark=mark)


def notes(connection: Connection, keyring: Keyring, coffer: str, serial: int, ids: Collection[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Return what `Store.notes` does."""
    _signed(connection, coffer, serial)
    return _iter_notes(connection, keyring, coffer, serial, ids)


def _iter_notes(
    connection: Connection, keyring: Keyring, coffer: str, serial: int, ids: Collection[bytes]
) -> Iterator[tuple[bytes, bytes]]:
    for some in _batches(ids):
        for row in _rows(connection, _NOTES, {"coffer": coffer, "serial": serial, "ids": some}):
            yield row.client, _note(keyring, coffer, row)


def past(connection: Connection, keyring: Keyring, coffer: str, ids: Collection[bytes]) -> Iterator[PastEntry]:
    """Return what `Store.past` does."""
    for some in _batches(ids):
        for row in _rows(connection, _PAST, {"coffer": coffer, "ids": some}):
            yield PastEntry(id=row.client, alg=row.alg, since=row.since, sha256=row.sha256, note=_note(keyring, coffer, row))


def _batches(ids: Collection[bytes]) -> Iterator[list[bytes]]:
    wanted = iter(sorted(set(ids)))
    while some := list(islice(wanted, _IDS_AT_A_TIME)):
        yield some


def _note(keyring: Keyring, coffer: str, row: Any) -> bytes:
    return keyring.open(NOTE.of(coffer, row.client, row.since, row.alg, row.sha256), row.note)


def recorded_fetches(connection: Connection, coffer: str) -> Iterator[Fetch]:
    """Return what `Store.fetches` does."""
    for row in _rows(connection, _FETCHES, {"coffer": coffer}):
        once = _held(USE_ONCE, row.once_serial, row.once_sha256, row.once_receipt)
        followed = _held(USE_FOLLOWED, row.followed_serial, row.followed_sha256, row.followed_receipt)
        yield Fetch(id=row.client, serial=row.serial, at=row.at, held=(once, followed))


def _held(use: int, serial: int | None, sha256: bytes, receipt: bytes) -> Held | None:
    return None if serial is None else Held(serial=serial, sha256=sha256, use=use, receipt=receipt)

"""The verification of a store against its event log. `verify` names the first fault; `rebuild` makes the tables again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from sqlalchemy import Connection, Table, func, or_, select
from sqlalchemy.exc import IntegrityError

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.identity import format_id

from ...errors import DamagedError, SealError
from ..sealing import OVERHEAD_BYTES, Keyring
from ..sql import outlines
from ..sql.database import Database
from ..sql.root_keys import RootKeys
from ..sql.schema import BLOB, MARK, NOTE, PUBLISHER_NAME, blobs, blocked, members, publishers, releases
from .replay import Replayed, replayed

_ROWS_AT_A_TIME: Final = 500
# A blob may have 1 MiB.
_BLOBS_AT_A_TIME: Final = 64
_REBUILD: Final = "rebuild the tables from the event log with: coffer-server rebuild DIR"
_RESTORE: Final = "the event log cannot repair this: restore a backup, or upload that coffer's definition again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The counts of a store that verifies.

    Attributes:
        events: the number of events in the log.
        releases: the number of releases among them.
        blobs: the number of blobs that are held.
        sha256: the hash of the last event. An operator who notes it can see later that no event before it was changed or cut off.
    """

    events: int
    releases: int
    blobs: int
    sha256: bytes


def verify(database: Database, roots: RootKeys) -> Verified:
    """Verify a whole store. This reads everything and writes nothing.

    It checks the database's own structure, the log's chain, each release's signature, root and place, the tables, and every blob against
    its hash.

    Raises:
        DamagedError, EventError, SealError: if there is a fault. The text names the first one.
        StoreError: if the database cannot be read, or is damaged.
    """
    database.check()
    with database.transaction() as connection:
        keyring = roots.read(connection)
        with replayed(connection, keyring) as replay:
            _compare(connection, replay.tables, keyring)
        if (coffer := outlines.wrong(connection)) is not None:
            raise DamagedError(f"the table of outlines: the outline of {coffer!r} does not follow from its clients", hint=_REBUILD)
        count = _check_blobs(connection, keyring)
        return Verified(events=replay.events, releases=replay.releases, blobs=count, sha256=replay.sha256)


def rebuild(database: Database, roots: RootKeys) -> Replayed:
    """Rebuild the tables from the log, in one transaction. Blobs stay as they are.

    Raises:
        DamagedError, EventError, SealError: if the log is broken, or names a blob that is missing. Then nothing is changed.
        StoreError: if the database cannot be written.
    """
    with database.transaction(writes=True) as connection, replayed(connection, roots.read(connection)) as replay:
        _check_end(connection, replay.tables)
        for table in (members, releases, blocked, publishers):
            connection.execute(table.delete())
        try:
            for table in (publishers, blocked, releases, members):
                _copy(replay.tables, connection, table)
        except IntegrityError:
            raise DamagedError("a blob that the event log names is missing", hint=_RESTORE) from None
        outlines.rebuild(connection)
        return replay


def _check_end(connection: Connection, replayed_tables: Connection) -> None:
    """Check that the log has every release in the tables: a log that has lost its end must not replace them."""
    last = select(releases.c.coffer, func.max(releases.c.serial)).group_by(releases.c.coffer)
    logged = dict(tuple(row) for row in replayed_tables.execute(last))
    for coffer, serial in connection.execute(last):
        if serial > logged.get(coffer, 0):
            raise DamagedError(f"the event log ends before release {serial} of {coffer!r}", hint=_RESTORE)


def _copy(source: Connection, target: Connection, table: Table) -> None:
    for rows in source.execute(select(table), execution_options={"yield_per": _ROWS_AT_A_TIME}).partitions():
        target.execute(table.insert(), [dict(row._mapping) for row in rows])


def _compare(connection: Connection, replayed_tables: Connection, keyring: Keyring) -> None:
    """Compare the tables with those that the log makes, row by row.

    Raises:
        DamagedError: if they differ.
    """
    both = (connection, replayed_tables)
    _compare_rows("publishers", *(_publisher_rows(tables, keyring) for tables in both))
    _compare_rows("blocked clients", *(_blocked_rows(tables) for tables in both))
    for coffer in sorted({coffer for tables in both for table in (releases, members) for coffer in _coffers(tables, table)}):
        _compare_rows(f"releases of {coffer!r}", *(_release_rows(tables, coffer) for tables in both))
        _compare_rows(f"clients of {coffer!r}", *(_member_rows(tables, keyring, coffer) for tables in both))


def _coffers(connection: Connection, table: Table) -> Iterator[str]:
    yield from connection.scalars(select(table.c.coffer).distinct())


def _compare_rows(what: str, stored: Iterator[tuple[str, Any]], logged: Iterator[tuple[str, Any]]) -> None:
    for row, logged_row in zip_longest(stored, logged):
        if row != logged_row:
            name = (logged_row or row)[0]
            fault = "is missing" if row is None else "is not in the event log" if logged_row is None else "differs from the event log"
            raise DamagedError(f"the table of {what}: {name} {fault}", hint=_REBUILD)


def _publisher_rows(connection: Connection, keyring: Keyring) -> Iterator[tuple[str, Any]]:
    for row in connection.execute(select(publishers).order_by(publishers.c.client)):
        name = None if row.name is None else keyring.open(PUBLISHER_NAME.of(row.client), row.name)
        yield format_id(row.client), (row.coffer, row.sign, row.body, name, row.may_block, row.added)


def _blocked_rows(connection: Connection) -> Iterator[tuple[str, Any]]:
    for row in connection.execute(select(blocked).order_by(blocked.c.client)):
        yield format_id(row.client), row.at


def _release_rows(connection: Connection, coffer: str) -> Iterator[tuple[str, Any]]:
    statement = select(releases).where(releases.c.coffer == coffer).order_by(releases.c.serial)
    for row in connection.execute(statement, execution_options={"yield_per": _ROWS_AT_A_TIME}):
        yield f"release {row.serial}", tuple(row)


def _member_rows(connection: Connection, keyring: Keyring, coffer: str) -> Iterator[tuple[str, Any]]:
    statement = select(members).where(members.c.coffer == coffer).order_by(members.c.client, members.c.from_serial)
    for row in connection.execute(statement, execution_options={"yield_per": _ROWS_AT_A_TIME}):
        name = f"{format_id(row.client)} from release {row.from_serial} on"
        try:
            mark = keyring.open(MARK.of(coffer, row.client, row.from_serial), row.mark)
        except SealError as error:
            raise DamagedError(f"the table of clients of {coffer!r}: {name}: {error}", hint=_REBUILD) from None
        yield name, (row.until_serial, row.since, row.alg, row.sha256, row.blob_bytes, mark)


def _check_blobs(connection: Connection, keyring: Keyring) -> int:
    """Check that every blob has its hash and that no blob is missing, and return the number of blobs.

    Raises:
        DamagedError: if a blob is missing or damaged.
    """
    missing = (
        select(members.c.coffer, members.c.client, members.c.since)
        .join(blobs, isouter=True)
        .where(or_(blobs.c.coffer.is_(None), func.length(blobs.c.blob) != members.c.blob_bytes + OVERHEAD_BYTES))
        .limit(1)
    )
    if (row := connection.execute(missing).first()) is not None:
        raise DamagedError(f"{_blob_name(row)} is missing or has the wrong size", hint=_RESTORE)
    count = 0
    for row in connection.execute(select(blobs), execution_options={"yield_per": _BLOBS_AT_A_TIME}):
        key = (row.coffer, row.client, row.since, row.alg, row.sha256)
        try:
            keyring.open(NOTE.of(*key), row.note)
            is_good = sha256(keyring.open(BLOB.of(*key), row.blob)) == row.sha256
        except SealError as error:
            raise DamagedError(f"{_blob_name(row)}: {error}", hint=_RESTORE) from None
        if not is_good:
            raise DamagedError(f"{_blob_name(row)} does not have its hash", hint=_RESTORE)
        count += 1
    return count


def _blob_name(row: Any) -> str:
    return f"the blob of client {format_id(row.client)} in {row.coffer!r} from release {row.since}"

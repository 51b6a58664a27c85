"""Is the store what its event log says? `verify` names the first thing that is wrong; `rebuild` makes the answering tables anew."""

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
# A blob may have a mebibyte.
_BLOBS_AT_A_TIME: Final = 64
_REBUILD: Final = "the event log can make these tables anew: coffer-server rebuild DIR"
_RESTORE: Final = "the event log cannot mend that: restore a backup, or upload that coffer's definition again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found to be whole.

    Attributes:
        events: in the log.
        releases: among them.
        blobs: that are held.
        sha256: the hash of the last event. Who notes it can tell later that nothing before it was changed or cut off.
    """

    events: int
    releases: int
    blobs: int
    sha256: bytes


def verify(database: Database, roots: RootKeys) -> Verified:
    """Check the database's own structure, then the log's chain, each release's signature, root and place, the tables that answer, and every
    blob against its hash. All of it is read; nothing is written.

    Raises:
        DamagedError, EventError, SealError: the first thing that is wrong.
        StoreError: the database cannot be read, or is damaged.
    """
    database.check()
    with database.transaction() as connection:
        keyring = roots.read(connection)
        with replayed(connection, keyring) as said:
            _compare(connection, said.tables, keyring)
        if (coffer := outlines.wrong(connection)) is not None:
            raise DamagedError(f"the table of outlines: that of {coffer!r} is not as its clients make it; {_REBUILD}")
        count = _check_blobs(connection, keyring)
        return Verified(events=said.events, releases=said.releases, blobs=count, sha256=said.sha256)


def rebuild(database: Database, roots: RootKeys) -> Replayed:
    """Make the tables that answer anew, in one transaction. Blobs stay as they are.

    Raises:
        DamagedError, EventError, SealError: the log is broken, or names a blob that is not there. Nothing is changed.
        StoreError: the database cannot be written.
    """
    with database.transaction(writes=True) as connection, replayed(connection, roots.read(connection)) as said:
        _check_end(connection, said.tables)
        for table in (members, releases, blocked, publishers):
            connection.execute(table.delete())
        try:
            for table in (publishers, blocked, releases, members):
                _copy(said.tables, connection, table)
        except IntegrityError:
            raise DamagedError(f"a blob that the event log names is not there; {_RESTORE}") from None
        outlines.make_anew(connection)
        return said


def _check_end(connection: Connection, said: Connection) -> None:
    """Check that the log knows every release there is: one whose end is lost must not be what is kept."""
    last = select(releases.c.coffer, func.max(releases.c.serial)).group_by(releases.c.coffer)
    logged = dict(tuple(row) for row in said.execute(last))
    for coffer, serial in connection.execute(last):
        if serial > logged.get(coffer, 0):
            raise DamagedError(f"the event log ends before release {serial} of {coffer!r}; {_RESTORE}")


def _copy(source: Connection, target: Connection, table: Table) -> None:
    for rows in source.execute(select(table), execution_options={"yield_per": _ROWS_AT_A_TIME}).partitions():
        target.execute(table.insert(), [dict(row._mapping) for row in rows])


def _compare(connection: Connection, said: Connection, keyring: Keyring) -> None:
    """Compare the tables that answer with those that the log makes, row by row.

    Raises:
        DamagedError: they differ.
    """
    _compare_rows("publishers", _publisher_rows(connection, keyring), _publisher_rows(said, keyring))
    _compare_rows("blocked clients", _blocked_rows(connection), _blocked_rows(said))
    coffers = {coffer for tables in (connection, said) for table in (releases, members) for coffer in _coffers(tables, table)}
    for coffer in sorted(coffers):
        _compare_rows(f"releases of {coffer!r}", _release_rows(connection, coffer), _release_rows(said, coffer))
        _compare_rows(f"clients of {coffer!r}", _member_rows(connection, keyring, coffer), _member_rows(said, keyring, coffer))


def _coffers(connection: Connection, table: Table) -> Iterator[str]:
    yield from connection.scalars(select(table.c.coffer).distinct())


def _compare_rows(what: str, ours: Iterator[tuple[str, Any]], logged: Iterator[tuple[str, Any]]) -> None:
    for mine, theirs in zip_longest(ours, logged):
        if mine != theirs:
            name = (theirs or mine)[0]
            fault = "is missing" if mine is None else "is not in the event log" if theirs is None else "is not as the event log has it"
            raise DamagedError(f"the table of {what}: {name} {fault}; {_REBUILD}")


def _publisher_rows(connection: Connection, keyring: Keyring) -> Iterator[tuple[str, Any]]:
    for row in connection.execute(select(publishers).order_by(publishers.c.client)):
        name = None if row.name is None else keyring.open(PUBLISHER_NAME.of(row.client), row.name)
        yield format_id(row.client), (row.coffer, row.sign, row.public_text, name, row.added)


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
            raise DamagedError(f"the table of clients of {coffer!r}: {name}: {error}; {_REBUILD}") from None
        yield name, (row.until_serial, row.since, row.alg, row.sha256, row.blob_bytes, mark)


def _check_blobs(connection: Connection, keyring: Keyring) -> int:
    """Check that every blob is what its hash says, and that none is missing; how many there are.

    Raises:
        DamagedError: one is not.
    """
    missing = (
        select(members.c.coffer, members.c.client, members.c.since)
        .join(blobs, isouter=True)
        .where(or_(blobs.c.coffer.is_(None), func.length(blobs.c.blob) != members.c.blob_bytes + OVERHEAD_BYTES))
        .limit(1)
    )
    if (row := connection.execute(missing).first()) is not None:
        raise DamagedError(f"{_blob_name(row)} is not there, or not whole; {_RESTORE}")
    count = 0
    for row in connection.execute(select(blobs), execution_options={"yield_per": _BLOBS_AT_A_TIME}):
        key = (row.coffer, row.client, row.since, row.alg, row.sha256)
        try:
            keyring.open(NOTE.of(*key), row.note)
            is_good = sha256(keyring.open(BLOB.of(*key), row.blob)) == row.sha256
        except SealError as error:
            raise DamagedError(f"{_blob_name(row)}: {error}; {_RESTORE}") from None
        if not is_good:
            raise DamagedError(f"{_blob_name(row)} does not have its hash; {_RESTORE}")
        count += 1
    return count


def _blob_name(row: Any) -> str:
    return f"the blob of client {format_id(row.client)} in {row.coffer!r} from release {row.since}"

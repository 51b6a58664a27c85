"""The way from an old schema to this one, a step at a time.

Steps are as frozen as the databases that they start from: what they do to tables stands here as SQL, whatever became of those tables later.
Versions 1 and 2 were SQLite's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, text

from coffer_protocol.identity import PublicKey

from ..events import CHANGES_PER_EVENT, Adopted, Changed, Entered, Happening, Left, PublisherAdded
from ..log.log import Appender
from ..sealing import Keyring, SealedColumn
from ..sql.root_keys import RootKeys
from ..sql.schema import BLOB, MARK, NOTE, PUBLISHER_NAME

Step = Callable[[Connection, RootKeys], None]

_ROWS_AT_A_TIME: Final = 500


def migrate(connection: Connection, version: int, roots: RootKeys) -> int:
    """Bring the tables from a version to the newest that can be reached, in an open transaction; which that is."""
    while (step := STEPS.get(version)) is not None:
        step(connection, roots)
        version += 1
        connection.execute(text("UPDATE schema_version SET version = :version"), {"version": version})
    return version


def _to_2(connection: Connection, _roots: RootKeys) -> None:
    """Who fetched what, and which releases are held."""
    for statement in (
        """CREATE TABLE fetches (
            coffer VARCHAR(64) NOT NULL, client BLOB NOT NULL, serial BIGINT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (coffer, client)
        )""",
        "ALTER TABLE releases ADD COLUMN held BOOLEAN NOT NULL DEFAULT true",
        "CREATE INDEX releases_held ON releases (coffer, serial) WHERE held",
        "CREATE INDEX members_ended ON members (coffer, until_serial) WHERE until_serial IS NOT NULL",
    ):
        connection.exec_driver_sql(statement)


def _to_3(connection: Connection, roots: RootKeys) -> None:
    """The event log, rows that are sealed, who is blocked, and outlines, which there will be from the next releases on."""
    for statement in (
        """CREATE TABLE events (
            number BIGINT NOT NULL, at BIGINT NOT NULL, kind VARCHAR NOT NULL, body BLOB NOT NULL, prev BLOB NOT NULL, PRIMARY KEY (number)
        )""",
        "CREATE TABLE root_keys (number BIGINT NOT NULL, wrapped BLOB NOT NULL, PRIMARY KEY (number))",
        "CREATE TABLE blocked (client BLOB NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (client))",
        "CREATE TABLE outlines (coffer VARCHAR(64) NOT NULL, serial BIGINT NOT NULL, outline BLOB NOT NULL, PRIMARY KEY (coffer))",
    ):
        connection.exec_driver_sql(statement)
    roots.add(connection)
    keyring = roots.read(connection)
    log = Appender(connection, keyring)
    for at, happening in _history(connection):
        log.append(happening, at=at)
    _seal_publishers(connection, keyring)
    _seal(connection, keyring, "blobs", ("coffer", "client", "since", "alg", "sha256"), {"blob": BLOB, "note": NOTE})
    _seal(connection, keyring, "members", ("coffer", "client", "from_serial"), {"mark": MARK})


def _history(connection: Connection) -> Iterator[tuple[int, Happening]]:
    """What must have happened for the tables to be what they are, each with its time: publishers first, then releases as they were made."""
    # Read to their ends before anything else is done: a table with a statement open upon it cannot be dropped.
    for row in connection.execute(text("SELECT * FROM publishers ORDER BY added, client")).all():
        yield row.added, PublisherAdded(coffer=row.coffer, key=PublicKey.from_text(row.public_text), name=row.name)
    for release in connection.execute(text("SELECT * FROM releases ORDER BY committed, coffer, serial")).all():
        yield from _release(connection, release)


def _release(connection: Connection, release: Any) -> Iterator[tuple[int, Happening]]:
    of_serial = {"coffer": release.coffer, "serial": release.serial}
    entered = connection.execute(
        text("SELECT * FROM members WHERE coffer = :coffer AND from_serial = :serial ORDER BY client"), of_serial
    ).all()
    left = connection.execute(
        text(
            "SELECT client FROM members WHERE coffer = :coffer AND until_serial = :serial AND client NOT IN "
            "(SELECT client FROM members WHERE coffer = :coffer AND from_serial = :serial) ORDER BY client"
        ),
        of_serial,
    ).all()
    changes: list[Entered | Left] = [
        Entered(id=row.client, alg=row.alg, since=row.since, sha256=row.sha256, mark=row.mark, blob_bytes=row.blob_bytes) for row in entered
    ]
    changes += [Left(id=row.client) for row in left]
    for start in range(0, len(changes), CHANGES_PER_EVENT):
        part = tuple(changes[start : start + CHANGES_PER_EVENT])
        yield release.committed, Changed(coffer=release.coffer, serial=release.serial, changes=part)
    yield release.committed, Adopted(signed=release.signed, held=bool(release.held))


def _seal_publishers(connection: Connection, keyring: Keyring) -> None:
    rows = connection.execute(text("SELECT * FROM publishers")).all()
    connection.exec_driver_sql("DROP TABLE publishers")
    connection.exec_driver_sql(
        "CREATE TABLE publishers (client BLOB NOT NULL, coffer VARCHAR(64) NOT NULL, sign BLOB NOT NULL, public_text VARCHAR NOT NULL, "
        "name BLOB, added BIGINT NOT NULL, PRIMARY KEY (client))"
    )
    for row in rows:
        name = None if row.name is None else keyring.seal(PUBLISHER_NAME.of(row.client), row.name.encode())
        connection.execute(
            text("INSERT INTO publishers VALUES (:client, :coffer, :sign, :public_text, :name, :added)"),
            dict(row._mapping) | {"name": name},
        )


def _seal(connection: Connection, keyring: Keyring, table: str, key: tuple[str, ...], columns: Mapping[str, SealedColumn]) -> None:
    """Seal columns of a table, in the order of its rows on disk, some at a time."""
    last = 0
    names = ", ".join((*key, *columns))
    assignments = ", ".join(f"{column} = :{column}" for column in columns)
    select = text(f"SELECT rowid AS row, {names} FROM {table} WHERE rowid > :last ORDER BY rowid LIMIT {_ROWS_AT_A_TIME}")  # noqa: S608 (made of constants)
    update = text(f"UPDATE {table} SET {assignments} WHERE rowid = :row")  # noqa: S608 (made of constants)
    while rows := connection.execute(select, {"last": last}).all():
        values = []
        for row in rows:
            fields = row._mapping
            of_row = [fields[name] for name in key]
            values.append({"row": row.row} | {name: keyring.seal(place.of(*of_row), fields[name]) for name, place in columns.items()})
        connection.execute(update, values)
        last = rows[-1].row


STEPS: Final[Mapping[int, Step]] = {1: _to_2, 2: _to_3}

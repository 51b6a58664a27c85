"""The migrations from an old schema to this one, in steps of one version.

A step never changes, because the databases from which it starts do not. It changes tables by SQL that is written here, whatever became of
those tables later. Versions 1 and 2 exist only in SQLite.
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
    """Migrate the tables from a version to the newest that can be reached, in an open transaction, and return the newest."""
    while (step := STEPS.get(version)) is not None:
        step(connection, roots)
        version += 1
        connection.execute(text("UPDATE schema_version SET version = :version"), {"version": version})
    return version


def _to_2(connection: Connection, _roots: RootKeys) -> None:
    """Add the last fetch of each client, and whether a release is held."""
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
    """Add the event log, sealed values, blocked ids, and outlines, which are filled by the next releases."""
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
    """Yield what must have happened to give the tables their contents, with its time: publishers first, then releases in their order."""
    # Each table is read to its end first: SQLite cannot drop a table while a statement reads it.
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
    """Seal columns of a table, some rows at a time, in the order of the rows on disk."""
    last = 0
    names = ", ".join((*key, *columns))
    assignments = ", ".join(f"{column} = :{column}" for column in columns)
    select = text(f"SELECT rowid AS row, {names} FROM {table} WHERE rowid > :last ORDER BY rowid LIMIT {_ROWS_AT_A_TIME}")  # noqa: S608 (it consists of constants)
    update = text(f"UPDATE {table} SET {assignments} WHERE rowid = :row")  # noqa: S608 (it consists of constants)
    while rows := connection.execute(select, {"last": last}).all():
        values = []
        for row in rows:
            fields = row._mapping
            of_row = [fields[name] for name in key]
            values.append({"row": row.row} | {name: keyring.seal(place.of(*of_row), fields[name]) for name, place in columns.items()})
        connection.execute(update, values)
        last = rows[-1].row


STEPS: Final[Mapping[int, Step]] = {1: _to_2, 2: _to_3}

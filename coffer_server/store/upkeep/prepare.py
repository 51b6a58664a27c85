"""A database is made, or brought to this version, before anything else is done with it."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select

from ...errors import StoreError
from ..log.verification import verify
from ..sql.database import Database
from ..sql.root_keys import RootKeys
from ..sql.schema import VERSION, metadata, schema_version
from .migrations import STEPS, migrate


def prepare(database: Database, roots: RootKeys) -> None:
    """See that the database has the tables of this version, and root keys that open.

    An old one is copied first, then migrated in one transaction.

    Raises:
        StoreError: it cannot be used, or was made by a newer Coffer.
        SealError: its root keys are another identity's.
    """
    # Only read where there is nothing to do: a folder that has become read-only can still be served from.
    with database.transaction() as connection:
        version = _version(connection)
        if version == VERSION:
            roots.read(connection)
            return
    if version is not None and version in STEPS:
        database.keep_copy(version)
    with database.transaction(writes=True) as connection:
        # Another process may have come first.
        version = _version(connection)
        if version is None:
            metadata.create_all(connection)
            connection.execute(schema_version.insert().values(version=VERSION))
            roots.add(connection)
        elif migrate(connection, version, roots) != VERSION:
            raise _unknown(database, version)


def check_restorable(database: Database, roots: RootKeys) -> None:
    """See that a backup is whole, and that this Coffer, with these root keys' wrapping, can use it.

    Raises:
        StoreError: it is not. The text says what is wrong first.
    """
    with database.transaction() as connection:
        version = _version(connection)
    if version is None:
        raise StoreError(f"{database.name}: it is no database of a server, and so no backup: name one that `coffer-server backup` has made")
    if version == VERSION:
        verify(database, roots)
    elif version in STEPS:
        # From before there was a log: it is migrated when it is opened.
        database.check()
    else:
        raise _unknown(database, version)


def _unknown(database: Database, version: int | None) -> StoreError:
    return StoreError(
        f"{database.name}: the database has schema {version}, and this Coffer knows {VERSION}: install the version that made it, or newer"
    )


def _version(connection: Connection) -> int | None:
    """The version of the schema, or None in an empty database."""
    if not inspect(connection).has_table(schema_version.name):
        return None
    return connection.scalar(select(schema_version.c.version))

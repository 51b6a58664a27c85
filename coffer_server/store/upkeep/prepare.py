"""The preparation of a database: it is created, or migrated to this version, before anything else uses it."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select

from ...errors import StoreError
from ..log.verification import verify
from ..sql.database import Database
from ..sql.root_keys import RootKeys
from ..sql.schema import VERSION, metadata, schema_version
from .migrations import STEPS, migrate


def prepare(database: Database, roots: RootKeys) -> None:
    """Make sure that the database has the tables of this version, and root keys that open.

    An older database is copied first, then migrated in one transaction.

    Raises:
        StoreError: if the database cannot be used, or if a newer Coffer made it.
        SealError: if its root keys belong to another identity.
    """
    # If there is nothing to do, this only reads, so that a server can still serve from a folder that has become read-only.
    with database.transaction() as connection:
        version = _version(connection)
        if version == VERSION:
            roots.read(connection)
            return
    if version is not None and version in STEPS:
        database.keep_copy(version)
    with database.transaction(writes=True) as connection:
        # Another process may have done it in the meantime.
        version = _version(connection)
        if version is None:
            metadata.create_all(connection)
            connection.execute(schema_version.insert().values(version=VERSION))
            roots.add(connection)
        elif migrate(connection, version, roots) != VERSION:
            raise _unknown(database, version)


def check_restorable(database: Database, roots: RootKeys) -> None:
    """Check that a backup verifies, and that this version of Coffer can use it with these root keys.

    Raises:
        StoreError: if it does not. The text names the first fault.
    """
    with database.transaction() as connection:
        version = _version(connection)
    if version is None:
        raise StoreError(f"{database.name} is not the database of a server: name a file that `coffer-server backup` made")
    if version == VERSION:
        verify(database, roots)
    elif version in STEPS:
        # The database is older than the event log. It is migrated when it is opened.
        database.check()
    else:
        raise _unknown(database, version)


def _unknown(database: Database, version: int | None) -> StoreError:
    return StoreError(
        f"{database.name}: the database has schema {version}, but this Coffer knows schemas up to {VERSION}: "
        "install the version of Coffer that made it, or a newer one"
    )


def _version(connection: Connection) -> int | None:
    """Return the version of the schema, or None if the database is empty."""
    if not inspect(connection).has_table(schema_version.name):
        return None
    return connection.scalar(select(schema_version.c.version))

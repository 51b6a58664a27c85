"""Make a database, or recognise one, before anything else is done with it."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select

from ...errors import OldStateError, StoreError
from ..log.verification import verify
from ..sql.database import Database
from ..sql.root_keys import RootKeys
from ..sql.schema import OLD_VERSION_TABLE, VERSION, metadata, schema_version


def prepare(database: Database, roots: RootKeys) -> None:
    """Make the tables of this version in an empty database, and check that root keys open in one that has them.

    Raises:
        StoreError: it cannot be used, or was made by another version of Coffer; by the subclass OldStateError if that had an earlier
            protocol.
        SealError: its root keys are another identity's.
    """
    # A database that has its tables is only read: a folder that has become read-only can still be served from.
    with database.transaction() as connection:
        if _is_made(database, connection):
            roots.read(connection)
            return
    with database.transaction(writes=True) as connection:
        # Another process may have come first.
        if not _is_made(database, connection):
            metadata.create_all(connection)
            connection.execute(schema_version.insert().values(version=VERSION))
            roots.add(connection)


def check_restorable(database: Database, roots: RootKeys) -> None:
    """Check that a backup is whole, and that this Coffer can use it with these root keys' wrapping.

    Raises:
        StoreError: if it does not. The text names the first fault.
    """
    with database.transaction() as connection:
        if not _is_made(database, connection):
            raise StoreError(f"{database.name}: it is no database of a server, and so no backup: name one that `coffer-server backup` made")
    verify(database, roots)


def _is_made(database: Database, connection: Connection) -> bool:
    """Return whether the database has the tables of this version; False if it is empty."""
    tables = inspect(connection)
    if tables.has_table(OLD_VERSION_TABLE):
        raise OldStateError(database.name)
    if not tables.has_table(schema_version.name):
        return False
    version = connection.scalar(select(schema_version.c.version))
    if version != VERSION:
        raise StoreError(
            f"{database.name}: the database has schema {version}, and this Coffer knows {VERSION}: install the version that made it, or a "
            "newer one"
        )
    return True

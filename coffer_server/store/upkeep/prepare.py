"""The preparation of a database: it is created, or recognised as one of this version, before anything else uses it."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select

from ...errors import OldStateError, StoreError
from ..log.verification import verify
from ..sql.database import Database
from ..sql.root_keys import RootKeys
from ..sql.schema import OLD_VERSION_TABLE, VERSION, metadata, schema_version


def prepare(database: Database, roots: RootKeys) -> None:
    """Create the tables of this version in an empty database. In one that has them, make sure that its root keys open.

    Raises:
        OldStateError: if the database is from before the protocol was revised.
        StoreError: if the database cannot be used, or if another version of Coffer made it.
        SealError: if its root keys belong to another identity.
    """
    # If there is nothing to do, this only reads, so that a server can still serve from a folder that has become read-only.
    with database.transaction() as connection:
        if _is_made(database, connection):
            roots.read(connection)
            return
    with database.transaction(writes=True) as connection:
        # Another process may have done it in the meantime.
        if not _is_made(database, connection):
            metadata.create_all(connection)
            connection.execute(schema_version.insert().values(version=VERSION))
            roots.add(connection)


def check_restorable(database: Database, roots: RootKeys) -> None:
    """Check that a backup verifies, and that this version of Coffer can use it with these root keys.

    Raises:
        StoreError: if it does not. The text names the first fault.
    """
    with database.transaction() as connection:
        if not _is_made(database, connection):
            raise StoreError(f"{database.name} is not the database of a server: name a file that `coffer-server backup` made")
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
            f"{database.name}: the database has schema {version}, but this Coffer knows schema {VERSION}: "
            "install the version of Coffer that made it, or a newer one"
        )
    return True

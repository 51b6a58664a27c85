"""Functions that open the store: in an SQLite file, or in a PostgreSQL database that several servers share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coffer_common.program import with_extra

from ..errors import StateError
from .cache import DEFAULT_BYTES, Cache
from .shared.fallback import FallbackReads
from .sql.root_keys import RootKeys
from .sql.session_reads import SessionReads
from .sql.sqlite import Sqlite
from .sql_store import SqlStore

if TYPE_CHECKING:
    # Only servers that share a database need its driver.
    from .sql.postgres import Postgres


class SqliteStore(SqlStore):
    """The `Store` protocol over SQLite. Arguments and errors are those of `SqlStore`."""

    def __init__(self, database: Sqlite, roots: RootKeys, reads: SessionReads, cache: Cache) -> None:
        super().__init__(database, roots, reads, cache)
        self._sqlite = database

    @property
    def database(self) -> Sqlite:
        """The SQLite database of this store."""
        return self._sqlite


def open_sqlite(path: Path, *, at_rest_key: bytes, cache_bytes: int = DEFAULT_BYTES) -> SqliteStore:
    """Open the store in the SQLite database at `path`. A missing database is created, and an older one is migrated to this version.

    Args:
        path: the path of the database.
        at_rest_key: `Identity.at_rest_key` of the server's identity.
        cache_bytes: the limit of the cache in memory.

    Raises:
        StoreError: if the database cannot be used, or if a newer Coffer made it.
        SealError: if the database belongs to another identity.
    """
    database, roots, cache = Sqlite(path), RootKeys(at_rest_key), Cache(cache_bytes)
    return SqliteStore(database, roots, SessionReads(database, cache, roots), cache)


def open_postgres(url: str, *, at_rest_key: bytes, cache_bytes: int = DEFAULT_BYTES) -> SqlStore:
    """Open the store in the PostgreSQL database that `url` names. If the database is empty, its tables are created.

    Args:
        url: the URL in SQLAlchemy's form, `postgresql+psycopg://…`. If there are several hosts, each is a parameter `host=NAME:PORT`.
        at_rest_key: `Identity.at_rest_key` of the identity of all servers that share the database.
        cache_bytes: the limit of the cache in memory.

    Raises:
        SettingsError: if `url` is not a URL.
        StateError: if the driver is not installed.
        StoreError: if the database cannot be used, or if a newer Coffer made it.
        SealError: if the database belongs to another identity.
    """
    database, roots, cache = postgres(url), RootKeys(at_rest_key), Cache(cache_bytes)
    from .shared.store import SharedStore

    return SharedStore(database, roots, FallbackReads(SessionReads(database, cache, roots), cache), cache)


def postgres(url: str) -> Postgres:
    """Open the PostgreSQL database that `url` names, without creating or migrating tables.

    Raises:
        SettingsError, StateError: as for `open_postgres`.
    """
    try:
        from .sql.postgres import Postgres
    except ImportError as error:
        raise StateError(f"{error.name} is missing or too old", hint=with_extra("server", "postgres")) from None
    return Postgres(url)

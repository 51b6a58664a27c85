"""Opens the store: in a file, or in a database that several servers share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StateError
from .cache import DEFAULT_BYTES, Cache
from .shared.fallback import FallbackReads
from .sql.root_keys import RootKeys
from .sql.session_reads import SessionReads
from .sql.sqlite import Sqlite
from .sql_store import SqlStore

if TYPE_CHECKING:
    # Only those who share a database need its driver.
    from .sql.postgres import Postgres


class SqliteStore(SqlStore):
    """The `Store` protocol over SQLite. Arguments and errors are those of `SqlStore`."""

    def __init__(self, database: Sqlite, roots: RootKeys, reads: SessionReads, cache: Cache) -> None:
        super().__init__(database, roots, reads, cache)
        self._sqlite = database

    @property
    def database(self) -> Sqlite:
        """The database file."""
        return self._sqlite


def open_sqlite(path: Path, *, at_rest_key: bytes, cache_bytes: int = DEFAULT_BYTES) -> SqliteStore:
    """The store in the SQLite database at `path`, made where there is none, and brought to this version where it is older.

    Args:
        path: the database's.
        at_rest_key: `Identity.at_rest_key` of the server's.
        cache_bytes: what is kept in memory, at most.

    Raises:
        StoreError: it cannot be used, or was made by a newer Coffer.
        SealError: it belongs to another identity.
    """
    database, roots, cache = Sqlite(path), RootKeys(at_rest_key), Cache(cache_bytes)
    return SqliteStore(database, roots, SessionReads(database, cache, roots), cache)


def open_postgres(url: str, *, at_rest_key: bytes, cache_bytes: int = DEFAULT_BYTES) -> SqlStore:
    """The store in the PostgreSQL database that `url` names; its tables are made where there are none.

    Args:
        url: as SQLAlchemy has it, `postgresql+psycopg://…`; each host is a parameter `host=NAME:PORT` where there are several.
        at_rest_key: `Identity.at_rest_key` of all servers that share it.
        cache_bytes: what is kept in memory, at most.

    Raises:
        SettingsError: the URL is not one.
        StateError: the driver is not installed.
        StoreError: it cannot be used, or was made by a newer Coffer.
        SealError: it belongs to another identity.
    """
    database, roots, cache = postgres(url), RootKeys(at_rest_key), Cache(cache_bytes)
    from .shared.store import SharedStore

    return SharedStore(database, roots, FallbackReads(SessionReads(database, cache, roots), cache), cache)


def postgres(url: str) -> Postgres:
    """The PostgreSQL database that `url` names, as it is.

    Raises:
        SettingsError, StateError: as `open_postgres`.
    """
    try:
        from .sql.postgres import Postgres
    except ImportError as error:
        raise StateError(f"{error.name} is missing or too old: pip install --upgrade 'coffer-secrets[server,postgres]'") from None
    return Postgres(url)

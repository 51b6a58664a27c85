"""A store on PostgreSQL that several servers share: it follows their commits, and serves from memory while the database is away."""

from __future__ import annotations

from collections.abc import Callable

from ..base import StoreStatus
from ..cache import Cache
from ..sql.postgres import Postgres
from ..sql.root_keys import RootKeys
from ..sql_store import SqlStore
from .fallback import FallbackReads
from .follower import Follower


class SharedStore(SqlStore):
    """The `Store` protocol over PostgreSQL. Arguments and errors are those of `SqlStore`."""

    def __init__(self, database: Postgres, roots: RootKeys, reads: FallbackReads, cache: Cache) -> None:
        super().__init__(database, roots, reads, cache)
        self._postgres = database
        self._remembered = reads
        self._follower: Follower | None = None

    def follow(self, heard: Callable[[str, int], None]) -> None:
        self._follower = Follower(self._postgres, self._remembered, heard)

    def status(self) -> StoreStatus:
        # As far as this server has heard.
        heard = None if self._follower is None else self._follower.status
        return super().status() if heard is None else heard

    def close(self) -> None:
        if self._follower is not None:
            self._follower.stop()
        super().close()

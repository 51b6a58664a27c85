"""Stores on one PostgreSQL, and what they hear of each other."""

from __future__ import annotations

import queue

from coffer_server.errors import DatabaseAwayError
from coffer_server.store.base import Store
from coffer_server.store.open import open_postgres
from coffer_server.store.sql_store import SqlStore

from ..publishing import AT_REST_KEY, ISSUED, Author, Release, identity

WEB = identity(100).id()
WORKER = identity(101).id()
# For what comes at once, or within a second, on a machine that has other things to do.
SOON_S = 30.0


class Heard:
    """What a store says that it has heard of."""

    def __init__(self, store: Store) -> None:
        self._releases: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        store.follow(lambda coffer, serial: self._releases.put((coffer, serial)))

    def expect(self, coffer: str, serial: int) -> None:
        """Wait until this is the next that is heard."""
        assert self._releases.get(timeout=SOON_S) == (coffer, serial)


def opened(url: str) -> SqlStore:
    return open_postgres(url, at_rest_key=AT_REST_KEY)


def commit(store: Store, author: Author, release: Release) -> None:
    store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    author.published(release)


def published(store: Store) -> Author:
    author = Author()
    store.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
    commit(store, author, author.first({WEB: b"for web", WORKER: b"for worker"}))
    return author


def is_served(store: SqlStore, client: bytes) -> bool:
    try:
        return client in store.fetch_all([client])
    except DatabaseAwayError:
        return False

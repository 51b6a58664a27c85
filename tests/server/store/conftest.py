"""Tables that nothing has been written to, for tests of what works inside one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection

import tests.postgres
from coffer_server.store.log.ledger import Ledger
from coffer_server.store.sealing import Keyring
from coffer_server.store.sql.sqlite import empty_tables
from coffer_server.store.sql_store import SqlStore
from tests.postgres import Postgres

from ..publishing import ISSUED
from .shared_stores import opened


@pytest.fixture
def tables() -> Iterator[Connection]:
    """An open transaction over empty tables."""
    with empty_tables() as connection:
        yield connection


@pytest.fixture
def keyring() -> Keyring:
    """One root key."""
    return Keyring({1: bytes(range(32))})


@pytest.fixture
def ledger(tables: Connection, keyring: Keyring) -> Ledger:
    """A ledger over the tables."""
    return Ledger(tables, keyring, now=ISSUED)


@pytest.fixture
def stores(database_url: str) -> Iterator[tuple[SqlStore, SqlStore]]:
    """Two servers' stores on one database."""
    with closing(opened(database_url)) as first, closing(opened(database_url)) as second:
        yield first, second


@pytest.fixture
def mortal() -> Iterator[Postgres]:
    """A PostgreSQL server that a test may stop."""
    with tests.postgres.primary(**tests.postgres.FAST) as server:
        yield server

"""Fixtures of the server's tests."""

from __future__ import annotations

import itertools
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

import tests.postgres
from coffer_server.store.base import Store
from coffer_server.store.open import open_postgres, open_sqlite
from tests.postgres import Postgres
from tests.server.memory_store import MemoryStore

from .publishing import AT_REST_KEY
from .running import RunningServer, running_server

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _logs_restored() -> Iterator[None]:
    """A command that is run in this process sends its logs to a stream that is closed when it ends."""
    accepting = logging.getLogger("trio.serve_listeners")
    handlers = list(accepting.handlers)
    yield
    accepting.handlers = handlers
    accepting.propagate = True
    structlog.reset_defaults()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of every kind: what one of them does, all do."""
    match request.param:
        case "memory":
            made: Store = MemoryStore()
        case "sqlite":
            made = open_sqlite(tmp_path / "coffer.sqlite3", at_rest_key=AT_REST_KEY)
        case _:
            made = open_postgres(request.getfixturevalue("database_url"), at_rest_key=AT_REST_KEY)
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, one for all tests that do not stop it."""
    with tests.postgres.primary(**tests.postgres.FAST) as server:
        yield server


@pytest.fixture
def schema(postgres: Postgres) -> Iterator[str]:
    """The name of an empty schema, which is made in a fraction of the time that a database takes."""
    name = f"coffer_{next(_numbers)}"
    postgres.execute(f"CREATE SCHEMA {name}")
    yield name
    postgres.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def database_url(postgres: Postgres, schema: str) -> str:
    """The URL of a database in which there is nothing yet."""
    return f"{tests.postgres.url(postgres)}&options=-csearch_path%3D{schema}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A real server process, one for all tests of a module."""
    with running_server(tmp_path_factory.mktemp("server") / "state") as running:
        yield running


@pytest.fixture
def as_anybody() -> Iterator[Path]:
    """A folder of somebody whom permissions bind: root is made nobody for as long as the test lasts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        is_root = os.geteuid() == 0
        if is_root:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            # A test may have made it read-only.
            folder.chmod(0o700)
            if is_root:
                os.seteuid(0)


def make_read_only(folder: Path) -> None:
    """Let nobody write in a folder any more, nor change its files."""
    for file in folder.iterdir():
        file.chmod(0o400)
    folder.chmod(0o500)

"""Fixtures of the server's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coffer_server.store.base import Store
from coffer_server.store.memory import MemoryStore
from coffer_server.store.sql import SqlStore

from .publishing import AT_REST_KEY
from .running import RunningServer, running_server


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of every kind: what one of them does, all do."""
    made: Store = MemoryStore() if request.param == "memory" else SqlStore.open(tmp_path / "coffer.sqlite3", at_rest_key=AT_REST_KEY)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A real server process, one for all tests of a module."""
    with running_server(tmp_path_factory.mktemp("server") / "state") as running:
        yield running

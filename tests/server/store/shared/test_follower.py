"""What a server hears of releases that others commit, and of the database that goes and comes back."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlalchemy import Connection

import tests.postgres
from coffer_server.store.cache import Cache
from coffer_server.store.sql import postgres as store_postgres
from coffer_server.store.sql.root_keys import RootKeys
from coffer_server.store.sql.session_reads import SessionReads
from coffer_server.store.sql_store import SqlStore
from tests.postgres import Postgres

from ...publishing import AT_REST_KEY
from ..shared_stores import WEB, Heard, commit, opened, published


def test_every_server_hears_of_every_release(stores: tuple[SqlStore, SqlStore]) -> None:
    first, second = stores
    author = published(first)
    heard = [Heard(store) for store in stores]
    for store in heard:
        store.expect("web-shop", 1)
    commit(first, author, author.release([author.put(WEB, b"new")]))
    for store in heard:
        store.expect("web-shop", 2)
    commit(second, author, author.release([author.put(WEB, b"newer")]))
    for store in heard:
        store.expect("web-shop", 3)


class Silent(store_postgres.Postgres):
    """A database whose notices are all lost."""

    def announce(self, connection: Connection, *, coffer: str, serial: int) -> None:
        """Tell nobody."""


def test_a_release_without_a_notice_is_heard_of(stores: tuple[SqlStore, SqlStore], database_url: str) -> None:
    author = published(stores[0])
    heard = Heard(stores[1])
    heard.expect("web-shop", 1)
    database, roots, cache = Silent(database_url), RootKeys(AT_REST_KEY), Cache(1 << 20)
    with closing(SqlStore(database, roots, SessionReads(database, cache, roots), cache)) as silent:
        commit(silent, author, author.release([author.put(WEB, b"new")]))
    heard.expect("web-shop", 2)


def test_a_notice_lost_with_its_connection_is_no_lost_release(stores: tuple[SqlStore, SqlStore], postgres: Postgres) -> None:
    first, second = stores
    author = published(first)
    heard = Heard(second)
    heard.expect("web-shop", 1)
    every_other = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'coffer-server'"
    assert (True,) in postgres.execute(every_other)
    commit(first, author, author.release([author.put(WEB, b"new")]))
    heard.expect("web-shop", 2)


def test_it_is_said_once_that_the_database_is_away(mortal: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(opened(tests.postgres.url(mortal))) as store, closing(opened(tests.postgres.url(mortal))) as other:
        author = published(store)
        heard = Heard(store)
        heard.expect("web-shop", 1)
        mortal.stop()
        mortal.start()
        commit(other, author, author.release([author.put(WEB, b"new")]))
        heard.expect("web-shop", 2)
    said = capsys.readouterr().out
    assert said.count("the database is away: serving from memory") == 1
    assert said.count("the database is back") == 1

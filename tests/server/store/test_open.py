from __future__ import annotations

import stat
from contextlib import closing
from pathlib import Path

import pytest

from coffer_server.errors import SealError, SettingsError
from coffer_server.store.open import open_postgres, open_sqlite, postgres
from coffer_server.store.shared.store import SharedStore

from ..publishing import AT_REST_KEY, ISSUED, Author, identity


def test_a_store_is_made_and_opened_again(tmp_path: Path) -> None:
    path, author = tmp_path / "coffer.sqlite3", Author()
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        assert store.name == str(path)
        assert store.database.path == path
        store.add_publisher(coffer=author.coffer, key=author.key, name="laptop", now=ISSUED)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        assert [publisher.name for publisher in store.publishers()] == ["laptop"]


def test_another_identity_does_not_open_it_and_leaves_it_closed(tmp_path: Path) -> None:
    path = tmp_path / "coffer.sqlite3"
    open_sqlite(path, at_rest_key=AT_REST_KEY).close()
    with pytest.raises(SealError):
        open_sqlite(path, at_rest_key=identity(9).at_rest_key())
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_database_that_is_shared_follows_what_others_commit(database_url: str) -> None:
    with closing(open_postgres(database_url, at_rest_key=AT_REST_KEY)) as store:
        assert isinstance(store, SharedStore)
        assert store.publishers() == []


@pytest.mark.parametrize("url", ["", "coffer.sqlite3", "postgresql://host:port/coffer"])
def test_what_is_no_url_is_no_database(url: str) -> None:
    with pytest.raises(SettingsError):
        postgres(url)

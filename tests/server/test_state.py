from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from coffer_common.errors import TextFileError
from coffer_server.config import Settings
from coffer_server.errors import SettingsError, StateError, StoreError
from coffer_server.state import StateFolder
from coffer_server.store.sql.sqlite import Sqlite

from .publishing import identity

ID = ["id", "DIR"]


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """A state folder."""
    made = StateFolder(tmp_path / "state")
    made.create(Settings(keep_days=7))
    return made


def test_it_holds_an_identity_settings_and_a_store(folder: StateFolder) -> None:
    folder.check(ID)
    assert folder.settings() == Settings(keep_days=7)
    assert folder.identity() == folder.identity()
    with closing(folder.store()) as store:
        assert store.publishers() == []
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()}
    assert {modes[name] for name in ("identity", "server.toml", "coffer.sqlite3")} == {0o600}
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_an_identity_may_be_brought(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    assert folder.create(Settings(), identity(7)) == identity(7)
    assert folder.identity() == identity(7)


def test_a_folder_is_made_once(folder: StateFolder) -> None:
    before = folder.identity()
    with pytest.raises(StateError):
        folder.create(Settings())
    assert folder.identity() == before


def test_a_folder_with_something_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(StateError):
        StateFolder(tmp_path).create(Settings())
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(StateError, match=f"coffer-server init {path}"):
            StateFolder(path).check(ID)


def test_a_folder_that_others_can_access_is_refused(folder: StateFolder) -> None:
    folder.path.chmod(0o750)
    with pytest.raises(StateError, match="0750"):
        folder.check(ID)


def test_the_owner_is_the_one_who_works_on_it(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: folder.path.stat().st_uid + 1)
    with pytest.raises(StateError, match=r"sudo -u .* coffer-server id DIR"):
        folder.check(ID)


def test_settings_that_are_missing_are_the_defaults(folder: StateFolder) -> None:
    folder.settings_path.unlink()
    assert folder.settings() == Settings()


def test_settings_that_cannot_be_used_are_refused(folder: StateFolder) -> None:
    folder.settings_path.write_text("keep_days = 'many'")
    with pytest.raises(SettingsError):
        folder.settings()
    folder.settings_path.write_bytes(b"\xff")
    with pytest.raises(TextFileError):
        folder.settings()


def test_an_identity_of_another_folder_opens_no_store(folder: StateFolder, tmp_path: Path) -> None:
    other = StateFolder(tmp_path / "other")
    other.create(Settings())
    other.database_path.replace(folder.database_path)
    with pytest.raises(StoreError):
        folder.store()


def test_a_store_that_is_gone_is_noticed(folder: StateFolder) -> None:
    assert not folder.is_store_lost()
    folder.database_path.unlink()
    assert folder.is_store_lost()


def test_the_database_is_opened_as_it_is(folder: StateFolder) -> None:
    folder.database_path.unlink()
    with closing(folder.database()) as database:
        assert isinstance(database, Sqlite)
        with database.transaction() as connection:
            assert connection.exec_driver_sql("SELECT name FROM sqlite_master").all() == []


def test_many_serve_from_it_and_one_restores_into_it(folder: StateFolder) -> None:
    with folder.in_use(), folder.in_use(), pytest.raises(StateError), folder.in_use(alone=True):
        pass
    with folder.in_use(alone=True), pytest.raises(StateError), folder.in_use():
        pass
    with folder.in_use(alone=True):
        pass

"""Backups, and the way back."""

from __future__ import annotations

import resource
import sqlite3
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coffer_server.errors import OldStateError, SealError, StoreError
from coffer_server.store.log import verification
from coffer_server.store.open import SqliteStore, open_sqlite
from coffer_server.store.sql.root_keys import RootKeys
from coffer_server.store.upkeep import backup as copies

from ...publishing import AT_REST_KEY, ISSUED, Author, identity

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
WEB = identity(100).id()


def nothing(done: int, total: int) -> None:
    """A progress that nobody sees."""


def opened(path: Path) -> SqliteStore:
    return open_sqlite(path, at_rest_key=AT_REST_KEY)


def commit(store: SqliteStore, author: Author, blob: bytes) -> None:
    release = author.release([author.put(WEB, blob)])
    store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    author.published(release)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "coffer.sqlite3"


@pytest.fixture
def author(path: Path) -> Author:
    """The author of the one release in it."""
    author = Author()
    with closing(opened(path)) as store:
        store.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
        commit(store, author, b"first")
    return author


def back_up(path: Path, target: Path) -> None:
    with closing(opened(path)) as store:
        copies.back_up(store.database, store.roots, target, nothing)


def restore(backup: Path, path: Path) -> Path | None:
    return copies.restore(backup, path, roots=RootKeys(AT_REST_KEY), now=NOW)


def fetched(path: Path) -> bytes:
    with closing(opened(path)) as store:
        verification.verify(store.database, store.roots)
        return store.fetch(WEB).body.blob


def test_there_and_back(path: Path, author: Author, tmp_path: Path) -> None:
    backup = tmp_path / "backups" / "monday"
    backup.parent.mkdir()
    back_up(path, backup)
    assert [file.name for file in backup.parent.iterdir()] == ["monday"]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with closing(opened(path)) as store:
        commit(store, author, b"second")
    aside = restore(backup, path)
    assert fetched(path) == b"first"
    assert aside == path.with_name("coffer.sqlite3.replaced-20270115T080000Z")
    assert fetched(aside) == b"second"
    assert [file.name for file in backup.parent.iterdir()] == ["monday"]


@pytest.mark.usefixtures("author")
def test_where_the_database_is_lost(path: Path, tmp_path: Path) -> None:
    back_up(path, tmp_path / "backup")
    path.unlink()
    assert restore(tmp_path / "backup", path) is None
    assert fetched(path) == b"first"


@pytest.mark.usefixtures("author")
def test_a_database_with_a_write_ahead_log_goes_aside_whole(path: Path, tmp_path: Path) -> None:
    back_up(path, tmp_path / "backup")
    path.with_name("coffer.sqlite3-wal").write_bytes(b"of a server that was killed")
    restore(tmp_path / "backup", path)
    assert path.with_name("coffer.sqlite3.replaced-20270115T080000Z-wal").exists()
    assert fetched(path) == b"first"


@pytest.mark.usefixtures("author")
def test_a_backup_overwrites_nothing(path: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(StoreError, match="overwrites no file"):
        back_up(path, tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.usefixtures("author")
def test_where_a_backup_cannot_be(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot write .*: No such file"):
        back_up(path, tmp_path / "nowhere" / "backup")


@pytest.mark.usefixtures("author")
def test_where_a_backup_finds_no_room(path: Path, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with closing(opened(path)) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            with pytest.raises(StoreError, match=r"/backup\.partial: the disk"):
                copies.back_up(store.database, store.roots, tmp_path / "backup", nothing)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.glob("backup*"))
    assert fetched(path) == b"first"


@pytest.mark.usefixtures("author")
def test_a_damaged_database_makes_no_backup(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE members SET blob_bytes = 1")
    with pytest.raises(StoreError, match="differs from the event log"):
        back_up(path, tmp_path / "backup")
    assert not list(tmp_path.glob("backup*"))


@pytest.mark.usefixtures("author")
def test_a_backup_that_is_damaged_is_not_restored(path: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    back_up(path, backup)
    data = backup.read_bytes()
    for damaged, flaw in (
        (b"", "not the database of a server"),
        (b"no database" * 1000, "not a database, so it is not a backup"),
        (data[: len(data) // 2], "damaged, so it is not a backup"),
        (data[:8192] + bytes(4096) + data[12288:], "damaged, so it is not a backup"),
    ):
        backup.write_bytes(damaged)
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
        # The operator chose the file. It need not be in a server's folder.
        with pytest.raises(StoreError, match=f"^{backup} is {flaw}: name a file that `coffer-server backup` made$") as caught:
            restore(backup, path)
        assert caught.value.hint is None
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.usefixtures("author")
def test_a_backup_of_another_server_is_not_restored(path: Path, tmp_path: Path) -> None:
    back_up(path, tmp_path / "backup")
    with pytest.raises(SealError, match="identity"):
        copies.restore(tmp_path / "backup", path, roots=RootKeys(identity(9).at_rest_key()), now=NOW)
    assert fetched(path) == b"first"


def test_what_is_not_there_is_not_restored(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        restore(tmp_path / "nothing", path)
    assert list(tmp_path.iterdir()) == []


def test_a_backup_from_before_the_protocol_was_revised_is_refused(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "backup")) as connection:
        connection.execute("CREATE TABLE schema_version (version INTEGER)")
    with pytest.raises(OldStateError):
        restore(tmp_path / "backup", path)


def test_one_state_while_others_write(path: Path, author: Author, tmp_path: Path) -> None:
    with closing(opened(path)) as store:
        commit(store, author, bytes(1 << 20))
        begun = threading.Event()

        def write() -> None:
            begun.wait()
            with closing(opened(path)) as other:
                for number in range(20):
                    commit(other, author, b"%d" % number)

        writer = threading.Thread(target=write)
        writer.start()
        copies.back_up(store.database, store.roots, tmp_path / "backup", lambda done, total: begun.set())
        writer.join()
        assert store.fetch(WEB).body.blob == b"19"
    # What was written while it was made is all in it, or not at all; back_up has verified that.
    with closing(sqlite3.connect(tmp_path / "backup")) as connection:
        assert connection.execute("SELECT max(serial) FROM releases").fetchone() == (2,)


@pytest.mark.usefixtures("author")
@pytest.mark.parametrize("name", ["backup.partial", "backup"])
def test_a_link_that_another_user_has_made_is_not_followed(name: str, path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / name).symlink_to(elsewhere)
    if name == "backup":
        with pytest.raises(StoreError, match="overwrites no file"):
            back_up(path, tmp_path / "backup")
    else:
        back_up(path, tmp_path / "backup")
        assert stat.S_ISREG((tmp_path / "backup").lstat().st_mode)
    assert not elsewhere.exists()

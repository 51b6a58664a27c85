from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffer_client.cli.exits import exit_code
from coffer_client.delivery.folder import Folder, memory_advice
from coffer_client.delivery.naming import Naming
from coffer_client.delivery.text import bytes_of
from coffer_client.errors import ConfigurationError, NamingError, NoSuchKeyError, OutputError
from coffer_protocol.shard import SecretValue

from ..strategies import keys, values


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read(descriptor: int) -> dict[str, bytes]:
    """What is in a folder that was opened, as a reader does who wants files of one release."""
    found = {}
    for name in os.listdir(descriptor):
        with open(os.open(name, os.O_RDONLY, dir_fd=descriptor), "rb") as file:
            found[name] = file.read()
    return found


def contents(path: Path) -> dict[str, bytes]:
    """What is in a folder."""
    with opened(path) as descriptor:
        return read(descriptor)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# ------------------------------------------------------------------------------------------------------------------- files


def test_each_secret_is_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    secrets: dict[str, SecretValue] = {"db.url": "é\n", "n": 42, "key": b"\xff\x00", "empty": "", "day": date(2027, 1, 31), ".a b": True}
    folder = tmp_path / "above" / "app"
    old = os.umask(0)
    try:
        Folder(str(folder)).write(secrets)
    finally:
        os.umask(old)
    assert contents(folder) == {
        "db.url": "é\n".encode(),
        "n": b"42",
        "key": b"\xff\x00",
        "empty": b"",
        "day": b"2027-01-31",
        ".a b": b"true",
    }
    assert {mode(path) for path in folder.iterdir()} == {0o400}
    assert {mode(path) for path in (folder.parent, folder.resolve(), folder.resolve().parent)} == {0o700}


file_keys = keys.filter(lambda key: "/" not in key and key not in (".", "..") and len(key.encode()) <= 255)


@given(secrets=st.dictionaries(file_keys, values, max_size=8))
@settings(deadline=None, max_examples=30)
def test_the_folder_has_the_release_and_nothing_else(secrets: dict[str, SecretValue], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "release"
    Folder(str(folder)).write(secrets)
    assert contents(folder) == {key: bytes_of(value) for key, value in secrets.items()}


def test_the_next_release_takes_its_place_and_the_one_before_stays_for_its_readers(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    Folder(str(folder)).write({"gone": "canary", "kept": 1})
    first = folder.resolve()
    with opened(folder) as descriptor:
        Folder(f"{folder}/").write({"kept": 2, "new": 3})
        assert read(descriptor) == {"gone": b"canary", "kept": b"1"}
    assert contents(folder) == {"kept": b"2", "new": b"3"}
    second = folder.resolve()
    Folder(str(folder)).write({})
    assert contents(folder) == {}
    assert not first.exists()
    assert sorted(os.listdir(tmp_path)) == [".app.coffer", "app"]
    assert sorted(os.listdir(tmp_path / ".app.coffer")) == sorted(["lock", second.name, folder.resolve().name])


def test_a_relative_folder_is_one_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Folder("app").write({"n": 1})
    assert contents(tmp_path / "app") == {"n": b"1"}
    # It may be moved with what it is in.
    (tmp_path / "app").parent.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    assert contents(tmp_path.with_name(f"{tmp_path.name}-moved") / "app") == {"n": b"1"}


def test_only_what_was_chosen_under_the_names_that_were_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    Folder(str(folder)).write({"db.url": "x", "web": "canary"}, Naming(only=("db.*",), prefix="my-", upper=True))
    assert contents(folder) == {"MY-DB.URL": b"x"}
    with pytest.raises(NoSuchKeyError):
        Folder(str(folder)).write({"db.url": "y"}, Naming(only=("bd.*",)))
    with pytest.raises(NamingError, match="'a' and 'A' would all be A"):
        Folder(str(folder)).write({"a": "y", "A": "y"}, Naming(upper=True))
    assert contents(folder) == {"MY-DB.URL": b"x"}


def test_keys_that_are_no_file_names_are_refused_all_at_once(tmp_path: Path) -> None:
    secrets = {"a/b": "canary", "..": "canary", ".": "canary", "fine": "canary", "é" * 127: "canary", "x": "canary"}
    Folder(str(tmp_path / "app")).write(secrets, Naming(without=("*/*", "..", ".")))
    with pytest.raises(NamingError) as caught:
        Folder(str(tmp_path / "app")).write(secrets)
    for named in ("'a/b' gives 'a/b'", "'..' gives '..'", "'.' gives '.'"):
        assert f"{named}, which is not a name for a file" in str(caught.value)
    assert "fine" not in str(caught.value)
    assert "canary" not in str(caught.value)
    assert exit_code(caught.value) == 2
    with pytest.raises(NamingError, match=r"'é{127}' gives a name of more than 255 bytes\n"):
        Folder(str(tmp_path / "app")).write(secrets, Naming(only=("é*", "x"), prefix="pp"))


# ------------------------------------------------------------------------------------------------------------------- whole


# Writes a release after the other, each of some keys with its number in all of them, until it is ended.
PUBLISHING = """if 1:
    import itertools, sys
    from coffer_client.delivery.folder import Folder
    for number in itertools.count():
        Folder(sys.argv[1]).write({f"key{key}": number for key in range(number % 5 + 1)})
"""


def test_no_reader_finds_half_a_release(home: Path) -> None:
    folder = home / "app"
    Folder(str(folder)).write({"key0": 0})
    seen: set[int] = set()
    with subprocess.Popen([sys.executable, "-c", PUBLISHING, str(folder)]) as writer:
        try:
            while len(seen) < 20:
                assert writer.poll() is None
                leads_to = os.readlink(folder)
                try:
                    found = contents(folder)
                except FileNotFoundError:
                    # It was read while two others were written.
                    assert os.readlink(folder) != leads_to
                    continue
                if os.readlink(folder) == leads_to:
                    (number,) = set(map(int, found.values()))
                    assert set(found) == {f"key{key}" for key in range(number % 5 + 1)}
                    seen.add(number)
        finally:
            writer.kill()


WRITER = "import sys; from coffer_client.delivery.folder import Folder; [Folder(sys.argv[1]).write({sys.argv[2]: n}) for n in range(8)]"


def test_writers_take_turns(home: Path) -> None:
    folder = home / "app"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name]) for name in ("one", "two", "three")]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert list(contents(folder).values()) == [b"7"]
    assert len(os.listdir(home / ".app.coffer")) == len(["lock", "the one before", "the last one"])


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    Folder(str(folder)).write({"n": 1})
    store = tmp_path / ".app.coffer"
    (store / "tmpleft").mkdir()
    (store / "tmpleft" / "n").write_bytes(b"canary")
    (store / "new").symlink_to(".app.coffer/tmpleft")
    first = folder.resolve()
    Folder(str(folder)).write({"n": 2})
    assert contents(folder) == {"n": b"2"}
    assert sorted(os.listdir(store)) == sorted(["lock", first.name, folder.resolve().name])


def test_what_cannot_be_written_leaves_the_old_release(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    Folder(str(folder)).write({"n": 1})
    # What stands beside it has a longer name.
    deep = tmp_path / ("x" * 250)
    with pytest.raises(OutputError, match="File name too long") as caught:
        Folder(str(deep)).write({"n": "canary"})
    assert "canary" not in str(caught.value)
    # What somebody has made there in the meantime is left.
    writer = Folder(str(folder))
    folder.unlink()
    folder.mkdir()
    with pytest.raises(ConfigurationError, match="was not made by --to-dir"):
        writer.write({"n": 2})
    assert list(folder.iterdir()) == []


# -------------------------------------------------------------------------------------------------------------------- ours


@pytest.mark.parametrize("there", ["folder", "file", "link", "dangling", "sibling"])
def test_what_it_did_not_make_is_refused_and_left(there: str, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    (tmp_path / "other").mkdir()
    match there:
        case "folder":
            folder.mkdir()
        case "file":
            folder.touch()
        case "link":
            folder.symlink_to("other")
        case "dangling":
            folder.symlink_to("nothing")
        case "sibling":
            folder.symlink_to(".another.coffer/x")
    before = folder.lstat()
    with pytest.raises(ConfigurationError, match="was not made by --to-dir: remove it, or name another folder"):
        Folder(str(folder))
    assert folder.lstat() == before
    assert sorted(os.listdir(tmp_path)) == ["app", "other"]


def test_the_root_is_no_folder_to_make() -> None:
    with pytest.raises(ConfigurationError, match="name a folder in it"):
        Folder("/")


@pytest.mark.parametrize("bits", [0o750, 0o701, 0o777])
def test_a_store_that_others_can_see_is_refused(bits: int, tmp_path: Path) -> None:
    (tmp_path / ".app.coffer").mkdir()
    (tmp_path / ".app.coffer").chmod(bits)
    with pytest.raises(ConfigurationError, match="not a folder that only you can access"):
        Folder(str(tmp_path / "app")).write({"n": 1})
    assert os.listdir(tmp_path / ".app.coffer") == []


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".app.coffer").touch(0o600)
    with pytest.raises(ConfigurationError, match="not a folder that only you can access"):
        Folder(str(tmp_path / "app")).write({"n": 1})


def test_a_store_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / ".app.coffer").symlink_to("theirs")
    with pytest.raises(ConfigurationError, match="not a folder that only you can access"):
        Folder(str(tmp_path / "app")).write({"n": 1})
    assert os.listdir(tmp_path / "theirs") == []


def test_a_store_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".app.coffer").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigurationError, match="not a folder that only you can access"):
        Folder(str(tmp_path / "app")).write({"n": 1})
    assert os.listdir(tmp_path / ".app.coffer") == []


# ------------------------------------------------------------------------------------------------------------------- memory


def is_tmpfs(path: str) -> bool:
    """What coreutils say."""
    return subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True, check=True).stdout.strip() in ("tmpfs", "ramfs")


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder on a tmpfs."""
    if not (os.path.isdir("/dev/shm") and is_tmpfs("/dev/shm")):
        pytest.skip("there is no tmpfs on /dev/shm")
    path = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield path
    shutil.rmtree(path)


def test_it_tells_memory_from_disk_as_the_system_does(in_memory: Path) -> None:
    for path in ("/", "/proc", "/dev", str(in_memory), "/run", "/tmp", "/sys/fs/cgroup", os.getcwd()):
        if os.path.isdir(path):
            assert (memory_advice(path, {}) is None) == is_tmpfs(path), path


def test_a_folder_in_memory_needs_no_advice(in_memory: Path) -> None:
    assert memory_advice(str(in_memory / "a" / "b"), {}) is None
    Folder(str(in_memory / "a" / "b")).write({"n": 1})
    assert contents(in_memory / "a" / "b") == {"n": b"1"}
    assert memory_advice(str(in_memory / "a" / "b"), {}) is None


def test_a_folder_on_a_disk_is_shown_one_in_memory(in_memory: Path) -> None:
    advice = memory_advice("/proc/here", {"XDG_RUNTIME_DIR": str(in_memory)})
    assert (
        advice
        == f"/proc/here is not on a tmpfs, so its files may stay on a disk and in backups: use a folder in {in_memory}, which is on one"
    )
    # What is not in memory is not offered, whatever it is called.
    assert " /proc is one" not in str(memory_advice("/proc/here", {"XDG_RUNTIME_DIR": "/proc"}))


def test_a_link_that_takes_the_place_of_the_hidden_folder_is_not_followed(tmp_path: Path) -> None:
    store, theirs = tmp_path / ".app.coffer", tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "kept").touch()

    class Swapped(Folder):
        """Another user exchanges the hidden folder after it was checked."""

        def _current(self) -> str | None:
            if not store.is_symlink():
                store.rename(tmp_path / "moved")
                store.symlink_to(theirs)
            return super()._current()

    folder = Swapped(str(tmp_path / "app"))
    folder.write({"n": "canary"})
    assert os.listdir(theirs) == ["kept"]
    assert [path.read_bytes() for path in (tmp_path / "moved").rglob("n")] == [b"canary"]


@pytest.mark.parametrize("name", ["lock", "new"])
def test_a_link_in_the_hidden_folder_is_not_followed(name: str, tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "app"))
    folder.write({"n": 1})
    target = tmp_path / "target"
    target.touch()
    (tmp_path / ".app.coffer" / name).unlink(missing_ok=True)
    (tmp_path / ".app.coffer" / name).symlink_to(target)
    if name == "lock":
        with pytest.raises(OutputError, match="lock"):
            folder.write({"n": 2})
    else:
        folder.write({"n": 2})
        assert contents(tmp_path / "app") == {"n": b"2"}
    assert target.read_bytes() == b""

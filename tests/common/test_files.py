from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from coffer_client.delivery.folder import Folder
from coffer_client.errors import ConfigurationError
from coffer_client.trust_store import find_folders
from coffer_common import files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    for data in (b"one", b"", b"three"):
        files.replace(str(path), data)
        assert files.read(str(path), limit_bytes=10) == data
    assert [mode(path), mode(path.parent), mode(path.parent.parent)] == [0o600, 0o700, 0o700]
    assert os.listdir(path.parent) == ["file"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.replace(str(path), b"old")
    (tmp_path / "file.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.replace(str(path), b"new")
    assert path.read_bytes() == b"old"


def test_a_file_that_is_too_long_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100))
    assert files.read(str(tmp_path / "file"), limit_bytes=10) == bytes(11)
    assert files.read(str(tmp_path / "none"), limit_bytes=10) is None


def test_a_file_is_removed_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert files.remove(str(tmp_path / "file"))
    assert not files.remove(str(tmp_path / "file"))


HOLDER = """if 1:
    import sys
    from coffer_client import files
    with files.Lock(sys.argv[1]):
        print("has it", flush=True)
        sys.stdin.read()
"""


def test_a_lock_is_one_processs_and_ends_with_it(home: Path) -> None:
    path = str(home / "a" / "lock")
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"has it\n"
        with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as two:
            # Until the first is gone there is nothing to read; then there is.
            one.kill()
            assert two.communicate(b"")[0] == b"has it\n"


FORKING = """if 1:
    import fcntl, os, sys
    from coffer_client import files
    told, tell = os.pipe()
    with files.Lock(sys.argv[1]):
        child = os.fork()
        if not child:
            # Lives on with what it was born with, as a worker would, until it is told that the lock was had again.
            os.close(tell)
            os.read(told, 1)
            os._exit(0)
    again = os.open(sys.argv[1], os.O_RDWR)
    try:
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("had it again")
    finally:
        os.close(tell)
        os.waitpid(child, 0)
"""


def test_a_lock_is_not_left_to_a_process_that_is_forked_under_it(home: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", FORKING, str(home / "lock")], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("had it again\n", "")


def test_a_path_is_made_absolute_where_there_is_a_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    assert files.absolute("app") == f"{gone}/app"
    gone.rmdir()
    assert files.absolute("/app") == "/app"
    with pytest.raises(ConfigurationError, match=r"^app: the working directory is no more"):
        files.absolute("app")
    with pytest.raises(ConfigurationError, match=r"^app: the working directory is no more"):
        Folder("app")
    with pytest.raises(ConfigurationError, match=r"^app: the working directory is no more"):
        find_folders(state="app", cache=True, environment={})

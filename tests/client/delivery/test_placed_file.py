from __future__ import annotations

import errno
import grp
import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from coffer_client.delivery.placed_file import Access, place
from coffer_client.errors import OutputError, UsageError

CANARY = "canary-4711"
NOBODY = 65534


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------------------------------------------------------ access


@pytest.mark.parametrize(("text", "mode"), [(None, 0o600), ("0600", 0o600), ("640", 0o640), ("0444", 0o444), ("000", 0)])
def test_a_mode_is_octal(text: str | None, mode: int) -> None:
    assert Access.from_text(mode=text, owner=None) == Access(mode=mode)


@pytest.mark.parametrize("text", ["", "6", "60", "0o600", "4755", "00600", "0680", "u=rw", "-600", "٠٦٠٠"])
def test_another_mode_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected three octal digits"):
        Access.from_text(mode=text, owner=None)


def test_an_owner_is_by_name_or_number() -> None:
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    assert Access.from_text(mode=None, owner=user) == Access(user=os.geteuid(), owner=user)
    both = f"{user}:{group}"
    assert Access.from_text(mode=None, owner=both) == Access(user=os.geteuid(), group=os.getegid(), owner=both)
    assert Access.from_text(mode=None, owner="12:34") == Access(user=12, group=34, owner="12:34")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "USER or USER:GROUP"),
        (":adm", "USER or USER:GROUP"),
        ("root:", "USER or USER:GROUP"),
        ("no-such-user", "this machine has no user 'no-such-user'"),
        ("4294967295", "no user '4294967295'"),
        ("9" * 5000, "no user '9999"),
        ("0:no-such-group", "this machine has no group 'no-such-group'"),
    ],
)
def test_another_owner_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Access.from_text(mode=None, owner=text)


@pytest.mark.parametrize(("mode", "is_everybodys"), [(0o600, False), (0o640, False), (0o771, False), (0o604, True), (0o602, True)])
def test_what_everybody_can_read_or_change(mode: int, is_everybodys: bool) -> None:
    assert Access(mode=mode).is_everybodys == is_everybodys


# ------------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_a_new_file_has_the_content_and_the_mode_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "file"
    before = os.umask(umask)
    try:
        assert place(str(path), b"content", Access(mode=0o640))
    finally:
        os.umask(before)
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names_in(tmp_path) == ["file"]


def test_a_file_that_stands_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert place(str(path), b"content", Access())
    os.utime(path, ns=(1, 1))
    before = path.stat()
    assert not place(str(path), b"content", Access())
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (before.st_ino, 1, before.st_ctime_ns)


@pytest.mark.parametrize("content", [b"", b"conten", b"content2", b"CONTENT"])
def test_another_content_is_replaced_whole(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    path.chmod(0o600)
    with path.open("rb") as reader:
        assert place(str(path), content, Access())
        # Who has it open has the old one, whole.
        assert reader.read() == b"content"
    assert path.read_bytes() == content


def test_another_mode_is_a_difference(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    path.chmod(0o644)
    assert place(str(path), b"content", Access())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_without_a_folder_is_in_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place("file", b"content", Access())
    assert names_in(tmp_path) == ["file"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(OutputError, match="is a symbolic link to target: name that file"):
        place(str(tmp_path / "link"), b"new", Access())
    with pytest.raises(OutputError, match="is a symbolic link to nowhere"):
        place(str(tmp_path / "dangling"), b"new", Access())
    assert (tmp_path / "target").read_bytes() == b"old"
    assert names_in(tmp_path) == ["dangling", "link", "target"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(OutputError, match="is not a regular file"):
            place(str(path), b"content", Access())
    assert names_in(tmp_path) == ["pipe"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=rf"there is no folder {tmp_path}/no"):
        place(str(tmp_path / "no" / "file"), b"content", Access())
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Not a directory"):
        place(str(tmp_path / "file" / "file"), b"content", Access())


def test_where_it_cannot_be_written_the_old_one_stays_and_nothing_beside_it(tmp_path: Path) -> None:
    """By a limit on the size of files, in a process of its own: what a full disk does."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    program = f"""if 1:
        import resource, signal
        from coffer_client.delivery.placed_file import Access, place
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        place({str(path)!r}, b"{CANARY}" * 1000, Access())
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"OutputError: {path} cannot be written: {os.strerror(errno.EFBIG)}" in done.stderr
    assert f"b'{CANARY}" not in done.stderr
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def place_and_be_signalled(path: Path, number: int) -> int:
    """A process that places a file, and gets a signal where that is written and has not its name yet. Returns how it ended."""
    program = f"""if 1:
        import os, sys
        from coffer_client.delivery.placed_file import Access, place
        sys.addaudithook(lambda event, _: os.kill(os.getpid(), {number}) if event == "os.rename" else None)
        place({str(path)!r}, b"{CANARY}", Access())
        print("it goes on")
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.stdout == b""
    return done.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_waits_until_the_file_is_there(tmp_path: Path, number: int) -> None:
    path = tmp_path / "file"
    assert place_and_be_signalled(path, number) == -number
    assert path.read_text() == CANARY
    assert names_in(tmp_path) == ["file"]


def test_what_was_left_by_one_that_was_killed_is_removed_by_a_later_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert place_and_be_signalled(path, signal.SIGKILL) == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.read_text() == CANARY
    (tmp_path / ".coffer-mine").touch()
    os.utime(tmp_path / ".coffer-mine", (1, 1))
    # It may be another process's, which is at work.
    assert place(str(path), b"content", Access())
    assert names_in(tmp_path) == sorted([left.name, ".coffer-mine", "file"])
    os.utime(left, (1, 1))
    assert not place(str(path), b"content", Access())
    assert names_in(tmp_path) == [".coffer-mine", "file"]


# ----------------------------------------------------------------------------------------------------------------- owners


def test_a_file_is_given_to_its_owner(tmp_path: Path) -> None:
    # Who is not root can give to itself alone.
    user, group = (NOBODY, NOBODY) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    path = tmp_path / "file"
    path.write_bytes(b"content")
    path.chmod(0o600)
    access = Access.from_text(mode="0640", owner=f"{user}:{group}")
    assert place(str(path), b"content", access)
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (user, group, 0o640)
    assert not place(str(path), b"content", access)
    # Without an owner it is whoever runs this.
    assert place(str(path), b"content", Access())
    assert path.stat().st_uid == os.geteuid()


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that everybody can reach, and write; pytest's own are for their user alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def place_as_nobody(folder: Path, access: str) -> str:
    """What a process without rights says where it places `file` in `folder`."""
    program = f"""if 1:
        import os
        from coffer_client.errors import OutputError
        from coffer_client.delivery.placed_file import Access, place
        os.chdir({str(folder)!r})
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid({NOBODY})
            os.setuid({NOBODY})
        try:
            place("file", b"{CANARY}", {access})
        except OutputError as error:
            print(error)
    """
    return subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True).stdout


def test_only_root_gives_files_away(everybodys: Path) -> None:
    said = place_as_nobody(everybodys, 'Access.from_text(mode=None, owner="root")')
    assert said == "file cannot be given to root: run this as root, or leave out --owner\n"
    assert names_in(everybodys) == []


def test_a_folder_that_cannot_be_written_is_named(everybodys: Path) -> None:
    everybodys.chmod(0o555)
    said = place_as_nobody(everybodys, "Access()")
    everybodys.chmod(0o700)
    assert said == "file cannot be written: Permission denied\n"
    assert names_in(everybodys) == []


def test_a_file_that_cannot_be_read_is_replaced(everybodys: Path) -> None:
    assert place_as_nobody(everybodys, "Access(mode=0)") == ""
    assert place_as_nobody(everybodys, "Access(mode=0)") == ""
    assert (everybodys / "file").stat().st_size == len(CANARY)

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coffer_common import files
from coffer_common.errors import MissingFileError, TextFileError
from tests.support import ROOT

CANARY = b"canary-4711"


def stage_and_move(path: Path, data: bytes) -> None:
    files.move(files.stage(path, data), path)


WRITERS: dict[str, Callable[[Path, bytes], None]] = {
    "replace": files.replace,
    "stage": stage_and_move,
    "create": files.create,
    "write_new": files.write_new,
}
every_writer = pytest.mark.parametrize("writer", WRITERS)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# ------------------------------------------------------------------------------------------------------------------ writing


@every_writer
def test_a_new_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path, writer: str) -> None:
    before = os.umask(0)
    try:
        WRITERS[writer](tmp_path / "file", CANARY)
    finally:
        os.umask(before)
    assert (tmp_path / "file").read_bytes() == CANARY
    assert mode(tmp_path / "file") == 0o600
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("bits", [0o400, 0o600, 0o640, 0o644])
def test_the_mode_is_an_argument(tmp_path: Path, bits: int) -> None:
    before = os.umask(0o077)
    try:
        files.replace(tmp_path / "one", b"", mode=bits)
        files.create(tmp_path / "two", b"", mode=bits)
        files.write_new(tmp_path / "three", b"", mode=bits)
    finally:
        os.umask(before)
    assert {mode(tmp_path / name) for name in names_in(tmp_path)} == {bits}


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data in (b"one", b"", b"three"):
        files.replace(str(path), data)
        assert path.read_bytes() == data
    assert names_in(tmp_path) == ["file"]


def test_what_is_staged_is_whole_and_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    new = Path(files.stage(path, CANARY))
    assert (path.read_bytes(), new.read_bytes(), new.parent) == (b"old", CANARY, tmp_path)
    assert files.is_temporary(new.name)
    files.move(new, path)
    assert (path.read_bytes(), names_in(tmp_path)) == (CANARY, ["file"])


def test_a_path_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files.replace("one", b"1")
    files.create("two", b"2")
    assert names_in(tmp_path) == ["one", "two"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    files.replace(tmp_path / "link", b"new")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"old"


@pytest.mark.parametrize("writer", ["create", "write_new"])
@pytest.mark.parametrize("kind", ["file", "link", "dangling", "folder"])
def test_what_exists_is_never_overwritten(tmp_path: Path, writer: str, kind: str) -> None:
    path = tmp_path / "file"
    (tmp_path / "target").write_bytes(b"old")
    match kind:
        case "file":
            path.write_bytes(b"old")
        case "link":
            path.symlink_to("target")
        case "dangling":
            path.symlink_to("nowhere")
        case "folder":
            path.mkdir()
    with pytest.raises(FileExistsError) as caught:
        WRITERS[writer](path, CANARY)
    assert caught.value.filename == str(path)
    assert names_in(tmp_path) == ["file", "target"]
    assert (tmp_path / "target").read_bytes() == b"old"
    assert kind != "file" or path.read_bytes() == b"old"


def test_of_many_that_make_one_file_only_one_succeeds(tmp_path: Path) -> None:
    program = f"""if 1:
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from coffer_common import files
        sys.stdin.read()
        try:
            files.create({str(tmp_path / "file")!r}, sys.argv[1].encode() * 1000)
            print("made it")
        except FileExistsError:
            pass
    """
    racers = [
        subprocess.Popen([sys.executable, "-c", program, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for number in range(6)
    ]
    # Each waits for the end of its stdin.
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
        racer.stdin = None
    winners = [number for number, racer in enumerate(racers) if racer.communicate()[0]]
    assert len(winners) == 1
    assert (tmp_path / "file").read_bytes() == str(winners[0]).encode() * 1000
    assert names_in(tmp_path) == ["file"]


def test_a_file_system_without_links_takes_new_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("os.link", refuse)
    files.create(tmp_path / "file", CANARY)
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "file", b"other")
    assert (tmp_path / "file").read_bytes() == CANARY
    assert names_in(tmp_path) == ["file"]


# What the kernel answers if a disk is full, from its limit on the size of a file: nothing here is patched.
FILLING = f"""if 1:
    import resource, signal, sys
    sys.path.insert(0, {str(ROOT)!r})
    from coffer_common import files
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
    try:
        getattr(files, sys.argv[1])(sys.argv[2], bytes(10_000))
    except OSError as error:
        print(error.errno, error.filename)
"""


@every_writer
def test_a_limit_leaves_the_old_file_and_nothing_else(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "file"
    if writer == "replace":
        path.write_bytes(b"old")
    ran = subprocess.run([sys.executable, "-c", FILLING, writer, str(path)], capture_output=True, text=True, check=True)
    assert ran.stdout == f"{errno.EFBIG} {None if writer == 'write_new' else path}\n"
    assert names_in(tmp_path) == (["file"] if writer == "replace" else [])
    assert writer != "replace" or path.read_bytes() == b"old"


@pytest.mark.parametrize("writer", ["replace", "create"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, writer: str) -> None:
    program = f"""if 1:
        import os, sys
        sys.path.insert(0, {str(ROOT)!r})
        from coffer_common import files
        if sys.argv[1] == "replace":
            files.replace("file", b"old")
        try:
            getattr(files, sys.argv[1])("file", bytes(100_000))
        except OSError as error:
            print(error.errno, error.filename, os.listdir())
        print(files.read("file", limit_bytes=10))
    """
    line = f'mount -t tmpfs -o size=16k none "{tmp_path}" || exit 77; cd "{tmp_path}" && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", line, "sh", sys.executable, "-c", program, writer]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if ran.returncode == 77 or ran.stderr.startswith("unshare"):
        pytest.skip("only root can mount a small disk")
    left, content = (["file"], b"old") if writer == "replace" else ([], None)
    assert ran.stdout == f"{errno.ENOSPC} file {left}\n{content!r}\n"


def test_an_error_before_the_file_has_its_name_leaves_nothing(tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.replace(tmp_path / "file", CANARY, prepare=fail)
    assert names_in(tmp_path) == []


def test_a_name_that_cannot_be_taken_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="directory") as caught:
        files.replace(tmp_path / "file", CANARY)
    assert caught.value.filename == str(tmp_path / "file")
    assert names_in(tmp_path) == ["file"]


def test_a_folder_that_does_not_exist_is_told_by_the_files_own_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        files.replace(tmp_path / "none" / "file", CANARY)
    assert caught.value.filename == str(tmp_path / "none" / "file")


def test_the_descriptor_is_prepared_before_the_mode_is_set(tmp_path: Path) -> None:
    seen = []

    def prepare(descriptor: int) -> None:
        seen.append((stat.S_IMODE(os.fstat(descriptor).st_mode), os.fstat(descriptor).st_size, names_in(tmp_path) == ["file"]))

    files.replace(tmp_path / "file", CANARY, mode=0o644, prepare=prepare)
    assert seen == [(0o600, len(CANARY), False)]
    assert mode(tmp_path / "file") == 0o644


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What this process asks of the disk, in order: each call goes through, and is noted with the names that it is about."""
    noted: list[str] = []
    fsync, replace, link = os.fsync, os.replace, os.link

    def note_fsync(descriptor: int) -> None:
        fsync(descriptor)
        noted.append(f"sync {named(os.readlink(f'/proc/self/fd/{descriptor}'))}")

    def note_replace(old: str, new: str) -> None:
        replace(old, new)
        noted.append(f"rename {named(old)} {named(new)}")

    def note_link(old: str, new: str) -> None:
        link(old, new)
        noted.append(f"link {named(old)} {named(new)}")

    def named(path: str) -> str:
        name = os.path.basename(path)
        return "temporary" if name.startswith(".coffer-") else name

    monkeypatch.setattr("os.fsync", note_fsync)
    monkeypatch.setattr("os.replace", note_replace)
    monkeypatch.setattr("os.link", note_link)
    return noted


def test_the_content_is_synced_before_the_name_and_then_the_folder(tmp_path: Path, calls: list[str]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    files.replace(folder / "file", CANARY)
    assert calls == ["sync temporary", "rename temporary file", "sync folder"]
    calls.clear()
    files.create(folder / "new", CANARY)
    assert calls == ["sync temporary", "link temporary new", "sync folder"]
    calls.clear()
    files.write_new(folder / "other", CANARY)
    assert calls == ["sync other"]
    files.move(str(folder / "other"), str(folder / "moved"))
    files.move_new(str(folder / "moved"), str(folder / "again"))
    assert calls[1:] == ["rename other moved", "sync folder", "link moved again", "sync folder"]


def test_folders_are_their_owners_alone_and_synced(tmp_path: Path, calls: list[str]) -> None:
    (tmp_path / "there").mkdir(0o755)
    files.make_folders(tmp_path / "there" / "one" / "two")
    assert calls == ["sync there", "sync one"]
    assert mode(tmp_path / "there" / "one") == mode(tmp_path / "there" / "one" / "two") == 0o700
    files.make_folders(tmp_path / "there" / "one" / "two")
    files.make_folders("")
    assert calls == ["sync there", "sync one"]
    assert mode(tmp_path / "there") == 0o755


def test_a_file_system_that_does_not_sync_folders_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = errno.EINVAL

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", refuse)
    files.sync_folder(tmp_path)
    number = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        files.sync_folder(tmp_path)


def test_what_killed_processes_have_left_is_deleted_once_it_is_old(tmp_path: Path) -> None:
    for name in (".coffer-old.new", ".coffer-young.new", ".coffer-mine", "mine.new"):
        (tmp_path / name).write_bytes(CANARY)
        if "young" not in name:
            os.utime(tmp_path / name, (1, 1))
    files.replace(tmp_path / "file", b"")
    assert names_in(tmp_path) == [".coffer-mine", ".coffer-young.new", "file", "mine.new"]
    files.tidy(str(tmp_path / "none"))


def test_a_process_that_is_killed_before_the_name_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    program = f"""if 1:
        import os, signal, sys
        sys.path.insert(0, {str(ROOT)!r})
        from coffer_common import files
        sys.addaudithook(lambda event, _: os.kill(os.getpid(), signal.SIGKILL) if event in ("os.link", "os.rename") else None)
        files.create({str(tmp_path / "file")!r}, b"")
    """
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".coffer-")
    os.utime(left, (1, 1))
    files.create(tmp_path / "file", CANARY)
    assert names_in(tmp_path) == ["file"]


def test_a_file_is_removed_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert files.remove(str(tmp_path / "file"))
    assert not files.remove(str(tmp_path / "file"))


# ------------------------------------------------------------------------------------------------------------------ locking


HOLDER = """if 1:
    import sys
    from coffer_common import files
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
    from coffer_common import files
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


# ------------------------------------------------------------------------------------------------------------------ reading


def test_a_file_that_is_too_long_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100))
    assert files.read(str(tmp_path / "file"), limit_bytes=10) == bytes(11)
    assert files.read(str(tmp_path / "none"), limit_bytes=10) is None


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a = 'x'\n", "a = 'x'\n"),
        (b"\xef\xbb\xbfa = 'x'\n", "a = 'x'\n"),
        (b"\xef\xbb\xbf", ""),
        (b"\xef\xbb\xbf\xef\xbb\xbfa", "\ufeffa"),
        (b"a\r\nb\r\n", "a\r\nb\r\n"),
        ("é🔑".encode(), "é🔑"),
    ],
)
def test_text_is_utf_8_and_a_byte_order_mark_is_skipped(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert files.read_text(path) == text
    assert files.read_text(str(path), limit_bytes=len(data)) == text


def test_the_status_is_that_of_the_file_that_was_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"text")
    path.chmod(0o640)
    text, status = files.read_text_and_status(path)
    assert (text, stat.S_IMODE(status.st_mode), status.st_ino) == ("text", 0o640, path.stat().st_ino)


@pytest.mark.parametrize(
    ("data", "reason", "place"),
    [
        (b"\xff", "the file is not text in UTF-8: save it as UTF-8", (1, 1)),
        (b"one\ntwo \xe9\n", "the file is not text in UTF-8: save it as UTF-8", (2, 5)),
        # As PowerShell writes it.
        ("text".encode("utf-16"), "the file is not text in UTF-8: save it as UTF-8", (1, 1)),
        (b"#" * 101, "the file is larger than 100 bytes: check its name", (None, None)),
    ],
)
def test_what_is_no_text_of_ours_says_where_and_what_to_do(
    tmp_path: Path, data: bytes, reason: str, place: tuple[int | None, int | None]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(TextFileError) as caught:
        files.read_text(path, limit_bytes=100)
    error = caught.value
    assert (error.path, f"{error.reason}: {error.remedy}", (error.line, error.column)) == (str(path), reason, place)
    with pytest.raises(TextFileError, match=r": restore it$"):
        files.read_text(path, limit_bytes=100, remedy="restore it")


def test_a_file_that_does_not_exist_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"/none: the file does not exist: check its name$"):
        files.read_text(tmp_path / "none")
    with pytest.raises(MissingFileError, match=r"/none: the file does not exist: make it$"):
        files.read_text(tmp_path / "none", remedy="make it")


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(TextFileError, match=r": the file cannot be read \(Is a directory\): name a file that this user can read$"):
        files.read_text(tmp_path)
    with pytest.raises(TextFileError, match="this is not a file name"):
        files.read_text("a\0b")


def test_a_device_without_an_end_is_read_to_the_limit_only() -> None:
    with pytest.raises(TextFileError, match=r"/dev/zero: the file is larger than 65536 bytes"):
        files.read_text("/dev/zero")


def test_what_comes_from_elsewhere_is_read_alike() -> None:
    assert files.decode(b"\xef\xbb\xbfa", "stdin") == "a"
    with pytest.raises(TextFileError, match=r"^stdin, line 1, column 1: the file is not text in UTF-8: save it as UTF-8$"):
        files.decode(b"\xff", "stdin")


def test_a_new_file_in_a_folder_that_was_renamed(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    folder = os.open(tmp_path / "before", os.O_RDONLY | os.O_DIRECTORY)
    try:
        (tmp_path / "before").rename(tmp_path / "after")
        files.write_new("name", b"data", folder=folder)
        with pytest.raises(FileExistsError):
            files.write_new("name", b"other", folder=folder)
        assert (tmp_path / "after" / "name").read_bytes() == b"data"
        assert files.remove("name", folder=folder)
        assert not files.remove("name", folder=folder)
    finally:
        os.close(folder)


def test_a_new_file_that_cannot_be_written_in_an_open_folder_is_not_left(tmp_path: Path) -> None:
    def fail(descriptor: int) -> None:
        raise PermissionError

    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(PermissionError):
            files.write_new("name", b"data", prepare=fail, folder=folder)
        assert os.listdir(tmp_path) == []
    finally:
        os.close(folder)


def test_a_lock_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), files.Lock(str(tmp_path / "lock")):
        raise AssertionError("the link was followed")
    assert not (tmp_path / "elsewhere").exists()

"""Files of Coffer's own: one durable writer, one reader of text files, and a lock.

A file that is written here has its whole content or does not exist, whether the disk is full, the process is killed or the power fails.
The content goes to a new file with a temporary name in the same folder, which then gets the final name; the content and the folder are on
the disk when the call returns. A process that is killed can leave a temporary file: the next write in that folder deletes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from coffer_protocol.lean import TYPE_CHECKING

from .errors import MissingFileError, TextFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from .paths import Path

# The size that a text file of ours may have, unless the caller names another size. A larger file was named by mistake.
TEXT_BYTES: Final = 1 << 16
OWNER_ONLY: Final = 0o600

_TEMPORARY_PREFIX: Final = ".coffer-"
_TEMPORARY_SUFFIX: Final = ".new"
# No write takes so long. A temporary file that is older was left by a process that was killed.
_LEFT_AFTER_S: Final = 600.0
# Some editors begin a file with it. It has no meaning in UTF-8.
_BYTE_ORDER_MARK: Final = "\ufeff"
# What a file system answers that has no hard links.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


# ------------------------------------------------------------------------------------------------------------------ writing


def replace(path: Path, data: bytes, *, mode: int = OWNER_ONLY, prepare: Callable[[int], None] | None = None) -> None:
    """Make `data` the content of a file, which need not exist. Other processes see the old content or the new one, never a part.

    Args:
        path: the file. Its folder exists. If it is a symbolic link, the link is replaced.
        data: the content.
        mode: the permission bits. The umask does not change them.
        prepare: called with the descriptor of the new file before it gets its name, to change its owner.

    Raises:
        OSError: the file cannot be written; the old one is untouched.
    """
    new = stage(path, data, mode=mode, prepare=prepare)
    try:
        move(new, path)
    except OSError as error:
        raise _about(path, error) from None


def stage(path: Path, data: bytes, *, mode: int = OWNER_ONLY, prepare: Callable[[int], None] | None = None) -> str:
    """Do the first half of `replace`: write `data` to a new file in the folder of `path`, and return its name for `move`.

    A caller that writes several files stages all of them first: only then is it certain that the disk takes them.

    Arguments are those of `replace`.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        new = _temporary(path)
        write_new(new, data, mode=mode, prepare=prepare)
    except OSError as error:
        raise _about(path, error) from None
    return new


def create(path: Path, data: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Make a file that must not exist yet. Arguments are those of `replace`.

    Raises:
        FileExistsError: the name exists, even as a link that leads nowhere. It is untouched.
        OSError: the file cannot be written, and does not exist.
    """
    new = stage(path, data, mode=mode)
    try:
        move_new(new, path)
    except OSError as error:
        raise _about(path, error) from None


def write_new(
    path: Path, data: bytes, *, mode: int = OWNER_ONLY, prepare: Callable[[int], None] | None = None, folder: int | None = None
) -> None:
    """Write a file that must not exist yet under its own name, for a folder that nobody reads yet. The folder is not synced.

    Args:
        path, data, mode, prepare: as for `replace`.
        folder: the descriptor of the folder to which the path is relative; None for the working directory.

    Raises:
        OSError: the file exists, even as a link, or cannot be written; then it does not exist.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, OWNER_ONLY, dir_fd=folder)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if prepare is not None:
                prepare(descriptor)
            # After the owner: a change of owner may clear bits.
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
    except BaseException:
        remove(path, folder=folder)
        raise


def move(new: Path, path: Path) -> None:
    """Give a synced file its final name, in place of a file that has it. Durable when it returns.

    Raises:
        OSError: it cannot be renamed; then `new` was deleted.
    """
    try:
        os.replace(new, path)
    except BaseException:
        remove(new)
        raise
    sync_folder(_folder_of(path))


def move_new(new: Path, path: Path) -> None:
    """Give a synced file its final name, which must not exist yet. Durable when it returns.

    Raises:
        FileExistsError: the name exists; then `new` was deleted.
        OSError: it cannot be renamed; then `new` was deleted.
    """
    try:
        _name_exclusively(new, path)
    finally:
        remove(new)
    try:
        sync_folder(_folder_of(path))
    except BaseException:
        remove(path)
        raise


def _name_exclusively(new: Path, path: Path) -> None:
    try:
        # Unlike a rename, a link never replaces what has the name.
        os.link(new, path)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not os.path.lexists(path):
            os.rename(new, path)
            return
    else:
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(path))


def _about(path: Path, error: OSError) -> OSError:
    """Return the error with the name that people know, in place of a temporary name or of no name."""
    error.filename, error.filename2 = os.fspath(path), None
    return error


def _temporary(path: Path) -> str:
    """Return a name in the folder of `path` that no other file has, and tidy the folder."""
    folder = _folder_of(path)
    tidy(folder)
    return os.path.join(folder, f"{_TEMPORARY_PREFIX}{os.urandom(8).hex()}{_TEMPORARY_SUFFIX}")


def tidy(folder: str) -> None:
    """Delete the temporary files that killed processes have left in a folder: they may hold secrets."""
    try:
        names = os.listdir(folder)
    except OSError:
        # A user may be allowed to write in a folder and not to list it. If the folder does not exist, the write says so.
        return
    for name in names:
        if is_temporary(name):
            left = os.path.join(folder, name)
            try:
                if os.lstat(left).st_mtime < time.time() - _LEFT_AFTER_S:
                    os.unlink(left)
            except OSError:
                # It belongs to another user, or another process was faster.
                continue


def is_temporary(name: str) -> bool:
    """Return whether a name is that of a file that this module is writing, or was writing when its process was killed."""
    return name.startswith(_TEMPORARY_PREFIX) and name.endswith(_TEMPORARY_SUFFIX)


def _folder_of(path: Path) -> str:
    return os.path.dirname(os.fspath(path)) or "."


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, each with mode 0700: os.makedirs gives its mode to the last one only. Durable when it returns.

    Raises:
        OSError: one of them cannot be made.
    """
    folder = os.fspath(folder)
    if not folder or os.path.isdir(folder):
        return
    make_folders(os.path.dirname(folder))
    # Another process may have made it in the meantime.
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return
    sync_folder(_folder_of(folder))


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk.

    Raises:
        OSError: they cannot be written.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_open_folder(descriptor)
    finally:
        os.close(descriptor)


def sync_open_folder(descriptor: int) -> None:
    """Do what `sync_folder` does for a folder that is open."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems do not sync folders and answer this.
        if error.errno != errno.EINVAL:
            raise


def remove(path: Path, *, folder: int | None = None) -> bool:
    """Delete a file, if it exists. Return whether it did.

    Args:
        path: the file.
        folder: the descriptor of the folder to which the path is relative; None for the working directory.

    Raises:
        OSError: it cannot be deleted.
    """
    try:
        os.unlink(path, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


class Lock:
    """Lets one process at a time work on what `path` names. The file is made if it does not exist, and stays, empty.

    Raises:
        OSError: the file cannot be made or locked, when the lock is entered.
    """

    __slots__ = ("_descriptor", "_folder", "_path")

    def __init__(self, path: str, *, folder: int | None = None) -> None:
        """Name the lock. `folder` is the descriptor of the folder to which the path is relative; None for the working directory."""
        self._path = path
        self._folder = folder

    def __enter__(self) -> None:
        make_folders(os.path.dirname(self._path))
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, OWNER_ONLY, dir_fd=self._folder)
        try:
            # The lock ends with the last descriptor of the file, so also if this process is killed.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(self, *error: object) -> None:
        # A process that another thread has forked in the meantime also holds the descriptor: closing ours would leave the lock to it.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)


# ------------------------------------------------------------------------------------------------------------------ reading


def read(path: Path, *, limit_bytes: int) -> bytes | None:
    """Return the content of a file; None if it does not exist.

    Args:
        path: the file.
        limit_bytes: the size that it may have. If it is larger, one byte more than the limit is read.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(limit_bytes + 1)
    except FileNotFoundError:
        return None


def read_text(path: Path, *, limit_bytes: int = TEXT_BYTES, remedy: str | None = None) -> str:
    """Return the text of a file in UTF-8, without a byte order mark. Line ends stay as they are: `\\n` or `\\r\\n`.

    Args:
        path: the file, or a pipe such as `<(…)` in a shell.
        limit_bytes: the size that it may have.
        remedy: what errors tell the user to do; None for a text that fits each error.

    Raises:
        MissingFileError: the file does not exist.
        TextFileError: it cannot be read, is larger than the limit, or is not text in UTF-8.
    """
    return read_text_and_status(path, limit_bytes=limit_bytes, remedy=remedy)[0]


def read_text_and_status(path: Path, *, limit_bytes: int = TEXT_BYTES, remedy: str | None = None) -> tuple[str, os.stat_result]:
    """Return what `read_text` returns, and the status of the very file that was read, even if another file gets its name meanwhile."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(limit_bytes + 1)
    except FileNotFoundError:
        raise MissingFileError(name, "the file does not exist", remedy or "check its name") from None
    except OSError as error:
        raise TextFileError(name, f"the file cannot be read ({error.strerror})", remedy or "name a file that this user can read") from None
    except ValueError:
        raise TextFileError(repr(name), "this is not a file name", remedy or "check its name") from None
    if len(data) > limit_bytes:
        raise TextFileError(name, f"the file is larger than {limit_bytes} bytes", remedy or "check its name")
    return decode(data, name, remedy=remedy), status


def decode(data: bytes, name: str, *, remedy: str | None = None) -> str:
    """Return the text of bytes in UTF-8, without a byte order mark.

    Args:
        data: the bytes.
        name: where they come from, such as a path or "stdin".
        remedy: as for `read_text`.

    Raises:
        TextFileError: they are not text in UTF-8.
    """
    try:
        return data.decode().removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise TextFileError(name, "the file is not text in UTF-8", remedy or "save it as UTF-8", line, column) from None

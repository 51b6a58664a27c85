"""Files of the client's own: made for their owner alone, replaced whole, and written by one process at a time."""

from __future__ import annotations

import fcntl
import os

from coffer_client.errors import ConfigurationError
from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

# What is written first, in the place of the file that it then becomes. There is one, for its writer holds the lock.
_NEW_SUFFIX: Final = ".new"


def absolute(path: str | os.PathLike[str]) -> str:
    """A path from the root on.

    Raises:
        ConfigurationError: it is relative, and the working directory is no more.
    """
    try:
        return os.path.abspath(path)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{os.fspath(path)}: the working directory is no more: name an absolute path, or start elsewhere"
        ) from None


def make_folders(folder: str) -> None:
    """Make `folder` and those above it, each 0700: os.makedirs gives its mode to the last one only.

    Raises:
        OSError: one cannot be made.
    """
    if not folder or os.path.isdir(folder):
        return
    make_folders(os.path.dirname(folder))
    # Another process may have made it in the meantime.
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return


class Lock:
    """Entered, this is the only process that works on what `path` stands for. The file is made where it is missing, and stays, empty.

    Raises:
        OSError: it cannot be made or locked, when it is entered.
    """

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        make_folders(os.path.dirname(self._path))
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # It ends with the last descriptor of it, so also where this process is killed.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(self, *error: object) -> None:
        # A process that another thread has forked in the meantime has one too: closing this one alone would leave the lock to it.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)


def replace(path: str, data: bytes) -> None:
    """Make `data` the content of a file, 0600, or leave it as it was; on the disk when this returns. The caller holds the lock.

    Raises:
        OSError: it cannot be written; the old file is untouched.
    """
    folder = os.path.dirname(path)
    make_folders(folder)
    descriptor = os.open(path + _NEW_SUFFIX, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    os.replace(path + _NEW_SUFFIX, path)
    sync_folder(folder)


def sync_folder(folder: str) -> None:
    """Return when the names in a folder are on the disk: a new name is there only when its folder is.

    Raises:
        OSError: it cannot be done.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: str, *, limit_bytes: int) -> bytes | None:
    """The content of a file; None where there is none.

    Args:
        path: the file.
        limit_bytes: what it may have: of a longer one, a byte more than that is read.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(limit_bytes + 1)
    except FileNotFoundError:
        return None


def remove(path: str) -> bool:
    """Remove a file. Returns whether there was one.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True

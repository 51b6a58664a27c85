"""One file for each secret, in a folder that changes as a whole: `get --to-dir`.

DIR becomes a link to a folder of one release, which stands with its lock in a hidden folder beside it:

    DIR -> .NAME.coffer/RANDOM     NAME is DIR's last part
    .NAME.coffer/lock              the processes that write take turns
    .NAME.coffer/RANDOM/KEY        0400: bytes as they are, all else as text in UTF-8, with nothing added

The next release gets a folder of its own, and one rename turns the link to it. So no reader finds half a release, nor a file of a key that
is no more. One who must have several files of the same release opens the folder, and the files from there: what the link led to before
stays until the one after is written. A container is given the folder that DIR is in, for the link alone leads nowhere.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from coffer_common import files

from ..errors import ConfigurationError, OutputError
from .naming import PLAIN, Naming
from .text import Secrets, bytes_of

# What Linux and every usual file system take.
_NAME_BYTES: Final = 255
_FILE_MODE: Final = 0o400
_LOCK: Final = "lock"
_NEW_LINK: Final = "new"
# Those whose files are in memory, and nowhere else but in swap.
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs", "devtmpfs"})
_MOUNTS: Final = "/proc/self/mountinfo"


class Folder:
    """A folder that holds the secrets of one release. Nothing is made before `write`."""

    def __init__(self, path: str) -> None:
        """Take a place for it.

        Args:
            path: where it is to be; relative to the working directory where it is not absolute.

        Raises:
            ConfigurationError: nothing can be made there, or there is something that no `write` has made; or as `files.absolute`.
        """
        self.path: Final = files.absolute(path)
        self._parent, name = os.path.split(self.path)
        if not name:
            raise ConfigurationError(f"--to-dir {path}: it is made as a whole, so name a folder in this one")
        self._store_name: Final = f".{name}.coffer"
        self._store: Final = os.path.join(self._parent, self._store_name)
        self._check_ours()

    def write(self, secrets: Secrets, naming: Naming = PLAIN) -> None:
        """Make the folder hold these secrets and nothing else; readers see all of it at once. It is on the disk when this returns.

        Args:
            secrets: by key.
            naming: which of them, under which names.

        Raises:
            ConfigurationError: as when it was made; or what stands beside it is not this user's alone.
            NamingError: a name is none for a file, or several keys give one.
            NoSuchKeyError: a pattern of `naming` is like no key.
            OutputError: it cannot be written, or what is left of others cannot be removed. Readers see the old or the new, never a part.
        """
        contents = {key: bytes_of(value) for key, value in naming.select(secrets).items()}
        named = naming.rename(contents, place="a folder", flaw=_file_flaw)
        with _told(self.path):
            self._make_store()
            with files.Lock(os.path.join(self._store, _LOCK)):
                self._check_ours()
                before = self._current()
                release = tempfile.mkdtemp(dir=self._store)
                try:
                    for name, data in named.items():
                        _create(os.path.join(os.fsencode(release), name.encode()), data)
                    files.sync_folder(release)
                    self._turn_to(os.path.basename(release))
                finally:
                    self._tidy(before)

    def _current(self) -> str | None:
        """The release that the link leads to; None where there is nothing, or something that is not ours."""
        try:
            folder, release = os.path.split(os.readlink(self.path))
        except OSError:
            return None
        return release if folder == self._store_name else None

    def _check_ours(self) -> None:
        if os.path.lexists(self.path) and self._current() is None:
            raise ConfigurationError(
                f"--to-dir {self.path}: this is there already, and was not made by --to-dir: name another folder, or remove it"
            )

    def _make_store(self) -> None:
        """Others may write where it is to be (/dev/shm), so it may be there, and theirs."""
        files.make_folders(self._store)
        found = os.lstat(self._store)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise ConfigurationError(f"{self._store}: this is not a folder of this user alone, so secrets are not put into it: remove it")

    def _turn_to(self, release: str) -> None:
        new = os.path.join(self._store, _NEW_LINK)
        # One may be left of a process that was killed.
        files.remove(new)
        os.symlink(os.path.join(self._store_name, release), new)
        os.replace(new, self.path)
        files.sync_folder(self._parent)

    def _tidy(self, before: str | None) -> None:
        """Remove all but what the link leads to, and what it led to before: who is reading that finds it whole."""
        kept = {_LOCK, before, self._current()}
        for name in os.listdir(self._store):
            if name not in kept:
                path = os.path.join(self._store, name)
                if os.path.islink(path):
                    os.unlink(path)
                else:
                    shutil.rmtree(path)


def _file_flaw(name: str, data: bytes) -> str | None:
    if "/" in name or name in (".", ".."):
        return f"gives {name!r}, which is no name for a file"
    return None if len(name.encode()) <= _NAME_BYTES else f"gives a name of more than {_NAME_BYTES} bytes"


def _create(path: bytes, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # A file's name is a key's, and no secret.
        raise OutputError(f"--to-dir {path}: {os.fsdecode(error.filename or path)}: {error.strerror}") from None


def memory_advice(path: str, environment: Mapping[str, str]) -> str | None:
    """What to tell people of a folder whose files reach a disk; None where they stay in memory.

    Args:
        path: the folder, which need not be there.
        environment: where XDG_RUNTIME_DIR is looked up.
    """
    types = _types_by_device()
    if _is_in_memory(path, types):
        return None
    candidates = (environment.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.geteuid()}", "/run", "/dev/shm")  # noqa: S108 (it is offered, not used)
    offered = [folder for folder in candidates if os.path.isdir(folder) and os.access(folder, os.W_OK) and _is_in_memory(folder, types)]
    where = f"{offered[0]} is one that is" if offered else "this machine offers none that is"
    return f"{path} is not on a tmpfs, so its files may stay on a disk, and in backups; {where}"


def _is_in_memory(path: str, types: Mapping[int, str]) -> bool:
    # A folder that is not there yet will be where the next one above it is.
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return types.get(os.stat(path).st_dev) in _IN_MEMORY


def _types_by_device() -> dict[int, str]:
    """The type of the file system on each device number, of those that are mounted; empty on a system that does not tell."""
    types = {}
    try:
        with open(_MOUNTS, encoding="utf-8", errors="replace") as file:
            for line in file:
                # proc(5): the third field is the device, and the first behind the dash is the type.
                before, _, after = line.partition(" - ")
                major, _, minor = before.split()[2].partition(":")
                types[os.makedev(int(major), int(minor))] = after.split()[0]
    except OSError:
        return {}
    return types

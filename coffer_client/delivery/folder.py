"""`get --to-dir`: one file for each secret, in a folder that changes as a whole.

DIR becomes a link to a folder with the files of one release. That folder and its lock are in a hidden folder next to DIR:

    DIR -> .NAME.coffer/RANDOM     NAME is DIR's last part
    .NAME.coffer/lock              the processes that write take turns
    .NAME.coffer/RANDOM/KEY        0400: bytes as they are, everything else as text in UTF-8, with nothing added

The next release gets a folder of its own, and one rename turns the link to it. So no reader finds half a release, or the file of a key
that no longer exists. A reader that needs several files of the same release opens the folder, and then the files in it: the folder that the
link led to before is kept until the release after the next is written. A container must be given the folder that DIR is in, because the
link alone leads nowhere.

Other users may be able to write in the folder around DIR. Therefore `write` opens the hidden folder once, checks it, and works through its
descriptor: what has that name later does not matter.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from coffer_common import files, paths

from ..errors import ConfigurationError, OutputError
from .naming import PLAIN, Naming
from .text import Secrets, bytes_of

# The limit of Linux and of every common file system.
_NAME_BYTES: Final = 255
_FILE_MODE: Final = 0o400
_LOCK: Final = "lock"
_NEW_LINK: Final = "new"
# A link in the place of a folder is refused.
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# File systems whose files are only in memory and in swap.
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs", "devtmpfs"})
_MOUNTS: Final = "/proc/self/mountinfo"


class Folder:
    """A folder with the secrets of one release. Only `write` creates anything."""

    def __init__(self, path: str) -> None:
        """Check that the folder can be made at `path`.

        Args:
            path: the folder. If it is not absolute, it is relative to the working directory.

        Raises:
            ConfigurationError: nothing can be made there, or something is there that `write` has not made; or as `paths.absolute`.
        """
        self.path: Final = paths.absolute(path)
        self._parent, name = os.path.split(self.path)
        if not name:
            raise ConfigurationError(f"--to-dir {path}: this folder cannot be replaced: name a folder in it")
        self._store_name: Final = f".{name}.coffer"
        self._store: Final = os.path.join(self._parent, self._store_name)
        self._check_ours()

    def write(self, secrets: Secrets, naming: Naming = PLAIN) -> None:
        """Make the folder hold these secrets and nothing else. Readers see the change all at once. The files are on the disk on return.

        Args:
            secrets: the secrets by key.
            naming: which secrets, under which names.

        Raises:
            ConfigurationError: as in the constructor; or other users can access the hidden folder.
            NamingError: a name cannot be that of a file, or several keys give the same name.
            NoSuchKeyError: a pattern of `naming` matches no key.
            OutputError: the folder cannot be written, or old folders cannot be removed. Readers see the old or the new one, never a part.
        """
        contents = {key: bytes_of(value) for key, value in naming.select(secrets).items()}
        named = naming.rename(contents, place="a folder", flaw=_file_flaw)
        with _told(self.path), self._opened_store() as store, files.Lock(_LOCK, folder=store):
            self._check_ours()
            before = self._current()
            release = os.urandom(8).hex()
            try:
                os.mkdir(release, 0o700, dir_fd=store)
                with _opened(release, store) as folder:
                    for name, data in named.items():
                        # A key's name is UTF-8, whatever this system's names are.
                        files.write_new(os.fsdecode(name.encode()), data, mode=_FILE_MODE, folder=folder)
                    files.sync_open_folder(folder)
                self._turn_to(release, store)
            finally:
                self._tidy(before, store)

    def _current(self) -> str | None:
        """Return the name of the folder that the link leads to; None if there is no link of ours."""
        try:
            folder, release = os.path.split(os.readlink(self.path))
        except OSError:
            return None
        return release if folder == self._store_name else None

    def _check_ours(self) -> None:
        if os.path.lexists(self.path) and self._current() is None:
            raise ConfigurationError(f"--to-dir {self.path}: this exists and was not made by --to-dir: remove it, or name another folder")

    @contextmanager
    def _opened_store(self) -> Iterator[int]:
        """Make the hidden folder, and yield its descriptor. Other users may write around it (/dev/shm), so it may exist and be theirs."""
        files.make_folders(self._store)
        try:
            descriptor = os.open(self._store, _FOLDER_FLAGS)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EACCES):
                raise self._not_ours() from None
            raise
        try:
            found = os.fstat(descriptor)
            if found.st_uid != os.geteuid() or found.st_mode & 0o077:
                raise self._not_ours()
            yield descriptor
        finally:
            os.close(descriptor)

    def _not_ours(self) -> ConfigurationError:
        return ConfigurationError(f"{self._store}: this is not a folder that only you can access, so it cannot hold secrets: remove it")

    def _turn_to(self, release: str, store: int) -> None:
        # A process that was killed may have left one.
        files.remove(_NEW_LINK, folder=store)
        os.symlink(os.path.join(self._store_name, release), _NEW_LINK, dir_fd=store)
        os.replace(_NEW_LINK, self.path, src_dir_fd=store)
        files.sync_folder(self._parent)

    def _tidy(self, before: str | None, store: int) -> None:
        """Remove everything except what the link leads to and what it led to before: a reader in the middle of it finds it whole."""
        kept = {_LOCK, before, self._current()}
        for name in os.listdir(store):
            if name not in kept:
                if stat.S_ISLNK(os.stat(name, dir_fd=store, follow_symlinks=False).st_mode):
                    os.unlink(name, dir_fd=store)
                else:
                    shutil.rmtree(name, dir_fd=store)


@contextmanager
def _opened(name: str, parent: int) -> Iterator[int]:
    descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _file_flaw(name: str, data: bytes) -> str | None:
    if "/" in name or name in (".", ".."):
        return f"gives {name!r}, which is not a name for a file"
    return None if len(name.encode()) <= _NAME_BYTES else f"gives a name of more than {_NAME_BYTES} bytes"


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # A file's name comes from a key, which is not a secret.
        raise OutputError(f"--to-dir {path}: {os.fsdecode(error.filename or path)}: {error.strerror}") from None


def memory_advice(path: str, environment: Mapping[str, str]) -> str | None:
    """Return a warning if the files of a folder reach a disk; None if they stay in memory.

    Args:
        path: the folder, which need not exist.
        environment: the variables, for XDG_RUNTIME_DIR.
    """
    types = _types_by_device()
    if _is_in_memory(path, types):
        return None
    candidates = (environment.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.geteuid()}", "/run", "/dev/shm")  # noqa: S108 (it is suggested, not used)
    offered = [folder for folder in candidates if os.path.isdir(folder) and os.access(folder, os.W_OK) and _is_in_memory(folder, types)]
    advice = f"use a folder in {offered[0]}, which is on one" if offered else "this machine has none that you can write to"
    return f"{path} is not on a tmpfs, so its files may stay on a disk and in backups: {advice}"


def _is_in_memory(path: str, types: Mapping[int, str]) -> bool:
    # A folder that does not exist yet will be on the file system of its nearest parent.
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return types.get(os.stat(path).st_dev) in _IN_MEMORY


def _types_by_device() -> dict[int, str]:
    """Return the type of each mounted file system by its device number; an empty dictionary if the system does not tell."""
    types = {}
    try:
        with open(_MOUNTS, encoding="utf-8", errors="replace") as file:
            for line in file:
                # proc(5): the third field is the device, and the first one after the dash is the type.
                before, _, after = line.partition(" - ")
                major, _, minor = before.split()[2].partition(":")
                types[os.makedev(int(major), int(minor))] = after.split()[0]
    except OSError:
        return {}
    return types

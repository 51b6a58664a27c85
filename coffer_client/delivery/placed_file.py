"""One file as a result, with its mode and its owner: replaced as a whole if it differs, otherwise not touched."""

from __future__ import annotations

import grp
import os
import pwd
import re
import signal
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from coffer_common import files

from ..errors import OutputError, UsageError

_DEFAULT_MODE: Final = 0o600
_MODE: Final = re.compile(r"0?[0-7]{3}", re.ASCII)
# Numbers of users and groups have 32 bits. The one with all bits set means "no change".
_LAST_NUMBER: Final = 2**32 - 2
_DIGITS: Final = 10
# The signals that end a process and can be made to wait.
_ENDING: Final = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The permissions and the owner of a file.

    Attributes:
        mode: the permission bits.
        user: the number of the owner; None for this process's user.
        group: the number of the group; None for the one that the system gives.
        owner: the owner and the group as they were typed, for errors.
    """

    mode: int = _DEFAULT_MODE
    user: int | None = None
    group: int | None = None
    owner: str = ""

    @classmethod
    def from_text(cls, *, mode: str | None, owner: str | None) -> Self:
        """Parse a mode such as 0640, and an owner such as `web`, `web:adm` or `33:33`.

        Raises:
            UsageError: the text is not a mode or an owner, or this machine does not know the user or the group.
        """
        if mode is not None and not _MODE.fullmatch(mode):
            raise UsageError(f"--mode {mode}: expected three octal digits, with or without a leading 0: 0640")
        bits = _DEFAULT_MODE if mode is None else int(mode, 8)
        if owner is None:
            return cls(mode=bits)
        user, colon, group = owner.partition(":")
        if not user or (colon and not group):
            raise UsageError(f"--owner {owner}: expected USER or USER:GROUP, as names or numbers")
        return cls(
            mode=bits,
            user=_number(user, "user", lambda name: pwd.getpwnam(name).pw_uid),
            group=_number(group, "group", lambda name: grp.getgrnam(name).gr_gid) if group else None,
            owner=owner,
        )

    @property
    def is_everybodys(self) -> bool:
        """Whether users other than the owner and the group can read or change the file."""
        return bool(self.mode & (stat.S_IROTH | stat.S_IWOTH))

    def fits(self, status: os.stat_result) -> bool:
        """Return whether a file already has this mode, owner and group."""
        user = os.geteuid() if self.user is None else self.user
        return stat.S_IMODE(status.st_mode) == self.mode and status.st_uid == user and self.group in (None, status.st_gid)


def _number(name: str, kind: str, find: Callable[[str], int]) -> int:
    if name.isascii() and name.isdecimal() and len(name) <= _DIGITS and int(name) <= _LAST_NUMBER:
        return int(name)
    try:
        return find(name)
    except KeyError:
        raise UsageError(f"--owner: this machine has no {kind} {name!r}") from None


def place(path: str, data: bytes, access: Access) -> bool:
    """Make `data` the content of a file, or leave everything as it was. The file is on the disk on return.

    A file that already has this content, mode and owner is not touched. Other processes see the old file or the new one, and nothing in
    between.

    Args:
        path: the file. Its folder exists.
        data: the content.
        access: the mode and the owner.

    Returns:
        Whether the file was made or replaced.

    Raises:
        OutputError: the file cannot be written, or it is a link or not a regular file. What was there is untouched.
    """
    try:
        # Even if nothing is written below.
        files.tidy(os.path.dirname(path) or ".")
        if _stands(path, data, access):
            return False
        _replace(path, data, access)
    except FileNotFoundError:
        raise OutputError(f"{path}: there is no folder {os.path.dirname(path) or '.'}: make it first") from None
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from None
    return True


def _stands(path: str, data: bytes, access: Access) -> bool:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(status.st_mode):
        # Replacing the link would not change the file that readers use. Following it would write to a place of the link's maker.
        raise OutputError(f"{path} is a symbolic link to {os.readlink(path)}: name that file, or remove the link")
    if not stat.S_ISREG(status.st_mode):
        raise OutputError(f"{path} is not a regular file: name another one, or leave out -o to print the result")
    try:
        return access.fits(status) and files.read(path, limit_bytes=len(data)) == data
    except PermissionError:
        return False


def _replace(path: str, data: bytes, access: Access) -> None:
    # A signal that ends this process waits until there is no new file that it would leave behind.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        files.replace(path, data, mode=access.mode, prepare=lambda descriptor: _hand_over(descriptor, path, access))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hand_over(descriptor: int, path: str, access: Access) -> None:
    if access.user is not None:
        try:
            os.fchown(descriptor, access.user, -1 if access.group is None else access.group)
        except PermissionError:
            raise OutputError(f"{path} cannot be given to {access.owner}: run this as root, or leave out --owner") from None

"""Identity files, which only their owner may read: they are refused if other users can access them (docs/protocol.md, 1).

The public key is in a second file with the same name and `.pub`, for people to copy. It can be made again from the identity.
"""

from __future__ import annotations

import os
import stat

from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import Identity, parse_client_file
from coffer_protocol.lean import TYPE_CHECKING

from . import files, paths
from .errors import MissingFileError, TextFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, TypeVar

    from .paths import Path

    T = TypeVar("T")

PUBLIC_SUFFIX: Final = ".pub"

_CHECK_NAME: Final = "check its name"
_PUBLIC_MODE: Final = 0o644
_OTHERS: Final = 0o077


def create(path: Path) -> Identity:
    """Make a new identity, and write its files. Arguments and errors are those of `write`.

    Raises:
        UnavailableError: this machine's libraries have no ML-KEM-768.
    """
    identity = Identity.generate()
    write(path, identity.file_text(), identity.public_text())
    return identity


def write(path: Path, text: str, public_text: str) -> None:
    """Write an identity file, 0600, and its public key in the `.pub` file. Missing folders are made with mode 0700.

    Each file is written whole or not at all. Nothing that exists is overwritten, and nothing is left behind on failure.

    Args:
        path: the identity file.
        text: the content of the identity file.
        public_text: the public key text, or the id of a bare key.

    Raises:
        KeyTextError: one of the files exists, or cannot be written. The text names it.
        ConfigurationError: as `paths.expand`.
    """
    secret_path = paths.expand(path)
    try:
        files.make_folders(os.path.dirname(secret_path))
        files.create(secret_path, text.encode())
        try:
            _write_public(secret_path, public_text)
        except BaseException:
            os.unlink(secret_path)
            raise
    except FileExistsError as error:
        raise KeyTextError(f"{error.filename} exists already and stays as it is: name another path for a new identity") from None
    except OSError as error:
        raise KeyTextError(f"{error.filename} cannot be written ({error.strerror}): name a path that can be written") from None


def _write_public(path: str, public_text: str) -> None:
    files.create(path + PUBLIC_SUFFIX, f"{public_text}\n".encode(), mode=_PUBLIC_MODE)


def ensure_public(path: Path, public_text: str) -> bool:
    """Make the `.pub` file of an identity again, if it is missing: a process that was killed may not have written it.

    Args:
        path: the identity file, which exists.
        public_text: as for `write`.

    Returns:
        Whether it was missing and could be made. The identity can be used in both cases.
    """
    try:
        _write_public(paths.expand(path), public_text)
    except OSError:
        return False
    return True


def read(path: Path, *, missing: str = _CHECK_NAME) -> Identity:
    """Read an identity file. Arguments and errors are those of `read_as`."""
    return read_as(Identity.from_file_text, path, missing=missing)


def read_as(parse: Callable[..., T], path: Path, *, missing: str = _CHECK_NAME, is_systemds: bool = False) -> T:
    """Read an identity file, and return the result of `parse`.

    Args:
        parse: called with the text and, as `mode`, the permission bits. It raises KeyTextError, as `Identity.from_file_text` does.
        path: the file, or a pipe such as `<(…)` in a shell.
        missing: what to do if the file does not exist.
        is_systemds: whether the file is in systemd's folder of credentials. If the service has its own user, such a file belongs to root
            and has mode 0440 with an ACL for that user alone: the group's bit is the mask of the ACL and lets no group in.

    Raises:
        KeyTextError: the file does not exist, other users can use it, or it holds no identity. The text names the file and says what to do.
        ConfigurationError: as `paths.expand`.
    """
    path = paths.expand(path)
    try:
        text, status = files.read_text_and_status(path)
    except MissingFileError:
        raise KeyTextError(f"there is no identity at {path}: {missing}") from None
    except TextFileError as error:
        raise KeyTextError(str(error)) from None
    mode = stat.S_IMODE(status.st_mode)
    if is_systemds and status.st_uid == 0:
        mode &= ~stat.S_IRGRP
    try:
        return parse(text, mode=mode)
    except KeyTextError as error:
        # This check comes before that of the mode, because everybody may read a public key.
        if _is_public(text):
            raise KeyTextError(f"{path}: this file holds the public key: name the identity file, which has no {PUBLIC_SUFFIX}") from None
        raise KeyTextError(f"{path}: {error}", hint=_chmod(path) if mode & _OTHERS else error.hint) from None


def _is_public(text: str) -> bool:
    try:
        parse_client_file(text)
    except KeyTextError:
        return False
    return True


def _chmod(path: str) -> str:
    # Most starts do not need it.
    import shlex

    return f"chmod 600 {shlex.quote(path)}"

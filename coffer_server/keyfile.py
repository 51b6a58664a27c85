"""The server's identity file: written once, readable by its owner only (docs/protocol.md, 1)."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import Identity

from .errors import StateError

_OTHERS = 0o077


def public_path(path: Path) -> Path:
    """Return the path of the public key text: the identity's, with `.pub` added."""
    return path.with_name(path.name + ".pub")


def create(path: Path, identity: Identity) -> None:
    """Write a new identity file with mode 0600, and its public key text next to it.

    Raises:
        FileExistsError: if one of the files exists. Nothing is overwritten.
    """
    _write_new(path, identity.file_text(), 0o600)
    _write_new(public_path(path), identity.public().text() + "\n", 0o644)


def _write_new(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def read(path: Path) -> Identity:
    """Return the identity in a file. The mode that is checked is that of the opened file, so that a renamed file cannot deceive the check.

    Raises:
        StateError: if the file is missing or cannot be read, if other users can read it, or if it holds no identity. The text repeats
            nothing of the file.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise StateError(
            f"cannot read the identity {path} ({reason}): restore it from a backup, because clients refuse this server without it"
        ) from None
    try:
        return Identity.from_file_text(text, mode=mode)
    except KeyTextError as error:
        hint = f"chmod 600 {shlex.quote(str(path))}" if mode & _OTHERS else error.hint
        raise StateError(f"cannot use the identity {path}: {error}", hint=hint) from None

"""The server's identity file: made once, readable by its owner alone (docs/protocol.md, 1)."""

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
    """Where the public key text stands: beside the identity, with `.pub` added."""
    return path.with_name(path.name + ".pub")


def create(path: Path, identity: Identity) -> None:
    """Write a new identity file, 0600, and its public key beside it.

    Raises:
        FileExistsError: one of them is there already; nothing is overwritten.
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
    """The identity in a file. The mode is that of the file that was opened, whatever happens to its name meanwhile.

    Raises:
        StateError: there is none, it cannot be read, others than its owner can, or it does not hold an identity. Nothing of it is repeated.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise StateError(
            f"the identity {path} cannot be read: {reason}; restore it from a backup: without it clients refuse this server"
        ) from None
    try:
        return Identity.from_file_text(text, mode=mode)
    except KeyTextError as error:
        mend = f"\n  chmod 600 {shlex.quote(str(path))}" if mode & _OTHERS else ""
        raise StateError(f"the identity {path} cannot be used: {error}{mend}") from None

"""Backups of an SQLite database, which are verified, and restoring them."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Final

from coffer_common import files

from ...errors import StoreError
from ..log.verification import Verified, verify
from ..sql.root_keys import RootKeys
from ..sql.sqlite import Progress, Sqlite
from .prepare import check_restorable

# The ends of the names of an SQLite database's files.
_ENDS: Final = ("", "-wal", "-shm")


def back_up(database: Sqlite, roots: RootKeys, path: Path, progress: Progress) -> Verified:
    """Copy a database to `path` while other processes read and write it, and verify the copy.

    Raises:
        StoreError: if `path` exists, or if the copy cannot be written or does not verify. A failed backup leaves no file.
    """
    # A link that leads nowhere also has the name.
    if os.path.lexists(path):
        raise StoreError(f"{path} exists, and a backup overwrites no file: name another one, such as one with the date")
    made = path.with_name(f"{path.name}.partial")
    try:
        # An interrupted backup may have left this file.
        made.unlink(missing_ok=True)
        database.copy(made, progress)
        copy = Sqlite(made, is_frozen=True)
        try:
            verified = verify(copy, roots)
        finally:
            copy.close()
        files.move_new(made, path)
    except OSError as error:
        raise StoreError(f"cannot write the backup {path}: {error.strerror}") from None
    finally:
        made.unlink(missing_ok=True)
    return verified


def restore(backup: Path, path: Path, *, roots: RootKeys, now: datetime) -> Path | None:
    """Verify a backup, and put it in the place of the database at `path`. No process may have that database open.

    Args:
        backup: the path of the backup.
        path: the path of the database. It need not exist.
        roots: unwraps the backup's root keys.
        now: the time, which becomes part of the name under which the old database is kept.

    Returns:
        The path of the old database, or None if there was no database.

    Raises:
        StoreError: if the backup does not verify, or if it comes from a newer Coffer or from another server. Then nothing is changed.
    """
    if not backup.is_file():
        raise StoreError(f"{backup} does not exist or is not a file: name a file that `coffer-server backup` made")
    made = path.with_name(f"{path.name}.restoring")
    made.unlink(missing_ok=True)
    source = Sqlite(backup, is_frozen=True)
    try:
        check_restorable(source, roots)
        source.copy(made)
    finally:
        source.close()
    aside = path.with_name(f"{path.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
    had = path.exists()
    for end in _ENDS:
        if (old := path.with_name(path.name + end)).exists():
            old.rename(aside.with_name(aside.name + end))
    files.move(made, path)
    return aside if had else None

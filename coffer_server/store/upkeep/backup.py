"""Backups of an SQLite database, each verified before it counts, and the way back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from coffer_common import files

from ...errors import StoreError
from ..log.verification import Verified, verify
from ..sql.root_keys import RootKeys
from ..sql.sqlite import Progress, Sqlite
from .prepare import check_restorable

# What SQLite keeps beside a database.
_BESIDE: Final = ("", "-wal", "-shm")


def back_up(database: Sqlite, roots: RootKeys, path: Path, progress: Progress) -> Verified:
    """Copy a database to `path` while others read and write it, and verify the copy.

    Raises:
        StoreError: there is something at `path` already, the copy cannot be written, or it is not whole. Nothing is left at `path`.
    """
    if path.exists():
        raise StoreError(f"{path} is there already: a backup never overwrites one; name another file, such as one with the date")
    made = path.with_name(f"{path.name}.partial")
    try:
        # What an interrupted backup has left.
        made.unlink(missing_ok=True)
        database.copy(made, progress)
        copy = Sqlite(made, is_frozen=True)
        try:
            verified = verify(copy, roots)
        finally:
            copy.close()
        files.move_new(made, path)
    except OSError as error:
        raise StoreError(f"{path}: the backup cannot be written: {error.strerror}") from None
    finally:
        made.unlink(missing_ok=True)
    return verified


def restore(backup: Path, path: Path, *, roots: RootKeys, now: datetime) -> Path | None:
    """Put a backup, once it is verified, in the place of the database at `path`, which nobody may have open.

    Args:
        backup: the backup.
        path: where the database is, or was.
        roots: unwraps the backup's root keys.
        now: gives the name under which the database is kept that was there.

    Returns:
        Where that is; None where there was none.

    Raises:
        StoreError: the backup is not whole, is of a newer Coffer, or of another server. Nothing is changed.
    """
    if not backup.is_file():
        raise StoreError(f"{backup} is not there, or not a file: name a file that `coffer-server backup` has made")
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
    for end in _BESIDE:
        if (old := path.with_name(path.name + end)).exists():
            old.rename(aside.with_name(aside.name + end))
    files.move(made, path)
    return aside if had else None

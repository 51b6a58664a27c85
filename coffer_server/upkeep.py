"""The commands that look after the store: verify, rebuild, log, backup, restore, rotate."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from . import eventlines, keyfile
from .errors import StateError
from .state import StateFolder
from .store.log import verification
from .store.log.log import read
from .store.log.verification import Verified
from .store.sql.root_keys import RootKeys
from .store.sql.sqlite import Progress, Sqlite
from .store.sql_store import SqlStore
from .store.upkeep import backup as copies
from .store.upkeep.rotation import Rotation, take_over

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The server's state folder.")]

_POLL_S: Final = 1.0
_HASH_DIGITS: Final = 16


@contextmanager
def _opened(folder: Path, *command: str) -> Iterator[SqlStore]:
    """The store of a state folder. `command` is what was typed, for the line that the right user would type."""
    state = StateFolder(folder)
    state.check(command)
    with closing(state.store()) as store:
        yield store


def verify(folder: Folder) -> None:
    """Check everything: the database, the event log, releases with their signatures, what is answered from, and every blob."""
    with _opened(folder, "verify", str(folder)) as store:
        typer.echo(f"whole: {_summary(verification.verify(store.database, store.roots))}")


def _summary(verified: Verified) -> str:
    return (
        f"{verified.events} events, the last with hash {verified.sha256.hex()[:_HASH_DIGITS]}; "
        f"{verified.releases} releases; {verified.blobs} blobs"
    )


def rebuild(folder: Folder) -> None:
    """Make the tables that requests are answered from anew, out of the event log. Then verify everything."""
    with _opened(folder, "rebuild", str(folder)) as store:
        said = verification.rebuild(store.database, store.roots)
        typer.echo(f"made anew out of {said.events} events", err=True)
        typer.echo(f"whole: {_summary(verification.verify(store.database, store.roots))}")


def show_log(
    folder: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print an object a line, for scripts.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what happens from now on, until interrupted.")] = False,
) -> None:
    """Print the event log: everything that has changed what this server answers, in order."""
    flags = [flag for flag, given in (("--json", as_json), ("--follow", follow)) if given]
    with _opened(folder, "log", str(folder), *flags) as store:
        number = 0
        while True:
            with store.database.transaction() as connection:
                for event in read(connection, store.roots.read(connection), after=number):
                    number = event.number
                    typer.echo(json.dumps(eventlines.as_json(event)) if as_json else eventlines.as_text(event))
            if not follow:
                return
            time.sleep(_POLL_S)


def backup(
    folder: Folder,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file to make. It must not be there yet.")],
) -> None:
    """Copy the database to PATH, while the server serves, and verify the copy. The identity is not in it: keep that elsewhere."""
    with _opened(folder, "backup", str(folder), str(path)) as store, _progress("copying") as progress:
        if not isinstance(store.database, Sqlite):
            raise StateError(f"{store.database.name} is a database of PostgreSQL: back it up with pg_dump (docs/storage-postgres.md)")
        verified = copies.back_up(store.database, store.roots, path, progress)
    typer.echo(f"{path} is whole: {_summary(verified)}")


@contextmanager
def _progress(label: str) -> Iterator[Progress]:
    """Shows how far something is, on a terminal."""
    with typer.progressbar(length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield show


def restore(
    folder: Folder,
    path: Annotated[Path, typer.Argument(metavar="BACKUP", help="A file that `coffer-server backup` has made.")],
) -> None:
    """Put a backup, once it is verified, in the place of the database. The server must be stopped; the old database is kept beside it."""
    state = StateFolder(folder)
    state.check(["restore", str(folder), str(path)])
    if state.settings().store is not None:
        raise StateError("the database is one of PostgreSQL: restore it with pg_restore (docs/storage-postgres.md)")
    with state.in_use(alone=True):
        roots = RootKeys(state.identity().at_rest_key())
        replaced = copies.restore(path, state.database_path, roots=roots, now=datetime.now(UTC))
        with closing(state.store()) as store:
            verified = verification.verify(store.database, store.roots)
    if replaced is not None:
        typer.echo(f"the database that was there is now {replaced}", err=True)
    typer.echo(
        "Releases that were committed after the backup are gone here, and clients that have seen them refuse to go back: restore the "
        "newest backup that there is",
        err=True,
    )
    typer.echo(f"whole: {_summary(verified)}")


def rotate_at_rest(
    folder: Folder,
    former: Annotated[
        Path | None,
        typer.Option("--from", metavar="IDENTITY", help="Only take the root keys over from this identity, which the server had before."),
    ] = None,
) -> None:
    """Seal everything in the database under a new root key, while the server serves. Interrupted, it goes on where it was."""
    flags = [] if former is None else ["--from", str(former)]
    state = StateFolder(folder)
    state.check(["rotate", "at-rest", str(folder), *flags])
    if former is not None:
        _take_over(state, former)
        return
    with closing(state.store()) as store:
        rotation = Rotation(store.database, store.roots, now=int(time.time()))
        done = 0
        try:
            with _progress("sealing") as progress:
                for count in rotation.run():
                    done += count
                    progress(done, rotation.total)
        except KeyboardInterrupt:
            again = f"coffer-server rotate at-rest {shlex.quote(str(folder))}"
            typer.echo(f"interrupted: {done} values of {rotation.total} are done, and all can be read; to go on:\n  {again}", err=True)
            raise
        store.database.forget_deleted()
    old = "the old one is deleted, and opens nothing here any more; backups made before keep theirs"
    typer.echo(f"{done} values are sealed under a new root key; {old}", err=True)


def _take_over(state: StateFolder, former: Path) -> None:
    key, identity = keyfile.read(former).at_rest_key(), state.identity()
    with closing(state.database()) as database:
        count = take_over(database, RootKeys(identity.at_rest_key()), key, server=identity.id(), now=int(time.time()))
    check = f"coffer-server verify {shlex.quote(str(state.path))}"
    typer.echo(f"{count} root keys now open with this server's identity alone; see that all is well:\n  {check}", err=True)

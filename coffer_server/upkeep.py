"""The commands that maintain the store: verify, rebuild, log, backup, restore, rotate."""

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

from coffer_common import paths
from coffer_common.program import warning_lines

from . import PROGRAM
from .errors import StateError
from .eventlines import EventLines
from .state import StateFolder, read_identity
from .store.log import verification
from .store.log.log import read
from .store.log.verification import Verified
from .store.sql.root_keys import RootKeys
from .store.sql.sqlite import Progress, Sqlite
from .store.sql_store import SqlStore
from .store.upkeep import backup as copies
from .store.upkeep.rotation import Rotation, take_over


def _expand(folder: Path) -> Path:
    return Path(paths.expand(folder))


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The server's state folder.", callback=_expand)]

_POLL_S: Final = 1.0
_HASH_DIGITS: Final = 16


@contextmanager
def _opened(folder: Path, *command: str) -> Iterator[SqlStore]:
    """Open the store of a state folder. `command` is what was typed, for the hint that names the right user."""
    state = StateFolder(folder)
    state.check(command)
    with closing(state.store()) as store:
        yield store


def verify(folder: Folder) -> None:
    """Verify the whole store: the database, the event log, releases with their signatures, the tables, and every blob."""
    with _opened(folder, "verify", str(folder)) as store:
        typer.echo(f"verified: {_summary(verification.verify(store.database, store.roots))}")


def _summary(verified: Verified) -> str:
    return (
        f"{verified.events} events, the last with the hash {verified.sha256.hex()[:_HASH_DIGITS]}; "
        f"{verified.releases} releases; {verified.blobs} blobs"
    )


def rebuild(folder: Folder) -> None:
    """Rebuild the tables from the event log, then verify the whole store."""
    with _opened(folder, "rebuild", str(folder)) as store:
        said = verification.rebuild(store.database, store.roots)
        typer.echo(f"rebuilt from {said.events} events", err=True)
        typer.echo(f"verified: {_summary(verification.verify(store.database, store.roots))}")


def show_log(
    folder: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for new events and print them, until interrupted.")] = False,
) -> None:
    """Show the event log: every change to what this server serves, in order."""
    flags = [flag for flag, given in (("--json", as_json), ("--follow", follow)) if given]
    with _opened(folder, "log", str(folder), *flags) as store:
        number, lines = 0, EventLines()
        while True:
            with store.database.transaction() as connection:
                for event in read(connection, store.roots.read(connection), after=number):
                    number = event.number
                    typer.echo(json.dumps(lines.as_json(event)) if as_json else lines.as_text(event))
            if not follow:
                return
            time.sleep(_POLL_S)


def backup(
    folder: Folder,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file to create. It must not exist.")],
) -> None:
    """Copy the database to PATH and verify the copy, while the server runs. The identity is not in the copy: back it up elsewhere."""
    with _opened(folder, "backup", str(folder), str(path)) as store, _progress("copying") as progress:
        if not isinstance(store.database, Sqlite):
            raise StateError(f"{store.database.name} is a PostgreSQL database: back it up with pg_dump (docs/storage-postgres.md)")
        verified = copies.back_up(store.database, store.roots, path, progress)
    typer.echo(f"verified {path}: {_summary(verified)}")


@contextmanager
def _progress(label: str) -> Iterator[Progress]:
    """Show progress, if stderr is a terminal."""
    with typer.progressbar(length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield show


def restore(
    folder: Folder,
    path: Annotated[Path, typer.Argument(metavar="BACKUP", help="A file that `coffer-server backup` made.")],
) -> None:
    """Verify a backup and replace the database with it. Stop the server first. The old database is kept in the same folder."""
    state = StateFolder(folder)
    state.check(["restore", str(folder), str(path)])
    if state.settings().store is not None:
        raise StateError("this server has a PostgreSQL database: restore it with pg_restore (docs/storage-postgres.md)")
    with state.in_use(alone=True):
        roots = RootKeys(state.identity().at_rest_key())
        replaced = copies.restore(path, state.database_path, roots=roots, now=datetime.now(UTC))
        with closing(state.store()) as store:
            verified = verification.verify(store.database, store.roots)
    if replaced is not None:
        typer.echo(f"the old database is now {replaced}", err=True)
    message = warning_lines(
        PROGRAM,
        "this server no longer has the releases that were committed after the backup, and clients that have seen them refuse to go back",
        hint="restore the newest backup",
    )
    typer.echo(message, err=True, nl=False)
    typer.echo(f"verified: {_summary(verified)}")


def rotate_at_rest(
    folder: Folder,
    former: Annotated[
        Path | None,
        typer.Option("--from", metavar="IDENTITY", help="Only take over the root keys from this identity, which the server had before."),
    ] = None,
) -> None:
    """Seal the database under a new root key, while the server runs. If this is interrupted, run it again to continue."""
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
            typer.echo(f"interrupted: {done} of {rotation.total} values are sealed under the new root key, and all can be read", err=True)
            typer.echo(f"hint: continue with: {again}", err=True)
            raise
        store.database.forget_deleted()
    old = "the old one is deleted, but older backups still contain it"
    typer.echo(f"{done} values are sealed under a new root key; {old}", err=True)


def _take_over(state: StateFolder, former: Path) -> None:
    key, identity = read_identity(former).at_rest_key(), state.identity()
    with closing(state.database()) as database:
        count = take_over(database, RootKeys(identity.at_rest_key()), key, server=identity.id(), now=int(time.time()))
    check = f"coffer-server verify {shlex.quote(str(state.path))}"
    typer.echo(f"{count} root keys now open with this server's identity only", err=True)
    typer.echo(f"hint: verify the store with: {check}", err=True)

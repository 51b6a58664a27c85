"""Kills a real server with -9 at random moments of real uploads, again and again, and looks at what is left.

    python -m tests.server.torture [--rounds N] [--seed N]

A round: the server starts, publishes one release after the other, and is killed in the middle. Then the store is verified: every release
that was acknowledged must be whole, and no other may be there but the one whose Commit was on its way, whole or not at all.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from coffer_protocol.errors import CofferError
from coffer_protocol.message import Commit, Drop, OkCommit, Put
from coffer_server.state import StateFolder
from coffer_server.store import verification
from coffer_server.store.base import Change
from coffer_server.store.sql import SqlStore

from .publishing import Author, Release, identity
from .running import RunningServer, running_server
from .sockets import opened

# From the first upload's beginning; most are over after a few milliseconds, and one with its fsync takes longer than any step of it.
_LONGEST_S: Final = 0.25
_CLIENTS: Final = 40
_BLOB_BYTES: Final = 20_000


class Torture:
    """A server's folder, and what has been published to it.

    Args:
        folder: where the server's state folder is made.
        seed: of every choice that is made.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._state = folder / "state"
        self._random = random.Random(seed)
        self._author = Author()
        self._blobs: dict[bytes, bytes] = {}
        self._is_registered = False

    def round(self) -> tuple[int, bool]:
        """One round: how many releases were acknowledged, and whether one more was found committed."""
        before = self._author.serial
        with running_server(self._state) as server:
            if not self._is_registered:
                server.add_publisher(self._author.coffer, self._author.key.text())
                self._is_registered = True
            killer = threading.Timer(self._random.uniform(0, _LONGEST_S), server.process.kill)
            killer.start()
            on_its_way = self._publish_until_it_dies(server)
            killer.join()
            server.process.wait()
        acknowledged = self._author.serial - before
        return acknowledged, self._look(on_its_way)

    def _publish_until_it_dies(self, server: RunningServer) -> tuple[Release, dict[bytes, bytes]]:
        """Publish releases; the one that was not acknowledged, and the blobs that there are with it."""
        while True:
            changes = list(self._changes())
            release = self._author.release(changes)
            blobs = _with(self._blobs, changes)
            try:
                with opened(server.address, self._author) as client:
                    client.send(*release.changes)
                    client.say(Commit(signed=release.signed), OkCommit)
            except (OSError, CofferError):
                return release, blobs
            self._author.published(release)
            self._blobs = blobs

    def _changes(self) -> Iterable[Change]:
        known = sorted(self._blobs)
        for number in self._random.sample(range(_CLIENTS), self._random.randint(1, _CLIENTS)):
            client = identity(1000 + number).id()
            if client in known and self._random.random() < 0.3:
                yield Drop(id=client)
            else:
                yield self._author.put(client, self._random.randbytes(self._random.randint(0, _BLOB_BYTES)))

    def _look(self, on_its_way: tuple[Release, dict[bytes, bytes]]) -> bool:
        with closing(StateFolder(self._state).store()) as store:
            verification.verify(store.database, store.roots)
            release, blobs = on_its_way
            with store.current(coffer=self._author.coffer, publisher=self._author.key.id) as current:
                is_committed = current is not None and current.signed == release.signed
                if is_committed:
                    self._author.published(release)
                    self._blobs = blobs
                assert (None if current is None else current.signed) == self._author.signed
                entries = [] if current is None else list(current.entries)
                assert entries == [self._author.entries[client] for client in sorted(self._author.entries)]
            self._look_at_blobs(store)
            assert _files(self._state) <= {"identity", "identity.pub", "server.toml", "server.log", "ready", *_DATABASE}
            return is_committed

    def _look_at_blobs(self, store: SqlStore) -> None:
        for number in range(_CLIENTS):
            client = identity(1000 + number).id()
            if client in self._blobs:
                assert store.fetch(client).body.blob == self._blobs[client]
            else:
                assert store.look_up(client) is None


_DATABASE: Final = frozenset(f"coffer.sqlite3{end}" for end in ("", "-wal", "-shm"))


def _files(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def _with(blobs: dict[bytes, bytes], changes: Iterable[Change]) -> dict[bytes, bytes]:
    """The blobs that there are after these changes."""
    after = dict(blobs)
    for change in changes:
        match change:
            case Drop(id=client):
                del after[client]
            case Put(id=client, blob=blob):
                after[client] = blob
    return after


def torture(folder: Path, *, rounds: int, seed: int) -> tuple[int, int]:
    """So many rounds: how many releases were acknowledged, and how many more were found committed."""
    tortured = Torture(folder, seed)
    acknowledged, found = 0, 0
    for number in range(rounds):
        try:
            of_round, is_found = tortured.round()
        except BaseException:
            print(f"round {number} of seed {seed} failed; the server's folder is {folder}", file=sys.stderr)
            raise
        acknowledged += of_round
        found += is_found
    return acknowledged, found


def main() -> None:
    """Torture, and print what was seen. The folder stays where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="coffer-torture-"))
    acknowledged, found = torture(folder, rounds=options.rounds, seed=options.seed)
    shutil.rmtree(folder)
    print(
        f"{options.rounds} rounds: {acknowledged} releases acknowledged, all whole; {found} more committed when the server died, all whole"
    )


if __name__ == "__main__":
    main()

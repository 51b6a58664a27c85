"""Kills a real server with -9 at random moments of real uploads, again and again, and looks at what is left.

    python -m tests.server.torture [--rounds N] [--seed N]

A round: the server starts, publishes some releases to their end, and is killed in the next one. The moment is a point in that upload's
progress, and no time: so many of its changes are sent, or the server has written so many bytes since its Commit, or it has answered. So
how many releases must have been acknowledged, and how many uploads cut off, is drawn with the seed, however loaded the machine is.

Then the store is verified: every release that was acknowledged must be whole, and no other may be there but the one whose Commit was on its
way, whole or not at all.
"""

from __future__ import annotations

import argparse
import random
import select
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from coffer_protocol.message import Commit, Drop, OkCommit, Put
from coffer_server.state import StateFolder
from coffer_server.store.base import Change
from coffer_server.store.log import verification
from coffer_server.store.sql_store import SqlStore

from .publishing import Author, Release, identity
from .running import RunningServer, running_server
from .sockets import Client, opened

_CLIENTS: Final = 40
_BLOB_BYTES: Final = 20_000
# In one round, before the one that is cut off.
_MOST_RELEASES: Final = 2
# A commit writes each blob twice, into the upload's own file and the write-ahead log, and some pages beside them: most points that are
# drawn up to this lie in its middle, and some behind its end.
_WRITTEN_FOR_EACH_BYTE: Final = 2.5
_WRITTEN_BESIDE: Final = 100_000
# How often somebody who waits for a thousand rounds is told that they go on.
_TOLD_ROUNDS: Final = 100


class Moment(Enum):
    """In which part of an upload the server is killed."""

    SENDING = "before its Commit"
    COMMITTING = "behind its Commit"
    ANSWERED = "once it has answered"


class Outcome(Enum):
    """What became of the upload that the server was killed in."""

    GONE = "nothing is left of it"
    FOUND = "it was committed when the server died, though nobody was told"
    ACKNOWLEDGED = "it was acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One round, as it is drawn.

    Attributes:
        releases: how many are published to their end first.
        moment: where in the next one the server is killed.
        progress: how far in that part, from 0 to 1.
    """

    releases: int
    moment: Moment
    progress: float


def plans(rounds: int, seed: int) -> list[Plan]:
    """What is to be done in so many rounds: the same for the same seed, whatever happens in them."""
    drawn = random.Random(seed)
    # Behind the Commit is where it is hardest: half of the rounds.
    moments = (Moment.SENDING, Moment.COMMITTING, Moment.COMMITTING, Moment.ANSWERED)
    return [Plan(releases=drawn.randint(0, _MOST_RELEASES), moment=drawn.choice(moments), progress=drawn.random()) for _ in range(rounds)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen in some rounds.

    Attributes:
        releases: how many were published to their end before a server was killed.
        cut: what became of the uploads in which it was.
    """

    releases: int
    cut: Mapping[tuple[Moment, Outcome], int]


class Torture:
    """A server's folder, and what has been published to it.

    Args:
        folder: where the server's state folder is made.
        seed: of what the releases hold.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._state = folder / "state"
        self._random = random.Random(seed)
        self._author = Author()
        self._blobs: dict[bytes, bytes] = {}
        self._is_registered = False

    def round(self, plan: Plan) -> Outcome:
        """One round: what became of the upload that was cut off."""
        with running_server(self._state) as server:
            if not self._is_registered:
                server.add_publisher(self._author.coffer, self._author.identity.public_text())
                self._is_registered = True
            for _ in range(plan.releases):
                release, blobs = self._next()
                self._upload(server, release)
                self._published(release, blobs)
            release, blobs = self._next()
            is_acknowledged = self._cut_off(server, release, plan)
        if is_acknowledged:
            self._published(release, blobs)
            self._look()
            return Outcome.ACKNOWLEDGED
        if self._signed() == release.signed:
            assert plan.moment is not Moment.SENDING
            self._published(release, blobs)
            self._look()
            return Outcome.FOUND
        self._look()
        return Outcome.GONE

    # ------------------------------------------------------------------------------------------------------- publishing

    def _next(self) -> tuple[Release, dict[bytes, bytes]]:
        """The next release, and the blobs that there are with it."""
        changes = list(self._changes())
        return self._author.release(changes), _with(self._blobs, changes)

    def _changes(self) -> Iterable[Change]:
        known = sorted(self._blobs)
        for number in self._random.sample(range(_CLIENTS), self._random.randint(1, _CLIENTS)):
            client = identity(1000 + number).id()
            if client in known and self._random.random() < 0.3:
                yield Drop(id=client)
            else:
                yield self._author.put(client, self._random.randbytes(self._random.randint(0, _BLOB_BYTES)))

    def _published(self, release: Release, blobs: dict[bytes, bytes]) -> None:
        self._author.published(release)
        self._blobs = blobs

    def _upload(self, server: RunningServer, release: Release) -> None:
        with opened(server.address, self._author) as client:
            client.send(*release.changes)
            client.say(Commit(signed=release.signed), OkCommit)

    def _cut_off(self, server: RunningServer, release: Release, plan: Plan) -> bool:
        """Kill the server in this upload; whether it was acknowledged before."""
        with opened(server.address, self._author) as client:
            sent = round(plan.progress * len(release.changes)) if plan.moment is Moment.SENDING else len(release.changes)
            client.send(*release.changes[:sent])
            is_acknowledged = False
            if plan.moment is not Moment.SENDING:
                is_acknowledged = _commit(server, client, release, None if plan.moment is Moment.ANSWERED else plan.progress)
            server.kill()
        return is_acknowledged

    # ---------------------------------------------------------------------------------------------------------- looking

    def _signed(self) -> bytes | None:
        """The *signed* of the release that the store has."""
        with (
            closing(StateFolder(self._state).store()) as store,
            store.current(coffer=self._author.coffer, publisher=self._author.key.id) as current,
        ):
            return None if current is None else current.signed

    def _look(self) -> None:
        """See that the store is whole, and has what was published last, and nothing else."""
        with closing(StateFolder(self._state).store()) as store:
            verification.verify(store.database, store.roots)
            with store.current(coffer=self._author.coffer, publisher=self._author.key.id) as current:
                assert (None if current is None else current.signed) == self._author.signed
                entries = [] if current is None else list(current.entries)
            assert entries == [self._author.entries[client] for client in sorted(self._author.entries)]
            self._look_at_blobs(store)
            assert _files(self._state) <= {"identity", "identity.pub", "server.toml", "server.log", "ready", "health.sock", *_DATABASE}

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


def _commit(server: RunningServer, client: Client, release: Release, progress: float | None) -> bool:
    """Commit, and wait until the server has answered, or has written so much as `progress` says; whether it has answered."""
    before = _written_bytes(server)
    client.send(Commit(signed=release.signed))
    if progress is not None:
        blob_bytes = sum(len(change.blob) for change in release.changes if isinstance(change, Put))
        enough = before + progress * (_WRITTEN_FOR_EACH_BYTE * blob_bytes + _WRITTEN_BESIDE)
        while not _can_be_read(client):
            if _written_bytes(server) >= enough:
                return False
    client.expect(OkCommit)
    return True


def _written_bytes(server: RunningServer) -> int:
    """How many bytes the server has written, to whatever, since it started."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{server.process.pid}/io").read_text().splitlines())
    return int(fields["wchar"])


def _can_be_read(client: Client) -> bool:
    return bool(select.select([client.socket], [], [], 0)[0])


# --------------------------------------------------------------------------------------------------------------- rounds


def torture(folder: Path, planned: Sequence[Plan], *, seed: int) -> Seen:
    """Do what is planned; what was seen."""
    tortured = Torture(folder, seed)
    cut: Counter[tuple[Moment, Outcome]] = Counter()
    for number, plan in enumerate(planned):
        try:
            outcome = tortured.round(plan)
        except BaseException:
            print(f"round {number} of seed {seed} failed ({plan}); the server's folder is {folder}", file=sys.stderr)
            raise
        cut[plan.moment, outcome] += 1
        if (number + 1) % _TOLD_ROUNDS == 0:
            print(f"{number + 1} rounds", file=sys.stderr)
    return Seen(releases=sum(plan.releases for plan in planned), cut=cut)


def report(seen: Seen) -> str:
    """What was seen, in lines for people."""
    lines = [f"{sum(seen.cut.values())} rounds; {seen.releases} releases were published to their end, and all are whole"]
    lines += [
        f"{count:5} uploads in which the server was killed {moment.value}: {outcome.value}"
        for moment in Moment
        for outcome in Outcome
        if (count := seen.cut.get((moment, outcome)))
    ]
    return "\n".join(lines)


def main() -> None:
    """Torture, and print what was seen. The folder stays where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="coffer-torture-"))
    seen = torture(folder, plans(options.rounds, options.seed), seed=options.seed)
    shutil.rmtree(folder)
    print(report(seen))


if __name__ == "__main__":
    main()

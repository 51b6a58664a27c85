"""Tells which client has fetched which release, according to the server: nothing proves that a client has, or has not, fetched one."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from coffer_protocol.message import Entry
from coffer_protocol.question import Fetch
from coffer_protocol.release.head import SignedHead
from coffer_protocol.release.notes import ROLE_CLIENT, ROLE_PUBLISHER, Note

from ..target import Target
from .commit import Base, Clock, based
from .reader import in_batches

# The time between two looks: a client that watches has a release within a second, and one that polls takes minutes.
POLL_S: Final = 5.0

Sleep = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client's key, and what was fetched with it.

    Attributes:
        name: the client's name.
        id: the id of its key.
        keys: the number of its secrets.
        changed: the serial of the release in which its secrets changed last, or of a later one that all clients must fetch.
        fetch: the last release that it has fetched, and when; None if it has never fetched one.
    """

    name: str
    id: bytes
    keys: int
    changed: int
    fetch: Fetch | None

    @property
    def is_current(self) -> bool:
        """Whether it has fetched its present secrets. It need not fetch a release that changed nothing for it."""
        return self.fetch is not None and self.fetch.serial >= self.changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """The adoption of a coffer's newest release: the release, and every client's key in the order of the clients' names."""

    release: SignedHead
    clients: tuple[Client, ...]

    @property
    def behind(self) -> int:
        """The number of clients that have not fetched their present secrets."""
        return sum(not client.is_current for client in self.clients)


class _Names:
    """The names of clients and the numbers of their keys. Each blob is asked about once."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, int], Note] = {}

    async def of(self, base: Base, entries: list[Entry]) -> list[Note]:
        """Return the note of each entry."""
        missing = [entry for entry in entries if (entry.id, entry.since) not in self._known]
        for batch in in_batches(missing):
            notes = await base.reader.notes(base.existing().head.serial, batch, base.note_keys)
            self._known |= {(entry.id, entry.since): notes[entry.id] for entry in batch}
        return [self._known[entry.id, entry.since] for entry in entries]


async def look(base: Base) -> Adoption:
    """Return the adoption of the newest release. Raises what `Reader.notes` raises, and `NoReleaseError`."""
    return await _look(base, _Names())


async def _look(base: Base, names: _Names) -> Adoption:
    release = base.existing()
    entries = list(base.listing.values())
    noted = list(zip(entries, await names.of(base, entries), strict=True))
    # A rollback gives clients blobs that are older than itself, and seals its publisher's shard again. From that release on, all must
    # fetch.
    floor = max(entry.since for entry, note in noted if note.role == ROLE_PUBLISHER)
    fetches = await base.reader.fetches()
    clients = [
        Client(name=note.client, id=entry.id, keys=len(note.keys), changed=max(entry.since, floor), fetch=fetches.get(entry.id))
        for entry, note in noted
        if note.role == ROLE_CLIENT
    ]
    return Adoption(release=release, clients=tuple(sorted(clients, key=lambda client: (client.name, client.id))))


async def wait(
    target: Target,
    *,
    timeout_s: float,
    told: Callable[[Adoption], None] = lambda adoption: None,
    sleep: Sleep = trio.sleep,
    clock: Clock = time.monotonic,
) -> Adoption:
    """Look until no client is behind or the time is over, but at least once.

    Args:
        target: the coffer, and the publisher who asks.
        timeout_s: the seconds after which to give up; with 0, look once.
        told: called with the result of each look.
        sleep: waits for some seconds.
        clock: returns the seconds on a clock that does not go back.

    Returns:
        The result of the last look.

    Raises:
        What `commit.based` and `look` raise.
    """
    deadline = clock() + timeout_s
    names = _Names()
    while True:
        # Each look has its own session, because the server ends a session that is silent.
        async with based(target) as base:
            adoption = await _look(base, names)
        told(adoption)
        left_s = deadline - clock()
        if not adoption.behind or left_s <= 0:
            return adoption
        await sleep(min(POLL_S, left_s))

"""Who has fetched what. All of it is the server's word: nothing proves that a client has, or has not, fetched a release."""

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

# Between two looks while waiting: a client that watches has a release within a second, one that polls takes minutes.
POLL_S: Final = 5.0

Sleep = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client's key, and what has been fetched with it.

    Attributes:
        name: what the client is called.
        id: its id.
        keys: how many secrets it has.
        changed: the release in which its secrets changed last, as far as adoption counts it.
        fetch: the last release that it has fetched, and when; None: none.
    """

    name: str
    id: bytes
    keys: int
    changed: int
    fetch: Fetch | None

    @property
    def is_current(self) -> bool:
        """Whether it has fetched the secrets that it has now. A release that changed nothing for it need not be fetched."""
        return self.fetch is not None and self.fetch.serial >= self.changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """How far a coffer's newest release has come: the release, and every client's key in the order of the clients' names."""

    release: SignedHead
    clients: tuple[Client, ...]

    @property
    def behind(self) -> int:
        """How many have not fetched what they should have."""
        return sum(not client.is_current for client in self.clients)


class _Names:
    """What clients are called and how many keys they have, asked for once for each blob."""

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
    """How far the newest release has come. Raises what `Reader.notes` raises, and `NoReleaseError`."""
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
    """Look until nobody is behind, or the time is over; at least once.

    Args:
        target: which coffer, and as whom.
        timeout_s: for how long; 0 looks once.
        told: shown each look.
        sleep: waits for so many seconds.
        clock: any that does not go back, in seconds.

    Returns:
        The last look.

    Raises:
        What `making.based` and `look` raise.
    """
    deadline = clock() + timeout_s
    names = _Names()
    while True:
        # A session each: the server lets nobody wait in one.
        async with based(target) as base:
            adoption = await _look(base, names)
        told(adoption)
        left_s = deadline - clock()
        if not adoption.behind or left_s <= 0:
            return adoption
        await sleep(min(POLL_S, left_s))

"""Which client has, and uses, which release (docs/protocol.md, 7, "Receipts").

Two things tell of a client. What it has *fetched* is the server's word. What it *holds* is proven: the client has signed a receipt for that
release, which is checked here with the keys that the publishers have noted. A client that follows releases signs again once it has put one
to use, and from then on only that counts: what a person fetches by hand on its machine says nothing of the program that runs there.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import trio

from coffer_protocol.errors import ReceiptError
from coffer_protocol.message import USE_FOLLOWED, Entry, Held
from coffer_protocol.question import Fetch
from coffer_protocol.release import receipt
from coffer_protocol.release.head import SignedHead
from coffer_protocol.release.notes import ROLE_CLIENT, ROLE_PUBLISHER, Note

from ..target import Target
from .commit import Base, Clock, based
from .reader import in_batches

# The time between two looks: a client that watches has a release within a second, and one that polls takes minutes.
POLL_S: Final = 5.0

Sleep = Callable[[float], Awaitable[object]]


class State(StrEnum):
    """The state of a client's present secrets."""

    HELD = "held"
    # It cannot sign, and the server says that it has fetched them.
    FETCHED = "fetched"
    BEHIND = "behind"
    # The server says that it has fetched secrets, and it never signed for any: the keys that they are sealed to may not be its own.
    NEVER_OPENED = "never opened"
    NEVER_FETCHED = "never fetched"
    # It has signed for a release that this publisher does not know.
    SPLIT_VIEW = "split view"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client's key, and what is known about it.

    Attributes:
        name: the client's name.
        id: the id of its key.
        keys: how many secrets it has.
        changed: the release in which its secrets changed last, or that all clients must fetch.
        fingerprint: that of its keys; None if it has a bare key and so cannot sign.
        fetch: what the server says of it; None if it has never fetched a release.
        receipts: its receipts that verify, and are for releases that this publisher knows; that of use 0 comes before that of use 1.
        unknown: its receipts that verify, and are for releases that this publisher does not know.
        forged: what the server shows as its receipts, and does not verify.
    """

    name: str
    id: bytes
    keys: int
    changed: int
    fingerprint: bytes | None
    fetch: Fetch | None
    receipts: tuple[Held, ...] = ()
    unknown: tuple[Held, ...] = ()
    forged: tuple[Held, ...] = ()

    @property
    def is_bare(self) -> bool:
        """Whether it has a bare key, and so cannot sign."""
        return self.fingerprint is None

    @property
    def follows(self) -> bool:
        """Whether it has ever signed that it has put a release to use."""
        return self.fetch is not None and self.fetch.held[USE_FOLLOWED] is not None

    @property
    def held(self) -> Held | None:
        """The receipt that counts; None if no receipt counts."""
        counting = [held for held in self.receipts if not self.follows or held.use == USE_FOLLOWED]
        return counting[-1] if counting else None

    @property
    def signed(self) -> int:
        """The serial of the newest release for which it has signed, for any use; 0 if it has not signed for any."""
        return max((held.serial for held in self.receipts), default=0)

    @property
    def waits_at(self) -> int | None:
        """The older release at which one of its sessions watches, according to the server; None if no session does."""
        watching = None if self.fetch is None else self.fetch.watching
        return watching if watching is not None and watching < self.changed else None

    @property
    def state(self) -> State:
        """The state of its present secrets. It need not fetch a release that changed nothing for it."""
        if self.unknown:
            return State.SPLIT_VIEW
        if self.fetch is None:
            return State.NEVER_FETCHED
        if self.is_bare:
            return State.FETCHED if self.fetch.serial >= self.changed else State.BEHIND
        held = self.held
        if held is not None and held.serial >= self.changed and self.waits_at is None and not self.forged:
            return State.HELD
        return State.BEHIND if any(self.fetch.held) else State.NEVER_OPENED

    @property
    def is_behind(self) -> bool:
        """Whether it does not have its present secrets, or nothing says so."""
        return self.state not in (State.HELD, State.FETCHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """The adoption of a coffer's newest release: the release, and every client's key in the order of the clients' names."""

    release: SignedHead
    clients: tuple[Client, ...]

    @property
    def behind(self) -> int:
        """The number of clients that are behind."""
        return sum(client.is_behind for client in self.clients)

    @property
    def bare(self) -> tuple[Client, ...]:
        """The clients that cannot sign."""
        return tuple(client for client in self.clients if client.is_bare)

    @property
    def split_views(self) -> tuple[tuple[Client, Held], ...]:
        """The receipts for releases that this publisher does not know, each with its client: evidence against the server."""
        return tuple((client, held) for client in self.clients for held in client.unknown)


class _Memory:
    """What one look leaves for the next: the note of each blob, and the receipts that verify."""

    def __init__(self) -> None:
        self._notes: dict[tuple[bytes, int], Note] = {}
        self._verified: set[tuple[bytes, Held]] = set()

    async def notes(self, base: Base, entries: list[Entry]) -> list[Note]:
        """Return the note of each entry."""
        missing = [entry for entry in entries if (entry.id, entry.since) not in self._notes]
        for batch in in_batches(missing):
            notes = await base.reader.notes(base.existing().head.serial, batch, base.note_keys)
            self._notes |= {(entry.id, entry.since): notes[entry.id] for entry in batch}
        return [self._notes[entry.id, entry.since] for entry in entries]

    def verifies(self, held: Held, *, coffer: str, client_id: bytes, sign_key: bytes) -> bool:
        """Return whether a receipt is signed with a client's key."""
        if (client_id, held) not in self._verified:
            try:
                receipt.verify_untrusted(held, coffer=coffer, client_id=client_id, sign_key=sign_key)
            except ReceiptError:
                return False
            self._verified.add((client_id, held))
        return True


class _Chain:
    """The releases that this publisher knows, from one serial on."""

    def __init__(self, releases: Sequence[SignedHead]) -> None:
        self._serials = [release.head.serial for release in releases]
        self._releases = {release.head.serial: release for release in releases}

    def has(self, held: Held) -> bool:
        """Return whether a receipt is for one of these releases."""
        known = self._releases.get(held.serial)
        return known is not None and known.sha256 == held.sha256

    def has_lost(self, held: Held) -> bool:
        """Return whether a receipt may be for a release that was lost: with a restart a person has said that some were."""
        after = bisect_right(self._serials, held.serial)
        return held.serial not in self._releases and after < len(self._serials) and self._releases[self._serials[after]].head.restart


async def look(base: Base) -> Adoption:
    """Return the adoption of the newest release. Raises what `Reader.notes` and `Reader.history` raise, and `NoReleaseError`."""
    return await _look(base, _Memory())


async def _look(base: Base, memory: _Memory) -> Adoption:
    release = base.existing()
    entries = list(base.listing.values())
    noted = list(zip(entries, await memory.notes(base, entries), strict=True))
    # A rollback gives clients blobs that are older than itself, and seals its publisher's shard again. From that release on, all must
    # fetch.
    floor = max(entry.since for entry, note in noted if note.role == ROLE_PUBLISHER)
    fetches = await base.reader.fetches()
    # They are asked for after the receipts: a receipt may be for a release that has come in the meantime.
    chain = await _chain(base, fetches.values())
    clients = [
        _client(entry, note, max(entry.since, floor), fetches.get(entry.id), base.target.coffer, chain, memory)
        for entry, note in noted
        if note.role == ROLE_CLIENT
    ]
    return Adoption(release=release, clients=tuple(sorted(clients, key=lambda client: (client.name, client.id))))


async def _chain(base: Base, fetches: Iterable[Fetch]) -> _Chain:
    serials = [held.serial for fetch in fetches for held in fetch.held if held is not None]
    return _Chain(await base.reader.history_till_now(max(1, min(serials))) if serials else ())


def _client(entry: Entry, note: Note, changed: int, fetch: Fetch | None, coffer: str, chain: _Chain, memory: _Memory) -> Client:
    proven: list[Held] = []
    unknown: list[Held] = []
    forged: list[Held] = []
    for held in () if fetch is None else fetch.held:
        if held is None or note.sign is None:
            continue
        if not memory.verifies(held, coffer=coffer, client_id=entry.id, sign_key=note.sign):
            forged.append(held)
        elif chain.has(held):
            proven.append(held)
        elif not chain.has_lost(held):
            unknown.append(held)
    return Client(
        name=note.client,
        id=entry.id,
        keys=len(note.keys),
        changed=changed,
        fingerprint=note.fingerprint,
        fetch=fetch,
        receipts=tuple(proven),
        unknown=tuple(unknown),
        forged=tuple(forged),
    )


def is_complete(adoption: Adoption) -> bool:
    """Return whether nobody is behind."""
    return not adoption.behind


async def wait(
    target: Target,
    *,
    timeout_s: float,
    told: Callable[[Adoption], None] = lambda adoption: None,
    until: Callable[[Adoption], bool] = is_complete,
    sleep: Sleep = trio.sleep,
    clock: Clock = time.monotonic,
) -> Adoption:
    """Look until the result is good enough or the time is over, but at least once.

    Args:
        target: the coffer, and the publisher who asks.
        timeout_s: how many seconds to look; with 0, look once.
        told: called with the result of each look.
        until: whether a result is enough.
        sleep: waits for some seconds.
        clock: returns the seconds on a clock that does not go back.

    Returns:
        The result of the last look.

    Raises:
        What `commit.based` and `look` raise.
    """
    deadline = clock() + timeout_s
    memory = _Memory()
    while True:
        # Each look has its own session: the server lets nobody wait in one.
        async with based(target) as base:
            adoption = await _look(base, memory)
        told(adoption)
        left_s = deadline - clock()
        if until(adoption) or left_s <= 0:
            return adoption
        await sleep(min(POLL_S, left_s))

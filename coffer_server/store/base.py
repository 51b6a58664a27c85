"""The store: what every kind of it does, and the errors that each method may raise.

Methods block; the server calls them in threads. Each is one transaction: it sees one state, and changes everything or nothing. What a
method gives as a context manager can be read, item by item, until the context ends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from coffer_protocol.identity import PublicKey
from coffer_protocol.message import Drop, Entry, Put, Reuse
from coffer_protocol.question import Fetch
from coffer_protocol.release.coffer import SealedAnswer

# What an upload does to one client's shard.
Change: TypeAlias = Put | Reuse | Drop


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Who may publish a coffer.

    Attributes:
        coffer: the coffer's name.
        key: all of its public keys: `key.id` is the id in its sessions, `key.sign` verifies its heads.
        name: what the server's operator calls it, or None.
        added: seconds since 1970.
    """

    coffer: str
    key: PublicKey
    name: str | None
    added: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Whom the server's operator has blocked: the id, and when, in seconds since 1970."""

    id: bytes
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the server must know of a client after its Hello.

    Attributes:
        coffer: the one coffer that it belongs to.
        suite: the one suite that it speaks (docs/protocol.md, 3): 1 for a publisher, else as the alg of its blob says.
        serial: of the coffer's current release, or None where that has no shard for it.
    """

    coffer: str
    suite: int
    serial: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a client gets: the body of its OkGet, and the release that it is from."""

    coffer: str
    serial: int
    body: SealedAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A release: *signed*, and its entries in the order of their ids, read one by one."""

    signed: bytes
    entries: Iterator[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Which releases are held with all that is in them; of the others, the heads alone.

    A release is held while either holds: it is among the last `releases`, or it was the current one within the last `age_s` seconds.
    """

    releases: int
    age_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong: since when, in seconds since 1970, and why, for the server's operator."""

    since: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """How far a store has come.

    Attributes:
        event: the number of the last event; 0 where nothing has happened yet.
        releases: the serial of each coffer's current release.
        away: that its database cannot be reached, so that memory answers, with what it has heard of before; None where it can be.
    """

    event: int
    releases: Mapping[str, int]
    away: Trouble | None


class Reads(Protocol):
    """The reads that every session makes."""

    def look_up(self, client: bytes) -> Known | None:
        """Return what is known of the client or publisher with this id; None if there is none."""

    def fetch_all(self, clients: Iterable[bytes]) -> dict[bytes, Fetched]:
        """Return what each of these clients gets; those that have no shard are left out."""


class Store(Reads, Protocol):
    """Publishers, releases and blobs. Every method may raise `StoreError` where the store itself fails.

    An id that is blocked has no rights, and is as good as unknown, though it stays in `publishers` and in the releases that have it.
    """

    @property
    def name(self) -> str:
        """What it is called in errors: no password is in it."""

    def fetch(self, client: bytes) -> Fetched:
        """A client's blob in the current release of its coffer, with the proof that it belongs there.

        Raises:
            DeniedError: the current release of no coffer has a shard for this id.
        """

    def current(self, *, coffer: str, publisher: bytes) -> AbstractContextManager[Listing | None]:
        """The current release of a coffer, or None where there is none yet, for the publisher with this id.

        Raises:
            DeniedError: the id is not that of a publisher of this coffer, or there is no such coffer: the same text.
        """

    def heads(self, *, coffer: str, asker: bytes, from_serial: int) -> list[bytes]:
        """The *signed* of every release of a coffer from one serial on, at most `limits.HEADS_PER_ANSWER`.

        Raises:
            DeniedError: the id is neither that of a publisher of this coffer nor in its current release, or there is no such coffer.
        """

    def entries(self, *, coffer: str, publisher: bytes, serial: int) -> AbstractContextManager[Listing]:
        """A release of a coffer, for the publisher with this id.

        Raises:
            DeniedError: as `current`; or there has been no such release.
            NotHeldError: the release is not held any more.
        """

    def notes(
        self, *, coffer: str, publisher: bytes, serial: int, ids: Collection[bytes]
    ) -> AbstractContextManager[Iterator[tuple[bytes, bytes]]]:
        """The id and the note of each of these clients that was in a release, for the publisher with this id.

        Raises:
            DeniedError, NotHeldError: as `entries`.
        """

    def fetches(self, *, coffer: str, publisher: bytes) -> AbstractContextManager[Iterator[Fetch]]:
        """What `record_fetches` has recorded for a coffer, for the publisher with this id.

        Raises:
            DeniedError: as `current`.
        """

    def commit(self, *, coffer: str, publisher: bytes, signed: bytes, changes: Iterable[Change], now: int) -> int:
        """Make the current release with `changes` the next one, if *signed* says just that (docs/protocol.md, 7). Durable when it returns.

        Args:
            coffer: its name.
            publisher: the id of the session that commits.
            signed: the signed head, as it came.
            changes: read once, in order.
            now: seconds since 1970.

        Returns:
            The serial.

        Raises:
            DeniedError: a rule of docs/protocol.md, 7 is broken.
            ConflictError: serial or `prev` does not follow the current release.
            TooLargeError: a client of suite 0 could not be sent its shard.
        """

    def record_fetches(self, fetches: Iterable[tuple[str, Fetch]]) -> None:
        """Record, for a coffer each, the last release that a client has fetched, in place of the one recorded before."""

    def prune(self, retention: Retention, *, now: int) -> int:
        """Let go of what only releases need that are no longer held: their entries, and blobs with their notes. Heads stay.

        Args:
            retention: which releases are held.
            now: seconds since 1970.

        Returns:
            How many blobs were let go.
        """

    def add_publisher(self, *, coffer: str, key: PublicKey, name: str | None, now: int) -> bool:
        """Let the owner of `key` publish `coffer`, from its next Open on. The coffer need not exist yet.

        Returns:
            Whether it was added: False where it may publish this coffer already.

        Raises:
            KeyInUseError: the key belongs to another coffer, or the name to another publisher of this one.
        """

    def remove_publisher(self, *, coffer: str, publisher: bytes, now: int) -> bool:
        """Take the right to publish away, from the next Open or Commit on. Its shard stays until a release drops it.

        Returns:
            Whether it was there.
        """

    def block(self, client: bytes, *, now: int) -> bool:
        """Let the id `client` have no rights, whether it has any now or gets some later, from its next request on.

        Returns:
            Whether it was blocked: False where it is already.
        """

    def unblock(self, client: bytes, *, now: int) -> bool:
        """Take `block` back.

        Returns:
            Whether it was blocked.
        """

    def blocked(self) -> list[Blocked]:
        """All that are blocked, in the order in which they were."""

    def publishers(self) -> list[Publisher]:
        """All publishers, in the order of their coffers, and of when they were added."""

    def follow(self, heard: Callable[[str, int], None]) -> None:
        """Have `heard` called with the coffer and serial of each release that any server commits to this store, within a second of it.

        It is called from now on until `close`, in a thread of the store's own; at once with the newest of each coffer; and where a release
        was committed through this very store perhaps not at all.
        """

    def status(self) -> StoreStatus:
        """How far it has come, as it answers now."""

    def try_writing(self) -> None:
        """Write, durably, something that changes nothing: what cannot be done now fails as any other change would."""

    def close(self) -> None:
        """Let go of everything. Nothing else may be called afterwards."""

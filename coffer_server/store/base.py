"""The `Store` protocol: what every store does, and the errors that each method may raise.

Methods block; the server calls them in threads. Each method is one transaction: it sees one state, and changes everything or nothing. If a
method returns a context manager, its value can be read, item by item, until the context ends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from coffer_protocol.identity import PublicKey
from coffer_protocol.message import Drop, Entry, Held, Put, Reuse
from coffer_protocol.question import Fetch, PastEntry
from coffer_protocol.release.coffer import SealedAnswer

# A change that an upload makes to one client's shard.
Change: TypeAlias = Put | Reuse | Drop


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """A publisher of a coffer.

    Attributes:
        coffer: the coffer's name.
        key: all of the publisher's public keys: `key.id` is the id in its sessions, `key.sign` verifies its heads.
        name: the name that the server's operator gave it, or None.
        may_block: whether it may block and unblock the coffer's clients.
        added: the time at which it was added, in seconds since 1970.
    """

    coffer: str
    key: PublicKey
    name: str | None
    may_block: bool
    added: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """An id that the server's operator has blocked, and the time of that in seconds since 1970."""

    id: bytes
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the server must know of a client after its Hello.

    Attributes:
        coffer: the one coffer to which the client belongs.
        suite: the one suite that the client speaks (docs/protocol.md, 3): 1 for a publisher, otherwise the suite of its blob's alg.
        serial: the serial of the coffer's current release, or None if that release has no shard for the client.
        is_publisher: whether the client may publish the coffer.
    """

    coffer: str
    suite: int
    serial: int | None
    is_publisher: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a client gets: the body of its OkGet, and the coffer and serial of the release."""

    coffer: str
    serial: int
    body: SealedAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A release: its *signed* and its entries in the order of their ids, which are read one by one."""

    signed: bytes
    entries: Iterator[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The changes from an earlier release to the current one, which are read one by one, the entries first.

    Attributes:
        signed: the *signed* of the current release.
        changed: its entries that the earlier one does not have, in the order of their ids.
        gone: the ids that only the earlier one has, in their order.
    """

    signed: bytes
    changed: Iterator[Entry]
    gone: Iterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A client's receipt for a release of a coffer. `held` is not verified."""

    coffer: str
    client: bytes
    held: Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Which releases are held with all their contents. The store keeps only the heads of all others.

    A release is held if it is among the last `releases`, or if it was the current release within the last `age_s` seconds.
    """

    releases: int
    age_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A fault, for the server's operator: since when it lasts, in seconds since 1970, and its reason."""

    since: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """The state of a store.

    Attributes:
        event: the number of the last event, or 0 if there is no event yet.
        releases: the serial of each coffer's current release.
        away: since when and why the database cannot be reached, or None if it can. While it is away, the store answers from memory, and
            `event` and `releases` are the last that it has heard of.
    """

    event: int
    releases: Mapping[str, int]
    away: Trouble | None


class Reads(Protocol):
    """The reads that every session makes."""

    def look_up(self, client: bytes) -> Known | None:
        """Return what is known of the client or publisher with this id, or None if the id is unknown."""

    def fetch_all(self, clients: Iterable[bytes]) -> dict[bytes, Fetched]:
        """Return what each of these clients gets. Clients without a shard are left out."""


class Store(Reads, Protocol):
    """The publishers, releases and blobs of a server. Every method may raise `StoreError` if the store itself fails.

    A blocked id has no rights and counts as unknown, but it stays in `publishers` and in the releases that have it.
    """

    @property
    def name(self) -> str:
        """The store's name in errors. It contains no password."""

    def fetch(self, client: bytes) -> Fetched:
        """Return a client's blob in the current release of its coffer, with the proof that it belongs to the release.

        Raises:
            DeniedError: if no coffer's current release has a shard for this id.
        """

    def publisher(self, *, coffer: str, publisher: bytes) -> Publisher:
        """Return the publisher of a coffer that has this id.

        Raises:
            DeniedError: if the id is not that of a publisher of this coffer, or if there is no such coffer. The text is the same.
        """

    def ids_between(self, first: bytes, last: bytes, *, limit: int) -> list[bytes]:
        """Return the ids from `first` to `last` that are in a current release or blocked, in order, at most `limit`."""

    def current(self, *, coffer: str, publisher: bytes) -> AbstractContextManager[Listing | None]:
        """Return the current release of a coffer, or None if it has no release yet.

        Args:
            coffer: the coffer's name.
            publisher: the id of the publisher that asks.

        Raises:
            DeniedError: if the id is not that of a publisher of this coffer, or if there is no such coffer. The text is the same.
        """

    def heads(self, *, coffer: str, asker: bytes, from_serial: int) -> list[bytes]:
        """Return the *signed* of every release of a coffer from one serial on, at most `limits.HEADS_PER_ANSWER`.

        Args:
            coffer: the coffer's name.
            asker: the id of the client or publisher that asks.
            from_serial: the serial of the first release.

        Raises:
            DeniedError: if `asker` is neither a publisher of this coffer nor in its current release, or if there is no such coffer.
        """

    def entries(self, *, coffer: str, publisher: bytes, serial: int) -> AbstractContextManager[Listing]:
        """Return one release of a coffer.

        Args:
            coffer: the coffer's name.
            publisher: the id of the publisher that asks.
            serial: the serial of the release.

        Raises:
            DeniedError: as for `current`, or if there has been no such release.
            NotHeldError: if the release is no longer held.
        """

    def changes(self, *, coffer: str, publisher: bytes, serial: int) -> AbstractContextManager[Changes]:
        """Return what has changed since a release of a coffer, for the publisher with this id.

        Raises:
            DeniedError: as `current`.
            UnsupportedError: that release is not held, or there is no release.
        """

    def past(self, *, coffer: str, publisher: bytes, ids: Collection[bytes]) -> AbstractContextManager[Iterator[PastEntry]]:
        """Return every blob that is held of these clients, with its note, for the publisher with this id.

        Raises:
            DeniedError: as `current`.
        """

    def oldest(self, *, coffer: str, publisher: bytes) -> int:
        """Return the serial of the oldest release that is held, 0 if there is no release, for the publisher with this id.

        Raises:
            DeniedError: as `current`.
        """

    def notes(
        self, *, coffer: str, publisher: bytes, serial: int, ids: Collection[bytes]
    ) -> AbstractContextManager[Iterator[tuple[bytes, bytes]]]:
        """Return the id and the note of each of these clients that was in a release.

        Args:
            coffer: the coffer's name.
            publisher: the id of the publisher that asks.
            serial: the serial of the release.
            ids: the ids of the clients.

        Raises:
            DeniedError, NotHeldError: as for `entries`.
        """

    def fetches(self, *, coffer: str, publisher: bytes) -> AbstractContextManager[Iterator[Fetch]]:
        """Return what `record_adoption` has recorded for a coffer. The result does not say which clients watch.

        Args:
            coffer: the coffer's name.
            publisher: the id of the publisher that asks.

        Raises:
            DeniedError: as for `current`.
        """

    def commit(self, *, coffer: str, publisher: bytes, signed: bytes, changes: Iterable[Change], now: int) -> int:
        """Commit a release: the current one with `changes`, if *signed* says just that (docs/protocol.md, 7).

        The release is durable when this returns.

        Args:
            coffer: the coffer's name.
            publisher: the id of the session that commits.
            signed: the signed head, as the publisher sent it.
            changes: the changes, which are read once, in order.
            now: the time in seconds since 1970.

        Returns:
            The serial of the release. If `signed` is the current release already, nothing is changed.

        Raises:
            DeniedError: if the release breaks a rule of docs/protocol.md, 7.
            ConflictError: if the serial or `prev` does not follow the current release.
            TooLargeError: if the shard of a client of suite 0 is too large to be sent.
        """

    def record_adoption(self, fetches: Iterable[tuple[str, Fetch]], receipts: Iterable[Receipt]) -> None:
        """Record for each coffer and client the release that the client fetched last, and the client's receipts.

        A fetch replaces the one recorded before. A receipt replaces one for the same use whose serial is not higher.
        """

    def prune(self, retention: Retention, *, now: int) -> int:
        """Delete what belongs only to releases that are no longer held: entries, and blobs with their notes. Heads stay.

        Args:
            retention: which releases are held.
            now: the time in seconds since 1970.

        Returns:
            The number of deleted blobs.
        """

    def add_publisher(self, *, coffer: str, key: PublicKey, name: str | None, now: int, may_block: bool = False) -> bool:
        """Allow the owner of `key` to publish `coffer`, from its next Open on. The coffer need not exist yet.

        Returns:
            Whether the publisher was added; False if it is already a publisher of this coffer.

        Raises:
            KeyInUseError: if the key belongs to another coffer, or the name to another publisher of this coffer.
        """

    def remove_publisher(self, *, coffer: str, publisher: bytes, now: int) -> bool:
        """Remove a publisher's right to publish, from its next Open or Commit on. Its shard stays until a release drops it.

        Returns:
            Whether the id was a publisher of this coffer.
        """

    def block(self, client: bytes, *, now: int) -> bool:
        """Block the id `client` from its next request on. Rights that the id gets later are blocked, too.

        Returns:
            Whether the id is newly blocked; False if it was blocked already.
        """

    def block_for(self, client: bytes, *, coffer: str, publisher: bytes, is_blocked: bool, now: int) -> None:
        """Block or unblock a client of a coffer, for the publisher with this id.

        Raises:
            DeniedError: as `current`; or the publisher was not given that right, or the id is not that of a client of this coffer.
        """

    def unblock(self, client: bytes, *, now: int) -> bool:
        """Unblock an id: undo `block`.

        Returns:
            Whether the id was blocked.
        """

    def blocked(self) -> list[Blocked]:
        """Return all blocked ids, in the order in which they were blocked."""

    def publishers(self) -> list[Publisher]:
        """Return all publishers, ordered by their coffers and by the time at which they were added."""

    def follow(self, heard: Callable[[str, int], None]) -> None:
        """Call `heard` with the coffer and serial of each release that any server commits to this store, within a second of the commit.

        The calls begin now and end with `close`. They come from a thread of the store. The first calls, made at once, are for the newest
        release of each coffer. There may be no call for a release that was committed through this very object.
        """

    def status(self) -> StoreStatus:
        """Return the state of the store."""

    def try_writing(self) -> None:
        """Make a durable write that changes nothing. It fails if any other write would fail now."""

    def close(self) -> None:
        """Close the store. No method may be called afterwards."""

"""The store: what every kind of it does, and the errors that each method may raise.

Methods block; the server calls them in threads. Each is one transaction: it sees one state, and changes everything or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from coffer_protocol.identity import PublicKey
from coffer_protocol.message import Drop, Entry, Put, Reuse
from coffer_protocol.release.coffer import Coffer

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
class Known:
    """What the server must know of a client after its Hello.

    Attributes:
        coffer: the one coffer that it belongs to.
        suite: the one suite that it speaks (PROTOCOL.md, 3): 1 for a publisher, else as the alg of its blob says.
    """

    coffer: str
    suite: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a client gets: the body of its OkGet, and the release that it is from."""

    coffer: str
    serial: int
    body: Coffer


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The current release: *signed* (None where there is none yet), and its entries in the order of their ids, read one by one."""

    signed: bytes | None
    entries: Iterator[Entry]


class Store(Protocol):
    """Publishers, releases and blobs. Every method may raise `StoreError` where the store itself fails."""

    def look_up(self, client: bytes) -> Known | None:
        """What is known of the client or publisher with this id; None where it is a stranger."""

    def fetch(self, client: bytes) -> Fetched:
        """A client's blob in the current release of its coffer, with the proof that it belongs there.

        Raises:
            DeniedError: the current release of no coffer has a shard for this id.
        """

    def current(self, *, coffer: str, publisher: bytes) -> AbstractContextManager[Current]:
        """The current release of a coffer, for the publisher with this id. The entries can be read until the context ends.

        Raises:
            DeniedError: the id is not that of a publisher of this coffer, or there is no such coffer: the same text.
        """

    def commit(self, *, coffer: str, publisher: bytes, signed: bytes, changes: Iterable[Change], now: int) -> int:
        """Make the current release with `changes` the next one, if *signed* says just that (PROTOCOL.md, 7). Durable when it returns.

        Args:
            coffer: its name.
            publisher: the id of the session that commits.
            signed: the signed head, as it came.
            changes: read once, in order.
            now: seconds since 1970.

        Returns:
            The serial.

        Raises:
            DeniedError: a rule of PROTOCOL.md, 7 is broken.
            ConflictError: serial or `prev` does not follow the current release.
            TooLargeError: a client of suite 0 could not be sent its shard.
        """

    def add_publisher(self, *, coffer: str, key: PublicKey, name: str | None, now: int) -> bool:
        """Let the owner of `key` publish `coffer`, from its next Open on. The coffer need not exist yet.

        Returns:
            Whether it was added: False where it may publish this coffer already.

        Raises:
            KeyInUseError: the key belongs to another coffer, or the name to another publisher of this one.
        """

    def remove_publisher(self, *, coffer: str, publisher: bytes) -> bool:
        """Take the right to publish away, from the next Open or Commit on. Its shard stays until a release drops it.

        Returns:
            Whether it was there.
        """

    def publishers(self) -> list[Publisher]:
        """All publishers, in the order of their coffers, and of when they were added."""

    def close(self) -> None:
        """Let go of everything. Nothing else may be called afterwards."""

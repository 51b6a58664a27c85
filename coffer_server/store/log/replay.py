"""The replay of the event log: the tables are made again in a database of their own, and every release is checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import ReleaseError
from coffer_protocol.release import head as heads
from coffer_protocol.release import tree
from coffer_protocol.release.head import Head
from coffer_protocol.release.tree import Tree

from ...errors import DamagedError
from ..events import BEGINNING, Changed, Entered, Event, PublisherAdded, PublisherRemoved, Released
from ..sealing import Keyring
from ..sql.sqlite import empty_tables
from . import log, projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What the log says.

    Attributes:
        tables: a database with the tables as the log makes them. Tables that do not follow from the log are empty.
        events: the number of events.
        releases: the number of events that are releases.
        sha256: the hash of the last event, which covers all events before it.
    """

    tables: Connection
    events: int
    releases: int
    sha256: bytes


@dataclass(slots=True)
class _Coffer:
    """One coffer as far as the log was read: publishers' keys by their ids, leaf hashes by clients' ids, and the last release."""

    publishers: dict[bytes, bytes] = field(default_factory=dict)
    leaves: dict[bytes, bytes] = field(default_factory=dict)
    last: Head | None = None
    last_sha256: bytes | None = None
    # The serial of a release if its changes were read, but not yet its head.
    changing: int | None = None


@contextmanager
def replayed(connection: Connection, keyring: Keyring) -> Iterator[Replayed]:
    """Replay the whole log of a database. The result exists until the context ends.

    Raises:
        EventError, SealError: if the log is broken.
        DamagedError: if a release in the log is not what its publisher signed.
    """
    with empty_tables() as tables:
        check = _Check()
        events, sha256_ = 0, BEGINNING
        for event in log.read(connection, keyring):
            check.take(event)
            projection.apply(tables, keyring, event.happening, at=event.at)
            events, sha256_ = event.number, event.sha256
        yield Replayed(tables=tables, events=events, releases=check.releases, sha256=sha256_)


class _Check:
    """Checks the releases of a log, event by event."""

    def __init__(self) -> None:
        self._coffers: dict[str, _Coffer] = {}
        self.releases = 0

    def take(self, event: Event) -> None:
        """Take the next event.

        Raises:
            EventError: if the event is not one of this version.
            DamagedError: if the event is a release that does not verify.
        """
        match event.happening:
            case PublisherAdded(coffer=coffer, key=key):
                self._of(coffer).publishers[key.id] = key.sign
            case PublisherRemoved(coffer=coffer, publisher=publisher):
                self._of(coffer).publishers.pop(publisher, None)
            case Changed() as changed:
                self._change(changed)
            case Released(signed=signed):
                head = self._head(event, signed)
                self._verify(event, signed, set(self._of(head.coffer).publishers.values()))
                self._follow(event, head, signed)
            case _:
                pass

    def _of(self, coffer: str) -> _Coffer:
        return self._coffers.setdefault(coffer, _Coffer())

    def _change(self, changed: Changed) -> None:
        coffer = self._of(changed.coffer)
        coffer.changing = changed.serial
        for change in changed.changes:
            if isinstance(change, Entered):
                leaf = tree.Leaf(coffer=changed.coffer, client_id=change.id, alg=change.alg, since=change.since, blob_sha256=change.sha256)
                coffer.leaves[change.id] = leaf.hash()
            else:
                coffer.leaves.pop(change.id, None)

    def _head(self, event: Event, signed: bytes) -> Head:
        try:
            return heads.claimed_untrusted(signed)
        except ReleaseError as error:
            raise DamagedError(f"event {event.number} is not a release: {error}") from None

    def _verify(self, event: Event, signed: bytes, publishers: set[bytes]) -> None:
        try:
            heads.verify_untrusted(signed, publishers=publishers)
        except ReleaseError as error:
            raise DamagedError(f"event {event.number}: {error}") from None

    def _follow(self, event: Event, head: Head, signed: bytes) -> None:
        """Check a release's place in its coffer's history, and its tree."""
        coffer = self._of(head.coffer)
        what = f"event {event.number}, release {head.serial} of {head.coffer!r}"
        last = coffer.last
        if last is not None and (head.serial <= last.serial or not (head.restart or head.prev == coffer.last_sha256)):
            raise DamagedError(f"{what}, does not follow release {last.serial}")
        if coffer.changing not in (None, head.serial):
            raise DamagedError(f"{what}, comes after the changes of release {coffer.changing}")
        made = Tree(coffer.leaves[client] for client in sorted(coffer.leaves))
        if (made.size, made.root) != (head.count, head.root):
            raise DamagedError(f"{what}, does not have the root that its publisher signed")
        coffer.last, coffer.last_sha256, coffer.changing = head, sha256(signed), None
        self.releases += 1

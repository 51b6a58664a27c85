"""A store in memory, for tests: it keeps nothing, and passes the same contract as the others."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from coffer_protocol.identity import PublicKey
from coffer_protocol.message import Drop, Entry, Put, Reuse
from coffer_protocol.primitives import sha256
from coffer_protocol.release.coffer import Coffer

from . import rules
from .base import Change, Current, Fetched, Known, Publisher
from .rules import Last
from .snapshot import Leaf, Snapshot


@dataclass(frozen=True, slots=True)
class _BlobKey:
    client: bytes
    alg: int
    since: int
    sha256: bytes


@dataclass(slots=True)
class _History:
    """One coffer: its last release, who is in it, and every blob that it ever had."""

    last: Last
    signed: bytes
    snapshot: Snapshot
    members: dict[bytes, Entry]
    blobs: dict[_BlobKey, bytes] = field(default_factory=dict)


class MemoryStore:
    """The `Store` protocol over dictionaries, one caller at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._publishers: dict[bytes, Publisher] = {}
        self._histories: dict[str, _History] = {}

    def look_up(self, client: bytes) -> Known | None:
        """See `Store`."""
        with self._lock:
            if (publisher := self._publishers.get(client)) is not None:
                return Known(coffer=publisher.coffer, suite=rules.PUBLISHER_SUITE)
            holder = self._holder(client)
            return None if holder is None else Known(coffer=holder, suite=rules.SUITE_OF_ALG[self._histories[holder].members[client].alg])

    def _holder(self, client: bytes) -> str | None:
        return next((coffer for coffer, history in self._histories.items() if client in history.members), None)

    def _publishes(self, client: bytes) -> str | None:
        publisher = self._publishers.get(client)
        return None if publisher is None else publisher.coffer

    def fetch(self, client: bytes) -> Fetched:
        """See `Store`."""
        with self._lock:
            holder = self._holder(client)
            if holder is None:
                rules.deny_get()
            history = self._histories[holder]
            entry = history.members[client]
            index = history.snapshot.index_of(client)
            body = Coffer(
                signed=history.signed,
                index=index,
                path=tuple(history.snapshot.tree.path(index)),
                alg=entry.alg,
                since=entry.since,
                blob=history.blobs[_key(entry)],
            )
            return Fetched(coffer=holder, serial=history.last.serial, body=body)

    @contextmanager
    def current(self, *, coffer: str, publisher: bytes) -> Iterator[Current]:
        """See `Store`."""
        with self._lock:
            if self._publishes(publisher) != coffer:
                rules.deny_open()
            history = self._histories.get(coffer)
            members = {} if history is None else history.members
            entries = iter([members[client] for client in sorted(members)])
        yield Current(signed=None if history is None else history.signed, entries=entries)

    def commit(self, *, coffer: str, publisher: bytes, signed: bytes, changes: Iterable[Change], now: int) -> int:
        """See `Store`."""
        with self._lock:
            if self._publishes(publisher) != coffer:
                rules.deny_open()
            history = self._histories.get(coffer)
            last = None if history is None else history.last
            trusted = [known.key.sign for known in self._publishers.values() if known.coffer == coffer]
            author = self._publishers[publisher].key
            release = rules.verify_head_untrusted(signed, coffer=coffer, author=author, publishers=trusted, last=last)
            serial = release.head.serial
            members = {} if history is None else dict(history.members)
            blobs = {} if history is None else dict(history.blobs)
            changed = False
            named: set[bytes] = set()
            for change in changes:
                rules.check_named_once([change.id], named & {change.id})
                named.add(change.id)
                rules.check_change(change, coffer=coffer, holder=self._holder(change.id), publishes=self._publishes(change.id))
                changed |= _apply(change, serial, members, blobs)
            rules.check_changed(release.head, last=last, changed=changed)
            leaves = (_leaf(members[client], blobs) for client in sorted(members))
            snapshot = rules.check_tree(release, leaves)
            made = Last(serial=serial, sha256=release.sha256, expires=release.head.expires)
            self._histories[coffer] = _History(last=made, signed=signed, snapshot=snapshot, members=members, blobs=blobs)
            return serial

    def add_publisher(self, *, coffer: str, key: PublicKey, name: str | None, now: int) -> bool:
        """See `Store`."""
        with self._lock:
            namesakes = [known.key for known in self._publishers.values() if (known.coffer, known.name) == (coffer, name)]
            is_new = rules.check_publisher(
                coffer=coffer,
                key=key,
                name=name,
                publishes=self._publishes(key.id),
                holder=self._holder(key.id),
                namesake=namesakes[0] if namesakes and name is not None else None,
            )
            if is_new:
                self._publishers[key.id] = Publisher(coffer=coffer, key=key, name=name, added=now)
            return is_new

    def remove_publisher(self, *, coffer: str, publisher: bytes) -> bool:
        """See `Store`."""
        with self._lock:
            if self._publishes(publisher) != coffer:
                return False
            del self._publishers[publisher]
            return True

    def publishers(self) -> list[Publisher]:
        """See `Store`."""
        with self._lock:
            return sorted(self._publishers.values(), key=lambda publisher: (publisher.coffer, publisher.added, publisher.key.id))

    def close(self) -> None:
        """See `Store`."""


def _key(entry: Entry | Reuse) -> _BlobKey:
    return _BlobKey(entry.id, entry.alg, entry.since, entry.sha256)


def _leaf(entry: Entry, blobs: dict[_BlobKey, bytes]) -> Leaf:
    return Leaf(entry.id, entry.alg, entry.since, entry.sha256, len(blobs[_key(entry)]))


def _apply(change: Change, serial: int, members: dict[bytes, Entry], blobs: dict[_BlobKey, bytes]) -> bool:
    """Do one change to copies of a coffer's members and blobs; whether it is one."""
    match change:
        case Drop():
            del members[change.id]
            return True
        case Put():
            entry = Entry(id=change.id, alg=change.alg, since=serial, sha256=sha256(change.blob), mark=change.mark)
            blobs[_key(entry)] = change.blob
            members[change.id] = entry
            return True
        case Reuse():
            if _key(change) not in blobs:
                rules.deny_reuse(change.id)
            old = members.get(change.id)
            members[change.id] = Entry(id=change.id, alg=change.alg, since=change.since, sha256=change.sha256, mark=change.mark)
            return old is None or not rules.is_same(change, alg=old.alg, since=old.since, sha256=old.sha256, mark=old.mark)

"""A store in memory, for tests: it keeps nothing, and passes the same contract as the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.identity import PublicKey
from coffer_protocol.limits import HEADS_PER_ANSWER
from coffer_protocol.message import Drop, Entry, Held, Put, Reuse
from coffer_protocol.question import Fetch, PastEntry
from coffer_protocol.release.coffer import SealedAnswer
from coffer_server.store import rules
from coffer_server.store.base import Blocked, Change, Changes, Fetched, Known, Listing, Publisher, Receipt, Retention, Store, StoreStatus
from coffer_server.store.rules import Last
from coffer_server.store.snapshot import BLOCK_LEAVES, Block, BlockPosition, Leaf, Outline


@dataclass(frozen=True, slots=True)
class _BlobKey:
    client: bytes
    alg: int
    since: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class _Release:
    """A release. Of one that is not held any more, `members` is None."""

    signed: bytes
    committed: int
    members: dict[bytes, Entry] | None


@dataclass(slots=True)
class _History:
    """One coffer: its releases, what its last one is, and every blob, with its note, that those held have."""

    last: Last
    snapshot: Outline
    members: dict[bytes, Entry]
    releases: dict[int, _Release]
    blobs: dict[_BlobKey, Put]
    fetches: dict[bytes, Fetch] = field(default_factory=dict)
    receipts: dict[tuple[bytes, int], Held] = field(default_factory=dict)

    @property
    def signed(self) -> bytes:
        """The last release's."""
        return self.releases[self.last.serial].signed


class MemoryStore(Store):
    """The `Store` protocol over dictionaries, one caller at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._publishers: dict[bytes, Publisher] = {}
        self._histories: dict[str, _History] = {}
        # When each was blocked.
        self._blocked: dict[bytes, int] = {}
        self._changes = 0

    @property
    def name(self) -> str:
        return "memory"

    def look_up(self, client: bytes) -> Known | None:
        with self._lock:
            if client in self._blocked:
                return None
            holder = self._holder(client)
            serial = None if holder is None else self._histories[holder].last.serial
            if (publisher := self._publishers.get(client)) is not None:
                return Known(coffer=publisher.coffer, suite=rules.PUBLISHER_SUITE, serial=serial, is_publisher=True)
            if holder is None:
                return None
            return Known(coffer=holder, suite=rules.SUITE_OF_ALG[self._histories[holder].members[client].alg], serial=serial)

    def _holder(self, client: bytes) -> str | None:
        return next((coffer for coffer, history in self._histories.items() if client in history.members), None)

    def _publishes(self, client: bytes) -> str | None:
        publisher = self._publishers.get(client)
        return None if publisher is None else publisher.coffer

    def fetch(self, client: bytes) -> Fetched:
        fetched = self._fetch(client)
        return rules.deny_get() if fetched is None else fetched

    def fetch_all(self, clients: Iterable[bytes]) -> dict[bytes, Fetched]:
        with self._lock:
            found = {client: self._fetch(client) for client in clients}
            return {client: fetched for client, fetched in found.items() if fetched is not None}

    def _fetch(self, client: bytes) -> Fetched | None:
        with self._lock:
            holder = self._holder(client)
            if holder is None or client in self._blocked:
                return None
            history = self._histories[holder]
            entry = history.members[client]
            proof = history.snapshot.prove(client, lambda place: _block(holder, history, place))
            body = SealedAnswer(
                signed=history.signed,
                index=proof.number,
                path=proof.path,
                alg=entry.alg,
                since=entry.since,
                blob=history.blobs[_key(entry)].blob,
            )
            return Fetched(coffer=holder, serial=history.last.serial, body=body)

    def publisher(self, *, coffer: str, publisher: bytes) -> Publisher:
        with self._lock:
            self._of_publisher(coffer, publisher)
            return self._publishers[publisher]

    def ids_between(self, first: bytes, last: bytes, *, limit: int) -> list[bytes]:
        with self._lock:
            ids = {client for history in self._histories.values() for client in history.members} | set(self._blocked)
            return sorted(client for client in ids if first <= client <= last)[:limit]

    @contextmanager
    def current(self, *, coffer: str, publisher: bytes) -> Iterator[Listing | None]:
        with self._lock:
            history = self._of_publisher(coffer, publisher)
            listing = None if history is None else _listing(history.signed, history.members)
        yield listing

    def heads(self, *, coffer: str, asker: bytes, from_serial: int) -> list[bytes]:
        with self._lock:
            if asker in self._blocked or coffer not in (self._publishes(asker), self._holder(asker)):
                rules.deny_open()
            history = self._histories.get(coffer)
            releases = {} if history is None else history.releases
            return [releases[serial].signed for serial in sorted(releases) if serial >= from_serial][:HEADS_PER_ANSWER]

    @contextmanager
    def entries(self, *, coffer: str, publisher: bytes, serial: int) -> Iterator[Listing]:
        with self._lock:
            release, members = self._release(coffer, publisher, serial)
        yield _listing(release.signed, members)

    @contextmanager
    def changes(self, *, coffer: str, publisher: bytes, serial: int) -> Iterator[Changes]:
        with self._lock:
            history = self._of_publisher(coffer, publisher)
            release = None if history is None else history.releases.get(serial)
            rules.check_comparable(serial, held=release is not None and release.members is not None)
            assert history is not None
            assert release is not None
            assert release.members is not None
            before, now = release.members, history.members
            changed = [now[client] for client in sorted(now) if before.get(client) != now[client]]
            gone = sorted(before.keys() - now.keys())
            signed = history.signed
        yield Changes(signed=signed, changed=iter(changed), gone=iter(gone))

    @contextmanager
    def past(self, *, coffer: str, publisher: bytes, ids: Collection[bytes]) -> Iterator[Iterator[PastEntry]]:
        with self._lock:
            history = self._of_publisher(coffer, publisher)
            blobs = {} if history is None else dict(history.blobs)
        keys = sorted((key for key in blobs if key.client in ids), key=lambda key: (key.client, key.since))
        yield (PastEntry(id=key.client, alg=key.alg, since=key.since, sha256=key.sha256, note=blobs[key].note) for key in keys)

    def oldest(self, *, coffer: str, publisher: bytes) -> int:
        with self._lock:
            history = self._of_publisher(coffer, publisher)
            releases = {} if history is None else history.releases
            return min((serial for serial, release in releases.items() if release.members is not None), default=0)

    @contextmanager
    def notes(self, *, coffer: str, publisher: bytes, serial: int, ids: Collection[bytes]) -> Iterator[Iterator[tuple[bytes, bytes]]]:
        with self._lock:
            _, members = self._release(coffer, publisher, serial)
            blobs = self._histories[coffer].blobs
            notes = [(id_, blobs[_key(members[id_])].note) for id_ in sorted(set(ids)) if id_ in members]
        yield iter(notes)

    @contextmanager
    def fetches(self, *, coffer: str, publisher: bytes) -> Iterator[Iterator[Fetch]]:
        with self._lock:
            history = self._of_publisher(coffer, publisher)
            fetches = {} if history is None else dict(history.fetches)
            receipts = {} if history is None else dict(history.receipts)
        yield iter([replace(fetches[client], held=(receipts.get((client, 0)), receipts.get((client, 1)))) for client in sorted(fetches)])

    def _of_publisher(self, coffer: str, publisher: bytes) -> _History | None:
        if self._publishes(publisher) != coffer or publisher in self._blocked:
            rules.deny_open()
        return self._histories.get(coffer)

    def _release(self, coffer: str, publisher: bytes, serial: int) -> tuple[_Release, dict[bytes, Entry]]:
        history = self._of_publisher(coffer, publisher)
        release = None if history is None else history.releases.get(serial)
        rules.check_held(serial, held=None if release is None else release.members is not None)
        assert release is not None
        assert release.members is not None
        return release, release.members

    def commit(self, *, coffer: str, publisher: bytes, signed: bytes, changes: Iterable[Change], now: int) -> int:
        with self._lock:
            history = self._of_publisher(coffer, publisher)
            last = None if history is None else history.last
            trusted = [known.key.sign for known in self._publishers.values() if known.coffer == coffer]
            author = self._publishers[publisher].key
            if last is not None and last.sha256 == sha256(signed):
                return last.serial
            release = rules.verify_head_untrusted(signed, coffer=coffer, author=author, publishers=trusted, last=last, now=now)
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
            made = Last(serial=serial, sha256=release.sha256, issued=release.head.issued, expires=release.head.expires)
            releases = {} if history is None else dict(history.releases)
            releases[serial] = _Release(signed, now, members)
            fetches = {} if history is None else history.fetches
            receipts = {} if history is None else history.receipts
            self._histories[coffer] = _History(made, snapshot, members, releases, blobs, fetches, receipts)
            self._changes += 1
            return serial

    def record_adoption(self, fetches: Iterable[tuple[str, Fetch]], receipts: Iterable[Receipt]) -> None:
        with self._lock:
            for coffer, fetch in fetches:
                self._histories[coffer].fetches[fetch.id] = fetch
            for receipt in receipts:
                kept = self._histories[receipt.coffer].receipts
                key = (receipt.client, receipt.held.use)
                if key not in kept or receipt.held.serial >= kept[key].serial:
                    kept[key] = receipt.held

    def prune(self, retention: Retention, *, now: int) -> int:
        with self._lock:
            pruned = sum(_prune(history, retention, now - retention.age_s) for history in self._histories.values())
            self._changes += pruned > 0
            return pruned

    def add_publisher(self, *, coffer: str, key: PublicKey, name: str | None, now: int, may_block: bool = False) -> bool:
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
                self._changes += 1
                self._publishers[key.id] = Publisher(coffer=coffer, key=key, name=name, may_block=may_block, added=now)
            return is_new

    def remove_publisher(self, *, coffer: str, publisher: bytes, now: int) -> bool:
        with self._lock:
            if self._publishes(publisher) != coffer:
                return False
            self._changes += 1
            del self._publishers[publisher]
            return True

    def block(self, client: bytes, *, now: int) -> bool:
        with self._lock:
            if client in self._blocked:
                return False
            self._changes += 1
            self._blocked[client] = now
            return True

    def block_for(self, client: bytes, *, coffer: str, publisher: bytes, is_blocked: bool, now: int) -> None:
        with self._lock:
            self._of_publisher(coffer, publisher)
            rules.check_block(
                client,
                coffer=coffer,
                may_block=self._publishers[publisher].may_block,
                holder=self._holder(client),
                publishes=self._publishes(client),
            )
            if is_blocked:
                self.block(client, now=now)
            else:
                self.unblock(client, now=now)

    def unblock(self, client: bytes, *, now: int) -> bool:
        with self._lock:
            was_blocked = self._blocked.pop(client, None) is not None
            self._changes += was_blocked
            return was_blocked

    def blocked(self) -> list[Blocked]:
        with self._lock:
            blocked = [Blocked(id=client, at=at) for client, at in self._blocked.items()]
            return sorted(blocked, key=lambda one: (one.at, one.id))

    def publishers(self) -> list[Publisher]:
        with self._lock:
            return sorted(self._publishers.values(), key=lambda publisher: (publisher.coffer, publisher.added, publisher.key.id))

    def follow(self, heard: Callable[[str, int], None]) -> None:
        """Do nothing: nobody else commits to it."""

    def status(self) -> StoreStatus:
        # It keeps no log, so it counts what changes it.
        with self._lock:
            newest = {coffer: history.last.serial for coffer, history in self._histories.items()}
            return StoreStatus(event=self._changes, releases=newest, away=None)

    def try_writing(self) -> None:
        """Do nothing: memory can always be written."""

    def close(self) -> None:
        """Do nothing: memory is not a resource that anybody waits for."""


def _key(entry: Entry | Reuse) -> _BlobKey:
    return _BlobKey(entry.id, entry.alg, entry.since, entry.sha256)


def _leaf(entry: Entry, blobs: dict[_BlobKey, Put]) -> Leaf:
    return Leaf(entry.id, entry.alg, entry.since, entry.sha256, len(blobs[_key(entry)].blob))


def _listing(signed: bytes, members: dict[bytes, Entry]) -> Listing:
    return Listing(signed=signed, entries=iter([members[client] for client in sorted(members)]))


def _prune(history: _History, retention: Retention, long_ago: int) -> int:
    aged = max((serial for serial, release in history.releases.items() if release.committed <= long_ago), default=None)
    serials = sorted(history.releases, reverse=True)
    kept_from = serials[retention.releases - 1] if len(serials) >= retention.releases else None
    first = rules.held_from(kept=kept_from, aged=aged)
    history.releases = {
        serial: replace(release, members=None) if serial < first else release for serial, release in history.releases.items()
    }
    held = [entry for release in history.releases.values() for entry in (release.members or {}).values()]
    in_use = {_key(entry) for entry in held}
    kept = {key: put for key, put in history.blobs.items() if key in in_use}
    clients = {entry.id for entry in held}
    history.fetches = {client: fetch for client, fetch in history.fetches.items() if client in clients}
    history.receipts = {key: held for key, held in history.receipts.items() if key[0] in clients}
    pruned = len(history.blobs) - len(kept)
    history.blobs = kept
    return pruned


def _block(coffer: str, history: _History, place: BlockPosition) -> Block:
    ids = [client for client in sorted(history.members) if client >= place.first][:BLOCK_LEAVES]
    return Block(coffer, (_leaf(history.members[client], history.blobs) for client in ids))


def _apply(change: Change, serial: int, members: dict[bytes, Entry], blobs: dict[_BlobKey, Put]) -> bool:
    """Do one change to copies of a coffer's members and blobs; whether it is one."""
    match change:
        case Drop():
            del members[change.id]
            return True
        case Put():
            entry = Entry(id=change.id, alg=change.alg, since=serial, sha256=sha256(change.blob), mark=change.mark)
            blobs[_key(entry)] = change
            members[change.id] = entry
            return True
        case Reuse():
            if _key(change) not in blobs:
                rules.deny_reuse(change.id)
            old = members.get(change.id)
            members[change.id] = Entry(id=change.id, alg=change.alg, since=change.since, sha256=change.sha256, mark=change.mark)
            return old is None or not rules.is_same(change, alg=old.alg, since=old.since, sha256=old.sha256, mark=old.mark)

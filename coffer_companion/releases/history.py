"""The history of a coffer, release by release. The server keeps heads for ever, but entries and notes only for some time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from coffer_protocol.errors import ServerError
from coffer_protocol.identity import format_id
from coffer_protocol.message import Entry
from coffer_protocol.release.head import SignedHead

from ..errors import EarlierNoteKeyError
from .commit import Base
from .diff import Held, find_difference
from .listing import Listing, differences
from .plan import ChangeKind
from .publisher_entry import PublisherEntry
from .publishers import publisher_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChanges:
    """The changes that a release made.

    If a client has several hosts, only the hosts that differ count: a client that gets its second host counts as added.

    Attributes:
        added, changed, removed: the clients' names, sorted; their ids if `is_named` is False.
        resealed: the names of clients that are only known to have been sealed again, under another note key: their values may differ.
        is_named: False if the note key has been replaced since. Then names cannot be read, and publishers cannot be told from clients.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    resealed: tuple[str, ...] = ()
    is_named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One release.

    Attributes:
        release: its head.
        changes: its changes; None if the server does not hold these any more.
        is_rollback: whether it took releases back, as far as its changes are known.
        back_to: the release that a rollback went back to; None if the server does not hold that one any more.
    """

    release: SignedHead
    changes: ReleaseChanges | None
    is_rollback: bool = False
    back_to: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The newest releases, the newest first, and the publishers that these and the newest one have, by their publisher keys."""

    events: tuple[Event, ...]
    publishers: Mapping[bytes, PublisherEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rollback:
    """A rollback whose goal is not found yet.

    Attributes:
        held: the release that it made.
        reused: the entries that came back.
        dropped: the ids that were dropped.
    """

    held: Held
    reused: tuple[Entry, ...]
    dropped: tuple[bytes, ...]

    async def is_back_at(self, base: Base, earlier: Held) -> bool:
        """Return whether the rollback went back to a release: every client had then what it has after the rollback."""
        for entry in self.reused:
            then = earlier.listing.get(entry.id)
            if then is None or (then.since, then.sha256) != (entry.since, entry.sha256):
                return False
        if any(client_id in earlier.listing for client_id in self.dropped):
            return False
        try:
            return (await find_difference(base, earlier, self.held)).is_empty
        except EarlierNoteKeyError:
            return False

    @classmethod
    def between(cls, before: Held, after: Held) -> _Rollback:
        """Return what a release brought back, if it was one."""
        pairs = list(differences(before.listing, after.listing))
        return cls(
            held=after,
            reused=tuple(new for _, new in pairs if new is not None and new.since < after.serial),
            dropped=tuple(old.id for old, new in pairs if old is not None and new is None),
        )

    @property
    def oldest(self) -> int:
        """The serial of the oldest release that it can have gone back to."""
        return max((entry.since for entry in self.reused), default=1)


async def history(base: Base, *, limit: int) -> History:
    """Return the newest releases. In memory are at most two of them, and each rollback whose goal is not found yet.

    Args:
        base: the base, which has the newest release.
        limit: the highest number of releases to return.

    Raises:
        NoReleaseError: the coffer has no release.
        What `Reader.history` and `Reader.entries` raise, except Error `limit`: then the server does not hold older releases.
    """
    newest = base.existing()
    publishers = {entry.key.sign: entry for entry in await publisher_entries(base)}
    chain = (await base.reader.history(1))[::-1]
    found: list[Event] = []
    rollbacks: dict[int, _Rollback] = {}
    after: Held | None = Held(release=newest, listing=base.listing)
    for number, release in enumerate(chain):
        if number >= limit and not rollbacks:
            break
        previous = chain[number + 1] if number + 1 < len(chain) else None
        before = None if after is None else await _held_before(base, previous, release)
        if before is not None and previous is not None:
            for place, rollback in tuple(rollbacks.items()):
                if await rollback.is_back_at(base, before):
                    found[place] = replace(found[place], back_to=before.serial)
                    del rollbacks[place]
                elif before.serial <= rollback.oldest:
                    del rollbacks[place]
        if number < limit:
            event = Event(release=release, changes=None)
            if before is not None and after is not None:
                event, known = await _event(base, before, after)
                publishers = known | publishers
                if event.is_rollback:
                    rollbacks[number] = _Rollback.between(before, after)
            found.append(event)
        after = before
    return History(events=tuple(found), publishers=publishers)


async def _held_before(base: Base, release: SignedHead | None, follower: SignedHead) -> Held | None:
    """Return the release before `follower`, with its entries. It is empty before the first release, and None if the server lacks it."""
    if release is None:
        # This is also right after a lost database, when a coffer begins again: the first release of the server added everything in it.
        return Held(release=follower, listing=Listing())
    try:
        return Held(release=release, listing=await base.reader.entries(release))
    except ServerError as error:
        if error.code != "limit":
            raise
        return None


async def _event(base: Base, before: Held, after: Held) -> tuple[Event, dict[bytes, PublisherEntry]]:
    """Return what a release changed, and the publishers whose entries it changed."""
    back = _Rollback.between(before, after)
    try:
        difference = await find_difference(base, before, after)
    except EarlierNoteKeyError:
        gone, made = zip(*differences(before.listing, after.listing), strict=True)
        old, new = _ids(gone), _ids(made)
        changes = ReleaseChanges(
            added=tuple(sorted(new - old)), changed=tuple(sorted(new & old)), removed=tuple(sorted(old - new)), is_named=False
        )
        return Event(release=after.release, changes=changes, is_rollback=bool(back.reused)), {}
    kinds: dict[ChangeKind, list[str]] = {}
    for change in difference.comparison().changes():
        kinds.setdefault(ChangeKind.UNCHANGED if change.is_unknown else change.change, []).append(change.client)
    added, changed, removed, resealed = (
        tuple(sorted(kinds.get(kind, ()))) for kind in (ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.REMOVED, ChangeKind.UNCHANGED)
    )
    changes = ReleaseChanges(added=added, changed=changed, removed=removed, resealed=resealed, is_named=True)
    # Only a rollback gives a client a blob that is older than the release. One that only removes clients seals its publisher's entry
    # again, and no shard.
    own = {client_id for client_id, entry in difference.publishers.items() if entry.key.sign == after.release.head.publisher}
    is_removal = bool(removed) and not added and not changed and not resealed and bool(own & before.listing.keys() & after.listing.keys())
    is_rollback = is_removal or any(entry.id not in difference.publishers for entry in back.reused)
    event = Event(release=after.release, changes=changes, is_rollback=is_rollback)
    return event, {entry.key.sign: entry for entry in difference.publishers.values()}


def _ids(entries: Iterable[Entry | None]) -> set[str]:
    return {format_id(entry.id) for entry in entries if entry is not None}

"""The history of a coffer, release by release. The server keeps heads for ever, but entries and notes only for some time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from coffer_protocol.errors import ServerError
from coffer_protocol.identity import format_id
from coffer_protocol.message import Entry
from coffer_protocol.release.head import SignedHead

from ..errors import EarlierNoteKeyError
from .commit import Base
from .diff import Held, find_difference
from .listing import Listing, differences


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChanges:
    """The changes that a release made.

    If a client has several hosts, only the hosts whose blobs differ count: a client that gets its second host counts as added.

    Attributes:
        added, changed, removed: the clients' names, sorted; their ids if `is_named` is False.
        is_named: whether names can be read. They cannot if the note key was replaced since, and then publishers count as clients.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    is_named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One release: its head and its changes; None for changes that the server does not hold any more."""

    release: SignedHead
    changes: ReleaseChanges | None


async def events(base: Base, *, limit: int) -> AsyncIterator[Event]:
    """Yield the newest releases, the newest first. At most two of them are in memory.

    Args:
        base: the base, which has the newest release.
        limit: the highest number of releases to yield.

    Raises:
        NoReleaseError: the coffer has no release.
        What `Reader.history` and `Reader.entries` raise, except Error `limit`: then the server does not hold older releases.
    """
    newest = base.existing()
    # One more, to compare the last one with.
    chain = (await base.reader.history(1))[::-1][: limit + 1]
    after: Held | None = Held(release=newest, listing=base.listing)
    for number, release in enumerate(chain[:limit]):
        before = None
        if after is not None:
            before = await _held_before(base, chain[number + 1] if number + 1 < len(chain) else None, release)
        yield Event(release=release, changes=await _changes(base, before, after) if before and after else None)
        after = before


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


async def _changes(base: Base, before: Held, after: Held) -> ReleaseChanges:
    try:
        difference = await find_difference(base, before, after)
        old, new = ({note.client for note in notes.values()} for notes in (difference.before, difference.after))
        is_named = True
    except EarlierNoteKeyError:
        gone, made = zip(*differences(before.listing, after.listing), strict=True)
        old, new = _ids(gone), _ids(made)
        is_named = False
    return ReleaseChanges(
        added=tuple(sorted(new - old)),
        changed=tuple(sorted(new & old)),
        removed=tuple(sorted(old - new)),
        is_named=is_named,
    )


def _ids(entries: Iterable[Entry | None]) -> set[str]:
    return {format_id(entry.id) for entry in entries if entry is not None}

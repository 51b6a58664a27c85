"""Publishes an old release again: a new release made of old blobs. Nobody needs their plaintext for that (docs/protocol.md, 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from coffer_protocol.errors import NoteError

from ..errors import NothingToTakeBackError
from .commit import Base, Draft
from .diff import Held, ReleaseDifference, compare, find_difference, held
from .publisher_entry import PublisherEntry, publishers_among


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """The return of every client to the secrets that it had in an earlier release.

    Publishers stay as they are: a retired one does not come back, and one that was added stays.

    Attributes:
        serial: the release to go back to.
        lifetime_s: how many seconds the new release is valid; None for the lifetime of the newest release, or with `is_forever`.
        is_forever: whether the new release never expires.
    """

    serial: int
    lifetime_s: int | None = None
    is_forever: bool = False

    async def draft(self, base: Base) -> Draft:
        """Return the draft, as a `commit.Drafting`.

        Raises:
            NothingToTakeBackError, NoReleaseError: there is no earlier release of that serial.
            ServerError: its code is `limit`: the server does not hold the blobs any more.
            EarlierNoteKeyError: the release was made under a note key that has been replaced since.
        """
        newest = base.existing()
        if self.serial == newest.head.serial:
            raise NothingToTakeBackError(f"release {self.serial} is the newest: name an earlier one (coffer-companion history lists them)")
        now = Held(release=newest, listing=base.listing)
        then = await held(base.reader, self.serial)
        difference = await find_difference(base, now, then)
        plan = await compare(base, then, difference)
        is_change = bool(difference.gone or difference.made)
        return Draft(
            plan=replace(plan, serial=base.serial, remarks=(*base.remarks, *_earlier(base, difference))),
            drop=difference.dropped,
            reuse=difference.made,
            # Old blobs keep their old serial. This publisher's own shard is sealed again, so that `adoption` can tell that all clients
            # must fetch.
            put=((await own_entry(base)).wanted(base.note_keys),) if is_change else (),
            note_keys=base.note_keys,
            lifetime_s=None if self.is_forever else self.lifetime_s or base.lifetime_s(),
        )


def _earlier(base: Base, difference: ReleaseDifference) -> tuple[str, ...]:
    """Return a remark if entries come back that were made under an earlier note key."""
    count = sum(not base.note_keys.is_current(entry.since) for entry in difference.made)
    if not count:
        return ()
    return (f"{count} entries come back from under an earlier note key, maybe a retired publisher's: the next upload seals them again",)


async def own_entry(base: Base) -> PublisherEntry:
    """Return the entry of this publisher in the newest release.

    Raises:
        NoteError: the entry's note does not open, or says that it is a client.
    """
    own = base.listing[base.target.identity.id()]
    notes = await base.reader.notes(base.existing().head.serial, [own], base.note_keys)
    try:
        return publishers_among(notes)[own.id]
    except KeyError:
        raise NoteError("the note of this publisher's own entry says that it is a client") from None

"""Taking a release back: a new release made of old blobs, whose plaintext nobody needs to have (docs/protocol.md, 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from coffer_protocol.errors import NoteError

from ..errors import NothingToTakeBackError
from .commit import Base, Draft
from .diff import Held, ReleaseDifference, compare, find_difference, held
from .publisher_entry import PublisherEntry, publishers_among


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """A way back to what every client had in an earlier release.

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
        """What is to change. A `commit.Drafting`.

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
            # Blobs that come back are older than the release that brings them. This one is not, so `adoption` knows of the way back.
            put=((await own_standing(base)).wanted(base.note_keys),) if is_change else (),
            note_keys=base.note_keys,
            lifetime_s=None if self.is_forever else self.lifetime_s or base.lifetime_s(),
        )


def _earlier(base: Base, difference: ReleaseDifference) -> tuple[str, ...]:
    """Return what is to be said of entries that come back from under an earlier note key."""
    count = sum(not base.note_keys.is_current(entry.since) for entry in difference.made)
    if not count:
        return ()
    return (f"{count} entries come back as a publisher made them that may have been retired since: the next upload seals them again",)


async def own_standing(base: Base) -> PublisherEntry:
    """Return the publisher at work as it is in the newest release.

    Raises:
        NoteError: its note does not open, or says that it is a client.
    """
    own = base.listing[base.target.identity.id()]
    notes = await base.reader.notes(base.existing().head.serial, [own], base.note_keys)
    try:
        return publishers_among(notes)[own.id]
    except KeyError:
        raise NoteError("the note of this publisher's own entry says that it is a client") from None

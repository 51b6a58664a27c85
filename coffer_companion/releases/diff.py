"""What differs between two releases, as their entries and notes tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from coffer_protocol.errors import NoteError
from coffer_protocol.message import Entry
from coffer_protocol.release.head import SignedHead
from coffer_protocol.release.notes import Note, NoteKey

from ..errors import EarlierNoteKeyError
from .commit import Base
from .key_diff import Comparison
from .listing import Listing, differences
from .plan import Plan
from .reader import Reader, in_batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A release, and its entries as the server holds them."""

    release: SignedHead
    listing: Listing

    @property
    def serial(self) -> int:
        """The release's."""
        return self.release.head.serial


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDifference:
    """The clients whose blobs differ between two releases; publishers are left out.

    Attributes:
        gone: the entries that the earlier one has, and the later one has not as they are.
        made: the entries that the later one has, and the earlier one had not as they are.
    """

    gone: tuple[Entry, ...]
    made: tuple[Entry, ...]

    @property
    def dropped(self) -> tuple[bytes, ...]:
        """The ids that the later release has not."""
        stays = {entry.id for entry in self.made}
        return tuple(entry.id for entry in self.gone if entry.id not in stays)

    @property
    def is_same_ids(self) -> bool:
        """Whether no id came or went."""
        return [entry.id for entry in self.gone] == [entry.id for entry in self.made]


def find_difference(base: Base, before: Listing, after: Listing) -> ReleaseDifference:
    """Where two listings of a coffer differ, but for publishers."""
    gone, made = [], []
    for old, new in differences(before, after):
        if any(entry is not None and base.is_publisher(entry) for entry in (old, new)):
            continue
        if old is not None:
            gone.append(old)
        if new is not None:
            made.append(new)
    return ReleaseDifference(gone=tuple(gone), made=tuple(made))


async def held(reader: Reader, serial: int) -> Held:
    """A release by its serial, with its entries. Raises what `Reader.release_at` and `Reader.entries` raise."""
    release = await reader.release_at(serial)
    return Held(release=release, listing=await reader.entries(release))


async def notes_of(reader: Reader, release: Held, entries: Sequence[Entry], note_key: NoteKey) -> dict[bytes, Note]:
    """The notes of some entries of a release, by id.

    Raises:
        EarlierNoteKeyError: a note cannot be opened with this note key.
        What `Reader.notes` raises.
    """
    try:
        return await reader.notes(release.serial, entries, note_key)
    except NoteError as error:
        raise EarlierNoteKeyError(
            f"release {release.serial}: {error}. Or the note key has been replaced since, when a publisher was retired: "
            "releases from before cannot be compared or taken back by the server's copy. Publish the definition of that "
            "time: coffer-companion upload FILE"
        ) from None


async def compare(base: Base, before: Held, after: Held, difference: ReleaseDifference) -> Plan:
    """The difference between two releases for people, as a plan that leads from one to the other.

    Raises:
        EarlierNoteKeyError: one of them was made under a note key that has been replaced since.
        What `Reader.notes` raises.
    """
    old = await notes_of(base.reader, before, difference.gone, base.note_key)
    new = await notes_of(base.reader, after, difference.made, base.note_key)
    staying = frozenset[str]()
    if not difference.is_same_ids:
        # An id that came or went may be one host of a client that has others, which only the notes of the others tell.
        staying = await _names_among(
            base, after, _untouched(after.listing, difference, base), {note.client for note in (*old.values(), *new.values())}
        )
    comparison = Comparison(before=old, after=new, staying=staying)
    unchanged = sum(1 for _ in _untouched(after.listing, difference, base))
    return Plan(coffer=base.target.coffer, serial=after.serial, clients=tuple(comparison.changes()), unchanged=unchanged)


def _untouched(listing: Listing, difference: ReleaseDifference, base: Base) -> Iterator[Entry]:
    """The entries of the clients that do not differ."""
    made = {entry.id for entry in difference.made}
    for entry in listing.values():
        if entry.id not in made and not base.is_publisher(entry):
            yield entry


async def _names_among(base: Base, release: Held, entries: Iterable[Entry], wanted: set[str]) -> frozenset[str]:
    """Those of the wanted names that the clients of these entries have. Nothing of the others is kept."""
    found = set()
    for batch in in_batches(entries):
        notes = await base.reader.notes(release.serial, batch, base.note_key)
        found |= {note.client for note in notes.values()} & wanted
    return frozenset(found)

"""Compares two releases by their entries and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coffer_protocol.errors import NoteError
from coffer_protocol.message import Entry
from coffer_protocol.release.head import SignedHead
from coffer_protocol.release.notes import ROLE_CLIENT, ROLE_PUBLISHER, Note, NoteKeys

from ..errors import EarlierNoteKeyError
from .commit import Base
from .key_diff import Comparison
from .listing import Listing, differences
from .plan import Plan
from .reader import Reader, in_batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A release, with its entries as the server holds them."""

    release: SignedHead
    listing: Listing

    @property
    def serial(self) -> int:
        """The serial of the release."""
        return self.release.head.serial


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDifference:
    """The clients whose blobs differ between two releases, without publishers.

    Attributes:
        gone: the entries that the earlier one has, and the later one does not have as they are.
        made: the entries that the later one has, and the earlier one did not have as they are.
        before: the notes of `gone`, by id.
        after: the notes of `made`, by id.
    """

    gone: tuple[Entry, ...]
    made: tuple[Entry, ...]
    before: Mapping[bytes, Note]
    after: Mapping[bytes, Note]

    @property
    def dropped(self) -> tuple[bytes, ...]:
        """The ids that the later release does not have."""
        stays = {entry.id for entry in self.made}
        return tuple(entry.id for entry in self.gone if entry.id not in stays)

    @property
    def is_same_ids(self) -> bool:
        """Whether no id was added or removed."""
        return [entry.id for entry in self.gone] == [entry.id for entry in self.made]


async def held(reader: Reader, serial: int) -> Held:
    """Return a release by its serial, with its entries. Raises what `Reader.release_at` and `Reader.entries` raise."""
    release = await reader.release_at(serial)
    return Held(release=release, listing=await reader.entries(release))


async def notes_of(reader: Reader, release: Held, entries: Sequence[Entry], note_keys: NoteKeys) -> dict[bytes, Note]:
    """Return the notes of some entries of a release, by id.

    Raises:
        EarlierNoteKeyError: a note of an older release cannot be opened with these note keys.
        What `Reader.notes` raises.
    """
    try:
        return await reader.notes(release.serial, entries, note_keys)
    except NoteError as error:
        newest = await reader.newest() if reader.loss is None else release.release
        if release.serial == newest.head.serial:
            raise
        raise EarlierNoteKeyError(
            f"release {release.serial}: {error}. Or the note key has been replaced since, and this publisher does not have that one: the "
            "release cannot be compared or taken back by the server's copy",
            hint="publish the definition of that time: coffer-companion upload FILE",
        ) from None


async def find_difference(base: Base, before: Held, after: Held) -> ReleaseDifference:
    """Return where two releases of a coffer differ, except for publishers. What an entry is, its note says.

    Raises:
        EarlierNoteKeyError: one of them was made under a note key that this publisher does not have.
        What `Reader.notes` raises.
    """
    gone, made = [], []
    for old, new in differences(before.listing, after.listing):
        if old is not None:
            gone.append(old)
        if new is not None:
            made.append(new)
    old_notes = await notes_of(base.reader, before, gone, base.note_keys)
    new_notes = await notes_of(base.reader, after, made, base.note_keys)
    publishers = {id_ for notes in (old_notes, new_notes) for id_, note in notes.items() if note.role == ROLE_PUBLISHER}
    return ReleaseDifference(
        gone=tuple(entry for entry in gone if entry.id not in publishers),
        made=tuple(entry for entry in made if entry.id not in publishers),
        before={id_: note for id_, note in old_notes.items() if id_ not in publishers},
        after={id_: note for id_, note in new_notes.items() if id_ not in publishers},
    )


async def compare(base: Base, after: Held, difference: ReleaseDifference) -> Plan:
    """Return the difference between two releases for people, as a plan that leads from one to the other, `after`.

    Raises:
        EarlierNoteKeyError: it was made under a note key that this publisher does not have.
        What `Reader.notes` raises.
    """
    made = {entry.id for entry in difference.made}
    names: dict[str, int] = {}
    for batch in in_batches(entry for entry in after.listing.values() if entry.id not in made):
        for note in (await notes_of(base.reader, after, batch, base.note_keys)).values():
            if note.role == ROLE_CLIENT:
                names[note.client] = names.get(note.client, 0) + 1
    # An id that came or went may be one host of a client that has others, which only the notes of the others tell.
    touched = {note.client for note in (*difference.before.values(), *difference.after.values())}
    staying = frozenset[str]() if difference.is_same_ids else frozenset(names.keys() & touched)
    comparison = Comparison(before=difference.before, after=difference.after, staying=staying)
    return Plan(coffer=base.target.coffer, serial=after.serial, clients=tuple(comparison.changes()), unchanged=sum(names.values()))

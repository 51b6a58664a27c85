"""Compares two releases by their entries and notes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from coffer_protocol.errors import NoteError
from coffer_protocol.message import Entry
from coffer_protocol.release.head import SignedHead
from coffer_protocol.release.notes import ROLE_CLIENT, ROLE_PUBLISHER, Note, NoteKeys

from ..errors import EarlierNoteKeyError
from .commit import Base
from .key_diff import Comparison, fingerprint_change
from .listing import Listing, differences
from .plan import Plan
from .publisher_entry import PublisherEntry, publishers_among
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
    """The clients that differ between two releases, without publishers. A blob that was only sealed again is no difference.

    Attributes:
        gone: the entries of the earlier release that the later one does not have, or has with other keys or values.
        made: the entries of the later release that the earlier one does not have, or has with other keys or values.
        before: the notes of `gone`, by id.
        after: the notes of `made`, by id.
        incomparable: the ids in both whose notes are under different note keys, so that their values cannot be compared.
    """

    gone: tuple[Entry, ...]
    made: tuple[Entry, ...]
    before: Mapping[bytes, Note]
    after: Mapping[bytes, Note]
    incomparable: frozenset[bytes] = frozenset()
    publishers: Mapping[bytes, PublisherEntry] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the two releases give every client the same."""
        return not self.gone and not self.made

    @property
    def dropped(self) -> tuple[bytes, ...]:
        """The ids that the later release does not have."""
        stays = {entry.id for entry in self.made}
        return tuple(entry.id for entry in self.gone if entry.id not in stays)

    def comparison(self, staying: Collection[str] = ()) -> Comparison:
        """Return the same by clients and keys. `staying` are the clients that have another key, which does not differ."""
        return Comparison(
            before=self.before,
            after=self.after,
            staying=staying,
            incomparable=self.incomparable,
            remarks={
                note.client: remark
                for client_id, note in self.after.items()
                if (remark := fingerprint_change(self.before.get(client_id), note.fingerprint))
            },
        )


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
            f"release {release.serial} cannot be compared or rolled back to: {error}; or it was made under an earlier note key, which this "
            "publisher does not have",
            hint="publish the definition of that time: coffer-companion upload FILE",
        ) from None


async def find_difference(base: Base, before: Held, after: Held) -> ReleaseDifference:
    """Return the difference between two releases of a coffer. The entries of publishers, which their notes tell, are left out.

    Raises:
        EarlierNoteKeyError: one of the releases was made under a note key that this publisher does not have.
        What `Reader.notes` raises.
    """
    pairs = list(differences(before.listing, after.listing))
    gone = [old for old, _ in pairs if old is not None]
    made = [new for _, new in pairs if new is not None]
    old_notes = await notes_of(base.reader, before, gone, base.note_keys)
    new_notes = await notes_of(base.reader, after, made, base.note_keys)
    # The ids of publishers, and of clients whose keys and values are the same in both.
    left_out = {id_ for notes in (old_notes, new_notes) for id_, note in notes.items() if note.role == ROLE_PUBLISHER}
    incomparable = set()
    for old, new in pairs:
        if old is None or new is None:
            continue
        # Two hashes can be compared only if they are made with one note key.
        if base.note_keys.of(old.since) != base.note_keys.of(new.since):
            incomparable.add(new.id)
        elif _says(old_notes[old.id]) == _says(new_notes[new.id]):
            left_out.add(new.id)
    return ReleaseDifference(
        gone=tuple(entry for entry in gone if entry.id not in left_out),
        made=tuple(entry for entry in made if entry.id not in left_out),
        before={id_: note for id_, note in old_notes.items() if id_ not in left_out},
        after={id_: note for id_, note in new_notes.items() if id_ not in left_out},
        incomparable=frozenset(incomparable - left_out),
        publishers=publishers_among({**old_notes, **new_notes}),
    )


def _says(note: Note) -> Note:
    """Return a note without the fingerprint of the client's predecessor, which a note has only once."""
    return replace(note, after=None)


async def compare(base: Base, after: Held, difference: ReleaseDifference) -> Plan:
    """Return the difference between two releases for people, as a plan that leads to the release `after`.

    Raises:
        EarlierNoteKeyError: `after` was made under a note key that this publisher does not have.
        What `Reader.notes` raises.
    """
    made = {entry.id for entry in difference.made}
    names = set[str]()
    for batch in in_batches(entry for entry in after.listing.values() if entry.id not in made):
        notes = await notes_of(base.reader, after, batch, base.note_keys)
        names |= {note.client for note in notes.values() if note.role == ROLE_CLIENT}
    # An added or removed id may belong to a client that has other hosts. Only the notes of those hosts tell.
    touched = {note.client for note in (*difference.before.values(), *difference.after.values())}
    changes = tuple(difference.comparison(names & touched).changes())
    return Plan(coffer=base.target.coffer, serial=after.serial, clients=changes, unchanged=len(names - touched))

"""Publishes a definition: drafts what changes in a coffer's newest release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from coffer_protocol.identity import format_id
from coffer_protocol.release.head import is_ending
from coffer_protocol.release.notes import Note, NoteKeys

from ..errors import UnknownEntryError
from .commit import Base, Draft
from .diff import Held, notes_of
from .plan import Plan, Revert
from .publisher_entry import PublisherEntry, publishers_among
from .reverts import find_reverts
from .shards import DefinitionDifference, Wanted, client_changes, entries_that_hold, find_difference, holds, publisher_as_client


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    """The comparison of a definition with a release.

    Attributes:
        difference: the clients that differ.
        notes: the notes of the release's entries that differ, by id, without those that do not open.
        publishers: the publishers among these entries, by id.
        unread: the ids of the entries whose notes do not open.
    """

    difference: DefinitionDifference
    notes: Mapping[bytes, Note]
    publishers: Mapping[bytes, PublisherEntry]
    unread: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The content to publish.

    Attributes:
        wanted: the result of `shards.wanted_shards`.
        public: for each client's name, the keys whose values are not secret.
        lifetime_s: the lifetime of the release in seconds; None if it never expires.
        renew: whether to make a release even if no shard changes, to set its expiry again.
        drop: with `reseal`, the ids of entries to drop whose notes do not open.
        reseal: whether to seal every shard again, also over entries whose notes do not open.
    """

    wanted: Mapping[bytes, Wanted]
    public: Mapping[str, frozenset[str]]
    lifetime_s: int | None
    renew: bool = False
    reseal: bool = False
    drop: frozenset[bytes] = frozenset()

    async def draft(self, base: Base) -> Draft:
        """Return the draft that brings the newest release to the definition, as a `commit.Drafting`. Raises what `commit.make` raises."""
        if base.is_restart:
            return await self._draft_restart(base)
        found = await self._compared(base, _newest(base), base.note_keys)
        tree = dict(found.publishers)
        put = list(found.difference.put)
        if base.target.identity.id() not in base.listing:
            own = PublisherEntry(name="", key=base.target.identity.public())
            tree[own.key.id] = own
            put.append(own.wanted(base.note_keys))
        # If the server has changed a publisher's shard, that publisher cannot read the note key until it is sealed again.
        put += [
            item
            for client_id, item in ((id_, entry.wanted(base.note_keys)) for id_, entry in found.publishers.items())
            if self.reseal or not holds(base.listing[client_id], item, base.target.coffer, base.note_keys)
        ]
        plan = self._plan(base, found, _newest(base), is_change=bool(put or found.difference.gone))
        return Draft(
            plan=replace(plan, reverts=await self._reverts(base, found)),
            drop=found.difference.gone,
            put=tuple(put),
            note_keys=base.note_keys,
            lifetime_s=self.lifetime_s,
            tree=tuple(tree.values()),
        )

    async def compare(self, base: Base, release: Held) -> Plan:
        """Return the changes that lead from a release to the definition, for people.

        Raises:
            EarlierNoteKeyError: the release was made under a note key that this publisher does not have.
            What `Reader.notes` raises.
        """
        found = await self._compared(base, release, base.note_keys)
        plan = self._plan(base, found, release, is_change=bool(found.difference.put or found.difference.gone))
        # How a shard is sealed is no difference between that release and the definition.
        return replace(plan, resealed=0)

    async def draft_resealed(
        self, base: Base, others: tuple[PublisherEntry, ...], publishers: frozenset[bytes], note_keys: NoteKeys
    ) -> Draft:
        """Return a draft for the same content under a new note key: every shard is sent again.

        Args:
            base: the base of the release.
            others: the publishers that stay, this one too.
            publishers: the keys that the release names.
            note_keys: the note keys with the new one.
        """
        release = _newest(base)
        found = await self._compared(base, release, base.note_keys)
        stays = {entry.key.id for entry in others}
        retired = tuple(client_id for client_id in found.publishers if client_id not in stays)
        return Draft(
            plan=replace(self._plan(base, found, release, is_change=True), reverts=await self._reverts(base, found)),
            drop=tuple(sorted((*found.difference.gone, *retired))),
            put=(*self.wanted.values(), *(entry.wanted(note_keys) for entry in others)),
            note_keys=note_keys,
            publishers=publishers,
            lifetime_s=self.lifetime_s,
            tree=others,
        )

    async def _draft_restart(self, base: Base) -> Draft:
        """Return the draft for a history that begins again: every shard is sealed again, and every publisher is named."""
        release = None if not base.listing else _newest(base)
        # What another history has noted under keys that this publisher does not have must not keep it from beginning again.
        found = await self._compared(base, release, base.note_keys, must_open=False)
        others = {
            client_id: entry
            for client_id, entry in (_remembered_publishers(base) | dict(found.publishers)).items()
            if entry.key.sign in base.publishers
        }
        retired = [client_id for client_id in found.publishers if client_id not in others]
        is_kept = release is not None or base.reader.kept_note_keys() is not None
        note_keys = base.note_keys.replaced(base.serial) if is_kept else base.note_keys
        return Draft(
            plan=self._plan(base, found, release, is_change=True),
            drop=tuple(sorted((*found.difference.gone, *retired))),
            put=(*self.wanted.values(), *(entry.wanted(note_keys) for entry in others.values())),
            note_keys=note_keys,
            publishers=base.publishers,
            lifetime_s=self.lifetime_s,
            tree=tuple(others.values()),
        )

    async def _compared(self, base: Base, release: Held | None, note_keys: NoteKeys, *, must_open: bool = True) -> _Comparison:
        if (item := self.wanted.get(base.target.identity.id())) is not None:
            raise publisher_as_client(item)
        if release is None:
            return _Comparison(difference=find_difference(self.wanted, (), (), ()), notes={}, publishers={}, unread=())
        same = frozenset[bytes]()
        if not self.reseal:
            same = entries_that_hold(self.wanted, release.listing, coffer=base.target.coffer, note_keys=note_keys)
        entries = [entry for entry in release.listing.values() if entry.id not in same]
        if self.reseal or not must_open:
            notes = await base.reader.notes_that_open(release.serial, entries, note_keys)
        else:
            notes = await notes_of(base.reader, release, entries, note_keys)
        publishers = dict(publishers_among(notes))
        if len(notes) < len(entries):
            # The notes of these publishers are lost, and this publisher remembers them.
            lost = {entry.id for entry in entries} - notes.keys()
            publishers |= {client_id: entry for client_id, entry in _remembered_publishers(base).items() if client_id in lost}
        # An entry is replaced if the definition has it. It is dropped only if its note opens and says that it is a client.
        others = [entry.id for entry in entries if entry.id in notes]
        told = notes.keys() | publishers.keys() | self.wanted.keys()
        unread = tuple(entry.id for entry in entries if entry.id not in told)
        if unknown := self.drop.difference(unread):
            raise UnknownEntryError(
                f"{', '.join(map(format_id, sorted(unknown)))}: not the id of an entry that the definition does not have and whose note "
                "does not open: nothing was changed"
            )
        difference = find_difference(self.wanted, same, others, publishers)
        return _Comparison(
            difference=replace(difference, gone=tuple(sorted((*difference.gone, *self.drop)))),
            notes={client_id: note for client_id, note in notes.items() if client_id not in publishers},
            publishers=publishers,
            unread=tuple(id_ for id_ in unread if id_ not in self.drop),
        )

    async def _reverts(self, base: Base, found: _Comparison) -> tuple[Revert, ...]:
        if base.release is None:
            return ()
        return await find_reverts(base, put=found.difference.put, gone=found.difference.gone, notes=found.notes)

    def _plan(self, base: Base, found: _Comparison, release: Held | None, *, is_change: bool) -> Plan:
        changes = client_changes(
            found.difference,
            self.wanted,
            base.listing if release is None else release.listing,
            coffer=base.target.coffer,
            public=self.public,
            notes=found.notes,
            note_keys=base.note_keys,
        )
        resealed = sum(change.is_resealed for change in changes)
        remarks = list(base.remarks)
        remarks += [
            f"entry {format_id(client_id)} stays although the definition does not have it, for its note does not open: --drop ID drops it"
            for client_id in found.unread
        ]
        return Plan(
            coffer=base.target.coffer,
            serial=base.serial,
            clients=tuple(change for change in changes if not change.is_resealed),
            unchanged=found.difference.unchanged + resealed,
            resealed=resealed,
            is_renewal=not is_change and self._is_renewal(base),
            remarks=tuple(remarks),
        )

    def _is_renewal(self, base: Base) -> bool:
        """Return whether a new release is needed only to change the expiry."""
        if base.release is None:
            return False
        expires = base.release.head.expires
        # A second release within one second renews nothing, and the server would refuse it.
        if expires == (None if self.lifetime_s is None else int(base.now) + self.lifetime_s):
            return False
        # Once clients warn of the expiry, every upload renews.
        return self.renew or is_ending(issued=base.release.head.issued, expires=expires, now=base.now)


def _remembered_publishers(base: Base) -> dict[bytes, PublisherEntry]:
    """Return the publishers that this one remembers, by id, with itself."""
    own = PublisherEntry(name="", key=base.target.identity.public())
    return {own.key.id: own} | {entry.key.id: entry for entry in map(PublisherEntry.from_known, base.reader.state.tree)}


def _newest(base: Base) -> Held | None:
    return None if base.release is None else Held(release=base.release, listing=base.listing)

"""Publishing a definition: what it makes of a coffer's newest release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coffer_protocol.release.notes import NoteKey

from .commit import Base, Draft
from .diff import Held, notes_of
from .listing import Listing
from .plan import Plan
from .publisher_entry import PublisherEntry
from .shards import DefinitionDifference, Wanted, client_changes, find_difference, publisher_as_client

# Clients warn of an expiry this long before it, so an upload renews from then on.
RENEWAL_S: Final = 30 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is to be published.

    Attributes:
        wanted: from `compile.wanted_shards`.
        public: of each client's name, the keys that are no secret.
        lifetime_s: how long the release is good for, or None for ever.
        renew: whether to make a release though no shard changes, so that its expiry is set anew.
    """

    wanted: Mapping[bytes, Wanted]
    public: Mapping[str, frozenset[str]]
    lifetime_s: int | None
    renew: bool = False

    async def draft(self, base: Base) -> Draft:
        """What is to change for the definition to stand in the newest release. A `making.Drafting`; raises as that may."""
        difference = self._difference(base, base.listing)
        put = list(difference.put)
        if base.target.identity.id() not in base.listing:
            put.append(PublisherEntry(name="", key=base.target.identity.public()).wanted(base.note_key))
        return Draft(
            plan=await self._plan(base, difference, _newest(base)),
            drop=difference.gone,
            put=tuple(put),
            note_key=base.note_key,
            lifetime_s=self.lifetime_s,
        )

    async def compare(self, base: Base, release: Held) -> Plan:
        """What leads from a release to the definition, for people.

        Raises:
            EarlierNoteKeyError: the release was made under a note key that has been replaced since.
            What `Reader.notes` raises.
        """
        return await self._plan(base, self._difference(base, release.listing), release)

    def _difference(self, base: Base, listing: Listing) -> DefinitionDifference:
        if (item := self.wanted.get(base.target.identity.id())) is not None:
            raise publisher_as_client(item)
        return find_difference(self.wanted, listing, coffer=base.target.coffer, note_key=base.note_key, is_publisher=base.is_publisher)

    async def _plan(self, base: Base, difference: DefinitionDifference, release: Held | None) -> Plan:
        notes = {}
        if release is not None:
            noted = tuple(release.listing[client_id] for client_id in difference.noted)
            notes = await notes_of(base.reader, release, noted, base.note_key)
        changes = client_changes(
            difference, self.wanted, coffer=base.target.coffer, public=self.public, notes=notes, note_key=base.note_key
        )
        is_change = bool(difference.put or difference.gone)
        return Plan(
            coffer=base.target.coffer,
            serial=base.serial,
            clients=changes,
            unchanged=difference.unchanged,
            is_renewal=not is_change and self._is_renewal(base),
        )

    def _is_renewal(self, base: Base) -> bool:
        """Whether the release's expiry is a reason of its own to make a new one."""
        if base.release is None:
            return False
        expires = base.release.head.expires
        # Twice within one second is no renewal, and the server would refuse it.
        if expires == (None if self.lifetime_s is None else int(base.now) + self.lifetime_s):
            return False
        return self.renew or (expires is not None and expires - base.now < RENEWAL_S)

    async def draft_anew(self, base: Base, others: tuple[PublisherEntry, ...], publishers: frozenset[bytes], note_key: NoteKey) -> Draft:
        """The same under a new note key: every shard is sent again.

        Args:
            base: the newest release.
            others: the publishers that stay, with the one at work.
            publishers: the keys that the release is to name.
            note_key: the new one.
        """
        difference = self._difference(base, base.listing)
        stays = {standing.key.id for standing in others}
        gone = tuple(client_id for client_id in base.listing if client_id not in self.wanted and client_id not in stays)
        return Draft(
            plan=await self._plan(base, difference, _newest(base)),
            drop=gone,
            put=(*self.wanted.values(), *(standing.wanted(note_key) for standing in others)),
            note_key=note_key,
            publishers=publishers,
            lifetime_s=self.lifetime_s,
        )


def _newest(base: Base) -> Held | None:
    return None if base.release is None else Held(release=base.release, listing=base.listing)

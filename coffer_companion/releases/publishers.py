"""Who may publish a coffer: the keys that its releases name, and the publishers in its tree who hold the note key (docs/protocol.md, 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from coffer_protocol.identity import PublicKey, format_id

from ..errors import OwnKeyError, UnknownPublisherError
from .commit import Base, Draft
from .plan import Plan
from .publisher_entry import PublisherEntry, publishers_among, short_key
from .reader import in_batches
from .upload import Publication


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """A publisher that is trusted, or has an entry in the tree, or both.

    Attributes:
        sign: its publisher key, 32 bytes.
        standing: its entry in the tree; None if it was not given the note key.
        is_trusted: whether its releases are believed.
        is_own: whether this program runs with its identity.
    """

    sign: bytes
    standing: PublisherEntry | None
    is_trusted: bool
    is_own: bool

    @property
    def label(self) -> str:
        """What a person knows it by."""
        return short_key(self.sign) if self.standing is None else self.standing.label


async def publishers(base: Base) -> tuple[Publisher, ...]:
    """All of them, in the order of their labels."""
    own = base.target.identity.publisher_key()
    standings = {standing.key.sign: standing for standing in await standings_of(base)}
    found = [
        Publisher(sign=key, standing=standings.get(key), is_trusted=key in base.publishers, is_own=key == own)
        for key in base.publishers | standings.keys()
    ]
    return tuple(sorted(found, key=lambda publisher: (publisher.label, publisher.sign)))


async def standings_of(base: Base) -> tuple[PublisherEntry, ...]:
    """Return the publishers in the newest release's tree. What an entry is, its note says, so every note is asked for."""
    found: list[PublisherEntry] = []
    for batch in in_batches(base.listing.values()):
        found += publishers_among(await base.reader.notes(base.existing().head.serial, batch, base.note_keys)).values()
    return tuple(found)


def _plan(base: Base, standings: tuple[PublisherEntry, ...], remark: str) -> Plan:
    clients = len(base.listing) - len(standings)
    return Plan(coffer=base.target.coffer, serial=base.serial, clients=(), unchanged=clients, remarks=(*base.remarks, remark))


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """Letting another publisher in: the release names it, and hands it the note key."""

    key: PublicKey
    name: str

    async def draft(self, base: Base) -> Draft:
        """What is to change; nothing where the publisher is in already. A `commit.Drafting`.

        Raises:
            NoReleaseError: there is no release that could be followed.
            NoteError: a publisher's note cannot be read.
        """
        base.existing()
        standings = await standings_of(base)
        standing = PublisherEntry(name=self.name, key=self.key)
        is_in_tree = standing in standings
        is_named = self.key.sign in base.publishers
        return Draft(
            plan=_plan(base, standings, f"publisher {standing.label} is {'already in' if is_in_tree and is_named else 'added'}"),
            put=() if is_in_tree else (standing.wanted(base.note_keys),),
            note_keys=base.note_keys,
            publishers=None if is_named and is_in_tree else base.publishers | {self.key.sign},
            lifetime_s=base.lifetime_s(),
            tree=(*(other for other in standings if other.key.id != standing.key.id), standing),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """The retirement of a publisher: the release names the other publishers, and drops its shard.

    A retired publisher still knows the note key. With a copy of the server's database it could read the names in later notes, and try
    guesses at later values against their hashes. So the note key is replaced. Every shard must be sealed again for that, which needs the
    definition. Without a definition the note key does not change.

    Attributes:
        who: what `find_publisher` looks for.
        publication: what to seal under a new note key; None if the old one is kept.
        told: shown whom the search has found, before anything is changed.
    """

    who: str | PublicKey
    publication: Publication | None
    told: Callable[[Publisher], None]

    async def draft(self, base: Base) -> Draft:
        """What is to change. A `commit.Drafting`.

        Raises:
            UnknownPublisherError: there is no such publisher.
            OwnKeyError: it is the one at work.
            NoReleaseError: there is no release that could be followed.
            NoteError: a publisher's note cannot be read.
        """
        base.existing()
        retired = find_publisher(self.who, await publishers(base))
        if retired.is_own:
            raise OwnKeyError("a publisher does not retire itself: let another one do it, with its own identity (--identity)")
        self.told(retired)
        remark = f"publisher {retired.label} is retired"
        trusted = base.publishers - {retired.sign}
        standings = await standings_of(base)
        if self.publication is not None:
            others = tuple(standing for standing in standings if standing.key.sign != retired.sign)
            draft = await self.publication.draft_resealed(base, others, trusted, base.note_keys.replaced(base.serial))
            remark += ", and the note key is replaced: every shard is sealed again"
            return replace(draft, plan=replace(draft.plan, remarks=(*draft.plan.remarks, remark)))
        return Draft(
            plan=_plan(base, standings, f"{remark}; it still knows the note key"),
            drop=() if retired.standing is None else (retired.standing.key.id,),
            note_keys=base.note_keys,
            publishers=trusted,
            lifetime_s=base.lifetime_s(),
            tree=tuple(standing for standing in standings if standing.key.sign != retired.sign),
        )


def find_publisher(who: str | PublicKey, among: tuple[Publisher, ...]) -> Publisher:
    """The publisher with these keys, this name, or this publisher key (64 hex digits, or the first 16).

    Raises:
        UnknownPublisherError: no publisher matches, or more than one does.
    """
    if isinstance(who, PublicKey):
        found = [publisher for publisher in among if publisher.sign == who.sign]
    else:
        digits = who.upper()
        found = [
            publisher for publisher in among if who == publisher.label or digits in (short_key(publisher.sign), format_id(publisher.sign))
        ]
    if len(found) != 1:
        labels = ", ".join(publisher.label for publisher in among)
        shown = short_key(who.sign) if isinstance(who, PublicKey) else who
        raise UnknownPublisherError(f"{'no publisher is' if not found else 'more than one publisher is'} {shown!r}; there are {labels}")
    return found[0]

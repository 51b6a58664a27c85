"""Publishers of a coffer: the keys that its releases name, and the entries in its tree, which hold the note key (docs/protocol.md, 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from coffer_common.identifiers import Named, find
from coffer_protocol.identity import PublicKey

from ..errors import OwnKeyError, UnknownPublisherError
from .commit import Base, Draft
from .plan import Plan
from .publisher_entry import PublisherEntry, label_of, publishers_among
from .reader import in_batches
from .upload import Publication


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """A publisher that is trusted, or has an entry in the tree, or both.

    Attributes:
        sign: its publisher key, 32 bytes.
        entry: its entry in the tree; None if no publisher has given it the note key.
        is_trusted: whether clients accept its releases.
        is_own: whether it is the publisher that this program works as.
    """

    sign: bytes
    entry: PublisherEntry | None
    is_trusted: bool
    is_own: bool

    @property
    def label(self) -> str:
        """What people know it by."""
        return label_of(self.sign, {} if self.entry is None else {self.sign: self.entry})


async def publishers(base: Base) -> tuple[Publisher, ...]:
    """Return all publishers of a coffer, in the order of their labels."""
    own = base.target.identity.publisher_key()
    entries = {entry.key.sign: entry for entry in await publisher_entries(base)}
    found = [
        Publisher(sign=key, entry=entries.get(key), is_trusted=key in base.publishers, is_own=key == own)
        for key in base.publishers | entries.keys()
    ]
    return tuple(sorted(found, key=lambda publisher: (publisher.label, publisher.sign)))


async def publisher_entries(base: Base) -> tuple[PublisherEntry, ...]:
    """Return the publishers in the newest release's tree. Only the notes say which entries are publishers, so all notes are asked for."""
    found: list[PublisherEntry] = []
    for batch in in_batches(base.listing.values()):
        found += publishers_among(await base.reader.notes(base.existing().head.serial, batch, base.note_keys)).values()
    return tuple(found)


def _plan(base: Base, entries: tuple[PublisherEntry, ...], remark: str) -> Plan:
    clients = len(base.listing) - len(entries)
    return Plan(coffer=base.target.coffer, serial=base.serial, clients=(), unchanged=clients, remarks=(*base.remarks, remark))


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """The addition of a publisher: the release names it, and gives it the note key."""

    key: PublicKey
    name: str

    async def draft(self, base: Base) -> Draft:
        """Return the draft, as a `commit.Drafting`. It is empty if the coffer already has this publisher.

        Raises:
            NoReleaseError: the coffer has no release yet.
            NoteError: a publisher's note cannot be read.
        """
        base.existing()
        entries = await publisher_entries(base)
        entry = PublisherEntry(name=self.name, key=self.key)
        is_in_tree = entry in entries
        is_named = self.key.sign in base.publishers
        return Draft(
            plan=_plan(base, entries, f"publisher {entry.label} is {'already in' if is_in_tree and is_named else 'added'}"),
            put=() if is_in_tree else (entry.wanted(base.note_keys),),
            note_keys=base.note_keys,
            publishers=None if is_named and is_in_tree else base.publishers | {self.key.sign},
            lifetime_s=base.lifetime_s(),
            tree=(*(other for other in entries if other.key.id != entry.key.id), entry),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """The retirement of a publisher: the release names the other publishers, and drops its shard.

    A retired publisher still knows the note key. With a copy of the server's database it could read the names in later notes, and try
    guesses at later values against their hashes. So the note key is replaced. Every shard must be sealed again for that, which needs the
    definition. Without a definition the note key does not change.

    Attributes:
        who: the publisher, as `find_publisher` takes it.
        publication: the content to seal under a new note key; None if the old one is kept.
        told: called with the publisher that was found, before anything is changed.
    """

    who: str | PublicKey
    publication: Publication | None
    told: Callable[[Publisher], None]

    async def draft(self, base: Base) -> Draft:
        """Return the draft, as a `commit.Drafting`.

        Raises:
            UnknownPublisherError: there is no such publisher.
            OwnKeyError: the publisher is the one that this program works as.
            NoReleaseError: the coffer has no release yet.
            NoteError: a publisher's note cannot be read.
        """
        base.existing()
        retired = find_publisher(self.who, await publishers(base))
        if retired.is_own:
            raise OwnKeyError("a publisher cannot retire itself: let another publisher do it, with its own identity (--identity)")
        self.told(retired)
        remark = f"publisher {retired.label} is retired"
        trusted = base.publishers - {retired.sign}
        entries = await publisher_entries(base)
        if self.publication is not None:
            others = tuple(entry for entry in entries if entry.key.sign != retired.sign)
            draft = await self.publication.draft_resealed(base, others, trusted, base.note_keys.replaced(base.serial))
            remark += ", and the note key is replaced: every shard is sealed again"
            return replace(draft, plan=replace(draft.plan, remarks=(*draft.plan.remarks, remark)))
        return Draft(
            plan=_plan(base, entries, f"{remark}; it still knows the note key"),
            drop=() if retired.entry is None else (retired.entry.key.id,),
            note_keys=base.note_keys,
            publishers=trusted,
            lifetime_s=base.lifetime_s(),
            tree=tuple(entry for entry in entries if entry.key.sign != retired.sign),
        )


def find_publisher(who: str | PublicKey, among: tuple[Publisher, ...]) -> Publisher:
    """Return the publisher that somebody named: by its name, fingerprint, publisher key, id or text, or by the beginning of one.

    Raises:
        UnknownPublisherError: no publisher matches.
        AmbiguousError: more than one does.
    """
    found = find(who, map(_named, among))
    if found is None:
        shown = who.fingerprint_text() if isinstance(who, PublicKey) else who
        raise UnknownPublisherError(
            f"no publisher matches {shown!r}; the publishers are {', '.join(publisher.label for publisher in among)}"
        )
    return found


def _named(publisher: Publisher) -> Named[Publisher]:
    if publisher.entry is None:
        return Named(value=publisher, label=publisher.label, keys=(publisher.sign,))
    return Named.publisher(publisher, publisher.entry.name, publisher.entry.key)

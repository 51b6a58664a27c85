"""Make a release: open the coffer, check what the server shows, draft, send, sign and commit (docs/protocol.md, 7).

For whoever edits this module
=============================

The model
---------
    Base    what is there: the newest release and its entries, verified, with the note key and the trusted publishers
    Draft   what is to change: ids to drop, entries to reuse, shards to seal, and the plan that says the same to a person
    Head    what is signed: the root over *all* entries, those of the base that stay and those that the draft makes

A definition (`upload`), an older release (`rollback`) and a change of publishers (`publishers`) differ only in the function that makes a
draft of a base. This module does the rest, in the same order for all of them:

    Reader.open ---> Open/OkOpen ---> Base ---> drafting ---> Draft ---> approve      up to here the server is only asked
                                                                            |
    accept <--- OkCommit <--- Commit <--- remember <--- sign <--- Put, Reuse, Drop

Invariants
----------
1. Nothing is signed on the server's word. The listing in OkOpen counts only if its leaves give the root of a head that a trusted publisher
   signed and that follows what this publisher has seen.
2. A publisher never gives one serial to two releases. With two, the server could show different clients different releases. `make`
   therefore refuses when the server does not hold what was signed here before, and only a person can tell it to go on.
3. The publisher remembers what it signed, on the disk, before it sends Commit. From then on only the server knows what
   became of the release.
4. A release is committed whole or not at all. Up to Commit the server has changed nothing, so an upload may end at any point.
5. A draft names changes only; what it does not name stays. An empty draft is not sent.
6. The person approves what is sent: plan and messages come from the same draft, and `preview` makes that draft in the same way.
7. Changes go out in the order of their ids, and each shard is sealed when its turn comes. The companion holds one sealed blob in memory,
   whatever the size of the coffer; a `Listing` takes 96 bytes for an entry.
8. Marks and notes belong to publishers, and the server cannot make them. Each Put carries both, made under the note key of the draft.
9. One upload is open in one session. A question has no place after OkOpen (docs/protocol.md, 3), so a draft asks in a session of its own.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from coffer_protocol.crypto import primitives
from coffer_protocol.errors import MalformedMessageError, ServerError
from coffer_protocol.message import Commit, Drop, Entry, OkCommit, OkOpen, Open, Put, Reuse
from coffer_protocol.release import blob as blobs
from coffer_protocol.release import head as heads
from coffer_protocol.release.head import DEFAULT_LIFETIME_S, Head, SignedHead
from coffer_protocol.release.listing import leaf_hashes
from coffer_protocol.release.notes import NoteKey
from coffer_protocol.release.tree import Tree
from coffer_protocol.release.trust import Demand, Seen

from ..connection import Connection
from ..errors import LostReleaseError, NoReleaseError, PublishersDifferError
from ..target import Target
from .listing import Listing, read_listing_untrusted
from .plan import Plan
from .publisher_entry import is_publisher
from .reader import Reader, entered, entering
from .shards import Wanted

# Told of each message sent: how many of how many.
Progress = Callable[[int, int], None]
# Asked whether to go on with a plan; raises where not.
Approve = Callable[[Plan], None]
# Seconds since 1970.
Clock = Callable[[], float]

ChangeKind: TypeAlias = Put | Reuse | Drop


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a release is made from.

    Attributes:
        target: which coffer, and as whom.
        reader: asks the server for more, about a coffer that has a release.
        release: the newest release, or None before the first.
        listing: its entries.
        note_key: the coffer's; before the first release a new one.
        publishers: the keys trusted to sign the release that is made.
        serial: its serial.
        now: seconds since 1970.
    """

    target: Target
    reader: Reader
    release: SignedHead | None
    listing: Listing
    note_key: NoteKey
    publishers: frozenset[bytes]
    serial: int
    now: float

    def existing(self) -> SignedHead:
        """The newest release.

        Raises:
            NoReleaseError: there is none.
        """
        if self.release is None:
            raise NoReleaseError(f"the server holds no release of coffer {self.target.coffer!r}: `coffer-companion upload FILE` makes one")
        return self.release

    def is_publisher(self, entry: Entry) -> bool:
        """Return whether an entry is that of a publisher under the coffer's note key, and not that of a client."""
        return is_publisher(entry, coffer=self.target.coffer, note_key=self.note_key)

    def clients(self) -> tuple[Entry, ...]:
        """Return the entries of the newest release that are those of clients."""
        return tuple(entry for entry in self.listing.values() if not self.is_publisher(entry))

    def lifetime_s(self) -> int | None:
        """How long the newest release was made good for, in seconds; None for ever."""
        if self.release is None:
            return DEFAULT_LIFETIME_S
        head = self.release.head
        return None if head.expires is None else head.expires - head.issued


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a release is to change. What it does not name stays.

    Attributes:
        plan: the same for people.
        drop: the ids to remove.
        reuse: entries to set whose blobs the server holds.
        put: shards to seal and send.
        note_key: for the marks and notes of `put`.
        publishers: the keys trusted from the next release on, where the release is to name them.
        lifetime_s: how long it is to be good for, in seconds; None for ever.
    """

    plan: Plan
    drop: tuple[bytes, ...] = ()
    reuse: tuple[Entry, ...] = ()
    put: tuple[Wanted, ...] = ()
    note_key: NoteKey
    publishers: frozenset[bytes] | None = None
    lifetime_s: int | None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.drop or self.reuse or self.put or self.publishers is not None or self.plan.is_renewal)

    @property
    def size(self) -> int:
        """The number of its messages."""
        return len(self.drop) + len(self.reuse) + len(self.put)


# Makes a draft of a base; may ask its reader for what it needs.
Drafting = Callable[[Base], Awaitable[Draft]]


async def make(
    target: Target,
    drafting: Drafting,
    *,
    approve: Approve,
    progress: Progress = lambda done, total: None,
    now: Clock = time.time,
    restore: bool = False,
) -> SignedHead | None:
    """Make a release. Returns it, or None where there was nothing to change.

    A release is committed whole or not at all. Where none is returned nothing has changed, unless the connection was lost between
    Commit and its answer: then it is remembered as pending.

    Args:
        target: which coffer, and as whom.
        drafting: says what is to change.
        approve: shown the plan before anything is sent; raises to stop.
        progress: told of each message sent.
        now: the clock.
        restore: whether to go on where the server does not hold what was signed here before.

    Raises:
        LostReleaseError: it does not, and `restore` is not given.
        NotLetInError: this is not a publisher of this coffer.
        ServerError: by its code: `conflict`, another release came first; `denied`, a client belongs to another coffer.
        UnreachableError, ProtocolError: the connection.
        ReleaseError: what the server shows is not what it should be; nothing was signed.
        NoteKeyMissingError: this publisher was not handed the note key.
        PublishersDifferError: the draft names other publishers than the server's table.
        SettingsError: the publisher's memory is damaged.
    """
    async with entered(target) as connection:
        reader = await Reader.open(connection, target)
        with entering(target):
            answer = await connection.request(Open(coffer=target.coffer), OkOpen)
        if answer.signed is None:
            if not restore:
                _check_not_lost(target, reader, shown=0)
            draft = await drafting(base := _first(target, reader, now()))
            return await _carry_out(connection, base, draft, approve, progress)
        if reader.release is None or answer.signed != reader.release.signed:
            # A release came between the two answers, or the server is not of one mind: it must follow what is known, or is refused.
            reader.follow([*([] if reader.release is None else [reader.release.signed]), answer.signed])
        release, listing = read_listing_untrusted(answer.signed, answer.entries(), _exactly(await reader.newest()))
        if not restore:
            _check_not_lost(target, reader, shown=release.head.serial)
        # The table has no question behind OkOpen, so those that the draft has are asked in a session of their own.
        async with entered(target) as other:
            base = await _next(target, reader.over(other), release, listing, now())
            draft = await drafting(base)
        return await _carry_out(connection, base, draft, approve, progress)


async def preview(target: Target, drafting: Drafting, *, now: Clock = time.time) -> Plan:
    """The plan alone. Nothing is opened, so that nobody else is kept from uploading. Raises as `make`."""
    async with based(target, now=now) as base:
        return (await drafting(base)).plan


@asynccontextmanager
async def based(target: Target, *, now: Clock = time.time) -> AsyncIterator[Base]:
    """The base that a release would have now, to look at, over one session. Raises as `make`."""
    async with entered(target) as connection:
        reader = await Reader.open(connection, target)
        try:
            release = await reader.newest()
        except NoReleaseError:
            yield _first(target, reader, now())
            return
        # Its heads may be seen by clients too.
        with entering(target):
            listing = await reader.entries(release)
        yield await _next(target, reader, release, listing, now())


def _check_not_lost(target: Target, reader: Reader, *, shown: int) -> None:
    """Refuse to sign where that could give one serial to two releases, or leave clients out unseen.

    Args:
        target: which coffer.
        reader: what this publisher knows.
        shown: the serial of the newest release that the server shows, 0 for none.

    Raises:
        LostReleaseError: the server does not hold what was signed here before.
    """
    advice = "If it is known to have lost it, publish anew: coffer-companion upload --restore FILE"
    seen, pending = reader.seen, reader.pending
    if pending is not None and pending.serial > shown:
        raise LostReleaseError(
            f"release {pending.serial} of {target.coffer!r} was signed here and sent, the server has not said what became of it, and it "
            f"shows {f'release {shown}' if shown else 'none'} as the newest. Another release {pending.serial} would let it give either "
            f"one to whom it likes. {advice}"
        )
    if not shown and seen is not None and seen.signed_sha256 is not None:
        raise LostReleaseError(
            f"the server holds no release of {target.coffer!r}, and release {seen.serial} has been published: it lost its database, or "
            f"hides it. {advice}"
        )


def _exactly(release: SignedHead) -> Demand:
    """A demand that this release alone meets, or a later one."""
    head = release.head
    return Demand(coffer=head.coffer, publishers={head.publisher}, seen=Seen(serial=head.serial, signed_sha256=release.sha256))


def _first(target: Target, reader: Reader, now: float) -> Base:
    """A server without a release of this coffer: before the first, or after its database was lost."""
    return Base(
        target=target,
        reader=reader,
        release=None,
        listing=Listing(),
        note_key=NoteKey.generate(),
        publishers=reader.publishers,
        serial=1 if reader.seen is None else reader.seen.serial + 1,
        now=now,
    )


async def _next(target: Target, reader: Reader, release: SignedHead, listing: Listing, now: float) -> Base:
    return Base(
        target=target,
        reader=reader,
        release=release,
        listing=listing,
        note_key=await reader.note_key(listing),
        publishers=reader.publishers,
        serial=release.head.serial + 1,
        now=now,
    )


async def _carry_out(connection: Connection, base: Base, draft: Draft, approve: Approve, progress: Progress) -> SignedHead | None:
    """Show the plan, send what changes, each blob made when its turn comes, and commit."""
    approve(draft.plan)
    if draft.is_empty:
        return None
    made = Listing()
    for number, (change, entry) in enumerate(changes(draft, coffer=base.target.coffer, serial=base.serial), 1):
        await connection.send(change)
        if entry is not None:
            made.append(entry)
        progress(number, draft.size)
    head = _head(base, draft, made)
    signed = heads.sign(head, base.target.identity)
    # Once it is sent the server may keep it, whatever it answers: so this publisher remembers it first.
    base.reader.remember_pending(Seen(serial=head.serial, signed_sha256=primitives.sha256(signed)))
    try:
        answer = await connection.request(Commit(signed=signed), OkCommit)
    except ServerError as error:
        base.reader.remember_pending(None)
        if error.code == "denied" and draft.publishers is not None:
            raise PublishersDifferError(f"nothing was changed, for the server refused: {error.sentence}") from None
        raise
    if answer.serial != head.serial:
        raise MalformedMessageError(f"the server says it committed release {answer.serial}, and release {head.serial} was sent")
    release = SignedHead(head=head, signed=signed)
    base.reader.accept(release)
    return release


def changes(draft: Draft, *, coffer: str, serial: int) -> Iterator[tuple[ChangeKind, Entry | None]]:
    """The messages of a draft in the order of their ids, one by one, each with the entry that it makes: none is held but the one at hand.

    Raises:
        NoteError: a client has too many keys for its note.
    """
    work: list[tuple[bytes, bytes | Entry | Wanted]] = [(client_id, client_id) for client_id in draft.drop]
    work += [(entry.id, entry) for entry in draft.reuse]
    work += [(item.key.id, item) for item in draft.put]
    work.sort(key=lambda pair: pair[0])
    for client_id, what in work:
        match what:
            case bytes():
                yield Drop(id=client_id), None
            case Entry():
                yield Reuse(id=client_id, mark=what.mark, alg=what.alg, since=what.since, sha256=what.sha256), what
            case Wanted():
                yield _seal(what, coffer=coffer, since=serial, note_key=draft.note_key)


def _seal(item: Wanted, *, coffer: str, since: int, note_key: NoteKey) -> tuple[Put, Entry]:
    client_id, alg = item.key.id, blobs.alg_of(item.key)
    blob = blobs.seal(item.key, coffer=coffer, since=since, shard=item.shard)
    mark = note_key.mark(coffer=coffer, client_id=client_id, since=since, shard=item.shard)
    note = note_key.note(coffer=coffer, client_id=client_id, client=item.client, secrets=item.secrets)
    sealed_note = note_key.seal(note, coffer=coffer, client_id=client_id, since=since)
    entry = Entry(id=client_id, alg=alg, since=since, sha256=primitives.sha256(blob), mark=mark)
    return Put(id=client_id, mark=mark, note=sealed_note, alg=alg, blob=blob), entry


def _head(base: Base, draft: Draft, made: Listing) -> Head:
    leaves = base.listing.changed(made, frozenset(draft.drop))
    tree = Tree(leaf_hashes(base.target.coffer, leaves))
    issued = int(base.now)
    seen = base.reader.seen
    return Head(
        coffer=base.target.coffer,
        serial=base.serial,
        root=tree.root,
        count=tree.size,
        issued=issued,
        expires=None if draft.lifetime_s is None else issued + draft.lifetime_s,
        prev=None if seen is None else seen.signed_sha256,
        publisher=base.target.identity.publisher_key(),
        publishers=None if draft.publishers is None else tuple(sorted(draft.publishers)),
    )

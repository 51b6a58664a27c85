"""Make a release: open the coffer, check what the server shows, draft, send, sign and commit (docs/protocol.md, 7).

For those who edit this module
==============================

The model
---------
    Base    what is there: the newest release and its entries, verified, with the note keys and the trusted publishers
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
2. A publisher never gives one serial to two releases. With two, the server could show different clients different releases. The next
   release is above everything that was seen or signed here, and names the release before it that was accepted.
3. The publisher remembers what it signed, on the disk, before it sends Commit. From then on only the server knows what became of the
   release, and an Error does not tell: the entry ends when a head is accepted that is that release or follows from it.
4. If the server's history is not this publisher's, nothing is signed. Only a person can begin the history again (`--restore`): then all is
   sealed again under a new note key, far above every serial that is known, and clients are told.
5. A release is committed whole or not at all. Up to Commit the server has changed nothing, so an upload may end at any point.
6. A draft names changes only; what it does not name stays. An empty draft is not sent.
7. The person approves what is sent: plan and messages come from the same draft, and `preview` makes that draft in the same way.
8. Changes go out in the order of their ids, and each shard is sealed when its turn comes. The companion holds one sealed blob in memory,
   whatever the size of the coffer; a `Listing` takes 96 bytes for an entry.
9. Marks and notes belong to publishers, and the server cannot make them. Each Put carries both, bound to its blob and made under the
   note key of the draft.
10. One upload is open in one session. A question has no place after OkOpen (docs/protocol.md, 3), so a draft asks in a session of its own.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import trio

from coffer_protocol.crypto import primitives
from coffer_protocol.errors import CofferError, MalformedMessageError, ReleaseError, ServerError, UnreachableError
from coffer_protocol.identity import PublicKey
from coffer_protocol.limits import RESTART_GAP, UPLOAD_TIMEOUT_S
from coffer_protocol.message import Commit, Drop, Entry, OkCommit, OkOpen, Open, Put, Reuse
from coffer_protocol.release import blob as blobs
from coffer_protocol.release import head as heads
from coffer_protocol.release.head import DEFAULT_LIFETIME_S, Head, SignedHead
from coffer_protocol.release.listing import leaf_hashes
from coffer_protocol.release.notes import ROLE_PUBLISHER, NoteKey, NoteKeys, publisher_note
from coffer_protocol.release.tree import Leaf, Tree

from ..connection import Connection
from ..errors import (
    NoReleaseError,
    NoteKeyMissingError,
    PendingReleaseError,
    PublisherClockError,
    PublishersDifferError,
    SettingsError,
    StateFileError,
)
from ..settings import KnownPublisher
from ..target import Target
from . import clock, kept_entries
from .kept_entries import KeptEntries
from .listing import Listing, read_listing_untrusted
from .plan import Plan
from .reader import Reader, entered, entering
from .shards import Wanted

# Called after each message: the number of messages sent, and of all messages.
Progress = Callable[[int, int], None]
# Called with the plan before anything is sent. It raises to stop the release.
Approve = Callable[[Plan], None]
# Told what went wrong after a release was published.
Warned = Callable[[str], None]
# Seconds since 1970.
Clock = Callable[[], float]

_BEHIND: Final = (
    "if this machine's clock is wrong, set it, and type the same command again. If it is right, this begins the history again, and clients "
    "are told: coffer-companion upload --restore FILE"
)

ChangeKind: TypeAlias = Put | Reuse | Drop


class PublisherInTree(Protocol):
    """A publisher that has an entry in the tree."""

    def known(self) -> KnownPublisher:
        """Return the form in which the publisher's state remembers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The state of a coffer on which the next release is based.

    Attributes:
        target: the coffer, and the publisher that works on it.
        reader: asks the server for more, if the coffer has a release.
        release: the newest release, or None before the first.
        listing: the entries of the newest release.
        note_keys: the coffer's note keys; before the first release, a new one.
        publishers: the keys that are trusted to sign the next release.
        serial: the serial of the next release.
        now: this machine's clock, in seconds since 1970.
        server_now: the server's clock, as it says; None if it was not asked.
        is_restart: whether the next release begins the history again. Then `release` is the one that the server holds, which need not be
            part of the history that this publisher knows.
        remarks: sentences that the plan shows to the person in any case.
    """

    target: Target
    reader: Reader
    release: SignedHead | None
    listing: Listing
    note_keys: NoteKeys
    publishers: frozenset[bytes]
    serial: int
    now: float
    server_now: float | None = None
    is_restart: bool = False
    remarks: tuple[str, ...] = ()

    def existing(self) -> SignedHead:
        """Return the newest release.

        Raises:
            NoReleaseError: the coffer has no release.
        """
        if self.release is None:
            raise NoReleaseError(f"the server holds no release of coffer {self.target.coffer!r}: `coffer-companion upload FILE` makes one")
        return self.release

    def lifetime_s(self) -> int | None:
        """Return the lifetime of the newest release in seconds; None if it never expires."""
        if self.release is None:
            return DEFAULT_LIFETIME_S
        head = self.release.head
        return None if head.expires is None else head.expires - head.issued


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The changes that a release makes. Every entry that it does not name stays as it is.

    Attributes:
        plan: the same changes for people.
        drop: the ids to remove.
        reuse: the entries to set to blobs that the server holds already.
        put: the shards to seal and send.
        note_keys: the note keys for the marks and notes of `put`.
        publishers: the keys that are trusted from the next release on; None if the release does not name them.
        lifetime_s: the lifetime of the release in seconds; None if it never expires.
        tree: the publishers in the tree of the release; None if they do not change, or are not known.
    """

    plan: Plan
    drop: tuple[bytes, ...] = ()
    reuse: tuple[Entry, ...] = ()
    put: tuple[Wanted, ...] = ()
    note_keys: NoteKeys
    publishers: frozenset[bytes] | None = None
    lifetime_s: int | None
    tree: tuple[PublisherInTree, ...] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the draft changes nothing."""
        return not (self.drop or self.reuse or self.put or self.publishers is not None or self.plan.is_renewal)

    @property
    def size(self) -> int:
        """The number of messages that send this draft."""
        return len(self.drop) + len(self.reuse) + len(self.put)


# Makes a draft from a base. It may ask the base's reader for what it needs.
Drafting = Callable[[Base], Awaitable[Draft]]


async def make(
    target: Target,
    drafting: Drafting,
    *,
    approve: Approve,
    progress: Progress = lambda done, total: None,
    warned: Warned = lambda text: None,
    now: Clock = time.time,
    restore: bool = False,
    accepted_restart: int | None = None,
) -> SignedHead | None:
    """Make a release and return it, or return None if there is nothing to change.

    A release is committed whole or not at all. If no release is returned, nothing has changed, unless the server failed or the connection
    was lost after Commit: then the release is remembered as pending.

    Args:
        target: the coffer, and the publisher that works on it.
        drafting: makes the draft.
        approve: called with the plan before anything is sent. It raises to stop.
        progress: called after each message.
        warned: called with what went wrong after the release was published.
        now: returns the time, in seconds since 1970.
        restore: whether to begin the history again if the server's history is not this publisher's.
        accepted_restart: the serial of another publisher's restart that a person has accepted.

    Raises:
        LostReleaseError, RollbackError, ChainError, ForkError: the server's history is not this publisher's, and `restore` is not given.
        RestartError: another publisher has begun the history again.
        PendingReleaseError: there is nothing to change, and a release that was signed here may still become the newest.
        PublisherClockError: this machine's clock is wrong, or the server's; or the newest release was issued more than a day ahead of this
            machine's clock, and `restore` is not given.
        NotLetInError: the server does not let this publisher publish this coffer.
        ServerError: the server refused; its code says why: `conflict`, another release came first; `denied`, a client belongs to another
            coffer.
        UnreachableError, ProtocolError: the connection failed.
        ReleaseError: what the server shows does not verify; nothing was signed.
        NoteKeyMissingError: no publisher has given this one the note key.
        PublishersDifferError: the draft does not name the publishers in the server's table.
        SettingsError: this publisher's state file is damaged.
        StateFileError: it cannot be written, as on a full disk; nothing was sent.
    """
    clock.check_set(now())
    async with entered(target) as connection:
        reader = await Reader.open(connection, target, restore=restore, accepted_restart=accepted_restart)
        with entering(target):
            server_now = await reader.server_time()
        deadline = trio.current_time() + UPLOAD_TIMEOUT_S
        try:
            with entering(target):
                kept = await _kept(target, reader)
                answer = await connection.request(Open(coffer=target.coffer, known=None if kept is None else kept.release.sha256), OkOpen)
        except CofferError as error:
            # The state remembers it from now on, so no later command tells of it.
            if news := "; ".join(_found(reader)):
                error.hint = "; ".join(filter(None, (news, error.hint)))
            raise
        if reader.loss is None and (reader.release is not None or answer.signed is not None):
            # A release may have come between the two answers. If it does not follow the known one, the server contradicts itself and is
            # refused.
            reader.follow_newest(answer.signed)
        shown = None
        if answer.signed is not None:
            release = reader.release or reader.verify_other(answer.signed)
            shown = Shown(release=release, listing=_listed(target, release, answer, kept))
        async with AsyncExitStack() as stack:
            if shown is not None:
                # The protocol allows no question after OkOpen, so the draft asks its questions in a session of its own.
                reader = reader.over(await stack.enter_async_context(entered(target)))
            base = await _base(target, reader, shown, now(), restore=restore, server_now=server_now, may_be_kept=True)
            began = trio.current_time()
            draft = await drafting(base)
        approve(draft.plan)
        if draft.is_empty:
            _check_settled(base)
            return None
        made = await _send_changes(connection, base, draft, progress, deadline)
        signed_at = now()
        clock.check_steady(base.now, signed_at, trio.current_time() - began)
        return await _commit(connection, base, draft, made, _head(base, draft, made, signed_at), warned)


async def preview(
    target: Target, drafting: Drafting, *, now: Clock = time.time, restore: bool = False, accepted_restart: int | None = None
) -> Plan:
    """Return the plan and change nothing. No upload is opened, so other publishers can upload meanwhile. Raises what `make` raises."""
    async with based(target, now=now, restore=restore, accepted_restart=accepted_restart) as base:
        return (await drafting(base)).plan


@asynccontextmanager
async def based(
    target: Target, *, now: Clock = time.time, restore: bool = False, accepted_restart: int | None = None
) -> AsyncIterator[Base]:
    """Yield the base that a release would have now, over one session. Raises what `make` raises."""
    async with entered(target) as connection:
        reader = await Reader.open(connection, target, restore=restore, accepted_restart=accepted_restart)
        release = reader.release if reader.loss is None else await reader.other_newest()
        shown = None
        if release is not None:
            # A client of the coffer may ask for heads, but only a publisher for entries, so this request may still be denied.
            with entering(target):
                shown = Shown(release=release, listing=await reader.entries(release))
        yield await _base(target, reader, shown, now(), restore=restore)


async def _kept(target: Target, reader: Reader) -> KeptEntries | None:
    """Return the newest release's entries, if this publisher keeps them, or keeps earlier ones to which the server can add the changes."""
    release = reader.release
    if release is None or reader.loss is not None:
        return None
    kept = kept_entries.load(target.state_file)
    if kept is None or kept.release.sha256 == release.sha256:
        return kept
    try:
        # If the server does not hold the earlier release any more, its answer ends the session.
        async with entered(target) as connection:
            listing = await reader.over(connection).changed_entries(release, kept)
    except (ServerError, ReleaseError, MalformedMessageError):
        return None
    made = KeptEntries(release=release, listing=listing)
    kept_entries.save(target.state_file, made)
    return made


def _listed(target: Target, release: SignedHead, answer: OkOpen, kept: KeptEntries | None) -> Listing:
    """Return the entries of the release that the server has opened.

    Raises:
        MalformedMessageError: the server leaves out the list of a release that this publisher has not named.
        ListingError: they are not those that were signed.
    """
    if answer.packed is not None:
        listing = read_listing_untrusted(release, answer.entries())
        kept_entries.save(target.state_file, KeptEntries(release=release, listing=listing))
        return listing
    if kept is None or kept.release.sha256 != release.sha256:
        raise MalformedMessageError(f"the server leaves out the list of release {release.head.serial}, which this publisher has not named")
    return kept.listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The release that a server serves, and its entries, which were verified against it."""

    release: SignedHead
    listing: Listing


async def _base(
    target: Target,
    reader: Reader,
    shown: Shown | None,
    now: float,
    *,
    restore: bool,
    server_now: float | None = None,
    may_be_kept: bool = False,
) -> Base:
    remarks = [*_found(reader)]
    is_restart = reader.loss is not None
    if server_now is not None and (told := clock.compare_with_server(now, server_now)):
        remarks.append(told)
    if restore and shown is not None and not _is_begun_again(target, shown.release.head, now):
        # A person may know of clients that have seen another history, although this publisher has not.
        is_restart = True
    if shown is not None and not is_restart and (told := clock.compare_with_release(now, shown.release.head)):
        if not clock.is_a_day_behind(now, shown.release.head):
            remarks.append(told)
        else:
            raise PublisherClockError(told, hint=_BEHIND)
    serial = reader.state.highest_serial + 1
    if is_restart:
        serial = max(serial - 1, 0 if shown is None else shown.release.head.serial) + RESTART_GAP
        remarks.append("the history of the coffer begins again: every client and every other publisher will see that")
    return Base(
        target=target,
        reader=reader,
        release=None if shown is None else shown.release,
        listing=Listing() if shown is None else shown.listing,
        note_keys=await _note_keys(reader, shown, is_restart=is_restart, may_be_kept=may_be_kept),
        publishers=reader.publishers,
        serial=serial,
        now=now,
        server_now=server_now,
        is_restart=is_restart,
        remarks=tuple(remarks),
    )


def _is_begun_again(target: Target, newest: Head, now: float) -> bool:
    """Return whether this publisher has just begun the history again, so that it need not do so a second time."""
    return newest.restart and newest.publisher == target.identity.publisher_key() and not clock.is_a_day_behind(now, newest)


async def _note_keys(reader: Reader, shown: Shown | None, *, is_restart: bool, may_be_kept: bool) -> NoteKeys:
    """Return the coffer's note keys. Before the first release they are new ones."""
    if shown is None:
        return reader.kept_note_keys() or NoteKeys.generate()
    try:
        return await reader.note_keys(shown.release, shown.listing, may_be_kept=may_be_kept)
    except NoteKeyMissingError:
        # The server shows another history, in which this publisher has no part.
        if not is_restart:
            raise
        return reader.kept_note_keys() or NoteKeys.generate()


def _found(reader: Reader) -> Iterator[str]:
    """Yield a sentence for each release that was signed here and not confirmed by the server, which says what became of it."""
    for release in reader.newly_published:
        yield f"release {release.serial}, which was signed here and which the server had not confirmed, is published"
    for release in reader.newly_spent:
        yield f"release {release.serial}, which was signed here, did not become the coffer's: another release has its place"
    for release in reader.state.pending:
        yield f"release {release.serial}, which was signed here, is not the coffer's so far: the next release goes above it"


def _check_settled(base: Base) -> None:
    """Raise PendingReleaseError if there is nothing to change, and a release that was signed here may still become the newest."""
    if pending := base.reader.state.pending:
        raise PendingReleaseError(
            f"there is nothing to change, but release {pending[-1].serial} was signed here, and the server has not confirmed it: it "
            "may still become the newest",
            hint="look again later (coffer-companion history), or publish one above it: coffer-companion upload --expires 400d FILE",
        )


async def _send_changes(connection: Connection, base: Base, draft: Draft, progress: Progress, deadline: float) -> Listing:
    """Send the changes, and return the entries that were made. Each blob is made when its turn comes."""
    made = Listing()
    with trio.move_on_at(deadline) as scope:
        for number, (change, entry) in enumerate(changes(draft, coffer=base.target.coffer, serial=base.serial), 1):
            await connection.send(change)
            if entry is not None:
                made.append(entry)
            progress(number, draft.size)
    if scope.cancelled_caught:
        raise UnreachableError(
            f"the upload was not whole after {UPLOAD_TIMEOUT_S / 60:.0f} minutes, and nothing was changed: a server waits no longer",
            hint="upload over a faster network, or split the coffer into several",
        )
    return made


async def _commit(connection: Connection, base: Base, draft: Draft, made: Listing, head: Head, warned: Warned) -> SignedHead:
    """Sign the head of the changes that were sent, and commit them."""
    own = made.get(base.target.identity.id())
    signed = heads.sign(head, base.target.identity)
    # The server may keep the release whatever it answers, so this publisher remembers it before it sends it.
    base.reader.remember_signed(signed)
    try:
        answer = await connection.request(Commit(signed=signed), OkCommit)
    except CofferError as error:
        if isinstance(error, ServerError) and error.code == "denied" and head.publishers is not None:
            raise PublishersDifferError(f"the server refused: {error.sentence}") from None
        # The server may have kept the release, whatever it says, and also if it says nothing.
        error.hint = (
            f"release {head.serial} was signed and sent, so it may still become the newest. Type the same command again: it finds out, "
            "and goes on"
        )
        raise
    if answer.serial != head.serial:
        raise MalformedMessageError(f"release {head.serial} was sent, and the server says that it committed release {answer.serial}")
    release = SignedHead(head=head, signed=signed)
    try:
        base.reader.accept(
            release,
            None if draft.tree is None else [entry.known() for entry in draft.tree],
            None if own is None else (own.sha256, draft.note_keys),
        )
        listing = Listing(base.listing.changed(made, frozenset(draft.drop)))
        kept_entries.save(base.target.state_file, KeptEntries(release=release, listing=listing))
    except (StateFileError, SettingsError) as error:
        warned(f"release {head.serial} is published, but {error}: mend that before the next upload, which finds the release on the server")
    return release


def changes(draft: Draft, *, coffer: str, serial: int) -> Iterator[tuple[ChangeKind, Entry | None]]:
    """Yield the messages of a draft in the order of their ids, each with the entry that it makes. Only one is in memory at a time.

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
                yield _seal(what, coffer=coffer, since=serial, note_key=draft.note_keys.current)


def _seal(item: Wanted, *, coffer: str, since: int, note_key: NoteKey) -> tuple[Put, Entry]:
    client_id, alg = item.key.id, blobs.alg_of(item.key)
    blob = blobs.seal(item.key, coffer=coffer, since=since, shard=item.shard)
    leaf = Leaf(coffer=coffer, client_id=client_id, alg=alg, since=since, blob_sha256=primitives.sha256(blob))
    mark = note_key.mark(leaf, role=item.role, key=item.key, shard=item.shard)
    if item.role == ROLE_PUBLISHER:
        assert isinstance(item.key, PublicKey)
        note = publisher_note(name=item.client, key=item.key)
    else:
        note = note_key.client_note(coffer=coffer, key=item.key, client=item.client, secrets=item.secrets)
    entry = Entry(id=client_id, alg=alg, since=since, sha256=leaf.blob_sha256, mark=mark)
    return Put(id=client_id, mark=mark, note=note_key.seal(note, leaf), alg=alg, blob=blob), entry


def _head(base: Base, draft: Draft, made: Listing, signed_at: float) -> Head:
    leaves = base.listing.changed(made, frozenset(draft.drop))
    tree = Tree(leaf_hashes(base.target.coffer, leaves))
    state, now = base.reader.state, int(signed_at)
    # If this clock goes back, clients still accept the release. If it went too far ahead before, only a restart helps.
    issued = now if base.is_restart or base.release is None else max(now, base.release.head.issued)
    expires = None if draft.lifetime_s is None else now + draft.lifetime_s
    if base.server_now is not None:
        clock.check_expiry(now, expires, base.server_now)
    return Head(
        coffer=base.target.coffer,
        serial=base.serial,
        root=tree.root,
        count=tree.size,
        issued=issued,
        expires=expires,
        prev=None if state.seen is None else state.seen.signed_sha256,
        restart=base.is_restart,
        publisher=base.target.identity.publisher_key(),
        publishers=None if draft.publishers is None else tuple(sorted(draft.publishers)),
        servers=state.servers if base.is_restart else None,
        hosts=state.hosts if base.is_restart else None,
    )

"""Asks the server about one coffer for a publisher, and checks each answer as far as possible (docs/protocol.md, 7 and 8)."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from itertools import islice
from typing import Final

from coffer_protocol import question
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import (
    ChainError,
    ForkError,
    KeyNotFoundError,
    MalformedMessageError,
    NoteError,
    ReleaseError,
    RollbackError,
    ServerError,
    UntrustedPublisherError,
)
from coffer_protocol.identity import format_id
from coffer_protocol.limits import HEADS_PER_ANSWER, SERIAL_JUMP
from coffer_protocol.message import Ask, Entry, Get, OkGet, Tell
from coffer_protocol.question import About, Changes, Entries, Fetch, Fetches, Heads, Notes, Past, PastEntry
from coffer_protocol.release import coffer as coffers
from coffer_protocol.release import head as heads
from coffer_protocol.release.blob import ALG_HPKE, open_blob, seal
from coffer_protocol.release.chain import Walk, check_follows, walk_untrusted
from coffer_protocol.release.evidence import FORK, Evidence
from coffer_protocol.release.head import SignedHead
from coffer_protocol.release.listing import leaf_of
from coffer_protocol.release.notes import Note, NoteKeys
from coffer_protocol.release.tree import Leaf
from coffer_protocol.release.trust import Demand, Seen, Trust
from coffer_protocol.shard import decode, encode

from ..connection import Connection, connect
from ..errors import LostReleaseError, NoReleaseError, NoteKeyMissingError, NotLetInError, RestartError
from ..settings import KeptNoteKeys, KnownPublisher, PublisherState, SignedRelease
from ..target import Target
from .kept_entries import KeptEntries
from .listing import Listing, read_changes_untrusted, read_listing_untrusted
from .publisher_entry import PublisherEntry, label_of

# A note has at most 64 KiB, so this many have half of the size that a Tell may have.
_NOTES_PER_ANSWER: Final = 1000
# How much the server holds of an id is not known before: the first question is about one, and the size of each answer decides how many
# ids the next one may name.
_PAST_BYTES: Final = 1 << 23
_PAST_GROWTH: Final = 4

_RESTORE: Final = (
    "restore the server's newest backup. If its history is lost, this begins it again, and clients will see that: "
    "coffer-companion upload --restore FILE"
)
# What this publisher seals to itself belongs to no release.
_KEPT_SINCE: Final = 1

_RESEAL: Final = "the server has changed or lost it. This seals every shard of the definition again: coffer-companion upload --reseal FILE"


def _not_let_in(target: Target) -> NotLetInError:
    line = publisher_line("add", target.coffer, target.identity.public_text())
    return NotLetInError(
        f"the server does not let this identity publish coffer {target.coffer!r}",
        hint="if the name is right, type this on the server's machine (DIR is the folder that `coffer-server init` made):\n" + line,
    )


def publisher_line(verb: str, coffer: str, *arguments: str) -> str:
    """Return the command that the server's operator types: `coffer-server publisher VERB DIR …`."""
    return shlex.join(["coffer-server", "publisher", verb, "DIR", coffer, *arguments])


@contextmanager
def entering(target: Target) -> Iterator[None]:
    """Turn the refusal of a session's first requests into an error that says how to let this publisher in.

    Raises:
        NotLetInError: the server does not know this publisher, or denied a request.
    """
    try:
        yield
    except KeyNotFoundError:
        raise _not_let_in(target) from None
    except ServerError as error:
        if error.code != "denied":
            raise
        raise _not_let_in(target) from None


class _Anybody(Collection[bytes]):
    """Every publisher. If a trusted publisher names a head's hash, it does not matter who signed that head."""

    def __contains__(self, key: object) -> bool:
        return True

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Reader:
    """One coffer as a server shows it, over one session. `open` makes it; its connection may be used for other messages later.

    Attributes:
        release: the newest release, which was verified and follows what this publisher has seen; None before the first release.
        loss: the reason why the server's history is not this publisher's. Set only if the reader was opened to begin the history again.
        state: the state that this publisher remembers.
        newly_spent: the releases that were signed here, and of which this reader has found out that another has their place.
        newly_published: the releases that were signed here, and of which this reader has found out that they are published after all.
    """

    def __init__(self, connection: Connection, target: Target, state: PublisherState) -> None:
        self.state = state
        self.release: SignedHead | None = None
        self.loss: ReleaseError | None = None
        self.newly_spent: tuple[SignedRelease, ...] = ()
        self.newly_published: tuple[SignedRelease, ...] = ()
        self._connection = connection
        self._target = target

    @property
    def _trust(self) -> Trust:
        state = self.state
        return Trust(
            coffer=self._target.coffer,
            publishers=tuple(sorted(self._target.roots() if state.publishers is None else state.publishers)),
            servers=state.servers,
            hosts=state.hosts,
            seen=state.seen,
            signer=state.signer,
            lowest=self._target.address.serial if state.seen is None else 0,
            latest=state.latest,
        )

    @property
    def publishers(self) -> frozenset[bytes]:
        """The keys trusted from the next release on."""
        return frozenset(self._trust.publishers)

    @property
    def seen(self) -> Seen | None:
        """The newest release that this publisher knows of."""
        return self.state.seen

    @classmethod
    async def open(cls, connection: Connection, target: Target, *, restore: bool = False, accepted_restart: int | None = None) -> Reader:
        """Ask for the releases since the last one that this publisher has seen, verify them, and remember the newest.

        Args:
            connection: the connection to use.
            target: the coffer, and the publisher that works on it.
            restore: whether the history may begin again if it is not this publisher's.
            accepted_restart: the serial of another publisher's restart that a person has accepted.

        Raises:
            ServerError, ProtocolError, UnreachableError: the connection failed, or the server refused.
            NotLetInError: the server does not let this publisher in.
            ReleaseError: a head is not by a trusted publisher, is older than what was seen, or does not follow the one before it.
            SettingsError: this publisher's state file is damaged.
        """
        reader = cls(connection, target, PublisherState.load(target.state_file))
        seen = reader.seen
        from_serial = seen.serial if seen is not None else max(1, target.address.serial)
        with entering(target):
            shown = await reader._heads(from_serial)
        try:
            if not shown and (seen is not None or target.address.serial):
                raise await reader._lost()
            reader.follow(shown, accepted_restart=accepted_restart)
        except ReleaseError as error:
            if isinstance(error, UntrustedPublisherError) and seen is None:
                error.hint = (
                    "if this publisher is new to the coffer, one of the coffer's publishers adds it, and tells it how to begin: "
                    f"coffer-companion publishers add {target.identity.public_text()} --name NAME"
                )
            if not restore or isinstance(error, RestartError):
                raise
            reader.loss = error
        return reader

    def over(self, connection: Connection) -> Reader:
        """Return a reader with the same knowledge, over another session."""
        other = Reader(connection, self._target, self.state)
        other.release, other.loss = self.release, self.loss
        other.newly_spent, other.newly_published = self.newly_spent, self.newly_published
        return other

    def remember_signed(self, signed: bytes) -> None:
        """Remember that a release was signed and is going to be sent.

        Raises:
            StateFileError, SettingsError: the state cannot be written. Then the release must not be sent.
        """
        entry = SignedRelease(serial=read_head_untrusted(signed).head.serial, sha256=sha256(signed))
        self.state = PublisherState.update(self._target.state_file, lambda state: replace(state, signed=(*state.signed, entry)))

    async def server_time(self) -> int:
        """Return the time by the server's clock, in seconds since 1970, according to the server."""
        return question.about_untrusted(await self._ask(About(coffer=self._target.coffer).to_ask())).time

    # --------------------------------------------------------------------------------------------------------- heads

    async def _heads(self, from_serial: int) -> list[bytes]:
        """Return the signed heads from a serial on, without any check."""
        shown: list[bytes] = []
        while True:
            answer = await self._ask(Heads(coffer=self._target.coffer, from_serial=from_serial).to_ask())
            number = len(shown)
            shown += question.heads_untrusted(answer)
            if len(shown) - number < HEADS_PER_ANSWER:
                return shown
            # No reader accepts a release so far above the one that it has seen, so a server that shows more only wastes time.
            if len(shown) > SERIAL_JUMP:
                raise MalformedMessageError(f"the server shows more than {SERIAL_JUMP} releases in a row")
            from_serial = heads.claimed_untrusted(shown[-1]).serial + 1

    async def _lost(self) -> ReleaseError:
        """Return the error for a server that does not show the release that was seen, nor any after it."""
        seen = self.seen
        known = self._target.address.serial if seen is None else seen.serial
        if shown := await self._heads(1):
            older = read_head_untrusted(shown[-1]).head
            return RollbackError(
                f"the server's newest release of {self._target.coffer!r} is {older.serial}, and release {known} was seen before: the "
                "server was set back to an old state, or hides newer releases",
                hint=_RESTORE,
            )
        return LostReleaseError(
            f"the server holds no release of {self._target.coffer!r}, and release {known} was seen before: the server lost its database, "
            "or hides the release",
            hint=_RESTORE,
        )

    def follow(self, shown: Sequence[bytes], *, accepted_restart: int | None = None) -> None:
        """Accept the heads that a server shows, from the last one seen on, and remember the newest. Raises what `open` raises."""
        if not shown:
            return
        trust, newest = self._trust, shown[-1]
        self._check_spent(shown)
        walk = _walk_untrusted(shown, trust)
        # The clock does not count: an expired head is accepted too, because publishing mends that, and so is one from the future.
        release = coffers.check_head_untrusted(newest, walk.trust.demand(newest), now=None)
        restart = walk.trust.restart_in(release)
        self._check_restarts((*walk.restarts, *([] if restart is None else [restart])), accepted_restart)
        self._accept(release, walk.trust.after(release), [sha256(signed) for signed in shown])

    def follow_newest(self, signed: bytes | None) -> None:
        """Accept the newest release that the server shows in OkOpen. It must be the known one, or follow it. Raises what `open` raises."""
        if signed is None:
            raise LostReleaseError(
                f"the server showed releases of {self._target.coffer!r}, and now says that it has none: it contradicts itself",
                hint=_RESTORE,
            )
        if self.release is None or signed != self.release.signed:
            self.follow([*([] if self.release is None else [self.release.signed]), signed])

    def verify_other(self, signed: bytes) -> SignedHead:
        """Return the release of another history that a server serves. A publisher that is trusted here must have signed it.

        Raises:
            NotAReleaseError, UntrustedPublisherError, BadSignatureError, WrongCofferError: no release can be based on it.
        """
        signer = () if self.state.signer is None else (self.state.signer,)
        demand = Demand(coffer=self._target.coffer, publishers=(*self.publishers, *signer))
        return coffers.check_head_untrusted(signed, demand, now=None)

    async def other_newest(self) -> SignedHead | None:
        """Return the newest release of another history, checked by `verify_other`; None if the server holds no release."""
        shown = await self._heads(1)
        return self.verify_other(shown[-1]) if shown else None

    def _check_spent(self, shown: Sequence[bytes]) -> None:
        spent = {release.sha256 for release in self.state.signed if release.is_spent}
        for signed in shown:
            if sha256(signed) in spent:
                head = read_head_untrusted(signed).head
                error = ForkError(
                    f"the server shows release {head.serial} of {head.coffer!r}, which was signed here, and it showed another release in "
                    "its place before: it shows different releases to different readers",
                    hint=_RESTORE,
                )
                raise error.with_evidence(Evidence(kind=FORK, known=None if self.seen is None else self.seen.signed, shown=signed))

    def _check_restarts(self, restarts: Sequence[Evidence], accepted_restart: int | None) -> None:
        own = {release.sha256 for release in self.state.signed}
        publishers = {entry.key.sign: entry for entry in map(PublisherEntry.from_known, self.state.tree)}
        for restart in restarts:
            head = read_head_untrusted(restart.shown).head
            if sha256(restart.shown) in own or head.serial == accepted_restart:
                continue
            known = "nothing" if self.seen is None else f"release {self.seen.serial} ({self.seen.signed_sha256.hex()})"
            raise RestartError(
                f"publisher {label_of(head.publisher, publishers)} has begun the history of {head.coffer!r} again with release "
                f"{head.serial} ({sha256(restart.shown).hex()}); the last one seen here is {known}",
                hint=f"ask that publisher. If it was intended, type: coffer-companion upload --accept-restart {head.serial} FILE",
            ).with_evidence(restart)

    def accept(
        self, release: SignedHead, tree: Sequence[KnownPublisher] | None = None, note_keys: tuple[bytes, NoteKeys] | None = None
    ) -> None:
        """Remember a release that was made here and committed.

        Args:
            release: the release.
            tree: the publishers in its tree; None if they did not change.
            note_keys: the hash of the blob that was made for this publisher, and the note keys in it; None if none was made.

        Raises:
            StateFileError, SettingsError: the state cannot be written. The release is on the server, and still remembered as signed.
        """
        self._accept(release, self._trust.after(release), [release.sha256], tree, note_keys)

    def _accept(
        self,
        release: SignedHead,
        trust: Trust,
        accepted: Collection[bytes],
        tree: Sequence[KnownPublisher] | None = None,
        note_keys: tuple[bytes, NoteKeys] | None = None,
    ) -> None:
        is_named = self.state.publishers is not None or set(trust.publishers) != self._target.roots()

        def change(state: PublisherState) -> PublisherState:
            # Another command of this publisher may have accepted a newer release meanwhile.
            if state.seen is not None and release.head.serial < state.seen.serial:
                return state
            after = state.following(trust, accepted, is_named=is_named)
            return replace(
                after,
                tree=after.tree if tree is None else tuple(tree),
                note_keys=after.note_keys if note_keys is None else self._sealed_to_keep(*note_keys),
            )

        self.release = release
        before = self.state
        self.state = PublisherState.update(self._target.state_file, change)
        self.newly_spent += tuple(entry for entry in self.state.signed if entry.is_spent and entry not in before.signed)
        self.newly_published += tuple(entry for entry in before.pending if entry.sha256 in accepted)

    async def newest(self) -> SignedHead:
        """Return the newest release.

        Raises:
            NoReleaseError: the coffer has no release.
        """
        if self.release is not None:
            return self.release
        raise NoReleaseError(f"the server holds no release of coffer {self._target.coffer!r}: `coffer-companion upload FILE` makes one")

    async def history(self, from_serial: int) -> list[SignedHead]:
        """Return the releases from a serial to the newest. The newest proves the others: each names the hash of the one that it follows.

        Raises:
            NoReleaseError: the coffer has no release.
            ChainError: a release does not follow the one before it, or they do not lead to the newest.
            What `open` raises.
        """
        newest = await self.newest()
        chain: list[SignedHead] = []
        for signed in await self._heads(from_serial):
            release = read_head_untrusted(signed)
            if chain:
                check_follows(release, Seen.of(chain[-1]))
            chain.append(release)
            # Releases that were committed meanwhile are ignored.
            if release.sha256 == newest.sha256:
                return chain
        raise ChainError(
            f"the releases that the server lists do not lead to release {newest.head.serial} of {self._target.coffer!r}, which it shows as "
            "the newest: its database is damaged, or it lies"
        )

    async def history_till_now(self, from_serial: int) -> list[SignedHead]:
        """Return what `history` returns, with the releases that were committed while this session asked other questions."""
        newest = await self.newest()
        self.follow(await self._heads(newest.head.serial))
        return await self.history(min(from_serial, newest.head.serial))

    async def release_at(self, serial: int) -> SignedHead:
        """Return the release with a serial. Raises `NoReleaseError` if the server does not have it, and what `history` raises."""
        newest = await self.newest()
        if serial == newest.head.serial:
            return newest
        if not 1 <= serial < newest.head.serial:
            raise NoReleaseError(f"coffer {self._target.coffer!r} has no release {serial}: the newest is {newest.head.serial}")
        first = (await self.history(serial))[0]
        if first.head.serial != serial:
            raise NoReleaseError(
                f"coffer {self._target.coffer!r} has no release {serial} on this server; the next one is {first.head.serial}"
            )
        return first

    # ------------------------------------------------------------------------------------------------ one release

    async def entries(self, release: SignedHead) -> Listing:
        """Return the entries of a release, after a check against its root.

        Raises:
            ServerError: the server does not hold the entries any more.
            ForkError, ListingError: the entries are not those that were signed.
            What `open` raises.
        """
        head = release.head
        signed, entries = question.entries_untrusted(await self._ask(Entries(coffer=head.coffer, serial=head.serial).to_ask()))
        if signed != release.signed:
            raise ForkError(f"the server was asked for release {head.serial} of {head.coffer!r}, and lists another one")
        return read_listing_untrusted(release, entries)

    async def changed_entries(self, release: SignedHead, before: KeptEntries) -> Listing:
        """Return the entries of the newest release, from those of an earlier one and what has changed since, checked against its root.

        Raises:
            ServerError: the server does not hold the earlier release any more. That ends the session.
            ForkError, ListingError: what results is not what was signed.
            What `open` raises.
        """
        head = release.head
        ask = Changes(coffer=head.coffer, serial=before.release.head.serial).to_ask()
        signed, changes = question.changes_untrusted(await self._ask(ask))
        if signed != release.signed:
            raise ForkError(f"the server shows release {head.serial} of {head.coffer!r} as the newest, and then another one")
        return read_changes_untrusted(release, before.listing, changes)

    async def notes(self, serial: int, entries: Sequence[Entry], note_keys: NoteKeys) -> dict[bytes, Note]:
        """Return the notes of some entries of a release, by id, in the order of the entries. For very many, see `in_batches`.

        Args:
            serial: the release's serial.
            entries: entries of that release, which were verified.
            note_keys: the coffer's note keys.

        Raises:
            NoteError: a note is missing, or cannot be opened.
            What `open` raises.
        """
        notes: dict[bytes, Note] = {}
        for entry, note in await self._notes(serial, entries, note_keys):
            if isinstance(note, NoteError):
                raise note
            notes[entry.id] = note
        return notes

    async def notes_that_open(self, serial: int, entries: Sequence[Entry], note_keys: NoteKeys) -> dict[bytes, Note]:
        """Return the notes of some entries as `notes` does, without those that are missing or cannot be opened."""
        return {entry.id: note for entry, note in await self._notes(serial, entries, note_keys) if isinstance(note, Note)}

    async def _notes(self, serial: int, entries: Sequence[Entry], note_keys: NoteKeys) -> list[tuple[Entry, Note | NoteError]]:
        coffer = self._target.coffer
        found: list[tuple[Entry, Note | NoteError]] = []
        for batch in in_batches(entries):
            answer = await self._ask(Notes(coffer=coffer, serial=serial, ids=tuple(entry.id for entry in batch)).to_ask())
            sealed = dict(question.notes_untrusted(answer))
            for entry in batch:
                note: Note | NoteError
                try:
                    note = note_keys.of(entry.since).open(sealed[entry.id], leaf_of(coffer, entry))
                except KeyError:
                    note = NoteError(f"the server has no note of client {format_id(entry.id)} in release {serial}", hint=_RESEAL)
                except NoteError as error:
                    note = NoteError(f"the note of client {format_id(entry.id)} in release {serial}: {error}", hint=_RESEAL)
                found.append((entry, note))
        return found

    async def past(self, ids: Sequence[bytes], note_keys: NoteKeys) -> AsyncIterator[tuple[PastEntry, Note]]:
        """Yield all that the server still holds of some ids, from any release, if its note opens. Raises as `open`.

        Args:
            ids: of clients that are or were in the coffer.
            note_keys: the coffer's.
        """
        coffer, rest, number = self._target.coffer, tuple(ids), 1
        while rest:
            asked, rest = rest[:number], rest[number:]
            known, size_bytes = set(asked), 1
            for entry in question.past_untrusted(await self._ask(Past(coffer=coffer, ids=asked).to_ask())):
                if entry.id not in known:
                    raise MalformedMessageError("the server was asked for the past of some clients, and tells that of others")
                size_bytes += len(entry.note)
                leaf = Leaf(coffer=coffer, client_id=entry.id, alg=entry.alg, since=entry.since, blob_sha256=entry.sha256)
                # What does not open proves nothing.
                with suppress(NoteError):
                    yield entry, note_keys.of(entry.since).open(entry.note, leaf)
            number = max(1, min(number * _PAST_BYTES // size_bytes, number * _PAST_GROWTH, _NOTES_PER_ANSWER))

    async def fetches(self) -> dict[bytes, Fetch]:
        """Return the last release that each client has fetched, as the server says."""
        answer = await self._ask(Fetches(coffer=self._target.coffer).to_ask())
        return {fetch.id: fetch for fetch in question.fetches_untrusted(answer)}

    async def note_keys(self, release: SignedHead, listing: Listing, *, may_be_kept: bool) -> NoteKeys:
        """Return the coffer's note keys, from this publisher's own shard.

        Args:
            release: the release that the server serves.
            listing: the entries of that release.
            may_be_kept: whether what this publisher keeps of the very same shard is enough. Then nothing proves that the server has it.

        Raises:
            NoteKeyMissingError: this publisher has no entry in that release.
            What `open` raises.
        """
        identity, coffer = self._target.identity, self._target.coffer
        if identity.id() not in listing:
            raise NoteKeyMissingError(
                f"coffer {coffer!r} has releases by other publishers, and none of them has given this one the note key",
                hint=f"one of them must type: coffer-companion publishers add {identity.public_text()}",
            )
        kept = self.state.note_keys
        if may_be_kept and kept is not None and kept.sha256 == listing[identity.id()].sha256:
            return self._open_kept(kept)
        answer = await self._connection.request(Get(), OkGet)
        # A newer release may have come meanwhile. Then it is refused here, or the server refuses this publisher's Commit.
        demand = Demand(coffer=coffer, publishers=self.publishers | {release.head.publisher}, seen=Seen.of(release))
        # The clock does not count: an expired release is opened too, because publishing mends that.
        accepted = coffers.accept_untrusted(
            coffers.SealedAnswer.decode_untrusted(answer.coffer), demand, identity=identity, plain=False, now=None
        )
        note_keys = NoteKeys.from_secrets(accepted.secrets)
        self._keep_note_keys(listing[identity.id()].sha256, note_keys)
        return note_keys

    def kept_note_keys(self) -> NoteKeys | None:
        """Return the note keys that this publisher keeps itself, which may have been replaced since; None if it keeps none."""
        kept = self.state.note_keys
        return None if kept is None else self._open_kept(kept)

    def _open_kept(self, kept: KeptNoteKeys) -> NoteKeys:
        identity, coffer = self._target.identity, self._target.coffer
        return NoteKeys.from_secrets(decode(open_blob(identity, alg=ALG_HPKE, coffer=coffer, since=_KEPT_SINCE, blob=kept.sealed)))

    def _sealed_to_keep(self, blob_sha256: bytes, note_keys: NoteKeys) -> KeptNoteKeys:
        own, coffer = self._target.identity.public(), self._target.coffer
        return KeptNoteKeys(sha256=blob_sha256, sealed=seal(own, coffer=coffer, since=_KEPT_SINCE, shard=encode(note_keys.secrets())))

    def _keep_note_keys(self, blob_sha256: bytes, note_keys: NoteKeys) -> None:
        kept = self._sealed_to_keep(blob_sha256, note_keys)
        self.state = PublisherState.update(self._target.state_file, lambda state: replace(state, note_keys=kept))

    async def _ask(self, ask: Ask) -> Tell:
        return await self._connection.request(ask, Tell)


def _walk_untrusted(shown: Sequence[bytes], trust: Trust) -> Walk:
    """Walk over the heads that a server shows, to the last of them. If they do not lead there, begin with a restart among them.

    The restart is shown to a person in any case, who alone can accept it. Raises what `walk_untrusted` raises.
    """
    try:
        return walk_untrusted(shown, trust, to=shown[-1])
    except (ForkError, ChainError):
        restarts = [index for index, signed in enumerate(shown) if heads.claimed_untrusted(signed).restart]
        if not restarts:
            raise
        return walk_untrusted(shown[restarts[0] :], trust, to=shown[-1])


@asynccontextmanager
async def entered(target: Target) -> AsyncIterator[Connection]:
    """Open a session as this publisher.

    Raises:
        NotLetInError: the server does not know this publisher.
        What `connect` raises.
    """
    async with AsyncExitStack() as stack:
        with entering(target):
            connection = await stack.enter_async_context(connect(target.address, target.identity))
        yield connection


def in_batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield entries in lists. One answer may hold the notes of a whole list."""
    remaining = iter(entries)
    while batch := list(islice(remaining, _NOTES_PER_ANSWER)):
        yield batch


def read_head_untrusted(signed: bytes) -> SignedHead:
    """Return a head that the publisher which it names has signed. That publisher need not be trusted.

    Raises:
        NotAReleaseError, BadSignatureError: the bytes are not a signed release.
    """
    return heads.verify_untrusted(signed, publishers=_Anybody())

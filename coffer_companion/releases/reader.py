"""A publisher's questions about one coffer, each answer checked as far as it can be (PROTOCOL.md, 7 and 8)."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import islice
from typing import Final

from coffer_protocol import question
from coffer_protocol.errors import (
    ChainError,
    ForkError,
    KeyNotFoundError,
    MalformedMessageError,
    NoteError,
    RollbackError,
    ServerError,
)
from coffer_protocol.identity import format_id
from coffer_protocol.limits import HEADS_PER_ANSWER, SERIAL_JUMP
from coffer_protocol.message import Ask, Entry, Get, OkGet, Tell
from coffer_protocol.question import Entries, Fetch, Fetches, Heads, Notes
from coffer_protocol.release import coffer as coffers
from coffer_protocol.release import head as heads
from coffer_protocol.release.chain import walk_untrusted
from coffer_protocol.release.head import SignedHead
from coffer_protocol.release.notes import Note, NoteKey
from coffer_protocol.release.trust import Demand, Seen, Trust

from ..connection import Connection, connect
from ..errors import NoReleaseError, NoteKeyMissingError, NotLetInError
from ..settings import PublisherState
from ..target import Target
from .listing import Listing, read_listing_untrusted

# Notes of at most 64 KiB each: half of what a Tell may hold.
_NOTES_PER_ANSWER: Final = 1000


def _not_let_in(target: Target) -> NotLetInError:
    line = publisher_line("add", target.coffer, target.identity.public().text())
    return NotLetInError(
        f"the server does not let this identity publish coffer {target.coffer!r}",
        hint="if the name is right, type this on the server's machine (DIR is the folder that `coffer-server init` made):\n" + line,
    )


def publisher_line(verb: str, coffer: str, *arguments: str) -> str:
    """What the server's operator types: `coffer-server publisher VERB DIR …`."""
    return shlex.join(["coffer-server", "publisher", verb, "DIR", coffer, *arguments])


@contextmanager
def entering(target: Target) -> Iterator[None]:
    """Around the first requests of a session, which tell whether it is let in.

    Raises:
        NotLetInError: it is not.
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
    """Every publisher. Of a head whose hash a trusted one names, it need not be asked who signed it."""

    def __contains__(self, key: object) -> bool:
        return True

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Reader:
    """One coffer as a server shows it, over one session. Made by `open`, over a connection that may go on to something else.

    Attributes:
        release: the newest release, verified, and not behind what this publisher has seen; None where there is none.
        pending: a release that was signed here and sent, and of which the server has not said what became of it.
    """

    def __init__(self, connection: Connection, target: Target, state: PublisherState) -> None:
        self.pending = state.pending
        self._connection = connection
        self._target = target
        self._is_named = state.publishers is not None
        self._trust = Trust(
            coffer=target.coffer,
            publishers=tuple(sorted(target.roots() if state.publishers is None else state.publishers)),
            seen=state.seen,
            signer=state.signer,
        )
        self.release: SignedHead | None = None

    @property
    def publishers(self) -> frozenset[bytes]:
        """The keys trusted from the next release on."""
        return frozenset(self._trust.publishers)

    @property
    def seen(self) -> Seen | None:
        """The newest release that this publisher knows of."""
        return self._trust.seen

    @classmethod
    async def open(cls, connection: Connection, target: Target) -> Reader:
        """Ask what has happened since this publisher's last look, verify it, and remember it.

        Raises:
            ServerError, ProtocolError, UnreachableError: the connection.
            NotLetInError: this publisher may not look.
            ReleaseError: a head is not by a trusted publisher, is behind what was seen, or does not follow the one before it.
            SettingsError: this publisher's memory is damaged.
        """
        state = PublisherState.load(target.state_file)
        if state.seen is None and target.address.serial:
            state = dataclasses.replace(state, seen=Seen(serial=target.address.serial))
        reader = cls(connection, target, state)
        from_serial = state.seen.serial if state.seen is not None else 1
        with entering(target):
            shown = await reader._heads(from_serial)
        reader.follow(shown)
        return reader

    def over(self, connection: Connection) -> Reader:
        """The same knowledge, over another session."""
        other = Reader(connection, self._target, self.state())
        other.release = self.release
        return other

    def state(self) -> PublisherState:
        """What is to be remembered."""
        trust = self._trust
        publishers = self.publishers if self._is_named else None
        return PublisherState(seen=trust.seen, signer=trust.signer, publishers=publishers, pending=self.pending)

    def remember_pending(self, pending: Seen | None) -> None:
        """Remember that a release is signed and on its way, or (None) that the server has refused it.

        Raises:
            OSError, SettingsError: it cannot be remembered; then it must not be sent.
        """
        self.pending = pending
        self.state().save(self._target.state_file)

    # --------------------------------------------------------------------------------------------------------- heads

    async def _heads(self, from_serial: int) -> list[bytes]:
        """The signed heads from a serial on, as they come."""
        shown: list[bytes] = []
        while True:
            answer = await self._ask(Heads(coffer=self._target.coffer, from_serial=from_serial + len(shown)).to_ask())
            number = len(shown)
            shown += question.heads_untrusted(answer)
            if len(shown) - number < HEADS_PER_ANSWER:
                return shown
            # No reader takes a release so far above what it has seen: whoever shows more only wants to be read on.
            if len(shown) > SERIAL_JUMP:
                raise MalformedMessageError(f"the server shows more than {SERIAL_JUMP} releases in a row")

    def follow(self, shown: Sequence[bytes]) -> None:
        """Take the heads that a server shows from the one that was seen last on, and remember the newest. Raises as `open`."""
        if not shown:
            return
        trust = self._trust
        named = [head for signed in shown if (head := read_head_untrusted(signed).head).publishers is not None]
        if trust.is_anchored and trust.seen is not None and read_head_untrusted(shown[0]).head.serial > trust.seen.serial:
            # After a lost database another publisher has begun anew, above what was seen. As for a client, its signature must be trusted.
            trust = Trust(coffer=trust.coffer, publishers=trust.publishers, seen=Seen(serial=trust.seen.serial))
        newest = shown[-1]
        # Whoever signed what was seen may have retired with it, so that release is looked at before its successors.
        coffers.check_head_untrusted(shown[0], Demand(coffer=trust.coffer, publishers=_Anybody(), seen=trust.seen), now=0)
        trust = walk_untrusted(shown, trust, to=newest)
        # Expired ones are taken too, for publishing mends that: so the clock is not asked.
        release = coffers.check_head_untrusted(newest, trust.demand(newest), now=0)
        self.accept(release, trust, is_named=bool(named))

    def accept(self, release: SignedHead, trust: Trust | None = None, *, is_named: bool = False) -> None:
        """Remember a release that is known to be good as the newest.

        Args:
            release: it.
            trust: under which it was accepted; None: that of the release before it.
            is_named: whether a release has named the publishers since the last one that was accepted.
        """
        self._trust = (trust or self._trust).after(release)
        self._is_named = self._is_named or is_named or release.head.publishers is not None
        self.release = release
        if self.pending is not None and release.head.serial >= self.pending.serial:
            self.pending = None
        self.state().save(self._target.state_file)

    async def newest(self) -> SignedHead:
        """The newest release.

        Raises:
            NoReleaseError: there is none.
            RollbackError: there is an old one, and this publisher has seen a newer.
        """
        if self.release is not None:
            return self.release
        # There are no heads from what was seen on: either the server has lost all of them, or it has gone back to older ones.
        if self.seen is not None and (shown := await self._heads(1)):
            older = read_head_untrusted(shown[-1]).head
            raise RollbackError(
                f"the server's newest release of {self._target.coffer!r} is {older.serial}, and release {self.seen.serial} has been seen "
                "before: it was set back to an old state, or hides what is new. Restore its newest backup"
            )
        raise NoReleaseError(f"the server holds no release of coffer {self._target.coffer!r}: `coffer-companion upload FILE` makes one")

    async def history(self, from_serial: int) -> list[SignedHead]:
        """The releases from a serial to the newest, which vouches for those before it: each names the hash of the one it follows.

        Raises:
            NoReleaseError: there is none at all.
            ChainError: they are not linked to each other, or do not lead to the newest.
            What `open` raises.
        """
        newest = await self.newest()
        chain: list[SignedHead] = []
        for signed in await self._heads(from_serial):
            release = read_head_untrusted(signed)
            if chain:
                _check_link(chain[-1], release)
            chain.append(release)
            # What was committed in the meantime is not looked at.
            if release.sha256 == newest.sha256:
                return chain
        raise ChainError(
            f"the releases that the server lists do not lead to release {newest.head.serial} of {self._target.coffer!r}, which it shows as "
            "the newest: its database is damaged, or it lies"
        )

    async def release_at(self, serial: int) -> SignedHead:
        """The release with a serial. Raises `NoReleaseError` where the server has none, and what `history` raises."""
        newest = await self.newest()
        if serial == newest.head.serial:
            return newest
        if not 1 <= serial < newest.head.serial:
            raise NoReleaseError(f"coffer {self._target.coffer!r} has no release {serial}: the newest is {newest.head.serial}")
        first = (await self.history(serial))[0]
        if first.head.serial != serial:
            raise NoReleaseError(f"the server's releases of {self._target.coffer!r} begin at {first.head.serial}, so {serial} is not there")
        return first

    # ------------------------------------------------------------------------------------------------ what is in one

    async def entries(self, release: SignedHead) -> Listing:
        """Who is in a release, checked against its root.

        Raises:
            ServerError: the server does not hold it any more.
            ForkError, RollbackError, ListingError: it is not what was signed.
            What `open` raises.
        """
        head = release.head
        answer = await self._ask(Entries(coffer=head.coffer, serial=head.serial).to_ask())
        signed, entries = question.entries_untrusted(answer)
        exactly = Seen(serial=head.serial, signed_sha256=release.sha256)
        shown, listing = read_listing_untrusted(signed, entries, Demand(coffer=head.coffer, publishers={head.publisher}, seen=exactly))
        if shown.sha256 != release.sha256:
            raise ForkError(f"the server was asked for release {head.serial} of {head.coffer!r}, and lists release {shown.head.serial}")
        return listing

    async def notes(self, serial: int, entries: Sequence[Entry], note_key: NoteKey) -> dict[bytes, Note]:
        """What is noted of some clients in a release, by id, in the order of `entries`. For very many, see `in_batches`.

        Args:
            serial: the release's.
            entries: of clients in it.
            note_key: the coffer's.

        Raises:
            NoteError: a note is missing, or cannot be opened.
            What `open` raises.
        """
        notes: dict[bytes, Note] = {}
        for batch in in_batches(entries):
            ids = tuple(entry.id for entry in batch)
            answer = await self._ask(Notes(coffer=self._target.coffer, serial=serial, ids=ids).to_ask())
            sealed = dict(question.notes_untrusted(answer))
            for entry in batch:
                if entry.id not in sealed:
                    raise NoteError(f"the server gives no note of client {format_id(entry.id)} in release {serial}")
                notes[entry.id] = note_key.open(sealed[entry.id], coffer=self._target.coffer, client_id=entry.id, since=entry.since)
        return notes

    async def fetches(self) -> dict[bytes, Fetch]:
        """The last release that each client has fetched, as the server says."""
        answer = await self._ask(Fetches(coffer=self._target.coffer).to_ask())
        return {fetch.id: fetch for fetch in question.fetches_untrusted(answer)}

    async def note_key(self, listing: Listing) -> NoteKey:
        """The coffer's note key, from this publisher's own shard.

        Args:
            listing: the newest release's.

        Raises:
            NoteKeyMissingError: this publisher does not stand in it.
            What `open` raises.
        """
        identity, coffer = self._target.identity, self._target.coffer
        if identity.id() not in listing:
            raise NoteKeyMissingError(
                f"coffer {coffer!r} has releases by other publishers, and none has handed this one the coffer's note key. One of them must "
                f"type: coffer-companion publishers add {identity.public().text()}"
            )
        answer = await self._connection.request(Get(), OkGet)
        sealed = coffers.SealedAnswer.decode_untrusted(answer.coffer)
        release = await self.newest()
        # A newer release may have come in the meantime. Then the commit loses its race, and nothing is made upon this one.
        demand = Demand(coffer=coffer, publishers=self.publishers | {release.head.publisher}, seen=self.seen)
        # An expired release is opened too, for publishing mends that: so the clock is not asked.
        accepted = coffers.accept_untrusted(sealed, demand, identity=identity, plain=False, now=0)
        return NoteKey.from_secrets(accepted.secrets)

    async def _ask(self, ask: Ask) -> Tell:
        return await self._connection.request(ask, Tell)


@asynccontextmanager
async def entered(target: Target) -> AsyncIterator[Connection]:
    """A session as this publisher.

    Raises:
        NotLetInError: the server does not know it.
        What `connect` raises.
    """
    async with AsyncExitStack() as stack:
        with entering(target):
            connection = await stack.enter_async_context(connect(target.address, target.identity))
        yield connection


def in_batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries in lists, each as long as one answer with their notes may be."""
    remaining = iter(entries)
    while batch := list(islice(remaining, _NOTES_PER_ANSWER)):
        yield batch


def read_head_untrusted(signed: bytes) -> SignedHead:
    """A head whose signature is that of the publisher it names, whoever that is.

    Raises:
        NotAReleaseError, BadSignatureError: it is none.
    """
    return heads.verify_untrusted(signed, publishers=_Anybody())


def _check_link(before: SignedHead, after: SignedHead) -> None:
    """See that a head follows another.

    Raises:
        ChainError: it does not.
    """
    if after.head.serial != before.head.serial + 1 or after.head.prev != before.sha256 or after.head.coffer != before.head.coffer:
        raise ChainError(
            f"release {after.head.serial} of {after.head.coffer!r}, as the server shows it, does not follow release "
            f"{before.head.serial}: one between them is missing, or one was replaced"
        )

"""Publishing: open the coffer on the server, check what it shows, send what changed, sign, commit."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import CofferError, MalformedMessageError
from coffer_protocol.identity import Identity
from coffer_protocol.message import Commit, Entry, Get, OkCommit, OkGet, OkOpen, Open, Put
from coffer_protocol.primitives import sha256
from coffer_protocol.release import coffer as coffers
from coffer_protocol.release import head as heads
from coffer_protocol.release.coffer import Demand, Seen
from coffer_protocol.release.head import Head, SignedHead
from coffer_protocol.release.listing import check_listing_untrusted, leaf_hashes
from coffer_protocol.release.notes import NoteKey
from coffer_protocol.release.tree import Tree

from .compile import Compilation, Current, Wanted, compile_release, make_changes
from .connection import Connection, connect
from .plan import Plan
from .settings import PublisherState

# Clients warn of an expiry this long before it, so an upload renews from then on.
RENEWAL_S: Final = 30 * 86400

# Told of each message sent: how many of how many.
Progress = Callable[[int, int], None]
# Asked whether to go on with a plan; raises where not.
Approve = Callable[[Plan], None]


class NoteKeyMissingError(CofferError):
    """This publisher was not handed the coffer's note key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is to be published, where, and by whom.

    Attributes:
        address: the server.
        coffer: the coffer's name.
        identity: the publisher's.
        wanted: from `compile.wanted_shards`.
        public: of each client's name, the keys that are no secret.
        lifetime_s: how long the release is good for, or None for ever.
        renew: whether to make a release though no shard changes, so that its expiry is set anew.
        state_file: where this publisher's memory of the coffer is kept.
    """

    address: ServerAddress
    coffer: str
    identity: Identity
    wanted: Mapping[bytes, Wanted]
    public: Mapping[str, frozenset[str]]
    lifetime_s: int | None
    renew: bool
    state_file: Path


async def publish(publication: Publication, *, approve: Approve, progress: Progress, now: Callable[[], float] = time.time) -> int | None:
    """Publish. Returns the serial of the new release, or None where there was nothing to change.

    Nothing has changed unless a serial is returned: a release is committed whole or not at all.

    Args:
        publication: what, where, by whom.
        approve: shown the plan before anything is sent; raises to stop.
        progress: told of each message sent.
        now: the clock, in seconds since 1970.

    Raises:
        ServerError: by its code: `conflict`, another release came first; `denied`, not a publisher of this coffer.
        KeyNotFoundError: the server does not know this publisher.
        UnreachableError, ProtocolError: the connection.
        ReleaseError: what the server shows is not what it should be; nothing was signed.
        SettingsError: the publisher's memory is damaged.
    """
    async with connect(publication.address, publication.identity) as connection:
        upload = await _Upload.open(connection, publication, now())
        approve(upload.plan)
        if upload.plan.is_empty and not upload.compilation.put:
            return None
        await upload.send(progress)
        return await upload.commit()


async def preview(publication: Publication, *, now: Callable[[], float] = time.time) -> Plan:
    """The plan alone; nothing is changed. Raises as `publish`."""
    async with connect(publication.address, publication.identity) as connection:
        return (await _Upload.open(connection, publication, now())).plan


class _Upload:
    """One upload, step by step: open, send, commit."""

    def __init__(
        self,
        connection: Connection,
        publication: Publication,
        state: PublisherState,
        release: SignedHead | None,
        compilation: Compilation,
        now: float,
    ) -> None:
        self._connection = connection
        self._publication = publication
        self._state = state
        self._release = release
        self._now = now
        self.compilation = compilation
        self.plan = dataclasses.replace(compilation.plan, is_renewal=self._is_renewal())
        self._entries = dict(compilation.keep)
        self._notes: dict[bytes, bytes] = {key: note for key, note in state.notes.items() if key in compilation.keep}

    @classmethod
    async def open(cls, connection: Connection, publication: Publication, now: float) -> _Upload:
        """Open the coffer, and check what the server shows as PROTOCOL.md, 7, *A publisher accepts an OkOpen* says."""
        state = PublisherState.load(publication.state_file)
        answer = await connection.request(Open(coffer=publication.coffer), OkOpen)
        if answer.signed is None:
            return cls._first(connection, publication, state, now)
        demand = Demand(coffer=publication.coffer, publishers=_trusted(publication), seen=state.seen)
        release = check_listing_untrusted(answer.signed, answer.entries(), demand)
        entries = {entry.id: entry for entry in answer.entries()}
        note_key = await _fetch_note_key(publication, demand, entries)
        current = Current(serial=release.head.serial, entries=entries, notes=state.notes)
        return cls(connection, publication, state, release, _compile(publication, current, note_key), now)

    @classmethod
    def _first(cls, connection: Connection, publication: Publication, state: PublisherState, now: float) -> _Upload:
        """A server without a release of this coffer: the first, or the first after its database was lost."""
        current = Current(serial=state.seen.serial if state.seen is not None else 0, entries={}, notes={})
        return cls(connection, publication, state, None, _compile(publication, current, NoteKey.generate()), now)

    def _is_renewal(self) -> bool:
        """Whether the release's expiry is a reason of its own to make a new one."""
        if self._release is None or self.compilation.is_change:
            return False
        expires = self._release.head.expires
        is_near = expires is not None and expires - self._now < RENEWAL_S
        return self._publication.renew or is_near

    async def send(self, progress: Progress) -> None:
        """Send what changes, each blob made when its turn comes."""
        total = len(self.compilation.put) + len(self.compilation.drop)
        for number, (change, entry) in enumerate(make_changes(self.compilation), 1):
            await self._connection.send(change)
            if entry is not None and isinstance(change, Put):
                self._entries[entry.id] = entry
                self._notes[entry.id] = change.note
            progress(number, total)

    async def commit(self) -> int:
        """Sign the new head, commit it, and remember it. Returns its serial."""
        publication = self._publication
        issued = int(self._now)
        ordered = [self._entries[client_id] for client_id in sorted(self._entries)]
        head = Head(
            coffer=publication.coffer,
            serial=self.compilation.serial,
            root=Tree(leaf_hashes(publication.coffer, ordered)).root,
            count=len(ordered),
            issued=issued,
            expires=None if publication.lifetime_s is None else issued + publication.lifetime_s,
            prev=self._prev(),
            publisher=publication.identity.publisher_key(),
        )
        signed = heads.sign(head, publication.identity)
        answer = await self._connection.request(Commit(signed=signed), OkCommit)
        if answer.serial != head.serial:
            raise MalformedMessageError(f"the server says it committed release {answer.serial}, and release {head.serial} was sent")
        seen = Seen(serial=head.serial, signed_sha256=sha256(signed))
        PublisherState(seen=seen, notes=self._notes).save(publication.state_file)
        return head.serial

    def _prev(self) -> bytes | None:
        if self._release is not None:
            return self._release.sha256
        return self._state.seen.signed_sha256 if self._state.seen is not None else None


def _trusted(publication: Publication) -> frozenset[bytes]:
    return frozenset({publication.identity.publisher_key(), *publication.address.publishers})


def _compile(publication: Publication, current: Current, note_key: NoteKey) -> Compilation:
    return compile_release(
        coffer=publication.coffer,
        wanted=publication.wanted,
        public=publication.public,
        current=current,
        note_key=note_key,
        publisher=publication.identity,
    )


async def _fetch_note_key(publication: Publication, demand: Demand, entries: Mapping[bytes, Entry]) -> NoteKey:
    """The coffer's note key, from this publisher's own shard. The table has no Get after Open, so this is a session of its own.

    Raises:
        NoteKeyMissingError: the release was made by another publisher, who has not handed the key on.
    """
    if publication.identity.id() not in entries:
        raise NoteKeyMissingError(
            f"coffer {publication.coffer!r} has releases by another publisher, who has not handed this one the coffer's note key: publish "
            "with that identity (--identity)"
        )
    async with connect(publication.address, publication.identity) as connection:
        answer = await connection.request(Get(), OkGet)
    # An expired release is opened too, for this upload is what renews it: so the clock is not asked.
    accepted = coffers.accept_untrusted(answer.coffer, demand, identity=publication.identity, plain=False, now=0)
    return NoteKey.from_secrets(accepted.secrets)

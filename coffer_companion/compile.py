"""From a definition to a release: which shards changed, the plan for people, and the blobs that are to be sent.

Pure but for randomness: what the server lists comes in, messages go out, and `publish` carries them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from coffer_protocol import primitives, shard
from coffer_protocol.errors import NoteError, ShardError
from coffer_protocol.identity import BareKey, ClientKey, Identity, format_id
from coffer_protocol.limits import FRAME_CONTENT_BYTES
from coffer_protocol.message import Drop, Entry, Put
from coffer_protocol.primitives import Random
from coffer_protocol.release import blob as blobs
from coffer_protocol.release.notes import Note, NoteKey
from coffer_protocol.shard import Secret

from .definition import Client, Definition
from .plan import Change, ClientChange, KeyChange, Plan

# A publisher's own entry is no client of the definition; no client can have this name, for it has a '@'.
PUBLISHER_NOTE: Final = "@publisher"

# What an OkGet of alg 1 has beside its blob: a signed head with room for keys to change, an audit path of a million clients, and the seal.
_SEALED_BOX_OVERHEAD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One client key's shard as the definition wants it."""

    client: str
    key: ClientKey
    secrets: tuple[Secret, ...]
    shard: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The release that the server shows, already checked.

    Attributes:
        serial: its serial, 0 where there is none.
        entries: by client id.
        notes: sealed, by client id, as far as they are known.
    """

    serial: int
    entries: Mapping[bytes, Entry]
    notes: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """What is to be done to get from the current release to the wanted one.

    Attributes:
        put: the shards to seal and send.
        drop: the ids to remove.
        keep: the entries that stay, by client id.
        plan: the same for people.
    """

    coffer: str
    serial: int
    note_key: NoteKey
    put: tuple[Wanted, ...]
    drop: tuple[bytes, ...]
    keep: Mapping[bytes, Entry]
    plan: Plan

    @property
    def is_change(self) -> bool:
        """Whether any shard changes."""
        return bool(self.put or self.drop)


def wanted_shards(definition: Definition) -> dict[bytes, Wanted]:
    """Every client key's shard, by id, in the definition's order.

    Raises:
        ShardError: a shard is too large for its client; the text names the client and its largest keys.
    """
    wanted: dict[bytes, Wanted] = {}
    for client in definition.clients.values():
        encoded = _encode(client)
        for key in client.keys:
            wanted[key.id] = Wanted(client=client.name, key=key, secrets=client.secrets, shard=encoded)
    return wanted


def _encode(client: Client) -> bytes:
    try:
        encoded = shard.encode(client.secrets)
    except ShardError as error:
        raise ShardError(f"client {client.name}: {error}. Its largest keys are {_largest(client)}") from None
    limit = FRAME_CONTENT_BYTES - _SEALED_BOX_OVERHEAD_BYTES
    if len(blobs.pad(encoded)) > limit and any(isinstance(key, BareKey) for key in client.keys):
        raise ShardError(
            f"client {client.name}: known by a bare key, it speaks suite 0, where a shard has at most {limit} bytes, and this one "
            f"{len(encoded)}. Its largest keys are {_largest(client)}; or give it a public key text (`coffer-client keygen`)"
        )
    return encoded


def _largest(client: Client) -> str:
    sizes = sorted(((len(shard.encode([secret])), secret.key) for secret in client.secrets), reverse=True)
    return ", ".join(f"{key} ({size} bytes)" for size, key in sizes[:3])


def compile_release(
    *,
    coffer: str,
    wanted: Mapping[bytes, Wanted],
    public: Mapping[str, frozenset[str]],
    current: Current,
    note_key: NoteKey,
    publisher: Identity,
) -> Compilation:
    """Compare what the definition wants with what the server holds.

    Args:
        coffer: its name.
        wanted: from `wanted_shards`.
        public: of each client's name, the keys that are no secret.
        current: the release to change.
        note_key: the coffer's.
        publisher: who uploads: it stands in the tree with the note key as its shard.
    """
    serial = current.serial + 1
    comparison = _Comparison(coffer, wanted, public, current, note_key)
    put = [item for item in wanted.values() if not comparison.is_unchanged(item)]
    own_id = publisher.id()
    gone = tuple(
        client_id
        for client_id in current.entries
        if client_id not in wanted and client_id != own_id and comparison.name_of(client_id) != PUBLISHER_NOTE
    )
    touched = {item.key.id for item in put}.union(gone)
    plan = Plan(
        coffer=coffer,
        serial=serial,
        clients=tuple(comparison.client_changes(touched, gone)),
        unchanged=len({item.client for item in wanted.values()} - {item.client for item in put}),
    )
    if own_id not in current.entries:
        secrets = (note_key.secret(),)
        put.append(Wanted(client=PUBLISHER_NOTE, key=publisher.public(), secrets=secrets, shard=shard.encode(secrets)))
    keep = {client_id: entry for client_id, entry in current.entries.items() if client_id not in touched}
    return Compilation(coffer=coffer, serial=serial, note_key=note_key, put=tuple(put), drop=gone, keep=keep, plan=plan)


class _Comparison:
    """Two states of one coffer side by side: what the definition wants, and what the server lists."""

    def __init__(
        self,
        coffer: str,
        wanted: Mapping[bytes, Wanted],
        public: Mapping[str, frozenset[str]],
        current: Current,
        note_key: NoteKey,
    ) -> None:
        self._coffer = coffer
        self._wanted = wanted
        self._public = public
        self._current = current
        self._note_key = note_key
        self._notes = {client_id: note for client_id in current.entries if (note := self._open_note(client_id)) is not None}

    def _open_note(self, client_id: bytes) -> Note | None:
        """The note about a client, or None where it is not known here, or of another blob than the current one."""
        sealed = self._current.notes.get(client_id)
        if sealed is None:
            return None
        try:
            return self._note_key.open(sealed, coffer=self._coffer, client_id=client_id, since=self._current.entries[client_id].since)
        except NoteError:
            return None

    def name_of(self, client_id: bytes) -> str:
        """What a client in the current release is called; its id where no note tells."""
        note = self._notes.get(client_id)
        return format_id(client_id) if note is None else note.client

    def is_unchanged(self, item: Wanted) -> bool:
        """Whether the current release holds this very shard for this very key."""
        entry = self._current.entries.get(item.key.id)
        if entry is None or entry.alg != blobs.alg_of(item.key):
            return False
        return entry.mark == self._note_key.mark(coffer=self._coffer, client_id=item.key.id, since=entry.since, shard=item.shard)

    def client_changes(self, touched: set[bytes], gone: Iterable[bytes]) -> Iterator[ClientChange]:
        """The clients that change, those of the definition first, in its order."""
        gone_by_name: dict[str, list[bytes]] = {}
        for client_id in gone:
            gone_by_name.setdefault(self.name_of(client_id), []).append(client_id)
        ids_by_name: dict[str, list[bytes]] = {}
        for client_id, item in self._wanted.items():
            ids_by_name.setdefault(item.client, []).append(client_id)
        for name, ids in ids_by_name.items():
            went = gone_by_name.pop(name, [])
            if went or not touched.isdisjoint(ids):
                yield self._client_change(name, ids, went)
        for name in gone_by_name:
            yield ClientChange(client=name, change=Change.REMOVED)

    def _client_change(self, name: str, ids: list[bytes], went: list[bytes]) -> ClientChange:
        came = [client_id for client_id in ids if client_id not in self._current.entries]
        if len(came) == len(ids) and not went:
            return ClientChange(client=name, change=Change.ADDED, keys=self._keys(ids[0], {}))
        remarks = [f"{len(came)} public key(s) added"] if came else []
        remarks += [f"{len(went)} public key(s) removed"] if went else []
        # Of several hosts with one set of secrets, any one's note tells what it was.
        noted = next((client_id for client_id in [*ids, *went] if client_id in self._notes), None)
        if noted is None:
            remarks.append("which of its keys changed is not known here")
            return ClientChange(client=name, change=Change.CHANGED, remark=", ".join(remarks))
        before = dict(self._notes[noted].keys)
        return ClientChange(
            client=name,
            change=Change.CHANGED,
            keys=self._keys(ids[0], before, noted),
            remark=", ".join(remarks),
            is_emptied=bool(before) and before.keys().isdisjoint(secret.key for secret in self._wanted[ids[0]].secrets),
        )

    def _keys(self, client_id: bytes, before: Mapping[str, bytes], noted: bytes = b"") -> tuple[KeyChange, ...]:
        """The keys that differ from `before`, hashes that were made for the client id `noted`."""
        item = self._wanted[client_id]
        public = self._public.get(item.client, frozenset())
        changes = []
        for secret in item.secrets:
            shown = str(secret.value) if secret.key in public else None
            if secret.key not in before:
                changes.append(KeyChange(key=secret.key, change=Change.ADDED, public=shown))
            elif before[secret.key] != self._note_key.key_hash(coffer=self._coffer, client_id=noted, key=secret.key, value=secret.value):
                changes.append(KeyChange(key=secret.key, change=Change.CHANGED, public=shown))
        stays = {secret.key for secret in item.secrets}
        changes += [KeyChange(key=key, change=Change.REMOVED) for key in before if key not in stays]
        return tuple(changes)


# ------------------------------------------------------------------------------------------------------ making it


def make_changes(compilation: Compilation, random: Random = primitives.random_bytes) -> Iterator[tuple[Put | Drop, Entry | None]]:
    """The messages that change the release, one by one, each with the entry that it makes: nothing is held but the one at hand.

    Raises:
        NoteError: a client has too many keys for its note.
    """
    coffer, since, note_key = compilation.coffer, compilation.serial, compilation.note_key
    for client_id in compilation.drop:
        yield Drop(id=client_id), None
    for item in compilation.put:
        client_id, alg = item.key.id, blobs.alg_of(item.key)
        blob = blobs.seal(item.key, coffer=coffer, since=since, shard=item.shard)
        note = note_key.note(coffer=coffer, client_id=client_id, client=item.client, secrets=item.secrets)
        mark = note_key.mark(coffer=coffer, client_id=client_id, since=since, shard=item.shard)
        sealed_note = note_key.seal(note, coffer=coffer, client_id=client_id, since=since, random=random)
        entry = Entry(id=client_id, alg=alg, since=since, sha256=primitives.sha256(blob), mark=mark)
        yield Put(id=client_id, mark=mark, note=sealed_note, alg=alg, blob=blob), entry

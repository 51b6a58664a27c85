"""Turns a definition into the shards that a release must hold, and compares them with the shards of a release. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from coffer_protocol import shard
from coffer_protocol.errors import ShardError
from coffer_protocol.identity import BareKey, ClientKey, PublicKey
from coffer_protocol.limits import FRAME_CONTENT_BYTES
from coffer_protocol.message import Entry
from coffer_protocol.release import blob as blobs
from coffer_protocol.release.listing import leaf_of
from coffer_protocol.release.notes import ROLE_CLIENT, Note, NoteKeys
from coffer_protocol.shard import Secret

from ..definition import Client, Definition
from ..definition.templates import toml_text
from ..errors import PublisherAsClientError
from .key_diff import Comparison, fingerprint_change
from .listing import Listing
from .plan import ClientChange

# What an OkGet of alg 1 has in addition to its blob: a signed head with room for changed keys, an audit path of a million clients, and
# the seal.
_SEALED_BOX_OVERHEAD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The shard that a client's key should have."""

    client: str
    key: ClientKey
    secrets: tuple[Secret, ...]
    shard: bytes = field(repr=False)
    role: int = ROLE_CLIENT


def wanted_shards(definition: Definition) -> dict[bytes, Wanted]:
    """Return the shard of every client's key, by id, in the definition's order.

    Raises:
        ShardError: a shard is too large for its client. The text names the client and its largest keys.
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
        raise ShardError(f"client {client.name}: {error} (its largest keys are {_largest(client)})") from None
    limit = FRAME_CONTENT_BYTES - _SEALED_BOX_OVERHEAD_BYTES
    if len(blobs.pad(encoded)) > limit and any(isinstance(key, BareKey) for key in client.keys):
        raise ShardError(
            f"client {client.name} has a bare key and would get {len(encoded)} bytes, and suite 0 delivers at most {limit} "
            f"(its largest keys are {_largest(client)}): move some elsewhere, or give it a public key text (coffer-client keygen)"
        )
    return encoded


def _largest(client: Client) -> str:
    sizes = sorted(((len(shard.encode([secret])), secret.key) for secret in client.secrets), reverse=True)
    return ", ".join(f"{key} ({size} bytes)" for size, key in sizes[:3])


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionDifference:
    """The difference between a definition and a release.

    Attributes:
        put: the wanted shards that the release does not hold.
        gone: the ids in the release that the definition does not have.
        staying: the clients that have a key whose shard does not change.
        unchanged: the number of clients whose shards do not change.
    """

    put: tuple[Wanted, ...]
    gone: tuple[bytes, ...]
    staying: frozenset[str]
    unchanged: int


def entries_that_hold(wanted: Mapping[bytes, Wanted], listing: Listing, *, coffer: str, note_keys: NoteKeys) -> frozenset[bytes]:
    """Return the ids whose entries hold the very shards that are wanted, sealed to the very keys.

    Only a mark that this publisher computes itself proves that. With any other mark, the shard is sealed again.

    Args:
        wanted: the result of `wanted_shards`.
        listing: the entries of a release, which were verified.
        coffer: the coffer's name.
        note_keys: the coffer's note keys.
    """
    return frozenset(entry.id for entry in listing.values() if (item := wanted.get(entry.id)) and holds(entry, item, coffer, note_keys))


def holds(entry: Entry, item: Wanted, coffer: str, note_keys: NoteKeys) -> bool:
    """Return whether an entry is the one that is wanted, under the current note key."""
    if entry.alg != blobs.alg_of(item.key) or not note_keys.is_current(entry.since):
        return False
    return entry.mark == note_keys.current.mark(leaf_of(coffer, entry), role=item.role, key=item.key, shard=item.shard)


def find_difference(
    wanted: Mapping[bytes, Wanted], same: Collection[bytes], others: Collection[bytes], publishers: Collection[bytes]
) -> DefinitionDifference:
    """Compare the shards of a definition with those of a release.

    Args:
        wanted: the result of `wanted_shards`.
        same: the result of `entries_that_hold`.
        others: the other ids of the release, in their order.
        publishers: the ids among `others` that are publishers. They stay although the definition does not name them.

    Raises:
        PublisherAsClientError: the definition names a publisher.
    """
    for client_id in publishers:
        if client_id in wanted:
            raise publisher_as_client(wanted[client_id])
    put = tuple(item for client_id, item in wanted.items() if client_id not in same)
    touched = {item.client for item in put}
    return DefinitionDifference(
        put=put,
        gone=tuple(client_id for client_id in others if client_id not in wanted and client_id not in publishers),
        staying=frozenset(wanted[client_id].client for client_id in same),
        unchanged=len({item.client for item in wanted.values()} - touched),
    )


def publisher_as_client(item: Wanted) -> PublisherAsClientError:
    """Return the error for a client that has a publisher's key."""
    return PublisherAsClientError(
        f"client {item.client} has the key of a publisher of this coffer, and a publisher's shard is the note key: make an identity of its "
        "own for the client (coffer-client keygen)"
    )


def client_changes(
    difference: DefinitionDifference,
    wanted: Mapping[bytes, Wanted],
    listing: Listing,
    *,
    coffer: str,
    public: Mapping[str, frozenset[str]],
    notes: Mapping[bytes, Note],
    note_keys: NoteKeys,
) -> tuple[ClientChange, ...]:
    """Return the difference for people, in the definition's order.

    Args:
        difference: the result of `find_difference`.
        wanted: the result of `wanted_shards`.
        listing: the entries of the release.
        coffer: the coffer's name.
        public: for each client's name, the keys whose values are not secret.
        notes: the notes of the clients that differ and that the release holds, by id.
        note_keys: the coffer's note keys.
    """

    def note(item: Wanted, client_id: bytes) -> Note:
        # Two hashes can be compared only if they are made with one note key: that of the release, if it has the client.
        note_key = note_keys.of(listing[client_id].since) if client_id in notes else note_keys.current
        hashes = (note_key.key_hash(coffer=coffer, client_id=client_id, key=secret.key, value=secret.value) for secret in item.secrets)
        return Note(client=item.client, keys=tuple(zip((secret.key for secret in item.secrets), hashes, strict=True)))

    by_name = {item.client: item for item in wanted.values()}
    comparison = Comparison(
        before=notes,
        after={item.key.id: note(item, item.key.id) for item in difference.put},
        restated={
            client_id: note(by_name[notes[client_id].client], client_id)
            for client_id in difference.gone
            if client_id in notes and notes[client_id].client in by_name
        },
        staying=difference.staying,
        public={item.client: _shown(item, public.get(item.client, frozenset())) for item in difference.put},
        remarks={
            item.client: remark
            for item in difference.put
            if isinstance(item.key, PublicKey) and (remark := fingerprint_change(notes.get(item.key.id), item.key.fingerprint()))
        },
    )
    return tuple(comparison.changes())


def _shown(item: Wanted, public: frozenset[str]) -> dict[str, str]:
    return {secret.key: _public_text(secret) for secret in item.secrets if secret.key in public}


def _public_text(secret: Secret) -> str:
    """Return a public value on one line, as TOML writes it."""
    if isinstance(secret.value, bytes):
        return "(bytes)"
    text = toml_text(secret.key, secret.value)
    return text if text.isprintable() else json.dumps(text)

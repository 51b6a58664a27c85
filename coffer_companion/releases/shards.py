"""From a definition to what a release must hold, and where it differs from what one holds. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from coffer_protocol import shard
from coffer_protocol.errors import ShardError
from coffer_protocol.identity import BareKey, ClientKey
from coffer_protocol.limits import FRAME_CONTENT_BYTES
from coffer_protocol.message import Entry
from coffer_protocol.release import blob as blobs
from coffer_protocol.release.notes import Note, NoteKey
from coffer_protocol.shard import Secret

from ..definition import Client, Definition
from ..definition.templates import toml_text
from ..errors import PublisherAsClientError
from .key_diff import Comparison
from .listing import Listing
from .plan import ClientChange

# What an OkGet of alg 1 has beside its blob: a signed head with room for keys to change, an audit path of a million clients, and the seal.
_SEALED_BOX_OVERHEAD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One client key's shard as it is wanted."""

    client: str
    key: ClientKey
    secrets: tuple[Secret, ...]
    shard: bytes = field(repr=False)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionDifference:
    """Where a definition differs from a release.

    Attributes:
        put: the shards that the release does not hold as they are wanted.
        gone: the ids in it that nobody wants.
        noted: the ids among both that the release holds: their notes say what changed.
        staying: the clients that have a key whose shard stays as it is.
        unchanged: how many clients have nothing to put.
    """

    put: tuple[Wanted, ...]
    gone: tuple[bytes, ...]
    noted: tuple[bytes, ...]
    staying: frozenset[str]
    unchanged: int


def find_difference(
    wanted: Mapping[bytes, Wanted], listing: Listing, *, coffer: str, note_key: NoteKey, is_publisher: Callable[[Entry], bool]
) -> DefinitionDifference:
    """Compare what the definition wants with what a release has.

    Args:
        wanted: from `wanted_shards`.
        listing: the release's.
        coffer: its name.
        note_key: the coffer's.
        is_publisher: whether an entry is a publisher's: it stays though the definition does not name it.

    Raises:
        PublisherAsClientError: the definition names it.
    """
    same, gone = set(), []
    for entry in listing.values():
        item = wanted.get(entry.id)
        if item is None:
            if not is_publisher(entry):
                gone.append(entry.id)
        elif _holds(entry, item, coffer, note_key):
            same.add(entry.id)
        elif is_publisher(entry):
            raise publisher_as_client(item)
    put = tuple(item for client_id, item in wanted.items() if client_id not in same)
    touched = {item.client for item in put}
    return DefinitionDifference(
        put=put,
        gone=tuple(gone),
        noted=(*(item.key.id for item in put if item.key.id in listing), *gone),
        staying=frozenset(wanted[client_id].client for client_id in same),
        unchanged=len({item.client for item in wanted.values()} - touched),
    )


def _holds(entry: Entry, item: Wanted, coffer: str, note_key: NoteKey) -> bool:
    """Whether an entry is of this very shard, sealed as the key wants it."""
    if entry.alg != blobs.alg_of(item.key):
        return False
    return entry.mark == note_key.mark(coffer=coffer, client_id=entry.id, since=entry.since, shard=item.shard)


def publisher_as_client(item: Wanted) -> PublisherAsClientError:
    """The refusal of a client that has a publisher's key."""
    return PublisherAsClientError(
        f"client {item.client} has the key of a publisher of this coffer, and a publisher's shard is the note key: make the client an "
        "identity of its own (`coffer-client keygen`)"
    )


def client_changes(
    difference: DefinitionDifference,
    wanted: Mapping[bytes, Wanted],
    *,
    coffer: str,
    public: Mapping[str, frozenset[str]],
    notes: Mapping[bytes, Note],
    note_key: NoteKey,
) -> tuple[ClientChange, ...]:
    """The difference for people, in the definition's order.

    Args:
        difference: from `find_difference`.
        wanted: as there.
        coffer: its name.
        public: of each client's name, the keys that are no secret.
        notes: those of `difference.noted`.
        note_key: as there.
    """

    def note(item: Wanted, client_id: bytes) -> Note:
        return note_key.note(coffer=coffer, client_id=client_id, client=item.client, secrets=item.secrets)

    by_name = {item.client: item for item in wanted.values()}
    comparison = Comparison(
        before=notes,
        after={item.key.id: note(item, item.key.id) for item in difference.put},
        restated={
            client_id: note(by_name[notes[client_id].client], client_id)
            for client_id in difference.gone
            if notes[client_id].client in by_name
        },
        staying=difference.staying,
        public={item.client: _shown(item, public.get(item.client, frozenset())) for item in difference.put},
    )
    return tuple(comparison.changes())


def _shown(item: Wanted, public: frozenset[str]) -> dict[str, str]:
    return {secret.key: _public_text(secret) for secret in item.secrets if secret.key in public}


def _public_text(secret: Secret) -> str:
    """A public value on one line, as TOML writes it."""
    if isinstance(secret.value, bytes):
        return "(bytes)"
    text = toml_text(secret.key, secret.value)
    return text if text.isprintable() else json.dumps(text, ensure_ascii=False)

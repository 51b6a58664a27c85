"""What publishers tell each other past the server: marks and notes (PROTOCOL.md, 7, *Note key*)."""

from __future__ import annotations

from .. import cbor, shard
from ..crypto import primitives
from ..errors import DecodeError, NoteError
from ..lean import TYPE_CHECKING, Record
from ..limits import NOTE_BYTES
from ..message import MARK_BYTES
from ..shard import Secret
from .blob import pad, unpad

if TYPE_CHECKING:
    from typing import Final

    from ..crypto.primitives import Random
    from ..shard import SecretValue

NOTE_KEY_BYTES: Final = 32
# The one secret in the shard of each publisher, who stands in the tree as a client.
NOTE_KEY_SECRET: Final = "note-key"
KEY_HASH_BYTES: Final = 16
_LABEL: Final = "coffer/1 note"


class Note(Record):
    """What a client is called, and a keyed hash for each of its keys, in the shard's order."""

    client: str
    keys: tuple[tuple[str, bytes], ...]


class NoteKey(Record):
    """The key of one coffer's marks and notes: 32 random bytes, made at its first release. The server never has it."""

    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) != NOTE_KEY_BYTES:
            raise NoteError(f"a note key has {NOTE_KEY_BYTES} bytes")

    def __repr__(self) -> str:
        return "NoteKey()"

    @classmethod
    def generate(cls, random: Random = primitives.random_bytes) -> NoteKey:
        """A new note key."""
        return cls(key=random(NOTE_KEY_BYTES))

    @classmethod
    def from_secrets(cls, secrets: tuple[Secret, ...]) -> NoteKey:
        """The note key in a publisher's shard.

        Raises:
            NoteError: the shard does not hold it.
        """
        match secrets:
            case (Secret(key=name, value=bytes() as key),) if name == NOTE_KEY_SECRET:
                return cls(key=key)
        raise NoteError("the publisher's own shard does not hold the note key")

    def secret(self) -> Secret:
        """The note key as the one secret of a publisher's shard."""
        return Secret(key=NOTE_KEY_SECRET, value=self.key)

    def mark(self, *, coffer: str, client_id: bytes, since: int, shard: bytes) -> bytes:
        """16 bytes that say whether a shard has changed since its blob was made."""
        data = cbor.encode([coffer, client_id, since, shard])
        return primitives.blake2b(data, size_bytes=MARK_BYTES, key=self.key)

    def key_hash(self, *, coffer: str, client_id: bytes, key: str, value: SecretValue) -> bytes:
        """16 bytes that say whether one secret has changed."""
        data = cbor.encode([coffer, client_id, key, shard.encode_value(value)])
        return primitives.blake2b(data, size_bytes=KEY_HASH_BYTES, key=self.key)

    def note(self, *, coffer: str, client_id: bytes, client: str, secrets: tuple[Secret, ...]) -> Note:
        """The note about a client's secrets."""
        keys = tuple(
            (secret.key, self.key_hash(coffer=coffer, client_id=client_id, key=secret.key, value=secret.value)) for secret in secrets
        )
        return Note(client=client, keys=keys)

    def seal(self, note: Note, *, coffer: str, client_id: bytes, since: int, random: Random = primitives.random_bytes) -> bytes:
        """The note's bytes, for Put.

        Raises:
            NoteError: the client has so many keys that its note is over 64 KiB.
        """
        body = cbor.encode({"client": note.client, "keys": [[key, digest] for key, digest in note.keys]})
        nonce = random(primitives.XCHACHA_NONCE_BYTES)
        sealed = nonce + primitives.xchacha20poly1305_seal(self.key, nonce, pad(body), _associated(coffer, client_id, since))
        if len(sealed) > NOTE_BYTES:
            raise NoteError(f"client {note.client!r} has too many keys for its note, which holds {NOTE_BYTES} bytes: split its secrets")
        return sealed

    def open(self, sealed: bytes, *, coffer: str, client_id: bytes, since: int) -> Note:
        """What a note says.

        Raises:
            NoteError: it was not sealed under this key, for this client and release.
        """
        nonce, rest = sealed[: primitives.XCHACHA_NONCE_BYTES], sealed[primitives.XCHACHA_NONCE_BYTES :]
        try:
            if len(nonce) < primitives.XCHACHA_NONCE_BYTES:
                raise ValueError("too short")
            data = unpad(primitives.xchacha20poly1305_open(self.key, nonce, rest, _associated(coffer, client_id, since)))
            body = cbor.decode(data, max_items=len(data))
        except (ValueError, DecodeError):
            raise NoteError("a note cannot be opened: the server has changed it") from None
        match body:
            case {"client": str() as client, "keys": list() as items, **others} if not others:
                keys = [(item[0], item[1]) for item in items if isinstance(item, list) and len(item) == 2]
                pairs = [(key, digest) for key, digest in keys if isinstance(key, str) and isinstance(digest, bytes)]
                if len(pairs) == len(items):
                    return Note(client=client, keys=tuple(pairs))
        raise NoteError("a note does not hold what it should")


def _associated(coffer: str, client_id: bytes, since: int) -> bytes:
    return cbor.encode([_LABEL, coffer, client_id, since])

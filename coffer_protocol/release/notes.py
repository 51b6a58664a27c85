"""What publishers tell each other without the server's knowledge: marks and notes (docs/protocol.md, 7, "Note key").

A *mark* tells a publisher that a blob holds the very shard that it wants, sealed to the very keys that it wants. A *note* says what an
entry is, what it is called, and which of its keys have changed. Both are bound to the blob, so that a server cannot show them with
another blob. A note that opens is still another publisher's text: its names and keys are checked as a definition's are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from .. import cbor, shard
from ..address import check_name
from ..crypto import primitives
from ..crypto.primitives import Random
from ..errors import DecodeError, KeyTextError, NoteError, ShardError
from ..identity import FINGERPRINT_BYTES, ClientKey, PublicKey
from ..limits import EARLIER_NOTE_KEYS, NOTE_BYTES
from ..message import MARK_BYTES
from ..shard import Secret, SecretValue
from .blob import ALG_HPKE, pad, sealed_to, unpad
from .tree import Leaf

NOTE_KEY_BYTES: Final = 32
# The current note key's name in the shard of each publisher, which is a client in the tree. An earlier one has `.N` behind it.
NOTE_KEY_SECRET: Final = "note-key"
KEY_HASH_BYTES: Final = 16
ROLE_CLIENT: Final = 0
ROLE_PUBLISHER: Final = 1

_MARK_INFO: Final = b"coffer/1 mark"
_KEY_HASH_INFO: Final = b"coffer/1 key hash"
_NOTE_INFO: Final = b"coffer/1 note"
_MARK_LABEL: Final = _MARK_INFO.decode()
_NOTE_LABEL: Final = _NOTE_INFO.decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The description of an entry.

    Attributes:
        client: the client's name. That of a publisher may be empty.
        role: `ROLE_CLIENT` or `ROLE_PUBLISHER`.
        keys: the keys in its shard, in the shard's order, each with a keyed hash of its value.
        sign: the Ed25519 key of a client with alg 2, 32 bytes, which verifies its receipts.
        fingerprint: the fingerprint of the keys of a client with alg 2, 16 bytes.
        after: the fingerprint of the client whose successor it is, 16 bytes, or None.
        body: the keys of a publisher, 1,280 bytes.

    Raises:
        NoteError: the fields do not belong together, or a name or key is not one.
    """

    client: str
    role: int = ROLE_CLIENT
    keys: tuple[tuple[str, bytes], ...] = ()
    sign: bytes | None = None
    fingerprint: bytes | None = None
    after: bytes | None = None
    body: bytes | None = None

    def __post_init__(self) -> None:
        is_publisher = self.role == ROLE_PUBLISHER
        sizes = ((self.sign, primitives.ED25519_BYTES), (self.fingerprint, FINGERPRINT_BYTES), (self.after, FINGERPRINT_BYTES))
        if self.role not in (ROLE_CLIENT, ROLE_PUBLISHER) or any(value is not None and len(value) != size for value, size in sizes):
            raise NoteError("a note does not hold what it should")
        if is_publisher != (self.body is not None) or (self.sign is None) != (self.fingerprint is None):
            raise NoteError("a note does not hold what it should")
        if is_publisher and (self.keys or self.sign is not None or self.after is not None):
            raise NoteError("a publisher's note has a field that only a client's note may have")
        try:
            if self.client or not is_publisher:
                check_name(self.client, "the name in a note")
            for key, digest in self.keys:
                shard.check_key(key)
                shard.check_visible(key, "the key in a note")
                if len(digest) != KEY_HASH_BYTES:
                    raise NoteError("the hash of a key in a note has another length")
            if self.body is not None:
                PublicKey.from_body(self.body)
        except (KeyTextError, ShardError) as error:
            raise NoteError(f"a note does not hold what it should: {error}") from None

    def publisher_key(self) -> PublicKey:
        """Return the keys of a publisher."""
        assert self.body is not None
        return PublicKey.from_body(self.body)

    def encode(self) -> bytes:
        """Return the note's map as CBOR."""
        fields: dict[str, Any] = {
            "client": self.client,
            "role": self.role,
            "keys": [[key, digest] for key, digest in self.keys],
            "sign": self.sign,
            "fingerprint": self.fingerprint,
            "after": self.after,
            "body": self.body,
        }
        return cbor.encode({name: value for name, value in fields.items() if value is not None})

    @classmethod
    def decode_untrusted(cls, data: bytes, *, alg: int) -> Note:
        """Return the note whose map `data` encodes.

        Args:
            data: the map.
            alg: how the blob is sealed that the note is about.

        Raises:
            NoteError: it is not a note.
        """
        try:
            fields = cbor.decode(data, max_items=len(data))
        except DecodeError as error:
            raise NoteError(f"a note is {error}") from None
        match fields:
            case {"client": str() as client, "role": int() as role, "keys": list() as items, **others} if type(role) is int:
                optional = {str(name): value for name, value in others.items() if name in _OPTIONAL and isinstance(value, bytes)}
                pairs = [(item[0], item[1]) for item in items if isinstance(item, list) and len(item) == 2]
                keys = tuple((key, digest) for key, digest in pairs if isinstance(key, str) and isinstance(digest, bytes))
                if len(optional) == len(others) and len(keys) == len(items):
                    note = cls(client=client, role=role, keys=keys, **optional)
                    if (note.role == ROLE_CLIENT and alg == ALG_HPKE) == (note.sign is not None):
                        return note
        raise NoteError("a note does not hold what it should")


_OPTIONAL: Final = frozenset({"sign", "fingerprint", "after", "body"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """One key of a coffer's marks and notes: 32 random bytes. It is used for nothing but the three keys that follow from it."""

    key: bytes = field(repr=False)
    _mark_key: bytes = field(init=False, repr=False, compare=False)
    _hash_key: bytes = field(init=False, repr=False, compare=False)
    _seal_key: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.key) != NOTE_KEY_BYTES:
            raise NoteError(f"a note key has {NOTE_KEY_BYTES} bytes, got {len(self.key)}")
        for name, info in (("_mark_key", _MARK_INFO), ("_hash_key", _KEY_HASH_INFO), ("_seal_key", _NOTE_INFO)):
            object.__setattr__(self, name, primitives.hkdf_sha256(ikm=self.key, salt=b"", info=info))

    @classmethod
    def generate(cls, random: Random = primitives.random_bytes) -> NoteKey:
        """Make a new note key."""
        return cls(key=random(NOTE_KEY_BYTES))

    def mark(self, leaf: Leaf, *, role: int, key: ClientKey, shard: bytes) -> bytes:
        """Return the mark of a blob, 16 bytes, which says what the blob holds and to which keys it is sealed.

        Args:
            leaf: the leaf of the blob, after it was verified: the server's word for alg, since and hash is not enough.
            role: `ROLE_CLIENT` or `ROLE_PUBLISHER`.
            key: the key that the blob is sealed to.
            shard: the shard in it, before padding.
        """
        return primitives.blake2b(
            cbor.encode([*leaf.labeled(_MARK_LABEL), role, sealed_to(key), shard]), size_bytes=MARK_BYTES, key=self._mark_key
        )

    def key_hash(self, *, coffer: str, client_id: bytes, key: str, value: SecretValue) -> bytes:
        """Return the hash of one secret of a client, 16 bytes, which tells whether the secret has changed."""
        data = cbor.encode([coffer, client_id, key, shard.encode_value(value)])
        return primitives.blake2b(data, size_bytes=KEY_HASH_BYTES, key=self._hash_key)

    def client_note(self, *, coffer: str, key: ClientKey, client: str, secrets: tuple[Secret, ...], after: bytes | None = None) -> Note:
        """Return the note about a client's secrets.

        Args:
            coffer: the coffer's name.
            key: the key that the client's blob is sealed to.
            client: the client's name.
            secrets: its secrets, in the shard's order.
            after: the fingerprint of the client whose successor it is, or None.

        Raises:
            NoteError: the name, or the key of a secret, cannot be noted.
        """
        hashes = tuple(
            (secret.key, self.key_hash(coffer=coffer, client_id=key.id, key=secret.key, value=secret.value)) for secret in secrets
        )
        if not isinstance(key, PublicKey):
            return Note(client=client, keys=hashes)
        return Note(client=client, keys=hashes, sign=key.sign, fingerprint=key.fingerprint(), after=after)

    def seal(self, note: Note, leaf: Leaf, *, random: Random = primitives.random_bytes) -> bytes:
        """Return the note's bytes, for Put.

        Raises:
            NoteError: the client has so many keys that its note is over 64 KiB.
        """
        nonce = random(primitives.XCHACHA_NONCE_BYTES)
        sealed = nonce + primitives.xchacha20poly1305_seal(self._seal_key, nonce, pad(note.encode()), _associated(leaf))
        if len(sealed) > NOTE_BYTES:
            raise NoteError(f"client {note.client!r} has too many keys for its note, which holds {NOTE_BYTES} bytes: split its secrets")
        return sealed

    def open(self, sealed: bytes, leaf: Leaf) -> Note:
        """Open a note.

        Raises:
            NoteError: it was not sealed under this key for this very blob, or does not hold a note.
        """
        nonce, rest = sealed[: primitives.XCHACHA_NONCE_BYTES], sealed[primitives.XCHACHA_NONCE_BYTES :]
        try:
            if len(nonce) < primitives.XCHACHA_NONCE_BYTES:
                raise ValueError("too short")
            data = unpad(primitives.xchacha20poly1305_open(self._seal_key, nonce, rest, _associated(leaf)))
        except ValueError:
            raise NoteError("a note cannot be opened: the server has changed it, or shows it with another blob") from None
        return Note.decode_untrusted(data, alg=leaf.alg)


def publisher_note(*, name: str, key: PublicKey) -> Note:
    """Return the note about a publisher. It has the keys to which other publishers seal a new note key."""
    return Note(client=name, role=ROLE_PUBLISHER, body=key.body)


def _associated(leaf: Leaf) -> bytes:
    return cbor.encode(leaf.labeled(_NOTE_LABEL))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKeys:
    """The note keys of a coffer, which every publisher has in its shard.

    Attributes:
        current: the key of the newest marks and notes.
        earlier: the keys that were replaced, by the serial of the last release made under each.
    """

    current: NoteKey
    earlier: Mapping[int, NoteKey] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def generate(cls, random: Random = primitives.random_bytes) -> NoteKeys:
        """Make the first note key of a coffer."""
        return cls(current=NoteKey.generate(random))

    @classmethod
    def from_secrets(cls, secrets: tuple[Secret, ...]) -> NoteKeys:
        """Return the note keys in a publisher's shard.

        Raises:
            NoteError: the shard does not hold note keys.
        """
        current: NoteKey | None = None
        earlier: dict[int, NoteKey] = {}
        for secret in secrets:
            name, _, number = secret.key.partition(".")
            if name != NOTE_KEY_SECRET or not isinstance(secret.value, bytes):
                raise NoteError("the publisher's own shard holds something else than note keys")
            if not number and secret.key == NOTE_KEY_SECRET:
                current = NoteKey(key=secret.value)
            elif _is_serial(number):
                earlier[int(number)] = NoteKey(key=secret.value)
            else:
                raise NoteError("the publisher's own shard holds something else than note keys")
        if current is None or len(earlier) > EARLIER_NOTE_KEYS:
            raise NoteError("the publisher's own shard does not hold the note key, or too many")
        return cls(current=current, earlier=MappingProxyType(earlier))

    def secrets(self) -> tuple[Secret, ...]:
        """Return the secrets of every publisher's shard."""
        earlier = (Secret(key=f"{NOTE_KEY_SECRET}.{serial}", value=self.earlier[serial].key) for serial in sorted(self.earlier))
        return (Secret(key=NOTE_KEY_SECRET, value=self.current.key), *earlier)

    def of(self, since: int) -> NoteKey:
        """Return the key of the marks and notes of blobs that were made for the release `since`."""
        serials = [serial for serial in self.earlier if serial >= since]
        return self.earlier[min(serials)] if serials else self.current

    def is_current(self, since: int) -> bool:
        """Return whether that key is the current one. A note under an earlier key may have been made by a retired publisher."""
        return all(serial < since for serial in self.earlier)

    def replaced(self, serial: int, random: Random = primitives.random_bytes) -> NoteKeys:
        """Return the note keys of a release that has a new one. That release must seal every shard again.

        Args:
            serial: the serial of that release.
            random: draws the new key.
        """
        earlier = {**self.earlier, serial - 1: self.current}
        kept = sorted(earlier)[-EARLIER_NOTE_KEYS:]
        return NoteKeys(current=NoteKey.generate(random), earlier=MappingProxyType({number: earlier[number] for number in kept}))


def _is_serial(text: str) -> bool:
    # A serial has at most 19 digits, and is written without zeros before them.
    return text.isascii() and text.isdecimal() and len(text) < 20 and str(int(text)) == text

"""Sealed at rest: what could tell something stands in the tables sealed, each value to its own place (docs/storage.md). Pure.

A root key is random; it stands in the database wrapped by a key that only the server's identity gives. Every value has a key of its own,
`HKDF-SHA256-Expand(root key, place)`, and is sealed by XChaCha20-Poly1305 with its place as associated data, so that values cannot be moved
or swapped. A sealed value begins with the number of its root key: while keys are rotated, values under the old one and the new one stand
side by side.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from coffer_protocol.crypto import primitives
from coffer_protocol.crypto.primitives import AEAD_TAG_BYTES, XCHACHA_NONCE_BYTES, Random

from ..errors import SealError

ROOT_KEY_BYTES: Final = 32
NUMBER: Final = struct.Struct(">I")
# What a sealed value has more than its plaintext: the number of its root key, a nonce, a tag.
OVERHEAD_BYTES: Final = NUMBER.size + XCHACHA_NONCE_BYTES + AEAD_TAG_BYTES

_ROOT_PLACE: Final = b"coffer/server/1/root-key\0"
_VALUE_PLACE: Final = b"coffer/server/1/value\0"
_INTEGER: Final = struct.Struct(">q")
_SIZE: Final = struct.Struct(">H")


class SealedColumn:
    """A sealed column, and how the key of a row in it is spelt.

    Args:
        name: `table.column`.
    """

    __slots__ = ("_prefix", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._prefix = _VALUE_PLACE + name.encode() + b"\0"

    def of(self, *key: str | bytes | int) -> bytes:
        """The place of one value: the column's name, then its row's key, part by part. A column's keys all have the same types."""
        parts = [self._prefix]
        for part in key:
            match part:
                case int():
                    parts.append(_INTEGER.pack(part))
                case str():
                    data = part.encode()
                    parts += _SIZE.pack(len(data)), data
                case bytes():
                    parts += _SIZE.pack(len(part)), part
        return b"".join(parts)


def wrap(root_key: bytes, *, number: int, at_rest_key: bytes, random: Random = primitives.random_bytes) -> bytes:
    """A root key as it stands in the database: nonce, ciphertext and tag, under a key that the server's identity gives."""
    nonce = random(XCHACHA_NONCE_BYTES)
    return nonce + primitives.xchacha20poly1305_seal(at_rest_key, nonce, root_key, _ROOT_PLACE + NUMBER.pack(number))


def unwrap(wrapped: bytes, *, number: int, at_rest_key: bytes) -> bytes:
    """What `wrap` was given.

    Raises:
        SealError: another identity has wrapped it, or it is damaged.
    """
    nonce, sealed = wrapped[:XCHACHA_NONCE_BYTES], wrapped[XCHACHA_NONCE_BYTES:]
    try:
        return primitives.xchacha20poly1305_open(at_rest_key, nonce, sealed, _ROOT_PLACE + NUMBER.pack(number))
    except ValueError:
        raise SealError(
            f"root key {number} of the database does not open with this server's identity: restore the identity that the database was made "
            "with, or if it is still there, let it hand over:\n  coffer-server rotate at-rest DIR --from OLD_IDENTITY"
        ) from None


class Keyring:
    """The root keys of a database. It never changes: a rotation makes another.

    Args:
        roots: each root key under its number. New values are sealed under the last.
    """

    __slots__ = ("_roots", "current")

    def __init__(self, roots: Mapping[int, bytes]) -> None:
        self._roots = dict(roots)
        self.current = max(self._roots)

    @property
    def is_single(self) -> bool:
        """Whether there is one root key alone: no rotation is under way."""
        return len(self._roots) == 1

    def __contains__(self, number: int) -> bool:
        return number in self._roots

    def seal(self, place: bytes, plaintext: bytes) -> bytes:
        """A value as it stands at its place."""
        nonce = primitives.random_bytes(XCHACHA_NONCE_BYTES)
        key = primitives.hkdf_sha256_expand(self._roots[self.current], info=place)
        return NUMBER.pack(self.current) + nonce + primitives.xchacha20poly1305_seal(key, nonce, plaintext, place)

    def open(self, place: bytes, sealed: bytes) -> bytes:
        """What was sealed for this place.

        Raises:
            SealError: it was not sealed for this place, or has been changed.
        """
        root_key = self._roots.get(number_of(sealed))
        if root_key is None:
            raise SealError(f"a value is sealed under root key {number_of(sealed)}, which the database does not have")
        start = NUMBER.size + XCHACHA_NONCE_BYTES
        key = primitives.hkdf_sha256_expand(root_key, info=place)
        try:
            return primitives.xchacha20poly1305_open(key, sealed[NUMBER.size : start], sealed[start:], place)
        except ValueError:
            raise SealError("a value is damaged, or was moved from where it belongs") from None


def number_of(sealed: bytes) -> int:
    """The number of the root key that a value is sealed under.

    Raises:
        SealError: it is not a sealed value.
    """
    if len(sealed) < OVERHEAD_BYTES:
        raise SealError("a value is not sealed as it must be")
    number: int = NUMBER.unpack_from(sealed)[0]
    return number

"""Sealing at rest: values in the tables that could reveal something are sealed, each to its own place (docs/storage.md).

This module is pure. A root key is random. The database holds it wrapped by a key that only the server's identity gives. Every value has a
key of its own, `HKDF-SHA256-Expand(root key, place)`, and is sealed by XChaCha20-Poly1305 with its place as associated data, so that values
cannot be moved or swapped. A sealed value begins with the number of its root key: while keys are rotated, the database holds values under
the old root key and under the new one.
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
# A sealed value is longer than its plaintext by the number of its root key, a nonce and a tag.
OVERHEAD_BYTES: Final = NUMBER.size + XCHACHA_NONCE_BYTES + AEAD_TAG_BYTES

_ROOT_PLACE: Final = b"coffer/server/1/root-key\0"
_VALUE_PLACE: Final = b"coffer/server/1/value\0"
_INTEGER: Final = struct.Struct(">q")
_SIZE: Final = struct.Struct(">H")


class SealedColumn:
    """A sealed column of a table, which gives each value in it its place.

    Args:
        name: the name of the column, as `table.column`.
    """

    __slots__ = ("_prefix", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._prefix = _VALUE_PLACE + name.encode() + b"\0"

    def of(self, *key: str | bytes | int) -> bytes:
        """Return the place of one value: the column's name and the parts of its row's key. A column's keys all have the same types."""
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
    """Return a root key as the database holds it: nonce, ciphertext and tag, under a key that the server's identity gives."""
    nonce = random(XCHACHA_NONCE_BYTES)
    return nonce + primitives.xchacha20poly1305_seal(at_rest_key, nonce, root_key, _ROOT_PLACE + NUMBER.pack(number))


def unwrap(wrapped: bytes, *, number: int, at_rest_key: bytes) -> bytes:
    """Return the root key that `wrap` was given.

    Raises:
        SealError: if another identity has wrapped the root key, or if it is damaged.
    """
    nonce, sealed = wrapped[:XCHACHA_NONCE_BYTES], wrapped[XCHACHA_NONCE_BYTES:]
    try:
        return primitives.xchacha20poly1305_open(at_rest_key, nonce, sealed, _ROOT_PLACE + NUMBER.pack(number))
    except ValueError:
        raise SealError(
            f"root key {number} of the database does not open with this server's identity: restore the identity with which the database "
            "was made",
            hint="to change the identity and keep the database, run: coffer-server rotate at-rest DIR --from OLD_IDENTITY",
        ) from None


class Keyring:
    """The root keys of a database. A keyring never changes: a rotation makes another one.

    Args:
        roots: each root key by its number. New values are sealed under the one with the highest number.
    """

    __slots__ = ("_roots", "current")

    def __init__(self, roots: Mapping[int, bytes]) -> None:
        self._roots = dict(roots)
        self.current = max(self._roots)

    @property
    def is_single(self) -> bool:
        """Whether there is only one root key, so that no rotation is in progress."""
        return len(self._roots) == 1

    def __contains__(self, number: int) -> bool:
        return number in self._roots

    def seal(self, place: bytes, plaintext: bytes) -> bytes:
        """Return a value sealed for its place."""
        nonce = primitives.random_bytes(XCHACHA_NONCE_BYTES)
        key = primitives.hkdf_sha256_expand(self._roots[self.current], info=place)
        return NUMBER.pack(self.current) + nonce + primitives.xchacha20poly1305_seal(key, nonce, plaintext, place)

    def open(self, place: bytes, sealed: bytes) -> bytes:
        """Return the value that was sealed for this place.

        Raises:
            SealError: if the value was not sealed for this place, or was changed.
        """
        root_key = self._roots.get(number_of(sealed))
        if root_key is None:
            raise SealError(f"a value is sealed under root key {number_of(sealed)}, which is not in the database")
        start = NUMBER.size + XCHACHA_NONCE_BYTES
        key = primitives.hkdf_sha256_expand(root_key, info=place)
        try:
            return primitives.xchacha20poly1305_open(key, sealed[NUMBER.size : start], sealed[start:], place)
        except ValueError:
            raise SealError("a value is damaged, or was moved from its place") from None


def number_of(sealed: bytes) -> int:
    """Return the number of the root key under which a value is sealed.

    Raises:
        SealError: if this is not a sealed value.
    """
    if len(sealed) < OVERHEAD_BYTES:
        raise SealError("a value is too short to be a sealed value")
    number: int = NUMBER.unpack_from(sealed)[0]
    return number

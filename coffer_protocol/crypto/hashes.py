"""Hashes and HMAC, from the interpreter's own modules.

`hashlib` offers the same functions, and prefers OpenSSL's, for which it loads the system's libcrypto: beside the one that `cryptography`
brings, and in half the time that an empty Python takes to start (bench/README.md, "The client's start-up"). It is asked where the
interpreter was built without its own, and for what is so long that the faster code pays.
"""

from __future__ import annotations

import sys

from ..lean import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import sha3_256, shake_256
    from hashlib import sha256 as _sha256
    from typing import Final
else:
    try:
        from _sha3 import sha3_256, shake_256

        # Python 3.12 put all of SHA-2 into one module.
        if sys.version_info >= (3, 12):
            from _sha2 import sha256 as _sha256
        else:
            from _sha256 import sha256 as _sha256
    except ImportError:
        from hashlib import sha3_256, shake_256
        from hashlib import sha256 as _sha256

__all__ = ["blake2b", "hmac_sha256", "sha3_256", "sha256", "shake_256"]

# From here on OpenSSL's SHA-256 saves more than it takes to load.
_LONG_BYTES: Final = 256 << 10
# HMAC (RFC 2104): SHA-256's block, and what a key is combined with for each of the two hashes.
_BLOCK_BYTES: Final = 64
_INNER: Final = int.from_bytes(b"\x36" * _BLOCK_BYTES)
_OUTER: Final = int.from_bytes(b"\x5c" * _BLOCK_BYTES)


def sha256(data: bytes) -> bytes:
    """SHA-256 (FIPS 180-4), 32 bytes."""
    if len(data) < _LONG_BYTES:
        return _sha256(data).digest()
    import hashlib

    return hashlib.sha256(data).digest()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104), 32 bytes."""
    # Numbers, not a table that is read at each byte of the key: the processor's cache shows which part of a table was read.
    block = int.from_bytes((key if len(key) <= _BLOCK_BYTES else sha256(key)).ljust(_BLOCK_BYTES, b"\0"))
    inner = sha256((block ^ _INNER).to_bytes(_BLOCK_BYTES) + message)
    return sha256((block ^ _OUTER).to_bytes(_BLOCK_BYTES) + inner)


def blake2b(data: bytes, *, digest_size: int, key: bytes = b"", person: bytes = b"") -> bytes:
    """BLAKE2b (RFC 7693), `digest_size` bytes. It is of suite 0 and of publishers: whoever fetches by suite 1 does not load it."""
    # Where `hashlib` takes it from, too: there is no other.
    from _blake2 import blake2b

    return blake2b(data, digest_size=digest_size, key=key, person=person).digest()

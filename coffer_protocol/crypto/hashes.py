"""Hashes and HMAC, from the interpreter's own modules.

`hashlib` offers the same functions. It prefers OpenSSL's, and for them loads the system's libcrypto in addition to the one that
`cryptography` brings, which takes half as long as an empty Python takes to start (bench/README.md, "The client's start-up"). This module
uses `hashlib` if the interpreter was built without its own hashes, and for data that is so long that the faster code pays.
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

# From this size on, OpenSSL's SHA-256 saves more time than it takes to load.
_LONG_BYTES: Final = 256 << 10
# HMAC (RFC 2104): the size of SHA-256's block, and the numbers with which a key is combined for the two hashes.
_BLOCK_BYTES: Final = 64
_INNER: Final = int.from_bytes(b"\x36" * _BLOCK_BYTES)
_OUTER: Final = int.from_bytes(b"\x5c" * _BLOCK_BYTES)


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 of `data` (FIPS 180-4), 32 bytes."""
    if len(data) < _LONG_BYTES:
        return _sha256(data).digest()
    import hashlib

    return hashlib.sha256(data).digest()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return the HMAC-SHA256 of `message` (RFC 2104), 32 bytes."""
    # This combines numbers. A table that is read at each byte of the key would leave traces of the key in the processor's cache.
    block = int.from_bytes((key if len(key) <= _BLOCK_BYTES else sha256(key)).ljust(_BLOCK_BYTES, b"\0"))
    inner = sha256((block ^ _INNER).to_bytes(_BLOCK_BYTES) + message)
    return sha256((block ^ _OUTER).to_bytes(_BLOCK_BYTES) + inner)


def blake2b(data: bytes, *, digest_size: int, key: bytes = b"", person: bytes = b"") -> bytes:
    """Return the BLAKE2b of `data` (RFC 7693), `digest_size` bytes. Only suite 0 and publishers need it, so it is loaded late."""
    # `hashlib` takes it from this module, too.
    from _blake2 import blake2b

    return blake2b(data, digest_size=digest_size, key=key, person=person).digest()

"""The calls of libsodium that every fetch makes, through PyNaCl's compiled module.

PyNaCl documents `nacl.bindings`, which has these calls and many more; importing it costs half of an empty Python's start
(docs/decisions/private-modules.md). This module imports `nacl._sodium` instead, which is undocumented. If that module or a name in it is
missing, importing this module fails, and `primitives` takes `documented_sodium` in its place. Calls that a fetch does not need go through
`nacl.bindings` in any case.

C trusts the lengths that it is given, and this module does not check them: `primitives` checks them before it calls.
"""

from __future__ import annotations

from nacl._sodium import ffi, lib  # type: ignore[import-not-found]  # a compiled module, without stubs

from ..errors import UnavailableError
from ..lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_TAG_BYTES: Final = 16

# Each name is looked up here, so that a missing one shows when this module is imported, not in the middle of a fetch.
_new, _buffer, _NULL = ffi.new, ffi.buffer, ffi.NULL
_randombytes = lib.randombytes
_memcmp = lib.sodium_memcmp
_scalarmult_base = lib.crypto_scalarmult_base
_scalarmult = lib.crypto_scalarmult
_is_valid_point = lib.crypto_core_ed25519_is_valid_point
_sign_seed_keypair = lib.crypto_sign_seed_keypair
_sign = lib.crypto_sign
_sign_open = lib.crypto_sign_open
_chacha20poly1305_encrypt = lib.crypto_aead_chacha20poly1305_ietf_encrypt
_chacha20poly1305_decrypt = lib.crypto_aead_chacha20poly1305_ietf_decrypt

# A minimal build of libsodium has no code behind `crypto_core_ed25519_is_valid_point`.
if lib.sodium_init() < 0 or not lib.PYNACL_HAS_CRYPTO_CORE_ED25519:
    raise UnavailableError(
        "this machine's libsodium cannot be used, or is a minimal build that cannot check a publisher's key",
        hint="the wheels of PyNaCl have a complete libsodium: pip install --upgrade --only-binary pynacl pynacl",
    )


def random_bytes(count: int) -> bytes:
    """Return `count` bytes from the operating system's generator."""
    output = _new("unsigned char[]", count)
    _randombytes(output, count)
    return bytes(_buffer(output, count))


def same(left: bytes, right: bytes) -> bool:
    """Return whether two byte strings are equal, in time that does not depend on where they differ."""
    return len(left) == len(right) and bool(_memcmp(left, right, len(left)) == 0)


def x25519_public(secret: bytes) -> bytes:
    """Return the public key of an X25519 secret key (RFC 7748)."""
    output = _new("unsigned char[]", _KEY_BYTES)
    _scalarmult_base(output, secret)
    return bytes(_buffer(output))


def x25519(secret: bytes, public: bytes) -> bytes:
    """Return the shared secret, 32 bytes.

    Raises:
        ValueError: if the public key is of low order, so that the result would not be secret.
    """
    output = _new("unsigned char[]", _KEY_BYTES)
    if _scalarmult(output, secret, public) != 0:
        raise ValueError("a public key of low order")
    return bytes(_buffer(output))


def is_ed25519_public(key: bytes) -> bool:
    """Return whether 32 bytes are a canonical point of the main subgroup, and not of small order."""
    return bool(_is_valid_point(key) == 1)


def ed25519_public(seed: bytes) -> bytes:
    """Return the public key of an Ed25519 seed (RFC 8032)."""
    return _ed25519_pair(seed)[0]


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    """Return the Ed25519 signature of a message, 64 bytes (RFC 8032)."""
    _, secret = _ed25519_pair(seed)
    output = _new("unsigned char[]", _SIGNATURE_BYTES + len(message))
    _sign(output, _new("unsigned long long *"), message, len(message), secret)
    return bytes(_buffer(output, _SIGNATURE_BYTES))


def _ed25519_pair(seed: bytes) -> tuple[bytes, bytes]:
    """Return the public key, and libsodium's secret key: the seed and the public key."""
    public = _new("unsigned char[]", _KEY_BYTES)
    secret = _new("unsigned char[]", 2 * _KEY_BYTES)
    _sign_seed_keypair(public, secret, seed)
    return bytes(_buffer(public)), bytes(_buffer(secret))


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify an Ed25519 signature by libsodium's rules.

    Raises:
        ValueError: if the signature is not valid.
    """
    signed = signature + message
    output = _new("unsigned char[]", len(signed))
    if _sign_open(output, _new("unsigned long long *"), signed, len(signed), public) != 0:
        raise ValueError("bad signature")


def chacha20poly1305_seal(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Return ciphertext and tag of ChaCha20-Poly1305 (RFC 8439)."""
    output = _new("unsigned char[]", len(plaintext) + _TAG_BYTES)
    size = _new("unsigned long long *")
    _chacha20poly1305_encrypt(output, size, plaintext, len(plaintext), associated, len(associated), _NULL, nonce, key)
    return bytes(_buffer(output, size[0]))


def chacha20poly1305_open(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """Return the plaintext of ChaCha20-Poly1305 (RFC 8439).

    Raises:
        ValueError: if the ciphertext is not authentic.
    """
    output = _new("unsigned char[]", len(ciphertext))
    size = _new("unsigned long long *")
    status = _chacha20poly1305_decrypt(output, size, _NULL, ciphertext, len(ciphertext), associated, len(associated), nonce, key)
    if status != 0:
        raise ValueError("not authentic")
    return bytes(_buffer(output, size[0]))

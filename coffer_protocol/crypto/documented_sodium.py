"""The same calls of libsodium as in `sodium`, through `nacl.bindings`, which PyNaCl documents.

`primitives` takes this module if `nacl._sodium` or a name in it is missing. It does the same, but loads more slowly. One set of tests runs
on both modules.
"""

from __future__ import annotations

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.exceptions import RuntimeError as SodiumError


def random_bytes(count: int) -> bytes:
    """Return `count` bytes from the operating system's generator."""
    return bindings.randombytes(count)


def same(left: bytes, right: bytes) -> bool:
    """Return whether two byte strings are equal, in time that does not depend on where they differ."""
    return len(left) == len(right) and bindings.sodium_memcmp(left, right)


def x25519_public(secret: bytes) -> bytes:
    """Return the public key of an X25519 secret key (RFC 7748)."""
    return bindings.crypto_scalarmult_base(secret)


def x25519(secret: bytes, public: bytes) -> bytes:
    """Return the shared secret, 32 bytes.

    Raises:
        ValueError: if the public key is of low order, so that the result would not be secret.
    """
    try:
        return bindings.crypto_scalarmult(secret, public)
    except SodiumError:
        raise ValueError("a public key of low order") from None


def is_ed25519_public(key: bytes) -> bool:
    """Return whether 32 bytes are a canonical point of the main subgroup, and not of small order."""
    return bindings.crypto_core_ed25519_is_valid_point(key)


def ed25519_public(seed: bytes) -> bytes:
    """Return the public key of an Ed25519 seed (RFC 8032)."""
    return bindings.crypto_sign_seed_keypair(seed)[0]


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    """Return the Ed25519 signature of a message, 64 bytes (RFC 8032)."""
    _, secret = bindings.crypto_sign_seed_keypair(seed)
    return bindings.crypto_sign(message, secret)[: -len(message) or None]


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify an Ed25519 signature by libsodium's rules.

    Raises:
        ValueError: if the signature is not valid.
    """
    try:
        bindings.crypto_sign_open(signature + message, public)
    except CryptoError:
        raise ValueError("bad signature") from None


def chacha20poly1305_seal(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Return ciphertext and tag of ChaCha20-Poly1305 (RFC 8439)."""
    return bindings.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, associated, nonce, key)


def chacha20poly1305_open(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """Return the plaintext of ChaCha20-Poly1305 (RFC 8439).

    Raises:
        ValueError: if the ciphertext is not authentic.
    """
    try:
        return bindings.crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, associated, nonce, key)
    except CryptoError:
        raise ValueError("not authentic") from None

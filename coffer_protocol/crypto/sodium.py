"""The calls of libsodium that stand in the way of every fetch, made through PyNaCl's compiled module.

`nacl.bindings` has these and many more; importing it costs as much as half of an empty Python start, for it loads `typing` and every
construction that there is (bench/README.md, "The client's start-up"). All that a fetch does not need is called there, by `primitives`.

C believes what it is told of lengths, so each function checks those that matter. A wrong one is a mistake of the calling code: ValueError.
"""

from __future__ import annotations

from .. import compiled
from ..errors import UnavailableError
from ..lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
SIGNATURE_BYTES: Final = 64

_sodium = compiled.load("nacl._sodium")
ffi, lib = _sodium.ffi, _sodium.lib
# Without the second, a build of libsodium that leaves things out has no code where `is_ed25519_public` calls some.
if lib.sodium_init() < 0 or not lib.PYNACL_HAS_CRYPTO_CORE_ED25519:
    raise UnavailableError(
        "this machine's libsodium cannot be used, or is a minimal build that cannot check a publisher's key. The wheels of PyNaCl bring a "
        "whole one: pip install --upgrade --only-binary pynacl pynacl"
    )


def _check(value: bytes, size_bytes: int) -> None:
    _check_type(value)
    if len(value) != size_bytes:
        raise ValueError(f"{size_bytes} bytes are wanted, and there are {len(value)}")


def _check_type(*values: bytes) -> None:
    # The foreign function interface would take a list of numbers, too.
    if not all(isinstance(value, bytes) for value in values):
        raise TypeError("bytes are wanted")


def random_bytes(count: int) -> bytes:
    """`count` bytes from the operating system's generator."""
    output = ffi.new("unsigned char[]", count)
    lib.randombytes(output, count)
    return bytes(ffi.buffer(output, count))


def same(left: bytes, right: bytes) -> bool:
    """Whether two byte strings are equal, in time that does not depend on where they differ."""
    _check_type(left, right)
    return len(left) == len(right) and bool(lib.sodium_memcmp(left, right, len(left)) == 0)


def x25519_public(secret: bytes) -> bytes:
    """The public key of an X25519 secret key (RFC 7748)."""
    _check(secret, KEY_BYTES)
    output = ffi.new("unsigned char[]", KEY_BYTES)
    lib.crypto_scalarmult_base(output, secret)
    return bytes(ffi.buffer(output))


def x25519(secret: bytes, public: bytes) -> bytes:
    """The shared secret, 32 bytes.

    Raises:
        ValueError: the public key is of low order, so that nothing is secret.
    """
    _check(secret, KEY_BYTES)
    _check(public, KEY_BYTES)
    output = ffi.new("unsigned char[]", KEY_BYTES)
    if lib.crypto_scalarmult(output, secret, public) != 0:
        raise ValueError("a public key of low order")
    return bytes(ffi.buffer(output))


def is_ed25519_public(key: bytes) -> bool:
    """Whether 32 bytes are a canonical point of the main subgroup, and not of small order."""
    _check(key, KEY_BYTES)
    return bool(lib.crypto_core_ed25519_is_valid_point(key) == 1)


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify with libsodium's rules.

    Raises:
        ValueError: the signature is not good.
    """
    _check_type(public, message, signature)
    if len(signature) != SIGNATURE_BYTES or len(public) != KEY_BYTES:
        raise ValueError("not a signature")
    signed = signature + message
    output = ffi.new("unsigned char[]", len(signed))
    if lib.crypto_sign_open(output, ffi.new("unsigned long long *"), signed, len(signed), public) != 0:
        raise ValueError("bad signature")


def chacha20poly1305_seal(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """ChaCha20-Poly1305 (RFC 8439): ciphertext and tag."""
    _check(key, KEY_BYTES)
    _check(nonce, NONCE_BYTES)
    _check_type(plaintext, associated)
    output = ffi.new("unsigned char[]", len(plaintext) + TAG_BYTES)
    size = ffi.new("unsigned long long *")
    lib.crypto_aead_chacha20poly1305_ietf_encrypt(
        output, size, plaintext, len(plaintext), associated, len(associated), ffi.NULL, nonce, key
    )
    return bytes(ffi.buffer(output, size[0]))


def chacha20poly1305_open(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """The plaintext.

    Raises:
        ValueError: the ciphertext is not authentic.
    """
    _check(key, KEY_BYTES)
    _check(nonce, NONCE_BYTES)
    _check_type(ciphertext, associated)
    output = ffi.new("unsigned char[]", len(ciphertext))
    size = ffi.new("unsigned long long *")
    # Too short for a tag is refused there, before anything is read.
    status = lib.crypto_aead_chacha20poly1305_ietf_decrypt(
        output, size, ffi.NULL, ciphertext, len(ciphertext), associated, len(associated), nonce, key
    )
    if status != 0:
        raise ValueError("not authentic")
    return bytes(ffi.buffer(output, size[0]))

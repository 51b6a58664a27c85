"""The cryptographic primitives of protocol 1, each from the library that does it best.

Every other module uses this one. libsodium (PyNaCl) does X25519, Ed25519, NaCl's boxes and the AEADs; OpenSSL (cryptography) does
ML-KEM-768; the interpreter itself does hashes. What every fetch needs is called through undocumented modules of these libraries, which load
faster. If one of them is missing, the documented module takes its place (docs/decisions/private-modules.md).

C trusts the lengths that it is given, so each function here checks those that matter before it calls. A wrong length is a mistake of the
calling code: ValueError. Keys are raw bytes here; the types that guard them are in `identity`. A failure to open or to verify raises
ValueError without detail, and the caller turns it into the error of its section of docs/protocol.md.
"""

from __future__ import annotations

from ..errors import KeyTextError
from ..lean import TYPE_CHECKING
from . import hashes

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import TypeAlias

    from . import sodium
else:
    try:
        from . import sodium
    except (ImportError, AttributeError):
        from . import documented_sodium as sodium

# Returns so many random bytes. Code that needs randomness takes it as an argument, so that tests can fix it.
Random: TypeAlias = "Callable[[int], bytes]"

SHA256_BYTES = 32
X25519_BYTES = 32
ED25519_BYTES = 32
ED25519_SIGNATURE_BYTES = 64
MLKEM768_PUBLIC_BYTES = 1184
MLKEM768_CIPHERTEXT_BYTES = 1088
MLKEM768_SEED_BYTES = 64
AEAD_TAG_BYTES = 16
CHACHA_KEY_BYTES = 32
CHACHA_NONCE_BYTES = 12
XCHACHA_NONCE_BYTES = 24

_X25519_PRIME = 2**255 - 19
# The points of low order with a canonical encoding, little-endian: 0, 1, p - 1 and the two points of order 8 (RFC 7748's curve; the same
# list is in Wycheproof's x25519 vectors, flag LowOrderPublic). A shared secret that is made with one of them is not secret.
_X25519_LOW_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    )
)


def _check(value: bytes, size_bytes: int) -> None:
    _check_type(value)
    if len(value) != size_bytes:
        raise ValueError(f"expected {size_bytes} bytes, got {len(value)}")


def _check_type(*values: bytes) -> None:
    # The interface to C would also take a list of numbers.
    if not all(isinstance(value, bytes) for value in values):
        raise TypeError("expected bytes")


def random_bytes(count: int) -> bytes:
    """Return `count` bytes from the operating system's generator."""
    return sodium.random_bytes(count)


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 of `data` (FIPS 180-4), 32 bytes."""
    return hashes.sha256(data)


def sha3_256(data: bytes) -> bytes:
    """Return the SHA3-256 of `data` (FIPS 202), 32 bytes."""
    return hashes.sha3_256(data).digest()


def shake256(data: bytes, size_bytes: int) -> bytes:
    """Return the first `size_bytes` of SHAKE-256 of `data` (FIPS 202)."""
    return hashes.shake_256(data).digest(size_bytes)


def blake2b(data: bytes, *, size_bytes: int, key: bytes = b"", person: bytes = b"") -> bytes:
    """Return the BLAKE2b of `data` (RFC 7693), keyed if `key` is given. `person` is padded to 16 bytes with zero bytes."""
    return hashes.blake2b(data, digest_size=size_bytes, key=key, person=person)


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA256 (RFC 2104), 32 bytes."""
    return hashes.hmac_sha256(key, message)


def hkdf_sha256_extract(*, salt: bytes, ikm: bytes) -> bytes:
    """Return the result of HKDF-SHA256's first step (RFC 5869, 2.2), 32 bytes."""
    return hashes.hmac_sha256(salt, ikm)


def hkdf_sha256_expand(key: bytes, *, info: bytes, size_bytes: int = SHA256_BYTES) -> bytes:
    """Return the result of HKDF-SHA256's second step (RFC 5869, 2.3). The key must be random, or extracted."""
    output = block = b""
    for number in range(1, -(-size_bytes // SHA256_BYTES) + 1):
        block = hashes.hmac_sha256(key, block + info + bytes([number]))
        output += block
    return output[:size_bytes]


def hkdf_sha256(*, ikm: bytes, salt: bytes, info: bytes, size_bytes: int = SHA256_BYTES) -> bytes:
    """Return the result of both steps of HKDF-SHA256 (RFC 5869), extract and expand."""
    return hkdf_sha256_expand(hkdf_sha256_extract(salt=salt, ikm=ikm), info=info, size_bytes=size_bytes)


def same(left: bytes, right: bytes) -> bool:
    """Return whether two byte strings are equal, in time that does not depend on where they differ."""
    _check_type(left, right)
    return sodium.same(left, right)


# ------------------------------------------------------------------------------------------------------ X25519


def check_x25519_public(key: bytes) -> None:
    """Refuse a public key that is not canonical or of low order, which libsodium itself would take (docs/protocol.md, 1).

    Raises:
        KeyTextError: if the key does not have 32 bytes, is not canonical, or is of low order.
    """
    if len(key) != X25519_BYTES:
        raise KeyTextError(f"expected a public key of {X25519_BYTES} bytes, got {len(key)}")
    if int.from_bytes(key, "little") >= _X25519_PRIME:
        raise KeyTextError("the public key is not in its canonical encoding: copy it again from its owner")
    if key in _X25519_LOW_ORDER:
        raise KeyTextError("the public key is of low order and protects nothing: copy it again from its owner")


def x25519_public(secret: bytes) -> bytes:
    """Return the public key of an X25519 secret key (RFC 7748)."""
    _check(secret, X25519_BYTES)
    return sodium.x25519_public(secret)


def x25519(secret: bytes, public: bytes) -> bytes:
    """Return the shared secret of X25519 (RFC 7748), 32 bytes.

    Raises:
        ValueError: if the public key is of low order. A key that has passed `check_x25519_public` is not.
    """
    _check(secret, X25519_BYTES)
    _check(public, X25519_BYTES)
    return sodium.x25519(secret, public)


# ----------------------------------------------------------------------------------------------------- Ed25519


def check_ed25519_public(key: bytes) -> None:
    """Raise KeyTextError if a publisher's key is not a canonical point of the main subgroup."""
    if len(key) != ED25519_BYTES:
        raise KeyTextError(f"expected a publisher key of {ED25519_BYTES} bytes, got {len(key)}")
    _check_type(key)
    if not sodium.is_ed25519_public(key):
        raise KeyTextError("the publisher key is not a valid point: copy it again from its owner")


def ed25519_public(seed: bytes) -> bytes:
    """Return the public key of an Ed25519 seed (RFC 8032)."""
    _check(seed, ED25519_BYTES)
    return sodium.ed25519_public(seed)


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    """Return the signature of a message, 64 bytes (RFC 8032)."""
    _check(seed, ED25519_BYTES)
    _check_type(message)
    return sodium.ed25519_sign(seed, message)


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify a signature by libsodium's rules, which refuse keys of small order and encodings that are not canonical.

    Raises:
        ValueError: if the signature is not valid.
    """
    _check_type(public, message, signature)
    if len(signature) != ED25519_SIGNATURE_BYTES or len(public) != ED25519_BYTES:
        raise ValueError("not a signature")
    sodium.ed25519_verify(public, message, signature)


# ------------------------------------------------------------------------------------------------------- AEADs


def chacha20poly1305_seal(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Return ciphertext and tag of ChaCha20-Poly1305 (RFC 8439)."""
    _check_chacha20poly1305(key, nonce, plaintext, associated)
    return sodium.chacha20poly1305_seal(key, nonce, plaintext, associated)


def chacha20poly1305_open(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """Return the plaintext of ChaCha20-Poly1305 (RFC 8439).

    Raises:
        ValueError: if the ciphertext is not authentic.
    """
    _check_chacha20poly1305(key, nonce, ciphertext, associated)
    if len(ciphertext) < AEAD_TAG_BYTES:
        raise ValueError("too short for a tag")
    return sodium.chacha20poly1305_open(key, nonce, ciphertext, associated)


def _check_chacha20poly1305(key: bytes, nonce: bytes, data: bytes, associated: bytes) -> None:
    _check(key, CHACHA_KEY_BYTES)
    _check(nonce, CHACHA_NONCE_BYTES)
    _check_type(data, associated)


def xchacha20poly1305_seal(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Return ciphertext and tag of XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha). The nonce of 24 bytes may be random."""
    from nacl import bindings

    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, associated, nonce, key)


def xchacha20poly1305_open(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """Return the plaintext of XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha).

    Raises:
        ValueError: if the ciphertext is not authentic.
    """
    from nacl import bindings
    from nacl.exceptions import CryptoError

    if len(ciphertext) < AEAD_TAG_BYTES:
        raise ValueError("too short for a tag")
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, associated, nonce, key)
    except CryptoError:
        raise ValueError("not authentic") from None


# ---------------------------------------------------------------------------------------------------- NaCl box


def box(secret: bytes, public: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    """Return NaCl's `crypto_box`, which is 16 bytes longer than its plaintext."""
    from nacl import bindings

    return bindings.crypto_box_easy(plaintext, nonce, public, secret)


def box_open(secret: bytes, public: bytes, nonce: bytes, ciphertext: bytes) -> bytes:
    """Return the plaintext of NaCl's `crypto_box`.

    Raises:
        ValueError: if the ciphertext is not authentic.
    """
    from nacl import bindings
    from nacl.exceptions import CryptoError

    if len(ciphertext) < AEAD_TAG_BYTES:
        raise ValueError("too short for a tag")
    try:
        return bindings.crypto_box_open_easy(ciphertext, nonce, public, secret)
    except CryptoError:
        raise ValueError("not authentic") from None


def sealed_box(public: bytes, plaintext: bytes) -> bytes:
    """Return libsodium's `crypto_box_seal`, which is 48 bytes longer than its plaintext."""
    from nacl import bindings

    return bindings.crypto_box_seal(plaintext, public)


def sealed_box_open(secret: bytes, public: bytes, ciphertext: bytes) -> bytes:
    """Return the plaintext of libsodium's `crypto_box_seal`.

    Raises:
        ValueError: if it was not sealed to this key, or with an ephemeral key that must not be used.
    """
    from nacl import bindings
    from nacl.exceptions import CryptoError

    try:
        check_x25519_public(ciphertext[:X25519_BYTES])
        return bindings.crypto_box_seal_open(ciphertext, public, secret)
    # PyNaCl raises TypeError if the ciphertext is too short. Its ValueErrors need no translation.
    except (CryptoError, TypeError, KeyTextError):
        raise ValueError("not sealed to this key") from None


# --------------------------------------------------------------------------------------------------- ML-KEM-768


def _mlkem() -> ModuleType:
    """Return the module `mlkem`. A client that is known by its bare key does not load it.

    Raises:
        UnavailableError: if this machine's OpenSSL has no ML-KEM-768.
    """
    from . import mlkem

    return mlkem


def check_mlkem_public(key: bytes) -> None:
    """Raise KeyTextError if a key is not an ML-KEM-768 encapsulation key (FIPS 203, 7.2).

    Raises:
        KeyTextError: if the key cannot be used.
        UnavailableError: if the OpenSSL of this machine has no ML-KEM-768.
    """
    mlkem = _mlkem()
    try:
        mlkem.public_key(key)
    except ValueError:
        raise KeyTextError("the ML-KEM-768 key cannot be used: copy the public key text again from its owner") from None


def mlkem_public(seed: bytes) -> bytes:
    """Return the encapsulation key, 1,184 bytes, of a seed d ‖ z of 64 bytes (FIPS 203).

    Raises:
        UnavailableError: if the OpenSSL of this machine has no ML-KEM-768.
    """
    public: bytes = _mlkem().private_key(seed).public_key().public_bytes_raw()
    return public


def mlkem_encapsulate(public: bytes) -> tuple[bytes, bytes]:
    """Encapsulate to a key, and return the ciphertext (1,088 bytes) and the shared secret (32 bytes).

    Raises:
        ValueError: if the key cannot be used.
        UnavailableError: if the OpenSSL of this machine has no ML-KEM-768.
    """
    shared, ciphertext = _mlkem().public_key(public).encapsulate()
    return ciphertext, shared


def mlkem_decapsulate(seed: bytes, ciphertext: bytes) -> bytes:
    """Return the shared secret. If the ciphertext is forged, this is another secret (implicit rejection), with which no AEAD opens.

    Raises:
        ValueError: if the ciphertext does not have 1,088 bytes.
        UnavailableError: if the OpenSSL of this machine has no ML-KEM-768.
    """
    shared: bytes = _mlkem().private_key(seed).decapsulate(ciphertext)
    return shared


def openssl_version() -> str:
    """Return the version of the OpenSSL that does ML-KEM here, as OpenSSL writes it."""
    from cryptography.hazmat.backends.openssl.backend import backend

    return backend.openssl_version_text()

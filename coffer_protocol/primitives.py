"""The cryptographic primitives of protocol 1, each from the library that does it best.

Every other module asks this one: nothing else in the house imports `nacl` or `cryptography`. libsodium (PyNaCl) does X25519,
Ed25519, NaCl's boxes and the AEADs; OpenSSL (cryptography) does HKDF, ML-KEM-768 and HPKE.

Keys are raw bytes here; the types that guard them are in `identity`. A failure to open or to verify raises `ValueError`
without detail, and the caller gives it the name that its section of PROTOCOL.md has for it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl import bindings as sodium
from nacl.exceptions import CryptoError

from .errors import KeyTextError, UnavailableError

# Draws that many random bytes; an argument wherever randomness is needed, so that tests can fix it.
Random = Callable[[int], bytes]

X25519_BYTES = 32
ED25519_BYTES = 32
ED25519_SIGNATURE_BYTES = 64
MLKEM768_PUBLIC_BYTES = 1184
MLKEM768_CIPHERTEXT_BYTES = 1088
MLKEM768_SEED_BYTES = 64
AEAD_TAG_BYTES = 16
XCHACHA_NONCE_BYTES = 24

_X25519_PRIME = 2**255 - 19
# The points of low order with a canonical encoding, little-endian: 0, 1, p - 1 and the two of order 8 (RFC 7748's curve; the
# same list is in Wycheproof's x25519 vectors, flag LowOrderPublic). A shared secret made with one of them is no secret.
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


def random_bytes(count: int) -> bytes:
    """`count` bytes from the operating system's generator."""
    return sodium.randombytes(count)


def sha256(data: bytes) -> bytes:
    """SHA-256 (FIPS 180-4), 32 bytes."""
    return hashlib.sha256(data).digest()


def shake256(data: bytes, size_bytes: int) -> bytes:
    """SHAKE-256 (FIPS 202), `size_bytes` of output."""
    return hashlib.shake_256(data).digest(size_bytes)


def blake2b(data: bytes, *, size_bytes: int, key: bytes = b"", person: bytes = b"") -> bytes:
    """BLAKE2b (RFC 7693), keyed where `key` is given; `person` is padded with zero bytes to 16."""
    return hashlib.blake2b(data, digest_size=size_bytes, key=key, person=person).digest()


def hkdf_sha256(*, ikm: bytes, salt: bytes, info: bytes, size_bytes: int) -> bytes:
    """HKDF-SHA256 (RFC 5869), extract and expand."""
    return HKDF(algorithm=SHA256(), length=size_bytes, salt=salt, info=info).derive(ikm)


def hkdf_sha256_expand(key: bytes, *, info: bytes) -> bytes:
    """HKDF-SHA256's second step alone (RFC 5869, 2.3 and 3.3), for a key that is random already: its first 32 bytes.

    By hand, for one block is one HMAC, and it is done for every row of a table.
    """
    return hmac.digest(key, info + b"\x01", "sha256")


def same(left: bytes, right: bytes) -> bool:
    """Whether two byte strings are equal, in time that does not depend on where they differ."""
    return hmac.compare_digest(left, right)


# ------------------------------------------------------------------------------------------------------ X25519


def check_x25519_public(key: bytes) -> None:
    """Refuse a public key that is not canonical or of low order, which libsodium itself would take (PROTOCOL.md, 1).

    Raises:
        KeyTextError: the key is not 32 bytes, not canonical, or of low order.
    """
    if len(key) != X25519_BYTES:
        raise KeyTextError(f"a public key has 32 bytes, this one {len(key)}")
    if int.from_bytes(key, "little") >= _X25519_PRIME:
        raise KeyTextError("the public key is not in its canonical encoding: copy it anew from its owner")
    if key in _X25519_LOW_ORDER:
        raise KeyTextError("the public key is of low order and protects nothing: copy it anew from its owner")


def x25519_public(secret: bytes) -> bytes:
    """The public key of an X25519 secret key (RFC 7748)."""
    return sodium.crypto_scalarmult_base(secret)


def x25519(secret: bytes, public: bytes) -> bytes:
    """The shared secret, 32 bytes. `public` must have passed `check_x25519_public`."""
    return sodium.crypto_scalarmult(secret, public)


# ----------------------------------------------------------------------------------------------------- Ed25519


def check_ed25519_public(key: bytes) -> None:
    """Refuse a publisher's key that is not a canonical point of the main subgroup.

    Raises:
        KeyTextError: it is not.
    """
    if len(key) != ED25519_BYTES:
        raise KeyTextError(f"a publisher key has 32 bytes, this one {len(key)}")
    if not sodium.crypto_core_ed25519_is_valid_point(key):
        raise KeyTextError("the publisher key is not a point that can be used: copy it anew from its owner")


def ed25519_public(seed: bytes) -> bytes:
    """The public key of an Ed25519 seed (RFC 8032)."""
    return sodium.crypto_sign_seed_keypair(seed)[0]


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    """The detached signature, 64 bytes (RFC 8032)."""
    _, secret = sodium.crypto_sign_seed_keypair(seed)
    return sodium.crypto_sign(message, secret)[:ED25519_SIGNATURE_BYTES]


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify with libsodium's rules, which refuse keys of small order and encodings that are not canonical.

    Raises:
        ValueError: the signature is not good.
    """
    if len(signature) != ED25519_SIGNATURE_BYTES or len(public) != ED25519_BYTES:
        raise ValueError("not a signature")
    try:
        sodium.crypto_sign_open(signature + message, public)
    except CryptoError:
        raise ValueError("bad signature") from None


# ------------------------------------------------------------------------------------------------------- AEADs


def chacha20poly1305_seal(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """ChaCha20-Poly1305 (RFC 8439): ciphertext and tag."""
    return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, associated, nonce, key)


def chacha20poly1305_open(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """The plaintext.

    Raises:
        ValueError: the ciphertext is not authentic.
    """
    if len(ciphertext) < AEAD_TAG_BYTES:
        raise ValueError("too short for a tag")
    try:
        return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, associated, nonce, key)
    except CryptoError:
        raise ValueError("not authentic") from None


def xchacha20poly1305_seal(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha): ciphertext and tag; the nonce of 24 bytes may be random."""
    return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, associated, nonce, key)


def xchacha20poly1305_open(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """The plaintext.

    Raises:
        ValueError: the ciphertext is not authentic.
    """
    if len(ciphertext) < AEAD_TAG_BYTES:
        raise ValueError("too short for a tag")
    try:
        return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, associated, nonce, key)
    except CryptoError:
        raise ValueError("not authentic") from None


# ---------------------------------------------------------------------------------------------------- NaCl box


def box(secret: bytes, public: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    """NaCl's `crypto_box`: 16 bytes longer than its plaintext."""
    return sodium.crypto_box_easy(plaintext, nonce, public, secret)


def box_open(secret: bytes, public: bytes, nonce: bytes, ciphertext: bytes) -> bytes:
    """The plaintext.

    Raises:
        ValueError: the ciphertext is not authentic.
    """
    if len(ciphertext) < AEAD_TAG_BYTES:
        raise ValueError("too short for a tag")
    try:
        return sodium.crypto_box_open_easy(ciphertext, nonce, public, secret)
    except CryptoError:
        raise ValueError("not authentic") from None


def sealed_box(public: bytes, plaintext: bytes) -> bytes:
    """libsodium's `crypto_box_seal`: 48 bytes longer than its plaintext."""
    return sodium.crypto_box_seal(plaintext, public)


def sealed_box_open(secret: bytes, public: bytes, ciphertext: bytes) -> bytes:
    """The plaintext.

    Raises:
        ValueError: it was not sealed to this key, or with an ephemeral key that must not be used.
    """
    try:
        check_x25519_public(ciphertext[:X25519_BYTES])
        return sodium.crypto_box_seal_open(ciphertext, public, secret)
    # PyNaCl refuses what is too short with a TypeError, and its own ValueError is one of ours already.
    except (CryptoError, TypeError, KeyTextError):
        raise ValueError("not sealed to this key") from None


# --------------------------------------------------------------------------------------------------- ML-KEM-768


def check_mlkem_public(key: bytes) -> None:
    """Refuse what is not an ML-KEM-768 encapsulation key (FIPS 203, 7.2).

    Raises:
        KeyTextError: it is not.
        UnavailableError: see `check_available`.
    """
    try:
        MLKEM768PublicKey.from_public_bytes(key)
    except ValueError:
        raise KeyTextError("the ML-KEM-768 key cannot be used: copy the public key text anew from its owner") from None
    except UnsupportedAlgorithm:
        raise _unavailable() from None


def mlkem_public(seed: bytes) -> bytes:
    """The encapsulation key, 1,184 bytes, of a seed d ‖ z of 64 bytes (FIPS 203).

    Raises:
        UnavailableError: see `check_available`.
    """
    try:
        return MLKEM768PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()
    except UnsupportedAlgorithm:
        raise _unavailable() from None


def mlkem_encapsulate(public: bytes) -> tuple[bytes, bytes]:
    """Encapsulate to a key: the ciphertext (1,088 bytes) and the shared secret (32).

    Raises:
        ValueError: the key cannot be used.
        UnavailableError: see `check_available`.
    """
    try:
        shared, ciphertext = MLKEM768PublicKey.from_public_bytes(public).encapsulate()
    except UnsupportedAlgorithm:
        raise _unavailable() from None
    return ciphertext, shared


def mlkem_decapsulate(seed: bytes, ciphertext: bytes) -> bytes:
    """The shared secret. Of a forged ciphertext, another one (implicit rejection): the AEAD that uses it will not open.

    Raises:
        ValueError: the ciphertext has not 1,088 bytes.
    """
    return MLKEM768PrivateKey.from_seed_bytes(seed).decapsulate(ciphertext)


# -------------------------------------------------------------------------------------------------------- HPKE


def _hpke() -> Suite:
    """RFC 9180 with KEM 0x647a (MLKEM768-X25519), HKDF-SHA256 and ChaCha20-Poly1305: PROTOCOL.md, 7, alg 2."""
    try:
        return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    except UnsupportedAlgorithm:
        raise _unavailable() from None


def hpke_seal(*, mlkem_key: bytes, x25519_key: bytes, info: bytes, plaintext: bytes) -> bytes:
    """`enc ‖ ciphertext`, sealed to a hybrid key given by its two parts.

    Raises:
        UnavailableError: see `check_available`.
    """
    public = MLKEM768X25519PublicKey(MLKEM768PublicKey.from_public_bytes(mlkem_key), X25519PublicKey.from_public_bytes(x25519_key))
    return _hpke().encrypt(plaintext, public, info=info)


def hpke_open(*, mlkem_seed: bytes, x25519_secret: bytes, info: bytes, sealed: bytes) -> bytes:
    """The plaintext.

    Raises:
        ValueError: it was not sealed to this key with this info.
        UnavailableError: see `check_available`.
    """
    suite = _hpke()
    try:
        secret = MLKEM768X25519PrivateKey(
            MLKEM768PrivateKey.from_seed_bytes(mlkem_seed), X25519PrivateKey.from_private_bytes(x25519_secret)
        )
        return suite.decrypt(sealed, secret, info=info)
    except InvalidTag:
        raise ValueError("not sealed to this key") from None


def _unavailable() -> UnavailableError:
    return UnavailableError(
        "the OpenSSL that this machine's `cryptography` package was built with has no ML-KEM-768, which Coffer needs. "
        "The wheels of cryptography 47 and later have it: pip install --upgrade --only-binary cryptography cryptography"
    )


def check_available() -> None:
    """See at start that the hybrid primitives are there, rather than at the first request.

    Raises:
        UnavailableError: this machine's OpenSSL has no ML-KEM-768.
    """
    _hpke()
    try:
        MLKEM768PrivateKey.from_seed_bytes(bytes(MLKEM768_SEED_BYTES))
    except UnsupportedAlgorithm:
        raise _unavailable() from None

"""HPKE (RFC 9180) in base mode, for the one suite that seals shards (docs/protocol.md, 7).

The suite is KEM 0x647a (MLKEM768-X25519, which is X-Wing: draft-ietf-hpke-pq, draft-connolly-cfrg-xwing-kem), HKDF-SHA256 and
ChaCha20-Poly1305. It seals one message to a key, without associated data.

The primitives come from libraries; this module combines them. `cryptography` has an HPKE of its own, but its hybrid keys load `typing` and
a dozen modules, which cost as much as everything else that a fetch loads (bench/README.md). Tests compare this module with that
implementation in both directions, and with the public vectors.
"""

from __future__ import annotations

from ..errors import KeyTextError
from ..lean import TYPE_CHECKING
from . import primitives

if TYPE_CHECKING:
    from typing import Final

ENC_BYTES: Final = primitives.MLKEM768_CIPHERTEXT_BYTES + primitives.X25519_BYTES

_SUITE_ID: Final = b"HPKE" + bytes.fromhex("647a 0001 0003")
_VERSION: Final = b"HPKE-v1"
_MODE_BASE: Final = b"\0"
# The drawing of an X-wing in its draft: \./ above /^\.
_XWING_LABEL: Final = b"\\./" + b"/^\\"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


def seal(*, mlkem_key: bytes, x25519_key: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Seal a message to a hybrid key, and return `enc ‖ ciphertext`.

    Args:
        mlkem_key: the ML-KEM-768 part of the key, which the caller has checked.
        x25519_key: the X25519 part of the key, which the caller has checked.
        info: the context to which the message is bound.
        plaintext: the message.

    Raises:
        UnavailableError: if this machine's libraries have no ML-KEM-768.
    """
    ephemeral = primitives.random_bytes(primitives.X25519_BYTES)
    ciphertext_mlkem, shared_mlkem = primitives.mlkem_encapsulate(mlkem_key)
    ciphertext_x25519 = primitives.x25519_public(ephemeral)
    shared = _combine(shared_mlkem, primitives.x25519(ephemeral, x25519_key), ciphertext_x25519, x25519_key)
    key, nonce = key_schedule(shared, info)
    return ciphertext_mlkem + ciphertext_x25519 + primitives.chacha20poly1305_seal(key, nonce, plaintext, b"")


def open_sealed(*, mlkem_seed: bytes, x25519_secret: bytes, info: bytes, sealed: bytes) -> bytes:
    """Return the plaintext of a sealed message.

    Raises:
        ValueError: if the message was not sealed to this key with this `info`.
        UnavailableError: if this machine's libraries have no ML-KEM-768.
    """
    shared = decapsulate(mlkem_seed=mlkem_seed, x25519_secret=x25519_secret, enc=sealed[:ENC_BYTES])
    key, nonce = key_schedule(shared, info)
    return primitives.chacha20poly1305_open(key, nonce, sealed[ENC_BYTES:], b"")


def decapsulate(*, mlkem_seed: bytes, x25519_secret: bytes, enc: bytes) -> bytes:
    """Return X-Wing's shared secret, 32 bytes. If `enc` is forged, this is another secret, which opens no message.

    Raises:
        ValueError: if `enc` does not have 1,120 bytes, or if its X25519 key is not canonical or is of low order.
        UnavailableError: if this machine's libraries have no ML-KEM-768.
    """
    ciphertext_x25519 = enc[primitives.MLKEM768_CIPHERTEXT_BYTES :]
    try:
        primitives.check_x25519_public(ciphertext_x25519)
    except KeyTextError:
        raise ValueError("the ephemeral key must not be used") from None
    return _combine(
        primitives.mlkem_decapsulate(mlkem_seed, enc[: primitives.MLKEM768_CIPHERTEXT_BYTES]),
        primitives.x25519(x25519_secret, ciphertext_x25519),
        ciphertext_x25519,
        primitives.x25519_public(x25519_secret),
    )


def _combine(shared_mlkem: bytes, shared_x25519: bytes, ciphertext_x25519: bytes, public_x25519: bytes) -> bytes:
    return primitives.sha3_256(shared_mlkem + shared_x25519 + ciphertext_x25519 + public_x25519 + _XWING_LABEL)


def key_schedule(shared: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Return the key and the nonce of the first message (RFC 9180, 5.1, without a psk)."""
    context = _MODE_BASE + _labeled_extract(b"", b"psk_id_hash", b"") + _labeled_extract(b"", b"info_hash", info)
    secret = _labeled_extract(shared, b"secret", b"")
    return _labeled_expand(secret, b"key", context, _KEY_BYTES), _labeled_expand(secret, b"base_nonce", context, _NONCE_BYTES)


def _labeled_extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return primitives.hkdf_sha256_extract(salt=salt, ikm=_VERSION + _SUITE_ID + label + ikm)


def _labeled_expand(secret: bytes, label: bytes, info: bytes, size_bytes: int) -> bytes:
    return primitives.hkdf_sha256_expand(
        secret, info=size_bytes.to_bytes(2, "big") + _VERSION + _SUITE_ID + label + info, size_bytes=size_bytes
    )

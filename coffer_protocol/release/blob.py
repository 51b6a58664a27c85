"""Blobs: a padded shard, sealed to one client (docs/protocol.md, 7)."""

from __future__ import annotations

from .. import cbor
from ..crypto import hpke, primitives
from ..errors import BlobError
from ..identity import BareKey, PublicKey
from ..lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from ..identity import ClientKey, Identity

ALG_SEALED_BOX: Final = 1
ALG_HPKE: Final = 2

PAD_MULTIPLE_BYTES: Final = 256
_PAD_MARK: Final = b"\x80"
_INFO_LABEL: Final = b"coffer/1 shard\x00"


def pad(data: bytes) -> bytes:
    """Add 0x80, then zero bytes, to a multiple of 256 (ISO/IEC 7816-4), so that a length tells little."""
    padded = data + _PAD_MARK
    return padded + bytes(-len(padded) % PAD_MULTIPLE_BYTES)


def unpad(padded: bytes) -> bytes:
    """Return what `pad` was given.

    Raises:
        ValueError: it is not padded like that.
    """
    data = padded.rstrip(b"\0")
    if len(padded) % PAD_MULTIPLE_BYTES or not data.endswith(_PAD_MARK) or pad(data[:-1]) != padded:
        raise ValueError("not padded")
    return data[:-1]


def alg_of(key: ClientKey) -> int:
    """Return the alg under which a client of this key gets its blobs."""
    return ALG_SEALED_BOX if isinstance(key, BareKey) else ALG_HPKE


def sealed_to(key: ClientKey) -> bytes:
    """Return what a mark says that a blob is sealed to: the body of a public key text, or the id of a bare key."""
    return key.id if isinstance(key, BareKey) else key.body


def _info(coffer: str, client_id: bytes, since: int) -> bytes:
    return _INFO_LABEL + cbor.encode([coffer, client_id, since])


def seal(key: ClientKey, *, coffer: str, since: int, shard: bytes) -> bytes:
    """Seal `shard` for the client of `key` and the release with serial `since`. The blob's alg is `alg_of(key)`.

    Raises:
        UnavailableError: this machine's libraries have no ML-KEM-768.
    """
    match key:
        case BareKey():
            return primitives.sealed_box(key.id, pad(shard))
        case PublicKey():
            return hpke.seal(mlkem_key=key.seal_mlkem, x25519_key=key.seal_x25519, info=_info(coffer, key.id, since), plaintext=pad(shard))


def open_blob(identity: Identity, *, alg: int, coffer: str, since: int, blob: bytes) -> bytes:
    """Return the shard that a blob holds.

    Raises:
        BlobError: the blob was not sealed to this identity, for this coffer and release, or is of an unknown alg.
        UnavailableError: this machine's libraries have no ML-KEM-768.
    """
    try:
        match alg:
            case 1:  # ALG_SEALED_BOX
                padded = primitives.sealed_box_open(identity.plain_secret(), identity.plain_id(), blob)
            case 2:  # ALG_HPKE
                mlkem_seed, x25519_secret = identity.seal_secret()
                padded = hpke.open_sealed(
                    mlkem_seed=mlkem_seed, x25519_secret=x25519_secret, info=_info(coffer, identity.id(), since), sealed=blob
                )
            case _:
                raise ValueError("unknown alg")
        return unpad(padded)
    except ValueError:
        raise BlobError(
            "the shard cannot be opened with this identity: the definition may hold another public key for this client; "
            "compare it with `coffer-client id`"
        ) from None

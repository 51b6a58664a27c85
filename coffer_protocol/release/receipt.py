"""Receipts: a client's signature that it has opened a release (docs/protocol.md, 7).

A receipt proves that somebody with the client's key has opened that release. It does not prove that every machine with this key has.
"""

from __future__ import annotations

from .. import cbor
from ..crypto import primitives
from ..errors import ReceiptError
from ..lean import TYPE_CHECKING
from ..message import Held

if TYPE_CHECKING:
    from typing import Final

    from ..identity import Identity

_LABEL: Final = "coffer/1 held"


def _data(*, coffer: str, client_id: bytes, serial: int, signed_sha256: bytes, use: int) -> bytes:
    return cbor.encode([_LABEL, coffer, client_id, serial, signed_sha256, use])


def sign(identity: Identity, *, coffer: str, serial: int, signed_sha256: bytes, use: int) -> Held:
    """Make the receipt for a release whose secrets this client has opened.

    Args:
        identity: the client's identity. The coffer must know it by its public key text.
        coffer: the coffer's name.
        serial: the release's serial.
        signed_sha256: the hash of its *signed*, 32 bytes.
        use: `message.USE_ONCE` or `message.USE_FOLLOWED`.
    """
    data = _data(coffer=coffer, client_id=identity.id(), serial=serial, signed_sha256=signed_sha256, use=use)
    return Held(serial=serial, sha256=signed_sha256, use=use, receipt=primitives.ed25519_sign(identity.sign_seed(), data))


def verify_untrusted(held: Held, *, coffer: str, client_id: bytes, sign_key: bytes) -> None:
    """Check a receipt.

    Args:
        held: the receipt that the server gave.
        coffer: the coffer's name.
        client_id: the client's id, 32 bytes.
        sign_key: the client's Ed25519 key, 32 bytes.

    Raises:
        ReceiptError: the signature is not valid.
    """
    data = _data(coffer=coffer, client_id=client_id, serial=held.serial, signed_sha256=held.sha256, use=held.use)
    try:
        primitives.ed25519_verify(sign_key, data, held.receipt)
    except ValueError:
        raise ReceiptError(
            f"a receipt for release {held.serial} is not signed by the client that it names: the server made it up"
        ) from None

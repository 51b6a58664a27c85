from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import ReceiptError
from coffer_protocol.identity import Identity
from coffer_protocol.message import Held
from coffer_protocol.release import receipt as receipts
from tests.support import identity, vectors

VECTORS = vectors("releases")["receipts"]


def made(entry: Any) -> tuple[Identity, Held]:
    client = Identity(seed=bytes.fromhex(entry["client_seed"]))
    digest = sha256(bytes.fromhex(entry["signed"]))
    return client, receipts.sign(client, coffer=entry["coffer"], serial=entry["serial"], signed_sha256=digest, use=entry["use"])


@pytest.mark.parametrize("entry", VECTORS, ids=lambda entry: f"use {entry['use']}")
def test_receipts_of_the_vectors_both_ways(entry: Any) -> None:
    client, held = made(entry)
    assert (held.serial, held.use, held.receipt.hex()) == (entry["serial"], entry["use"], entry["receipt"])
    receipts.verify_untrusted(held, coffer=entry["coffer"], client_id=client.id(), sign_key=client.publisher_key())


def test_a_receipt_says_nothing_else() -> None:
    client, held = made(VECTORS[0])
    other = identity("worker")
    good: dict[str, Any] = {"coffer": "shop", "client_id": client.id(), "sign_key": client.publisher_key()}
    for changed in ({"coffer": "shoq"}, {"client_id": other.id()}, {"sign_key": other.publisher_key()}):
        with pytest.raises(ReceiptError):
            receipts.verify_untrusted(held, **(good | changed))
    for forged in (replace(held, serial=3), replace(held, use=1), replace(held, sha256=bytes(32)), replace(held, receipt=bytes(64))):
        with pytest.raises(ReceiptError):
            receipts.verify_untrusted(forged, **good)

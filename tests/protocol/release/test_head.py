from __future__ import annotations

from typing import Any

import pytest

from coffer_protocol import cbor
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import BadSignatureError, NotAReleaseError, UntrustedPublisherError
from coffer_protocol.release.head import Head, is_ending, sign, verify_untrusted
from tests.support import identity, vectors

VECTORS = vectors("releases")
PUBLISHER = identity("publisher")
KEY = PUBLISHER.publisher_key()


def head(**changed: Any) -> Head:
    fields: dict[str, Any] = {"coffer": "shop", "serial": 1, "root": bytes(32), "count": 0, "issued": 1, "publisher": KEY}
    return Head(**(fields | changed))


@pytest.mark.parametrize("number", [0, 1])
def test_heads_of_the_vectors_both_ways(number: int) -> None:
    signed = bytes.fromhex(VECTORS["signed"][number])
    verified = verify_untrusted(signed, publishers={KEY})
    assert verified.head.serial == number + 1
    assert sign(verified.head, PUBLISHER) == signed


def test_the_chain_of_the_vectors() -> None:
    first, second = (verify_untrusted(bytes.fromhex(signed), publishers={KEY}) for signed in VECTORS["signed"])
    assert second.head.prev == first.sha256 == sha256(first.signed)


def test_a_head_that_changes_publishers() -> None:
    signed = bytes.fromhex(VECTORS["with_publishers"])
    verified = verify_untrusted(signed, publishers={KEY})
    assert verified.head.publishers == (identity("publisher2").publisher_key(), KEY)
    assert sign(verified.head, PUBLISHER) == signed


def test_every_byte_of_signed_counts() -> None:
    changes: dict[str, Any] = {
        "restart": True,
        "publishers": (KEY,),
        "servers": (identity("server").id(),),
        "hosts": ("one.example", "[::1]:7000"),
    }
    signed = sign(head(expires=5, prev=bytes(32), **changes), PUBLISHER)
    assert verify_untrusted(signed, publishers={KEY}).head.hosts == changes["hosts"]
    for place in range(len(signed)):
        with pytest.raises((NotAReleaseError, UntrustedPublisherError, BadSignatureError)):
            verify_untrusted(signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :], publishers={KEY})


def test_another_publishers_key_is_not_trusted_and_its_signature_not_good() -> None:
    other = identity("publisher2")
    with pytest.raises(UntrustedPublisherError, match="6121E2"):
        verify_untrusted(sign(head(), PUBLISHER), publishers={other.publisher_key()})
    good = sign(head(), PUBLISHER)
    signature = sign(head(publisher=other.publisher_key()), other)[-64:]
    with pytest.raises(BadSignatureError):
        verify_untrusted(good[:-64] + signature, publishers={KEY})


def test_nobody_signs_in_anothers_name() -> None:
    with pytest.raises(ValueError, match="names another publisher"):
        sign(head(), identity("publisher2"))


@pytest.mark.parametrize(
    "changed",
    [
        {"coffer": "Shop"},
        {"serial": 0},
        {"serial": True},
        {"serial": 2**63},
        {"root": bytes(31)},
        {"count": -1},
        {"issued": "1"},
        {"expires": -1},
        {"prev": b""},
        {"publisher": bytes(33)},
        {"publishers": ()},
        {"publishers": (KEY, KEY)},
        {"publishers": (bytes(31),)},
        {"servers": ("a" * 32,)},
        {"servers": (bytes(32),)},
        {"publishers": (b"\xff" * 32,)},
        {"publishers": [KEY]},
        {"publishers": (KEY, identity("publisher2").publisher_key())},
        {"servers": tuple(sorted((identity("server").id(), identity("web").id()), reverse=True))},
        {"hosts": ()},
        {"hosts": ("a", "a")},
        {"hosts": ("a:0",)},
        {"hosts": ("a b",)},
        {"hosts": (b"a",)},
        {"hosts": ["a"]},
        {"restart": True},
    ],
)
def test_fields_that_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(NotAReleaseError):
        head(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"v": 2},
        {"v": True},
        {"coffer": None},
        {"coffer": b"shop"},
        {"publishers": "no list"},
        {"servers": {}},
        {"hosts": "a"},
        {"restart": 0},
        {"restart": 2, "publishers": [KEY]},
        {"restart": True, "publishers": [KEY]},
        {"restart": None, "publishers": [KEY]},
        {"extra": 1},
        {"expires": None},
    ],
)
def test_maps_that_are_no_heads(changed: dict[str, Any]) -> None:
    fields = cbor.decode(head().encode())
    assert isinstance(fields, dict)
    with pytest.raises(NotAReleaseError):
        Head.decode_untrusted(cbor.encode(fields | changed))


@pytest.mark.parametrize("key", ["v", "coffer", "serial", "root", "count", "issued", "publisher"])
def test_a_head_that_lacks_a_key_is_refused(key: str) -> None:
    fields = cbor.decode(head().encode())
    assert isinstance(fields, dict)
    del fields[key]
    with pytest.raises(NotAReleaseError):
        Head.decode_untrusted(cbor.encode(fields))


@pytest.mark.parametrize(
    "parts", [b"", [], [b"\xa1\x01\x27", {}, b""], [b"\xa1\x01\x27", {1: 2}, b"", b""], [b"\xa1\x01\x26", {}, b"", b""]]
)
def test_what_is_no_cose_sign1_of_ours(parts: Any) -> None:
    with pytest.raises(NotAReleaseError):
        verify_untrusted(cbor.encode(parts), publishers={KEY})


@pytest.mark.parametrize(
    ("lifetime_days", "left_days", "expected"),
    [(400, 31, False), (400, 30, True), (120, 30, True), (40, 11, False), (40, 10, True), (8, 3, False), (8, 2, True), (8, -1, True)],
)
def test_people_are_told_of_an_expiry_in_time_and_not_all_the_time(lifetime_days: int, left_days: int, expected: bool) -> None:
    expires = lifetime_days * 86400
    assert is_ending(issued=0, expires=expires, now=expires - left_days * 86400) is expected
    assert not is_ending(issued=0, expires=None, now=expires)

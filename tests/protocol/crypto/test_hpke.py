"""HPKE is held to the public vectors of draft-ietf-hpke-pq, and to `cryptography`'s own implementation, in both directions."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite
from hypothesis import given
from hypothesis import strategies as st

from coffer_protocol.crypto import hpke, primitives
from tests.support import public_vectors

SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
SEED, SECRET = bytes(range(64)), bytes(range(32))
KEYS = {"mlkem_key": primitives.mlkem_public(SEED), "x25519_key": primitives.x25519_public(SECRET)}


@given(info=st.binary(max_size=300), plaintext=st.binary(max_size=1000))
def test_what_one_seals_the_other_opens(info: bytes, plaintext: bytes) -> None:
    public = MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(KEYS["mlkem_key"]), X25519PublicKey.from_public_bytes(KEYS["x25519_key"])
    )
    secret = MLKEM768X25519PrivateKey(MLKEM768PrivateKey.from_seed_bytes(SEED), X25519PrivateKey.from_private_bytes(SECRET))
    theirs = SUITE.encrypt(plaintext, public, info=info)
    assert hpke.open_sealed(mlkem_seed=SEED, x25519_secret=SECRET, info=info, sealed=theirs) == plaintext
    ours = hpke.seal(**KEYS, info=info, plaintext=plaintext)
    assert SUITE.decrypt(ours, secret, info=info) == plaintext
    with pytest.raises(InvalidTag):
        SUITE.decrypt(ours, secret, info=info + b"x")


def test_each_seal_is_another_in_both_its_halves() -> None:
    one, other = (hpke.seal(**KEYS, info=b"", plaintext=b"") for _ in range(2))
    assert one[:1088] != other[:1088]
    assert one[1088 : hpke.ENC_BYTES] != other[1088 : hpke.ENC_BYTES]


@pytest.mark.parametrize("key", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, bytes(31) + b"\x80"])
def test_an_ephemeral_key_that_must_not_be_used_is_refused_as_such(key: bytes) -> None:
    enc = hpke.seal(**KEYS, info=b"", plaintext=b"")[:1088] + key
    with pytest.raises(ValueError, match="must not be used"):
        hpke.decapsulate(mlkem_seed=SEED, x25519_secret=SECRET, enc=enc)


@pytest.mark.parametrize(
    ("info", "change"),
    [
        (b"other", lambda sealed: sealed),
        (b"info", lambda sealed: sealed[:-1]),
        (b"info", lambda sealed: sealed + b"x"),
        (b"info", lambda sealed: sealed[: hpke.ENC_BYTES]),
        (b"info", lambda sealed: sealed[: hpke.ENC_BYTES - 1]),
        (b"info", lambda sealed: sealed[:100]),
        (b"info", lambda sealed: b""),
        (b"info", lambda sealed: bytes([sealed[0] ^ 1]) + sealed[1:]),
        (b"info", lambda sealed: sealed[:1100] + bytes([sealed[1100] ^ 1]) + sealed[1101:]),
        # An ephemeral key of low order, with which nothing would be secret.
        (b"info", lambda sealed: sealed[:1088] + bytes(32) + sealed[1120:]),
        # One that is not canonical.
        (b"info", lambda sealed: sealed[:1119] + bytes([sealed[1119] | 0x80]) + sealed[1120:]),
    ],
)
def test_what_was_changed_does_not_open(info: bytes, change: Any) -> None:
    sealed = hpke.seal(**KEYS, info=b"info", plaintext=b"text")
    with pytest.raises(ValueError):  # noqa: PT011 (whichever step refuses it)
        hpke.open_sealed(mlkem_seed=SEED, x25519_secret=SECRET, info=info, sealed=change(sealed))


def test_the_public_vectors() -> None:
    cases = public_vectors("hpke_pq")
    assert cases
    for case in cases:
        # The vectors seal with associated data, which we never have: what is held to them is the key and the nonce.
        expanded = primitives.shake256(bytes.fromhex(case["skRm"]), 96)
        shared = hpke.decapsulate(mlkem_seed=expanded[:64], x25519_secret=expanded[64:], enc=bytes.fromhex(case["enc"]))
        assert shared.hex() == case["shared_secret"]
        key, nonce = hpke.key_schedule(shared, bytes.fromhex(case["info"]))
        assert (key.hex(), nonce.hex()) == (case["key"], case["base_nonce"])

"""Both modules of libsodium's calls agree with PyNaCl's own bindings."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from coffer_protocol.crypto import documented_sodium, sodium

KEY, OTHER, NONCE = bytes(range(32)), bytes(range(1, 33)), bytes(range(12))
PUBLIC, SIGNING = bindings.crypto_sign_seed_keypair(KEY)
both = pytest.mark.parametrize("calls", [sodium, documented_sodium], ids=["compiled", "documented"])


@both
@given(plaintext=st.binary(max_size=300), associated=st.binary(max_size=100))
def test_the_aead_is_the_bindings(calls: ModuleType, plaintext: bytes, associated: bytes) -> None:
    sealed = calls.chacha20poly1305_seal(KEY, NONCE, plaintext, associated)
    assert sealed == bindings.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, associated, NONCE, KEY)
    assert calls.chacha20poly1305_open(KEY, NONCE, sealed, associated) == plaintext
    for changed in (sealed + b"x", bytes([sealed[0] ^ 1]) + sealed[1:], bytes(16)):
        with pytest.raises(ValueError, match="not authentic"):
            calls.chacha20poly1305_open(KEY, NONCE, changed, associated)
    with pytest.raises(ValueError, match="not authentic"):
        calls.chacha20poly1305_open(KEY, NONCE, sealed, associated + b"x")


@both
@given(secret=st.binary(min_size=32, max_size=32), other=st.binary(min_size=32, max_size=32))
def test_x25519_is_the_bindings(calls: ModuleType, secret: bytes, other: bytes) -> None:
    public = calls.x25519_public(other)
    assert public == bindings.crypto_scalarmult_base(other)
    assert calls.x25519(secret, public) == bindings.crypto_scalarmult(secret, public)


@both
@pytest.mark.parametrize(
    "key",
    [
        bytes(32),
        b"\x01" + bytes(31),
        *(number.to_bytes(32, "little") for number in (2**255 - 20, 2**255 - 19, 2**255 - 18)),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    ],
)
def test_nothing_is_shared_with_a_key_of_low_order(calls: ModuleType, key: bytes) -> None:
    with pytest.raises(ValueError, match="low order"):
        calls.x25519(KEY, key)


@both
@given(message=st.binary(max_size=200))
def test_signatures_are_the_bindings(calls: ModuleType, message: bytes) -> None:
    signature = bindings.crypto_sign(message, SIGNING)[:64]
    assert (calls.ed25519_public(KEY), calls.ed25519_sign(KEY, message)) == (PUBLIC, signature)
    calls.ed25519_verify(PUBLIC, message, signature)
    for public, said, by in ((PUBLIC, message + b"x", signature), (OTHER, message, signature), (PUBLIC, message, bytes(64))):
        with pytest.raises(ValueError, match="bad signature"):
            calls.ed25519_verify(public, said, by)


@both
@pytest.mark.parametrize("key", [PUBLIC, OTHER, bytes(32), b"\x01" + bytes(31), b"\xff" * 32])
def test_points_are_the_bindings(calls: ModuleType, key: bytes) -> None:
    assert calls.is_ed25519_public(key) == bindings.crypto_core_ed25519_is_valid_point(key)


@both
@given(left=st.binary(max_size=5), right=st.binary(max_size=5))
def test_same_is_equal(calls: ModuleType, left: bytes, right: bytes) -> None:
    assert calls.same(left, right) == (left == right)
    assert calls.same(left, bytes(left))


@both
def test_random_bytes_are_as_many_as_wanted_and_differ(calls: ModuleType) -> None:
    assert [len(calls.random_bytes(count)) for count in (0, 1, 64)] == [0, 1, 64]
    draws = [calls.random_bytes(32) for _ in range(64)]
    assert all(len({draw[place] for draw in draws}) > 1 for place in range(32))

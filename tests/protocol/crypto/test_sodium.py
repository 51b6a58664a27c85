"""Our calls of libsodium are held to PyNaCl's own bindings, and refuse lengths that C would read past."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from coffer_protocol.crypto import sodium

KEY, OTHER, NONCE = bytes(range(32)), bytes(range(1, 33)), bytes(range(12))
PUBLIC, SIGNING = bindings.crypto_sign_seed_keypair(KEY)


@given(plaintext=st.binary(max_size=300), associated=st.binary(max_size=100))
def test_the_aead_is_the_bindings(plaintext: bytes, associated: bytes) -> None:
    sealed = sodium.chacha20poly1305_seal(KEY, NONCE, plaintext, associated)
    assert sealed == bindings.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, associated, NONCE, KEY)
    assert sodium.chacha20poly1305_open(KEY, NONCE, sealed, associated) == plaintext
    for changed in (sealed[:-1], sealed + b"x", bytes([sealed[0] ^ 1]) + sealed[1:], b"", sealed[:15]):
        with pytest.raises(ValueError, match="not authentic"):
            sodium.chacha20poly1305_open(KEY, NONCE, changed, associated)
    with pytest.raises(ValueError, match="not authentic"):
        sodium.chacha20poly1305_open(KEY, NONCE, sealed, associated + b"x")


@given(secret=st.binary(min_size=32, max_size=32), other=st.binary(min_size=32, max_size=32))
def test_x25519_is_the_bindings(secret: bytes, other: bytes) -> None:
    public = sodium.x25519_public(other)
    assert public == bindings.crypto_scalarmult_base(other)
    assert sodium.x25519(secret, public) == bindings.crypto_scalarmult(secret, public)


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
def test_nothing_is_shared_with_a_key_of_low_order(key: bytes) -> None:
    with pytest.raises(ValueError, match="low order"):
        sodium.x25519(KEY, key)


@pytest.mark.parametrize(
    "call",
    [
        lambda: sodium.x25519_public([1] * 32),  # type: ignore[arg-type]
        lambda: sodium.x25519(KEY, bytearray(32)),  # type: ignore[arg-type]
        lambda: sodium.is_ed25519_public((1,) * 32),  # type: ignore[arg-type]
        lambda: sodium.ed25519_verify(PUBLIC, [1], bytes(64)),  # type: ignore[arg-type]
        lambda: sodium.same([1], [1]),  # type: ignore[arg-type]
        lambda: sodium.chacha20poly1305_seal(KEY, NONCE, [1], b""),  # type: ignore[arg-type]
        lambda: sodium.chacha20poly1305_open(KEY, NONCE, bytes(16), [1]),  # type: ignore[arg-type]
    ],
)
def test_nothing_but_bytes_is_taken(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="bytes are wanted"):
        call()


@given(message=st.binary(max_size=200))
def test_signatures_are_the_bindings(message: bytes) -> None:
    signature = bindings.crypto_sign(message, SIGNING)[:64]
    sodium.ed25519_verify(PUBLIC, message, signature)
    for public, said, by in ((PUBLIC, message + b"x", signature), (OTHER, message, signature), (PUBLIC, message, bytes(64))):
        with pytest.raises(ValueError, match="bad signature"):
            sodium.ed25519_verify(public, said, by)


@pytest.mark.parametrize("key", [PUBLIC, OTHER, bytes(32), b"\x01" + bytes(31), b"\xff" * 32])
def test_points_are_the_bindings(key: bytes) -> None:
    assert sodium.is_ed25519_public(key) == bindings.crypto_core_ed25519_is_valid_point(key)


@given(left=st.binary(max_size=5), right=st.binary(max_size=5))
def test_same_is_equal(left: bytes, right: bytes) -> None:
    assert sodium.same(left, right) == (left == right)
    assert sodium.same(left, bytes(left))


def test_random_bytes_are_as_many_as_wanted_and_differ() -> None:
    assert [len(sodium.random_bytes(count)) for count in (0, 1, 64)] == [0, 1, 64]
    draws = [sodium.random_bytes(32) for _ in range(64)]
    assert all(len({draw[place] for draw in draws}) > 1 for place in range(32))


SHORT, LONG = bytes(31), bytes(33)


@pytest.mark.parametrize(
    "call",
    [
        *(lambda size=size: sodium.x25519_public(size) for size in (SHORT, LONG)),
        *(lambda size=size: sodium.x25519(size, PUBLIC) for size in (SHORT, LONG)),
        *(lambda size=size: sodium.x25519(KEY, size) for size in (SHORT, LONG)),
        *(lambda size=size: sodium.is_ed25519_public(size) for size in (SHORT, LONG)),
        *(lambda size=size: sodium.ed25519_verify(size, b"", bytes(64)) for size in (SHORT, LONG)),
        *(lambda size=size: sodium.ed25519_verify(PUBLIC, b"", size) for size in (bytes(63), bytes(65))),
        *(lambda size=size: sodium.chacha20poly1305_seal(size, NONCE, b"", b"") for size in (SHORT, LONG)),
        *(lambda size=size: sodium.chacha20poly1305_seal(KEY, size, b"", b"") for size in (bytes(11), bytes(13))),
        *(lambda size=size: sodium.chacha20poly1305_open(size, NONCE, bytes(16), b"") for size in (SHORT, LONG)),
        *(lambda size=size: sodium.chacha20poly1305_open(KEY, size, bytes(16), b"") for size in (bytes(11), bytes(13))),
    ],
)
def test_wrong_lengths_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"bytes are wanted|not a signature"):
        call()

from __future__ import annotations

from collections.abc import Callable

import pytest
from nacl import bindings

from coffer_protocol.crypto import primitives
from coffer_protocol.errors import KeyTextError
from tests.support import public_vectors


def test_wycheproof_x25519() -> None:
    """The shared secrets of good keys, and the refusal of every key that is not canonical or of low order."""
    computed = refused = 0
    for test in public_vectors("x25519"):
        public, private = bytes.fromhex(test["public"]), bytes.fromhex(test["private"])
        if {"LowOrderPublic", "NonCanonicalPublic"}.intersection(test["flags"]):
            with pytest.raises(KeyTextError):
                primitives.check_x25519_public(public)
            refused += 1
        else:
            primitives.check_x25519_public(public)
            assert primitives.x25519(private, public).hex() == test["shared"]
            computed += 1
    assert computed > 200
    assert refused > 20


def test_wycheproof_ed25519() -> None:
    good = bad = 0
    for test in public_vectors("ed25519"):
        key, message, signature = (bytes.fromhex(test[name]) for name in ("pk", "msg", "sig"))
        if test["result"] == "valid":
            primitives.ed25519_verify(key, message, signature)
            good += 1
        else:
            with pytest.raises(ValueError, match="signature"):
                primitives.ed25519_verify(key, message, signature)
            bad += 1
    assert good > 50
    assert bad > 50


@pytest.mark.parametrize(
    "key",
    [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000",
    ],
)
def test_publisher_keys_of_small_order_are_refused(key: str) -> None:
    with pytest.raises(KeyTextError):
        primitives.check_ed25519_public(bytes.fromhex(key))


def test_mlkem_round_trip_and_implicit_rejection() -> None:
    seed = bytes(range(64))
    ciphertext, shared = primitives.mlkem_encapsulate(primitives.mlkem_public(seed))
    assert primitives.mlkem_decapsulate(seed, ciphertext) == shared
    forged = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
    assert primitives.mlkem_decapsulate(seed, forged) != shared


@pytest.mark.parametrize("size", [0, 1183, 1185])
def test_what_is_no_mlkem_key_is_refused(size: int) -> None:
    with pytest.raises(KeyTextError):
        primitives.check_mlkem_public(bytes(size))


def test_an_mlkem_key_beyond_the_modulus_is_refused() -> None:
    with pytest.raises(KeyTextError):
        primitives.check_mlkem_public(b"\xff" * 1184)


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(48), bytes(100)])
def test_a_sealed_box_for_another_is_refused(sealed: bytes) -> None:
    secret = bytes(range(32))
    with pytest.raises(ValueError, match="not sealed"):
        primitives.sealed_box_open(secret, primitives.x25519_public(secret), sealed)


def test_a_sealed_box_with_an_ephemeral_key_that_is_not_canonical_is_refused() -> None:
    """libsodium takes it, for it does not look at the top bit; the nonce is made of the key as it stands."""
    secret, ephemeral = bytes(range(32)), bytes(range(1, 33))
    public = primitives.x25519_public(secret)
    key = primitives.x25519_public(ephemeral)
    for sent, is_good in ((key, True), (key[:31] + bytes([key[31] | 0x80]), False)):
        sealed = sent + primitives.box(ephemeral, public, primitives.blake2b(sent + public, size_bytes=24), b"text")
        if is_good:
            assert primitives.sealed_box_open(secret, public, sealed) == b"text"
        else:
            assert bindings.crypto_box_seal_open(sealed, public, secret) == b"text"
            with pytest.raises(ValueError, match="not sealed"):
                primitives.sealed_box_open(secret, public, sealed)


def test_openssl_says_which_one_it_is() -> None:
    name, _, version = primitives.openssl_version().partition(" ")
    assert name.isascii()
    assert any(map(str.isdecimal, version))


KEY, NONCE, SHORT, LONG = bytes(range(32)), bytes(12), bytes(31), bytes(33)
PUBLIC = primitives.x25519_public(KEY)


@pytest.mark.parametrize(
    "call",
    [
        lambda: primitives.x25519_public([1] * 32),  # type: ignore[arg-type]
        lambda: primitives.x25519(KEY, bytearray(32)),  # type: ignore[arg-type]
        lambda: primitives.check_ed25519_public((1,) * 32),  # type: ignore[arg-type]
        lambda: primitives.ed25519_verify(PUBLIC, [1], bytes(64)),  # type: ignore[arg-type]
        lambda: primitives.same([1], [1]),  # type: ignore[arg-type]
        lambda: primitives.chacha20poly1305_seal(KEY, NONCE, [1], b""),  # type: ignore[arg-type]
        lambda: primitives.chacha20poly1305_open(KEY, NONCE, bytes(16), [1]),  # type: ignore[arg-type]
    ],
)
def test_nothing_but_bytes_is_taken(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="expected"):
        call()


@pytest.mark.parametrize(
    "call",
    [
        *(lambda size=size: primitives.x25519_public(size) for size in (SHORT, LONG)),
        *(lambda size=size: primitives.x25519(size, PUBLIC) for size in (SHORT, LONG)),
        *(lambda size=size: primitives.x25519(KEY, size) for size in (SHORT, LONG)),
        *(lambda size=size: primitives.ed25519_verify(size, b"", bytes(64)) for size in (SHORT, LONG)),
        *(lambda size=size: primitives.ed25519_verify(PUBLIC, b"", size) for size in (bytes(63), bytes(65))),
        *(lambda size=size: primitives.chacha20poly1305_seal(size, NONCE, b"", b"") for size in (SHORT, LONG)),
        *(lambda size=size: primitives.chacha20poly1305_seal(KEY, size, b"", b"") for size in (bytes(11), bytes(13))),
        *(lambda size=size: primitives.chacha20poly1305_open(size, NONCE, bytes(16), b"") for size in (SHORT, LONG)),
        *(lambda size=size: primitives.chacha20poly1305_open(KEY, size, bytes(16), b"") for size in (bytes(11), bytes(13))),
    ],
)
def test_wrong_lengths_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"^expected (12|32) bytes, got |^not a signature$"):
        call()


@pytest.mark.parametrize("size_bytes", [0, 15])
def test_what_is_too_short_for_a_tag_is_not_opened(size_bytes: int) -> None:
    with pytest.raises(ValueError, match="too short for a tag"):
        primitives.chacha20poly1305_open(KEY, NONCE, bytes(size_bytes), b"")

from __future__ import annotations

from typing import Any

import pytest

from coffer_protocol import errors, shard
from coffer_protocol.identity import Identity
from coffer_protocol.release.coffer import SealedAnswer, accept_untrusted
from coffer_protocol.release.head import Head, sign
from coffer_protocol.release.tree import Tree, leaf_data, leaf_hash
from coffer_protocol.release.trust import Demand, Seen
from tests.support import identity, vectors

VECTORS = vectors("releases")
NOW = VECTORS["now"]
TRUSTED = {bytes.fromhex(VECTORS["publisher_key"])}
WEB = identity("web")

# Every refusal in the vectors, and the error of its own that it has here.
ERRORS = {
    "signature": errors.BadSignatureError,
    "publisher not trusted": errors.UntrustedPublisherError,
    "another coffer": errors.WrongCofferError,
    "expired": errors.ExpiredReleaseError,
    "serial goes back": errors.RollbackError,
    "another head at the same serial": errors.ForkError,
    "serial jumps ahead": errors.SerialJumpError,
    "unknown key in the head": errors.NotAReleaseError,
    "blob not the one in the tree": errors.InclusionError,
    "alg not the one in the tree": errors.InclusionError,
    "since not the one in the tree": errors.InclusionError,
    "path too short": errors.InclusionError,
    "path too long": errors.InclusionError,
    "index out of range": errors.InclusionError,
    "another client's shard": errors.InclusionError,
    "not a release": errors.NotAReleaseError,
    "head not deterministic CBOR": errors.NotAReleaseError,
    "trailing bytes": errors.NotAReleaseError,
    "blob sealed for another coffer": errors.BlobError,
    "COSE header changed": errors.NotAReleaseError,
}


def demand(seen: Seen | None = None) -> Demand:
    return Demand(coffer=VECTORS["coffer"], publishers=TRUSTED, seen=seen)


@pytest.mark.parametrize("entry", VECTORS["accept"], ids=lambda entry: f"plain={entry['plain']}")
def test_accepts(entry: Any) -> None:
    client = Identity(seed=bytes.fromhex(entry["client_seed"]))
    body = bytes.fromhex(entry["body"])
    answer = SealedAnswer.decode_untrusted(body)
    accepted = accept_untrusted(answer, demand(), identity=client, plain=entry["plain"], now=NOW)
    assert shard.encode(accepted.secrets).hex() == entry["shard"]
    assert accepted.release.head.serial == 2
    assert answer.encode() == body


@pytest.mark.parametrize("entry", VECTORS["refuse"], ids=lambda entry: entry["why"])
def test_refuses_each_with_an_error_of_its_own(entry: Any) -> None:
    seen = None
    if "seen_serial" in entry:
        seen = Seen(serial=entry["seen_serial"], signed_sha256=bytes.fromhex(entry["seen_signed_sha256"]))
    with pytest.raises(errors.ReleaseError) as caught:
        accept_untrusted(SealedAnswer.decode_untrusted(bytes.fromhex(entry["body"])), demand(seen), identity=WEB, plain=False, now=NOW)
    assert type(caught.value) is ERRORS[entry["why"]]


def test_every_refusal_of_the_vectors_is_here() -> None:
    assert {entry["why"] for entry in VECTORS["refuse"]} == set(ERRORS)


def accepted_body() -> bytes:
    (found,) = (bytes.fromhex(entry["body"]) for entry in VECTORS["accept"] if entry["client_seed"] == WEB.seed.hex())
    return found


def accepted_answer() -> SealedAnswer:
    return SealedAnswer.decode_untrusted(accepted_body())


@pytest.mark.parametrize("seen", [None, Seen(serial=1), Seen(serial=2), Seen(serial=1, signed_sha256=bytes(32))])
def test_what_was_seen_before_and_is_not_newer_is_no_hindrance(seen: Seen | None) -> None:
    assert accept_untrusted(accepted_answer(), demand(seen), identity=WEB, plain=False, now=NOW).secrets


def test_the_plain_key_does_not_open_what_is_sealed_to_the_public_key() -> None:
    with pytest.raises(errors.InclusionError):
        accept_untrusted(accepted_answer(), demand(), identity=WEB, plain=True, now=NOW)


def test_every_byte_counts() -> None:
    body = accepted_body()
    for place in range(len(body)):
        forged = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(errors.ReleaseError):
            accept_untrusted(SealedAnswer.decode_untrusted(forged), demand(), identity=WEB, plain=False, now=NOW)


@pytest.mark.parametrize(("now", "is_good"), [(0, True), (999, True), (1000, False), (10**12, False)])
def test_a_release_is_good_until_it_expires(now: int, is_good: bool) -> None:
    publisher = identity("publisher")
    leaf = leaf_hash(leaf_data(coffer="shop", client_id=WEB.id(), alg=2, since=1, blob_sha256=bytes(32)))
    head = Head(coffer="shop", serial=1, root=Tree([leaf]).root, count=1, issued=0, expires=1000, publisher=publisher.publisher_key())
    answer = SealedAnswer(signed=sign(head, publisher), index=0, path=(), alg=2, since=1, blob=b"no blob")
    # A good release goes on to the next check, which the blob does not pass.
    with pytest.raises(errors.InclusionError if is_good else errors.ExpiredReleaseError, match="part of" if is_good else "clock"):
        accept_untrusted(answer, demand(), identity=WEB, plain=False, now=now)


def test_a_shard_that_opens_and_is_no_shard_is_refused() -> None:
    from coffer_protocol.crypto.primitives import sha256
    from coffer_protocol.release import blob as blobs

    publisher = identity("publisher")
    sealed = blobs.seal(WEB.public(), coffer="shop", since=1, shard=b"no shard")
    leaf = leaf_hash(leaf_data(coffer="shop", client_id=WEB.id(), alg=2, since=1, blob_sha256=sha256(sealed)))
    head = Head(coffer="shop", serial=1, root=Tree([leaf]).root, count=1, issued=0, publisher=publisher.publisher_key())
    answer = SealedAnswer(signed=sign(head, publisher), index=0, path=(), alg=2, since=1, blob=sealed)
    with pytest.raises(errors.ShardError):
        accept_untrusted(answer, demand(), identity=WEB, plain=False, now=NOW)

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coffer_protocol import errors, shard
from coffer_protocol.identity import Identity
from coffer_protocol.release.coffer import Accepted, SealedAnswer, accept_untrusted, check_head_untrusted
from coffer_protocol.release.evidence import BROKEN_CHAIN, FORK, Evidence
from coffer_protocol.release.head import Head, sign, verify_untrusted
from coffer_protocol.release.tree import Leaf, Tree
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


# The same for what was seen before.
ERRORS_AFTER = {
    "another prev at the next serial": errors.ChainError,
    "no prev": errors.ChainError,
    "issued before the one seen": errors.IssuedEarlierError,
    "issued more than a day ahead": errors.IssuedAheadError,
    "a restart by a key that is not trusted": errors.UntrustedPublisherError,
    "restart is 1 or absent": errors.NotAReleaseError,
    "a restart without publishers": errors.NotAReleaseError,
    "publishers not in rising order": errors.NotAReleaseError,
    "expires now": errors.ExpiredReleaseError,
}


def demand(seen: Seen | None = None) -> Demand:
    return Demand(coffer=VECTORS["coffer"], publishers=TRUSTED, seen=seen)


def seen_in(entry: Any) -> Seen | None:
    if "seen_serial" not in entry:
        return None
    digest = bytes.fromhex(entry["seen_signed_sha256"])
    return Seen(serial=entry["seen_serial"], signed_sha256=digest, issued=entry.get("seen_issued", 0))


def accept(body: bytes, seen: Seen | None) -> Accepted:
    return accept_untrusted(SealedAnswer.decode_untrusted(body), demand(seen), identity=WEB, plain=False, now=NOW)


@pytest.mark.parametrize("entry", VECTORS["accept"], ids=lambda entry: f"plain={entry['plain']}")
def test_accepts(entry: Any) -> None:
    client = Identity(seed=bytes.fromhex(entry["client_seed"]))
    body = bytes.fromhex(entry["body"])
    answer = SealedAnswer.decode_untrusted(body)
    accepted = accept_untrusted(answer, demand(), identity=client, plain=entry["plain"], now=NOW)
    assert shard.encode(accepted.secrets).hex() == entry["shard"]
    assert accepted.release.head.serial == 2
    assert answer.encode() == body


@pytest.mark.parametrize("entry", VECTORS["accept_after"], ids=lambda entry: entry["why"])
def test_accepts_after_a_release_was_seen(entry: Any) -> None:
    assert accept(bytes.fromhex(entry["body"]), seen_in(entry)).release.head.serial > entry["seen_serial"]


@pytest.mark.parametrize("entry", [*VECTORS["refuse"], *VECTORS["refuse_after"]], ids=lambda entry: entry["why"])
def test_refuses_each_with_an_error_of_its_own(entry: Any) -> None:
    with pytest.raises(errors.ReleaseError) as caught:
        accept(bytes.fromhex(entry["body"]), seen_in(entry))
    assert type(caught.value) is (ERRORS | ERRORS_AFTER)[entry["why"]]


def test_every_refusal_of_the_vectors_is_here() -> None:
    assert {entry["why"] for entry in VECTORS["refuse"]} == set(ERRORS)
    assert {entry["why"] for entry in VECTORS["refuse_after"]} == set(ERRORS_AFTER)


def accepted_body() -> bytes:
    (found,) = (bytes.fromhex(entry["body"]) for entry in VECTORS["accept"] if entry["client_seed"] == WEB.seed.hex())
    return found


def accepted_answer() -> SealedAnswer:
    return SealedAnswer.decode_untrusted(accepted_body())


SECOND = bytes.fromhex(VECTORS["signed"][1])
SEEN_FIRST = Seen.of(verify_untrusted(bytes.fromhex(VECTORS["signed"][0]), publishers=TRUSTED))
SEEN_SECOND = Seen.of(verify_untrusted(SECOND, publishers=TRUSTED))


@pytest.mark.parametrize("seen", [None, SEEN_FIRST, SEEN_SECOND])
def test_what_was_seen_before_and_is_not_newer_is_no_hindrance(seen: Seen | None) -> None:
    assert accept_untrusted(accepted_answer(), demand(seen), identity=WEB, plain=False, now=NOW).secrets


def test_two_heads_of_one_serial_are_evidence() -> None:
    other = replace(SEEN_SECOND, signed_sha256=bytes(32), signed=b"another")
    with pytest.raises(errors.ForkError) as caught:
        accept(accepted_body(), other)
    assert caught.value.evidence == Evidence(kind=FORK, known=b"another", shown=SECOND)


def test_a_head_that_does_not_follow_is_evidence_and_a_lower_serial_is_not() -> None:
    with pytest.raises(errors.ChainError) as chain:
        accept(accepted_body(), replace(SEEN_FIRST, signed_sha256=bytes(32)))
    assert chain.value.evidence == Evidence(kind=BROKEN_CHAIN, known=SEEN_FIRST.signed, shown=SECOND)
    with pytest.raises(errors.RollbackError) as rollback:
        accept(accepted_body(), replace(SEEN_SECOND, serial=3))
    assert rollback.value.evidence is None


def test_a_client_that_cannot_ask_accepts_a_gap_and_refuses_what_it_can_see() -> None:
    publisher = identity("publisher")

    def check(serial: int, *, restart: bool = False) -> None:
        publishers = (publisher.publisher_key(),) if restart else None
        head = Head(
            coffer="shop",
            serial=serial,
            root=bytes(32),
            count=1,
            issued=NOW,
            prev=bytes(32),
            publisher=publisher.publisher_key(),
            publishers=publishers,
            restart=restart,
        )
        check_head_untrusted(sign(head, publisher), demand(SEEN_FIRST), now=NOW, may_skip=True)

    check(3)
    check(2, restart=True)
    with pytest.raises(errors.ChainError):
        check(2)


def test_the_lowest_serial_is_demanded() -> None:
    lowest = replace(demand(), lowest=3)
    with pytest.raises(errors.RollbackError, match="release 3"):
        check_head_untrusted(SECOND, lowest, now=NOW)
    assert check_head_untrusted(SECOND, replace(lowest, lowest=2), now=NOW).head.serial == 2


def test_the_time_is_not_before_what_was_issued() -> None:
    """A clock that was set back neither makes an expired release good, nor refuses a good one."""
    expires = verify_untrusted(SECOND, publishers=TRUSTED).head.expires
    assert expires is not None
    for now, latest in ((0, NOW), (NOW, 0)):
        assert check_head_untrusted(SECOND, replace(demand(), latest=latest), now=now).head.serial == 2
    for now, latest in ((0, expires), (expires, 0)):
        with pytest.raises(errors.ExpiredReleaseError):
            check_head_untrusted(SECOND, replace(demand(), latest=latest), now=now)


def test_a_clock_before_2025_is_no_fault_of_the_release() -> None:
    with pytest.raises(errors.ClockError, match="1970-01-01"):
        check_head_untrusted(SECOND, demand(), now=0)
    # A reader that has seen a release knows the time from that.
    assert check_head_untrusted(SECOND, replace(demand(SEEN_FIRST), latest=NOW), now=0).head.serial == 2


def test_without_a_time_neither_expiry_nor_the_future_is_a_reason_to_refuse() -> None:
    for entry in VECTORS["refuse_after"]:
        if entry["why"] in ("expires now", "issued more than a day ahead"):
            answer = SealedAnswer.decode_untrusted(bytes.fromhex(entry["body"]))
            assert accept_untrusted(answer, demand(seen_in(entry)), identity=WEB, plain=False, now=None).secrets


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
    leaf = Leaf(coffer="shop", client_id=WEB.id(), alg=2, since=1, blob_sha256=bytes(32)).hash()
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
    leaf = Leaf(coffer="shop", client_id=WEB.id(), alg=2, since=1, blob_sha256=sha256(sealed)).hash()
    head = Head(coffer="shop", serial=1, root=Tree([leaf]).root, count=1, issued=0, publisher=publisher.publisher_key())
    answer = SealedAnswer(signed=sign(head, publisher), index=0, path=(), alg=2, since=1, blob=sealed)
    with pytest.raises(errors.ShardError):
        accept_untrusted(answer, demand(), identity=WEB, plain=False, now=NOW)

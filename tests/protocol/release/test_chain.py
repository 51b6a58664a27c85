from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import (
    BadSignatureError,
    ChainError,
    ForkError,
    NotAReleaseError,
    ReleaseError,
    UntrustedPublisherError,
    WrongCofferError,
)
from coffer_protocol.identity import Identity
from coffer_protocol.release import coffer as coffers
from coffer_protocol.release import head as heads
from coffer_protocol.release.chain import Walk, walk_untrusted
from coffer_protocol.release.evidence import BROKEN_CHAIN, FORK, RESTART, Evidence
from coffer_protocol.release.head import Head
from coffer_protocol.release.trust import Seen, Trust
from tests.support import identity, vectors

FIRST, SECOND = identity("publisher"), identity("publisher2")
THIRD = Identity(seed=bytes(range(32)))
STRANGER = Identity(seed=bytes(32))
SERVERS = tuple(sorted((identity("server").id(), identity("worker").id())))


def key(*identities: Identity) -> tuple[bytes, ...]:
    return tuple(sorted(each.publisher_key() for each in identities))


def head(serial: int, by: Identity, prev: bytes | None, *, restart: bool = False, **changes: Any) -> Head:
    return Head(
        coffer="shop",
        serial=serial,
        root=bytes(32),
        count=1,
        issued=1000 + serial,
        publisher=by.publisher_key(),
        prev=sha256(prev) if prev is not None else None,
        restart=restart,
        publishers=changes.get("publishers"),
        servers=changes.get("servers"),
    )


def build() -> list[bytes]:
    """Ten releases: 4 hands over from the first publisher to the second, 8 from the second to the third; 6 names a new server."""
    signers = [FIRST] * 4 + [SECOND] * 4 + [THIRD] * 2
    changes: dict[int, dict[str, Any]] = {
        4: {"publishers": key(SECOND)},
        6: {"servers": SERVERS},
        8: {"publishers": key(THIRD)},
    }
    chain: list[bytes] = []
    for serial, signer in enumerate(signers, 1):
        chain.append(heads.sign(head(serial, signer, chain[-1] if chain else None, **changes.get(serial, {})), signer))
    return chain


CHAIN = build()
NEW = Trust(coffer="shop", publishers=key(FIRST))
ANCHORED = NEW.after(heads.verify_untrusted(CHAIN[0], publishers=key(FIRST)))


# ------------------------------------------------------------------------------------------------------- as it should be


@pytest.mark.parametrize("trust", [NEW, ANCHORED], ids=["new", "anchored"])
def test_a_reader_that_was_away_for_ten_releases_follows_two_changes(trust: Trust) -> None:
    walk = walk_untrusted(CHAIN, trust, to=CHAIN[-1])
    assert walk.restarts == ()
    found = walk.trust
    assert found.publishers == key(THIRD)
    assert found.servers == SERVERS
    assert found.seen == Seen(serial=9, signed_sha256=sha256(CHAIN[8]), issued=1009, signed=CHAIN[8])
    after = found.after(heads.verify_untrusted(CHAIN[9], publishers=found.publishers))
    assert after.seen == Seen(serial=10, signed_sha256=sha256(CHAIN[9]), issued=1010, signed=CHAIN[9])
    assert (after.signer, after.latest) == (THIRD.publisher_key(), 1010)


def test_nothing_is_read_behind_the_release_that_was_given() -> None:
    def shown() -> Iterator[bytes]:
        yield from CHAIN[:6]
        pytest.fail("read on")

    assert walk_untrusted(shown(), ANCHORED, to=CHAIN[5]).trust.publishers == key(SECOND)


def test_a_walk_takes_the_heads_as_they_come_and_says_when_it_has_arrived() -> None:
    walk = Walk(ANCHORED, to=CHAIN[5])
    assert [walk.step_untrusted(signed) for signed in CHAIN[:6]] == [False] * 5 + [True]
    assert walk.trust == walk_untrusted(CHAIN, ANCHORED, to=CHAIN[5]).trust


def test_a_new_reader_begins_where_it_can() -> None:
    # Its address names the second publisher alone: what came before it is nothing to this reader.
    assert walk_untrusted(CHAIN, replace(NEW, publishers=key(SECOND)), to=CHAIN[9]).trust.publishers == key(THIRD)
    # Or heads are shown from the lowest serial on.
    trust = Trust(coffer="shop", publishers=key(SECOND), lowest=6)
    assert walk_untrusted(CHAIN[5:], trust, to=CHAIN[9]).trust.publishers == key(THIRD)


def test_the_release_that_was_seen_stays_good_also_where_it_retires_its_signer() -> None:
    trust = walk_untrusted(CHAIN, ANCHORED, to=CHAIN[3]).trust.after(heads.verify_untrusted(CHAIN[3], publishers=key(FIRST)))
    assert trust.publishers == key(SECOND)
    assert set(trust.demand(CHAIN[3]).publishers) == {*key(SECOND, FIRST)}
    assert trust.demand(CHAIN[4]).publishers == key(SECOND)
    assert walk_untrusted(CHAIN[3:], trust, to=CHAIN[3]).trust == trust


@pytest.mark.parametrize(("trust", "highest"), [(NEW, 0), (replace(NEW, lowest=3), 3), (ANCHORED, 1), (replace(ANCHORED, lowest=4), 4)])
def test_the_higher_of_two_serials_is_demanded(trust: Trust, highest: int) -> None:
    assert trust.demand(CHAIN[1]).highest_serial == highest


def test_a_set_replaces_what_was_trusted() -> None:
    both = heads.verify_untrusted(heads.sign(head(2, FIRST, CHAIN[0], publishers=key(FIRST, SECOND)), FIRST), publishers=key(FIRST))
    after = ANCHORED.after(both)
    assert after.publishers == key(FIRST, SECOND)
    one = heads.verify_untrusted(heads.sign(head(3, SECOND, both.signed, publishers=key(SECOND)), SECOND), publishers=after.publishers)
    assert after.after(one).publishers == key(SECOND)


# ----------------------------------------------------------------------------------------------------- what is not a chain


@pytest.mark.parametrize("missing", range(9))
def test_each_missing_link_is_refused(missing: int) -> None:
    shown = CHAIN[:missing] + CHAIN[missing + 1 :]
    # Where the link named a publisher, the next one is a stranger's.
    with pytest.raises((ChainError, ForkError, UntrustedPublisherError)):
        walk_untrusted(shown, ANCHORED, to=CHAIN[9])


@pytest.mark.parametrize("withheld", range(10))
def test_a_history_that_ends_too_early_is_refused(withheld: int) -> None:
    with pytest.raises(ChainError, match="no way from release 1"):
        walk_untrusted(CHAIN[:withheld], ANCHORED, to=CHAIN[9])


@pytest.mark.parametrize("place", range(9))
def test_two_links_in_the_wrong_order_are_refused(place: int) -> None:
    shown = [*CHAIN[:place], CHAIN[place + 1], CHAIN[place], *CHAIN[place + 2 :]]
    if place == 8:
        # The given release before the last link: it is one too early.
        shown = shown[:9]
    with pytest.raises((ChainError, ForkError, UntrustedPublisherError)):
        walk_untrusted(shown, ANCHORED, to=CHAIN[9])


@pytest.mark.parametrize("place", range(1, 10))
def test_a_link_twice_is_refused(place: int) -> None:
    with pytest.raises((ChainError, ForkError, UntrustedPublisherError)):
        walk_untrusted([*CHAIN[:place], CHAIN[place - 1], *CHAIN[place:]], ANCHORED, to=CHAIN[9])


@pytest.mark.parametrize("place", range(1, 10))
def test_each_link_by_a_stranger_is_refused(place: int) -> None:
    forged = heads.sign(head(place + 1, STRANGER, CHAIN[place - 1], publishers=key(STRANGER)), STRANGER)
    with pytest.raises(UntrustedPublisherError, match=f"release {place + 1} "):
        walk_untrusted([*CHAIN[:place], forged, *CHAIN[place + 1 :]], ANCHORED, to=CHAIN[9])


@pytest.mark.parametrize("place", range(1, 10))
def test_each_link_with_a_forged_signature_is_refused(place: int) -> None:
    forged = CHAIN[place][:-1] + bytes([CHAIN[place][-1] ^ 1])
    with pytest.raises(BadSignatureError):
        walk_untrusted([*CHAIN[:place], forged, *CHAIN[place + 1 :]], ANCHORED, to=CHAIN[9])


@pytest.mark.parametrize("place", range(1, 9))
def test_each_link_replaced_by_its_own_publisher_is_refused(place: int) -> None:
    release = heads.verify_untrusted(CHAIN[place], publishers=key(FIRST, SECOND, THIRD))
    (signer,) = (each for each in (FIRST, SECOND, THIRD) if each.publisher_key() == release.head.publisher)
    other = heads.sign(replace(release.head, issued=1), signer)
    with pytest.raises(ChainError, match=f"release {place + 2} .* does not follow"):
        walk_untrusted([*CHAIN[:place], other, *CHAIN[place + 1 :]], ANCHORED, to=CHAIN[9])


def test_another_history_at_the_seen_serial_is_refused() -> None:
    other = heads.sign(head(1, FIRST, None, publishers=key(STRANGER)), FIRST)
    with pytest.raises(ForkError, match="not the release 1 that was seen") as caught:
        walk_untrusted([other, *CHAIN[1:]], ANCHORED, to=CHAIN[9])
    assert caught.value.evidence == Evidence(kind=FORK, known=CHAIN[0], shown=other)


def test_a_retired_publisher_is_refused_behind_its_retirement() -> None:
    late = heads.sign(head(6, FIRST, CHAIN[4], publishers=key(FIRST)), FIRST)
    with pytest.raises(UntrustedPublisherError):
        walk_untrusted([*CHAIN[:5], late], ANCHORED, to=late)


def test_a_publisher_that_nobody_has_named_is_refused() -> None:
    with pytest.raises(UntrustedPublisherError):
        walk_untrusted(CHAIN, replace(NEW, publishers=key(STRANGER)), to=CHAIN[9])


def test_another_coffers_history_is_refused() -> None:
    with pytest.raises(WrongCofferError):
        walk_untrusted(CHAIN, Trust(coffer="other", publishers=key(FIRST)), to=CHAIN[9])


def test_what_is_no_head_is_refused() -> None:
    with pytest.raises(NotAReleaseError):
        walk_untrusted([CHAIN[0], b"\x80"], ANCHORED, to=CHAIN[9])


# -------------------------------------------------------------------------------------------------------------- vectors

WALKS = vectors("releases")["walks"]
VECTOR_TRUST = Trust(coffer="shop", publishers=(bytes.fromhex(vectors("releases")["publisher_key"]),))
VECTOR_SEEN = VECTOR_TRUST.after(heads.verify_untrusted(bytes.fromhex(WALKS["seen"]), publishers=VECTOR_TRUST.publishers))


def follow(shown: list[str]) -> Walk:
    """What a client does that has seen the first head, is given the last, and is shown these."""
    signed = [bytes.fromhex(text) for text in shown]
    to = signed[-1]
    now = vectors("releases")["now"]
    try:
        coffers.check_head_untrusted(to, VECTOR_SEEN.demand(to), now=now)
        return Walk(VECTOR_SEEN, to=to)
    except (UntrustedPublisherError, ChainError):
        walk = walk_untrusted(signed, VECTOR_SEEN, to=to)
    coffers.check_head_untrusted(to, walk.trust.demand(to), now=now)
    return walk


@pytest.mark.parametrize("entry", WALKS["accept"], ids=lambda entry: entry["why"])
def test_walks_of_the_vectors_are_accepted(entry: dict[str, Any]) -> None:
    walk = follow(entry["heads"])
    assert len(walk.restarts) == (entry["why"] == "a restart in the middle")


@pytest.mark.parametrize("entry", WALKS["refuse"], ids=lambda entry: entry["why"])
def test_walks_of_the_vectors_are_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(ReleaseError):
        follow(entry["heads"])


# ------------------------------------------------------------------------------------------------------------- restarts


def restarted(by: Identity = FIRST) -> bytes:
    return heads.sign(head(1002, by, b"lost", restart=True, publishers=key(by)), by)


def test_a_walk_goes_over_a_restart_and_keeps_both_heads() -> None:
    after = heads.sign(head(1003, FIRST, restarted()), FIRST)
    walk = walk_untrusted([*CHAIN[:2], restarted(), after], ANCHORED, to=after)
    assert walk.restarts == (Evidence(kind=RESTART, known=CHAIN[1], shown=restarted()),)


def test_a_walk_may_begin_with_a_restart_if_the_server_has_lost_the_release_that_was_seen() -> None:
    after = heads.sign(head(1003, FIRST, restarted()), FIRST)
    walk = walk_untrusted([restarted(), after], ANCHORED, to=after)
    assert walk.restarts == (Evidence(kind=RESTART, known=CHAIN[0], shown=restarted()),)


def test_a_restart_by_a_key_that_is_not_trusted_is_refused() -> None:
    with pytest.raises(UntrustedPublisherError):
        walk_untrusted([CHAIN[0], restarted(STRANGER)], ANCHORED, to=restarted(STRANGER))


def test_a_restart_at_or_below_the_release_that_was_seen_is_refused() -> None:
    same = heads.sign(head(2, FIRST, b"lost", restart=True, publishers=key(FIRST)), FIRST)
    with pytest.raises(ForkError):
        walk_untrusted([*CHAIN[:2], same], ANCHORED, to=same)
    low = heads.sign(head(1, FIRST, b"lost", restart=True, publishers=key(FIRST)), FIRST)
    with pytest.raises(ChainError):
        walk_untrusted([*CHAIN[:2], low], ANCHORED, to=low)


def test_what_does_not_follow_is_evidence() -> None:
    other = heads.sign(head(2, FIRST, b"another"), FIRST)
    with pytest.raises(ChainError) as caught:
        walk_untrusted([CHAIN[0], other], ANCHORED, to=other)
    assert caught.value.evidence == Evidence(kind=BROKEN_CHAIN, known=CHAIN[0], shown=other)
    with pytest.raises(ChainError) as caught:
        walk_untrusted(CHAIN[:3], ANCHORED, to=CHAIN[9])
    assert caught.value.evidence == Evidence(kind=BROKEN_CHAIN, known=CHAIN[0], shown=CHAIN[9])
    with pytest.raises(ChainError) as caught:
        walk_untrusted(CHAIN[:3], NEW, to=CHAIN[9])
    assert caught.value.evidence is None

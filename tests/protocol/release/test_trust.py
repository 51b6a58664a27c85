from __future__ import annotations

import pytest

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.release import head as heads
from coffer_protocol.release.head import Head, SignedHead
from coffer_protocol.release.trust import Demand, Seen, Trust
from tests.support import identity

FIRST, SECOND = identity("publisher"), identity("publisher2")
SERVERS = (identity("server").id(),)


def key(name: str) -> bytes:
    return identity(name).publisher_key()


def release(serial: int, **changes: tuple[bytes, ...]) -> SignedHead:
    head = Head(
        coffer="shop",
        serial=serial,
        root=bytes(32),
        count=1,
        issued=1000 + serial,
        publisher=FIRST.publisher_key(),
        prev=None if serial == 1 else bytes(32),
        publishers=changes.get("publishers"),
        servers=changes.get("servers"),
    )
    return heads.verify_untrusted(heads.sign(head, FIRST), publishers={FIRST.publisher_key()})


NEW = Trust(coffer="shop", publishers=(key("publisher"),))
FIFTH = release(5)


def test_a_trust_is_anchored_by_a_release() -> None:
    assert not NEW.is_anchored
    assert not Trust(coffer="shop", publishers=(), seen=Seen(serial=5)).is_anchored
    assert NEW.after(FIFTH).is_anchored


def test_only_the_very_bytes_are_seen() -> None:
    trust = NEW.after(FIFTH)
    assert trust.is_seen(FIFTH.signed)
    assert not trust.is_seen(release(6).signed)
    assert not NEW.is_seen(FIFTH.signed)


def test_what_follows_from_a_release() -> None:
    trust = NEW.after(FIFTH)
    assert trust == Trust(
        coffer="shop",
        publishers=NEW.publishers,
        servers=None,
        seen=Seen(serial=5, signed_sha256=sha256(FIFTH.signed)),
        signer=key("publisher"),
    )


def test_a_release_that_names_publishers_and_servers_replaces_them() -> None:
    trust = NEW.after(release(5, publishers=(key("publisher2"),), servers=SERVERS))
    assert (trust.publishers, trust.servers) == ((key("publisher2"),), SERVERS)
    later = trust.after(release(6))
    assert (later.publishers, later.servers) == ((key("publisher2"),), SERVERS)


def test_a_new_reader_demands_a_publisher_and_any_serial() -> None:
    assert NEW.demand(FIFTH.signed) == Demand(coffer="shop", publishers=NEW.publishers, seen=None)


@pytest.mark.parametrize(("lowest", "serial", "is_hash_known"), [(0, 5, True), (5, 5, True), (6, 6, False)])
def test_a_raised_serial_takes_the_place_of_what_was_seen(lowest: int, serial: int, is_hash_known: bool) -> None:
    seen = NEW.after(FIFTH).demand(release(7).signed, lowest=lowest).seen
    assert seen is not None
    assert (seen.serial, seen.signed_sha256 is not None) == (serial, is_hash_known)


def test_a_signer_who_retires_with_a_release_is_good_for_that_one_alone() -> None:
    last = release(5, publishers=(key("publisher2"),))
    trust = NEW.after(last)
    assert key("publisher") in trust.demand(last.signed).publishers
    assert key("publisher") not in trust.demand(release(6).signed).publishers

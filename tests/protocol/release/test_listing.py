from __future__ import annotations

import dataclasses

import pytest

from coffer_protocol import errors
from coffer_protocol.message import Entry
from coffer_protocol.release.head import Head, sign
from coffer_protocol.release.listing import check_listing_untrusted, leaf_hashes
from coffer_protocol.release.tree import Tree
from coffer_protocol.release.trust import Demand, Seen
from tests.support import identity

PUBLISHER = identity("publisher")
KEY = PUBLISHER.publisher_key()
ENTRIES = [Entry(id=bytes([n]) * 32, alg=2, since=n, sha256=bytes([n + 100]) * 32, mark=bytes(16)) for n in range(1, 8)]


def signed(coffer: str = "shop", serial: int = 9, entries: list[Entry] = ENTRIES, count: int | None = None) -> bytes:
    root = Tree(leaf_hashes(coffer, entries)).root
    count = len(entries) if count is None else count
    return sign(Head(coffer=coffer, serial=serial, root=root, count=count, issued=1, expires=2, publisher=KEY), PUBLISHER)


def check(data: bytes, entries: list[Entry] = ENTRIES, seen: Seen | None = None) -> None:
    release = check_listing_untrusted(data, entries, Demand(coffer="shop", publishers={KEY}, seen=seen))
    assert release.head.coffer == "shop"


@pytest.mark.parametrize("seen", [None, Seen(serial=8, signed_sha256=bytes(32)), Seen(serial=9), Seen(serial=1)])
def test_accepts_what_was_signed_be_it_expired(seen: Seen | None) -> None:
    check(signed(), seen=seen)


@pytest.mark.parametrize(
    "entries",
    [
        ENTRIES[:-1],
        [*ENTRIES, dataclasses.replace(ENTRIES[0], id=b"\x70" * 32)],
        [dataclasses.replace(ENTRIES[0], alg=1), *ENTRIES[1:]],
        [dataclasses.replace(ENTRIES[0], since=5), *ENTRIES[1:]],
        [dataclasses.replace(ENTRIES[0], sha256=bytes(32)), *ENTRIES[1:]],
        [dataclasses.replace(ENTRIES[0], id=b"\x69" * 32), *ENTRIES[1:]],
        ENTRIES[::-1],
        [ENTRIES[0], *ENTRIES],
        [],
    ],
)
def test_an_invented_listing_is_refused(entries: list[Entry]) -> None:
    with pytest.raises(errors.ListingError):
        check(signed(), entries)


def test_a_count_that_does_not_agree_is_refused() -> None:
    with pytest.raises(errors.ListingError):
        check(signed(count=8))


def test_an_old_listing_is_refused() -> None:
    with pytest.raises(errors.RollbackError, match="10"):
        check(signed(), seen=Seen(serial=10))


def test_another_release_at_the_same_serial_is_refused() -> None:
    with pytest.raises(errors.ForkError):
        check(signed(), seen=Seen(serial=9, signed_sha256=bytes(32)))


def test_another_coffer_is_refused() -> None:
    with pytest.raises(errors.WrongCofferError):
        check(signed(coffer="other"))


def test_a_stranger_as_publisher_is_refused() -> None:
    with pytest.raises(errors.UntrustedPublisherError):
        check_listing_untrusted(signed(), ENTRIES, Demand(coffer="shop", publishers=set()))

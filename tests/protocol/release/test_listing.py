from __future__ import annotations

import dataclasses

import pytest

from coffer_protocol import errors
from coffer_protocol.message import Entry
from coffer_protocol.release.head import Head, SignedHead, sign
from coffer_protocol.release.listing import check_listing_untrusted, leaf_hashes
from coffer_protocol.release.tree import Tree
from tests.support import identity

PUBLISHER = identity("publisher")
ENTRIES = [Entry(id=bytes([n]) * 32, alg=2, since=n, sha256=bytes([n + 100]) * 32, mark=bytes(16)) for n in range(1, 8)]


def release(entries: list[Entry] = ENTRIES, count: int | None = None) -> SignedHead:
    root = Tree(leaf_hashes("shop", entries)).root
    count = len(entries) if count is None else count
    head = Head(coffer="shop", serial=9, root=root, count=count, issued=1, expires=2, publisher=PUBLISHER.publisher_key())
    return SignedHead(head=head, signed=sign(head, PUBLISHER))


def test_accepts_what_was_signed_also_if_it_has_expired() -> None:
    check_listing_untrusted(release(), ENTRIES)
    check_listing_untrusted(release([]), [])


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
        check_listing_untrusted(release(), entries)


def test_a_count_that_does_not_agree_is_refused() -> None:
    with pytest.raises(errors.ListingError):
        check_listing_untrusted(release(count=8), ENTRIES)

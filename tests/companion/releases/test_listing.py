from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_companion.releases.listing import Listing, differences, read_listing_untrusted
from coffer_protocol.errors import ListingError, MalformedMessageError
from coffer_protocol.message import Entry
from coffer_protocol.release import head as heads
from coffer_protocol.release.head import Head, SignedHead
from coffer_protocol.release.listing import leaf_hashes
from coffer_protocol.release.tree import Tree
from tests.support import identity


def entry(number: int, *, since: int = 1, mark: int = 0) -> Entry:
    # Any larger number would do: of the smallest, some are no keys.
    return Entry(id=(number + 100).to_bytes(32, "big"), alg=2, since=since, sha256=since.to_bytes(32, "big"), mark=mark.to_bytes(16, "big"))


def listing(sinces: dict[int, int]) -> Listing:
    return Listing(entry(number, since=since) for number, since in sorted(sinces.items()))


STATES = st.dictionaries(st.integers(0, 20), st.integers(1, 3))


@given(STATES)
def test_a_listing_is_a_mapping(sinces: dict[int, int]) -> None:
    made = listing(sinces)
    expected = {entry(number).id: entry(number, since=since) for number, since in sorted(sinces.items())}
    assert list(made) == list(expected)
    assert list(made.values()) == list(expected.values())
    assert dict(made.items()) == expected == {client_id: made[client_id] for client_id in made}
    assert len(made) == len(expected)
    assert all((entry(number).id in made) == (number in sinces) for number in range(22))


def test_an_unknown_id_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        listing({1: 1, 3: 1})[entry(2).id]


@given(STATES, STATES)
def test_differences_are_those_of_the_dictionaries(before: dict[int, int], after: dict[int, int]) -> None:
    old, new = ({number: entry(number, since=since) for number, since in state.items()} for state in (before, after))
    expected = [(old.get(number), new.get(number)) for number in sorted(old.keys() | new.keys()) if old.get(number) != new.get(number)]
    assert list(differences(listing(before), listing(after))) == expected


def test_another_mark_is_no_difference() -> None:
    assert not list(differences(Listing([entry(1, mark=1)]), Listing([entry(1, mark=2)])))


@given(STATES, STATES)
def test_what_is_made_takes_the_place_of_its_like(before: dict[int, int], made: dict[int, int]) -> None:
    dropped = {number for number in before if number % 3 == 0} - made.keys()
    expected = {number: since for number, since in (before | made).items() if number not in dropped}
    changed = listing(before).changed(listing(made), frozenset(entry(number).id for number in dropped))
    assert list(changed) == list(listing(expected).values())


def signed(entries: list[Entry]) -> SignedHead:
    publisher = identity("publisher")
    root = Tree(leaf_hashes("shop", entries)).root
    head = Head(coffer="shop", serial=1, root=root, count=len(entries), issued=1, publisher=publisher.publisher_key())
    return SignedHead(head=head, signed=heads.sign(head, publisher))


def test_what_was_signed_is_kept() -> None:
    entries = [entry(1), entry(2, since=7)]
    assert list(read_listing_untrusted(signed(entries), entries).values()) == entries


def test_what_was_not_signed_is_refused() -> None:
    with pytest.raises(ListingError):
        read_listing_untrusted(signed([entry(1)]), [entry(1, since=2)])
    with pytest.raises(ListingError):
        read_listing_untrusted(signed([entry(1), entry(2)]), [entry(2), entry(1)])


def test_a_number_that_does_not_fit_is_refused_by_its_message_already() -> None:
    with pytest.raises(MalformedMessageError):
        dataclasses.replace(entry(1), since=1 << 63)

"""The rules of a change, each with facts that keep it and facts that break it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.identity import PublicKey
from coffer_protocol.message import Drop, Put, Reuse
from coffer_protocol.release import head as heads
from coffer_protocol.release.head import SignedHead
from coffer_server.errors import ConflictError, DeniedError, KeyInUseError, NotHeldError, TooLargeError
from coffer_server.store import rules
from coffer_server.store.base import Change
from coffer_server.store.rules import Last
from coffer_server.store.snapshot import Leaf

from ..publishing import ISSUED, Author, client_id, identity

AUTHOR = Author()
WEB = client_id(100)
OTHER = identity(9).public()
LAST = Last(serial=7, sha256=bytes(range(32)), issued=ISSUED - 5, expires=ISSUED + 100)


def put(client: bytes = WEB, alg: int = 2) -> Put:
    return Put(id=client, mark=bytes(16), note=b"note", alg=alg, blob=b"blob")


def reuse(**fields: Any) -> Reuse:
    whole: dict[str, Any] = {"id": WEB, "mark": bytes(16), "alg": 2, "since": 3, "sha256": bytes(32)}
    return Reuse(**whole | fields)


# ------------------------------------------------------------------------------------------------- what is held


def test_a_release_that_never_was_and_one_that_is_not_held_are_told_apart() -> None:
    rules.check_held(3, held=True)
    with pytest.raises(DeniedError, match="release 3"):
        rules.check_held(3, held=None)
    with pytest.raises(NotHeldError, match="release 3"):
        rules.check_held(3, held=False)


@pytest.mark.parametrize(
    ("kept", "aged", "first"),
    [
        # Nothing is old enough, or there are not so many.
        (46, None, 0),
        (None, 10, 0),
        # More than are kept are young.
        (46, 10, 10),
        # As many as are kept, however old they are.
        (46, 50, 46),
        (46, 46, 46),
    ],
)
def test_releases_are_held_by_number_and_by_age(kept: int | None, aged: int | None, first: int) -> None:
    assert rules.held_from(kept=kept, aged=aged) == first


# ------------------------------------------------------------------------------------------------------ the head


def verified(signed: bytes, *, coffer: str = AUTHOR.coffer, author: PublicKey = AUTHOR.key, last: Last | None = None) -> SignedHead:
    publishers = {AUTHOR.key.sign, OTHER.sign}
    return rules.verify_head_untrusted(signed, coffer=coffer, author=author, publishers=publishers, last=last, now=ISSUED + 60)


def signed(**fields: Any) -> bytes:
    return Author().release([put()], **fields).signed


def test_a_head_that_keeps_the_rules_is_given_back() -> None:
    release = Author().release([put()])
    assert verified(release.signed).head == release.head


def test_any_release_may_be_the_first() -> None:
    assert verified(signed(serial=41, prev=bytes(32))).head.serial == 41


@pytest.mark.parametrize("fields", [{"serial": 6}, {"serial": 7}, {"serial": 8, "prev": bytes(32)}, {"serial": 8, "prev": None}])
def test_a_head_must_follow_the_last_release(fields: dict[str, Any]) -> None:
    for serial in (8, 9):
        verified(signed(serial=serial, prev=LAST.sha256), last=LAST)
    with pytest.raises(ConflictError):
        verified(signed(**{"prev": LAST.sha256} | fields), last=LAST)


def test_a_publisher_signs_in_its_own_name() -> None:
    with pytest.raises(DeniedError):
        verified(signed(), author=OTHER)
    with pytest.raises(DeniedError):
        verified(signed()[:-1] + b"\0")
    with pytest.raises(DeniedError, match="'billing'"):
        verified(signed(), coffer="billing")


def test_a_head_names_the_publishers_of_the_servers_table() -> None:
    both = sorted([AUTHOR.key.sign, OTHER.sign])
    assert verified(signed(publishers=tuple(both))).head.publishers == tuple(both)
    for others in ([AUTHOR.key.sign], sorted([AUTHOR.key.sign, identity(8).public().sign])):
        with pytest.raises(DeniedError, match="the same publishers"):
            verified(signed(publishers=tuple(others)))


# --------------------------------------------------------------------------------------------------- the changes


def test_an_id_is_named_once() -> None:
    rules.check_named_once([WEB, client_id(7)], [])
    for ids, touched in (([WEB, WEB], []), ([WEB], [WEB])):
        with pytest.raises(DeniedError):
            rules.check_named_once(ids, touched)


def check(change: Change, *, holder: str | None = None, publishes: str | None = None) -> None:
    rules.check_change(change, coffer="shop", holder=holder, publishes=publishes)


@pytest.mark.parametrize(("holder", "publishes"), [(None, None), ("shop", None), (None, "shop"), ("shop", "shop")])
def test_a_coffer_changes_its_own_clients_and_new_ones(holder: str | None, publishes: str | None) -> None:
    check(put(), holder=holder, publishes=publishes)
    check(reuse(), holder=holder, publishes=publishes)


@pytest.mark.parametrize(("holder", "publishes"), [("billing", None), (None, "billing"), ("shop", "billing")])
def test_an_identity_belongs_to_one_coffer(holder: str | None, publishes: str | None) -> None:
    for change in (put(), reuse()):
        with pytest.raises(DeniedError, match="another coffer"):
            check(change, holder=holder, publishes=publishes)


@pytest.mark.parametrize("holder", [None, "billing"])
def test_only_what_is_there_is_dropped(holder: str | None) -> None:
    check(Drop(id=WEB), holder="shop")
    with pytest.raises(DeniedError):
        check(Drop(id=WEB), holder=holder)


def test_a_blob_is_of_an_alg_that_its_client_can_open() -> None:
    for alg in (0, 3):
        with pytest.raises(DeniedError, match=f"alg {alg}"):
            check(put(alg=alg))
    check(put(alg=1))
    with pytest.raises(DeniedError, match="publisher"):
        check(put(alg=1), publishes="shop")


def test_the_same_entry_is_no_change() -> None:
    same: dict[str, Any] = {"alg": 2, "since": 3, "sha256": bytes(32), "mark": bytes(16)}
    assert rules.is_same(reuse(), **same)
    for name, other in (("alg", 1), ("since", 4), ("sha256", bytes(31) + b"x"), ("mark", bytes(15) + b"x")):
        assert not rules.is_same(reuse(**{name: other}), **same)
    assert not rules.is_same(Drop(id=WEB), **same)
    assert not rules.is_same(put(), **same)


def test_a_release_changes_something() -> None:
    head = Author().release([], expires=LAST.expires).head
    rules.check_changed(head, last=LAST, changed=True)
    rules.check_changed(head, last=None, changed=False)
    with pytest.raises(DeniedError, match="changes nothing"):
        rules.check_changed(head, last=LAST, changed=False)
    for fields in ({"expires": None}, {"publishers": (AUTHOR.key.sign,)}, {"servers": (identity(9).id(),)}):
        rules.check_changed(Author().release([], **({"expires": LAST.expires} | fields)).head, last=LAST, changed=False)


# ------------------------------------------------------------------------------------------------------ the tree


def of(changes: Iterable[Put]) -> tuple[SignedHead, list[Leaf]]:
    release = Author().release(changes)
    leaves = [Leaf(change.id, change.alg, 1, sha256(change.blob), len(change.blob)) for change in sorted(changes, key=lambda put: put.id)]
    return heads.verify_untrusted(release.signed, publishers={AUTHOR.key.sign}), leaves


def test_the_shards_are_those_that_were_signed() -> None:
    release, leaves = of([put(client_id(number)) for number in range(40)])
    outline = rules.check_tree(release, leaves)
    assert (outline.size, outline.root) == (40, release.head.root)
    for others in (leaves[1:], [leaves[0]._replace(sha256=bytes(32)), *leaves[1:]], [leaves[0]._replace(since=2), *leaves[1:]]):
        with pytest.raises(DeniedError):
            rules.check_tree(release, others)


def test_a_client_of_suite_0_gets_what_one_frame_holds() -> None:
    release, [leaf] = of([put(alg=1)])
    rules.check_tree(release, [leaf._replace(blob_bytes=60_000)])
    with pytest.raises(TooLargeError):
        rules.check_tree(release, [leaf._replace(blob_bytes=70_000)])


# ------------------------------------------------------------------------------------------------- the publishers


def added(*, publishes: str | None = None, holder: str | None = None, namesake: PublicKey | None = None) -> bool:
    return rules.check_publisher(coffer="shop", key=AUTHOR.key, name="laptop", publishes=publishes, holder=holder, namesake=namesake)


def test_a_publisher_is_added_once() -> None:
    assert added()
    assert added(holder="shop")
    assert not added(publishes="shop", namesake=OTHER)


@pytest.mark.parametrize(("publishes", "holder", "namesake"), [("billing", None, None), (None, "billing", None), (None, None, OTHER)])
def test_a_key_and_a_name_are_taken_once(publishes: str | None, holder: str | None, namesake: PublicKey | None) -> None:
    with pytest.raises(KeyInUseError):
        added(publishes=publishes, holder=holder, namesake=namesake)

"""The contract of the store: every kind of it is run through all of this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.identity import Identity
from coffer_protocol.limits import HEADS_PER_ANSWER
from coffer_protocol.message import Drop, Entry, Held
from coffer_protocol.question import Fetch, PastEntry
from coffer_protocol.release import head as heads
from coffer_protocol.release.coffer import SealedAnswer
from coffer_protocol.release.listing import leaf_hashes
from coffer_protocol.release.tree import Leaf, Tree, root_of_path
from coffer_server.errors import ConflictError, DeniedError, KeyInUseError, NotHeldError, TooLargeError, UnsupportedError
from coffer_server.store.base import Blocked, Change, Known, Receipt, Retention, Store, StoreStatus

from ..publishing import ISSUED, Author, Release, client_id, identity

WEB = identity(100).id()
WORKER = identity(101).id()
NOW = ISSUED + 1


def commit(store: Store, author: Author, release: Release, changes: Iterable[Change] | None = None) -> None:
    serial = store.commit(
        coffer=author.coffer,
        publisher=author.key.id,
        signed=release.signed,
        changes=release.changes if changes is None else changes,
        now=NOW,
    )
    assert serial == release.head.serial
    author.published(release)


def add(store: Store, author: Author, name: str | None = None) -> bool:
    return store.add_publisher(coffer=author.coffer, key=author.key, name=name, now=NOW)


def listing(store: Store, author: Author) -> tuple[bytes | None, list[Entry]]:
    with store.current(coffer=author.coffer, publisher=author.key.id) as current:
        return (None, []) if current is None else (current.signed, list(current.entries))


@pytest.fixture
def author(store: Store) -> Author:
    """A publisher of an empty coffer."""
    made = Author()
    add(store, made)
    return made


@pytest.fixture
def published(store: Store, author: Author) -> Author:
    """A publisher of a coffer with two clients, at release 1."""
    commit(store, author, author.first({WEB: b"for web", WORKER: b"for worker"}))
    return author


def assert_unchanged(store: Store, author: Author) -> None:
    """The store still holds what the author has published last."""
    signed, entries = listing(store, author)
    assert signed == author.signed
    assert entries == [author.entries[id_] for id_ in sorted(author.entries)]


def refused(store: Store, author: Author, release: Release, error: type[Exception], match: str) -> None:
    """A Commit is refused, and changes nothing."""
    with pytest.raises(error, match=match):
        commit(store, author, release)
    assert_unchanged(store, author)


# ------------------------------------------------------------------------------------------------------- publishers


def test_a_stranger_is_unknown(store: Store) -> None:
    assert store.look_up(WEB) is None
    with pytest.raises(DeniedError):
        store.fetch(WEB)


def test_a_publisher_is_known_before_its_first_release(store: Store, author: Author) -> None:
    assert store.look_up(author.key.id) == Known(coffer="web-shop", suite=1, serial=None, is_publisher=True)
    assert listing(store, author) == (None, [])
    with pytest.raises(DeniedError):
        store.fetch(author.key.id)


def test_a_publisher_is_looked_up_by_its_id(store: Store, author: Author) -> None:
    found = store.publisher(coffer="web-shop", publisher=author.key.id)
    assert (found.key, found.coffer) == (author.key, "web-shop")
    for coffer, publisher in (("web-shop", WEB), ("billing", author.key.id)):
        with pytest.raises(DeniedError):
            store.publisher(coffer=coffer, publisher=publisher)
    store.block(author.key.id, now=ISSUED)
    with pytest.raises(DeniedError):
        store.publisher(coffer="web-shop", publisher=author.key.id)


def test_ids_are_found_in_a_range(store: Store, published: Author) -> None:
    stranger = client_id(1234)
    store.block(stranger, now=ISSUED)
    store.block(WEB, now=ISSUED)
    ids = sorted([*published.entries, stranger])
    assert store.ids_between(bytes(32), b"\xff" * 32, limit=100) == ids
    assert store.ids_between(bytes(32), b"\xff" * 32, limit=2) == ids[:2]
    assert store.ids_between(ids[1], ids[1], limit=100) == [ids[1]]
    assert store.ids_between(ids[0], ids[2], limit=100) == ids[:3]
    commit(store, published, published.release([Drop(id=WORKER)]))
    assert store.ids_between(WORKER, WORKER, limit=100) == []


def test_publishers_are_listed_by_coffer(store: Store) -> None:
    authors = [Author(1, "web-shop"), Author(2, "billing"), Author(3, "web-shop")]
    for number, made in enumerate(authors):
        assert store.add_publisher(coffer=made.coffer, key=made.key, name=f"name-{number}", now=NOW + number)
    listed = [(publisher.coffer, publisher.key, publisher.name, publisher.added) for publisher in store.publishers()]
    assert listed == [
        ("billing", authors[1].key, "name-1", NOW + 1),
        ("web-shop", authors[0].key, "name-0", NOW),
        ("web-shop", authors[2].key, "name-2", NOW + 2),
    ]


def test_adding_a_publisher_again_changes_nothing(store: Store) -> None:
    assert add(store, Author(), "laptop")
    assert not add(store, Author(), "other")
    assert [publisher.name for publisher in store.publishers()] == ["laptop"]


def test_publishers_without_a_name_do_not_clash(store: Store) -> None:
    assert add(store, Author(1))
    assert add(store, Author(2))


def test_a_name_is_one_publishers(store: Store) -> None:
    add(store, Author(1), "laptop")
    with pytest.raises(KeyInUseError, match="choose another --name"):
        add(store, Author(2), "laptop")
    assert add(store, Author(3, "billing"), "laptop")


def test_a_key_publishes_one_coffer(store: Store, author: Author) -> None:
    with pytest.raises(KeyInUseError, match="publisher of 'web-shop'"):
        store.add_publisher(coffer="billing", key=author.key, name=None, now=NOW)


def test_a_client_of_one_coffer_cannot_publish_another(store: Store, author: Author) -> None:
    other = Author(5, "billing")
    commit(store, author, author.first({other.key.id: b"shard"}))
    with pytest.raises(KeyInUseError, match="client of 'web-shop'"):
        add(store, other)
    assert store.add_publisher(coffer="web-shop", key=other.key, name=None, now=NOW)


def test_removing_a_publisher(store: Store, published: Author) -> None:
    assert not store.remove_publisher(coffer="billing", publisher=published.key.id, now=NOW)
    assert store.remove_publisher(coffer="web-shop", publisher=published.key.id, now=NOW)
    assert not store.remove_publisher(coffer="web-shop", publisher=published.key.id, now=NOW)
    assert store.publishers() == []
    with pytest.raises(DeniedError):
        listing(store, published)
    # Its shard stays until a release drops it.
    assert store.look_up(published.key.id) == Known(coffer="web-shop", suite=1, serial=1)
    assert store.fetch(published.key.id).body.blob == b"note key"


def test_a_coffer_that_is_not_there_is_refused_as_one_that_is_anothers(store: Store, author: Author) -> None:
    add(store, Author(2, "billing"))
    texts = set()
    for coffer in ("billing", "nowhere", "../etc", ""):
        with pytest.raises(DeniedError) as refusal, store.current(coffer=coffer, publisher=author.key.id):
            pass
        texts.add(str(refusal.value))
    assert len(texts) == 1


# --------------------------------------------------------------------------------------------------------- reading


def test_every_client_gets_its_own_blob_with_its_proof(store: Store, author: Author) -> None:
    clients = {identity(number).id(): b"blob %d" % number for number in range(200, 213)}
    commit(store, author, author.first(clients))
    for client, blob in clients.items():
        fetched = store.fetch(client)
        body = fetched.body
        assert (fetched.coffer, fetched.serial, body.signed, body.blob) == ("web-shop", 1, author.signed, blob)
        leaf = Leaf(coffer="web-shop", client_id=client, alg=body.alg, since=body.since, blob_sha256=sha256(blob))
        head = heads.verify_untrusted(body.signed, publishers={author.key.sign}).head
        assert root_of_path(leaf.hash(), index=body.index, size=head.count, path=body.path) == head.root


def test_alg_says_which_suite_a_client_speaks(store: Store, author: Author) -> None:
    commit(store, author, author.release([author.put(WEB, b"2"), author.put(WORKER, b"1", alg=1)]))
    assert store.look_up(WEB) == Known(coffer="web-shop", suite=1, serial=1)
    assert store.look_up(WORKER) == Known(coffer="web-shop", suite=0, serial=1)


def test_the_listing_is_in_the_order_of_ids(store: Store, published: Author) -> None:
    signed, entries = listing(store, published)
    assert signed == published.signed
    assert entries == [published.entries[id_] for id_ in sorted(published.entries)]


def test_coffers_are_apart(store: Store, published: Author) -> None:
    other = Author(2, "billing")
    add(store, other)
    commit(store, other, other.first({identity(300).id(): b"elsewhere"}))
    assert_unchanged(store, published)
    assert_unchanged(store, other)
    assert store.fetch(identity(300).id()).coffer == "billing"


# ------------------------------------------------------------------------------------------------------- a release


def test_what_is_not_named_stays(store: Store, published: Author) -> None:
    commit(store, published, published.release([published.put(WEB, b"new")]))
    assert_unchanged(store, published)
    assert (store.fetch(WEB).body.blob, store.fetch(WEB).body.since) == (b"new", 2)
    assert (store.fetch(WORKER).body.blob, store.fetch(WORKER).body.since) == (b"for worker", 1)
    assert store.fetch(WORKER).serial == 2


def test_a_dropped_client_is_a_stranger(store: Store, published: Author) -> None:
    commit(store, published, published.release([Drop(id=WEB)]))
    assert store.look_up(WEB) is None
    with pytest.raises(DeniedError):
        store.fetch(WEB)


def test_a_dropped_client_may_belong_to_another_coffer(store: Store, published: Author) -> None:
    other = Author(2, "billing")
    add(store, other)
    commit(store, published, published.release([Drop(id=WEB)]))
    commit(store, other, other.first({WEB: b"moved"}))
    assert store.fetch(WEB).coffer == "billing"


def test_reuse_brings_an_old_blob_back(store: Store, published: Author) -> None:
    old = published.reuse(WEB)
    commit(store, published, published.release([published.put(WEB, b"new")]))
    commit(store, published, published.release([old]))
    body = store.fetch(WEB).body
    assert (body.blob, body.since) == (b"for web", 1)
    assert_unchanged(store, published)


def test_reuse_brings_a_dropped_client_back(store: Store, published: Author) -> None:
    old = published.reuse(WEB)
    commit(store, published, published.release([Drop(id=WEB)]))
    commit(store, published, published.release([old]))
    assert store.fetch(WEB).body.blob == b"for web"


def test_reuse_may_change_the_mark_alone(store: Store, published: Author) -> None:
    commit(store, published, published.release([replace(published.reuse(WEB), mark=b"another mark 16B")]))
    assert_unchanged(store, published)


def test_a_coffer_may_become_empty_and_full_again(store: Store, published: Author) -> None:
    commit(store, published, published.release([Drop(id=id_) for id_ in published.entries]))
    assert listing(store, published) == (published.signed, [])
    commit(store, published, published.release([published.put(WEB, b"again")]))
    assert store.fetch(WEB).body.blob == b"again"


def test_many_changes_at_once(store: Store, author: Author) -> None:
    clients = {client_id(number): b"%d" % number for number in range(1, 1301)}
    commit(store, author, author.first(clients))
    changes: list[Change] = [Drop(id=id_) for number, id_ in enumerate(clients) if number % 3 == 0]
    changes += [author.put(id_, b"new") for number, id_ in enumerate(clients) if number % 3 == 1]
    commit(store, author, author.release(changes))
    assert_unchanged(store, author)


def test_a_head_may_only_renew_its_expiry(store: Store, published: Author) -> None:
    commit(store, published, published.release([], expires=ISSUED + 999))
    assert_unchanged(store, published)
    commit(store, published, published.release([], expires=None))
    assert_unchanged(store, published)


def test_a_head_may_only_change_the_servers(store: Store, published: Author) -> None:
    commit(store, published, published.release([], servers=(identity(9).id(),)))
    assert_unchanged(store, published)


def test_a_server_without_a_release_accepts_any_first_one(store: Store, author: Author) -> None:
    commit(store, author, author.release([author.put(author.key.id, b"restored")], serial=41, prev=bytes(32)))
    assert store.fetch(author.key.id).serial == 41
    assert store.fetch(author.key.id).body.since == 41
    commit(store, author, author.release([author.put(WEB, b"next")]))
    assert store.fetch(WEB).serial == 42


def test_the_head_may_name_the_servers_own_table(store: Store, published: Author) -> None:
    second = Author(2)
    add(store, second)
    commit(
        store,
        published,
        published.release([published.put(second.key.id, b"key")], publishers=tuple(sorted((second.key.sign, published.key.sign)))),
    )
    assert_unchanged(store, published)


def test_another_publisher_of_the_same_coffer_may_follow(store: Store, published: Author) -> None:
    second = Author(2)
    add(store, second)
    release = published.release([published.put(WEB, b"by the second")], signer=second.identity)
    serial = store.commit(coffer="web-shop", publisher=second.key.id, signed=release.signed, changes=release.changes, now=NOW)
    assert serial == 2


# -------------------------------------------------------------------------------------------------------- refusals


def test_a_key_that_does_not_publish_is_refused(store: Store, published: Author) -> None:
    release = published.release([published.put(WEB, b"new")])
    for stranger in (identity(50).id(), WEB):
        with pytest.raises(DeniedError, match="not a publisher"):
            store.commit(coffer="web-shop", publisher=stranger, signed=release.signed, changes=release.changes, now=NOW)
    assert_unchanged(store, published)


def test_a_publisher_that_was_removed_since_open_is_refused(store: Store, published: Author) -> None:
    add(store, Author(2))
    store.remove_publisher(coffer="web-shop", publisher=published.key.id, now=NOW)
    with pytest.raises(DeniedError, match="not a publisher"):
        commit(store, published, published.release([published.put(WEB, b"new")]))
    assert store.fetch(WEB).body.blob == b"for web"


def test_another_publishers_signature_is_refused(store: Store, published: Author) -> None:
    second = Author(2)
    add(store, second)
    release = published.release([published.put(WEB, b"new")], signer=second.identity)
    refused(store, published, release, DeniedError, "cannot verify the release")


def test_a_bad_signature_is_refused(store: Store, published: Author) -> None:
    release = published.release([published.put(WEB, b"new")])
    broken = release.signed[:-1] + bytes([release.signed[-1] ^ 1])
    refused(store, published, replace(release, signed=broken), DeniedError, "cannot verify the release")


def test_what_is_not_a_head_is_refused(store: Store, published: Author) -> None:
    release = published.release([published.put(WEB, b"new")])
    refused(store, published, replace(release, signed=b"\x80"), DeniedError, "cannot verify the release")


def test_a_head_of_another_coffer_is_refused(store: Store, published: Author) -> None:
    refused(store, published, published.release([published.put(WEB, b"new")], coffer="billing"), DeniedError, "'billing'")


@pytest.mark.parametrize("serial", [1])
def test_a_serial_that_does_not_follow_is_a_conflict(store: Store, published: Author, serial: int) -> None:
    refused(store, published, published.release([published.put(WEB, b"new")], serial=serial), ConflictError, "does not follow")


@pytest.mark.parametrize("prev", [None, bytes(32)])
def test_a_prev_that_does_not_follow_is_a_conflict(store: Store, published: Author, prev: bytes | None) -> None:
    refused(store, published, published.release([published.put(WEB, b"new")], prev=prev), ConflictError, "does not follow")


def test_a_serial_may_be_spent(store: Store, published: Author) -> None:
    commit(store, published, published.release([published.put(WEB, b"new")], serial=7))
    assert store.fetch(WEB).serial == 7


def test_a_restart_need_not_follow_and_may_have_been_issued_earlier(store: Store, published: Author) -> None:
    own = (published.key.sign,)
    changes = [published.put(id_, b"again") for id_ in (published.key.id, WEB, WORKER)]
    commit(store, published, published.release(changes, serial=1001, prev=bytes(32), issued=ISSUED - 9, restart=True, publishers=own))
    refused(
        store,
        published,
        published.release(changes, serial=1001, prev=bytes(32), restart=True, publishers=own),
        ConflictError,
        "does not follow",
    )


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"issued": ISSUED - 1}, "before release 1"),
        ({"issued": NOW + 86401}, "ahead of this server's clock"),
        ({"expires": NOW}, "has expired"),
        ({"expires": ISSUED - 5}, "has expired"),
    ],
)
def test_a_publisher_whose_clock_is_wrong_is_refused(store: Store, published: Author, fields: dict[str, Any], match: str) -> None:
    refused(store, published, published.release([published.put(WEB, b"new")], **fields), DeniedError, match)


def test_the_bounds_of_a_clock(store: Store, published: Author) -> None:
    commit(store, published, published.release([published.put(WEB, b"new")], issued=ISSUED, expires=NOW + 1))
    commit(store, published, published.release([published.put(WEB, b"newer")], issued=NOW + 86400))


def test_the_very_release_that_is_current_is_committed_again_without_a_change(store: Store, published: Author) -> None:
    release = published.published(published.release([published.put(WEB, b"new")]))
    for _ in range(2):
        assert store.commit(coffer="web-shop", publisher=published.key.id, signed=release.signed, changes=release.changes, now=NOW) == 2
    assert_unchanged(store, published)
    assert store.status().releases == {"web-shop": 2}
    with pytest.raises(DeniedError):
        store.commit(coffer="web-shop", publisher=WEB, signed=release.signed, changes=[], now=NOW)


def test_who_comes_second_is_told_of_the_conflict(store: Store, published: Author) -> None:
    late = published.release([Drop(id=WEB)])
    commit(store, published, published.release([Drop(id=WEB), published.put(WORKER, b"first")]))
    # Not that its Drop names nobody: that would be the wrong thing to mend.
    refused(store, published, late, ConflictError, "upload again")


def test_a_wrong_root_is_refused(store: Store, published: Author) -> None:
    refused(store, published, published.release([published.put(WEB, b"new")], root=bytes(32)), DeniedError, "differ from the signed ones")


def test_a_wrong_count_is_refused(store: Store, published: Author) -> None:
    refused(store, published, published.release([published.put(WEB, b"new")], count=4), DeniedError, "differ from the signed ones")


def test_other_blobs_than_those_signed_are_refused(store: Store, published: Author) -> None:
    release = published.release([published.put(WEB, b"new")])
    swapped = replace(release, changes=[published.put(WEB, b"other")])
    refused(store, published, swapped, DeniedError, "differ from the signed ones")


@pytest.mark.parametrize("distance", [0, 700], ids=["side by side", "far apart"])
@pytest.mark.parametrize("second", ["put", "drop", "reuse"])
def test_an_id_named_twice_is_refused(store: Store, published: Author, second: str, distance: int) -> None:
    changes: dict[str, Change] = {"put": published.put(WEB, b"second"), "drop": Drop(id=WEB), "reuse": published.reuse(WEB)}
    between = [published.put(client_id(number), b"x") for number in range(1, distance + 1)]
    release = published.release([published.put(WEB, b"first"), *between, changes[second]])
    refused(store, published, release, DeniedError, "names a client twice")


def test_a_client_dropped_and_put_is_named_twice(store: Store, published: Author) -> None:
    between = [published.put(client_id(number), b"x") for number in range(1, 701)]
    refused(store, published, published.release([Drop(id=WEB), *between, published.put(WEB, b"x")]), DeniedError, "names a client twice")


def test_dropping_an_unknown_client_is_refused(store: Store, published: Author) -> None:
    refused(store, published, published.release([Drop(id=identity(77).id())]), DeniedError, "cannot be dropped")


def test_dropping_a_client_of_another_coffer_is_refused(store: Store, published: Author) -> None:
    other = Author(2, "billing")
    add(store, other)
    commit(store, other, other.first({identity(77).id(): b"theirs"}))
    refused(store, published, published.release([Drop(id=identity(77).id())]), DeniedError, "cannot be dropped")
    assert_unchanged(store, other)


@pytest.mark.parametrize("with_reuse", [False, True])
def test_no_change_is_refused(store: Store, published: Author, with_reuse: bool) -> None:
    changes = [published.reuse(WEB)] if with_reuse else []
    refused(store, published, published.release(changes), DeniedError, "changes nothing")


def test_a_client_of_another_coffer_is_refused(store: Store, published: Author) -> None:
    other = Author(2, "billing")
    add(store, other)
    refused(store, other, other.first({WEB: b"stolen"}), DeniedError, "belongs to another coffer")
    assert store.fetch(WEB).coffer == "web-shop"


def test_a_publisher_of_another_coffer_cannot_be_a_client(store: Store, published: Author) -> None:
    other = Author(2, "billing")
    add(store, other)
    release = published.release([published.put(other.key.id, b"x")])
    refused(store, published, release, DeniedError, "belongs to another coffer")


@pytest.mark.parametrize("fault", ["client", "alg", "since", "sha256"])
def test_reuse_of_a_blob_that_is_not_held_is_refused(store: Store, published: Author, fault: str) -> None:
    reuse = published.reuse(WEB)
    wrong = {
        "client": replace(reuse, id=identity(88).id()),
        "alg": replace(reuse, alg=1),
        "since": replace(reuse, since=2),
        "sha256": replace(reuse, sha256=bytes(32)),
    }
    refused(store, published, published.release([wrong[fault]]), DeniedError, "no longer holds the blob")


def test_reuse_of_another_coffers_blob_is_refused(store: Store, published: Author) -> None:
    other = Author(2, "billing")
    add(store, other)
    reuse = published.reuse(WEB)
    commit(store, published, published.release([Drop(id=WEB)]))
    refused(store, other, other.release([reuse]), DeniedError, "no longer holds the blob")


@pytest.mark.parametrize("alg", [0, 3])
def test_an_unknown_alg_is_refused(store: Store, published: Author, alg: int) -> None:
    refused(store, published, published.release([published.put(WEB, b"x", alg=alg)]), DeniedError, "protocol 1 has no alg")


def test_a_publisher_cannot_have_a_bare_key(store: Store, published: Author) -> None:
    release = published.release([published.put(published.key.id, b"x", alg=1)])
    refused(store, published, release, DeniedError, "publishers speak suite 1")


@pytest.mark.parametrize("publishers", [(identity(9).publisher_key(),), (Identity(seed=bytes(32)).publisher_key(), Author().key.sign)])
def test_publishers_must_be_the_servers_own(store: Store, published: Author, publishers: tuple[bytes, ...]) -> None:
    release = published.release([published.put(WEB, b"x")], publishers=publishers)
    refused(store, published, release, DeniedError, "the same publishers as the server")


def test_a_plain_shard_must_fit_into_one_frame(store: Store, author: Author) -> None:
    def release(size: int) -> Release:
        return author.release([author.put(WEB, bytes(size), alg=1)])

    largest = 65_495 - len(body_without_blob(release(1)))
    with pytest.raises(TooLargeError, match="65495"):
        commit(store, author, release(largest + 1))
    commit(store, author, release(largest))
    assert len(store.fetch(WEB).body.encode()) == 65_495


def body_without_blob(release: Release) -> bytes:
    """An OkGet's body as a coffer's only client would get it, without its blob but with the three bytes that a long one's length takes."""
    return SealedAnswer(signed=release.signed, index=0, path=(), alg=1, since=1, blob=b"").encode() + bytes(2)


def test_a_plain_shard_that_stays_must_still_fit(store: Store, author: Author) -> None:
    first = author.release([author.put(WEB, bytes(1), alg=1)])
    largest = 65_495 - len(body_without_blob(first))
    commit(store, author, author.release([author.put(WEB, bytes(largest), alg=1)]))
    # Its path is longer now.
    refused(store, author, author.release([author.put(WORKER, b"x")]), TooLargeError, "65495")


def test_changes_that_fail_while_they_are_read_change_nothing(store: Store, published: Author) -> None:
    release = published.release([published.put(client_id(number), b"x") for number in range(1, 1100)])

    def failing() -> Iterable[Change]:
        yield from release.changes[:1000]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        commit(store, published, release, failing())
    assert_unchanged(store, published)


def test_a_put_needs_no_note(store: Store, published: Author) -> None:
    commit(store, published, published.release([replace(published.put(WEB, b"x"), note=b"")]))
    assert_unchanged(store, published)


def test_an_empty_blob_can_be_kept_and_reused(store: Store, published: Author) -> None:
    commit(store, published, published.release([published.put(WEB, b"")]))
    empty = published.reuse(WEB)
    commit(store, published, published.release([Drop(id=WEB)]))
    commit(store, published, published.release([empty]))
    assert store.fetch(WEB).body.blob == b""


# -------------------------------------------------------------------------------------------------------- questions


def entries(store: Store, author: Author, serial: int) -> tuple[bytes, list[Entry]]:
    with store.entries(coffer=author.coffer, publisher=author.key.id, serial=serial) as listing:
        return listing.signed, list(listing.entries)


def notes(store: Store, author: Author, serial: int, *ids: bytes) -> list[tuple[bytes, bytes]]:
    with store.notes(coffer=author.coffer, publisher=author.key.id, serial=serial, ids=ids) as found:
        return list(found)


def fetches(store: Store, author: Author) -> list[Fetch]:
    with store.fetches(coffer=author.coffer, publisher=author.key.id) as found:
        return list(found)


def heads_from(store: Store, asker: bytes, serial: int, coffer: str = "web-shop") -> list[bytes]:
    return store.heads(coffer=coffer, asker=asker, from_serial=serial)


def test_many_fetches_at_once(store: Store, published: Author) -> None:
    found = store.fetch_all([WORKER, identity(404).id(), WEB])
    assert found == {WEB: store.fetch(WEB), WORKER: store.fetch(WORKER)}
    assert store.fetch_all([]) == {}


def test_what_is_known_of_a_client_grows_with_its_coffer(store: Store, published: Author) -> None:
    commit(store, published, published.release([published.put(WORKER, b"new")]))
    assert store.look_up(WEB) == Known(coffer="web-shop", suite=1, serial=2)
    assert store.look_up(published.key.id) == Known(coffer="web-shop", suite=1, serial=2, is_publisher=True)


def test_heads(store: Store, published: Author) -> None:
    signed = [published.signed]
    for blob in (b"2", b"3"):
        commit(store, published, published.release([published.put(WEB, blob)]))
        signed.append(published.signed)
    for asker in (published.key.id, WEB):
        assert heads_from(store, asker, 0) == heads_from(store, asker, 1) == signed
        assert heads_from(store, asker, 3) == signed[2:]
        assert heads_from(store, asker, 4) == heads_from(store, asker, 2**63 - 1) == []


def test_heads_before_the_first_release(store: Store, author: Author) -> None:
    assert heads_from(store, author.key.id, 1) == []


def test_an_answer_has_so_many_heads_and_no_more(store: Store, published: Author) -> None:
    for number in range(HEADS_PER_ANSWER):
        commit(store, published, published.release([], expires=ISSUED + number + 10))
    assert len(heads_from(store, WEB, 1)) == HEADS_PER_ANSWER
    assert heads_from(store, WEB, 1 + HEADS_PER_ANSWER) == [published.signed]


def test_heads_are_for_publishers_and_clients_alone(store: Store, published: Author) -> None:
    other = Author(2, "billing")
    add(store, other)
    commit(store, published, published.release([Drop(id=WORKER)]))
    texts = set()
    for asker, coffer in ((other.key.id, "web-shop"), (WORKER, "web-shop"), (WEB, "billing"), (WEB, "nowhere"), (identity(404).id(), "\0")):
        with pytest.raises(DeniedError) as refusal:
            heads_from(store, asker, 1, coffer)
        texts.add(str(refusal.value))
    assert len(texts) == 1


def test_the_entries_of_every_release(store: Store, published: Author) -> None:
    releases = [(published.signed, dict(published.entries))]
    old = published.reuse(WEB)
    steps: list[list[Change]] = [[published.put(WEB, b"2")], [Drop(id=WORKER)], [old, published.put(client_id(7), b"4")]]
    for changes in steps:
        commit(store, published, published.release(changes))
        releases.append((published.signed, dict(published.entries)))
    for serial, (signed, held) in enumerate(releases, start=1):
        assert entries(store, published, serial) == (signed, [held[id_] for id_ in sorted(held)])


def test_notes(store: Store, published: Author) -> None:
    commit(store, published, published.release([replace(published.put(WEB, b"2"), note=b"second")]))
    commit(store, published, published.release([Drop(id=WORKER)]))
    assert sorted(notes(store, published, 1, WEB, WORKER, client_id(404))) == sorted([(WEB, b"note"), (WORKER, b"note")])
    assert notes(store, published, 2, WEB, WEB) == [(WEB, b"second")]
    assert notes(store, published, 3, WORKER) == []
    assert notes(store, published, 3) == []


def test_notes_of_many(store: Store, author: Author) -> None:
    clients = {client_id(number): b"x" for number in range(1200)}
    commit(store, author, author.first(clients))
    assert sorted(notes(store, author, 1, *clients)) == [(id_, b"note") for id_ in clients]


def test_fetches_are_recorded(store: Store, published: Author) -> None:
    store.record_adoption([], [])
    assert fetches(store, published) == []
    first, second = Fetch(id=WEB, serial=1, at=10), Fetch(id=WORKER, serial=1, at=11)
    store.record_adoption([("web-shop", first), ("web-shop", second)], [])
    assert sorted(fetches(store, published), key=lambda fetch: fetch.at) == [first, second]
    later = Fetch(id=WEB, serial=2, at=12)
    store.record_adoption([("web-shop", later)], [])
    assert sorted(fetches(store, published), key=lambda fetch: fetch.at) == [second, later]


def receipt(client: bytes, serial: int, use: int = 0) -> Receipt:
    held = Held(serial=serial, sha256=sha256(b"%d" % serial), use=use, receipt=bytes([serial]) * 64)
    return Receipt(coffer="web-shop", client=client, held=held)


def test_the_receipt_of_the_highest_serial_is_kept_for_each_client_and_use(store: Store, published: Author) -> None:
    first = Fetch(id=WEB, serial=1, at=10)
    store.record_adoption([("web-shop", first)], [receipt(WEB, 3), receipt(WEB, 2, use=1), receipt(WORKER, 9)])
    store.record_adoption([], [receipt(WEB, 2), receipt(WEB, 5, use=1)])
    # The worker has signed, and nothing was fetched: it is not listed.
    assert fetches(store, published) == [replace(first, held=(receipt(WEB, 3).held, receipt(WEB, 5, use=1).held))]


def changes(store: Store, author: Author, serial: int) -> tuple[bytes, list[Entry], list[bytes]]:
    with store.changes(coffer=author.coffer, publisher=author.key.id, serial=serial) as found:
        return found.signed, list(found.changed), list(found.gone)


def test_changes_lead_from_any_release_to_the_current_one(store: Store, published: Author) -> None:
    states = {1: dict(published.entries)}
    for made in ([published.put(WEB, b"2")], [Drop(id=WORKER)], [published.put(client_id(1), b"new")], [published.put(WORKER, b"back")]):
        commit(store, published, published.release(made))
        states[published.serial] = dict(published.entries)
    for serial, before in states.items():
        signed, changed, gone = changes(store, published, serial)
        assert signed == published.signed
        assert [entry.id for entry in changed] == sorted(entry.id for entry in changed)
        after = {id_: entry for id_, entry in before.items() if id_ not in gone} | {entry.id: entry for entry in changed}
        assert after == published.entries
    assert changes(store, published, published.serial)[1:] == ([], [])


def test_what_has_changed_since_a_release_that_is_not_held_is_not_said(store: Store, published: Author) -> None:
    for serial in (2, 99):
        with pytest.raises(UnsupportedError):
            changes(store, published, serial)
    commit(store, published, published.release([published.put(WEB, b"2")]))
    store.prune(Retention(releases=1, age_s=1), now=NOW + DAY_S)
    with pytest.raises(UnsupportedError):
        changes(store, published, 1)
    other = Author(2, "billing")
    add(store, other)
    with pytest.raises(UnsupportedError):
        changes(store, other, 1)


def past(store: Store, author: Author, *ids: bytes) -> list[PastEntry]:
    with store.past(coffer=author.coffer, publisher=author.key.id, ids=ids) as found:
        return list(found)


def test_the_past_of_a_client_is_all_that_is_held_of_it(store: Store, published: Author) -> None:
    commit(store, published, published.release([replace(published.put(WEB, b"2"), note=b"second"), Drop(id=WORKER)]))
    of_web = past(store, published, WEB)
    assert [(entry.id, entry.alg, entry.since, entry.sha256, entry.note) for entry in of_web] == [
        (WEB, 2, 1, sha256(b"for web"), b"note"),
        (WEB, 2, 2, sha256(b"2"), b"second"),
    ]
    assert [entry.since for entry in past(store, published, WORKER, client_id(404))] == [1]
    assert past(store, published) == []


def test_the_oldest_release_that_is_held(store: Store, author: Author) -> None:
    def oldest() -> int:
        return store.oldest(coffer=author.coffer, publisher=author.key.id)

    assert oldest() == 0
    commit(store, author, author.first({WEB: b"1"}))
    commit(store, author, author.release([author.put(WEB, b"2")]))
    assert oldest() == 1
    store.prune(Retention(releases=1, age_s=1), now=NOW + DAY_S)
    assert oldest() == 2


def test_the_history_is_for_publishers_alone(store: Store, published: Author) -> None:
    other = Author(2, "billing")
    add(store, other)
    texts = set()
    for asker, coffer in ((other.key.id, "web-shop"), (WEB, "web-shop"), (published.key.id, "billing"), (published.key.id, "nowhere")):
        for context in (
            store.entries(coffer=coffer, publisher=asker, serial=1),
            store.notes(coffer=coffer, publisher=asker, serial=1, ids=[WEB]),
            store.fetches(coffer=coffer, publisher=asker),
            store.changes(coffer=coffer, publisher=asker, serial=1),
            store.past(coffer=coffer, publisher=asker, ids=[WEB]),
        ):
            with pytest.raises(DeniedError) as refusal, context:
                pass
            texts.add(str(refusal.value))
    assert len(texts) == 1


def test_a_release_that_never_was(store: Store, author: Author) -> None:
    with pytest.raises(DeniedError, match="no release 1"):
        entries(store, author, 1)
    commit(store, author, author.first())
    for serial in (2, 2**63 - 1):
        with pytest.raises(DeniedError, match=f"no release {serial}"):
            entries(store, author, serial)
        with pytest.raises(DeniedError, match=f"no release {serial}"):
            notes(store, author, serial, WEB)


# -------------------------------------------------------------------------------------------------------- retention

DAY_S = 86400


def commit_at(store: Store, author: Author, at: int, *changes: Change) -> None:
    release = author.release(changes, issued=at)
    store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=changes, now=at)
    author.published(release)


@pytest.fixture
def aging(store: Store, author: Author) -> Author:
    """The publisher of a coffer with ten releases, one a day from day 1 on: in each, WEB has another blob, and WORKER the first one."""
    commit_at(store, author, DAY_S, author.put(author.key.id, b"note key"), author.put(WEB, b"1"), author.put(WORKER, b"for worker"))
    for day in range(2, 11):
        commit_at(store, author, day * DAY_S, author.put(WEB, b"%d" % day))
    return author


def held(store: Store, author: Author) -> list[int]:
    """The serials of the releases that can be listed, each of which must be whole; those before them are refused as not held."""
    serials = []
    for serial in range(1, author.serial + 1):
        try:
            signed, listed = entries(store, author, serial)
        except NotHeldError:
            with pytest.raises(NotHeldError, match=f"the contents of release {serial}"):
                notes(store, author, serial, WEB)
        else:
            head = heads.verify_untrusted(signed, publishers={author.key.sign}).head
            tree = Tree(leaf_hashes(author.coffer, listed))
            assert (tree.size, tree.root) == (head.count, head.root)
            assert len(notes(store, author, serial, WEB, WORKER)) == 2
            serials.append(serial)
    return serials


@pytest.mark.parametrize(
    ("releases", "days", "first"),
    [
        (3, 1, 8),  # the last three are more than a day's
        (1, 4, 6),  # release 6 was the current one four days ago, and for an instant
        (20, 1, 1),
        (1, 100, 1),
        (1, 1, 9),
    ],
)
def test_releases_are_held_while_either_holds(store: Store, aging: Author, releases: int, days: int, first: int) -> None:
    pruned = store.prune(Retention(releases=releases, age_s=days * DAY_S), now=10 * DAY_S)
    assert held(store, aging) == list(range(first, 11))
    assert pruned == first - 1
    assert len(heads_from(store, WEB, 1)) == 10
    assert_unchanged(store, aging)
    assert store.fetch(WEB).body.blob == b"10"


def test_releases_are_counted_and_not_serials(store: Store, aging: Author) -> None:
    own = (aging.key.sign,)
    restart = aging.release([aging.put(WEB, b"again")], serial=1010, issued=11 * DAY_S, restart=True, publishers=own)
    store.commit(coffer="web-shop", publisher=aging.key.id, signed=restart.signed, changes=restart.changes, now=11 * DAY_S)
    aging.published(restart)
    store.prune(Retention(releases=3, age_s=1), now=20 * DAY_S)
    assert store.oldest(coffer="web-shop", publisher=aging.key.id) == 9


def test_what_the_current_release_has_is_held_for_ever(store: Store, aging: Author) -> None:
    retention = Retention(releases=1, age_s=1)
    assert store.prune(retention, now=10_000 * DAY_S) == 9
    assert store.prune(retention, now=10_000 * DAY_S) == 0
    assert held(store, aging) == [10]
    assert (store.fetch(WORKER).body.blob, store.fetch(WORKER).body.since) == (b"for worker", 1)
    assert notes(store, aging, 10, WORKER) == [(WORKER, b"note")]
    commit(store, aging, aging.release([aging.reuse(WEB), aging.put(WORKER, b"next")]))
    assert_unchanged(store, aging)


def test_more_retention_does_not_bring_back_what_is_gone(store: Store, aging: Author) -> None:
    store.prune(Retention(releases=2, age_s=1), now=10 * DAY_S)
    assert store.prune(Retention(releases=9, age_s=100 * DAY_S), now=10 * DAY_S) == 0
    assert held(store, aging) == [9, 10]


def test_reuse_of_a_pruned_blob_is_refused(store: Store, published: Author) -> None:
    gone, kept = published.reuse(WEB), published.reuse(WORKER)
    for blob in (b"2", b"3"):
        commit(store, published, published.release([published.put(WEB, blob)]))
    store.prune(Retention(releases=1, age_s=1), now=NOW + DAY_S)
    refused(store, published, published.release([gone]), DeniedError, "no longer holds the blob")
    commit(store, published, published.release([kept, published.put(WEB, b"4")]))


def test_a_blob_that_an_older_release_shares_with_one_that_is_held_stays(store: Store, published: Author) -> None:
    first = published.reuse(WEB)
    commit(store, published, published.release([published.put(WEB, b"2")]))
    commit(store, published, published.release([first]))
    commit(store, published, published.release([published.put(WEB, b"4")]))
    # Release 3 is held, and has the blob of release 1.
    assert store.prune(Retention(releases=2, age_s=1), now=NOW + DAY_S) == 1
    commit(store, published, published.release([first]))
    assert store.fetch(WEB).body.blob == b"for web"


def test_a_dropped_client_is_forgotten_with_its_last_blob(store: Store, published: Author) -> None:
    store.record_adoption([("web-shop", Fetch(id=id_, serial=1, at=NOW)) for id_ in (WEB, WORKER)], [receipt(WEB, 1), receipt(WORKER, 1)])
    commit(store, published, published.release([Drop(id=WEB)]))
    store.prune(Retention(releases=2, age_s=1), now=NOW + DAY_S)
    assert {fetch.id for fetch in fetches(store, published)} == {WEB, WORKER}
    commit(store, published, published.release([published.put(WORKER, b"3")]))
    assert store.prune(Retention(releases=2, age_s=1), now=NOW + DAY_S) == 1
    assert {fetch.id for fetch in fetches(store, published)} == {WORKER}


def test_coffers_are_pruned_apart(store: Store, aging: Author) -> None:
    other = Author(2, "billing")
    add(store, other)
    commit_at(store, other, DAY_S, other.put(other.key.id, b"1"))
    commit_at(store, other, 2 * DAY_S, other.put(other.key.id, b"2"))
    assert store.prune(Retention(releases=2, age_s=1), now=20 * DAY_S) == 8
    with store.entries(coffer="billing", publisher=other.key.id, serial=1) as listing:
        assert len(list(listing.entries)) == 1


def test_much_is_pruned_at_once(store: Store, author: Author) -> None:
    clients = [client_id(number) for number in range(1300)]
    commit_at(store, author, 1, *(author.put(id_, b"first") for id_ in clients))
    commit_at(store, author, 2, *(author.put(id_, b"second") for id_ in clients))
    assert store.prune(Retention(releases=1, age_s=1), now=3) == 1300
    assert_unchanged(store, author)


def test_an_empty_store_has_nothing_to_prune(store: Store, author: Author) -> None:
    assert store.prune(Retention(releases=1, age_s=1), now=NOW) == 0


# ---------------------------------------------------------------------------------------------------------- blocking


def test_a_blocked_client_is_unknown_until_it_is_unblocked(store: Store, published: Author) -> None:
    known, fetched = store.look_up(WEB), store.fetch(WEB)
    assert store.block(WEB, now=NOW)
    assert store.look_up(WEB) is None
    with pytest.raises(DeniedError):
        store.fetch(WEB)
    with pytest.raises(DeniedError):
        store.heads(coffer="web-shop", asker=WEB, from_serial=1)
    assert store.fetch_all([WEB, WORKER]).keys() == {WORKER}
    assert_unchanged(store, published)
    assert store.unblock(WEB, now=NOW)
    assert (store.look_up(WEB), store.fetch(WEB)) == (known, fetched)
    assert len(heads_from(store, WEB, 1)) == 1


def test_a_client_can_be_blocked_before_it_is_known(store: Store, author: Author) -> None:
    assert store.block(WEB, now=NOW)
    commit(store, author, author.first({WEB: b"for web"}))
    assert store.look_up(WEB) is None
    # It is in the tree that was signed, and in what publishers are shown.
    assert_unchanged(store, author)
    store.unblock(WEB, now=NOW)
    assert store.fetch(WEB).body.blob == b"for web"


def test_releases_change_a_blocked_client_and_leave_it_blocked(store: Store, published: Author) -> None:
    store.block(WEB, now=NOW)
    commit(store, published, published.release([published.put(WEB, b"second")]))
    assert store.look_up(WEB) is None
    commit(store, published, published.release([Drop(id=WEB)]))
    commit(store, published, published.release([published.put(WEB, b"fourth")]))
    assert store.fetch_all([WEB]) == {}
    # It belongs to this coffer as before.
    with pytest.raises(KeyInUseError):
        store.add_publisher(coffer="billing", key=replace(Author(2).key, id=WEB), name=None, now=NOW)


def test_a_blocked_publisher_has_no_rights(store: Store, published: Author) -> None:
    other = Author(2)
    add(store, other, "other")
    key = published.key.id
    store.block(key, now=NOW)
    assert store.look_up(key) is None
    release = published.release([published.put(WEB, b"second")])
    for denied in (
        lambda: listing(store, published),
        lambda: commit(store, published, release),
        lambda: store.heads(coffer="web-shop", asker=key, from_serial=1),
        lambda: entries(store, published, 1),
        lambda: notes(store, published, 1, WEB),
        lambda: fetches(store, published),
        lambda: store.fetch(key),
    ):
        with pytest.raises(DeniedError):
            denied()
    # Its key is still among those whose releases are trusted: taking that away is `remove_publisher`.
    assert {publisher.key.id for publisher in store.publishers()} == {key, other.key.id}
    store.unblock(key, now=NOW)
    commit(store, published, release)


def test_a_publisher_blocks_its_own_clients_if_it_was_given_the_right(store: Store) -> None:
    author, other = Author(), Author(2, "billing")
    store.add_publisher(coffer="web-shop", key=author.key, name=None, now=NOW, may_block=True)
    add(store, other)
    commit(store, author, author.first({WEB: b"for web"}))
    commit(store, other, other.first({WORKER: b"for worker"}))

    def block(client: bytes, publisher: Author = author, *, is_blocked: bool = True) -> None:
        store.block_for(client, coffer=publisher.coffer, publisher=publisher.key.id, is_blocked=is_blocked, now=NOW)

    for _ in range(2):
        block(WEB)
        assert store.look_up(WEB) is None
    block(WEB, is_blocked=False)
    assert store.look_up(WEB) is not None
    for client, publisher in ((WORKER, author), (author.key.id, author), (client_id(404), author), (WORKER, other)):
        with pytest.raises(DeniedError):
            block(client, publisher)
    assert store.blocked() == []


def test_the_blocked_are_listed(store: Store) -> None:
    assert store.blocked() == []
    assert store.block(WORKER, now=NOW)
    assert store.block(WEB, now=NOW + 1)
    assert not store.block(WORKER, now=NOW + 2)
    assert store.blocked() == [Blocked(id=WORKER, at=NOW), Blocked(id=WEB, at=NOW + 1)]
    assert store.unblock(WORKER, now=NOW + 3)
    assert not store.unblock(WORKER, now=NOW + 4)
    assert store.blocked() == [Blocked(id=WEB, at=NOW + 1)]


# --------------------------------------------------------------------------------------------------------------- health


def test_how_far_it_has_come(store: Store) -> None:
    assert store.status() == StoreStatus(event=0, releases={}, away=None)
    author, other = Author(), Author(2, "billing")
    seen = [0]

    def moved(*, releases: dict[str, int]) -> None:
        status = store.status()
        assert (status.releases, status.away) == (releases, None)
        assert status.event > seen[-1]
        seen.append(status.event)

    add(store, author)
    moved(releases={})
    commit(store, author, author.first({WEB: b"for web"}))
    moved(releases={"web-shop": 1})
    commit(store, author, author.release([author.put(WEB, b"new")]))
    moved(releases={"web-shop": 2})
    add(store, other)
    commit(store, other, other.first())
    moved(releases={"billing": 1, "web-shop": 2})
    store.block(WEB, now=NOW)
    moved(releases={"billing": 1, "web-shop": 2})
    store.unblock(WEB, now=NOW)
    moved(releases={"billing": 1, "web-shop": 2})
    store.remove_publisher(coffer="billing", publisher=other.key.id, now=NOW)
    moved(releases={"billing": 1, "web-shop": 2})
    store.prune(Retention(releases=1, age_s=0), now=NOW + 1)
    moved(releases={"billing": 1, "web-shop": 2})


def test_trying_to_write_changes_nothing(store: Store, published: Author) -> None:
    before = store.status()
    store.try_writing()
    assert store.status() == before
    assert_unchanged(store, published)


def test_its_name_holds_no_password(store: Store) -> None:
    assert store.name == "memory" or "coffer.sqlite3" in store.name or "127.0.0.1" in store.name
    assert "postgresql+psycopg" not in store.name

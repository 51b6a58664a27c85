"""The contract of the store: every kind of it is run through all of this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from coffer_protocol.identity import Identity
from coffer_protocol.message import Drop, Entry
from coffer_protocol.primitives import sha256
from coffer_protocol.release import head as heads
from coffer_protocol.release.coffer import Coffer
from coffer_protocol.release.tree import leaf_data, leaf_hash, root_of_path
from coffer_server.errors import ConflictError, DeniedError, KeyInUseError, TooLargeError
from coffer_server.store.base import Change, Known, Store

from .publishing import ISSUED, Author, Release, identity

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
        return current.signed, list(current.entries)


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
    assert store.look_up(author.key.id) == Known(coffer="web-shop", suite=1)
    assert listing(store, author) == (None, [])
    with pytest.raises(DeniedError):
        store.fetch(author.key.id)


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
    with pytest.raises(KeyInUseError, match="publishes 'web-shop' already"):
        store.add_publisher(coffer="billing", key=author.key, name=None, now=NOW)


def test_a_client_of_one_coffer_cannot_publish_another(store: Store, author: Author) -> None:
    other = Author(5, "billing")
    commit(store, author, author.first({other.key.id: b"shard"}))
    with pytest.raises(KeyInUseError, match="client of 'web-shop'"):
        add(store, other)
    assert store.add_publisher(coffer="web-shop", key=other.key, name=None, now=NOW)


def test_removing_a_publisher(store: Store, published: Author) -> None:
    assert not store.remove_publisher(coffer="billing", publisher=published.key.id)
    assert store.remove_publisher(coffer="web-shop", publisher=published.key.id)
    assert not store.remove_publisher(coffer="web-shop", publisher=published.key.id)
    assert store.publishers() == []
    with pytest.raises(DeniedError):
        listing(store, published)
    # Its shard stays until a release drops it.
    assert store.look_up(published.key.id) == Known(coffer="web-shop", suite=1)
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
        leaf = leaf_data(coffer="web-shop", client_id=client, alg=body.alg, since=body.since, blob_sha256=sha256(blob))
        head = heads.verify_untrusted(body.signed, publishers={author.key.sign}).head
        assert root_of_path(leaf_hash(leaf), index=body.index, size=head.count, path=body.path) == head.root


def test_alg_says_which_suite_a_client_speaks(store: Store, author: Author) -> None:
    commit(store, author, author.release([author.put(WEB, b"2"), author.put(WORKER, b"1", alg=1)]))
    assert store.look_up(WEB) == Known(coffer="web-shop", suite=1)
    assert store.look_up(WORKER) == Known(coffer="web-shop", suite=0)


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
    clients = {number.to_bytes(32, "big"): b"%d" % number for number in range(1, 1301)}
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
    commit(store, published, published.release([published.put(second.key.id, b"key")], publishers=(second.key.sign, published.key.sign)))
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
        with pytest.raises(DeniedError, match="does not publish"):
            store.commit(coffer="web-shop", publisher=stranger, signed=release.signed, changes=release.changes, now=NOW)
    assert_unchanged(store, published)


def test_a_publisher_that_was_removed_since_open_is_refused(store: Store, published: Author) -> None:
    add(store, Author(2))
    store.remove_publisher(coffer="web-shop", publisher=published.key.id)
    with pytest.raises(DeniedError, match="does not publish"):
        commit(store, published, published.release([published.put(WEB, b"new")]))
    assert store.fetch(WEB).body.blob == b"for web"


def test_another_publishers_signature_is_refused(store: Store, published: Author) -> None:
    second = Author(2)
    add(store, second)
    release = published.release([published.put(WEB, b"new")], signer=second.identity)
    refused(store, published, release, DeniedError, "not signed as it must be")


def test_a_bad_signature_is_refused(store: Store, published: Author) -> None:
    release = published.release([published.put(WEB, b"new")])
    broken = release.signed[:-1] + bytes([release.signed[-1] ^ 1])
    refused(store, published, replace(release, signed=broken), DeniedError, "not signed as it must be")


def test_what_is_not_a_head_is_refused(store: Store, published: Author) -> None:
    release = published.release([published.put(WEB, b"new")])
    refused(store, published, replace(release, signed=b"\x80"), DeniedError, "not signed as it must be")


def test_a_head_of_another_coffer_is_refused(store: Store, published: Author) -> None:
    refused(store, published, published.release([published.put(WEB, b"new")], coffer="billing"), DeniedError, "'billing'")


@pytest.mark.parametrize("serial", [1, 3, 1000])
def test_a_serial_that_does_not_follow_is_a_conflict(store: Store, published: Author, serial: int) -> None:
    refused(store, published, published.release([published.put(WEB, b"new")], serial=serial), ConflictError, "does not follow")


@pytest.mark.parametrize("prev", [None, bytes(32)])
def test_a_prev_that_does_not_follow_is_a_conflict(store: Store, published: Author, prev: bytes | None) -> None:
    refused(store, published, published.release([published.put(WEB, b"new")], prev=prev), ConflictError, "does not follow")


def test_who_comes_second_is_told_of_the_conflict(store: Store, published: Author) -> None:
    late = published.release([Drop(id=WEB)])
    commit(store, published, published.release([Drop(id=WEB), published.put(WORKER, b"first")]))
    # Not that its Drop names nobody: that would be the wrong thing to mend.
    refused(store, published, late, ConflictError, "upload again")


def test_a_wrong_root_is_refused(store: Store, published: Author) -> None:
    refused(store, published, published.release([published.put(WEB, b"new")], root=bytes(32)), DeniedError, "not those that were signed")


def test_a_wrong_count_is_refused(store: Store, published: Author) -> None:
    refused(store, published, published.release([published.put(WEB, b"new")], count=4), DeniedError, "not those that were signed")


def test_other_blobs_than_those_signed_are_refused(store: Store, published: Author) -> None:
    release = published.release([published.put(WEB, b"new")])
    swapped = replace(release, changes=[published.put(WEB, b"other")])
    refused(store, published, swapped, DeniedError, "not those that were signed")


@pytest.mark.parametrize("distance", [0, 700], ids=["side by side", "far apart"])
@pytest.mark.parametrize("second", ["put", "drop", "reuse"])
def test_an_id_named_twice_is_refused(store: Store, published: Author, second: str, distance: int) -> None:
    changes: dict[str, Change] = {"put": published.put(WEB, b"second"), "drop": Drop(id=WEB), "reuse": published.reuse(WEB)}
    between = [published.put(number.to_bytes(32, "big"), b"x") for number in range(1, distance + 1)]
    release = published.release([published.put(WEB, b"first"), *between, changes[second]])
    refused(store, published, release, DeniedError, "names a client twice")


def test_a_client_dropped_and_put_is_named_twice(store: Store, published: Author) -> None:
    between = [published.put(number.to_bytes(32, "big"), b"x") for number in range(1, 701)]
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
    refused(store, published, published.release([wrong[fault]]), DeniedError, "not held any more")


def test_reuse_of_another_coffers_blob_is_refused(store: Store, published: Author) -> None:
    other = Author(2, "billing")
    add(store, other)
    reuse = published.reuse(WEB)
    commit(store, published, published.release([Drop(id=WEB)]))
    refused(store, other, other.release([reuse]), DeniedError, "not held any more")


@pytest.mark.parametrize("alg", [0, 3])
def test_an_unknown_alg_is_refused(store: Store, published: Author, alg: int) -> None:
    refused(store, published, published.release([published.put(WEB, b"x", alg=alg)]), DeniedError, "not one of protocol 1")


def test_a_publisher_cannot_have_a_bare_key(store: Store, published: Author) -> None:
    release = published.release([published.put(published.key.id, b"x", alg=1)])
    refused(store, published, release, DeniedError, "publishers speak suite 1")


@pytest.mark.parametrize("publishers", [(identity(9).publisher_key(),), (Identity(seed=bytes(32)).publisher_key(), Author().key.sign)])
def test_publishers_must_be_the_servers_own(store: Store, published: Author, publishers: tuple[bytes, ...]) -> None:
    release = published.release([published.put(WEB, b"x")], publishers=publishers)
    refused(store, published, release, DeniedError, "other publishers than the server's table")


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
    return Coffer(signed=release.signed, index=0, path=(), alg=1, since=1, blob=b"").encode() + bytes(2)


def test_a_plain_shard_that_stays_must_still_fit(store: Store, author: Author) -> None:
    first = author.release([author.put(WEB, bytes(1), alg=1)])
    largest = 65_495 - len(body_without_blob(first))
    commit(store, author, author.release([author.put(WEB, bytes(largest), alg=1)]))
    # Its path is longer now.
    refused(store, author, author.release([author.put(WORKER, b"x")]), TooLargeError, "65495")


def test_changes_that_fail_while_they_are_read_change_nothing(store: Store, published: Author) -> None:
    release = published.release([published.put(number.to_bytes(32, "big"), b"x") for number in range(1, 1100)])

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

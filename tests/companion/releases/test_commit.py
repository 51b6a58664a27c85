"""Making releases at a real server, and at servers that lie."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import trio

from coffer_companion.errors import LostReleaseError, NoteKeyMissingError, NotLetInError
from coffer_companion.releases import commit
from coffer_companion.releases.plan import Plan
from coffer_companion.releases.publishers import Addition
from coffer_companion.releases.shards import Wanted
from coffer_companion.settings import PublisherState
from coffer_companion.target import Target
from coffer_protocol import errors, question
from coffer_protocol.address import ServerAddress
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import ChainError
from coffer_protocol.identity import Identity
from coffer_protocol.message import Ask, Bye, Commit, Drop, Entry, Error, Hello, KeyNotFound, OkCommit, OkOpen, Open, Put, Reuse
from coffer_protocol.release import blob as blobs
from coffer_protocol.release.head import Head, SignedHead, sign, verify_untrusted
from coffer_protocol.release.listing import leaf_hashes
from coffer_protocol.release.notes import NoteKey
from coffer_protocol.release.tree import Tree
from coffer_protocol.release.trust import Seen
from coffer_protocol.shard import Secret, decode, encode
from tests.client.fake_server import FakeServer, Peer, unused_host
from tests.companion.conftest import NOW, Operator
from tests.support import identity

# ----------------------------------------------------------------------------------------------- what a draft sends

NOTE_KEY = NoteKey(key=bytes(range(32)))


def draft(**parts: object) -> commit.Draft:
    plan = Plan(coffer="shop", serial=5, clients=(), unchanged=0)
    return commit.Draft(**({"plan": plan, "note_key": NOTE_KEY, "lifetime_s": None} | parts))  # type: ignore[arg-type]


def test_what_is_sent_opens_for_its_client_alone_and_is_what_the_entry_says() -> None:
    web = identity("web")
    secrets = (Secret(key="a", value=1),)
    item = Wanted(client="web", key=web.public(), secrets=secrets, shard=encode(secrets))
    ((change, entry),) = commit.changes(draft(put=(item,)), coffer="shop", serial=5)
    assert isinstance(change, Put)
    assert entry is not None
    assert (entry.id, entry.alg, entry.since, entry.mark) == (web.id(), 2, 5, change.mark)
    assert entry.sha256 == sha256(change.blob)
    opened = blobs.open_blob(web, alg=2, coffer="shop", since=5, blob=change.blob)
    assert decode(opened) == secrets
    assert NOTE_KEY.mark(coffer="shop", client_id=entry.id, since=5, shard=opened) == entry.mark
    note = NOTE_KEY.open(change.note, coffer="shop", client_id=entry.id, since=5)
    assert (note.client, [key for key, _ in note.keys]) == ("web", ["a"])
    with pytest.raises(errors.BlobError):
        blobs.open_blob(identity("worker"), alg=2, coffer="shop", since=5, blob=change.blob)


def test_messages_go_in_the_order_of_their_ids() -> None:
    entry = Entry(id=bytes([2]) * 32, alg=2, since=3, sha256=bytes(32), mark=bytes(16))
    sent = [change for change, _ in commit.changes(draft(drop=(bytes([3]) * 32, bytes([1]) * 32), reuse=(entry,)), coffer="shop", serial=5)]
    assert [type(change) for change in sent] == [Drop, Reuse, Drop]
    assert [change.id[0] for change in sent] == [1, 2, 3]


def test_a_draft_of_nothing_is_empty() -> None:
    assert draft().is_empty
    assert not draft(publishers=frozenset({bytes(32)})).is_empty
    assert not draft(drop=(bytes(32),)).is_empty


# ---------------------------------------------------------------------------------------------------- a real server


def test_who_does_not_approve_changes_nothing(operator: Operator) -> None:
    class RefusedError(Exception):
        pass

    def refuse(plan: Plan) -> None:
        raise RefusedError

    with pytest.raises(RefusedError):
        operator.make(operator.publication("[web]\na = 1", "web").draft, approve=refuse)
    with pytest.raises(errors.KeyNotFoundError):
        operator.fetch("web")


def test_progress_is_told_of_each_message(operator: Operator) -> None:
    told = []
    wanted = operator.publication("[web]\na = 1\n[worker]\nb = 2", "web", "worker")
    trio.run(
        lambda: commit.make(
            operator.target, wanted.draft, approve=lambda plan: None, progress=lambda done, total: told.append((done, total))
        )
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def in_another_process(call: Callable[[], object]) -> None:
    """Do what somebody else would do meanwhile."""
    with ThreadPoolExecutor() as elsewhere:
        elsewhere.submit(call).result()


def test_losing_the_race_changes_nothing(operator: Operator) -> None:
    """While one upload waits to be approved another one commits: the first is told, and its release is nowhere."""
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="other").draft)
    first, second = operator.publication("[web]\na = 2", "web"), operator.publication("[web]\na = 3", "web")
    with pytest.raises(errors.ServerError) as caught:
        operator.make(first.draft, approve=lambda plan: in_another_process(lambda: operator.make(second.draft, target=other)))
    assert caught.value.code == "conflict"
    assert dict(operator.fetch("web")) == {"a": 3}


def test_one_upload_at_a_time(operator: Operator) -> None:
    wanted = operator.publication("[web]\na = 1", "web")
    with pytest.raises(errors.ServerError) as caught:
        operator.make(wanted.draft, approve=lambda plan: in_another_process(lambda: operator.make(wanted.draft)))
    assert caught.value.code == "busy"


def test_a_preview_keeps_nobody_from_uploading(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")

    async def drafting(base: commit.Base) -> commit.Draft:
        in_another_process(lambda: operator.publish("[web]\na = 2", "web"))
        return await operator.publication("[web]\na = 3", "web").draft(base)

    assert trio.run(lambda: commit.preview(operator.target, drafting)).serial == 2
    assert dict(operator.fetch("web")) == {"a": 2}


def test_a_publisher_without_the_note_key_says_who_can_mend_it(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    with pytest.raises(NoteKeyMissingError, match="coffer-companion publishers add coffer1"):
        operator.publish("[web]\na = 2", "web", target=other)


def test_a_stranger_may_not_publish(operator: Operator) -> None:
    stranger = dataclasses.replace(operator.target, identity=Identity.generate())
    with pytest.raises(NotLetInError, match="coffer-server publisher add DIR"):
        operator.publish("[web]\na = 1", "web", target=stranger)


def test_a_client_may_not_publish_nor_look(operator: Operator) -> None:
    """It may ask for heads, so it gets further than a stranger does."""
    operator.publish("[web]\na = 1", "web")
    address = dataclasses.replace(operator.address, publishers=(operator.identity.publisher_key(),))
    target = Target.at(address, operator.coffer, operator.client("web"))
    with pytest.raises(NotLetInError):
        operator.publish("[web]\na = 2", "web", target=target)
    with pytest.raises(NotLetInError):
        trio.run(lambda: commit.preview(target, operator.publication("[web]\na = 2", "web").draft))


def test_a_publisher_may_publish_its_own_coffer_alone(operator: Operator) -> None:
    with pytest.raises(NotLetInError):
        operator.publish("[web]\na = 1", "web", target=dataclasses.replace(operator.target, coffer="other"))


def test_a_client_of_another_coffer_is_refused_with_the_servers_sentence(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    second = dataclasses.replace(operator, coffer=f"{operator.coffer}-2", identity=Identity.generate())
    second.let_in(second.identity)
    with pytest.raises(errors.ServerError, match="belongs to another coffer"):
        second.publish("[web]\na = 1", "web")


def test_a_server_that_is_not_there(operator: Operator) -> None:
    address = dataclasses.replace(operator.address, hosts=(unused_host(),))
    with pytest.raises(errors.UnreachableError, match="coffer-server run"):
        operator.publish("[web]\na = 1", "web", target=dataclasses.replace(operator.target, address=address))


# ------------------------------------------------------------------------------------------------ servers that lie

SERVER = identity("server")
ENTRIES = [Entry(id=bytes([n]) * 32, alg=2, since=1, sha256=bytes(32), mark=bytes(16)) for n in range(1, 4)]


def signed(
    operator: Operator,
    *,
    serial: int = 3,
    coffer: str | None = None,
    entries: list[Entry] = ENTRIES,
    by: Identity | None = None,
    prev: bytes | None = None,
) -> bytes:
    author = by or operator.identity
    name = coffer or operator.coffer
    root = Tree(leaf_hashes(name, entries)).root
    head = Head(coffer=name, serial=serial, root=root, count=len(entries), issued=1, publisher=author.publisher_key(), prev=prev)
    return sign(head, author)


def remember(operator: Operator, *, serial: int, sha256: bytes = bytes(32)) -> None:
    """This publisher has seen a release of its own."""
    seen = Seen(serial=serial, signed_sha256=sha256)
    PublisherState(seen=seen, signer=operator.identity.publisher_key()).save(target_at(operator).state_file)


def target_at(operator: Operator, server: FakeServer | None = None) -> Target:
    hosts = operator.address.hosts if server is None else (server.host,)
    return Target.at(ServerAddress(server=SERVER.id(), hosts=hosts), operator.coffer, operator.identity)


def publish_to(operator: Operator, script: Callable[[Peer], None], *, restore: bool = False) -> SignedHead | None:
    with FakeServer(script) as server:
        drafting = operator.publication("[web]\na = 1", "web").draft
        return operator.make(drafting, target=target_at(operator, server), restore=restore)


def nothing_more(peer: Peer) -> None:
    """See that nothing but Bye comes: whatever else did would be a change, or a signature."""
    with contextlib.suppress(errors.TruncatedError, ConnectionError):
        peer.expect(Bye)


def opening(heads: list[bytes], answer: OkOpen) -> Callable[[Peer], None]:
    """A server that shows these heads, and answers Open so."""

    def script(peer: Peer) -> None:
        peer.link()
        assert peer.expect(Ask).name == "heads"
        peer.send(question.tell_heads(heads))
        with contextlib.suppress(errors.TruncatedError, ConnectionError):
            peer.expect(Open)
            peer.send(answer)
            nothing_more(peer)

    return script


def test_an_old_release_is_not_built_upon(operator: Operator) -> None:
    remember(operator, serial=4)
    with pytest.raises(errors.RollbackError):
        publish_to(operator, opening([], OkOpen.pack(signed(operator), ENTRIES)))
    with pytest.raises(errors.RollbackError):
        publish_to(operator, opening([signed(operator)], OkOpen.pack(signed(operator), ENTRIES)))


def test_another_release_at_the_same_serial_is_not_built_upon(operator: Operator) -> None:
    remember(operator, serial=3)
    with pytest.raises(errors.ForkError):
        publish_to(operator, opening([signed(operator)], OkOpen.pack(signed(operator), ENTRIES)))


def test_a_release_that_does_not_follow_what_was_seen_is_not_built_upon(operator: Operator) -> None:
    old = signed(operator)
    remember(operator, serial=3, sha256=sha256(old))
    new = signed(operator, serial=4, prev=bytes(32))
    with pytest.raises(ChainError):
        publish_to(operator, opening([old, new], OkOpen.pack(new, ENTRIES)))


def test_a_release_that_comes_between_the_answers_must_follow(operator: Operator) -> None:
    known = signed(operator)
    with pytest.raises(ChainError):
        publish_to(operator, opening([known], OkOpen.pack(signed(operator, serial=4, prev=bytes(32)), ENTRIES)))
    with pytest.raises(ChainError):
        publish_to(operator, opening([known], OkOpen.pack(signed(operator, serial=2), ENTRIES)))


def test_an_invented_listing_is_not_built_upon(operator: Operator) -> None:
    invented = [*ENTRIES, dataclasses.replace(ENTRIES[0], id=b"\x7e" * 32)]
    for entries in (invented, ENTRIES[:2]):
        with pytest.raises(errors.ListingError):
            publish_to(operator, opening([signed(operator)], OkOpen.pack(signed(operator), entries)))


def test_a_strangers_release_is_not_built_upon(operator: Operator) -> None:
    strange = signed(operator, by=identity("publisher2"))
    with pytest.raises(errors.UntrustedPublisherError):
        publish_to(operator, opening([strange], OkOpen.pack(strange, ENTRIES)))


def test_another_coffers_release_is_not_built_upon(operator: Operator) -> None:
    other = signed(operator, coffer="other")
    with pytest.raises(errors.WrongCofferError):
        publish_to(operator, opening([other], OkOpen.pack(other, ENTRIES)))


def test_what_is_no_release_is_not_built_upon(operator: Operator) -> None:
    with pytest.raises(errors.NotAReleaseError):
        publish_to(operator, opening([b"no release"], OkOpen.pack(b"no release", ENTRIES)))


def beginning(peer: Peer) -> None:
    """A server without a release, up to its OkOpen."""
    peer.link()
    peer.expect(Ask)
    peer.send(question.tell_heads([]))
    peer.expect(Open)
    peer.send(OkOpen.pack(None, []))


def test_a_server_that_refuses_half_way_is_heard(operator: Operator) -> None:
    def script(peer: Peer) -> None:
        beginning(peer)
        peer.expect(Put)
        peer.send(Error(code="limit", sentence="enough"))
        peer.wait_for_close()

    with pytest.raises(errors.ServerError) as caught:
        publish_to(operator, script)
    assert caught.value.code == "limit"


def test_a_server_that_commits_another_serial_is_not_believed(operator: Operator) -> None:
    def script(peer: Peer) -> None:
        beginning(peer)
        peer.expect(Put)
        peer.expect(Put)
        peer.expect(Commit)
        peer.send(OkCommit(serial=9))
        peer.wait_for_close()

    with pytest.raises(errors.ProtocolError, match="release 9"):
        publish_to(operator, script)
    assert PublisherState.load(target_at(operator).state_file).seen is None


def test_a_server_that_does_not_know_the_publisher(operator: Operator) -> None:
    def script(peer: Peer) -> None:
        peer.send(KeyNotFound(client=peer.expect(Hello).client))
        peer.wait_for_close()

    with pytest.raises(NotLetInError):
        publish_to(operator, script)


def test_a_server_that_goes_away_is_out_of_reach(operator: Operator) -> None:
    def script(peer: Peer) -> None:
        peer.expect(Hello)

    with pytest.raises(errors.TruncatedError):
        publish_to(operator, script)


def test_after_a_lost_database_one_upload_restores_all(operator: Operator) -> None:
    """A server that holds nothing is given the next serial, whose prev is the last that was signed."""
    heads: list[bytes] = []

    def script(peer: Peer) -> None:
        beginning(peer)
        peer.expect(Put)
        peer.expect(Put)
        heads.append(peer.expect(Commit).signed)
        peer.send(OkCommit(serial=8))
        peer.wait_for_close()

    remember(operator, serial=7, sha256=bytes(range(32)))
    release = publish_to(operator, script, restore=True)
    assert release is not None
    assert release.signed == heads[0]
    head = verify_untrusted(heads[0], publishers={operator.identity.publisher_key()}).head
    assert (head.serial, head.prev, head.issued) == (8, bytes(range(32)), NOW)
    seen = PublisherState.load(target_at(operator).state_file).seen
    assert seen == Seen(serial=8, signed_sha256=release.sha256)


def opening_of_nothing(peer: Peer) -> None:
    """A server without a release, to which nothing must be sent."""
    beginning(peer)
    nothing_more(peer)


def test_a_server_that_holds_nothing_any_more_is_not_believed_by_itself(operator: Operator) -> None:
    """It could be hiding what was published: a note key made anew, and clients left out unseen, would be the price."""
    remember(operator, serial=7)
    with pytest.raises(LostReleaseError, match=r"release 7 .*--restore"):
        publish_to(operator, opening_of_nothing)


def test_what_a_signed_release_became_must_be_known_before_another_is_signed(operator: Operator) -> None:
    """A server that swallows OkCommit could else be given two releases under one serial, and choose for each client."""
    signed: list[bytes] = []

    def swallowing(peer: Peer) -> None:
        beginning(peer)
        peer.expect(Put)
        peer.expect(Put)
        signed.append(peer.expect(Commit).signed)

    with pytest.raises(errors.ProtocolError):
        publish_to(operator, swallowing)
    pending = PublisherState.load(target_at(operator).state_file).pending
    assert pending == Seen(serial=1, signed_sha256=sha256(signed[0]))
    with pytest.raises(LostReleaseError, match=r"release 1 .*signed here and sent.*--restore"):
        publish_to(operator, opening_of_nothing)


def test_a_release_that_the_server_refused_is_no_longer_pending(operator: Operator) -> None:
    def refusing(peer: Peer) -> None:
        beginning(peer)
        peer.expect(Put)
        peer.expect(Put)
        peer.expect(Commit)
        peer.send(Error(code="conflict", sentence="another came first"))
        peer.wait_for_close()

    with pytest.raises(errors.ServerError):
        publish_to(operator, refusing)
    assert PublisherState.load(target_at(operator).state_file).pending is None


def test_a_release_that_arrived_after_all_is_no_longer_pending(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    path = operator.target.state_file
    state = PublisherState.load(path)
    path.unlink()
    dataclasses.replace(state, seen=None, signer=None, pending=state.seen).save(path)
    assert operator.publish("[web]\na = 2", "web") == 2
    assert PublisherState.load(path).pending is None

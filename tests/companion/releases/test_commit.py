"""Making releases at a real server, and at servers that lie."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import pytest
import trio
import trio.testing
from sqlalchemy import select

from coffer_companion.connection import Connection
from coffer_companion.errors import (
    LostReleaseError,
    NoteKeyMissingError,
    NotLetInError,
    PendingReleaseError,
    PublisherClockError,
    RestartError,
    UnknownEntryError,
)
from coffer_companion.releases import commit, kept_entries
from coffer_companion.releases.plan import Plan
from coffer_companion.releases.publishers import Addition, publishers
from coffer_companion.releases.shards import Wanted
from coffer_companion.settings import PublisherState, SignedRelease
from coffer_companion.target import Target
from coffer_protocol import errors, question
from coffer_protocol.address import ServerAddress
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import ChainError
from coffer_protocol.identity import Identity, format_id
from coffer_protocol.limits import UPLOAD_TIMEOUT_S
from coffer_protocol.message import Ask, Bye, Commit, Drop, Entry, Error, Hello, KeyNotFound, Message, OkCommit, OkOpen, Open, Put, Reuse
from coffer_protocol.release import blob as blobs
from coffer_protocol.release.head import DEFAULT_LIFETIME_S, Head, SignedHead, sign, verify_untrusted
from coffer_protocol.release.listing import leaf_hashes, leaf_of
from coffer_protocol.release.notes import NoteKey, NoteKeys
from coffer_protocol.release.tree import Tree
from coffer_protocol.release.trust import Seen
from coffer_protocol.shard import Secret, decode, encode
from coffer_server.state import StateFolder
from coffer_server.store.sql.schema import BLOB, NOTE
from coffer_server.store.sql.schema import blobs as blobs_table
from tests.client.fake_server import FakeServer, Peer, unused_host
from tests.companion.conftest import NOW, Operator, approve_all
from tests.support import identity

# ----------------------------------------------------------------------------------------------- what a draft sends

NOTE_KEY = NoteKey(key=bytes(range(32)))


def draft(**parts: object) -> commit.Draft:
    plan = Plan(coffer="shop", serial=5, clients=(), unchanged=0)
    return commit.Draft(**({"plan": plan, "note_keys": NoteKeys(current=NOTE_KEY), "lifetime_s": None} | parts))  # type: ignore[arg-type]


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
    leaf = leaf_of("shop", entry)
    assert NOTE_KEY.mark(leaf, role=0, key=web.public(), shard=opened) == entry.mark
    note = NOTE_KEY.open(change.note, leaf)
    assert (note.sign, note.fingerprint) == (web.publisher_key(), web.public().fingerprint())
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


def test_two_publishers_do_not_upload_one_coffer_at_once(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="other").draft)
    first, second = operator.publication("[web]\na = 2", "web"), operator.publication("[web]\na = 3", "web")
    with pytest.raises(errors.ServerError) as caught:
        operator.make(first.draft, approve=lambda plan: in_another_process(lambda: operator.make(second.draft, target=other)))
    assert caught.value.code == "busy"
    assert dict(operator.fetch("web")) == {"a": 1}


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
    seen = Seen(serial=serial, signed_sha256=sha256, issued=1)
    state = PublisherState(seen=seen, signer=operator.identity.publisher_key())
    PublisherState.update(target_at(operator).state_file, lambda _: state)


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


def answered(peer: Peer, heads: list[bytes], *, clock: float = NOW) -> Message:
    """Answer what is asked about heads and about the server's clock, and return the message behind that."""
    while isinstance(said := peer.hear(), Ask):
        if said.name == "about":
            facts = question.ServerFacts(version="1", time=int(clock), oldest=1, enrol="invited", is_audited=False)
            peer.send(question.tell_about(facts))
        else:
            assert said.name == "heads"
            peer.send(question.tell_heads(heads))
    assert said is not None
    return said


def opening(heads: list[bytes], answer: OkOpen) -> Callable[[Peer], None]:
    """A server that shows these heads as often as it is asked, and answers Open so."""

    def script(peer: Peer) -> None:
        peer.link()
        with contextlib.suppress(errors.TruncatedError, ConnectionError):
            if isinstance(answered(peer, heads), Open):
                peer.send(answer)
                nothing_more(peer)

    return script


def test_an_old_release_is_not_built_upon(operator: Operator) -> None:
    remember(operator, serial=4)
    with pytest.raises(LostReleaseError):
        publish_to(operator, opening([], OkOpen.pack(signed(operator), ENTRIES)))

    def script(peer: Peer) -> None:
        peer.link()
        for heads in ([], [signed(operator)]):
            assert peer.expect(Ask).name == "heads"
            peer.send(question.tell_heads(heads))
        nothing_more(peer)

    with pytest.raises(errors.RollbackError, match="is 3, and release 4 was seen"):
        publish_to(operator, script)


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
    assert isinstance(answered(peer, []), Open)
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


def committing(sent: list[bytes], serial: int) -> Callable[[Peer], None]:
    """A server without a release, which commits what it is sent."""

    def script(peer: Peer) -> None:
        beginning(peer)
        while isinstance(said := peer.hear(), Put | Drop | Reuse):
            pass
        assert isinstance(said, Commit)
        sent.append(said.signed)
        peer.send(OkCommit(serial=serial))
        peer.wait_for_close()

    return script


def test_after_a_lost_database_one_upload_begins_the_history_again(operator: Operator) -> None:
    """A server that holds nothing is given a restart, far above what was seen, whose prev is the last that was seen."""
    sent: list[bytes] = []
    remember(operator, serial=7, sha256=bytes(range(32)))
    release = publish_to(operator, committing(sent, 1007), restore=True)
    assert release is not None
    assert release.signed == sent[0]
    own = operator.identity.publisher_key()
    head = verify_untrusted(sent[0], publishers={own}).head
    assert (head.serial, head.prev, head.issued) == (1007, bytes(range(32)), NOW)
    assert (head.restart, head.publishers) == (True, (own,))
    state = PublisherState.load(target_at(operator).state_file)
    assert state.seen == Seen.of(release)
    assert state.signed == ()


def opening_of_nothing(peer: Peer) -> None:
    """A server without a release, to which nothing must be sent."""
    beginning(peer)
    nothing_more(peer)


def test_a_server_that_holds_nothing_any_more_is_not_believed_by_itself(operator: Operator) -> None:
    """It could be hiding what was published: a new note key, and clients left out unseen, would be the price."""
    remember(operator, serial=7)
    with pytest.raises(LostReleaseError, match="release 7") as caught:
        publish_to(operator, opening([], OkOpen.pack(None, [])))
    assert "--restore" in str(caught.value.hint)


def pending_at(operator: Operator) -> list[tuple[int, bytes, bool]]:
    state = PublisherState.load(target_at(operator).state_file)
    return [(release.serial, release.sha256, release.is_spent) for release in state.signed]


def failing(sent: list[bytes], answer: Error | None) -> Callable[[Peer], None]:
    """A server without a release, which takes Commit and answers with an Error, or not at all."""

    def script(peer: Peer) -> None:
        beginning(peer)
        peer.expect(Put)
        peer.expect(Put)
        sent.append(peer.expect(Commit).signed)
        if answer is not None:
            peer.send(answer)
            peer.wait_for_close()

    return script


@pytest.mark.parametrize("answer", [None, Error(code="conflict", sentence="no"), Error(code="internal", sentence="no")])
def test_a_signed_release_stays_pending_whatever_the_server_says(operator: Operator, answer: Error | None) -> None:
    """A server that keeps the release and answers Error could else be given two releases with one serial, and choose for each client."""
    sent: list[bytes] = []
    with pytest.raises(errors.ProtocolError) as caught:
        publish_to(operator, failing(sent, answer))
    assert "release 1 was signed and sent" in str(caught.value.hint)
    assert pending_at(operator) == [(1, sha256(sent[0]), False)]
    release = publish_to(operator, committing(sent, 2))
    assert release is not None
    assert release.head.serial == 2
    assert release.head.prev is None
    # It can no longer come to be.
    assert pending_at(operator) == [(1, sha256(sent[0]), True)]


def test_a_release_that_is_pending_is_told_if_there_is_nothing_to_change(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    entry = SignedRelease(serial=2, sha256=bytes(32))
    PublisherState.update(operator.target.state_file, lambda state: dataclasses.replace(state, signed=(entry,)))
    with pytest.raises(PendingReleaseError, match="release 2"):
        operator.make(operator.publication("[web]\na = 1", "web").draft)
    assert operator.publish("[web]\na = 2", "web") == 3


def test_a_release_that_arrived_after_all_is_no_longer_pending(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    path = operator.target.state_file
    seen = PublisherState.load(path).seen
    assert seen is not None
    pending = SignedRelease(serial=seen.serial, sha256=seen.signed_sha256)
    PublisherState.update(path, lambda _: PublisherState(signed=(pending,)))
    assert operator.publish("[web]\na = 2", "web") == 2
    assert PublisherState.load(path).signed == ()


def test_what_became_of_a_release_is_told_although_the_server_is_busy(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="other").draft)
    path = operator.target.state_file
    seen = PublisherState.load(path).seen
    assert seen is not None
    pending = SignedRelease(serial=seen.serial, sha256=seen.signed_sha256)
    first, second = operator.publication("[web]\na = 2", "web"), operator.publication("[web]\na = 3", "web")

    def meanwhile() -> None:
        PublisherState.update(path, lambda _: PublisherState(signed=(pending,)))
        operator.make(second.draft)

    with pytest.raises(errors.ServerError) as caught:
        operator.make(first.draft, target=other, approve=lambda plan: in_another_process(meanwhile))
    assert caught.value.code == "busy"
    assert caught.value.hint == (
        "release 2, which was signed here and which the server had not confirmed, is published; nothing was changed: try again in a minute"
    )
    # Nothing tells of it again.
    assert PublisherState.load(path).signed == ()


# ---------------------------------------------------------------------------------------------------- clocks and notes

DAY_S = 86400


def test_a_clock_that_goes_back_makes_no_release_that_was_issued_earlier(operator: Operator) -> None:
    first = operator.make(operator.publication("[web]\na = 1", "web").draft)
    assert first is not None
    plans: list[Plan] = []
    late = operator.make(operator.publication("[web]\na = 2", "web").draft, now=NOW - 2 * 3600, approve=plans.append)
    assert late is not None
    assert late.head.issued == first.head.issued
    assert late.head.expires == NOW - 2 * 3600 + DEFAULT_LIFETIME_S
    assert "one of the two clocks is wrong" in plans[0].remarks[0]
    assert dict(operator.fetch("web")) == {"a": 2}


def test_a_clock_that_is_a_day_behind_signs_only_a_restart(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    wanted = operator.publication("[web]\na = 2", "web")
    with pytest.raises(PublisherClockError) as caught:
        operator.make(wanted.draft, now=NOW - DAY_S - 60)
    assert "--restore" in str(caught.value.hint)
    release = operator.make(wanted.draft, now=NOW - DAY_S - 60, restore=True)
    assert release is not None
    assert (release.head.restart, release.head.serial, release.head.issued) == (True, 1001, NOW - DAY_S - 60)
    # Every shard was sealed again under a new note key, and the next upload goes on from there.
    assert operator.publish("[web]\na = 3", "web") == 1002
    assert dict(operator.fetch("web")) == {"a": 3}


def test_another_publisher_goes_on_after_a_restart_by_a_persons_word(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="other").draft)
    operator.publish("[web]\na = 2", "web", target=other)
    wanted = operator.publication("[web]\na = 3", "web")
    assert operator.make(wanted.draft, now=NOW - DAY_S - 60, restore=True) is not None
    mine = operator.publication("[web]\na = 4", "web")
    with pytest.raises(RestartError):
        operator.make(mine.draft, target=other)
    release = operator.make(mine.draft, target=other, accepted_restart=1003)
    assert release is not None
    assert (release.head.serial, release.head.restart) == (1004, False)


def test_a_clock_that_jumps_while_an_upload_is_open_signs_nothing(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    wanted = operator.publication("[web]\na = 2", "web")
    for jump_s in (2 * 3600, -2 * 3600):
        clock = iter([NOW, NOW, NOW + jump_s]).__next__
        with pytest.raises(PublisherClockError, match="this machine's clock went from"):
            trio.run(partial(commit.make, operator.target, wanted.draft, approve=approve_all, now=clock))
        assert PublisherState.load(operator.target.state_file).signed == ()
    assert operator.publish("[web]\na = 2", "web") == 2


def spied_questions(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Return what every connection of the companion sends from now on."""
    sent: list[Message] = []
    send = Connection.send

    async def spied(self: Connection, message: Message) -> None:
        sent.append(message)
        await send(self, message)

    monkeypatch.setattr(Connection, "send", spied)
    return sent


def test_a_publisher_that_has_the_list_does_not_ask_for_it_again(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    newest = PublisherState.load(operator.target.state_file).seen
    assert newest is not None
    sent = spied_questions(monkeypatch)
    assert operator.publish("[web]\na = 2\n[worker]\nb = 1", "web", "worker") == 2
    assert [message for message in sent if isinstance(message, Open)] == [Open(coffer=operator.coffer, known=newest.signed_sha256)]
    assert not [message for message in sent if isinstance(message, Ask) and message.name in ("changes", "entries")]
    assert dict(operator.fetch("web")) == {"a": 2}
    assert dict(operator.fetch("worker")) == {"b": 1}


def test_a_publisher_asks_only_for_what_others_have_changed(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="other").draft)
    operator.publish("[web]\na = 2\n[job]\nc = 1", "web", "job", target=other)
    sent = spied_questions(monkeypatch)
    assert operator.publish("[web]\na = 3\n[job]\nc = 1", "web", "job") == 4
    assert [message.params for message in sent if isinstance(message, Ask) and message.name == "changes"] == [[operator.coffer, 2]]
    (opened,) = [message for message in sent if isinstance(message, Open)]
    assert opened.known is not None
    assert dict(operator.fetch("web")) == {"a": 3}
    assert dict(operator.fetch("job")) == {"c": 1}
    assert len(operator.look(publishers)) == 2


def test_a_list_that_does_not_fit_is_asked_for_whole(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    path = kept_entries.path_of(operator.target.state_file)
    before = path.read_bytes()
    operator.publish("[web]\na = 2\n[worker]\nb = 1", "web", "worker")
    # An older list is there again, and nothing is right in it from here on.
    path.write_bytes(before[:-40] + bytes(40))
    sent = spied_questions(monkeypatch)
    assert operator.publish("[web]\na = 3\n[worker]\nb = 1", "web", "worker") == 3
    assert [message.known for message in sent if isinstance(message, Open)] == [None]
    assert dict(operator.fetch("worker")) == {"b": 1}


def test_a_server_whose_clock_is_behind_is_not_sent_a_release_that_it_would_refuse(operator: Operator) -> None:
    def script(peer: Peer) -> None:
        peer.link()
        assert isinstance(answered(peer, [], clock=NOW - 2 * DAY_S), Open)
        peer.send(OkOpen.pack(None, []))
        nothing_more(peer)

    with pytest.raises(PublisherClockError, match="the server's says"):
        publish_to(operator, script)


@pytest.mark.trio
async def test_an_upload_that_takes_longer_than_a_server_waits_ends(autojump_clock: trio.testing.MockClock) -> None:
    class SlowConnection:
        """Takes ten minutes for a message."""

        sent = 0

        async def send(self, message: Message) -> None:
            await trio.sleep(600)
            self.sent += 1

    connection = SlowConnection()
    base = SimpleNamespace(target=SimpleNamespace(coffer="shop"), serial=5)
    told: list[int] = []
    with pytest.raises(errors.UnreachableError, match="not whole after 30 minutes, and nothing was changed"):
        await commit._send_changes(
            connection,  # type: ignore[arg-type]
            base,  # type: ignore[arg-type]
            draft(drop=tuple(bytes([number]) * 32 for number in range(1, 9))),
            lambda done, total: told.append(done),
            trio.current_time() + UPLOAD_TIMEOUT_S,
        )
    assert (connection.sent, told) == (2, [1, 2])


def lose_note(operator: Operator, client: bytes) -> None:
    """Change a client's note in the server's database."""
    with contextlib.closing(StateFolder(operator.server.state_dir).store()) as store, store.database.transaction(writes=True) as connection:
        (row,) = connection.execute(select(blobs_table).where(blobs_table.c.client == client)).all()
        key = (row.coffer, row.client, row.since, row.alg, row.sha256)
        sealed = store.roots.read(connection).seal(NOTE.of(*key), bytes(300))
        connection.execute(blobs_table.update().where(blobs_table.c.client == client).values(note=sealed))


def test_a_note_that_does_not_open_ends_an_upload_and_reseal_goes_on(operator: Operator) -> None:
    operator.publish("[web]\na = 1\n[worker]\nb = 1", "web", "worker")
    lose_note(operator, operator.client("worker").id())
    wanted = operator.publication("[web]\na = 2", "web")
    with pytest.raises(errors.NoteError) as caught:
        operator.make(wanted.draft)
    assert "--reseal" in str(caught.value.hint)
    plans: list[Plan] = []
    resealed = dataclasses.replace(wanted, reseal=True)
    release = operator.make(resealed.draft, approve=plans.append)
    assert release is not None
    # What its note does not name is not dropped.
    assert release.head.count == 3
    worker = operator.client("worker").id()
    assert plans[0].remarks[-1].startswith(f"entry {format_id(worker)} stays")
    assert dict(operator.fetch("web")) == {"a": 2}
    # A person may name it.
    with pytest.raises(UnknownEntryError, match=format_id(operator.client("web").id())):
        operator.make(dataclasses.replace(resealed, drop=frozenset({operator.client("web").id()})).draft)
    release = operator.make(dataclasses.replace(resealed, drop=frozenset({worker})).draft)
    assert release is not None
    assert release.head.count == 2
    assert operator.make(wanted.draft) is None


def test_a_publisher_whose_note_is_lost_is_sealed_again_and_not_dropped(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    other = operator.other()
    operator.make(Addition(key=other.identity.public(), name="other").draft)
    for publisher in (operator.identity, other.identity):
        lose_note(operator, publisher.id())
    wanted = operator.publication("[web]\na = 2", "web")
    plans: list[Plan] = []
    assert operator.make(dataclasses.replace(wanted, reseal=True).draft, approve=plans.append) is not None
    assert plans[0].remarks == ()
    assert {publisher.entry.name for publisher in operator.look(publishers) if publisher.entry is not None} == {"", "other"}
    assert operator.publish("[web]\na = 3", "web", target=other) == 4


def test_a_publisher_keeps_the_note_keys_that_the_server_has_lost(operator: Operator) -> None:
    operator.publish("[web]\na = 1", "web")
    damage_blob(operator, operator.identity.id())
    wanted = operator.publication("[web]\na = 2", "web")
    # Nobody can read the shard any more, also not this publisher; it is sealed again from what is kept.
    with pytest.raises(errors.CofferError):
        operator.look(publishers)
    assert operator.make(dataclasses.replace(wanted, reseal=True).draft) is not None
    assert len(operator.look(publishers)) == 1


def damage_blob(operator: Operator, client: bytes) -> None:
    """Change a client's blob in the server's database."""
    with contextlib.closing(StateFolder(operator.server.state_dir).store()) as store, store.database.transaction(writes=True) as connection:
        (row,) = connection.execute(select(blobs_table).where(blobs_table.c.client == client)).all()
        key = (row.coffer, row.client, row.since, row.alg, row.sha256)
        sealed = store.roots.read(connection).seal(BLOB.of(*key), bytes(1376))
        connection.execute(blobs_table.update().where(blobs_table.c.client == client).values(blob=sealed))

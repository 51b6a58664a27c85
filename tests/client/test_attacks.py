"""The attacks that The Update Framework names (its specification, 1.5.2, and the papers before it), each against the real client.

The server holds its own key here: it is the liar itself, or whoever has stolen that key. On the way to an honest server nobody can do as
much, for a session's frames cannot be read, replayed or changed (test_fetching.py). What a thief of the publisher's key can do is said in
`test_vulnerability_to_key_compromise`. *Extraneous dependencies* has no counterpart: a release depends on nothing.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from coffer_client.config.credential import Credential
from coffer_protocol import frame
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import (
    BadSignatureError,
    ChainError,
    ExpiredReleaseError,
    ForkError,
    InclusionError,
    ReleaseError,
    RollbackError,
    SerialJumpError,
    UnopenableError,
    UnreachableError,
    UntrustedPublisherError,
)
from coffer_protocol.frame import Frame
from coffer_protocol.limits import SERIAL_JUMP
from coffer_protocol.message import Get, MessageType, OkGet
from coffer_protocol.release import blob as blobs
from coffer_protocol.release import head as heads
from coffer_protocol.release import tree
from coffer_protocol.release.coffer import SealedAnswer
from coffer_protocol.release.tree import Tree
from tests.support import identity

from .fake_server import FakeServer, Peer, Script, address_of, giving, giving_in_turn, hosting
from .releases import NOW, PUBLISHER, History, make_body, make_head
from .sources import NEVER, Client

THIEF = identity("publisher2")


@pytest.fixture
def history(whole: Credential) -> History:
    """Three releases, of which the second expires."""
    return History(whole).add({"n": 1}).add({"n": 2}, expires=NOW + 86400).add({"n": 3})


@pytest.fixture
def client(tmp_path: Path, whole: Credential, history: History) -> Client:
    """A client that has seen release 2."""
    client = Client(tmp_path / "files", whole)
    client.fetch_from(hosting(history, newest=2))
    return client


def refused(client: Client, script: Script, error: type[Exception], match: str = ".") -> None:
    """The client refuses what the script gives, knows what it knew before, and goes on with its cache if it may, or says so."""
    before = client.trust()
    with pytest.raises(error, match=match):
        client.fetch_from(script, max_stale=NEVER)
    assert before.seen is not None
    coffer = client.fetch_from(script)
    assert coffer.release.serial == before.seen.serial
    assert coffer.stale
    assert isinstance(coffer.refusal, error)
    assert re.search(match, str(coffer.refusal))
    assert any(str(coffer.refusal) in warning for warning in client.warnings)
    assert client.trust() == before


def test_arbitrary_software_is_arbitrary_secrets(client: Client, whole: Credential) -> None:
    """Secrets that no publisher signed: refused, whoever seems to have signed them."""
    strange = make_body(whole, {"n": 666}, serial=3, by=THIEF)
    coffer = SealedAnswer.decode_untrusted(make_body(whole, {"n": 666}, serial=3))
    forged = replace(coffer, signed=coffer.signed[:-1] + bytes([coffer.signed[-1] ^ 1])).encode()

    def script(peer: Peer) -> None:
        peer.answer_get(strange)
        peer.answer_questions(lambda serial: [strange] if serial == 3 else [])

    refused(client, script, ChainError, "no way from release 2")
    refused(client, giving(forged), BadSignatureError, "not valid")


@pytest.mark.parametrize("kind", [MessageType.PART, MessageType.OK_GET])
def test_endless_data(client: Client, kind: MessageType) -> None:
    """An answer without an end: the session ends at its limit, before more is read."""

    def script(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        if kind is MessageType.OK_GET:
            # One frame that promises more than comes.
            peer.write(peer.session.send(OkGet(coffer=bytes(4 << 10)))[:-1])
            return
        parts = peer.session._transport
        assert parts is not None
        with contextlib.suppress(ConnectionError):
            while True:
                peer.write(frame.encode(Frame(kind, parts.seal(kind, bytes(60_000)))))

    if kind is MessageType.PART:
        refused(client, script, UnopenableError, "longer than 2097152 bytes")
    else:
        # What is cut short is no answer; the cache stands in.
        coffer = client.fetch_from(script)
        assert coffer.stale
        assert coffer.refusal is None


def test_fast_forward(client: Client, whole: Credential, history: History) -> None:
    """A serial so high that no honest release would be accepted any more: refused, and not remembered."""
    refused(client, giving(make_body(whole, {}, serial=2 + SERIAL_JUMP + 1)), SerialJumpError, "release 1048579 .* release 2,")
    following = make_body(whole, {"n": 3}, serial=3, prev=sha256(history.signed[1]))
    assert client.fetch_from(giving(following)).release.serial == 3


def test_indefinite_freeze(client: Client, history: History) -> None:
    """The newest release is kept from the client: it goes on until the one that it has expires, and then says so."""
    frozen = hosting(history, newest=2)
    assert client.fetch_from(frozen).release.serial == 2
    client.now = NOW + 86400
    refused(client, frozen, ExpiredReleaseError, "release 2 .* expired .* clock")
    # The cache stands in for as long as the application allows, and no longer.
    assert client.fetch_from_nobody(max_stale=timedelta(days=30)).stale == timedelta(days=1)
    client.now += 30 * 86400
    with pytest.raises(UnreachableError, match="max-stale is 30d"):
        client.fetch_from_nobody(max_stale=timedelta(days=30))


def test_malicious_mirrors(client: Client, history: History) -> None:
    """One host of several lies: the client says so, and takes nothing of it; another host is asked, as if that one had failed."""
    with FakeServer(hosting(history, newest=1)) as liar, FakeServer(hosting(history)) as honest:
        coffer = client.fetch(address_of(liar.host, honest.host))
        assert (coffer.release.serial, coffer.stale, coffer.refusal) == (3, None, None)
        (warning,) = client.warnings
        assert warning.startswith(f"the answer of {liar.host} was refused, and another host was asked (the server gave release 1 ")
    with FakeServer(hosting(history, newest=1)) as liar, FakeServer(hosting(history, newest=2)) as other:
        with pytest.raises(RollbackError, match="release 1 "):
            client.fetch(address_of(liar.host, other.host), max_stale=NEVER)
        assert (liar.connections, other.connections) == (1, 1)
    with FakeServer(lambda peer: None) as closed, FakeServer(hosting(history)) as honest:
        assert client.fetch(address_of(closed.host, honest.host)).release.serial == 3


@pytest.mark.parametrize(("signed_of", "blob_of"), [(3, 1), (1, 3), (3, 2)])
def test_mix_and_match(client: Client, history: History, signed_of: int, blob_of: int) -> None:
    """The head of one release over the secrets of another: they are not in its tree, and the client's are in no other's."""
    one, other = (SealedAnswer.decode_untrusted(history.bodies[number - 1]) for number in (signed_of, blob_of))
    mixed = replace(other, signed=one.signed).encode()
    refused(client, giving(mixed), ReleaseError, "not this client's part" if signed_of > 1 else "has been seen")


def test_rollback(client: Client, history: History) -> None:
    """An old release: refused, with both serials and what the operator does."""
    refused(client, hosting(history, newest=1), RollbackError, "release 1 .* release 2 has been seen")


def test_rollback_is_noticed_without_a_state_by_what_the_address_says(tmp_path: Path, whole: Credential, history: History) -> None:
    """A client that keeps no state has the lowest serial in its address."""
    client = Client(tmp_path / "new", whole)
    with pytest.raises(RollbackError, match=r"release 1 .* release 2 "):
        client.fetch_from(hosting(history, newest=1), serial=2)


def test_a_fork_is_a_rollback_too(client: Client, whole: Credential) -> None:
    """Another release under a serial that was seen: refused, though its publisher signed it."""
    refused(client, giving(make_body(whole, {"n": 22}, serial=2)), ForkError, "release 2 .* different readers")


def test_slow_retrieval(client: Client) -> None:
    """A byte now and then does not keep the client: there is one deadline for everything, and then the cache."""
    with pytest.raises(UnreachableError, match="no answer within"), FakeServer(dripping) as server:
        client.fetch(server.address(), timeout_s=0.3, max_stale=NEVER)
    with FakeServer(dripping) as server:
        assert client.fetch(server.address(), timeout_s=0.3).stale


def dripping(peer: Peer) -> None:
    peer.link()
    peer.expect(Get)
    peer.write(peer.session.send(OkGet(coffer=bytes(60_000)))[:1])
    peer.wait_for_close()


def test_vulnerability_to_key_compromise_of_the_server(client: Client, whole: Credential, history: History) -> None:
    """Whoever has the server's key can hide and delay; every test here is about what that one cannot."""
    assert client.fetch_from(hosting(history)).release.serial == 3
    assert whole.identity.seed not in b"".join(history.bodies)


def test_vulnerability_to_key_compromise_of_a_publisher(client: Client, history: History) -> None:
    """A publisher's key that was stolen and retired is good for nothing, at clients that have heard of it."""
    history.bodies[2:] = []
    history.add({"n": 3}, publishers=(PUBLISHER, THIEF)).add({"n": 4}, publishers=(PUBLISHER,))
    client.fetch_from(hosting(history))
    stolen = History(history.credential)
    stolen.bodies = list(history.bodies)
    refused(client, hosting(stolen.add({"n": 666}, by=THIEF)), UntrustedPublisherError, "not trusted")


def test_wrong_software_installation_is_another_clients_shard(client: Client, whole: Credential, history: History) -> None:
    """Another client's secrets, out of the same signed release: they are not at this client's leaf, and cannot be opened."""
    body, other = two_clients(sha256(history.signed[1]), whole, Credential(identity=identity("worker")))
    refused(client, giving(other), InclusionError, "not this client's part of release 3")
    # Neither with a proof that is this client's own.
    mine, theirs = SealedAnswer.decode_untrusted(body), SealedAnswer.decode_untrusted(other)
    refused(client, giving(replace(mine, blob=theirs.blob).encode()), InclusionError, "not this client's part")
    assert client.fetch_from(giving(body)).release.serial == 3


def two_clients(prev: bytes, *credentials: Credential) -> list[bytes]:
    """What each of two clients gets of one release."""
    keys = [credential.identity.public() for credential in credentials]
    sealed = {key.id: blobs.seal(key, coffer="shop", since=3, shard=b"\x80") for key in keys}
    order = sorted(sealed)
    leaves = [tree.Leaf(coffer="shop", client_id=id_, alg=2, since=3, blob_sha256=sha256(sealed[id_])).hash() for id_ in order]
    whole_tree = Tree(leaves)
    signed = heads.sign(replace(make_head(root=whole_tree.root, serial=3, prev=prev), count=2), PUBLISHER)
    return [
        SealedAnswer(
            signed=signed,
            index=order.index(key.id),
            path=tuple(whole_tree.path(order.index(key.id))),
            alg=2,
            since=3,
            blob=sealed[key.id],
        ).encode()
        for key in keys
    ]


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_what_is_truncated_is_refused(client: Client, history: History, cut: int) -> None:
    """A part of an answer, sent as if it were whole."""
    refused(client, giving(history.bodies[2][:cut]), ReleaseError)


def test_what_is_replayed_from_another_session_opens_nothing(client: Client, history: History) -> None:
    """A recording of an honest answer, played back in another session: its keys are gone."""
    recorded: list[bytes] = []

    def record(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        recorded.append(peer.session.send(OkGet(coffer=history.bodies[2])))
        peer.write(recorded[0])
        peer.wait_for_close()

    def replay(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        peer.write(recorded[0])
        peer.wait_for_close()

    with FakeServer(giving_in_turn(record, replay)) as server:
        client.fetch(server.address())
        with pytest.raises(UnopenableError):
            client.fetch(server.address(), max_stale=NEVER)

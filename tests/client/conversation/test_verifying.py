"""A release is verified under what is known of its coffer, and the heads of the releases that were missed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coffer_client.config.credential import Credential
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import (
    ChainError,
    RollbackError,
    UnreachableError,
    UntrustedPublisherError,
)
from coffer_protocol.identity import Identity
from coffer_protocol.message import Ask, Error
from coffer_protocol.release.evidence import BROKEN_CHAIN, Evidence
from tests.support import identity

from ..fake_server import (
    SERVER,
    FakeServer,
    Peer,
    address_of,
    hosting,
    unused_host,
)
from ..releases import PUBLISHER, History, make_body
from ..sources import NEVER, Client

SECOND = identity("publisher2")
NEXT_SERVER = identity("worker")


def test_a_client_that_was_away_follows_two_changes_of_publisher(client: Client, history: History) -> None:
    third = Identity(seed=bytes(range(32)))
    client.fetch_from(hosting(history.add({"n": 1})))
    history.add({"n": 2}, publishers=(PUBLISHER, SECOND)).add({"n": 3}, by=SECOND, publishers=(SECOND,))
    for number in range(4, 8):
        history.add({"n": number}, by=SECOND)
    history.add({"n": 8}, by=SECOND, publishers=(third,)).add({"n": 9}, by=third).add({"n": 10}, by=third)
    assert dict(client.fetch_from(hosting(history))) == {"n": 10}
    trust = client.trust()
    assert trust.publishers == (third.publisher_key(),)
    assert trust.seen is not None
    assert trust.seen.serial == 10
    # And from the cache, by what the state says now.
    assert dict(client.fetch_from_nobody()) == {"n": 10}


@pytest.mark.parametrize("serial", [0, 2])
def test_a_new_client_with_an_old_address_follows_them_too(client: Client, history: History, serial: int) -> None:
    history.add({"n": 1}).add({"n": 2}, publishers=(SECOND,)).add({"n": 3}, by=SECOND)
    asked: list[int] = []

    def heads(start: int) -> list[bytes]:
        asked.append(start)
        return history.heads_from(start)

    assert dict(client.fetch_from(hosting(history, heads=heads), serial=serial)) == {"n": 3}
    assert asked == [serial or 1]


def test_heads_are_asked_on_for(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1}, publishers=(SECOND,))))
    for number in range(2, 7):
        history.add({"n": number}, by=SECOND if number < 6 else PUBLISHER, publishers=(PUBLISHER,) if number == 5 else None)
    asked: list[int] = []

    def two_at_a_time(start: int) -> list[bytes]:
        asked.append(start)
        return history.heads_from(start)[:2]

    assert dict(client.fetch_from(hosting(history, heads=two_at_a_time))) == {"n": 6}
    assert asked == [1, 3, 5]


def test_the_same_release_again_is_good_also_where_it_retires_its_own_publisher(client: Client, history: History) -> None:
    script = hosting(history.add({"n": 1}, publishers=(SECOND,)))
    for _ in range(2):
        assert dict(client.fetch_from(script)) == {"n": 1}
    assert client.trust().publishers == (SECOND.publisher_key(),)


def test_a_retirement_that_was_missed_is_learnt(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1}, publishers=(PUBLISHER, SECOND))))
    history.add({"n": 2}, publishers=(PUBLISHER,)).add({"n": 3})
    client.fetch_from(hosting(history))
    assert client.trust().publishers == (PUBLISHER.publisher_key(),)
    # The retired key is not good any more, though it was when this client last looked.
    with pytest.raises(UntrustedPublisherError):
        client.fetch_from(hosting(history.add({"n": 4}, by=SECOND)), max_stale=NEVER)


def test_a_retired_publisher_is_refused_where_the_history_tells(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1}, publishers=(PUBLISHER, SECOND))))
    history.add({"n": 2}, publishers=(PUBLISHER,)).add({"n": 3}, by=SECOND)
    with pytest.raises(UntrustedPublisherError):
        client.fetch_from(hosting(history), max_stale=NEVER)
    assert client.trust().seen is not None


def test_a_server_that_hides_a_release_is_refused_though_nobody_has_changed(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    history.add({"n": 2}).add({"n": 3})
    with pytest.raises(ChainError) as caught:
        client.fetch_from(hosting(history, heads=lambda serial: history.signed[2:]), max_stale=NEVER)
    assert caught.value.evidence == Evidence(kind=BROKEN_CHAIN, known=history.signed[0], shown=history.signed[2])


def test_a_head_that_nobody_trusted_has_signed_is_refused_and_no_evidence(client: Client, history: History) -> None:
    """Anybody can make such heads. If they were kept, a server could displace by them what proves something."""
    client.fetch_from(hosting(history.add({"n": 1})))
    forged = make_body(client.credential, {"n": 2}, serial=2, by=SECOND, prev=sha256(history.signed[0]))

    def script(peer: Peer) -> None:
        peer.answer_get(forged)
        peer.answer_questions(lambda serial: history.signed if serial == 1 else [])

    with pytest.raises(ChainError) as caught:
        client.fetch_from(script, max_stale=NEVER)
    assert caught.value.evidence is None
    assert list(client.folder.glob("*.evidence")) == []


def test_heads_that_cannot_be_had_because_the_server_fails_are_no_answer(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    body = history.add({"n": 2}).add({"n": 3}).bodies[2]

    def script(peer: Peer) -> None:
        peer.answer_get(body)
        peer.expect(Ask)
        peer.send(Error(code="internal", sentence="out of order"))
        peer.wait_for_close()

    for failing in (script, lambda peer: peer.answer_get(body)):
        coffer = client.fetch_from(failing)
        assert (dict(coffer), coffer.refusal) == ({"n": 1}, None)
        assert coffer.stale


@pytest.mark.parametrize("shown", [slice(0, 0), slice(1, 3), slice(0, 2)], ids=["nothing", "not its own", "not the newest"])
def test_a_server_that_withholds_heads_is_refused_where_the_publisher_has_changed(client: Client, history: History, shown: slice) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    history.add({"n": 2}, publishers=(SECOND,)).add({"n": 3}, by=SECOND)
    with pytest.raises(ChainError, match="release 1"):
        client.fetch_from(hosting(history, heads=lambda serial: history.signed[shown] if serial == 1 else []), max_stale=NEVER)


def test_a_bare_client_is_told_to_ask_for_a_new_address(tmp_path: Path) -> None:
    bare = Credential(identity=identity("web"), bare=True)
    client, history = Client(tmp_path, bare), History(bare)
    client.fetch_from(hosting(history.add({"n": 1})))
    with pytest.raises(UntrustedPublisherError, match="coffer-companion address"):
        client.fetch_from(hosting(history.add({"n": 2}, by=SECOND)), max_stale=NEVER)
    # The change itself, seen when it is the newest, is as good as for any client.
    changed = History(bare).add({"n": 1}).add({"n": 2}, publishers=(SECOND,))
    other = Client(tmp_path / "other", bare)
    other.fetch_from(hosting(changed))
    assert dict(other.fetch_from(hosting(changed.add({"n": 3}, by=SECOND)))) == {"n": 3}


def test_a_new_address_mends_what_a_chain_cannot(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    history.add({"n": 2}, by=SECOND)
    with FakeServer(hosting(history)) as server:
        with pytest.raises(UntrustedPublisherError):
            client.fetch(server.address(), max_stale=NEVER)
        assert dict(client.fetch(replace(server.address(), publishers=(SECOND.publisher_key(),)))) == {"n": 2}
    # And it still does not go back.
    back = History(history.credential).add({"n": 1}, by=SECOND)
    with FakeServer(hosting(back)) as server, pytest.raises(RollbackError):
        client.fetch(replace(server.address(), publishers=(SECOND.publisher_key(),)), max_stale=NEVER)


def test_an_address_as_of_a_later_release_needs_none_of_those_before_it(client: Client, history: History) -> None:
    """They are signed by publishers that it does not name."""
    client.fetch_from(hosting(history.add({"n": 1})))
    history.add({"n": 2}).add({"n": 3}, publishers=(SECOND,)).add({"n": 4}, by=SECOND).add({"n": 5}, by=SECOND)
    with FakeServer(hosting(history)) as server:
        address = replace(server.address(serial=4), publishers=(SECOND.publisher_key(),))
        assert dict(client.fetch(address)) == {"n": 5}
        assert client.memory(address).recall().publishers == (SECOND.publisher_key(),)


def test_a_raised_serial_is_a_new_beginning(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1}, publishers=(PUBLISHER, SECOND))))
    history.add({"n": 2}, publishers=(PUBLISHER,), servers=(SERVER, NEXT_SERVER)).add({"n": 3}).add({"n": 4})
    asked: list[int] = []

    def heads(start: int) -> list[bytes]:
        asked.append(start)
        return history.heads_from(start)

    assert dict(client.fetch_from(hosting(history, heads=heads), serial=3)) == {"n": 4}
    # What heads have said is forgotten with the address that they grew from.
    assert asked == []
    assert client.trust().publishers == (PUBLISHER.publisher_key(),)
    assert client.trust().servers is None


def test_the_first_heads_behind_a_raised_serial_are_those_of_the_history_that_was_seen(client: Client, history: History) -> None:
    """A retired publisher cannot begin one of its own there."""
    client.fetch_from(hosting(history.add({"n": 1}, publishers=(PUBLISHER, SECOND))))
    third = Identity(seed=bytes(range(32)))
    forged = History(history.credential).add({"n": -1}, by=SECOND).add({"n": -2}, by=SECOND)
    forged.add({"n": -3}, by=SECOND, publishers=(third,)).add({"n": -4}, by=third)
    with pytest.raises(UntrustedPublisherError):
        client.fetch_from(hosting(forged), serial=3, max_stale=NEVER)


@pytest.mark.parametrize("by", [PUBLISHER, SECOND], ids=["a publisher that is known", "a publisher that is learnt"])
def test_nothing_below_a_raised_serial_is_taken(client: Client, history: History, by: Identity) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    before = client.trust()
    history.add({"n": 2}, publishers=(PUBLISHER, SECOND)).add({"n": 3}, by=by)
    with pytest.raises(RollbackError if by is PUBLISHER else ChainError):
        client.fetch_from(hosting(history), serial=4, max_stale=NEVER)
    with pytest.raises(UnreachableError, match="does not verify: the server gave release 1 "):
        client.fetch(address_of(unused_host(), serial=4))
    assert client.trust() == before

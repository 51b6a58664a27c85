from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

import coffer_client
from coffer_client.config.credential import Credential
from coffer_client.errors import BusyServerError, CofferWarning, RefusedClientError
from coffer_protocol.errors import (
    ChainError,
    CofferError,
    ExpiredReleaseError,
    KeyNotFoundError,
    UnreachableError,
    UntrustedPublisherError,
)
from coffer_protocol.message import Ask, Error, Get, KeyNotFound, OkGet
from coffer_protocol.question import tell_heads
from tests.support import identity

from ..fake_server import (
    SERVER,
    FakeServer,
    Peer,
    Script,
    answering,
    giving,
    giving_in_turn,
    hosting,
    refusing_a_stranger,
    serving,
)
from ..releases import NOW, PUBLISHER, SERIAL, History, make_body, signed_of
from ..sources import Client

HOUR_S = 3600
DAY_S = 24 * HOUR_S
SECOND = identity("publisher2")
NEXT_SERVER = identity("worker")


# ------------------------------------------------------------------------------------------------------------------- cache


def test_the_cache_stands_in_where_no_server_answers(tmp_path: Path, credential: Credential) -> None:
    client = Client(tmp_path, credential)
    assert client.fetch_from(serving(credential, {"key": "x"})).stale is None
    client.now += 2 * DAY_S + 3 * HOUR_S
    coffer = client.fetch_from_nobody()
    assert dict(coffer) == {"key": "x"}
    assert coffer.stale == timedelta(days=2, hours=3)
    (warning,) = client.warnings
    assert warning.startswith("no server answered, so release 7 of 'shop' is used, which was fetched 2d 3h ago (127.0.0.1")


@pytest.mark.parametrize("script", [lambda peer: None, answering(lambda _: Error(code="busy", sentence="later"))])
def test_the_cache_stands_in_for_a_server_that_cannot_serve(client: Client, whole: Credential, script: Script) -> None:
    client.fetch_from(serving(whole, {"key": "x"}))
    assert client.fetch_from(script).stale == timedelta()


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (answering(lambda hello: KeyNotFound(client=hello.client)), KeyNotFoundError),
        (answering(lambda _: Error(code="denied", sentence="dropped")), RefusedClientError),
        (giving(b"\x80"), CofferError),
    ],
)
def test_a_refusal_is_never_overruled_by_the_cache(client: Client, whole: Credential, script: Script, error: type[CofferError]) -> None:
    client.fetch_from(serving(whole, {"key": "x"}))
    with pytest.raises(error):
        client.fetch_from(script)


@pytest.mark.parametrize(("age_s", "max_stale"), [(7 * DAY_S, timedelta(days=7)), (HOUR_S, timedelta(hours=1))])
def test_the_cache_is_good_for_as_long_as_it_may_be(client: Client, whole: Credential, age_s: int, max_stale: timedelta) -> None:
    client.fetch_from(serving(whole, {"key": "x"}))
    client.now += age_s
    assert client.fetch_from_nobody(max_stale=max_stale).stale == max_stale
    client.now += 1
    with pytest.raises(UnreachableError, match=r"refused.*the cache cannot be used: it was fetched .* ago, and max-stale is "):
        client.fetch_from_nobody(max_stale=max_stale)


def test_where_it_is_switched_off_nothing_is_said_of_it(client: Client, whole: Credential) -> None:
    client.fetch_from(serving(whole, {"key": "x"}))
    client.cache = False
    with pytest.raises(UnreachableError) as caught:
        client.fetch_from_nobody()
    assert "cache" not in str(caught.value)


def test_with_no_time_at_all_it_is_never_used(client: Client, whole: Credential) -> None:
    client.fetch_from(serving(whole, {"key": "x"}))
    with pytest.raises(UnreachableError) as caught:
        client.fetch_from_nobody(max_stale=timedelta())
    assert "cache" not in str(caught.value)


def test_without_a_cache_the_servers_failure_is_the_error(client: Client) -> None:
    with pytest.raises(UnreachableError, match="it is empty"):
        client.fetch_from_nobody()


def test_a_clock_that_was_set_back_tells_no_age(client: Client, whole: Credential) -> None:
    client.fetch_from(serving(whole, {"key": "x"}))
    client.now -= 300
    assert client.fetch_from_nobody().stale == timedelta()
    client.now -= 1
    with pytest.raises(UnreachableError, match="clock was set back"):
        client.fetch_from_nobody()


def test_a_cache_whose_release_has_expired_stands_in_for_as_long_as_it_may_be(client: Client, whole: Credential) -> None:
    client.fetch_from(serving(whole, {"key": "x"}, expires=NOW + HOUR_S))
    client.now += 2 * HOUR_S
    assert client.fetch_from_nobody().stale == timedelta(hours=2)
    with pytest.raises(UnreachableError, match="max-stale is 1h") as caught:
        client.fetch_from_nobody(max_stale=timedelta(hours=1))
    assert isinstance(caught.value.__cause__, BusyServerError | UnreachableError)


def test_a_cache_that_was_changed_is_not_used(client: Client, whole: Credential) -> None:
    client.fetch_from(serving(whole, {"key": "x"}))
    (path,) = client.folder.glob("*.cache")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UnreachableError, match="cannot be used"):
        client.fetch_from_nobody()


def test_no_plaintext_is_on_the_disk(client: Client, whole: Credential) -> None:
    client.fetch_from(serving(whole, {"key": "canary-4711"}))
    assert sorted(path.suffix for path in client.folder.iterdir()) == [".cache", ".lock", ".trust"]
    assert all(b"canary" not in path.read_bytes() for path in client.folder.iterdir())


def test_the_public_function_warns_and_tells(home: Path, whole: Credential, configured: Callable[..., None]) -> None:
    with FakeServer(serving(whole, {"key": "x"})) as server:
        configured(server, whole)
        assert coffer_client.fetch().stale is None
    with pytest.warns(CofferWarning, match="no server answered"):
        coffer = coffer_client.fetch()
    assert coffer.stale is not None
    assert coffer["key"] == "x"
    with pytest.raises(UnreachableError):
        coffer_client.fetch(max_stale=timedelta())
    with pytest.raises(UnreachableError):
        coffer_client.fetch(cache=False)
    with pytest.raises(UnreachableError):
        coffer_client.fetch(state=home / "elsewhere")


# ----------------------------------------------------------------------------------------------------- two fetches at once


def asked_in_the_middle(body: bytes, meanwhile: Callable[[], object], heads: Callable[[int], list[bytes]]) -> Script:
    """Gives `body`; what is done `meanwhile` is done when the client, which has verified it, asks for the heads that it missed."""

    def script(peer: Peer) -> None:
        peer.answer_get(body)
        peer.expect(Ask)
        meanwhile()
        peer.send(tell_heads(heads(1)))
        peer.answer_questions(heads)

    return script


@pytest.fixture
def retiring(client: Client, history: History) -> History:
    """A client has seen the first of these releases; the second retires one of two publishers."""
    client.fetch_from(hosting(history.add({"n": 1}, publishers=(PUBLISHER, SECOND))))
    return history.add({"n": 2}, publishers=(PUBLISHER,)).add({"n": 3})


def test_a_retirement_that_another_process_has_learnt_meanwhile_counts(client: Client, retiring: History) -> None:
    forged = make_body(client.credential, {"n": 4}, serial=4, by=SECOND)
    learnt = []

    def meanwhile() -> None:
        client.fetch_from(hosting(retiring))
        learnt.append(client.trust())

    # The server hides from one process what it has shown to another.
    with pytest.raises(ChainError):
        client.fetch_from(asked_in_the_middle(forged, meanwhile, lambda serial: []))
    assert [client.trust()] == learnt
    assert learnt[0].publishers == (PUBLISHER.publisher_key(),)
    assert dict(client.fetch_from_nobody()) == {"n": 3}


def test_a_release_that_does_not_follow_is_refused_though_another_process_was_shown_more(client: Client, retiring: History) -> None:
    script = asked_in_the_middle(retiring.bodies[2], lambda: client.fetch_from(hosting(retiring)), lambda serial: [])
    with pytest.raises(ChainError):
        client.fetch_from(script)
    assert client.trust().publishers == (PUBLISHER.publisher_key(),)


def test_a_newer_release_goes_on_from_what_another_process_has_learnt(client: Client, retiring: History) -> None:
    asked: list[int] = []

    def heads(serial: int) -> list[bytes]:
        asked.append(serial)
        return retiring.heads_from(serial)

    retiring.add({"n": 4}).add({"n": 5})
    script = asked_in_the_middle(retiring.bodies[4], lambda: client.fetch_from(hosting(retiring, newest=3)), heads)
    assert dict(client.fetch_from(script)) == {"n": 5}
    assert asked == [1, 3]
    seen = client.trust().seen
    assert seen is not None
    assert seen.serial == 5


def test_a_fetch_that_is_overtaken_by_another_is_good_and_not_remembered(client: Client, retiring: History) -> None:
    script = asked_in_the_middle(
        retiring.bodies[2], lambda: client.fetch_from(hosting(retiring.add({"n": 4}))), lambda serial: retiring.signed[:3]
    )
    assert dict(client.fetch_from(script)) == {"n": 3}
    assert dict(client.fetch_from_nobody()) == {"n": 4}


def test_what_another_process_has_learnt_since_the_connection_counts(client: Client, retiring: History) -> None:
    forged = make_body(client.credential, {"n": 4}, serial=4, by=SECOND)

    def script(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        client.fetch_from(hosting(retiring))
        peer.send(OkGet(coffer=forged))
        peer.answer_questions(lambda serial: [*retiring.signed, signed_of(forged)][serial - 1 :])

    with pytest.raises(UntrustedPublisherError):
        client.fetch_from(script)
    assert client.trust().publishers == (PUBLISHER.publisher_key(),)
    assert dict(client.fetch_from_nobody()) == {"n": 3}


# ------------------------------------------------------------------------------------------------------- changes of server


def test_a_server_goes_by_the_id_that_a_release_has_named(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1}, servers=(SERVER, NEXT_SERVER))))
    # The address is the old one, and nobody answers by its id.
    with FakeServer(giving_in_turn(refusing_a_stranger, hosting(history.add({"n": 2}))), own=NEXT_SERVER) as server:
        assert dict(client.fetch(server.address())) == {"n": 2}
        assert server.connections == 2
    # The address's own id is the first that is tried, for as long as it is good.
    with FakeServer(hosting(history)) as server:
        assert dict(client.fetch(server.address())) == {"n": 2}
        assert server.connections == 1


def test_a_server_that_a_release_has_retired_is_not_asked(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1}, servers=(NEXT_SERVER,))))
    with FakeServer(refusing_a_stranger) as server, pytest.raises(UnreachableError, match="not this server's"):
        client.fetch(server.address(), max_stale=timedelta())


def test_a_change_of_servers_that_was_missed_is_learnt(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    history.add({"n": 2}, servers=(SERVER, NEXT_SERVER)).add({"n": 3})
    client.fetch_from(hosting(history))
    assert client.trust().servers == tuple(sorted((SERVER.id(), NEXT_SERVER.id())))


# ------------------------------------------------------------------------------------------------------------------- state


def test_an_expired_release_names_the_way_out(client: Client, whole: Credential) -> None:
    with pytest.raises(ExpiredReleaseError, match="coffer-companion upload"):
        client.fetch_from(giving(make_body(whole, {}, expires=NOW - 1)))


def test_what_is_refused_is_not_remembered(client: Client, whole: Credential) -> None:
    client.fetch_from(serving(whole, {"key": "x"}))
    before = client.trust()
    with pytest.raises(CofferError):
        client.fetch_from(giving(make_body(whole, {}, expires=NOW - 1)))
    assert client.trust() == before
    assert before.seen is not None
    assert before.seen.serial == SERIAL


def test_a_release_of_another_coffer_is_called_what_it_is(client: Client) -> None:
    """A client that is known in another coffer of the server gets a release by a stranger; of the coffer demanded it may ask nothing."""

    def script(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        peer.send(OkGet(coffer=make_body(client.credential, {"key": "x"}, by=SECOND)))
        peer.expect(Ask)
        peer.send(Error(code="denied", sentence="this key has no part in that coffer"))

    with pytest.raises(UntrustedPublisherError):
        client.fetch_from(script)

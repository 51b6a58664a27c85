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
    ForkError,
    IssuedAheadError,
    IssuedEarlierError,
    KeyNotFoundError,
    RollbackError,
    UnreachableError,
    UntrustedPublisherError,
)
from coffer_protocol.message import Ask, Error, Get, KeyNotFound, OkGet
from coffer_protocol.question import tell_heads
from coffer_protocol.release.evidence import BROKEN_CHAIN, FORK, RESTART, Evidence
from tests.support import identity

from ..fake_server import (
    SERVER,
    FakeServer,
    Peer,
    Script,
    address_of,
    answering,
    giving,
    giving_in_turn,
    hosting,
    refusing_a_stranger,
    serving,
    unused_host,
)
from ..releases import NOW, PUBLISHER, SERIAL, History, make_body, signed_of
from ..sources import NEVER, Client

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
    coffer = client.fetch_from(script)
    assert coffer.stale
    assert coffer.refusal is None


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (answering(lambda hello: KeyNotFound(client=hello.client)), KeyNotFoundError),
        (answering(lambda _: Error(code="denied", sentence="dropped")), RefusedClientError),
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


def test_a_clock_that_was_set_back_tells_no_age_and_the_cache_is_used(client: Client, whole: Credential) -> None:
    client.fetch_from(serving(whole, {"key": "x"}))
    client.now -= 300
    assert client.fetch_from_nobody().stale
    assert [warning for warning in client.warnings if "set the clock" in warning] == []
    client.now = 0
    assert client.fetch_from_nobody(max_stale=timedelta(seconds=1)).stale
    assert (
        "this machine's clock says 1970-01-01T00:00:00Z, and when the cache was fetched it said 2023-11-14T22:13:20Z: it is behind now, or "
        "was ahead then, so nobody knows how old the cache is: set the clock"
    ) in client.warnings


# ------------------------------------------------------------------------------------------------------------------ clocks


def test_a_clock_that_is_ahead_makes_a_release_look_expired_and_the_cache_is_used(client: Client, whole: Credential) -> None:
    body = make_body(whole, {"key": "x"}, expires=NOW + DAY_S)
    client.fetch_from(giving(body))
    client.now += 2 * DAY_S
    coffer = client.fetch_from(giving(body))
    assert isinstance(coffer.refusal, ExpiredReleaseError)
    assert coffer.stale == timedelta(days=2)
    assert "it is 2023-11-16 22:13 UTC by this machine's clock" in str(coffer.refusal)
    assert "or this clock is ahead" in str(coffer.refusal)
    assert "look at this machine's clock (date)" in str(coffer.refusal.hint)
    # When it is set, all is as before.
    client.now = NOW
    assert client.fetch_from(giving(body)).stale is None


def test_a_clock_that_is_behind_a_release_is_told_of_and_the_cache_is_used(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    # A year later the publisher goes on, and this machine has lost its time.
    history.add({"n": 2}, issued=NOW + 365 * DAY_S)
    client.now = 0
    coffer = client.fetch_from(hosting(history))
    assert (dict(coffer), type(coffer.refusal)) == ({"n": 1}, IssuedAheadError)
    assert "it is 2023-11-14 22:13 UTC by a release that was seen before (this machine's clock says 1970-01-01 00:00 UTC)" in str(
        coffer.refusal
    )
    assert "this clock is behind, or the publisher's was ahead" in str(coffer.refusal)
    assert any("nobody knows how old the cache is" in warning for warning in client.warnings)
    client.now = NOW + 365 * DAY_S
    assert dict(client.fetch_from(hosting(history))) == {"n": 2}


@pytest.mark.parametrize(("ahead_s", "is_good"), [(DAY_S, True), (DAY_S + 1, False)])
def test_a_release_from_the_future_is_refused_and_the_cache_is_used(client: Client, history: History, ahead_s: int, is_good: bool) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    coffer = client.fetch_from(hosting(history.add({"n": 2}, issued=NOW + ahead_s)))
    assert dict(coffer) == {"n": 2 if is_good else 1}
    assert type(coffer.refusal) is (type(None) if is_good else IssuedAheadError)


def test_a_release_from_before_the_one_that_was_seen_is_refused_and_the_cache_is_used(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    coffer = client.fetch_from(hosting(history.add({"n": 2}, issued=NOW - 1)))
    assert (dict(coffer), type(coffer.refusal)) == ({"n": 1}, IssuedEarlierError)
    assert "its publisher's clock was behind, or that of the release before was ahead" in str(coffer.refusal)
    # The publisher goes on with a clock that is right.
    assert dict(client.fetch_from(hosting(history.add({"n": 3})))) == {"n": 3}


def test_a_clock_from_before_2025_is_no_ground_to_refuse_where_a_release_was_seen(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    client.now = 0
    coffer = client.fetch_from(hosting(history.add({"n": 2}, issued=NOW + DAY_S)))
    assert (dict(coffer), coffer.stale) == ({"n": 2}, None)


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
        client.fetch_from(asked_in_the_middle(forged, meanwhile, lambda serial: []), max_stale=NEVER)
    assert [client.trust()] == learnt
    assert learnt[0].publishers == (PUBLISHER.publisher_key(),)
    assert dict(client.fetch_from_nobody()) == {"n": 3}


def test_a_release_that_does_not_follow_is_refused_though_another_process_was_shown_more(client: Client, retiring: History) -> None:
    script = asked_in_the_middle(retiring.bodies[2], lambda: client.fetch_from(hosting(retiring)), lambda serial: [])
    with pytest.raises(ChainError):
        client.fetch_from(script, max_stale=NEVER)
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
        client.fetch_from(script, max_stale=NEVER)
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
        client.fetch_from(giving(make_body(whole, {}, expires=NOW - 1)), max_stale=NEVER)
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
        client.fetch_from(script, max_stale=NEVER)


# ---------------------------------------------------------------------------------------------------------------- evidence


def kept(client: Client) -> list[Evidence]:
    return [each.evidence for each in client.memory(address_of(unused_host())).evidence()]


def told_of_evidence(client: Client) -> list[str]:
    told = [warning for warning in client.warnings if "coffer-client trust clear" in warning]
    client.warnings.clear()
    return told


def test_a_fork_is_kept_as_evidence_and_told_of_until_somebody_has_looked(client: Client, history: History, whole: Credential) -> None:
    client.fetch_from(hosting(history.add({"n": 1}).add({"n": 2})))
    fork = History(whole).add({"n": 1}).add({"n": -2})
    before = client.trust()
    for _ in range(2):
        coffer = client.fetch_from(hosting(fork))
        assert (dict(coffer), type(coffer.refusal)) == ({"n": 2}, ForkError)
        (told,) = told_of_evidence(client)
        assert told.startswith("release 2 of 'shop', as it was shown at 2023-11-14T22:13:20Z by 127.0.0.1")
    assert client.trust() == before
    evidence = [Evidence(kind=FORK, known=history.signed[1], shown=fork.signed[1])]
    assert kept(client) == evidence
    # A server that shows the other history again, or none, does not end that.
    assert client.fetch_from(hosting(history)).stale is None
    assert len(told_of_evidence(client)) == 1
    client.fetch_from_nobody()
    assert len(told_of_evidence(client)) == 1
    assert kept(client) == evidence
    assert client.memory(address_of(unused_host())).clear_evidence()
    assert not client.memory(address_of(unused_host())).clear_evidence()
    client.fetch_from(hosting(history))
    assert client.warnings == []


def test_a_head_that_does_not_follow_is_kept_as_evidence(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    history.add({"n": 2}).add({"n": 3})
    coffer = client.fetch_from(hosting(history, heads=lambda serial: history.signed[2:]))
    assert (dict(coffer), type(coffer.refusal)) == ({"n": 1}, ChainError)
    assert kept(client) == [Evidence(kind=BROKEN_CHAIN, known=history.signed[0], shown=history.signed[2])]
    (told,) = told_of_evidence(client)
    assert "does not follow release 1, which this client had accepted" in told
    # An answer that follows what was seen is accepted as ever.
    assert dict(client.fetch_from(hosting(history))) == {"n": 3}


def test_a_restart_is_kept_as_evidence_and_told_of_at_each_use(client: Client, history: History, whole: Credential) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    restart = make_body(whole, {"n": 2}, serial=1002, publishers=(PUBLISHER.publisher_key(),), restart=True)
    for _ in range(2):
        assert dict(client.fetch_from(giving(restart))) == {"n": 2}
        (told,) = client.warnings
        assert told.startswith(
            "the history of coffer 'shop' was begun again with release 1002, which was shown at 2023-11-14T22:13:20Z by "
        )
        client.warnings.clear()
    assert kept(client) == [Evidence(kind=RESTART, known=history.signed[0], shown=signed_of(restart))]


def test_a_lower_serial_is_told_and_not_kept(client: Client, history: History) -> None:
    client.fetch_from(hosting(history.add({"n": 1}).add({"n": 2})))
    coffer = client.fetch_from(hosting(history, newest=1))
    assert (dict(coffer), type(coffer.refusal)) == ({"n": 2}, RollbackError)
    assert kept(client) == []
    assert len(client.warnings) == 1


def test_each_host_that_shows_another_history_is_kept(client: Client, history: History, whole: Credential) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    forks = [History(whole).add({"n": number}) for number in (2, 3)]
    with FakeServer(hosting(forks[0])) as one, FakeServer(hosting(forks[1])) as two:
        coffer = client.fetch(address_of(one.host, two.host))
        assert (dict(coffer), type(coffer.refusal)) == ({"n": 1}, ForkError)
        pieces = client.memory(address_of(one.host)).evidence()
        assert [(each.evidence.shown, each.host) for each in pieces] == [(forks[0].signed[0], one.host), (forks[1].signed[0], two.host)]


def test_damaged_evidence_hinders_nothing_and_is_told(client: Client, history: History, whole: Credential) -> None:
    client.fetch_from(hosting(history.add({"n": 1})))
    client.fetch_from(hosting(History(whole).add({"n": 2})))
    (path,) = client.folder.glob("*.evidence")
    path.write_bytes(b"\x80")
    client.warnings.clear()
    assert client.fetch_from(hosting(history)).stale is None
    (told,) = client.warnings
    assert told.startswith(f"{path}: the evidence that this client has kept is damaged\nhint: ")
    # What comes now is refused as before, and nobody overwrites what a person may want to look at.
    assert isinstance(client.fetch_from(hosting(History(whole).add({"n": 3}))).refusal, ForkError)
    assert path.read_bytes() == b"\x80"
    assert client.memory(address_of(unused_host())).clear_evidence()


@pytest.mark.parametrize("function", ["fetch", "watch"])
def test_an_application_is_told_what_the_server_did(
    home: Path, whole: Credential, configured: Callable[..., None], history: History, function: str
) -> None:
    with FakeServer(hosting(history.add({"n": 1}))) as server:
        configured(server, whole)
        coffer_client.fetch()
    with FakeServer(hosting(History(whole).add({"n": 2}))) as server:
        configured(server, whole)
        with pytest.warns(CofferWarning) as warned:
            coffer = coffer_client.fetch() if function == "fetch" else next(coffer_client.watch())
        assert dict(coffer) == {"n": 1}
        assert coffer.stale
        assert isinstance(coffer.refusal, ForkError)
        assert "the answer of the server was refused, so release 1 of 'shop' is used" in str(warned[0].message)
        assert "coffer-client trust clear" in str(warned[1].message)
        with pytest.raises(ForkError):
            coffer_client.fetch(max_stale=timedelta())

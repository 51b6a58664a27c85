from __future__ import annotations

import threading
import time

import pytest

from coffer_client.cli.doctor import FAIL, OK, SKIP, WARN
from coffer_client.config.credential import Credential
from coffer_client.io import happy_eyeballs
from coffer_protocol.address import Host
from coffer_protocol.message import Error, Get, Hello, KeyNotFound, Link
from tests.support import identity

from ...fake_server import (
    FakeServer,
    Peer,
    Script,
    address_of,
    answering,
    expecting_visits,
    giving,
    giving_in_turn,
    hosting,
    serving,
    unused_host,
)
from ...releases import NOW, History, make_body
from .examinations import GUARD_S, HOST, RELEASE, Doctor, examine_as, failure, states, step_of

WHOLE = Credential(identity=identity("web"))


def test_a_name_that_is_none(examined: Doctor) -> None:
    # A label has at most 63 characters, so no server of names is asked for this one.
    found = failure(examined(address_of(Host(name="a" * 64))), "name", 3)
    assert "cannot be resolved" in found["sentence"]
    assert "DNS" in found["mend"]
    assert found["subject"] == "a" * 64


def test_a_host_where_nobody_listens(examined: Doctor) -> None:
    found = failure(examined(address_of(unused_host())), "tcp", 3)
    # The host is the step's subject, and stands before it.
    assert found["sentence"] == "Connection refused"
    assert "coffer-server run" in found["mend"]


def test_one_of_a_hosts_addresses_does_not_listen(examined: Doctor, whole: Credential) -> None:
    with FakeServer(expecting_visits(serving(whole, {}))) as server:
        places = [place for name in (b"127.0.0.2", b"127.0.0.1") for place in happy_eyeballs.resolve(name, server.host.port)]
        steps = examine_as(whole, server.address(), resolve=lambda name, port: places)
    assert steps["name"].sentence == "127.0.0.2, 127.0.0.1"
    assert steps["tcp"].state == WARN
    assert steps["tcp"].sentence.startswith(f"connected to 127.0.0.1; but 127.0.0.2:{server.host.port}: Connection refused")
    assert steps["release"].state == OK


def test_each_host_is_tried(examined: Doctor, whole: Credential) -> None:
    dead = unused_host()
    with FakeServer(expecting_visits(serving(whole, {}))) as server:
        content = examined(address_of(dead, server.host))
    assert content["exit"] == 3
    by_host = {(step["name"], step["subject"]): step["state"] for step in content["steps"] if step["name"] in HOST}
    assert by_host == {
        ("name", str(dead)): OK,
        ("tcp", str(dead)): FAIL,
        ("hello", str(dead)): SKIP,
        ("name", str(server.host)): OK,
        ("tcp", str(server.host)): OK,
        ("hello", str(server.host)): OK,
    }
    assert {states(content)[name] for name in RELEASE} == {OK}


def test_two_hosts_that_answer_give_one_release(examined: Doctor, whole: Credential) -> None:
    def greeting(peer: Peer) -> None:
        peer.link()
        peer.wait_for_close()

    with FakeServer(expecting_visits(serving(whole, {}))) as one, FakeServer(expecting_visits(greeting)) as other:
        assert examined(address_of(one.host, other.host))["ok"]


def test_no_session_is_kept_while_other_hosts_are_tried(examined: Doctor, whole: Credential) -> None:
    """A server would end it, where they take their time."""
    is_over = threading.Event()

    def greeting_first(peer: Peer) -> None:
        peer.link()
        peer.wait_for_close()
        is_over.set()

    def greeting_then(peer: Peer) -> None:
        is_over.wait(GUARD_S)
        peer.link()
        peer.wait_for_close()

    first = expecting_visits(giving_in_turn(greeting_first, serving(whole, {})))
    with FakeServer(first) as one, FakeServer(expecting_visits(greeting_then)) as other:
        assert examined(address_of(one.host, other.host))["ok"]


def hang_up(peer: Peer) -> None:
    peer.expect(Hello)


def fall_silent(peer: Peer) -> None:
    peer.expect(Hello)
    peer.wait_for_close()


def answer_with_noise(peer: Peer) -> None:
    peer.expect(Hello)
    link = bytearray(peer.session.send(Link()))
    link[-1] ^= 1
    peer.write(bytes(link))
    peer.wait_for_close()


@pytest.mark.parametrize(
    ("script", "code", "mend"),
    [
        (hang_up, 3, "the server has another id"),
        (fall_silent, 3, "look at the server's log"),
        (answer_with_noise, 5, "another server answers there"),
        (answering(lambda hello: Error(code="busy", sentence="later")), 3, "try again in a minute"),
    ],
)
def test_a_server_that_does_not_answer(examined: Doctor, script: Script, code: int, mend: str) -> None:
    assert mend in failure(examined(script, "--timeout=2"), "hello", code)["mend"]


def test_a_server_that_does_not_know_this_client(examined: Doctor, whole: Credential) -> None:
    found = failure(examined(answering(lambda hello: KeyNotFound(client=hello.client))), "known", 4)
    assert found["mend"].endswith(f"\n{whole.clients_line()}")


def test_a_server_that_knows_this_client_by_its_other_key(examined: Doctor, whole: Credential) -> None:
    found = failure(examined(answering(lambda hello: Error(code="suite", sentence="no"))), "known", 4)
    assert "64 hex digits" in found["mend"]
    assert whole.clients_line() in found["mend"]


def give_nothing(peer: Peer) -> None:
    peer.link()
    peer.expect(Get)


def give_late(peer: Peer) -> None:
    peer.link()
    peer.wait_for_close()


@pytest.mark.parametrize(
    ("script", "code", "mend"),
    [
        (giving(b"\x80"), 5, "docs/releases-client.md"),
        (giving(make_body(WHOLE, {}, expires=NOW + 1)), 5, "look at this machine's clock (date)"),
        (hosting(History(WHOLE).add({}, by=identity("publisher2"))), 5, "if that publisher is right"),
        (give_nothing, 3, "look at the server's log"),
        (give_late, 3, "look at the server's log"),
    ],
)
def test_a_release_that_is_none(examined: Doctor, script: Script, code: int, mend: str) -> None:
    assert mend in failure(examined(script, "--timeout=3"), "release", code)["mend"]


@pytest.mark.parametrize(("days", "state"), [(29, WARN), (31, OK)])
def test_a_release_that_expires(examined: Doctor, whole: Credential, days: int, state: str) -> None:
    content = examined(serving(whole, {}, expires=int(time.time()) + days * 86_400 + 3_600))
    assert content["ok"]
    assert states(content)["expiry"] == state
    assert f"in {days}d, at" in step_of(content, "expiry")["sentence"]
    assert ("coffer-companion upload" in (step_of(content, "expiry")["mend"] or "")) == (state == WARN)


def test_a_clock_that_is_behind(examined: Doctor, whole: Credential) -> None:
    found = failure(examined(giving(make_body(whole, {}, issued=int(time.time()) + 86_400))), "clock", 1)
    assert "was signed later" in found["sentence"]
    assert "set the clock" in found["mend"]

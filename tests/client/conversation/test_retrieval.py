from __future__ import annotations

import pickle
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coffer_client.cli.exits import exit_code
from coffer_client.coffer import Coffer
from coffer_client.config.credential import Credential
from coffer_client.config.settings import Settings, trust_of
from coffer_client.conversation.network import Network
from coffer_client.conversation.retrieval import retrieve
from coffer_client.conversation.source import Source
from coffer_client.errors import BusyServerError, ConfigurationError, RefusedClientError
from coffer_client.io.blocking import Sockets, finish
from coffer_client.trust_store import Folders, Memory
from coffer_protocol import frame
from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import (
    BadSignatureError,
    BlobError,
    ChainError,
    ClockError,
    CofferError,
    ExpiredReleaseError,
    ForkError,
    InclusionError,
    IssuedAheadError,
    IssuedEarlierError,
    KeyNotFoundError,
    MalformedMessageError,
    NotAReleaseError,
    ReleaseError,
    RollbackError,
    SerialJumpError,
    ServerError,
    TurnError,
    UnopenableError,
    UnreachableError,
    UntrustedPublisherError,
    WrongCofferError,
)
from coffer_protocol.frame import Frame
from coffer_protocol.identity import Identity
from coffer_protocol.message import ERROR_CODES, Ask, Bye, Error, Get, Hello, KeyNotFound, Link, MessageType, OkGet
from coffer_protocol.release import receipt
from coffer_protocol.release.trust import Seen
from coffer_protocol.shard import SecretValue
from tests.support import identity, vectors

from ..fake_server import SERVER, FakeServer, Peer, Script, address_of, answering, giving, giving_in_turn, hosting, serving, unused_host
from ..io.test_happy_eyeballs import black_hole, closed, place
from ..releases import NOW, SERIAL, History, make_body, signed_of
from ..sources import NEVER, Client

PLENTY_S = 30.0
# What a silent server is given: long enough for a handshake on a busy machine.
SHORT_S = 1.0
SECRETS: dict[str, SecretValue] = {"db.url": "postgres://", "port": 5432}


def unexpected(message: str) -> None:
    pytest.fail(message)


def forgetful(
    address: ServerAddress,
    credential: Credential,
    *,
    now: int = NOW,
    seen: Seen | None = None,
    network: Network | None = None,
    timeout_s: float = PLENTY_S,
    warn: Callable[[str], None] = unexpected,
) -> Source:
    """Return a source that knows only its address and, if given, a release that it has seen."""
    wanted = Settings(address=address, trust=trust_of(address), credential=credential, timeout_s=timeout_s, max_stale=timedelta())
    # It has no folder to write to, says so, and remembers in memory.
    memory = Memory(wanted, Folders(state=None, cache=None), warn=lambda _: None)
    if seen is not None:
        memory.record(replace(wanted.trust, seen=seen), b"", under=wanted.trust, host=address.hosts[0], now=now)
    return Source(wanted, memory, network or Sockets(), warn=warn, clock=lambda: now)


def ask(address: ServerAddress, credential: Credential, *, timeout_s: float = PLENTY_S) -> Coffer:
    return finish(retrieve(forgetful(address, credential, timeout_s=timeout_s)))


def ask_one(script: Script, credential: Credential, *, timeout_s: float = PLENTY_S, own: Identity = SERVER) -> Coffer:
    with FakeServer(script, own=own) as server:
        return ask(server.address(bare=credential.bare), credential, timeout_s=timeout_s)


# ------------------------------------------------------------------------------------------------------- as it should be


def test_it_gives_the_secrets_and_their_release(credential: Credential) -> None:
    coffer = ask_one(serving(credential, SECRETS), credential)
    assert dict(coffer) == SECRETS
    assert list(coffer) == list(SECRETS)
    assert coffer.release.serial == SERIAL


def test_a_large_shard_comes_in_parts(whole: Credential) -> None:
    secrets = {f"key{number}": "x" * 50_000 for number in range(20)}
    assert dict(ask_one(serving(whole, secrets), whole)) == secrets


def test_an_answer_may_come_in_any_pieces(whole: Credential) -> None:
    body = make_body(whole, SECRETS)

    def script(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        for byte in peer.session.send(OkGet(coffer=body)):
            peer.write(bytes([byte]))
        peer.expect(Bye)

    assert dict(ask_one(script, whole)) == SECRETS


def test_a_server_that_does_not_wait_for_bye_does_no_harm(whole: Credential) -> None:
    body = make_body(whole, SECRETS)

    def script(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        peer.send(OkGet(coffer=body))

    assert dict(ask_one(script, whole)) == SECRETS


def test_a_secret_that_does_not_exist_is_a_key_error(whole: Credential) -> None:
    coffer = ask_one(serving(whole, SECRETS), whole)
    with pytest.raises(KeyError, match=r"no key 'db\.ulr' .* the keys are 'db\.url', 'port'"):
        coffer["db.ulr"]


# ----------------------------------------------------------------------------------------------- releases that are refused

REFUSALS = {
    "signature": BadSignatureError,
    "publisher not trusted": UntrustedPublisherError,
    "another coffer": WrongCofferError,
    "expired": ExpiredReleaseError,
    "serial goes back": RollbackError,
    "another head at the same serial": ForkError,
    "serial jumps ahead": SerialJumpError,
    "unknown key in the head": NotAReleaseError,
    "blob not the one in the tree": InclusionError,
    "alg not the one in the tree": InclusionError,
    "since not the one in the tree": InclusionError,
    "path too short": InclusionError,
    "path too long": InclusionError,
    "index out of range": InclusionError,
    "another client's shard": InclusionError,
    "not a release": NotAReleaseError,
    "head not deterministic CBOR": NotAReleaseError,
    "trailing bytes": NotAReleaseError,
    "blob sealed for another coffer": BlobError,
    "COSE header changed": NotAReleaseError,
    "another prev at the next serial": ChainError,
    "no prev": ChainError,
    "issued before the one seen": IssuedEarlierError,
    "issued more than a day ahead": IssuedAheadError,
    "a restart by a key that is not trusted": UntrustedPublisherError,
    "restart is 1 or absent": NotAReleaseError,
    "a restart without publishers": NotAReleaseError,
    "publishers not in rising order": NotAReleaseError,
    "expires now": ExpiredReleaseError,
}


def seen_in(entry: dict[str, Any]) -> Seen | None:
    if "seen_serial" not in entry:
        return None
    digest = bytes.fromhex(entry["seen_signed_sha256"])
    return Seen(serial=entry["seen_serial"], signed_sha256=digest, issued=entry.get("seen_issued", 0))


@pytest.mark.parametrize("entry", [*vectors("releases")["refuse"], *vectors("releases")["refuse_after"]], ids=lambda entry: entry["why"])
def test_a_server_that_lies_is_refused(entry: dict[str, Any], whole: Credential) -> None:
    releases = vectors("releases")
    body = bytes.fromhex(entry["body"])

    def script(peer: Peer) -> None:
        peer.answer_get(body)
        # There is no other head to ask for.
        peer.answer_questions(lambda serial: [signed_of(body)])

    with FakeServer(script) as server:
        address = replace(server.address(), coffer=releases["coffer"], publishers=(bytes.fromhex(releases["publisher_key"]),))
        with pytest.raises(ReleaseError) as caught:
            finish(retrieve(forgetful(address, whole, now=releases["now"], seen=seen_in(entry))))
    assert caught.type is REFUSALS[entry["why"]]
    assert exit_code(caught.value) == 5


@pytest.mark.parametrize("entry", vectors("releases")["accept_after"], ids=lambda entry: entry["why"])
def test_the_vectors_that_follow_what_was_seen_are_accepted(entry: dict[str, Any], whole: Credential) -> None:
    releases = vectors("releases")
    with FakeServer(giving(bytes.fromhex(entry["body"]))) as server:
        address = replace(server.address(), coffer=releases["coffer"], publishers=(bytes.fromhex(releases["publisher_key"]),))
        told: list[str] = []
        source = forgetful(address, whole, now=releases["now"], seen=seen_in(entry), warn=told.append)
        assert finish(retrieve(source))
    # A restart is told of whenever it is seen, and nothing else is.
    assert ["was begun again" in message for message in told] == [True] * entry["why"].startswith("a restart")


@pytest.mark.parametrize("use", ["suite 1", "suite 0"])
def test_a_client_signs_for_what_it_has_opened(use: str) -> None:
    credential = Credential(identity=identity("web"), bare=use == "suite 0")
    body, receipts = make_body(credential, SECRETS), []

    def script(peer: Peer) -> None:
        peer.answer_get(body)
        peer.expect(Bye)
        receipts.extend(peer.receipts)

    ask_one(script, credential)
    if credential.bare:
        assert receipts == []
        return
    (held,) = receipts
    assert (held.serial, held.sha256, held.use) == (SERIAL, sha256(signed_of(body)), 0)
    own = credential.identity
    receipt.verify_untrusted(held, coffer="shop", client_id=own.id(), sign_key=own.publisher_key())


def test_a_clock_that_cannot_be_is_no_fault_of_the_release(whole: Credential) -> None:
    with FakeServer(giving(make_body(whole, SECRETS))) as server, pytest.raises(ClockError, match="1970-01-01"):
        finish(retrieve(forgetful(server.address(), whole, now=0)))


@pytest.mark.parametrize("entry", vectors("releases")["accept"], ids=lambda entry: f"plain={entry['plain']}")
def test_the_vectors_that_are_good_are_accepted(entry: dict[str, Any]) -> None:
    releases = vectors("releases")
    credential = Credential(identity=Identity(seed=bytes.fromhex(entry["client_seed"])), bare=entry["plain"])
    with FakeServer(giving(bytes.fromhex(entry["body"]))) as server:
        address = replace(
            server.address(bare=credential.bare), coffer=releases["coffer"], publishers=(bytes.fromhex(releases["publisher_key"]),)
        )
        assert finish(retrieve(forgetful(address, credential, now=releases["now"])))


def test_the_address_names_the_lowest_serial(whole: Credential) -> None:
    with FakeServer(serving(whole, SECRETS)) as server:
        assert ask(server.address(serial=SERIAL), whole)
    with FakeServer(giving(make_body(whole, SECRETS))) as server, pytest.raises(RollbackError):
        ask(server.address(serial=SERIAL + 1), whole)


def test_an_expired_release_speaks_of_the_clock(whole: Credential) -> None:
    with pytest.raises(ExpiredReleaseError, match="clock"):
        ask_one(giving(make_body(whole, SECRETS, issued=NOW - 20, expires=NOW - 10)), whole)


# --------------------------------------------------------------------------------------------------------- what it is told


def test_an_unknown_client_is_told_the_line_for_its_operator(credential: Credential) -> None:
    with pytest.raises(KeyNotFoundError) as caught:
        ask_one(answering(lambda hello: KeyNotFound(client=hello.client)), credential)
    assert exit_code(caught.value) == 4
    assert "does not know this client" in str(caught.value)
    assert caught.value.hint is not None
    assert caught.value.hint.endswith(f' = "{credential.public_text()}"')


@pytest.mark.parametrize("code", sorted(ERROR_CODES | {"newer"}))
@pytest.mark.parametrize("stage", [Hello, Get])
def test_each_error_of_a_server_has_its_exit_code(code: str, stage: type[Hello] | type[Get], whole: Credential) -> None:
    def script(peer: Peer) -> None:
        peer.expect(Hello)
        if stage is Get:
            peer.send(Link())
            peer.expect(Get)
        peer.send(Error(code=code, sentence="because"))
        peer.wait_for_close()

    with pytest.raises(ServerError, match="because") as caught:
        ask_one(script, whole)
    assert caught.value.code == code
    assert exit_code(caught.value) == {"busy": 3, "limit": 3, "internal": 3, "denied": 4, "suite": 4}.get(code, 5)


def test_the_wrong_suite_is_explained_from_both_sides() -> None:
    web = identity("web")
    with pytest.raises(RefusedClientError, match="64 hex digits for this client") as caught:
        ask_one(answering(lambda _: Error(code="suite", sentence="no")), Credential(identity=web))
    assert f'"{web.public_text()}"' in str(caught.value.hint)
    with pytest.raises(RefusedClientError, match="leave out --bare") as caught:
        ask_one(answering(lambda _: Error(code="suite", sentence="no")), Credential(identity=web, bare=True))
    assert f'"{web.plain_id().hex().upper()}"' in str(caught.value.hint)


def test_an_error_is_found_though_the_server_stopped_reading(whole: Credential) -> None:
    def script(peer: Peer) -> None:
        peer.link()
        # Sent and closed without reading Get: what the client writes may fail, and the Error is there nevertheless.
        peer.send(Error(code="busy", sentence="too many"))

    with pytest.raises((BusyServerError, UnreachableError)) as caught:
        ask_one(script, whole)
    assert exit_code(caught.value) == 3


# ------------------------------------------------------------------------------------------------------- what breaks off


def test_a_server_that_closes_without_a_word_may_be_several_things(credential: Credential) -> None:
    with pytest.raises(UnreachableError) as caught:
        ask_one(lambda peer: None, credential)
    text = str(caught.value)
    assert exit_code(caught.value) == 3
    assert 0 < text.index("coffer-server id") < text.index("another service") < text.index("limit")
    assert ("address --bare" in str(caught.value.hint)) == credential.bare


def test_another_server_closes_without_a_word(credential: Credential) -> None:
    def script(peer: Peer) -> None:
        with pytest.raises(UnopenableError):
            peer.expect(Hello)

    with pytest.raises(UnreachableError, match="not this server's"):
        ask_one(script, credential, own=identity("worker"))


def close_after_link(peer: Peer) -> None:
    peer.link()


def close_after_get(peer: Peer) -> None:
    peer.link()
    peer.expect(Get)


def close_in_the_secrets(peer: Peer) -> None:
    peer.link()
    peer.expect(Get)
    peer.write(peer.session.send(OkGet(coffer=bytes(1000)))[:500])


@pytest.mark.parametrize("script", [close_after_link, close_after_get, close_in_the_secrets])
def test_a_server_that_closes_half_way_is_unreachable(script: Script, credential: Credential) -> None:
    with pytest.raises(UnreachableError, match="in the middle of the session") as caught:
        ask_one(script, credential)
    assert exit_code(caught.value) == 3


def silent(peer: Peer) -> None:
    peer.wait_for_close()


def silent_after_link(peer: Peer) -> None:
    peer.link()
    peer.wait_for_close()


def silent_in_a_frame(peer: Peer) -> None:
    peer.expect(Hello)
    peer.write(peer.session.send(Link())[:600])
    peer.wait_for_close()


@pytest.mark.parametrize("script", [silent, silent_after_link, silent_in_a_frame])
def test_a_server_that_falls_silent_meets_the_deadline(script: Script, whole: Credential) -> None:
    with pytest.raises(UnreachableError, match="no answer within 1 s") as caught:
        ask_one(script, whole, timeout_s=SHORT_S)
    assert exit_code(caught.value) == 3


def test_a_server_that_never_accepts_meets_the_deadline(whole: Credential) -> None:
    # The kernel completes connections up to the backlog, and nobody answers on them.
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(UnreachableError, match="no answer within"):
        ask(address_of(Host(name="127.0.0.1", port=listener.getsockname()[1])), whole, timeout_s=0.2)


# ------------------------------------------------------------------------------------------------------ what is not Coffer


@pytest.mark.parametrize(
    "greeting",
    [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(2000), b"\xff" * 70000],
    ids=["ssh", "http", "zeros", "ones"],
)
def test_another_service_is_told_apart_where_it_speaks(greeting: bytes, credential: Credential) -> None:
    def script(peer: Peer) -> None:
        peer.write(greeting)
        peer.wait_for_close()

    with pytest.raises(UnopenableError, match=r"127\.0\.0\.1") as caught:
        ask_one(script, credential)
    assert exit_code(caught.value) == 5


def test_an_answer_by_another_key_is_refused(credential: Credential) -> None:
    def script(peer: Peer) -> None:
        peer.expect(Hello)
        data = bytearray(peer.session.send(Link()))
        data[-1] ^= 1
        peer.write(bytes(data))
        peer.wait_for_close()

    with pytest.raises(UnopenableError) as caught:
        ask_one(script, credential)
    assert exit_code(caught.value) == 5


def tampered(peer: Peer) -> None:
    peer.link()
    peer.expect(Get)
    data = bytearray(peer.session.send(OkGet(coffer=bytes(1000))))
    data[500] ^= 1
    peer.write(bytes(data))
    peer.wait_for_close()


def out_of_turn(peer: Peer) -> None:
    peer.link()
    peer.expect(Get)
    transport = peer.session._transport
    assert transport is not None
    peer.write(frame.encode(Frame(MessageType.LINK, transport.seal(MessageType.LINK, b""))))
    peer.wait_for_close()


def another_clients_answer(peer: Peer) -> None:
    peer.expect(Hello)
    peer.send(KeyNotFound(client=identity("worker").id()))
    peer.wait_for_close()


@pytest.mark.parametrize(
    ("script", "error"), [(tampered, UnopenableError), (out_of_turn, TurnError), (another_clients_answer, MalformedMessageError)]
)
def test_a_broken_session_is_refused(script: Script, error: type[CofferError], credential: Credential) -> None:
    with pytest.raises(error) as caught:
        ask_one(script, credential)
    assert exit_code(caught.value) == 5


# ------------------------------------------------------------------------------------------------------------------ hosts


def test_a_host_where_nobody_listens_is_named(whole: Credential) -> None:
    host = unused_host()
    with pytest.raises(UnreachableError, match="refused") as caught:
        ask(address_of(host), whole)
    assert str(host) in str(caught.value)


def test_a_name_that_does_not_exist_is_named(whole: Credential) -> None:
    with pytest.raises(UnreachableError, match=r"nobody\.invalid: the name cannot be resolved"):
        ask(address_of(Host(name="nobody.invalid")), whole)


def busy(peer: Peer) -> None:
    peer.expect(Hello)
    peer.send(Error(code="busy", sentence="later"))
    peer.wait_for_close()


@pytest.mark.parametrize("first", [busy, lambda peer: None, close_after_get])
def test_the_next_host_is_asked_where_one_cannot_serve(first: Script, whole: Credential) -> None:
    with FakeServer(first) as one, FakeServer(serving(whole, SECRETS)) as two:
        coffer = ask(address_of(unused_host(), one.host, two.host), whole)
        assert (one.connections, two.connections) == (1, 1)
    assert dict(coffer) == SECRETS


def test_a_silent_host_leaves_time_for_the_next(whole: Credential) -> None:
    with FakeServer(silent) as one, FakeServer(serving(whole, SECRETS)) as two:
        assert dict(ask(address_of(one.host, two.host), whole, timeout_s=4 * SHORT_S)) == SECRETS


@pytest.mark.parametrize(
    "first",
    [answering(lambda hello: KeyNotFound(client=hello.client)), answering(lambda _: Error(code="suite", sentence=""))],
)
def test_the_next_host_is_not_asked_where_one_does_not_serve_this_client(first: Script, whole: Credential) -> None:
    with FakeServer(first) as one, FakeServer(serving(whole, SECRETS)) as two:
        with pytest.raises(CofferError):
            ask(address_of(one.host, two.host), whole)
        assert (one.connections, two.connections) == (1, 0)


BAD_ANSWERS = [giving(b"\x80"), tampered, out_of_turn, answering(lambda _: Error(code="unsupported", sentence="what is that"))]


@pytest.mark.parametrize("bad", BAD_ANSWERS)
def test_the_next_host_is_asked_after_a_bad_answer_and_that_is_told(bad: Script, whole: Credential) -> None:
    told: list[str] = []
    with FakeServer(bad) as one, FakeServer(serving(whole, SECRETS)) as two:
        source = forgetful(address_of(one.host, two.host), whole, warn=told.append)
        coffer = finish(retrieve(source))
    assert (dict(coffer), coffer.stale, coffer.refusal) == (SECRETS, None, None)
    (warning,) = told
    assert warning.startswith(f"the answer of {one.host} was refused, and another host was asked (")


@pytest.mark.parametrize("bad", BAD_ANSWERS)
def test_a_bad_answer_is_never_worse_than_no_answer(bad: Script, tmp_path: Path, whole: Credential) -> None:
    client = Client(tmp_path, whole)
    client.fetch_from(serving(whole, SECRETS))
    with FakeServer(bad) as server:
        coffer = client.fetch(server.address())
        assert dict(coffer) == SECRETS
        assert coffer.stale
        assert coffer.refusal is not None
        assert exit_code(coffer.refusal) == 5
        (warning,) = client.warnings
        assert warning.startswith("the answer of the server was refused, so release 7 of 'shop' is used, which was fetched 0s ago (127.")
        assert str(coffer.refusal) in warning
        assert "\nhint: " in warning
        # It can be handed on, and keeps nothing of the fetch.
        assert (coffer.refusal.__traceback__, coffer.refusal.__context__, coffer.refusal.__cause__) == (None, None, None)
        assert str(pickle.loads(pickle.dumps(coffer)).refusal) == str(coffer.refusal)
        with pytest.raises(type(coffer.refusal)):
            client.fetch(server.address(), max_stale=NEVER)
        client.cache = False
        with pytest.raises(type(coffer.refusal)):
            client.fetch(server.address())


def test_a_refusal_says_why_the_cache_cannot_stand_in(tmp_path: Path, whole: Credential) -> None:
    client = Client(tmp_path, whole)
    with pytest.raises(NotAReleaseError) as caught:
        client.fetch_from(giving(b"\x80"))
    assert str(caught.value.hint).endswith("; the cache cannot be used: it is empty")
    client.fetch_from(serving(whole, SECRETS))
    client.now += 8 * 86400
    with pytest.raises(NotAReleaseError) as caught:
        client.fetch_from(giving(b"\x80"))
    assert str(caught.value.hint).endswith("; the cache cannot be used: it was fetched 8d ago, and max-stale is 7d")


def test_a_refusal_that_names_its_remedy_gets_no_other(tmp_path: Path, whole: Credential) -> None:
    client = Client(tmp_path, whole)
    client.fetch_from(serving(whole, SECRETS))
    with pytest.raises(UntrustedPublisherError) as caught:
        client.fetch_from(giving_strangers(whole), max_stale=NEVER)
    assert caught.value.hint is None
    assert "coffer-companion address" in str(caught.value)
    assert isinstance(client.fetch_from(giving_strangers(whole)).refusal, UntrustedPublisherError)
    assert "hint: " not in client.warnings[-1]


def giving_strangers(credential: Credential) -> Script:
    """Give a release of a publisher that nobody trusts, and tell no heads."""

    def script(peer: Peer) -> None:
        peer.answer_get(make_body(credential, SECRETS, serial=SERIAL + 1, by=identity("publisher2")))
        peer.expect(Ask)
        peer.send(Error(code="denied", sentence="this key has no part in that coffer"))
        peer.wait_for_close()

    return script


def test_a_refusal_counts_more_than_silence_and_all_hosts_are_named(tmp_path: Path, whole: Credential) -> None:
    client, gone = Client(tmp_path, whole), unused_host()
    client.fetch_from(serving(whole, SECRETS))
    with FakeServer(giving(b"\x80")) as server:
        address = address_of(gone, server.host)
        assert isinstance(client.fetch(address).refusal, NotAReleaseError)
        (warning,) = client.warnings
        assert f"{gone}: " in warning
        assert f"{server.host}: " in warning
        with pytest.raises(NotAReleaseError):
            client.fetch(address, max_stale=NEVER)


def test_the_host_that_served_last_is_the_first_that_is_asked(tmp_path: Path, whole: Credential) -> None:
    client, serves = Client(tmp_path, whole), hosting(History(whole).add(SECRETS))
    with FakeServer(giving_in_turn(busy, serves)) as one, FakeServer(giving_in_turn(serves, busy)) as two:
        address = address_of(one.host, two.host)
        seen = []
        for _ in range(4):
            client.fetch(address)
            seen.append((one.connections, two.connections))
    # The first is busy; then the second is, which had served last; then nobody is any more, and the first had served last.
    assert seen == [(1, 1), (2, 2), (3, 2), (4, 2)]


@pytest.mark.parametrize("listens", ["::1", "127.0.0.1"])
def test_a_name_is_served_by_whichever_of_its_addresses_answers(listens: str, whole: Credential) -> None:
    with FakeServer(serving(whole, SECRETS), listens=listens) as server, black_hole("127.0.0.1") as hole, closed("::1") as refusing:
        here = place(listens, server.host.port)
        network = Sockets(resolve=lambda name, port: [refusing, hole, here])
        source = forgetful(address_of(Host(name="coffer.example")), whole, network=network)
        assert dict(finish(retrieve(source))) == SECRETS


def test_all_hosts_are_named_where_none_can_serve(whole: Credential) -> None:
    gone = unused_host()
    with FakeServer(busy) as server, pytest.raises(UnreachableError, match="later") as caught:
        ask(address_of(gone, server.host), whole)
    assert str(gone) in str(caught.value)


def test_a_name_is_resolved(whole: Credential) -> None:
    # Where it stands for ::1 too, which is tried first, nobody listens there.
    with FakeServer(serving(whole, SECRETS)) as server:
        assert dict(ask(address_of(Host(name="localhost", port=server.host.port)), whole)) == SECRETS


# --------------------------------------------------------------------------------------------------------------- deadline


@pytest.mark.parametrize("timeout_s", [0, -1, float("inf"), float("nan")])
def test_a_timeout_must_be_one(timeout_s: float, whole: Credential) -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        ask(address_of(unused_host()), whole, timeout_s=timeout_s)

"""One session, in memory: what the server answers, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
import trio.testing

from coffer_protocol import cbor, limits
from coffer_protocol.errors import LocalProtocolError, TruncatedError
from coffer_protocol.message import Commit, Drop, Get, KeyNotFound, Link, OkCommit, OkGet, OkOpen, Open, Tell
from coffer_protocol.question import Heads
from coffer_protocol.release.coffer import SealedAnswer
from coffer_server import channel
from coffer_server.config import Settings
from coffer_server.store.base import Fetched
from tests.server.memory_store import MemoryStore

from .publishing import ISSUED, Author, identity
from .streams import Dialer, StreamClient, service_of

pytestmark = pytest.mark.trio

WEB = identity(100)
BARE = identity(101)


class FragileStore(MemoryStore):
    """Fails where a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: Exception | None = None

    def fetch(self, client: bytes) -> Fetched:
        if self.fault is not None:
            raise self.fault
        return super().fetch(client)


@pytest.fixture
def kept() -> FragileStore:
    """A store with one coffer: its publisher, a client of suite 1 and one of suite 0."""
    made = FragileStore()
    author = Author()
    made.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
    release = author.release(
        [author.put(author.key.id, b"note key"), author.put(WEB.id(), b"for web"), author.put(BARE.plain_id(), b"for bare", alg=1)]
    )
    made.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    return made


@pytest.fixture
def author(kept: FragileStore) -> Author:
    """The publisher of that coffer, up to date."""
    made = Author()
    changes = [made.put(made.key.id, b"note key"), made.put(WEB.id(), b"for web"), made.put(BARE.plain_id(), b"for bare", alg=1)]
    made.published(made.release(changes))
    return made


@pytest.fixture
async def dialer(kept: FragileStore, tmp_path: Path, nursery: trio.Nursery) -> Dialer:
    """Connects to a server over that store."""
    service = service_of(kept, tmp_path, Settings(upload_shards=3, upload_bytes=3 << 20))
    nursery.start_soon(service.run)
    return Dialer(service, nursery)


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """Every event logged, at any level."""
    with structlog.testing.capture_logs() as events:
        yield events


def notable(events: list[Any]) -> list[str]:
    """Those that the default level shows."""
    return [event["event"] for event in events if event["log_level"] != "debug"]


# -------------------------------------------------------------------------------------------------------------- Get


async def test_get_under_suite_1(dialer: Dialer, logged: list[Any]) -> None:
    client = await dialer.link(WEB)
    answer = await client.say(Get(), OkGet)
    assert SealedAnswer.decode_untrusted(answer.coffer).blob == b"for web"
    await client.bye()
    assert [(event["event"], event["coffer"], event["serial"]) for event in logged] == [("fetch served", "web-shop", 1)]


async def test_get_under_suite_0(dialer: Dialer) -> None:
    client = await dialer.link(BARE, plain=True)
    answer = await client.say(Get(), OkGet)
    assert SealedAnswer.decode_untrusted(answer.coffer).blob == b"for bare"
    await client.bye()


async def test_messages_may_come_a_byte_at_a_time(dialer: Dialer) -> None:
    client = dialer.connect(WEB)
    for byte in client.session.hello():
        await client.stream.send_all(bytes([byte]))
    await client.expect(Link)
    for byte in client.session.send(Get()):
        await client.stream.send_all(bytes([byte]))
    await client.expect(OkGet)
    await client.bye()


async def test_a_stranger_is_told_its_own_key_and_no_more(dialer: Dialer, logged: list[Any]) -> None:
    for plain in (False, True):
        client = dialer.connect(identity(500), plain=plain)
        await client.hello()
        answer = await client.expect(KeyNotFound)
        assert answer.client == client.session.client_id
        await client.expect_end()
        await client.close()
    # The operator is told, once a minute.
    assert notable(logged) == ["refused"]


@pytest.mark.parametrize("plain", [False, True])
async def test_the_wrong_suite(kept: FragileStore, dialer: Dialer, plain: bool) -> None:
    # The same 32 bytes, known under the other alg.
    author = Author(2, "billing")
    kept.add_publisher(coffer="billing", key=author.key, name=None, now=ISSUED)
    client_id = identity(7).plain_id() if plain else identity(7).id()
    release = author.release([author.put(client_id, b"x", alg=2 if plain else 1)])
    kept.commit(coffer="billing", publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    client = dialer.connect(identity(7), plain=plain)
    await client.hello()
    error = await client.expect_error("suite")
    assert "ask your operator" in error.sentence
    await client.expect_end()


async def test_a_hello_alone_has_no_effect(dialer: Dialer, logged: list[Any]) -> None:
    client = dialer.connect(WEB)
    hello = client.session.hello()
    await client.stream.send_all(hello)
    await client.expect(Link)
    await client.close()
    replayed = dialer.connect(WEB)
    await replayed.stream.send_all(hello)
    assert await replayed.stream.receive_some(65536)
    await replayed.close()
    await trio.testing.wait_all_tasks_blocked()
    assert notable(logged) == []


async def test_a_client_dropped_since_its_hello_is_denied(kept: FragileStore, author: Author, dialer: Dialer) -> None:
    client = await dialer.link(WEB)
    release = author.release([Drop(id=WEB.id())])
    kept.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    await client.send(Get())
    await client.expect_error("denied")
    await client.expect_end()


async def test_a_client_whose_key_changed_its_suite_since_its_hello(kept: FragileStore, author: Author, dialer: Dialer) -> None:
    client = await dialer.link(WEB)
    release = author.release([author.put(WEB.id(), b"x", alg=1)])
    kept.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    await client.send(Get())
    await client.expect_error("suite")


async def test_a_publisher_without_a_shard_has_nothing_to_get(kept: FragileStore, dialer: Dialer) -> None:
    second = Author(2)
    kept.add_publisher(coffer="web-shop", key=second.key, name=None, now=ISSUED)
    client = await dialer.link(second.identity)
    await client.send(Get())
    await client.expect_error("denied")


async def test_suite_0_may_be_left_out(kept: FragileStore, tmp_path: Path, nursery: trio.Nursery) -> None:
    service = service_of(kept, tmp_path)
    only_noise = {1: service.responders[1]}
    client = Dialer(replace(service, responders=only_noise), nursery).connect(BARE, plain=True)
    await client.hello()
    await client.expect_end()


# ----------------------------------------------------------------------------------------------------- out of turn


def forged(client: StreamClient, kind: int, body: bytes) -> bytes:
    """A frame that the client's own session would not send, sealed as the next."""
    transport = client.session._transport
    assert transport is not None
    content = transport.seal(kind, body)  # type: ignore[arg-type]
    return len(content).to_bytes(2, "big") + bytes([kind]) + content


@pytest.mark.parametrize("kind", [0x00, 0x01, 0x03, 0x12, 0x14, 0xAA, 0xFF])
async def test_a_frame_out_of_its_turn(dialer: Dialer, logged: list[Any], kind: int) -> None:
    client = await dialer.link(WEB)
    await client.stream.send_all(forged(client, kind, b""))
    await client.expect_error("turn")
    await client.expect_end()
    assert notable(logged) == []


async def test_a_frame_of_an_unknown_type_ends_the_session_without_a_word(dialer: Dialer, logged: list[Any]) -> None:
    client = await dialer.link(WEB)
    await client.stream.send_all(forged(client, 0x42, b""))
    await client.expect_end()
    assert notable(logged) == []


async def test_a_body_that_is_not_what_its_type_promises(dialer: Dialer) -> None:
    client = await dialer.link(WEB)
    await client.stream.send_all(forged(client, 0x10, b"\xff"))
    await client.expect_error("unsupported")


async def test_a_frame_that_cannot_be_opened_ends_it_without_a_word(dialer: Dialer) -> None:
    client = await dialer.link(WEB)
    frame = bytearray(client.session.send(Get()))
    frame[-1] ^= 1
    await client.stream.send_all(bytes(frame))
    await client.expect_end()


async def test_bye_must_be_ones_own(dialer: Dialer) -> None:
    client = await dialer.link(WEB)
    await client.stream.send_all(forged(client, 0x99, BARE.id()))
    await client.expect_end()


async def test_a_get_for_a_client_that_closes(dialer: Dialer, logged: list[Any]) -> None:
    client = await dialer.link(WEB)
    await client.send(Get())
    await client.close()
    await trio.testing.wait_all_tasks_blocked()
    assert set(notable(logged)) <= {"fetch served"}


# -------------------------------------------------------------------------------------------------------- a release


async def test_a_release(dialer: Dialer, author: Author, kept: FragileStore, logged: list[Any]) -> None:
    client = await dialer.link(author.identity)
    listing = await client.say(Open(coffer="web-shop"), OkOpen)
    assert listing.signed == author.signed
    assert list(listing.entries()) == [author.entries[id_] for id_ in sorted(author.entries)]
    release = author.release([author.put(WEB.id(), bytes(1 << 20)), author.reuse(author.key.id), Drop(id=BARE.plain_id())])
    await client.send(*release.changes)
    assert kept.fetch(WEB.id()).serial == 1
    assert (await client.say(Commit(signed=release.signed), OkCommit)).serial == 2
    assert kept.fetch(WEB.id()).body.blob == bytes(1 << 20)
    await client.bye()
    assert [event for event in logged if event["log_level"] == "info"] == [
        {
            "event": "release committed",
            "log_level": "info",
            "coffer": "web-shop",
            "serial": 2,
            "publisher": author.key.fingerprint_text(),
            "put": 1,
            "reuse": 1,
            "drop": 1,
        }
    ]


async def test_a_release_may_be_given_up(dialer: Dialer, author: Author, kept: FragileStore) -> None:
    client = await dialer.link(author.identity)
    await client.say(Open(coffer="web-shop"), OkOpen)
    await client.send(author.put(WEB.id(), b"never seen"))
    await client.bye()
    assert kept.fetch(WEB.id()).body.blob == b"for web"


async def test_only_a_publisher_of_the_coffer_may_open_it(dialer: Dialer, author: Author) -> None:
    sentences = set()
    for who, coffer in ((WEB, "web-shop"), (author.identity, "billing"), (WEB, "nowhere"), (author.identity, "\0")):
        client = await dialer.link(who)
        await client.send(Open(coffer=coffer))
        sentences.add((await client.expect_error("denied")).sentence)
        await client.expect_end()
    assert len(sentences) == 1


async def test_a_publisher_removed_since_its_hello_is_denied(dialer: Dialer, author: Author, kept: FragileStore) -> None:
    client = await dialer.link(author.identity)
    kept.remove_publisher(coffer="web-shop", publisher=author.key.id, now=ISSUED)
    await client.send(Open(coffer="web-shop"))
    await client.expect_error("denied")


async def test_a_publisher_removed_since_its_open_is_denied(dialer: Dialer, author: Author, kept: FragileStore) -> None:
    client = await dialer.link(author.identity)
    await client.say(Open(coffer="web-shop"), OkOpen)
    kept.remove_publisher(coffer="web-shop", publisher=author.key.id, now=ISSUED)
    release = author.release([Drop(id=WEB.id())])
    await client.send(*release.changes, Commit(signed=release.signed))
    await client.expect_error("denied")
    assert kept.fetch(WEB.id()).serial == 1


async def test_losing_the_race_is_a_conflict(dialer: Dialer, author: Author) -> None:
    second = await dialer.link(author.identity)
    await second.say(Open(coffer="web-shop"), OkOpen)
    stale = author.release([Drop(id=WEB.id())], serial=1)
    await second.send(*stale.changes, Commit(signed=stale.signed))
    await second.expect_error("conflict")
    await second.expect_end()


async def test_one_upload_at_a_time_for_a_publisher(dialer: Dialer, author: Author) -> None:
    first = await dialer.link(author.identity)
    await first.say(Open(coffer="web-shop"), OkOpen)
    second = await dialer.link(author.identity)
    await second.send(Open(coffer="web-shop"))
    await second.expect_error("busy")
    await first.close()
    await trio.testing.wait_all_tasks_blocked()
    third = await dialer.link(author.identity)
    await third.say(Open(coffer="web-shop"), OkOpen)
    await third.close()


async def test_more_shards_than_allowed(dialer: Dialer, author: Author) -> None:
    client = await dialer.link(author.identity)
    await client.say(Open(coffer="web-shop"), OkOpen)
    await client.send(*(author.put(identity(number).id(), b"x") for number in range(200, 204)))
    await client.expect_error("limit")


async def test_more_bytes_than_allowed(dialer: Dialer, author: Author) -> None:
    client = await dialer.link(author.identity)
    await client.say(Open(coffer="web-shop"), OkOpen)
    async with trio.open_nursery() as nursery:
        # The server reads on to the end: the Error must not be lost to a reset.
        nursery.start_soon(client.send, *(author.put(identity(number).id(), bytes(1 << 20)) for number in range(200, 203)))
        await client.expect_error("limit")


async def test_a_message_longer_than_its_limit(dialer: Dialer, author: Author) -> None:
    client = await dialer.link(author.identity)
    await client.say(Open(coffer="web-shop"), OkOpen)
    with pytest.raises(LocalProtocolError):
        client.session.send(author.put(WEB.id(), bytes(limits.MESSAGE_BYTES)))
    async with trio.open_nursery() as nursery:
        for _ in range(limits.MESSAGE_BYTES // 60_000 + 1):
            nursery.start_soon(client.stream.send_all, forged(client, 0x06, bytes(60_000)))
            await trio.testing.wait_all_tasks_blocked()
        # A header alone tells it, which anybody on the way could have written.
        await client.expect_end()
        nursery.cancel_scope.cancel()


async def test_a_shard_over_its_limit(dialer: Dialer, author: Author) -> None:
    client = await dialer.link(author.identity)
    await client.say(Open(coffer="web-shop"), OkOpen)
    await client.send(author.put(WEB.id(), bytes(limits.SHARD_BYTES + 4096)))
    await client.expect_error("limit")


async def test_a_put_of_a_wrong_form(dialer: Dialer, author: Author) -> None:
    client = await dialer.link(author.identity)
    await client.say(Open(coffer="web-shop"), OkOpen)
    await client.stream.send_all(forged(client, 0x12, cbor.encode([b"short", bytes(16), b"", 2, b""])))
    await client.expect_error("unsupported")


# -------------------------------------------------------------------------------------------------------- deadlines


async def test_a_hello_has_five_seconds(dialer: Dialer, autojump_clock: trio.testing.MockClock) -> None:
    client = dialer.connect(WEB)
    began = trio.current_time()
    # A byte now and then does not buy time.
    for byte in client.session.hello()[:4]:
        await client.stream.send_all(bytes([byte]))
        await trio.sleep(1)
    await client.expect_end()
    assert trio.current_time() - began == pytest.approx(limits.HELLO_TIMEOUT_S)


async def test_sixty_seconds_of_silence(dialer: Dialer, autojump_clock: trio.testing.MockClock) -> None:
    client = await dialer.link(WEB)
    began = trio.current_time()
    await client.expect_end()
    assert trio.current_time() - began == pytest.approx(60, abs=1)


async def test_a_silent_upload_ends(dialer: Dialer, author: Author, autojump_clock: trio.testing.MockClock) -> None:
    client = await dialer.link(author.identity)
    await client.say(Open(coffer="web-shop"), OkOpen)
    await client.send(author.put(WEB.id(), b"x"))
    await client.expect_end()
    again = await dialer.link(author.identity)
    await again.say(Open(coffer="web-shop"), OkOpen)


async def test_a_session_has_an_hour(dialer: Dialer, autojump_clock: trio.testing.MockClock) -> None:
    client = await dialer.link(WEB)
    began = trio.current_time()
    with suppress(TruncatedError, trio.BrokenResourceError):
        while True:
            await client.say(Heads(coffer="web-shop", from_serial=1).to_ask(), Tell)
            await trio.sleep(50)
    assert trio.current_time() - began == pytest.approx(3600, abs=60)


async def test_a_message_is_whole_a_minute_after_it_began(dialer: Dialer, autojump_clock: trio.testing.MockClock) -> None:
    client = await dialer.link(WEB)
    began = trio.current_time()
    # The beginning of a frame that never ends, a byte a minute.
    for byte in forged(client, 0x16, bytes(1000)):
        with trio.move_on_after(59):
            await client.expect_end()
            break
        await client.stream.send_all(bytes([byte]))
    # The first byte came after 59 s of silence.
    assert trio.current_time() - began == pytest.approx(59 + 60, abs=1)


async def test_a_client_that_never_reads_is_let_go(
    kept: FragileStore, tmp_path: Path, autojump_clock: trio.testing.MockClock, logged: list[Any]
) -> None:
    ours, theirs = trio.testing.lockstep_stream_pair()
    client = StreamClient(ours, WEB)
    async with trio.open_nursery() as nursery:
        dialer = Dialer(service_of(kept, tmp_path), nursery)
        nursery.start_soon(dialer._serve, theirs)
        await client.link()
        began = trio.current_time()
        await client.send(Get())
    # The nursery ends when the connection has.
    assert trio.current_time() - began == pytest.approx(channel.SILENCE_S)
    assert notable(logged) == []


# ------------------------------------------------------------------------------------------------------------ faults


async def test_a_fault_ends_its_connection_alone(dialer: Dialer, kept: FragileStore, logged: list[Any]) -> None:
    canary = "canary-7d1f"
    kept.fault = ZeroDivisionError(canary)
    client, other = await dialer.link(WEB), await dialer.link(WEB)
    await client.send(Get())
    error = await client.expect_error("internal")
    assert canary not in error.sentence
    await client.expect_end()
    kept.fault = None
    await other.say(Get(), OkGet)
    [fault] = [event for event in logged if event["log_level"] == "error"]
    assert (fault["event"], fault["error"]) == ("a connection failed", "ZeroDivisionError")
    assert fault["place"].startswith("coffer_server/service.py:")
    assert canary not in str(logged)


async def test_a_hello_for_another_server_is_not_answered(dialer: Dialer) -> None:
    client = dialer.connect(WEB)
    hello = bytearray(client.session.hello())
    hello[4] ^= 1  # the hint
    await client.stream.send_all(bytes(hello))
    await client.expect_end()

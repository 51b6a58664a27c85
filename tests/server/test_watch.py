"""Watch, over sessions in memory: when it is answered, with what, and when it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from coffer_protocol import limits
from coffer_protocol.message import Ask, Commit, Drop, Get, OkCommit, OkGet, OkOpen, Open, Still, Tell, Watch
from coffer_protocol.release.coffer import SealedAnswer
from coffer_server.config import STILL_S, Settings
from coffer_server.errors import StoreError
from coffer_server.store.base import Change, Fetched
from tests.server.memory_store import MemoryStore

from .publishing import ISSUED, Author, client_id, identity
from .streams import Dialer, StreamClient, service_of

pytestmark = pytest.mark.trio

WEB = identity(100)
WORKER = identity(101)


class FragileStore(MemoryStore):
    """Cannot read for many at once where a test says so; counts the reads."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = False
        self.reads = 0

    def fetch(self, client: bytes) -> Fetched:
        self.reads += 1
        return super().fetch(client)

    def fetch_all(self, clients: object) -> dict[bytes, Fetched]:
        if self.fails:
            raise StoreError("the disk is gone")
        return super().fetch_all(clients)  # type: ignore[arg-type]


@pytest.fixture
def store() -> FragileStore:
    """Empty."""
    return FragileStore()


@pytest.fixture
def author(store: FragileStore) -> Author:
    """The publisher of a coffer with two clients, at release 1."""
    made = Author()
    store.add_publisher(coffer=made.coffer, key=made.key, name=None, now=ISSUED)
    commit_aside(store, made, *made.first({WEB.id(): b"1", WORKER.id(): b"1"}).changes)
    return made


@pytest.fixture
async def dialer(store: FragileStore, author: Author, tmp_path: Path, nursery: trio.Nursery) -> Dialer:
    """Connects to a server over that store."""
    service = service_of(store, tmp_path)
    nursery.start_soon(service.run)
    await trio.testing.wait_all_tasks_blocked()
    return Dialer(service, nursery)


def commit_aside(store: FragileStore, author: Author, *changes: Change) -> None:
    """A release that no server hears of."""
    release = author.release(changes)
    store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=changes, now=ISSUED)
    author.published(release)


async def publish(dialer: Dialer, author: Author, *changes: Change) -> None:
    """A release through the server."""
    release = author.release(changes)
    client = await dialer.link(author.identity)
    await client.say(Open(coffer=author.coffer), OkOpen)
    await client.send(*release.changes)
    await client.say(Commit(signed=release.signed), OkCommit)
    await client.bye()
    author.published(release)


async def watching(dialer: Dialer, serial: int) -> StreamClient:
    """WEB, which waits for a release newer than `serial`."""
    client = await dialer.link(WEB)
    await client.send(Watch(serial=serial))
    await trio.testing.wait_all_tasks_blocked()
    return client


async def expect_blob(client: StreamClient, blob: bytes) -> None:
    answer = await client.expect(OkGet)
    assert SealedAnswer.decode_untrusted(answer.coffer).blob == blob


async def test_what_is_newer_already_comes_at_once(dialer: Dialer) -> None:
    client = await watching(dialer, 0)
    await expect_blob(client, b"1")
    await client.bye()


async def test_a_release_comes_when_it_is_committed(dialer: Dialer, author: Author) -> None:
    client = await watching(dialer, 1)
    await publish(dialer, author, author.put(WEB.id(), b"2"))
    await expect_blob(client, b"2")
    await client.bye()


async def test_a_release_of_others_alone_is_one_too(dialer: Dialer, author: Author) -> None:
    client = await watching(dialer, 1)
    await publish(dialer, author, author.put(WORKER.id(), b"2"))
    await expect_blob(client, b"1")


async def test_get_then_watch_then_watch(dialer: Dialer, author: Author) -> None:
    client = await dialer.link(WEB)
    await client.say(Get(), OkGet)
    for serial in (2, 3, 4):
        await client.send(Watch(serial=serial - 1))
        await trio.testing.wait_all_tasks_blocked()
        await publish(dialer, author, author.put(WEB.id(), b"%d" % serial))
        await expect_blob(client, b"%d" % serial)
    await client.say(Ask(name="heads", params=["web-shop", 1]), Tell)
    await client.bye()


async def test_a_release_between_get_and_watch_is_not_missed(dialer: Dialer, author: Author) -> None:
    client = await dialer.link(WEB)
    await client.say(Get(), OkGet)
    await publish(dialer, author, author.put(WEB.id(), b"2"))
    await client.send(Watch(serial=1))
    await expect_blob(client, b"2")


async def test_a_release_between_hello_and_watch_is_not_missed(dialer: Dialer, author: Author) -> None:
    client = await dialer.link(WEB)
    await publish(dialer, author, author.put(WEB.id(), b"2"))
    await client.send(Watch(serial=1))
    await expect_blob(client, b"2")


async def test_a_serial_that_is_far_ahead_waits_for_one_beyond_it(dialer: Dialer, author: Author) -> None:
    client = await watching(dialer, 2)
    await publish(dialer, author, author.put(WEB.id(), b"2"))
    await trio.testing.wait_all_tasks_blocked()
    await publish(dialer, author, author.put(WEB.id(), b"3"))
    await expect_blob(client, b"3")


async def test_an_idle_watch_costs_the_store_nothing(dialer: Dialer, store: FragileStore, autojump_clock: trio.testing.MockClock) -> None:
    client = await watching(dialer, 1)
    for _ in range(10):
        await client.expect(Still)
    assert store.reads == 0


async def test_still_comes_at_least_every_sixty_seconds_and_never_in_step(dialer: Dialer, autojump_clock: trio.testing.MockClock) -> None:
    client = await watching(dialer, 1)
    waits = []
    for _ in range(20):
        began = trio.current_time()
        await client.expect(Still)
        waits.append(trio.current_time() - began)
    assert all(STILL_S / 2 <= wait <= STILL_S for wait in waits)
    assert len(set(waits)) > 1


async def test_still_comes_as_often_as_is_set(
    store: FragileStore, author: Author, tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    client = await watching(Dialer(service_of(store, tmp_path, Settings(still_s=2)), nursery), 1)
    began = trio.current_time()
    await client.expect(Still)
    assert 1 <= trio.current_time() - began <= 2


async def test_a_release_after_still(dialer: Dialer, author: Author, autojump_clock: trio.testing.MockClock) -> None:
    client = await watching(dialer, 1)
    await client.expect(Still)
    await client.expect(Still)
    await publish(dialer, author, author.put(WEB.id(), b"2"))
    while isinstance(message := await client.receive(), Still):
        pass
    assert isinstance(message, OkGet)


async def test_who_watches_another_coffer_is_not_woken(dialer: Dialer, author: Author, store: FragileStore) -> None:
    other = Author(2, "billing")
    store.add_publisher(coffer="billing", key=other.key, name=None, now=ISSUED)
    client = await watching(dialer, 1)
    await publish(dialer, other, *other.first({client_id(5): b"x"}).changes)
    await trio.testing.wait_all_tasks_blocked()
    await publish(dialer, author, author.put(WEB.id(), b"2"))
    await expect_blob(client, b"2")


# ------------------------------------------------------------------------------------------------------------ rights


async def test_one_that_is_dropped_is_told_so_and_ends(dialer: Dialer, author: Author) -> None:
    client = await watching(dialer, 1)
    await publish(dialer, author, Drop(id=WEB.id()))
    await client.expect_error("denied")
    await client.expect_end()


async def test_one_that_was_dropped_before_it_watched(dialer: Dialer, author: Author) -> None:
    client = await dialer.link(WEB)
    await publish(dialer, author, Drop(id=WEB.id()))
    await client.send(Watch(serial=5))
    await client.expect_error("denied")


async def test_a_publisher_without_a_shard_has_nothing_to_wait_for(dialer: Dialer, store: FragileStore) -> None:
    second = Author(2)
    store.add_publisher(coffer="web-shop", key=second.key, name=None, now=ISSUED)
    client = await dialer.link(second.identity)
    await client.send(Watch(serial=0))
    await client.expect_error("denied")


async def test_one_whose_key_changes_its_suite(dialer: Dialer, author: Author) -> None:
    client = await watching(dialer, 1)
    await publish(dialer, author, author.put(WEB.id(), b"2", alg=1))
    await client.expect_error("suite")


async def test_one_that_moves_to_another_coffer(dialer: Dialer, author: Author, store: FragileStore) -> None:
    other = Author(2, "billing")
    store.add_publisher(coffer="billing", key=other.key, name=None, now=ISSUED)
    client = await dialer.link(WEB)
    commit_aside(store, author, Drop(id=WEB.id()))
    commit_aside(store, other, *other.first({WEB.id(): b"moved"}).changes)
    await client.send(Watch(serial=7))
    await trio.testing.wait_all_tasks_blocked()
    await publish(dialer, author, author.put(WORKER.id(), b"3"))
    # Of a coffer that is not the one it demands: the client refuses it by its name.
    await expect_blob(client, b"moved")


# ------------------------------------------------------------------------------------------------------- the other end


async def test_a_watcher_has_nothing_to_say(dialer: Dialer) -> None:
    client = await watching(dialer, 1)
    transport = client.session._transport
    assert transport is not None
    content = transport.seal(0x02, b"")  # type: ignore[arg-type]
    await client.stream.send_all(len(content).to_bytes(2, "big") + b"\x02" + content)
    await client.expect_error("turn")
    await client.expect_end()


async def test_a_watcher_that_closes_is_forgotten_at_once(dialer: Dialer, author: Author) -> None:
    client = await watching(dialer, 1)
    await client.close()
    await trio.testing.wait_all_tasks_blocked()
    assert dialer.service.broadcast._of_coffer == {}
    await publish(dialer, author, author.put(WEB.id(), b"2"))
    assert dialer.service.noted("web-shop").fetches == {}


async def test_a_session_that_watches_has_an_hour(dialer: Dialer, autojump_clock: trio.testing.MockClock) -> None:
    client = await dialer.link(WEB)
    began = trio.current_time()
    await client.send(Watch(serial=1))
    while await client.stream.receive_some(65536):
        pass
    assert trio.current_time() - began == pytest.approx(limits.SESSION_TIMEOUT_S)


async def test_silence_after_the_answer_ends_the_session(dialer: Dialer, author: Author, autojump_clock: trio.testing.MockClock) -> None:
    client = await watching(dialer, 1)
    await publish(dialer, author, author.put(WEB.id(), b"2"))
    await expect_blob(client, b"2")
    began = trio.current_time()
    await client.expect_end()
    assert trio.current_time() - began <= STILL_S + limits.UPLOAD_SILENCE_S


async def test_a_fetch_is_noted_for_a_watcher_as_for_any(dialer: Dialer, author: Author) -> None:
    client = await watching(dialer, 1)
    await publish(dialer, author, author.put(WEB.id(), b"2"))
    await expect_blob(client, b"2")
    [fetch] = dialer.service.noted("web-shop").fetches.values()
    assert (fetch.id, fetch.serial, fetch.at) == (WEB.id(), 2, ISSUED)


# ------------------------------------------------------------------------------------------------------ faults, the end


async def test_a_store_that_fails_for_many_may_do_for_one(dialer: Dialer, author: Author, store: FragileStore) -> None:
    client = await watching(dialer, 1)
    store.fails = True
    await publish(dialer, author, author.put(WEB.id(), b"2"))
    await expect_blob(client, b"2")


async def test_a_server_that_stops_closes_watchers_without_a_word(dialer: Dialer) -> None:
    client = await watching(dialer, 1)
    dialer.service.broadcast.stop()
    await client.expect_end()
    late = await watching(dialer, 1)
    await late.expect_end()
    # What is there is still given.
    newer = await watching(dialer, 0)
    await expect_blob(newer, b"1")
    await newer.bye()

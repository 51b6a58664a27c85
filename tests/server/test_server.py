"""The accept loop, over real sockets in this process."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
import trio.testing

from coffer_protocol.address import Host
from coffer_protocol.limits import SHARD_BYTES
from coffer_protocol.message import Commit, Get, OkCommit, OkGet, OkOpen, Open, Watch
from coffer_protocol.release.coffer import SealedAnswer
from coffer_server import server
from coffer_server.config import Settings
from coffer_server.errors import ListenError
from tests.server.memory_store import MemoryStore

from .publishing import ISSUED, Author
from .streams import StreamClient, service_of

LOOPBACK = Host(name="127.0.0.1", port=0)
AUTHOR = Author()


@pytest.fixture
def store() -> MemoryStore:
    """A store with one release."""
    made = MemoryStore()
    author = Author()
    made.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
    release = author.first()
    made.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    return made


class Running:
    """A server in this process, on a free port of loopback, with signals of our own."""

    def __init__(self, listeners: list[trio.SocketListener], raise_signal: trio.MemorySendChannel[int]) -> None:
        self.port: int = listeners[0].socket.getsockname()[1]
        self._raise = raise_signal
        self._clients: list[StreamClient] = []
        self.ended = trio.Event()

    async def connect(self) -> StreamClient:
        client = StreamClient(await trio.open_tcp_stream("127.0.0.1", self.port), AUTHOR.identity)
        self._clients.append(client)
        return client

    async def hang_up(self) -> None:
        for client in self._clients:
            await client.close()

    async def link(self) -> StreamClient:
        client = await self.connect()
        await client.link()
        return client

    async def signal(self) -> None:
        await self._raise.send(signal.SIGTERM)


Start = Callable[[Settings], Any]


@pytest.fixture
async def start(store: MemoryStore, tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Start]:
    """Starts a server with some settings."""

    made: list[Running] = []

    async def started(settings: Settings) -> Running:
        send, signals = trio.open_memory_channel[int](10)
        listeners = await server.open_listeners([LOOPBACK])
        running = Running(listeners, send)
        made.append(running)

        async def serve() -> None:
            await server.serve(service_of(store, tmp_path, settings), listeners, signals)
            running.ended.set()

        nursery.start_soon(serve)
        return running

    yield started
    for running in made:
        await running.hang_up()
    nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_many_clients_at_once(start: Start) -> None:
    running = await start(Settings())

    async def get() -> None:
        client = await running.link()
        await client.say(Get(), OkGet)
        await client.bye()
        await client.close()

    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(get)


@pytest.mark.trio
async def test_too_many_connections_are_closed_plainly(start: Start) -> None:
    running = await start(Settings(max_connections=2))
    first, second = await running.link(), await running.link()
    third = await running.connect()
    await third.expect_end()
    await first.bye()
    await first.close()
    await trio.testing.wait_all_tasks_blocked()
    fourth = await running.link()
    for client in (second, fourth):
        await client.say(Get(), OkGet)


@pytest.mark.trio
async def test_a_signal_lets_sessions_finish(start: Start) -> None:
    running = await start(Settings())
    client = await running.link()
    await running.signal()
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(OSError, match="all attempts to connect"):
        await running.connect()
    await client.say(Get(), OkGet)
    await client.bye()
    await running.ended.wait()


@pytest.mark.trio
async def test_watchers_are_reached_over_sockets(start: Start, store: MemoryStore) -> None:
    running = await start(Settings())
    watchers = [await running.link() for _ in range(20)]
    for watcher in watchers:
        await watcher.send(Watch(serial=1))
    await trio.testing.wait_all_tasks_blocked()
    # Large enough that the kernel does not take it at once.
    blob = bytes(SHARD_BYTES)
    await publish(await running.link(), store, blob)
    for watcher in watchers:
        answer = await watcher.expect(OkGet)
        assert SealedAnswer.decode_untrusted(answer.coffer).blob == blob
    for watcher in watchers:
        await watcher.send(Watch(serial=2))
    await publish(await running.link(), store, b"small")
    for watcher in watchers:
        answer = await watcher.expect(OkGet)
        assert SealedAnswer.decode_untrusted(answer.coffer).blob == b"small"
        await watcher.bye()


async def publish(client: StreamClient, store: MemoryStore, blob: bytes) -> None:
    """The store's next release, through a server: another blob for its publisher."""
    author = Author()
    fetched = store.fetch(author.key.id)
    author.serial, author.signed = fetched.serial, fetched.body.signed
    release = author.release([author.put(author.key.id, blob)])
    await client.say(Open(coffer=author.coffer), OkOpen)
    await client.send(*release.changes)
    await client.say(Commit(signed=release.signed), OkCommit)
    await client.bye()


@pytest.mark.trio
async def test_a_watcher_that_is_gone_when_a_release_comes(start: Start, store: MemoryStore) -> None:
    running = await start(Settings())
    gone, there = await running.link(), await running.link()
    for watcher in (gone, there):
        await watcher.send(Watch(serial=1))
    await trio.testing.wait_all_tasks_blocked()
    publisher = await running.link()
    await gone.close()
    await publish(publisher, store, b"new")
    await there.expect(OkGet)


@pytest.mark.trio
async def test_a_signal_closes_watchers_at_once_and_fetches_are_recorded(
    start: Start, store: MemoryStore, mock_clock: trio.testing.MockClock
) -> None:
    running = await start(Settings())
    watcher, client = await running.link(), await running.link()
    await client.say(Get(), OkGet)
    await client.bye()
    await watcher.send(Watch(serial=1))
    await trio.testing.wait_all_tasks_blocked()
    # The clock stands: nothing here waits for a deadline.
    await running.signal()
    await watcher.expect_end()
    await running.ended.wait()
    with store.fetches(coffer=AUTHOR.coffer, publisher=AUTHOR.key.id) as fetches:
        assert [(fetch.id, fetch.serial) for fetch in fetches] == [(AUTHOR.key.id, 1)]


@pytest.mark.trio
async def test_sessions_that_do_not_finish_are_ended(start: Start, autojump_clock: trio.testing.MockClock) -> None:
    running = await start(Settings())
    client = await running.link()
    await client.say(Open(coffer="web-shop"), OkOpen)
    began = trio.current_time()
    await running.signal()
    await running.ended.wait()
    assert trio.current_time() - began == pytest.approx(server.DRAIN_S)


@pytest.mark.trio
async def test_a_second_signal_ends_all_at_once(start: Start, mock_clock: trio.testing.MockClock) -> None:
    running = await start(Settings())
    await running.link()
    await running.signal()
    await running.signal()
    await running.ended.wait()


@pytest.mark.trio
async def test_without_descriptors_it_waits_and_goes_on(
    start: Start, mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = trio.SocketListener.accept, trio.Event()

    async def accept(listener: trio.SocketListener) -> trio.SocketStream:
        if not refused.is_set():
            refused.set()
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await real(listener)

    monkeypatch.setattr(trio.SocketListener, "accept", accept)
    running = await start(Settings())
    await refused.wait()
    mock_clock.autojump_threshold = 0
    client = await running.link()
    await client.say(Get(), OkGet)


@pytest.mark.trio
async def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port}.*--listen"):
            await server.open_listeners([LOOPBACK, Host(name="127.0.0.1", port=port)])


@pytest.mark.trio
async def test_a_name_that_is_none() -> None:
    with pytest.raises(ListenError, match=r"nowhere\.invalid"):
        await server.open_listeners([Host(name="nowhere.invalid", port=0)])


@pytest.mark.trio
async def test_a_machine_without_ipv6_listens_on_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    real = trio.open_tcp_listeners

    async def without_ipv6(port: int, *, host: str) -> list[trio.SocketListener]:
        if ":" in host:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return await real(port, host=host)

    monkeypatch.setattr(trio, "open_tcp_listeners", without_ipv6)
    with structlog.testing.capture_logs() as events:
        [listener] = await server.open_listeners([LOOPBACK, Host(name="::", port=0)])
        await listener.aclose()
    assert [event["event"] for event in events] == ["this machine has no IPv6"]
    with pytest.raises(ListenError):
        await server.open_listeners([LOOPBACK, Host(name="::1", port=0)])


def test_bound_addresses() -> None:
    assert server.format_bound("127.0.0.1", 26337) == "127.0.0.1:26337"
    assert server.format_bound("::1", 1) == "[::1]:1"

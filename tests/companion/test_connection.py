"""One session over trio: what is sent and received, and how it ends."""

from __future__ import annotations

import dataclasses

import pytest
import trio
import trio.testing

from coffer_companion.connection import ANSWER_TIMEOUT_S, Connection, connect
from coffer_protocol import errors
from coffer_protocol.address import ServerAddress
from coffer_protocol.message import Error, Get, Hello, Link, OkGet, Open
from coffer_protocol.session import ClientSession, ServerSession
from coffer_protocol.suite.noise import NoiseInitiator, NoiseResponder, hint
from tests.client.fake_server import FakeServer, Peer, unused_host
from tests.support import identity

SERVER, PUBLISHER = identity("server"), identity("publisher")


def linked() -> tuple[Connection, trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream], ServerSession]:
    """A session in memory, and its other end."""
    near, far = trio.testing.memory_stream_pair()
    client = ClientSession(NoiseInitiator(PUBLISHER, SERVER.id()))
    server = ServerSession({1: lambda: NoiseResponder({hint(SERVER.id()): SERVER.box_secret()})})
    server.receive(client.hello())
    assert isinstance(server.next_message(), Hello)
    client.receive(server.send(Link()))
    assert client.next_message() == Link()
    return Connection(near, client), far, server


@pytest.mark.trio
async def test_a_request_has_its_answer() -> None:
    connection, far, server = linked()
    async with trio.open_nursery() as nursery:

        async def answer() -> None:
            server.receive(bytes(await far.receive_some()))
            assert server.next_message() == Get()
            await far.send_all(server.send(OkGet(coffer=b"coffer")))

        nursery.start_soon(answer)
        assert await connection.request(Get(), OkGet) == OkGet(coffer=b"coffer")


@pytest.mark.trio
async def test_another_answer_than_belongs_is_refused() -> None:
    connection, far, server = linked()
    await connection.send(Get())
    server.receive(bytes(await far.receive_some()))
    server.next_message()
    await far.send_all(server.send(OkGet(coffer=b"")))
    with pytest.raises(errors.MalformedMessageError, match="OkGet instead of Link"):
        await connection.receive(Link)


@pytest.mark.trio
async def test_an_error_is_the_servers_word() -> None:
    connection, far, server = linked()
    await connection.send(Open(coffer="shop"))
    server.receive(bytes(await far.receive_some()))
    server.next_message()
    await far.send_all(server.send(Error(code="busy", sentence="wait")))
    with pytest.raises(errors.ServerError) as caught:
        await connection.receive(OkGet)
    assert (caught.value.code, caught.value.sentence) == ("busy", "wait")


@pytest.mark.trio
async def test_a_server_that_closes_is_told_of() -> None:
    connection, far, _ = linked()
    await connection.send(Get())
    await far.send_stream.aclose()
    with pytest.raises(errors.TruncatedError):
        await connection.receive(OkGet)


@pytest.mark.trio
async def test_silence_has_an_end(autojump_clock: trio.testing.MockClock) -> None:
    connection, _, _ = linked()
    await connection.send(Get())
    started = trio.current_time()
    with pytest.raises(errors.UnreachableError, match="did not answer"):
        await connection.receive(OkGet)
    assert trio.current_time() - started == pytest.approx(ANSWER_TIMEOUT_S)


def test_hosts_are_tried_in_order() -> None:
    def script(peer: Peer) -> None:
        peer.link()
        peer.wait_for_close()

    with FakeServer(script) as server:
        address = ServerAddress(server=SERVER.id(), hosts=(unused_host(), server.host))

        async def main() -> None:
            async with connect(address, PUBLISHER):
                pass

        trio.run(main)
        assert server.connections == 1


def test_every_host_that_failed_is_named() -> None:
    hosts = (unused_host(), dataclasses.replace(unused_host(), name="localhost"))

    async def main() -> None:
        async with connect(ServerAddress(server=SERVER.id(), hosts=hosts), PUBLISHER):
            pass

    with pytest.raises(errors.UnreachableError, match=rf"{hosts[0]}: .*; (?s:{hosts[1]}: .*hint: .*coffer-server run DIR)"):
        trio.run(main)

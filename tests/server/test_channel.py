from __future__ import annotations

import pytest
import trio
import trio.testing

from coffer_protocol import limits
from coffer_protocol.errors import LocalProtocolError, RemoteProtocolError
from coffer_protocol.message import Get, Hello, KeyNotFound, Link, OkGet
from coffer_protocol.session import ServerSession
from coffer_protocol.suite.noise import NoiseResponder, hint
from coffer_server.channel import LINGER_S, SILENCE_S, Channel
from coffer_server.unfinished import Unfinished

from .publishing import identity
from .streams import SERVER, StreamClient

pytestmark = pytest.mark.trio

KEYS = {hint(SERVER.id()): SERVER.box_secret()}


@pytest.fixture
def ends() -> tuple[Channel, StreamClient]:
    """The two ends of a connection on which nothing has been said."""
    ours, theirs = trio.testing.memory_stream_pair()
    return Channel(ours, ServerSession({1: lambda: NoiseResponder(KEYS)}), Unfinished()), StreamClient(theirs, identity(100))


async def linked(channel: Channel, client: StreamClient) -> None:
    await client.hello()
    assert isinstance(await channel.first_message(), Hello)
    await channel.send(Link())
    await client.expect(Link)


async def test_messages_go_both_ways(ends: tuple[Channel, StreamClient]) -> None:
    channel, client = ends
    await linked(channel, client)
    assert (channel.suite, channel.is_over) == (1, False)
    await client.send(Get())
    assert await channel.next_message() == Get()
    await channel.send(OkGet(coffer=b"x"))
    assert await client.expect(OkGet) == OkGet(coffer=b"x")


async def test_the_last_message_ends_it(ends: tuple[Channel, StreamClient]) -> None:
    channel, client = ends
    await client.hello()
    hello = await channel.first_message()
    assert isinstance(hello, Hello)
    await channel.send(KeyNotFound(client=hello.client))
    assert channel.is_over


async def test_a_hello_must_come_soon(ends: tuple[Channel, StreamClient], autojump_clock: trio.testing.MockClock) -> None:
    channel, _ = ends
    began = trio.current_time()
    with pytest.raises(trio.TooSlowError):
        await channel.first_message()
    assert trio.current_time() - began == limits.HELLO_TIMEOUT_S


async def test_a_peer_may_be_silent_for_a_while_and_longer_if_it_watches(
    ends: tuple[Channel, StreamClient], autojump_clock: trio.testing.MockClock
) -> None:
    channel, client = ends
    await linked(channel, client)
    with pytest.raises(trio.TooSlowError):
        await channel.next_message()
    with trio.move_on_after(SILENCE_S * 10) as patience:
        await channel.next_message_whenever()
    assert patience.cancelled_caught


async def test_a_peer_that_closes_broke_the_protocol(ends: tuple[Channel, StreamClient]) -> None:
    channel, client = ends
    await linked(channel, client)
    await client.close()
    with pytest.raises(RemoteProtocolError):
        await channel.next_message()


async def test_what_is_sent_now_waits_for_a_flush_if_the_stream_is_no_socket(ends: tuple[Channel, StreamClient]) -> None:
    channel, client = ends
    await linked(channel, client)
    await client.send(Get())
    await channel.next_message()
    unsent = []
    channel.send_now(OkGet(coffer=b"x"))
    unsent.append(channel.has_unsent)
    await channel.flush()
    unsent.append(channel.has_unsent)
    assert unsent == [True, False]
    assert await client.expect(OkGet) == OkGet(coffer=b"x")


async def test_what_may_not_follow_is_not_sent(ends: tuple[Channel, StreamClient]) -> None:
    channel, client = ends
    await linked(channel, client)
    with pytest.raises(LocalProtocolError):
        channel.send_now(OkGet(coffer=b"x"))
    with pytest.raises(LocalProtocolError):
        await channel.send(OkGet(coffer=b"x"))


async def test_a_failure_is_told_and_the_peer_closes_first(
    ends: tuple[Channel, StreamClient], autojump_clock: trio.testing.MockClock
) -> None:
    channel, client = ends
    await linked(channel, client)
    await client.send(Get())
    await channel.next_message()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(channel.fail, "denied", "not yours")
        error = await client.expect_error("denied")
        assert error.sentence == "not yours"
        await client.expect_end()
        await client.stream.send_eof()
    assert trio.current_time() == began


async def test_a_peer_that_does_not_close_is_left(ends: tuple[Channel, StreamClient], autojump_clock: trio.testing.MockClock) -> None:
    channel, client = ends
    await linked(channel, client)
    began = trio.current_time()
    await channel.linger()
    assert trio.current_time() - began == LINGER_S


async def test_after_the_end_a_failure_says_nothing(ends: tuple[Channel, StreamClient]) -> None:
    channel, client = ends
    await client.hello()
    hello = await channel.first_message()
    assert isinstance(hello, Hello)
    await channel.send(KeyNotFound(client=hello.client))
    await channel.fail("internal", "too late")
    await client.expect(KeyNotFound)

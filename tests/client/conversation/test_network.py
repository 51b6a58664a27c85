"""What holds for every kind of network."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from coffer_client.conversation.network import Network, Stream
from coffer_protocol.address import Host
from coffer_protocol.errors import UnreachableError

from ..drivers import DRIVERS, drive
from ..fake_server import unused_host

# Nothing here takes so long; it ends a test that would hang.
PLENTY_S = 30.0
# More than the kernel holds for a peer that does not read.
TOO_MUCH = bytes(64 << 20)


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PLENTY_S)
        yield listener


def host_of(listener: socket.socket) -> Host:
    return Host(name="127.0.0.1", port=listener.getsockname()[1])


async def connected(network: Network, listener: socket.socket) -> tuple[Stream, socket.socket]:
    """A stream, and its other end. The kernel connects the two, so that it can be accepted afterwards."""
    stream = await network.connect(host_of(listener), deadline_s=network.now_s() + PLENTY_S)
    return stream, listener.accept()[0]


def test_what_is_sent_arrives_and_the_end_is_seen(driver: str, listener: socket.socket) -> None:
    async def work(network: Network) -> list[bytes]:
        stream, peer = await connected(network, listener)
        soon_s = network.now_s() + PLENTY_S
        with peer:
            await stream.send(b"question", deadline_s=soon_s)
            received = [peer.recv(100)]
            peer.sendall(b"answer")
            received.append(await stream.receive(deadline_s=soon_s))
        received.append(await stream.receive(deadline_s=soon_s))
        await stream.close()
        return received

    assert drive(driver, work) == [b"question", b"answer", b""]


def test_closing_is_seen_by_the_peer(driver: str, listener: socket.socket) -> None:
    async def work(network: Network) -> bytes:
        stream, peer = await connected(network, listener)
        await stream.close()
        with peer:
            peer.settimeout(PLENTY_S)
            return peer.recv(1)

    assert drive(driver, work) == b""


def test_what_was_said_before_a_reset_is_still_received_and_nothing_is_raised(driver: str, listener: socket.socket) -> None:
    async def work(network: Network) -> bytes:
        stream, peer = await connected(network, listener)
        soon_s = network.now_s() + PLENTY_S
        peer.sendall(b"Error")
        # It closes, and will answer what is sent with a reset.
        peer.close()
        await stream.send(b"unread", deadline_s=soon_s)
        received = await stream.receive(deadline_s=soon_s)
        await stream.send(b"unread", deadline_s=soon_s)
        ended = await stream.receive(deadline_s=soon_s)
        await stream.close()
        assert ended == b""
        return received

    # A reset may overtake what was said, and is then no more than an end.
    assert drive(driver, work) in (b"Error", b"")


def test_silence_meets_the_deadline(driver: str, listener: socket.socket) -> None:
    async def work(network: Network) -> None:
        stream, peer = await connected(network, listener)
        try:
            with peer, pytest.raises(TimeoutError):
                await stream.receive(deadline_s=network.now_s() + 0.05)
        finally:
            await stream.close()

    drive(driver, work)


def test_a_peer_that_does_not_read_meets_the_deadline(driver: str, listener: socket.socket) -> None:
    async def work(network: Network) -> None:
        stream, peer = await connected(network, listener)
        try:
            with peer, pytest.raises(TimeoutError):
                await stream.send(TOO_MUCH, deadline_s=network.now_s() + 0.05)
        finally:
            await stream.close()

    drive(driver, work)


def test_a_deadline_that_is_over_lets_nothing_begin(driver: str, listener: socket.socket) -> None:
    async def work(network: Network) -> None:
        over_s = network.now_s()
        with pytest.raises(TimeoutError):
            await network.connect(host_of(listener), deadline_s=over_s)
        stream, peer = await connected(network, listener)
        try:
            with peer:
                peer.sendall(b"here already")
                with pytest.raises(TimeoutError):
                    await stream.send(b"x", deadline_s=over_s)
                with pytest.raises(TimeoutError):
                    await stream.receive(deadline_s=over_s)
        finally:
            await stream.close()

    drive(driver, work)


def test_a_host_where_nobody_listens_says_why(driver: str) -> None:
    host = unused_host()

    async def work(network: Network) -> None:
        await network.connect(host, deadline_s=network.now_s() + PLENTY_S)

    with pytest.raises(UnreachableError) as caught:
        drive(driver, work)
    assert str(caught.value) == f"{host}: Connection refused"
    assert str(caught.value.hint).startswith("is the server running")


def test_a_name_that_does_not_exist_says_so(driver: str) -> None:
    async def work(network: Network) -> None:
        await network.connect(Host(name="nobody.invalid"), deadline_s=network.now_s() + PLENTY_S)

    with pytest.raises(UnreachableError, match=r"nobody\.invalid: the name cannot be resolved \(.+\): compare it"):
        drive(driver, work)


def test_a_name_is_resolved(driver: str, listener: socket.socket) -> None:
    async def work(network: Network) -> None:
        # Where it stands for ::1 too, nobody listens there.
        host = Host(name="localhost", port=host_of(listener).port)
        stream = await network.connect(host, deadline_s=network.now_s() + PLENTY_S)
        await stream.close()

    drive(driver, work)


def test_files_are_worked_with_and_time_passes(driver: str) -> None:
    def divide(dividend: int, *, by: int) -> int:
        return dividend // by

    async def work(network: Network) -> int:
        before_s = network.now_s()
        await network.sleep(0.01)
        assert network.now_s() >= before_s + 0.01
        with pytest.raises(ZeroDivisionError):
            await network.call(divide, 1, by=0)
        return await network.call(divide, 6, by=2)

    assert drive(driver, work) == 3

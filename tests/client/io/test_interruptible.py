from __future__ import annotations

import socket
import threading
import time

import pytest

from coffer_client.io.blocking import SocketStream, finish
from coffer_client.io.interruptible import InterruptibleSockets, InterruptibleStream
from coffer_protocol.address import Host

from .test_happy_eyeballs import listening

PLENTY_S = 30.0


async def connected(network: InterruptibleSockets) -> InterruptibleStream:
    stream = await network.connect(Host(name="coffer.example"), deadline_s=time.monotonic() + PLENTY_S)
    assert isinstance(stream, InterruptibleStream)
    return stream


def is_interrupted(stream: SocketStream, within_s: float = PLENTY_S) -> bool:
    return finish(stream.is_interrupted(deadline_s=time.monotonic() + within_s))


def stream_over(network: InterruptibleSockets, sock: socket.socket) -> InterruptibleStream:
    """A stream of this network over a socket that is there already."""
    return InterruptibleStream(sock, network.woken)


def test_another_thread_interrupts_a_wait() -> None:
    network = InterruptibleSockets()
    near, far = socket.socketpair()
    with near, far:
        thread = threading.Thread(target=network.interrupt)
        thread.start()
        assert is_interrupted(stream_over(network, near))
        thread.join()


def test_an_interruption_that_comes_early_is_for_the_next_wait_and_many_are_one() -> None:
    network = InterruptibleSockets()
    near, far = socket.socketpair()
    with near, far:
        stream = stream_over(network, near)
        # More than a pipe holds: nobody waits for its reader.
        for _ in range((1 << 16) + 1):
            network.interrupt()
        assert is_interrupted(stream)
        far.sendall(b"answer")
        while is_interrupted(stream):
            pass
        assert finish(stream.receive(deadline_s=time.monotonic() + PLENTY_S)) == b"answer"


def test_a_server_that_closes_ends_a_wait() -> None:
    network = InterruptibleSockets()
    near, far = socket.socketpair()
    with near:
        far.close()
        assert not is_interrupted(stream_over(network, near))


def test_a_wait_has_its_time() -> None:
    network = InterruptibleSockets()
    near, far = socket.socketpair()
    with near, far:
        stream = stream_over(network, near)
        for within_s in (0.01, -1):
            with pytest.raises(TimeoutError):
                is_interrupted(stream, within_s)


def test_other_sockets_are_never_interrupted() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert not is_interrupted(SocketStream(near))


def test_connections_are_of_this_kind() -> None:
    with listening("127.0.0.1") as here:
        network = InterruptibleSockets(resolve=lambda name, port: [here])
        stream = finish(connected(network))
        network.interrupt()
        assert is_interrupted(stream)
        finish(stream.close())

"""Bad input against a real server: each gets its documented end, no traceback is logged, and others are served on."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
from collections.abc import Iterator

import pytest

from coffer_protocol.errors import TruncatedError
from coffer_protocol.message import Get, KeyNotFound, Link, MessageType, OkGet
from coffer_protocol.session import ClientSession
from coffer_protocol.suite.box import BoxInitiator
from coffer_protocol.suite.noise import NoiseInitiator

from .publishing import Author, identity
from .running import RunningServer
from .sockets import Client, connect, link, opened, start, upload

WEB = identity(100)
BARE = identity(101)


@pytest.fixture(scope="module", autouse=True)
def author(server: RunningServer) -> Author:
    """The server has one release, with a client of each suite."""
    made = Author()
    server.add_publisher("web-shop", made.identity.public_text())
    upload(server.address, made, made.release([made.put(WEB.id(), b"web"), made.put(BARE.plain_id(), b"bare", alg=1)]))
    return made


@pytest.fixture(autouse=True)
def _goes_on(server: RunningServer, author: Author) -> Iterator[None]:
    """Whatever a test does, the server serves on, and has logged no fault."""
    yield
    assert server.process.poll() is None
    with link(server.address, WEB) as client:
        client.say(Get(), OkGet)
        # The server closes once it has logged what it did.
        client.socket.sendall(client.session.bye())
        assert client.socket.recv(1) == b""
    log = server.log_text()
    assert "Traceback" not in log
    assert "error" not in log


def ends_without_a_word(server: RunningServer, data: bytes) -> None:
    """The server closes without an answer."""
    with connect(server.address.hosts[0]) as connection:
        connection.sendall(data)
        # It may have closed with some of ours unread.
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def hello(server: RunningServer, *, plain: bool) -> bytes:
    if plain:
        return ClientSession(BoxInitiator(BARE, server.plain_address.server)).hello()
    return ClientSession(NoiseInitiator(WEB, server.address.server)).hello()


def test_random_bytes(server: RunningServer) -> None:
    draw = random.Random(20_261_123)
    for size in (3, 10, 152, 155, 1302, 1305, 2048, 2049, 60_000):
        ends_without_a_word(server, b"\xff\xff" + draw.randbytes(size) if size < 2049 else draw.randbytes(size))


@pytest.mark.parametrize("length", [0, 1, 151, 153, 1301, 1303, 0xFFFF])
def test_a_hello_of_a_wrong_length(server: RunningServer, length: int) -> None:
    # The header is enough: the rest is not waited for.
    ends_without_a_word(server, struct.pack(">HB", length, 0))


@pytest.mark.parametrize("kind", [kind for kind in MessageType if kind is not MessageType.HELLO])
def test_another_message_first(server: RunningServer, kind: MessageType) -> None:
    ends_without_a_word(server, struct.pack(">HB", 1302, kind))


@pytest.mark.parametrize("plain", [False, True])
def test_a_byte_of_a_hello_tampered_with_anywhere(server: RunningServer, plain: bool) -> None:
    data = bytearray(hello(server, plain=plain))
    # Behind the header: a length or a type that is wrong has tests of its own.
    for position in range(3, len(data)):
        data[position] ^= 1 << position % 8
        ends_without_a_word(server, bytes(data))
        data[position] ^= 1 << position % 8


@pytest.mark.parametrize("plain", [False, True])
def test_a_hello_for_another_server(server: RunningServer, plain: bool) -> None:
    other = identity(5)
    made = BoxInitiator(BARE, other.plain_id()) if plain else NoiseInitiator(WEB, other.id())
    ends_without_a_word(server, ClientSession(made).hello())


@pytest.mark.parametrize("plain", [False, True])
def test_a_replayed_hello_has_no_effect(server: RunningServer, plain: bool) -> None:
    data = hello(server, plain=plain)
    before = server.log_text()
    for _ in range(3):
        with connect(server.address.hosts[0]) as connection:
            connection.sendall(data)
            # An answer that only who made the Hello can open, and a fresh one each time.
            assert connection.recv(1)
    assert server.log_text() == before


def test_a_replayed_session_has_no_effect(server: RunningServer) -> None:
    with start(server.address, WEB) as client:
        client.expect(Link)
        recorded = client.session.send(Get())
        client.socket.sendall(recorded)
        client.expect(OkGet)
        client.socket.sendall(client.session.bye())
        assert client.socket.recv(1) == b""
    before = server.log_text().count("fetch served")
    with link(server.address, WEB) as other:
        other.socket.sendall(recorded)
        with pytest.raises(TruncatedError):
            other.receive()
    assert server.log_text().count("fetch served") == before


def test_a_second_hello(server: RunningServer) -> None:
    with link(server.address, WEB) as client:
        client.socket.sendall(hello(server, plain=False))
        with pytest.raises(TruncatedError):
            client.receive()


@pytest.mark.parametrize("kind", [MessageType.PUT, MessageType.COMMIT, MessageType.LINK, MessageType.OK_GET, 0x77])
def test_a_frame_out_of_its_turn(server: RunningServer, kind: int) -> None:
    with link(server.address, WEB) as client:
        # It cannot be opened, so anybody on the way could have sent it.
        client.socket.sendall(struct.pack(">HB", 100, kind) + bytes(100))
        with pytest.raises(TruncatedError):
            client.receive()


@pytest.mark.parametrize("position", [3, 10, -1])
def test_a_byte_of_a_later_frame_tampered_with(server: RunningServer, position: int) -> None:
    with link(server.address, WEB) as client:
        frame = bytearray(client.session.send(Get()))
        frame[position] ^= 1
        client.socket.sendall(frame)
        with pytest.raises(TruncatedError):
            client.receive()


def test_a_frame_that_is_too_long(server: RunningServer) -> None:
    with link(server.plain_address, BARE, plain=True) as client:
        # Its header is enough: the content is not waited for.
        client.socket.sendall(struct.pack(">HB", 0xFFFF, MessageType.GET))
        with pytest.raises(TruncatedError):
            client.receive()


@pytest.mark.parametrize("sent", [0, 1, 3, 700, 1304])
def test_a_client_that_stops_half_way_through_its_hello(server: RunningServer, sent: int) -> None:
    with connect(server.address.hosts[0]) as connection:
        connection.sendall(hello(server, plain=False)[:sent])


def hang_up(client: Client) -> None:
    """Close without a word, and wait until the server has noticed: the next upload would find it busy."""
    client.socket.shutdown(socket.SHUT_WR)
    assert client.socket.recv(1) == b""


def test_a_client_that_stops_after_each_step(server: RunningServer, author: Author) -> None:
    start(server.address, WEB).socket.close()
    link(server.address, WEB).socket.close()
    with link(server.address, WEB) as client:
        client.send(Get())
    with opened(server.address, author) as client:
        client.send(author.put(WEB.id(), bytes(1 << 20)))
        hang_up(client)
    with opened(server.address, author) as client:
        client.socket.sendall(client.session.send(author.put(WEB.id(), bytes(1 << 20)))[:100_000])
        hang_up(client)


def test_strangers(server: RunningServer) -> None:
    for plain in (False, True):
        with start(server.plain_address if plain else server.address, identity(404), plain=plain) as client:
            client.expect(KeyNotFound)


def test_a_client_that_never_reads(server: RunningServer) -> None:
    held: list[Client] = []
    try:
        for _ in range(20):
            client = link(server.address, WEB)
            client.send(Get())
            held.append(client)
        with link(server.address, WEB) as other:
            other.say(Get(), OkGet)
    finally:
        for client in held:
            client.socket.close()


def test_the_wrong_suite(server: RunningServer, author: Author) -> None:
    wrong = identity(6)
    changes = [author.put(wrong.id(), b"x", alg=1), author.put(wrong.plain_id(), b"x")]
    upload(server.address, author, author.release(changes))
    with start(server.address, wrong) as client:
        client.expect_error("suite")
    with start(server.plain_address, wrong, plain=True) as client:
        client.expect_error("suite")

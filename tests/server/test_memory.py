"""What broken sessions leave in a server's memory: nothing.

The kernel tells the resident memory of a real server. `SESSIONS` are opened and broken in each state that a session can be in. A server
that kept 10 KB of each would grow by twice what is allowed.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from coffer_protocol.address import ServerAddress
from coffer_protocol.message import Get, KeyNotFound, MessageType, OkGet, OkOpen, Open, Watch

from .publishing import Author, identity
from .running import RunningServer, running_server
from .sockets import Client, connect, link, start, upload

SESSIONS: Final = 1000
# So many make what is made once: caches, threads, the allocator's own reserves.
WARM_UP: Final = 200
KEPT_OF_EACH_BYTES: Final = 10_000
ALLOWED_BYTES: Final = SESSIONS * KEPT_OF_EACH_BYTES // 2
# Far more than it takes, for the machine may have much else to do.
PATIENCE_S: Final = 120.0

WEB = identity(100)
STRANGER = identity(101)
AUTHOR = Author()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with one release, whose client has a large shard."""
    with running_server(tmp_path_factory.mktemp("memory") / "state") as running:
        running.add_publisher(AUTHOR.coffer, AUTHOR.identity.public_text())
        upload(running.address, AUTHOR, AUTHOR.release([AUTHOR.put(WEB.id(), bytes(200_000))]))
        yield running


def nothing(address: ServerAddress) -> None:
    with connect(address.hosts[0]):
        pass


def half_a_hello(address: ServerAddress) -> None:
    with connect(address.hosts[0]) as connection:
        connection.sendall(b"\x05\x16\x00\x01" + bytes(600))


def no_hello(address: ServerAddress) -> None:
    with connect(address.hosts[0]) as connection:
        connection.sendall(b"\x05\x16\x00\x01" + random.randbytes(1301))


def an_unknown_key(address: ServerAddress) -> None:
    with start(address, STRANGER) as client:
        client.expect(KeyNotFound)


def a_link_alone(address: ServerAddress) -> None:
    with link(address, WEB):
        pass


def a_frame_that_does_not_open(address: ServerAddress) -> None:
    with link(address, WEB) as client:
        client.socket.sendall(b"\x00\x20" + bytes([MessageType.ASK]) + random.randbytes(32))


def a_denied_upload(address: ServerAddress) -> None:
    with link(address, WEB) as client:
        client.send(Open(coffer=AUTHOR.coffer))
        client.expect_error("denied")


def an_answer_that_nobody_reads(address: ServerAddress) -> None:
    with link(address, WEB) as client:
        client.send(Get())


def a_watcher(address: ServerAddress) -> None:
    with link(address, WEB) as client:
        client.say(Get(), OkGet)
        client.send(Watch(serial=1))


def opened(address: ServerAddress) -> Client:
    """Begin a release, and wait until no other is open."""
    while True:
        client = link(address, AUTHOR.identity)
        client.send(Open(coffer=AUTHOR.coffer))
        if isinstance(client.receive(), OkOpen):
            return client
        client.socket.close()


def an_upload(address: ServerAddress) -> None:
    with opened(address) as client:
        client.send(AUTHOR.put(WEB.id(), b"another"))


def half_a_message_in_parts(address: ServerAddress) -> None:
    with opened(address) as client:
        first, *_ = client.session.send_pieces(AUTHOR.put(WEB.id(), bytes(200_000)))
        client.socket.sendall(first)


def connections(server: RunningServer) -> int:
    return server.health().connections


def memory_bytes(server: RunningServer) -> int:
    """Return the resident memory of a server that has no connections any more."""
    deadline = time.monotonic() + PATIENCE_S
    while connections(server):
        assert time.monotonic() < deadline, "the server keeps connections"
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


@pytest.mark.parametrize(
    "breaks_off",
    [
        nothing, half_a_hello, no_hello, an_unknown_key, a_link_alone, a_frame_that_does_not_open, a_denied_upload,
        an_answer_that_nobody_reads, a_watcher, an_upload, half_a_message_in_parts,
    ],
)  # fmt: skip
def test_a_broken_session_leaves_nothing_in_memory(server: RunningServer, breaks_off: Callable[[ServerAddress], None]) -> None:
    for _ in range(WARM_UP):
        breaks_off(server.address)
    before = memory_bytes(server)
    for _ in range(SESSIONS):
        breaks_off(server.address)
    grown = memory_bytes(server) - before
    print(f"{breaks_off.__name__}: {grown / SESSIONS:,.0f} bytes a session")
    assert grown < ALLOWED_BYTES

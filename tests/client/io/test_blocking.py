from __future__ import annotations

import socket
import time
from collections.abc import AsyncGenerator, Generator, Sequence

import pytest

from coffer_client.io.blocking import Sockets, SocketStream, finish, iterate
from coffer_protocol.address import Host
from coffer_protocol.errors import UnreachableError
from coffer_protocol.lean import TYPE_CHECKING

from .test_happy_eyeballs import black_hole, closed, listening

if TYPE_CHECKING:
    from coffer_client.io.happy_eyeballs import Endpoint

PLENTY_S = 30.0


class Suspending:
    """What an event loop would be waited for with."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def connect(*places: Endpoint) -> None:
    """Connect to a name that stands for these."""
    asked: list[tuple[bytes, int]] = []

    def resolve(name: bytes, port: int) -> Sequence[Endpoint]:
        asked.append((name, port))
        return places

    async def work() -> None:
        stream = await Sockets(resolve=resolve).connect(Host(name="coffer.example"), deadline_s=time.monotonic() + PLENTY_S)
        await stream.close()

    finish(work())
    assert asked == [(b"coffer.example", 26337)]


def test_a_name_with_several_addresses_is_reached_by_the_one_that_answers() -> None:
    with closed("::1") as refusing, black_hole("127.0.0.1") as hole, listening("::1") as here:
        connect(refusing, hole, here)


def test_a_name_whose_addresses_refuse_is_named_with_the_reason() -> None:
    with closed("::1") as one, closed("127.0.0.1") as other, pytest.raises(UnreachableError, match=r"^coffer\.example: Connection refused"):
        connect(one, other)


def test_a_deadline_is_one_for_all_that_is_done_under_it() -> None:
    left_s: list[float] = []

    async def work(near: socket.socket, far: socket.socket) -> None:
        stream = SocketStream(near)
        deadline_s = time.monotonic() + PLENTY_S
        for _ in range(2):
            await stream.send(b"question", deadline_s=deadline_s)
            left_s.append(near.gettimeout() or 0)
            far.sendall(b"answer")
            assert await stream.receive(deadline_s=deadline_s) == b"answer"
            left_s.append(near.gettimeout() or 0)

    near, far = socket.socketpair()
    with near, far:
        finish(work(near, far))
    # Whatever is done has what is left, and no new time.
    assert PLENTY_S >= left_s[0] > left_s[1] > left_s[2] > left_s[3] > 0


def test_what_would_wait_for_an_event_loop_is_an_error_and_is_closed() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await Suspending()
        finally:
            ended.append("closed")

    with pytest.raises(RuntimeError, match="event loop"):
        finish(work())
    assert ended == ["closed"]


def test_a_generator_is_closed_with_its_iterator() -> None:
    ended: list[int] = []

    async def events() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            ended.append(1)

    assert list(iterate(events())) == [1, 2]
    for number in iterate(events()):
        assert number == 1
        break
    assert ended == [1, 1]

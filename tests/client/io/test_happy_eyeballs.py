from __future__ import annotations

import _socket
import contextlib
import os
import socket
import time
from collections.abc import Iterator

import pytest

from coffer_client.io.happy_eyeballs import _Attempts, dial, interleaved
from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from coffer_client.io.happy_eyeballs import Endpoint

# Nothing here takes so long; it ends a test that would hang.
PLENTY_S = 30.0


def place(host: str, port: int) -> Endpoint:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return (family, socket.SOCK_STREAM, 0, "", (host, port))


@contextlib.contextmanager
def listening(host: str) -> Iterator[Endpoint]:
    """Takes connections."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        yield place(host, listener.getsockname()[1])


@contextlib.contextmanager
def closed(host: str) -> Iterator[Endpoint]:
    """Refuses them: the port is taken, and nobody listens."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        taken.bind((host, 0))
        yield place(host, taken.getsockname()[1])


@contextlib.contextmanager
def black_hole(host: str) -> Iterator[Endpoint]:
    """Answers nothing: its backlog is full, so that the kernel drops what asks for more."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen(0)
        with socket.create_connection(listener.getsockname()[:2]):
            yield place(host, listener.getsockname()[1])


def in_s(seconds: float) -> float:
    return time.monotonic() + seconds


def peer_of(connected: _socket.socket) -> tuple[str, int]:
    with contextlib.closing(connected):
        host, port, *_ = connected.getpeername()
    return host, port


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


SIX = [place(f"2001:db8::{number}", 1) for number in range(3)]
FOUR = [place(f"192.0.2.{number}", 1) for number in range(3)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        (SIX, SIX),
        ([*SIX, *FOUR], [SIX[0], FOUR[0], SIX[1], FOUR[1], SIX[2], FOUR[2]]),
        # The system knows which family is the better one here: its first place stays the first (RFC 8305, 4).
        ([*FOUR, *SIX], [FOUR[0], SIX[0], FOUR[1], SIX[1], FOUR[2], SIX[2]]),
        ([*SIX, FOUR[0]], [SIX[0], FOUR[0], SIX[1], SIX[2]]),
        ([SIX[0], *FOUR], [SIX[0], *FOUR]),
    ],
)
def test_the_families_come_by_turns(given: list[Endpoint], expected: list[Endpoint]) -> None:
    assert list(interleaved(given)) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_family_is_connected_to(host: str) -> None:
    with listening(host) as here:
        assert peer_of(dial([here], deadline_s=in_s(PLENTY_S))) == here[4][:2]


@pytest.mark.parametrize(("first", "second"), [("::1", "127.0.0.1"), ("127.0.0.1", "::1")])
def test_a_family_that_answers_nothing_does_not_hold_up_the_other(first: str, second: str) -> None:
    # Were they tried one after the other, the first would take all the time that there is.
    with black_hole(first) as hole, listening(second) as here:
        assert peer_of(dial([hole, here], deadline_s=in_s(PLENTY_S))) == here[4][:2]


def test_the_next_attempt_begins_at_once_where_one_is_refused() -> None:
    with closed("::1") as refusing, listening("127.0.0.1") as here:
        # There would be no time for a delay after each of them.
        assert peer_of(dial([*[refusing] * 400, here], deadline_s=in_s(PLENTY_S))) == here[4][:2]


def test_a_family_that_the_system_does_not_have_is_passed_over() -> None:
    with listening("127.0.0.1") as here:
        unknown: Endpoint = (9999, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
        assert peer_of(dial([unknown, here], deadline_s=in_s(PLENTY_S))) == here[4][:2]


def test_what_has_not_won_is_closed() -> None:
    with black_hole("127.0.0.1") as hole, listening("127.0.0.1") as here:
        before = open_descriptors()
        with contextlib.closing(dial([hole, hole, here], deadline_s=in_s(PLENTY_S))):
            assert open_descriptors() == before + 1
        with pytest.raises(TimeoutError):
            dial([hole, hole], deadline_s=in_s(0.3))
        assert open_descriptors() == before


def test_where_all_are_refused_the_last_reason_is_given() -> None:
    with closed("127.0.0.1") as one, closed("::1") as other, pytest.raises(ConnectionError, match="Connection refused"):
        dial([one, other], deadline_s=in_s(PLENTY_S))


def test_nowhere_to_go_is_a_reason_too() -> None:
    with pytest.raises(ConnectionError, match="no address"):
        dial([], deadline_s=in_s(PLENTY_S))


def test_one_that_answers_nothing_meets_the_deadline() -> None:
    with black_hole("127.0.0.1") as hole, pytest.raises(TimeoutError):
        dial([hole], deadline_s=in_s(0.05))


def test_one_that_was_slow_can_still_win() -> None:
    with socket.socket() as listener, black_hole("127.0.0.1") as hole:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.create_connection(listener.getsockname()), contextlib.closing(_Attempts()) as attempts:
            assert attempts.begin(place(*listener.getsockname()))
            assert attempts.wait(in_s(PLENTY_S), in_s(0)) is None
            assert attempts.begin(hole)
            # Now there is room, which the kernel finds out when it asks again.
            listener.accept()[0].close()
            while (connected := attempts.wait(in_s(PLENTY_S))) is None:
                pass
            assert peer_of(connected) == listener.getsockname()

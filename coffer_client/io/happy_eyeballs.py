"""Connecting to one of several addresses, with non-blocking sockets and poll: Happy Eyeballs (RFC 8305, 4 and 5).

If one family of addresses is broken, that costs a quarter of a second, and not the whole time that a host has. The system resolves and
sorts (RFC 6724), and gives all addresses at once. Nothing runs in the background: when one attempt has connected, the others are closed
before `dial` returns.
"""

from __future__ import annotations

# The standard library's `socket` is built on this. It loads no enumerations and selectors, which would slow an application's start.
import _socket
import errno
import os
import select
import time

from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final, TypeAlias

    # As getaddrinfo returns them: family, kind, protocol, canonical name, and address.
    Endpoint: TypeAlias = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]

# The Connection Attempt Delay that RFC 8305, 8 recommends.
ATTEMPT_DELAY_S: Final = 0.25


def resolve(name: bytes, port: int) -> Sequence[Endpoint]:
    """Return the addresses of a name in the system's order. The system takes as long as it likes.

    Args:
        name: in ASCII. Text would be encoded by the idna codec, whose tables take milliseconds to load.
        port: the TCP port.

    Raises:
        OSError: the name has no address.
    """
    return _socket.getaddrinfo(name, port, type=_socket.SOCK_STREAM)


def interleaved(places: Sequence[Endpoint]) -> Iterator[Endpoint]:
    """Return the places in the system's order, but with the two families in turn; the first place stays the first (RFC 8305, 4)."""
    first = [place for place in places if place[0] == places[0][0]]
    others = [place for place in places if place[0] != places[0][0]]
    for number in range(max(len(first), len(others))):
        yield from first[number : number + 1]
        yield from others[number : number + 1]


def dial(places: Sequence[Endpoint], *, deadline_s: float) -> _socket.socket:
    """Return a connected socket: that of the first attempt that connects.

    The next attempt begins when the last one has failed, or has not connected after a while.

    Args:
        places: the addresses, in the system's order.
        deadline_s: the end of the time for this, on the monotonic clock.

    Raises:
        ConnectionError: every attempt failed; the text is the reason of the last failure.
        TimeoutError: none connected in time.
    """
    attempts = _Attempts()
    try:
        for place in interleaved(places):
            if attempts.begin(place) and (connected := attempts.wait(deadline_s, time.monotonic() + ATTEMPT_DELAY_S)):
                return connected
        while attempts.are_pending:
            if connected := attempts.wait(deadline_s):
                return connected
    finally:
        attempts.close()
    raise ConnectionError(attempts.failure)


class _Attempts:
    """The attempts that are under way."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._pending: dict[int, _socket.socket] = {}
        # Why the last attempt failed, for people.
        self.failure = "it has no address"

    @property
    def are_pending(self) -> bool:
        return bool(self._pending)

    def begin(self, place: Endpoint) -> bool:
        """Begin an attempt, and return whether that was possible."""
        family, kind, protocol, _, address = place
        try:
            sock = _socket.socket(family, kind, protocol)
        except OSError as error:
            # This system does not have the family.
            self.failure = error.strerror or str(error)
            return False
        sock.setblocking(False)
        code = sock.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            self._fail(sock, code)
            return False
        self._pending[sock.fileno()] = sock
        self._poll.register(sock, select.POLLOUT)
        return True

    def wait(self, deadline_s: float, until_s: float = float("inf")) -> _socket.socket | None:
        """Return the first socket that has connected; None when one has failed, or when `until_s` has come.

        Raises:
            TimeoutError: the deadline has come.
        """
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        # In short rounds, because poll takes no more than some weeks.
        for descriptor, _ in self._poll.poll(max(0.0, min(left_s, until_s - time.monotonic(), 1.0)) * 1000):
            sock = self._pending.pop(descriptor)
            self._poll.unregister(sock)
            if not (code := sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)):
                return sock
            self._fail(sock, code)
        return None

    def _fail(self, sock: _socket.socket, code: int) -> None:
        sock.close()
        self.failure = os.strerror(code)

    def close(self) -> None:
        """Close every socket that has not connected."""
        for sock in self._pending.values():
            sock.close()

"""The network over plain sockets, for callers without an event loop and for start-ups that should not pay for one.

Its coroutines never suspend: each one returns when its work is done. So `finish` can run any coroutine that waits for nothing else to its
end in one step.
"""

from __future__ import annotations

import time

from coffer_protocol.lean import TYPE_CHECKING

from ..conversation.network import RECEIVE_BYTES, Network, Stream, unreached, unresolved
from .happy_eyeballs import dial, resolve

if TYPE_CHECKING:
    import _socket
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
    from typing import Any, Final, TypeVar

    from coffer_protocol.address import Host

    from ..conversation.network import P, T
    from .happy_eyeballs import Endpoint

    Y = TypeVar("Y")

_DAY_S: Final = 86400.0


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for `Sockets` alone to its end; return what it returns, and raise what it raises.

    Raises:
        RuntimeError: the coroutine waits for an event loop.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("this was begun in an event loop and can continue only there")


def iterate(events: AsyncGenerator[Y, None]) -> Generator[Y, None, None]:
    """Yield what an asynchronous generator yields that waits for `Sockets` alone. Closing this one closes that one."""
    try:
        while True:
            try:
                event = finish(anext(events))
            except StopAsyncIteration:
                return
            yield event
    finally:
        finish(events.aclose())


class Sockets(Network):
    """The network over blocking sockets. The system's resolver has no deadline: it can neither be interrupted nor be left running."""

    def __init__(self, *, resolve: Callable[[bytes, int], Sequence[Endpoint]] = resolve) -> None:
        """Take the resolver: `resolve` returns the addresses of a name, or raises OSError."""
        self._resolve = resolve

    def now_s(self) -> float:
        return time.monotonic()

    async def connect(self, host: Host, *, deadline_s: float) -> Stream:
        try:
            places = self._resolve(host.name.encode(), host.port)
        except OSError as error:
            raise unresolved(host, error) from None
        try:
            return self._connected(places, deadline_s)
        except ConnectionError as error:
            raise unreached(host, str(error)) from None

    def _connected(self, places: Sequence[Endpoint], deadline_s: float) -> SocketStream:
        return SocketStream(dial(places, deadline_s=deadline_s))

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 (no event loop waits for it)

    async def call(self, function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        return function(*arguments, **keywords)


class SocketStream(Stream):
    """A connection over a blocking socket."""

    def __init__(self, sock: _socket.socket) -> None:
        self._socket = sock

    async def send(self, data: bytes, *, deadline_s: float) -> None:
        self._allow(deadline_s)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise
        except OSError:
            return

    async def receive(self, *, deadline_s: float) -> bytes:
        self._allow(deadline_s)
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            raise
        except OSError:
            # A reset means the same as the end of the stream: the server has closed.
            return b""

    async def close(self) -> None:
        self._socket.close()

    def _allow(self, deadline_s: float) -> None:
        """Give the next operation the time that is left.

        Raises:
            TimeoutError: no time is left.
        """
        left_s = deadline_s - time.monotonic()
        # A timeout of 0 would make the socket non-blocking.
        if left_s <= 0:
            raise TimeoutError
        # No deadline is more than a day away, and years would be too much for the system's clock.
        self._socket.settimeout(min(left_s, _DAY_S))

"""The network over plain sockets, for whoever has no event loop, and an application's start that should not pay for one.

Its coroutines never suspend: each returns when what it does is done. So `finish` takes any coroutine that waits for nothing else to its end
in one step.
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
    """What a coroutine returns, or raises, that waits for `Sockets` alone."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("this was begun in an event loop, and can only go on there")


def iterate(events: AsyncGenerator[Y, None]) -> Generator[Y, None, None]:
    """What an asynchronous generator yields that waits for `Sockets` alone. Closed, it closes that."""
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
    """Blocking sockets. The one wait without a deadline is the system's resolver, which can be neither interrupted nor left behind."""

    def __init__(self, *, resolve: Callable[[bytes, int], Sequence[Endpoint]] = resolve) -> None:
        """`resolve` gives the addresses of a name, or raises OSError."""
        self._resolve = resolve

    def now_s(self) -> float:
        """As `Network`."""
        return time.monotonic()

    async def connect(self, host: Host, *, deadline_s: float) -> Stream:
        """As `Network`."""
        try:
            places = self._resolve(host.name.encode(), host.port)
        except OSError as error:
            raise unresolved(host, error) from None
        try:
            return SocketStream(dial(places, deadline_s=deadline_s))
        except ConnectionError as error:
            raise unreached(host, str(error)) from None

    async def sleep(self, seconds: float) -> None:
        """As `Network`."""
        time.sleep(seconds)  # noqa: ASYNC251 (no event loop waits for it)

    async def call(self, function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        """As `Network`: here, and now."""
        return function(*arguments, **keywords)


class SocketStream(Stream):
    """A connected socket."""

    def __init__(self, sock: _socket.socket) -> None:
        self._socket = sock

    async def send(self, data: bytes, *, deadline_s: float) -> None:
        """As `Stream`."""
        self._allow(deadline_s)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise
        except OSError:
            return

    async def receive(self, *, deadline_s: float) -> bytes:
        """As `Stream`."""
        self._allow(deadline_s)
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            raise
        except OSError:
            # A reset says what the end of the stream says: the server has closed.
            return b""

    async def close(self) -> None:
        """As `Stream`."""
        self._socket.close()

    def _allow(self, deadline_s: float) -> None:
        """Let the next operation take what is left."""
        left_s = deadline_s - time.monotonic()
        # For a socket, 0 would mean that it does not block.
        if left_s <= 0:
            raise TimeoutError
        # Nor is more than a day anybody's deadline, and years would be too much for the system's clock.
        self._socket.settimeout(min(left_s, _DAY_S))

"""What a conversation with a server needs from its surroundings: connections, the time, and this machine's files.

The conversation itself (the other modules of this folder) is written once, as coroutines that wait for a `Network` and for nothing else.
There are two networks. That of `io/blocking.py` has plain sockets: each wait is over when its call returns, so no event loop is needed.
That of `io/eventloop.py` has anyio, for applications with an event loop. Deadlines are moments on the network's own clock.
"""

from __future__ import annotations

from coffer_protocol.errors import UnreachableError
from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, ParamSpec, TypeVar

    from coffer_protocol.address import Host

    P = ParamSpec("P")
    T = TypeVar("T")

# The most bytes that are read at once.
RECEIVE_BYTES: Final = 1 << 16


class Stream:
    """One connection. After an error, it can only be closed."""

    async def send(self, data: bytes, *, deadline_s: float) -> None:
        """Send all of `data`. If the server has closed, the data is lost without an error, and what it sent before can still be received.

        Raises:
            TimeoutError: the server did not take it in time.
        """
        raise NotImplementedError

    async def receive(self, *, deadline_s: float) -> bytes:
        """Return some bytes; b"" if the server has closed, in whatever way.

        Raises:
            TimeoutError: nothing came in time.
        """
        raise NotImplementedError

    async def is_interrupted(self, *, deadline_s: float) -> bool:
        """Wait until there is something to receive, and return False; or until another thread interrupts this wait, and return True.

        A stream that nobody can interrupt returns False at once: `receive` waits.

        Raises:
            TimeoutError: neither happened in time.
        """
        return False

    async def close(self) -> None:
        """Close the connection without sending anything."""
        raise NotImplementedError


class Network:
    """One way to connect and to wait."""

    def now_s(self) -> float:
        """Return the seconds on a clock that is never set."""
        raise NotImplementedError

    async def connect(self, host: Host, *, deadline_s: float) -> Stream:
        """Connect to the first of the host's addresses that accepts (RFC 8305).

        Raises:
            UnreachableError: the name has no address (`unresolved`), or none of its addresses accepts (`unreached`).
            TimeoutError: none accepted in time.
        """
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        """Wait for some seconds."""
        raise NotImplementedError

    async def call(self, function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        """Call a function that works with files, and may wait for the disk or for another process. Return what it returns."""
        raise NotImplementedError


def unresolved(host: Host, error: OSError) -> UnreachableError:
    """Return the error for a name that the system does not resolve."""
    return UnreachableError(f"{host}: the name cannot be resolved ({error.strerror}): compare it with the address from your operator")


def unreached(host: Host, reason: str) -> UnreachableError:
    """Return the error for a host of which no address accepts a connection."""
    return UnreachableError(
        f"{host}: {reason}", hint="is the server running (coffer-server run), and is this the address from your operator?"
    )

"""What a conversation with a server needs of the world: connections, the time, and this machine's files.

The conversation itself (`connection`, `source`, `fetch`, `watching`) is written once, as coroutines that wait for a `Network` and for
nothing else. There are two: over plain sockets each wait is over when its call returns, so that no event loop is needed (`blocking`); and
anyio's, for applications that have one (`eventloop`). Deadlines are moments on the network's own clock.
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

# The most that is read at once.
RECEIVE_BYTES: Final = 1 << 16


class Stream:
    """One connection. After an error it can only be closed."""

    async def send(self, data: bytes, *, deadline_s: float) -> None:
        """Send all of it. Where the server has closed, it is lost without a word: what the server said before is still to be received.

        Raises:
            TimeoutError: it was not taken in time.
        """
        raise NotImplementedError

    async def receive(self, *, deadline_s: float) -> bytes:
        """Some bytes; b"" where the server has closed, in whatever way.

        Raises:
            TimeoutError: none came in time.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Close it, without a word."""
        raise NotImplementedError


class Network:
    """A way to wait."""

    def now_s(self) -> float:
        """The seconds on a clock that is never set."""
        raise NotImplementedError

    async def connect(self, host: Host, *, deadline_s: float) -> Stream:
        """A connection to the first of the host's addresses that takes one (RFC 8305).

        Raises:
            UnreachableError: the name has no address (`unresolved`), or none of its addresses takes one (`unreached`).
            TimeoutError: none did in time.
        """
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    async def call(self, function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        """What a function returns that works with files, and may wait for the disk or for another process."""
        raise NotImplementedError


def unresolved(host: Host, error: OSError) -> UnreachableError:
    """What to tell people where the system does not resolve a name."""
    return UnreachableError(f"{host}: the name cannot be resolved ({error.strerror}): compare it with the operator's address")


def unreached(host: Host, reason: str) -> UnreachableError:
    """What to tell people where no address of a host takes a connection."""
    return UnreachableError(f"{host}: {reason}. Is the server running (`coffer-server run`), and is the address the operator's?")

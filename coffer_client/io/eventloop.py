"""The network of anyio, for applications on asyncio or trio. Needs the extra `async`.

Files are read and written in a thread of the event loop's own pool, because a disk may be slow. No part of a connection and no task
outlives its purpose.
"""

from __future__ import annotations

import os
import socket
from functools import partial

from coffer_protocol.errors import UnavailableError
from coffer_protocol.lean import TYPE_CHECKING

from ..conversation.network import RECEIVE_BYTES, Network, Stream, unreached, unresolved

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coffer_protocol.address import Host

    from ..conversation.network import P, T

try:
    import anyio
    import anyio.abc
except ModuleNotFoundError as missing:
    from coffer_common.program import with_extra

    raise UnavailableError(f"{missing.name} is not installed, and fetching in an event loop needs it: {with_extra('async')}") from None


class EventLoop(Network):
    """The event loop that runs the caller, through anyio.

    A deadline also holds for the system's resolver. Its thread ends when the system has answered; only the end of the loop waits for it.
    """

    def __init__(self, *, connect_tcp: Callable[[str, int], Awaitable[anyio.abc.ByteStream]] = anyio.connect_tcp) -> None:
        """Take the connector: `connect_tcp` connects to a name and a port, or raises OSError. anyio's own follows RFC 8305."""
        self._connect_tcp = connect_tcp

    def now_s(self) -> float:
        return anyio.current_time()

    async def connect(self, host: Host, *, deadline_s: float) -> Stream:
        try:
            with anyio.fail_after(deadline_s - anyio.current_time()):
                return ByteStream(await self._connect_tcp(host.name, host.port))
        except TimeoutError:
            raise
        except OSError as error:
            if isinstance(error, socket.gaierror):
                raise unresolved(host, error) from None
            raise unreached(host, _reason(error)) from None

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def call(self, function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        # What a thread has begun it finishes, even if the caller is cancelled.
        return await anyio.to_thread.run_sync(partial(function, *arguments, **keywords))


def _reason(error: OSError) -> str:
    """Return why the last attempt failed, from what anyio says about all of them."""
    cause = error.__cause__
    while isinstance(cause, ExceptionGroup):
        cause = cause.exceptions[-1]
    last = cause if isinstance(cause, OSError) else error
    # asyncio replaces the system's words by the address.
    return os.strerror(last.errno) if last.errno else str(last)


class ByteStream(Stream):
    """A connection over a stream of anyio's."""

    def __init__(self, stream: anyio.abc.ByteStream) -> None:
        self._stream = stream

    async def send(self, data: bytes, *, deadline_s: float) -> None:
        with anyio.fail_after(deadline_s - anyio.current_time()):
            try:
                await self._stream.send(data)
            except anyio.BrokenResourceError:
                return

    async def receive(self, *, deadline_s: float) -> bytes:
        with anyio.fail_after(deadline_s - anyio.current_time()):
            try:
                return await self._stream.receive(RECEIVE_BYTES)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return b""

    async def close(self) -> None:
        await anyio.aclose_forcefully(self._stream)

"""The network of anyio, for applications on asyncio or trio. Needs the extra `async`.

Files are read and written in a thread of the event loop's own pool, for a disk may take its time. Nothing of a connection, and no task,
outlives what it was for.
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
    raise UnavailableError(
        f"{missing.name} is missing: fetching in an event loop needs the extra `async` (pip install 'coffer-secrets[async]')"
    ) from None


class EventLoop(Network):
    """The event loop that runs the caller, through anyio.

    A deadline holds for the system's resolver too; its thread ends when the system has answered, which nobody waits for but the loop's end.
    """

    def __init__(self, *, connect_tcp: Callable[[str, int], Awaitable[anyio.abc.ByteStream]] = anyio.connect_tcp) -> None:
        """`connect_tcp` connects to a name and a port, or raises OSError; anyio's own does it as RFC 8305 has it."""
        self._connect_tcp = connect_tcp

    def now_s(self) -> float:
        """As `Network`: the loop's clock."""
        return anyio.current_time()

    async def connect(self, host: Host, *, deadline_s: float) -> Stream:
        """As `Network`."""
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
        """As `Network`."""
        await anyio.sleep(seconds)

    async def call(self, function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        """As `Network`: in a thread of the loop's. What has begun is finished, also where the caller is cancelled."""
        return await anyio.to_thread.run_sync(partial(function, *arguments, **keywords))


def _reason(error: OSError) -> str:
    """Why the last attempt failed, out of what anyio says of them all."""
    cause = error.__cause__
    while isinstance(cause, ExceptionGroup):
        cause = cause.exceptions[-1]
    last = cause if isinstance(cause, OSError) else error
    # asyncio puts the address in the place of the system's words.
    return os.strerror(last.errno) if last.errno else str(last)


class ByteStream(Stream):
    """A stream of anyio's."""

    def __init__(self, stream: anyio.abc.ByteStream) -> None:
        self._stream = stream

    async def send(self, data: bytes, *, deadline_s: float) -> None:
        """As `Stream`."""
        with anyio.fail_after(deadline_s - anyio.current_time()):
            try:
                await self._stream.send(data)
            except anyio.BrokenResourceError:
                return

    async def receive(self, *, deadline_s: float) -> bytes:
        """As `Stream`."""
        with anyio.fail_after(deadline_s - anyio.current_time()):
            try:
                return await self._stream.receive(RECEIVE_BYTES)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return b""

    async def close(self) -> None:
        """As `Stream`."""
        await anyio.aclose_forcefully(self._stream)

"""The network over plain sockets, for a thread that waits for a server while another thread has something to send.

`run --watch` restarts its command in the main thread. Then the thread that waits for the next release must send a receipt, at once: only
that thread uses the session.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from .blocking import Sockets, SocketStream
from .happy_eyeballs import dial, resolve

if TYPE_CHECKING:
    import _socket

    from .happy_eyeballs import Endpoint

_PIPE_BYTES: Final = 1 << 16


class InterruptibleSockets(Sockets):
    """Sockets that wait for messages until another thread calls `interrupt`. They are for one conversation, as long as the process.

    Attributes:
        woken: the end of a pipe from which each interruption can be read.
    """

    def __init__(self, *, resolve: Callable[[bytes, int], Sequence[Endpoint]] = resolve) -> None:
        """Take the resolver, as `Sockets` does."""
        super().__init__(resolve=resolve)
        self.woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    def interrupt(self) -> None:
        """Interrupt the wait of the conversation's thread: the one that it is in, or otherwise the next one."""
        # If the pipe is full, that thread has been interrupted and does not know it yet.
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"\0")

    def _connected(self, places: Sequence[Endpoint], deadline_s: float) -> SocketStream:
        return InterruptibleStream(dial(places, deadline_s=deadline_s), self.woken)


class InterruptibleStream(SocketStream):
    """A connection of `InterruptibleSockets`."""

    def __init__(self, sock: _socket.socket, woken: int) -> None:
        """Take a socket, and `InterruptibleSockets.woken`."""
        super().__init__(sock)
        self._woken = woken

    async def is_interrupted(self, *, deadline_s: float) -> bool:
        waiting = select.poll()
        for descriptor in (self._socket.fileno(), self._woken):
            waiting.register(descriptor, select.POLLIN)
        ready = [descriptor for descriptor, _ in waiting.poll(max(0.0, deadline_s - time.monotonic()) * 1000)]
        if not ready:
            raise TimeoutError
        if self._woken not in ready:
            return False
        os.read(self._woken, _PIPE_BYTES)
        return True

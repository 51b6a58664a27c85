"""A connection's bytes: a session over a stream, with a deadline on everything (docs/protocol.md, 9)."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from typing import Final

import trio

from coffer_protocol import limits
from coffer_protocol.errors import LimitError, LocalProtocolError, RemoteProtocolError
from coffer_protocol.message import Error, Message
from coffer_protocol.session import ServerSession

from .unfinished import Unfinished

RECEIVE_BYTES: Final = 64 << 10
SILENCE_S: Final = limits.UPLOAD_SILENCE_S
# How long a peer that is told of an error may go on sending: closed earlier, the kernel would throw away what it has not read yet.
LINGER_S: Final = 5.0


class Channel:
    """The messages from and to one peer.

    Every method may raise trio.TooSlowError, if the peer is silent or does not read, and trio.BrokenResourceError, if the peer is gone.
    """

    def __init__(self, stream: trio.abc.HalfCloseableStream, session: ServerSession, unfinished: Unfinished) -> None:
        self._stream = stream
        self._session = session
        self._unfinished = unfinished
        self._unsent = b""
        # While a message is received: it ends the wait if this message is the longest of too many.
        self._receiving: trio.CancelScope | None = None
        self._is_cut_off = False

    @property
    def suite(self) -> int | None:
        """The suite that the peer speaks."""
        return self._session.suite

    @property
    def is_over(self) -> bool:
        """Whether the last message has passed."""
        return self._session.is_over

    async def first_message(self) -> Message:
        """Return the peer's first message, which is a Hello.

        Raises:
            RemoteProtocolError: something else came.
        """
        with trio.fail_after(limits.HELLO_TIMEOUT_S):
            return await self.next_message()

    async def next_message(self) -> Message:
        """Return the peer's next message.

        Raises:
            RemoteProtocolError: the peer broke the protocol, or closed.
        """
        return await self._next_message(trio.current_time() + SILENCE_S)

    async def next_message_whenever(self) -> Message:
        """Return the peer's next message, however long the peer is silent. Raises as `next_message`."""
        return await self._next_message(math.inf)

    async def _next_message(self, deadline: float) -> Message:
        """Return the next message, which must begin before `deadline`, and is whole `SILENCE_S` after it began."""
        message = self._session.next_message()
        if message is not None:
            return message
        try:
            with trio.CancelScope(deadline=self._whole_by(deadline)) as self._receiving:
                while message is None:
                    is_new = not self._session.unfinished_bytes
                    self._session.receive(bytes(await self._stream.receive_some(RECEIVE_BYTES)))
                    message = self._session.next_message()
                    if message is None:
                        if is_new:
                            self._receiving.deadline = self._whole_by(deadline)
                        self._unfinished.note(self, self._session.unfinished_bytes)
        finally:
            self._receiving = None
            self._unfinished.note(self, 0)
        if message is not None:
            return message
        if self._is_cut_off:
            raise LimitError("too many long messages are on their way to this server: send it again later")
        raise trio.TooSlowError

    def _whole_by(self, deadline: float) -> float:
        return trio.current_time() + SILENCE_S if self._session.unfinished_bytes else deadline

    def cut_off(self) -> None:
        """End the message that the peer is sending: it is the longest, and there is too much of them all."""
        self._is_cut_off = True
        if self._receiving is not None:
            self._receiving.cancel()

    def allow_long_asks(self) -> None:
        """Let the peer send an Ask in parts, because it is a publisher."""
        self._session.allows_long_asks = True

    async def send(self, message: Message) -> None:
        """Send a message, in pieces: each has its own deadline, so that a large answer may be slow but never stuck."""
        for piece in self._session.send_pieces(message):
            await self._write(piece)

    def send_now(self, message: Message) -> None:
        """Send a message without waiting, as far as the kernel takes it. No other task may be sending.

        Raises:
            LocalProtocolError: the message may not follow.
        """
        data = self._session.send(message)
        if isinstance(self._stream, trio.SocketStream):
            # Where the connection is full, or gone, `flush` finds out.
            with suppress(OSError):
                data = data[os.write(self._stream.socket.fileno(), data) :]
        self._unsent = data

    @property
    def has_unsent(self) -> bool:
        """Whether something that was sent by `send_now` waits for `flush`."""
        return bool(self._unsent)

    async def flush(self) -> None:
        """Send what `send_now` could not."""
        unsent, self._unsent = self._unsent, b""
        if unsent:
            await self._write(unsent)

    async def _write(self, data: bytes) -> None:
        with trio.fail_after(SILENCE_S):
            await self._stream.send_all(data)

    async def refuse(self, error: RemoteProtocolError) -> None:
        """Tell the peer how it broke the protocol, if it may be told, and end."""
        await self._end_with(self._session.refuse(error))

    async def fail(self, code: str, sentence: str) -> None:
        """Tell the peer why its request fails, where an Error may still be sent, and end."""
        try:
            data = self._session.send(Error(code=code, sentence=sentence))
        except LocalProtocolError:
            return
        await self._end_with(data)

    async def _end_with(self, data: bytes) -> None:
        if data:
            await self._write(data)
            await self.linger()

    async def linger(self) -> None:
        """Say that nothing more will come, and let the peer close first."""
        with trio.move_on_after(LINGER_S):
            await self._stream.send_eof()
            while await self._stream.receive_some(RECEIVE_BYTES):
                pass

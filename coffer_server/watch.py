"""One Watch of a session, from the message to its answer (docs/protocol.md, 3)."""

from __future__ import annotations

import random
from typing import Final

import trio

from coffer_protocol.message import Held, Message, Still

from .channel import Channel
from .errors import StoppingError
from .service import Service
from .shard_answers import ShardAnswers
from .store.base import Fetched

# Watchers that came at one time should not all be told Still at one time: each waits for a random part of `still_s`.
_STILL_JITTER: Final = (0.5, 1.0)


class Watch:
    """A client that waits for a release newer than `serial`.

    While its own task waits for the peer, the broadcast answers in its place: a task that has to be woken for each of ten thousand
    watchers costs more than all else about the answer.
    """

    def __init__(self, service: Service, channel: Channel, shards: ShardAnswers, serial: int) -> None:
        self._service = service
        self._channel = channel
        self._shards = shards
        self._coffer = shards.coffer
        self._serial = serial
        # Set while the task waits, and may be answered for.
        self._waiting: trio.CancelScope | None = None
        self._is_woken = False
        self._fetched: Fetched | None = None
        self.is_answered = False

    @property
    def client(self) -> bytes:
        """The id of the session's client."""
        return self._shards.client

    @property
    def serial(self) -> int:
        """The serial that it watches at."""
        return self._serial

    def _wants(self, fetched: Fetched) -> bool:
        """Return whether the watcher waits for this: a newer release, or one of another coffer to which the client has moved."""
        return fetched.serial > self._serial or fetched.coffer != self._coffer

    def reach(self, fetched: Fetched | None) -> None:
        """Take what a new release has for the client. With None, the watcher must look in the store itself."""
        if fetched is not None and not self._wants(fetched):
            return
        if fetched is not None and self._waiting is not None and self._shards.give_now(fetched):
            self.is_answered = True
            if self._channel.has_unsent:
                self._waiting.cancel()
            return
        self.wake(fetched)

    def wake(self, fetched: Fetched | None = None) -> None:
        """Let its own task go on, with what was fetched for it."""
        self._fetched = fetched or self._fetched
        self._is_woken = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def run(self) -> Message | None:
        """Wait, and answer.

        Returns:
            The peer's next message, if it has come already.

        Raises:
            RemoteProtocolError: the peer has said something out of its turn, or closed.
            RefusedError: the client is denied what it waits for.
            StoppingError: the server stops.
        """
        # Registered before the store is looked at: a release that is committed meanwhile reaches it.
        with self._service.broadcast.watching(self._coffer, self):
            fetched = None if self._is_up_to_date() else await self._fetch()
            while fetched is None:
                message = await self._until_woken()
                if self.is_answered:
                    await self._channel.flush()
                    return message
                fetched = self._take() or await self._fetch()
        await self._shards.give(fetched)
        return None

    def _is_up_to_date(self) -> bool:
        """Whether the client has all that there was at the session's last look at the store, and nothing was committed since."""
        known = self._shards.serial
        return known is not None and self._service.broadcast.newest(self._coffer) <= known <= self._serial

    async def _fetch(self) -> Fetched | None:
        fetched = await self._shards.fetch()
        return fetched if self._wants(fetched) else None

    def _take(self) -> Fetched | None:
        fetched, self._fetched, self._is_woken = self._fetched, None, False
        if fetched is None and self._service.broadcast.is_stopping:
            raise StoppingError
        return fetched

    async def _until_woken(self) -> Message | None:
        while not self._is_woken:
            with trio.move_on_after(self._service.settings.still_s * random.uniform(*_STILL_JITTER)) as self._waiting:  # noqa: S311 (no secret)
                # Before it is answered, the peer may send receipts; the session refuses all else.
                while isinstance(message := await self._channel.next_message_whenever(), Held):
                    self._shards.take(message)
                return message
            self._waiting = None
            if self.is_answered:
                return None
            if not self._is_woken:
                await self._channel.send(Still())
        return None

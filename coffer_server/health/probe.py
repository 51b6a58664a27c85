"""Finds out how a server is, when it is asked: whether its store answers, and whether it takes what is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Final, NoReturn, TypeVar

import trio

from ..auto_reset import AutoResetEvent
from ..errors import StoreError
from ..logs import log, place_of
from ..service import Service
from ..store.base import Trouble
from ..store.sql.database import BUSY_TIMEOUT_S
from ..upload import check_room
from .report import Health, Reads, Writes

# For how long what was written proves that more can be: who asks every second does not wear out a disk.
_PROOF_S: Final = 10.0
# How long who asks may wait for an attempt to write. One that takes longer goes on, and is told of as such later.
_PATIENCE_S: Final = 2.0
_AWAY: Final = "the database is away"

_Result = TypeVar("_Result")


class Checkup:
    """Looks at a service. Nobody who asks waits for longer than a read takes and `_PATIENCE_S`.

    Args:
        service: the server's.
        listening: where it listens.
        connections: says how many there are.
    """

    def __init__(self, service: Service, listening: Sequence[str], connections: Callable[[], int]) -> None:
        self._service = service
        self._listening = tuple(listening)
        self._connections = connections
        self._started = int(service.now())
        # Readers of requests may all be waiting for a database that has vanished.
        self._looks = trio.CapacityLimiter(1)
        self._unreadable: Trouble | None = None
        self._roomless: Trouble | None = None
        self._wanted = AutoResetEvent()
        self._tried = trio.Event()

    async def run(self) -> NoReturn:
        """Try to write whenever somebody wants to know, until cancelled."""
        while True:
            await self._wanted.wait()
            # How it ended, the service has noted.
            try:
                await self._service.write(self._service.store.try_writing)
            except StoreError as error:
                log.debug("the store cannot be written", reason=str(error))
            except Exception as error:  # noqa: BLE001 (a fault here must not end the sessions)
                log.error("the store could not be tried", error=type(error).__name__, place=place_of(error))
            self._tried.set()
            self._tried = trio.Event()

    async def examine(self) -> Health:
        """How the server is now."""
        standing, self._unreadable = await self._look(self._service.store.standing, self._unreadable)
        # Small writes succeed for long on a disk that has no room for an upload.
        _, self._roomless = await self._look(partial(check_room, self._service.folder), self._roomless)
        away = None if standing is None else standing.away
        writes, writes_trouble = await self._writes(away)
        return Health(
            at=int(self._service.now()),
            version=version("coffer-secrets"),
            pid=os.getpid(),
            started=self._started,
            is_stopping=self._service.broadcast.is_stopping,
            listening=self._listening,
            database=self._service.store.name,
            event=None if standing is None else standing.event,
            releases={} if standing is None else standing.releases,
            reads=Reads.FAILING if standing is None else Reads.DATABASE if away is None else Reads.MEMORY,
            reads_trouble=away or self._unreadable,
            writes=writes,
            writes_trouble=writes_trouble,
            connections=self._connections(),
            max_connections=self._service.settings.max_connections,
            watchers=self._service.broadcast.watchers,
        )

    async def _look(self, call: Callable[[], _Result], before: Trouble | None) -> tuple[_Result | None, Trouble | None]:
        """What a call returns, or what is wrong with it: since the time `before`, where it was wrong then."""
        try:
            return await self._service.in_thread(call, self._looks), None
        except StoreError as error:
            return None, Trouble(since=int(self._service.now()) if before is None else before.since, reason=str(error))

    async def _writes(self, away: Trouble | None) -> tuple[Writes, Trouble | None]:
        if away is not None:
            return Writes.REFUSED, Trouble(since=away.since, reason=_AWAY)
        if self._roomless is not None:
            return Writes.REFUSED, self._roomless
        writing = self._service.writing
        if not (writing.is_under_way or writing.is_proven(self._service.now(), within_s=_PROOF_S)):
            tried = self._tried
            self._wanted.set()
            with trio.move_on_after(_PATIENCE_S):
                await tried.wait()
        if writing.refused is not None:
            return Writes.REFUSED, writing.refused
        begun = writing.begun
        if begun is not None and self._service.now() - begun > BUSY_TIMEOUT_S:
            return Writes.WAITING, Trouble(since=int(begun), reason="something is being written, and has not come to its end")
        return Writes.ACCEPTED, None

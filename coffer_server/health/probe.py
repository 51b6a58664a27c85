"""The probe of a running server: finds out whether its store can be read and written, when the health is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
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

# For how long one successful write proves that writing works. Asking every second must not wear out a disk.
_PROOF_S: Final = 10.0
# How long an answer may wait for a trial write. A longer write goes on, and a later answer reports it.
_PATIENCE_S: Final = 2.0
_AWAY: Final = "the database is away"

_Result = TypeVar("_Result")


class Probe:
    """Finds out the health of a service. An answer takes no longer than a read and `_PATIENCE_S`.

    Args:
        service: the service.
        listening: the addresses on which the server listens.
        connections: returns the number of connections.
    """

    def __init__(self, service: Service, listening: Sequence[str], connections: Callable[[], int]) -> None:
        self._service = service
        self._listening = tuple(listening)
        self._connections = connections
        self._started = int(service.now())
        # A thread of its own: all threads that read for requests may be waiting for a database that has vanished.
        self._looks = trio.CapacityLimiter(1)
        self._unreadable: Trouble | None = None
        self._roomless: Trouble | None = None
        self._wanted = AutoResetEvent()
        self._tried = trio.Event()

    async def run(self) -> NoReturn:
        """Make a trial write whenever `examine` asks for one, until cancelled."""
        while True:
            await self._wanted.wait()
            # `Service.write` notes the outcome.
            try:
                await self._service.write(self._service.store.try_writing)
            except StoreError as error:
                log.debug("the trial write was refused", reason=str(error))
            except Exception as error:  # noqa: BLE001 (a fault here must not end the sessions)
                log.error("the trial write failed", error=type(error).__name__, place=place_of(error))
            self._tried.set()
            self._tried = trio.Event()

    async def examine(self) -> Health:
        """Return the health of the server now."""
        store, self._unreadable = await self._look(self._service.store.status, self._unreadable)
        # Small writes still succeed on a disk that has no room for an upload.
        _, self._roomless = await self._look(partial(check_room, self._service.folder), self._roomless)
        away = None if store is None else store.away
        writes, writes_trouble = await self._writes(away)
        return Health(
            at=int(self._service.now()),
            version=self._service.version,
            pid=os.getpid(),
            started=self._started,
            is_stopping=self._service.broadcast.is_stopping,
            listening=self._listening,
            database=self._service.store.name,
            event=None if store is None else store.event,
            releases={} if store is None else store.releases,
            reads=Reads.FAILING if store is None else Reads.DATABASE if away is None else Reads.MEMORY,
            reads_trouble=away or self._unreadable,
            writes=writes,
            writes_trouble=writes_trouble,
            connections=self._connections(),
            max_connections=self._service.settings.max_connections,
            watchers=self._service.broadcast.watchers,
        )

    async def _look(self, call: Callable[[], _Result], before: Trouble | None) -> tuple[_Result | None, Trouble | None]:
        """Return the result of a call, or the trouble that it meets. Trouble that `before` reports keeps the time since when it lasts."""
        try:
            return await self._service.in_thread(call, self._looks), None
        except StoreError as error:
            return None, Trouble(since=int(self._service.now()) if before is None else before.since, reason=str(error))

    async def _writes(self, away: Trouble | None) -> tuple[Writes, Trouble | None]:
        if away is not None:
            return Writes.REFUSED, Trouble(since=away.since, reason=_AWAY)
        if self._roomless is not None:
            return Writes.REFUSED, self._roomless
        last = self._service.write_status
        if not (last.is_under_way or last.is_proven(self._service.now(), within_s=_PROOF_S)):
            tried = self._tried
            self._wanted.set()
            with trio.move_on_after(_PATIENCE_S):
                await tried.wait()
        if last.refused is not None:
            return Writes.REFUSED, last.refused
        begun = last.begun
        if begun is not None and self._service.now() - begun > BUSY_TIMEOUT_S:
            return Writes.WAITING, Trouble(since=int(begun), reason="a write has not finished")
        return Writes.ACCEPTED, None

"""What all connections of a server share, and the work that goes on beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import trio

from coffer_protocol.question import Fetch
from coffer_protocol.suite import Responder

from .adoption import Adoption
from .auto_reset import AutoResetEvent
from .broadcast import Broadcast
from .config import Settings
from .errors import BusyError, StoreError
from .health.write_status import Writing
from .logs import log
from .store.base import Fetched, Retention, Store
from .upload import Upload

# Look-ups at one time: more threads than cores only wait for each other.
_READERS: Final = 8
PRUNE_S: Final = 3600.0
_DAY_S: Final = 86400

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What all connections of a server share.

    Attributes:
        store: releases and publishers.
        responders: makes a responder for each suite that is served.
        settings: the server's.
        folder: where uploads in progress are kept.
        now: seconds since 1970.
        broadcast: brings releases to the sessions that wait for them.
        adoption: fetches that the store does not have yet.
        writing: how the last change of the store went.
    """

    store: Store
    responders: Mapping[int, Callable[[], Responder]]
    settings: Settings
    folder: Path
    now: Callable[[], float]
    broadcast: Broadcast = field(default_factory=Broadcast)
    adoption: Adoption = field(default_factory=Adoption)
    writing: Writing = field(default_factory=Writing)
    _reads: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(_READERS))
    # One writer: a store commits one release at a time, and those that wait should not hold readers' threads.
    _writes: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1))
    _uploading: set[bytes] = field(default_factory=set)
    _prunable: AutoResetEvent = field(default_factory=AutoResetEvent)

    async def in_thread(self, call: Callable[[], _Result], limiter: trio.CapacityLimiter) -> _Result:
        """Run a call that blocks."""
        return await trio.to_thread.run_sync(call, limiter=limiter)

    async def read(self, call: Callable[[], _Result]) -> _Result:
        """Run a call that blocks for a short time."""
        return await self.in_thread(call, self._reads)

    async def write(self, call: Callable[[], _Result]) -> _Result:
        """Run a call that changes the store."""
        return await self.in_thread(partial(self.writing.attempt, call, self.now), self._writes)

    @contextmanager
    def upload_of(self, publisher: bytes) -> Iterator[Upload]:
        """The one upload that a publisher may have open.

        Raises:
            BusyError: it has one.
        """
        if publisher in self._uploading:
            raise BusyError("this publisher has an upload open in another session: wait until it has ended")
        self._uploading.add(publisher)
        try:
            with Upload(self.folder, max_bytes=self.settings.upload_bytes, max_shards=self.settings.upload_shards) as upload:
                yield upload
        finally:
            self._uploading.discard(publisher)

    def committed(self, coffer: str, serial: int) -> None:
        """A release was committed: its watchers are woken, and what is too old is let go of, both beside the caller."""
        self.broadcast.announce(coffer, serial)
        self._prunable.set()

    async def run(self) -> NoReturn:
        """The work beside the connections, until cancelled."""
        token = trio.lowlevel.current_trio_token()
        self.store.follow(partial(self._heard, token))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.broadcast.run, self._fetch_all)
            nursery.start_soon(self.adoption.run, self._record)
            nursery.start_soon(self._prune)
        raise AssertionError("none of these ends by itself")

    def _heard(self, token: trio.lowlevel.TrioToken, coffer: str, serial: int) -> None:
        # In a thread of the store, which ends after the loop.
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(self.broadcast.announce, coffer, serial)

    async def flush(self) -> None:
        """Write what only memory has."""
        await self.adoption.flush(self._record)

    async def _fetch_all(self, clients: Sequence[bytes]) -> dict[bytes, Fetched]:
        return await self.read(partial(self.store.fetch_all, clients))

    async def _record(self, fetches: Iterable[tuple[str, Fetch]]) -> None:
        await self.write(partial(self.store.record_fetches, fetches))

    async def _prune(self) -> NoReturn:
        retention = Retention(releases=self.settings.keep_releases, age_s=self.settings.keep_days * _DAY_S)
        while True:
            try:
                # Mostly there is nothing to write, which proves nothing about writing.
                pruned = await self.in_thread(partial(self.store.prune, retention, now=int(self.now())), self._writes)
            except StoreError as error:
                log.error("old releases could not be let go of", reason=str(error))
            else:
                if pruned:
                    log.info("old releases let go of", blobs=pruned)
            with trio.move_on_after(PRUNE_S):
                await self._prunable.wait()

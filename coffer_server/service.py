"""What all connections of a server share, and the server's background work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import trio

from coffer_protocol.question import Fetch
from coffer_protocol.suite import Responder

from .adoption import Adoption, Noted
from .auto_reset import AutoResetEvent
from .broadcast import Broadcast
from .config import Settings
from .errors import BusyError, StoreError
from .health.write_status import WriteStatus
from .logs import log
from .refusals import Refusals
from .store.base import Fetched, Receipt, Retention, Store
from .unfinished import Unfinished
from .upload import Upload

# Reads of the store at one time: more threads than cores only wait for each other.
_READERS: Final = 8
PRUNE_S: Final = 3600.0
_DAY_S: Final = 86400

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What all connections of a server share.

    Attributes:
        store: the releases and the publishers.
        responders: for each suite that is served, a function that makes a responder.
        settings: the server's settings.
        folder: the folder that holds uploads in progress.
        now: returns the time in seconds since 1970.
        version: the version of this program.
        broadcast: brings releases to the sessions that wait for them.
        adoption: the fetches that the store does not have yet.
        write_status: the outcome of the last write to the store.
        unfinished: bounds the unfinished messages of all peers.
        refusals: counts and logs what is refused.
    """

    store: Store
    responders: Mapping[int, Callable[[], Responder]]
    settings: Settings
    folder: Path
    now: Callable[[], float]
    version: str = field(default_factory=partial(version, "coffer-secrets"))
    broadcast: Broadcast = field(default_factory=Broadcast)
    adoption: Adoption = field(default_factory=Adoption)
    write_status: WriteStatus = field(default_factory=WriteStatus)
    unfinished: Unfinished = field(default_factory=Unfinished)
    refusals: Refusals = field(default_factory=lambda: Refusals(trio.current_time))
    _reads: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(_READERS))
    # One writer: a store commits one release at a time, and waiting writers should not hold the readers' threads.
    _writes: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1))
    _uploading: set[str] = field(default_factory=set)
    _prunable: AutoResetEvent = field(default_factory=AutoResetEvent)

    async def in_thread(self, call: Callable[[], _Result], limiter: trio.CapacityLimiter) -> _Result:
        """Run a call that blocks in a thread."""
        return await trio.to_thread.run_sync(call, limiter=limiter)

    async def read(self, call: Callable[[], _Result]) -> _Result:
        """Run a call that blocks for a short time."""
        return await self.in_thread(call, self._reads)

    async def write(self, call: Callable[[], _Result]) -> _Result:
        """Run a call that changes the store."""
        return await self.in_thread(partial(self.write_status.attempt, call, self.now), self._writes)

    @contextmanager
    def upload_of(self, coffer: str) -> Iterator[Upload]:
        """Open the one upload that a coffer may have.

        Raises:
            BusyError: if the coffer has an upload open already.
        """
        if coffer in self._uploading:
            raise BusyError("an upload of this coffer is open in another session: wait until it ends")
        self._uploading.add(coffer)
        try:
            with Upload(self.folder, max_bytes=self.settings.upload_bytes, max_shards=self.settings.upload_shards) as upload:
                yield upload
        finally:
            self._uploading.discard(coffer)

    def committed(self, coffer: str, serial: int) -> None:
        """Note a committed release: background tasks then wake its watchers and prune old releases."""
        self.broadcast.announce(coffer, serial)
        self._prunable.set()

    async def run(self) -> NoReturn:
        """Do the background work, until cancelled."""
        token = trio.lowlevel.current_trio_token()
        self.store.follow(partial(self._heard, token))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.broadcast.run, self._fetch_all)
            nursery.start_soon(self.adoption.run, self._record)
            nursery.start_soon(self._prune)
        raise AssertionError("these tasks end only when cancelled")

    def _heard(self, token: trio.lowlevel.TrioToken, coffer: str, serial: int) -> None:
        # The store calls this in a thread of its own, which ends later than trio's loop.
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(self.broadcast.announce, coffer, serial)

    async def flush(self) -> None:
        """Write the fetches that are only in memory to the store."""
        await self.adoption.flush(self._record)

    async def _fetch_all(self, clients: Sequence[bytes]) -> dict[bytes, Fetched]:
        return await self.read(partial(self.store.fetch_all, clients))

    async def _record(self, fetches: Iterable[tuple[str, Fetch]], receipts: Iterable[Receipt]) -> None:
        await self.write(partial(self.store.record_adoption, fetches, receipts))

    def noted(self, coffer: str) -> Noted:
        """Return what the store does not know yet about the adoption of a coffer's releases."""
        return self.adoption.noted(coffer, watching=self.broadcast.watched(coffer))

    async def _prune(self) -> NoReturn:
        retention = Retention(releases=self.settings.keep_releases, age_s=self.settings.keep_days * _DAY_S)
        while True:
            try:
                # Not by `write`: most of the time there is nothing to prune, and success then does not prove that writing works.
                pruned = await self.in_thread(partial(self.store.prune, retention, now=int(self.now())), self._writes)
            except StoreError as error:
                log.error("old releases could not be pruned", reason=str(error))
            else:
                if pruned:
                    log.info("old releases pruned", blobs=pruned)
            with trio.move_on_after(PRUNE_S):
                await self._prunable.wait()

"""Adoption: the release that each client fetched last, recorded after the request was answered.

Fetches wait in memory for a second, so that ten thousand fetches at once become one transaction. A crash loses the fetches of that second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final, TypeAlias

import trio

from coffer_protocol.question import Fetch

from .auto_reset import AutoResetEvent
from .errors import StoreError
from .logs import log

FLUSH_S: Final = 1.0

Record: TypeAlias = Callable[[Iterable[tuple[str, Fetch]]], Awaitable[None]]


class Adoption:
    """The fetches that are not recorded yet."""

    def __init__(self) -> None:
        # The keys are the coffer and the client's id.
        self._pending: dict[tuple[str, bytes], Fetch] = {}
        self._noted = AutoResetEvent()

    def note(self, coffer: str, fetch: Fetch) -> None:
        """Note that a client was sent a release."""
        self._pending[coffer, fetch.id] = fetch
        self._noted.set()

    def pending(self, coffer: str) -> dict[bytes, Fetch]:
        """Return the fetches of one coffer that are not recorded yet, by client."""
        return {client: fetch for (of_coffer, client), fetch in self._pending.items() if of_coffer == coffer}

    async def run(self, record: Record) -> None:
        """Record the noted fetches, at most once in `FLUSH_S`, until cancelled."""
        while True:
            await self._noted.wait()
            await trio.sleep(FLUSH_S)
            await self.flush(record)

    async def flush(self, record: Record) -> None:
        """Record the fetches noted so far. If the store fails, they stay pending and are tried again at the next flush."""
        batch = dict(self._pending)
        # A fetch that was noted while `run` slept was part of that flush, and woke `run` again with nothing pending.
        if not batch:
            return
        try:
            await record([(coffer, fetch) for (coffer, _), fetch in batch.items()])
        except StoreError as error:
            log.error("fetches could not be recorded", reason=str(error))
            return
        for key, fetch in batch.items():
            # A newer fetch that was noted during the write stays pending.
            if self._pending[key] is fetch:
                del self._pending[key]


def merged(recorded: Iterator[Fetch], pending: dict[bytes, Fetch]) -> Iterator[Fetch]:
    """Return the recorded fetches of a coffer, with the pending ones, which are newer, in their place."""
    left = dict(pending)
    for fetch in recorded:
        yield left.pop(fetch.id, fetch)
    yield from left.values()

"""Adoption: which release each client has fetched last, recorded behind the requests' back.

What is noted waits in memory for a second, so that ten thousand fetches at once are one transaction. A crash loses that second.
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
        # By coffer and client.
        self._pending: dict[tuple[str, bytes], Fetch] = {}
        self._noted = AutoResetEvent()

    def note(self, coffer: str, fetch: Fetch) -> None:
        """A client has been sent a release."""
        self._pending[coffer, fetch.id] = fetch
        self._noted.set()

    def pending(self, coffer: str) -> dict[bytes, Fetch]:
        """What is not recorded yet of one coffer, by client."""
        return {client: fetch for (of_coffer, client), fetch in self._pending.items() if of_coffer == coffer}

    async def run(self, record: Record) -> None:
        """Record what is noted, at most once in `FLUSH_S`, until cancelled."""
        while True:
            await self._noted.wait()
            await trio.sleep(FLUSH_S)
            await self.flush(record)

    async def flush(self, record: Record) -> None:
        """Record what has been noted so far. What cannot be recorded now is tried again with the next."""
        batch = dict(self._pending)
        # What was noted in the second before the last flush was part of that.
        if not batch:
            return
        try:
            await record([(coffer, fetch) for (coffer, _), fetch in batch.items()])
        except StoreError as error:
            log.error("fetches could not be recorded", reason=str(error))
            return
        for key, fetch in batch.items():
            # One that was noted meanwhile stays.
            if self._pending[key] is fetch:
                del self._pending[key]


def merged(recorded: Iterator[Fetch], pending: dict[bytes, Fetch]) -> Iterator[Fetch]:
    """What is recorded of a coffer, and what is pending, which is newer."""
    left = dict(pending)
    for fetch in recorded:
        yield left.pop(fetch.id, fetch)
    yield from left.values()

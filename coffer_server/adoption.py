"""Adoption: the release that each client fetched last, and those that it signed for, recorded after the request was answered.

Fetches wait in memory for a second, so that ten thousand fetches at once become one transaction. A crash loses the fetches of that second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

import trio

from coffer_protocol.message import Held
from coffer_protocol.question import Fetch

from .auto_reset import AutoResetEvent
from .errors import StoreError
from .logs import log
from .store.base import Receipt

FLUSH_S: Final = 1.0


class Record(Protocol):
    """A function that records fetches and receipts."""

    async def __call__(self, fetches: Iterable[tuple[str, Fetch]], receipts: Iterable[Receipt]) -> None:
        """Record fetches and receipts, or raise StoreError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What the store does not know yet about one coffer.

    Attributes:
        fetches: the last fetch of each client.
        receipts: the last receipt for each client and use.
        watching: the lowest serial at which each client's sessions watch.
    """

    fetches: Mapping[bytes, Fetch]
    receipts: Mapping[tuple[bytes, int], Held]
    watching: Mapping[bytes, int]


class Adoption:
    """The fetches and receipts that are not recorded yet."""

    def __init__(self) -> None:
        # The keys are the coffer and the client's id, and for receipts also the use.
        self._fetches: dict[tuple[str, bytes], Fetch] = {}
        self._receipts: dict[tuple[str, bytes, int], Receipt] = {}
        self._has_noted = AutoResetEvent()

    def note(self, coffer: str, fetch: Fetch) -> None:
        """Note that a client was sent a release."""
        self._fetches[coffer, fetch.id] = fetch
        self._has_noted.set()

    def note_receipt(self, receipt: Receipt) -> None:
        """Note a receipt, unless one for a higher serial waits already."""
        key = (receipt.coffer, receipt.client, receipt.held.use)
        waiting = self._receipts.get(key)
        if waiting is None or receipt.held.serial >= waiting.held.serial:
            self._receipts[key] = receipt
            self._has_noted.set()

    def noted(self, coffer: str, *, watching: Mapping[bytes, int]) -> Noted:
        """Return what is not recorded yet about one coffer."""
        return Noted(
            fetches={client: fetch for (of_coffer, client), fetch in self._fetches.items() if of_coffer == coffer},
            receipts={(client, use): item.held for (of_coffer, client, use), item in self._receipts.items() if of_coffer == coffer},
            watching=watching,
        )

    async def run(self, record: Record) -> None:
        """Record the noted fetches, at most once in `FLUSH_S`, until cancelled."""
        while True:
            await self._has_noted.wait()
            await trio.sleep(FLUSH_S)
            await self.flush(record)

    async def flush(self, record: Record) -> None:
        """Record what was noted so far. If the store fails, it stays pending and is tried again at the next flush."""
        fetches, receipts = dict(self._fetches), dict(self._receipts)
        # What was noted while `run` slept was part of that flush, and woke `run` again with nothing pending.
        if not fetches and not receipts:
            return
        try:
            await record([(coffer, fetch) for (coffer, _), fetch in fetches.items()], list(receipts.values()))
        except StoreError as error:
            log.error("fetches could not be recorded", reason=str(error))
            return
        # What was noted during the write stays pending.
        self._fetches = {key: fetch for key, fetch in self._fetches.items() if fetches.get(key) is not fetch}
        self._receipts = {key: receipt for key, receipt in self._receipts.items() if receipts.get(key) is not receipt}


def merged(recorded: Iterator[Fetch], noted: Noted) -> Iterator[Fetch]:
    """Yield the last fetch of each client of a coffer: the noted one if there is one, because it is newer, otherwise the recorded one."""
    left = dict(noted.fetches)
    for fetch in recorded:
        newer = left.pop(fetch.id, fetch)
        yield _completed(replace(newer, held=fetch.held), noted)
    for fetch in left.values():
        yield _completed(fetch, noted)


def _completed(fetch: Fetch, noted: Noted) -> Fetch:
    once, followed = (_newer(held, noted.receipts.get((fetch.id, use))) for use, held in enumerate(fetch.held))
    return replace(fetch, held=(once, followed), watching=noted.watching.get(fetch.id))


def _newer(recorded: Held | None, noted: Held | None) -> Held | None:
    if recorded is None or (noted is not None and noted.serial >= recorded.serial):
        return noted
    return recorded

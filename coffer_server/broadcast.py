"""The broadcast that brings a new release to all sessions that watch its coffer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol, TypeAlias

from .auto_reset import AutoResetEvent
from .errors import StoreError
from .logs import log, place_of
from .store.base import Fetched

# Watchers for which one call of the store reads. A larger number would keep other sessions waiting; a smaller one would need more
# calls in threads.
_AT_A_TIME: Final = 256

FetchAll: TypeAlias = Callable[[Sequence[bytes]], Awaitable[dict[bytes, Fetched]]]


class Watcher(Protocol):
    """A session that waits for a release."""

    is_answered: bool

    @property
    def client(self) -> bytes:
        """The id of the session's client."""

    @property
    def serial(self) -> int:
        """The serial at which it watches."""

    def reach(self, fetched: Fetched | None) -> None:
        """Give the watcher what the new release has for its client. With `None`, the watcher must look in the store itself."""

    def wake(self) -> None:
        """Wake the watcher, so that it looks in the store itself."""


class Broadcast:
    """All sessions that watch, by coffer, and the releases that have not reached them yet.

    Attributes:
        is_stopping: whether the server is stopping, so that no session may wait.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self._of_coffer: dict[str, set[Watcher]] = {}
        self._newest: dict[str, int] = {}
        # The coffers with a release that has not reached their watchers yet, in the order of the commits.
        self._announced: dict[str, None] = {}
        self._has_announced = AutoResetEvent()

    @property
    def watchers(self) -> int:
        """The number of sessions that watch."""
        return sum(map(len, self._of_coffer.values()))

    def newest(self, coffer: str) -> int:
        """Return the serial of the last release announced since the server started, or 0 if there was no announcement."""
        return self._newest.get(coffer, 0)

    def watched(self, coffer: str) -> dict[bytes, int]:
        """Return the lowest serial at which each client's sessions watch."""
        lowest: dict[bytes, int] = {}
        for watcher in self._of_coffer.get(coffer, ()):
            lowest[watcher.client] = min(watcher.serial, lowest.get(watcher.client, watcher.serial))
        return lowest

    def announce(self, coffer: str, serial: int) -> None:
        """Announce a committed release: `run` brings it to the coffer's watchers. A second announcement of it does nothing."""
        if self._newest.get(coffer) == serial:
            return
        self._newest[coffer] = serial
        if coffer in self._of_coffer:
            self._announced[coffer] = None
            self._has_announced.set()

    @contextmanager
    def watching(self, coffer: str, watcher: Watcher) -> Iterator[None]:
        """Register a watcher for as long as the context lasts. Every release announced in that time reaches it."""
        self._of_coffer.setdefault(coffer, set()).add(watcher)
        if self.is_stopping:
            watcher.wake()
        try:
            yield
        finally:
            self._of_coffer[coffer].discard(watcher)
            if not self._of_coffer[coffer]:
                del self._of_coffer[coffer]

    async def run(self, fetch_all: FetchAll) -> None:
        """Bring announced releases to the watchers, until cancelled.

        Args:
            fetch_all: returns what the current release has for each of the given clients.
        """
        while True:
            await self._has_announced.wait()
            while self._announced:
                coffer = next(iter(self._announced))
                del self._announced[coffer]
                await self._reach_all(coffer, fetch_all)

    async def _reach_all(self, coffer: str, fetch_all: FetchAll) -> None:
        watchers = [watcher for watcher in self._of_coffer.get(coffer, ()) if not watcher.is_answered]
        for start in range(0, len(watchers), _AT_A_TIME):
            some = watchers[start : start + _AT_A_TIME]
            try:
                found = await fetch_all([watcher.client for watcher in some])
            except StoreError as error:
                # Each watcher reads for itself, so that a failure ends one session only.
                log.error("a release could not be read for its watchers", coffer=coffer, reason=str(error))
                found = {}
            for watcher in some:
                # The session may have ended during the read.
                if watcher in self._of_coffer.get(coffer, ()):
                    _reach(watcher, found.get(watcher.client))

    def stop(self) -> None:
        """Wake all watchers, and let no session wait from now on."""
        self.is_stopping = True
        for watchers in self._of_coffer.values():
            for watcher in watchers:
                watcher.wake()


def _reach(watcher: Watcher, fetched: Fetched | None) -> None:
    try:
        watcher.reach(fetched)
    except Exception as error:  # noqa: BLE001 (a fault in one session must not end the others)
        log.error("a watcher could not be reached", error=type(error).__name__, place=place_of(error))
        watcher.wake()

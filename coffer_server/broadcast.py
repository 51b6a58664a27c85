"""The one broadcast that a release reaches all its watchers by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol, TypeAlias

from .auto_reset import AutoResetEvent
from .errors import StoreError
from .logs import log, place_of
from .store.base import Fetched

# Read for in one call of the store. More would keep other sessions waiting, fewer would cost more hops to a thread.
_AT_A_TIME: Final = 256

FetchAll: TypeAlias = Callable[[Sequence[bytes]], Awaitable[dict[bytes, Fetched]]]


class Watcher(Protocol):
    """A session that waits for a release."""

    is_answered: bool

    @property
    def client(self) -> bytes:
        """Its id."""

    def reach(self, fetched: Fetched | None) -> None:
        """There is a release, and this is what it has for the client; None: that is for the watcher itself to find out."""

    def wake(self) -> None:
        """Let it look for itself what there is."""


class Broadcast:
    """All sessions that watch, by coffer, and what they have not been told yet.

    Attributes:
        is_stopping: whether the server stops, and nobody is to wait.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self._of_coffer: dict[str, set[Watcher]] = {}
        self._newest: dict[str, int] = {}
        # Coffers with a release that has not reached their watchers yet, in the order of the commits.
        self._announced: dict[str, None] = {}
        self._has_announced = AutoResetEvent()

    @property
    def watchers(self) -> int:
        """How many sessions watch."""
        return sum(map(len, self._of_coffer.values()))

    def newest(self, coffer: str) -> int:
        """The serial of the last release that was announced since the server started; 0 for none."""
        return self._newest.get(coffer, 0)

    def announce(self, coffer: str, serial: int) -> None:
        """A release was committed: it is to reach the coffer's watchers, soon. One that is announced again reaches nobody again."""
        if self._newest.get(coffer) == serial:
            return
        self._newest[coffer] = serial
        if coffer in self._of_coffer:
            self._announced[coffer] = None
            self._has_announced.set()

    @contextmanager
    def watching(self, coffer: str, watcher: Watcher) -> Iterator[None]:
        """A watcher is one for as long as the context lasts. Whatever is announced from its beginning on reaches it."""
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
        """Bring what is announced to the watchers, until cancelled.

        Args:
            fetch_all: what the current release has for some clients.
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
                # Each tries for itself, and fails alone.
                log.error("a release could not be read for its watchers", coffer=coffer, reason=str(error))
                found = {}
            for watcher in some:
                # Some may have ended meanwhile.
                if watcher in self._of_coffer.get(coffer, ()):
                    _reach(watcher, found.get(watcher.client))

    def stop(self) -> None:
        """The server stops: wake all who wait, and let nobody wait from now on."""
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

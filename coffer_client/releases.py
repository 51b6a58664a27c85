"""`watch`: an application's secrets, and then each newer release of them as soon as it is there."""

from __future__ import annotations

import os
import warnings
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from coffer_common import keyfile
from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import CofferError
from coffer_protocol.identity import Identity

from .coffer import Coffer
from .config import settings
from .conversation.network import Network
from .conversation.retrieval import retrieve
from .conversation.source import Source
from .conversation.watching import Watcher, demand_watchable
from .errors import CofferWarning
from .io.blocking import Sockets, finish


def watch(
    *,
    server: ServerAddress | str | None = None,
    identity: Identity | keyfile.Path | None = None,
    timeout_s: float | None = None,
    state: keyfile.Path | None = None,
    cache: bool | None = None,
    max_stale: timedelta | None = None,
    config: keyfile.Path | None = None,
    on_failure: Callable[[CofferError], object] | None = None,
) -> Releases:
    """This client's secrets as they are now, and then as each newer release has them. Nothing is connected yet.

        with coffer_client.watch() as releases:
            for secrets in releases:
                ...

    The first is what `fetch` gives, also out of the cache, and what `fetch` raises is raised there. After it, what fails is told and tried
    again, at the latest after a minute: the secrets that were given last stay good.

    Args:
        server, identity, timeout_s, state, cache, max_stale, config: as of `fetch`; they are about the first, and where things are.
        on_failure: is given why a new release cannot be had now, at each attempt; it may return, log, or raise to end the loop. Without
            one, a `CofferWarning` says it at the first attempt of several that fail.

    Returns:
        What is iterated over with `for`, or with `async for` on asyncio or trio (the extra `async`).

    Raises:
        ConfigurationError, KeyTextError: the address or the identity is missing, or cannot be used; or it is a bare key, which cannot
            watch.
    """
    wanted = settings.load(
        server=server,
        identity=identity,
        bare=False,
        environment=os.environ,
        config=config,
        state=state,
        cache=cache,
        timeout_s=timeout_s,
        max_stale=max_stale,
    )
    demand_watchable(wanted.credential)

    def open_source(network: Network, warn: Callable[[str], None]) -> Source:
        return Source.of(wanted, network, warn=warn)

    return Releases(open_source, timeout_s=wanted.timeout_s, max_stale=wanted.max_stale, on_failure=on_failure)


class Releases:
    """What `watch` gives: an iterator, and an asynchronous one; one object is used as one of the two. It has no end of its own.

    A session with the server is kept while it is iterated over. Leaving `with` or `async with`, `close`, and cancellation each end it, and
    leave no socket, thread or task; after a cancellation, iterating goes on with another session.
    """

    def __init__(
        self,
        open_source: Callable[[Network, Callable[[str], None]], Source],
        *,
        timeout_s: float | None,
        max_stale: timedelta | None,
        on_failure: Callable[[CofferError], object] | None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            open_source: makes the source for a network; the second argument is given a sentence for people.
            timeout_s, max_stale: of the first release.
            on_failure: as for `watch`.
        """
        self._open_source: Final = open_source
        self._timeout_s: Final = timeout_s
        self._max_stale: Final = max_stale
        self._on_failure: Final = on_failure
        self._source: Source | None = None
        self._network: type[Network] | None = None
        # The serial that was given last, from when on there are events.
        self._serial: int | None = None
        self._events: AsyncGenerator[Coffer | CofferError, None] | None = None
        # Whether a task waits in them.
        self._is_awaited = False
        self._is_failing = False
        self._is_closed = False
        self._messages: list[str] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Coffer:
        """Wait for the next release.

        Raises:
            As `fetch` at the first, and whatever `on_failure` raises later.
            RuntimeError: it was begun by `async for`.
        """
        while not self._is_closed:
            coffer = finish(self._step(Sockets))
            self._warn()
            if coffer is not None:
                return coffer
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Coffer:
        """As `__next__`, in an event loop. A task that comes while another waits in it gets a RuntimeError, and the other waits on."""
        from .io.eventloop import EventLoop

        while not self._is_closed:
            coffer = await self._step(EventLoop)
            self._warn()
            if coffer is not None:
                return coffer
        raise StopAsyncIteration

    async def _step(self, network: type[Network]) -> Coffer | None:
        """The next release; None where an attempt has failed, and that has been told."""
        source = self._source_on(network)
        if self._serial is None:
            coffer = await retrieve(source, timeout_s=self._timeout_s, max_stale=self._max_stale)
        else:
            event = await self._event(source, self._serial)
            if isinstance(event, CofferError):
                self._tell(event)
                return None
            coffer = event
        self._serial = coffer.release.serial
        self._is_failing = False
        return coffer

    def _source_on(self, network: type[Network]) -> Source:
        if self._source is None:
            self._source = self._open_source(network(), self._messages.append)
            self._network = network
        if self._network is not network:
            # What waits in an event loop can be taken on by nothing else.
            raise RuntimeError("a watch is iterated over, and closed, in one of two ways: with `async` or without")
        return self._source

    async def _event(self, source: Source, serial: int) -> Coffer | CofferError:
        self._demand_alone()
        if self._events is None:
            self._events = Watcher(source, after=serial).events()
        self._is_awaited = True
        try:
            return await anext(self._events)
        except BaseException:
            # Whatever it was, the generator is at its end, and has closed its session.
            self._events = None
            raise
        finally:
            self._is_awaited = False

    def _demand_alone(self) -> None:
        """See that no other task is in the generator, which would refuse this one, and must not be forgotten for it."""
        if self._is_awaited:
            raise RuntimeError("another task waits for the next release of this watch: end it, or wait for it, first")

    def _tell(self, error: CofferError) -> None:
        if self._on_failure is None and not self._is_failing:
            self._messages.append(f"{error} (trying again)")
        self._is_failing = True
        if self._on_failure is not None:
            self._on_failure(error)

    def _warn(self) -> None:
        while self._messages:
            # The line that is shown with it is the application's.
            warnings.warn(self._messages.pop(0), CofferWarning, stacklevel=3)

    def close(self) -> None:
        """End the session. Iterating is then at its end.

        Raises:
            RuntimeError: it was begun by `async for`.
        """
        if self._events is not None:
            self._source_on(Sockets)
        finish(self.aclose())

    async def aclose(self) -> None:
        """As `close`, in an event loop.

        Raises:
            RuntimeError: another task waits in it; where that is over, it can be closed.
        """
        self._is_closed = True
        self._demand_alone()
        events, self._events = self._events, None
        if events is not None:
            await events.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

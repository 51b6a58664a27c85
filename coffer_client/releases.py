"""`watch`: an application's secrets, and then each newer release of them as soon as it is published."""

from __future__ import annotations

import os
import warnings
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from coffer_common import paths
from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import CofferError
from coffer_protocol.identity import Identity

from .coffer import Coffer, Release
from .config import settings
from .conversation.network import Network
from .conversation.retrieval import retrieve
from .conversation.source import Source
from .conversation.watching import Watcher, demand_watchable
from .errors import CofferWarning, told
from .io.blocking import Sockets, finish


def watch(
    *,
    server: ServerAddress | str | None = None,
    identity: Identity | paths.Path | None = None,
    timeout_s: float | None = None,
    state: paths.Path | None = None,
    cache: bool | None = None,
    max_stale: timedelta | None = None,
    config: paths.Path | None = None,
    on_failure: Callable[[CofferError], object] | None = None,
) -> Releases:
    """Return an iterator over this client's secrets as they are now, and then in each newer release. Nothing is connected yet.

        with coffer_client.watch() as releases:
            for secrets in releases:
                ...

    The first item is what `fetch` returns, possibly from the cache; what `fetch` raises is raised there. After that, a failure is reported
    and tried again, after a minute at the latest: the last secrets stay valid. Asking for the next item says that the last one was put to
    use, and the operator sees that; so use an item before you ask for the next.

    Args:
        server, identity, timeout_s, state, cache, max_stale, config: as for `fetch`. `timeout_s` and `max_stale` are about the first item.
        on_failure: called at each attempt that fails, with the reason why there is no new release now. It may return, log, or raise to end
            the loop. Without it, a `CofferWarning` says so at the first of several failures in a row.

    Returns:
        An iterator for `for`, or for `async for` on asyncio or trio (the extra `async`).

    Raises:
        ConfigurationError, KeyTextError: the address or the identity is missing or cannot be used; or the identity is a bare key, which
            cannot watch.
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

    return Releases(open_source, on_failure=on_failure)


class Releases:
    """The endless iterator that `watch` returns. It is also an asynchronous iterator; each object can be used in one of the two ways.

    While it is iterated over, it keeps a session with the server. Leaving `with` or `async with`, `close`, and cancellation each end the
    session and leave no socket, thread or task. After a cancellation, iterating continues with another session.
    """

    def __init__(
        self,
        open_source: Callable[[Network, Callable[[str], None]], Source],
        *,
        on_failure: Callable[[CofferError], object] | None,
    ) -> None:
        """Make the iterator. Nothing is connected yet.

        Args:
            open_source: returns the source for a network. Its second argument is called with each warning for people.
            on_failure: as for `watch`.
        """
        self._open_source: Final = open_source
        self._on_failure: Final = on_failure
        self._source: Source | None = None
        self._network: type[Network] | None = None
        # The release of the last item; None before the first, which does not come from the events.
        self._last: Release | None = None
        self._watcher: Watcher | None = None
        self._events: AsyncGenerator[Coffer | CofferError, None] | None = None
        # Whether a task waits for an event.
        self._is_awaited = False
        self._is_failing = False
        self._is_closed = False
        self._messages: list[str] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Coffer:
        """Wait for the next release.

        Raises:
            As `fetch` for the first item; later, whatever `on_failure` raises.
            RuntimeError: the iteration was begun with `async for`.
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
        """Do what `__next__` does in an event loop. If another task waits in it, this one gets a RuntimeError, and the other waits on."""
        from .io.eventloop import EventLoop

        while not self._is_closed:
            coffer = await self._step(EventLoop)
            self._warn()
            if coffer is not None:
                return coffer
        raise StopAsyncIteration

    async def _step(self, network: type[Network]) -> Coffer | None:
        """Return the next release; None if an attempt has failed, which has been reported."""
        source = self._source_on(network)
        if self._last is None:
            coffer = await retrieve(source)
        else:
            event = await self._event(source, self._last)
            if isinstance(event, CofferError):
                self._tell(event)
                return None
            coffer = event
        self._last = coffer.release
        self._is_failing = False
        return coffer

    def _source_on(self, network: type[Network]) -> Source:
        if self._source is None:
            self._source = self._open_source(network(), self._messages.append)
            self._network = network
        if self._network is not network:
            # A wait that was begun in an event loop can continue only there.
            raise RuntimeError("a watch is used either with `async` or without: this one was begun in the other way")
        return self._source

    async def _event(self, source: Source, last: Release) -> Coffer | CofferError:
        self._demand_alone()
        if self._watcher is None or self._events is None:
            self._watcher = Watcher(source, after=last.serial)
            self._events = self._watcher.events()
        self._watcher.use(last)
        self._is_awaited = True
        try:
            return await anext(self._events)
        except BaseException:
            # Whatever this is, the generator has ended and has closed its session.
            self._events = None
            raise
        finally:
            self._is_awaited = False

    def _demand_alone(self) -> None:
        """Raise RuntimeError if another task is in the generator: it would refuse this one, and its generator must not be forgotten."""
        if self._is_awaited:
            raise RuntimeError("another task waits for the next release of this watch: end that task or wait for it first")

    def _tell(self, error: CofferError) -> None:
        if self._on_failure is None and not self._is_failing:
            self._messages.append(told(error, "trying again"))
        self._is_failing = True
        if self._on_failure is not None:
            self._on_failure(error)

    def _warn(self) -> None:
        while self._messages:
            # Python shows the application's line with the warning.
            warnings.warn(self._messages.pop(0), CofferWarning, stacklevel=3)

    def close(self) -> None:
        """End the session and the iteration.

        Raises:
            RuntimeError: the iteration was begun with `async for`.
        """
        if self._events is not None:
            self._source_on(Sockets)
        finish(self.aclose())

    async def aclose(self) -> None:
        """Do what `close` does in an event loop.

        Raises:
            RuntimeError: another task waits in the iterator. When that is over, it can be closed.
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

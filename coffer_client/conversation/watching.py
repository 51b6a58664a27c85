"""New releases as they come (docs/protocol.md, 3: Watch and Still), in sessions that are kept open, and opened again when they end.

Each session begins with Get, so the client gets the newest release itself at least once an hour. It then notices a release that goes back
or has expired, and the cache is as fresh as the session.

A receipt (docs/protocol.md, 7) is sent only after `Watcher.use` has said that a release was put to use, and again in each session: a server
that has lost it gets it within the hour.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from typing import Final

from coffer_protocol.errors import CofferError, MalformedMessageError, UnreachableError
from coffer_protocol.limits import SESSION_TIMEOUT_S
from coffer_protocol.message import USE_FOLLOWED, Get, OkGet, Still, Watch

from ..coffer import Coffer, Release
from ..config.credential import Credential
from ..errors import ConfigurationError
from .connection import Connection
from .retrieval import DEFAULT_TIMEOUT_S, Failures, asks_on
from .source import Source

# A server sends Still at least every 60 s. If it is silent for 1.5 times as long, the server or the way to it is gone.
SILENCE_S: Final = 90.0
# The upper bounds of the waits between two attempts: 1 s, 2 s, 4 s …, at most a minute.
_FIRST_BACKOFF_S: Final = 1.0
_LAST_BACKOFF_S: Final = 60.0
# A session ends after this part of its hour at the earliest, so that clients that began together do not all come back together.
_SHORTEST_SESSION: Final = 0.8
# With a higher number 2.0**attempt would overflow one day. The wait reaches its bound long before.
_ATTEMPTS_COUNTED: Final = 16
# The system's generator: neither a fork nor an application's seed makes it the same for many clients.
_uniform: Final = random.SystemRandom().uniform


def demand_watchable(credential: Credential) -> None:
    """Raise ConfigurationError if a client speaks suite 0, which has no Watch."""
    if credential.bare:
        raise ConfigurationError("a bare key (suite 0) cannot watch: give your operator the public key text that `coffer-client id` prints")


class Watcher:
    """The releases of a source, each as soon as it is published.

    If a host cannot serve, or its answer is refused, the next one is tried. If none gives a good answer, the watcher waits a random part of
    a time that doubles with each failure, up to a minute (capped exponential backoff with full jitter).
    """

    def __init__(
        self,
        source: Source,
        *,
        after: int = 0,
        uniform: Callable[[float, float], float] = _uniform,
        silence_s: float = SILENCE_S,
    ) -> None:
        """Make a watcher. Nothing is connected yet.

        Args:
            source: the source to watch.
            after: the serial of the last known release. With 0, the first event is the current release.
            uniform: returns a random number between two.
            silence_s: how many seconds a server may be silent before it counts as gone.

        Raises:
            ConfigurationError: the client speaks suite 0, which has no Watch.
        """
        demand_watchable(source.wanted.credential)
        self._source = source
        self._serial = after
        self._uniform = uniform
        self._silence_s = silence_s
        self._attempt = 0
        # The release that was put to use last, and the one whose receipt was sent in this session.
        self._used: Release | None = None
        self._signed: Release | None = None

    def use(self, release: Release) -> None:
        """Say that a release has been put to use, so that its receipt is sent when the next event is asked for.

        Another thread may say so while the next event is waited for, and then interrupts that wait (`io.interruptible`).
        """
        self._used = release

    async def events(self) -> AsyncGenerator[Coffer | CofferError, None]:
        """Yield without end: a `Coffer` for every release that is newer than the last one, and an error for every attempt that failed.

        An attempt fails if no host gives a good answer, or if one says that it does not serve this client. What was yielded before stays
        valid, and the caller decides whether to go on. Closing the generator closes its session.
        """
        await self._source.tell_evidence()
        while True:
            error: CofferError | None = None
            failures = Failures(self._source)
            for host in await self._source.hosts():
                try:
                    async with await self._source.connect(host, deadline_s=self._in_s(DEFAULT_TIMEOUT_S)) as connection:
                        ends_s = self._in_s(SESSION_TIMEOUT_S * self._uniform(_SHORTEST_SESSION, 1))
                        coffer: Coffer | None = await self._get(connection)
                        failures.tell()
                        while coffer is not None:
                            if coffer.release.serial > self._serial:
                                self._serial = coffer.release.serial
                                yield coffer
                            coffer = await self._watch(connection, ends_s)
                    break
                except TimeoutError:
                    failures.add(host, UnreachableError(f"{host}: the server has become silent"))
                except CofferError as failure:
                    if not asks_on(failure):
                        error = failure
                        break
                    failures.add(host, failure)
            else:
                error = failures.combined()
            if error is not None:
                yield error
                await self._source.network.sleep(self._backoff_s())

    def _in_s(self, seconds: float) -> float:
        """Return the moment in so many seconds, on the network's clock."""
        return self._source.network.now_s() + seconds

    def _backoff_s(self) -> float:
        longest_s = min(_LAST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(self._attempt, _ATTEMPTS_COUNTED))
        self._attempt += 1
        return self._uniform(0, longest_s)

    async def _get(self, connection: Connection) -> Coffer:
        """Return the current release."""
        await connection.send(Get())
        coffer = await self._source.take(await connection.receive(OkGet), connection)
        self._attempt = 0
        self._signed = None
        return coffer

    async def _sign(self, connection: Connection) -> None:
        """Send the receipt for the release in use, unless it was sent in this session."""
        used = self._used
        if used is not None and used != self._signed:
            self._signed = used
            await self._source.sign_for(used, connection, use=USE_FOLLOWED)

    async def _watch(self, connection: Connection, ends_s: float) -> Coffer | None:
        """Return the next release as soon as it is published; None if the session has lasted long enough."""
        connection.deadline_s = self._in_s(self._silence_s)
        await self._sign(connection)
        await connection.send(Watch(serial=self._serial))
        while not isinstance(answer := await connection.next_message_or_interruption(), OkGet):
            await self._sign(connection)
            if isinstance(answer, Still):
                if self._source.network.now_s() >= ends_s:
                    return None
                connection.deadline_s = self._in_s(self._silence_s)
        connection.deadline_s = self._in_s(DEFAULT_TIMEOUT_S)
        coffer = await self._source.take(answer, connection)
        if coffer.release.serial <= self._serial:
            raise MalformedMessageError(
                f"{connection.host}: the server announced a new release, but gave one that is not newer than release {self._serial}"
            )
        return coffer

"""New releases as they come (docs/protocol.md, 3: Watch and Still): sessions that are kept, and begun again where they end.

Each session begins with Get, so that at least once an hour the client hears the newest release itself: one that goes back, or has expired,
is then noticed, and the cache is as young as the session.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from typing import Final

from coffer_protocol.errors import CofferError, MalformedMessageError, UnreachableError
from coffer_protocol.limits import SESSION_TIMEOUT_S
from coffer_protocol.message import Get, OkGet, Still, Watch

from ..coffer import Coffer
from ..config.credential import Credential
from ..errors import BusyServerError, ConfigurationError
from .connection import Connection
from .retrieval import DEFAULT_TIMEOUT_S, PASSING, combined
from .source import Source

# A server says Still at least every 60 s; one that is silent for half as long again is gone, or the way to it is.
SILENCE_S: Final = 90.0
# The longest waits between two attempts: 1 s, 2 s, 4 s …, at most a minute.
_FIRST_BACKOFF_S: Final = 1.0
_LAST_BACKOFF_S: Final = 60.0
# A session ends at this part of its hour at the earliest, so that clients that began together do not all come back together.
_SHORTEST_SESSION: Final = 0.8
# Beyond it 2.0**attempt would overflow one day; the wait is at its longest long before.
_ATTEMPTS_COUNTED: Final = 16
# The system's own, which neither a fork nor an application's seed makes the same for many.
_uniform: Final = random.SystemRandom().uniform


def demand_watchable(credential: Credential) -> None:
    """See that a client can watch.

    Raises:
        ConfigurationError: it speaks suite 0, which has no Watch.
    """
    if credential.bare:
        raise ConfigurationError("a bare key can get and cannot watch (suite 0); be known by the public key text: coffer-client id")


class Watcher:
    """The releases of a source, each as soon as it is there.

    A host that cannot serve is followed by the next; where none could, there is a wait of a random part of a time that doubles with each
    failure, to a minute (capped exponential backoff with full jitter).
    """

    def __init__(
        self,
        source: Source,
        *,
        after: int = 0,
        uniform: Callable[[float, float], float] = _uniform,
        silence_s: float = SILENCE_S,
    ) -> None:
        """Nothing is connected yet.

        Args:
            source: whom to ask.
            after: the serial of the last release that is known; with 0, the current one is the first that is given.
            uniform: draws a number between two.
            silence_s: the seconds after which a server that says nothing is gone.

        Raises:
            ConfigurationError: the client speaks suite 0, which has no Watch.
        """
        demand_watchable(source.wanted.credential)
        self._source = source
        self._serial = after
        self._uniform = uniform
        self._silence_s = silence_s
        self._attempt = 0

    async def events(self) -> AsyncGenerator[Coffer | CofferError, None]:
        """Give a `Coffer` for every release that is newer than the last one, without an end, and the error if an attempt failed: if none of
        the hosts could serve, or one refused. What was given before stays good, and the caller decides whether to go on. Closing the
        generator closes its session.
        """
        while True:
            error: CofferError | None = None
            failures: list[UnreachableError | BusyServerError] = []
            for host in await self._source.hosts():
                try:
                    async with await self._source.connect(host, deadline_s=self._in_s(DEFAULT_TIMEOUT_S)) as connection:
                        ends_s = self._in_s(SESSION_TIMEOUT_S * self._uniform(_SHORTEST_SESSION, 1))
                        coffer: Coffer | None = await self._get(connection)
                        while coffer is not None:
                            if coffer.release.serial > self._serial:
                                self._serial = coffer.release.serial
                                yield coffer
                            coffer = await self._watch(connection, ends_s)
                    break
                except PASSING as failure:
                    failures.append(failure)
                except TimeoutError:
                    failures.append(UnreachableError(f"{host}: the server has fallen silent"))
                except CofferError as refusal:
                    error = refusal
                    break
            else:
                error = combined(failures)
            if error is not None:
                yield error
                await self._source.network.sleep(self._backoff_s())

    def _in_s(self, seconds: float) -> float:
        """The moment that is so far away, on the network's clock."""
        return self._source.network.now_s() + seconds

    def _backoff_s(self) -> float:
        longest_s = min(_LAST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(self._attempt, _ATTEMPTS_COUNTED))
        self._attempt += 1
        return self._uniform(0, longest_s)

    async def _get(self, connection: Connection) -> Coffer:
        """The current release."""
        await connection.send(Get())
        coffer = await self._source.take(await connection.receive(OkGet), connection)
        self._attempt = 0
        return coffer

    async def _watch(self, connection: Connection, ends_s: float) -> Coffer | None:
        """The next release, as soon as it is there; None where the session has had its time."""
        connection.deadline_s = self._in_s(self._silence_s)
        await connection.send(Watch(serial=self._serial))
        while isinstance(answer := await connection.next_message(), Still):
            if self._source.network.now_s() >= ends_s:
                return None
            connection.deadline_s = self._in_s(self._silence_s)
        # The session lets nothing else through than what may follow.
        assert isinstance(answer, OkGet)
        connection.deadline_s = self._in_s(DEFAULT_TIMEOUT_S)
        coffer = await self._source.take(answer, connection)
        if coffer.release.serial <= self._serial:
            raise MalformedMessageError(
                f"{connection.host}: the server told of a new release, and gave one that is not newer than {self._serial}"
            )
        return coffer

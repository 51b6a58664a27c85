"""New releases as they come (PROTOCOL.md, 3: Watch and Still): sessions that are kept, and begun again where they end.

Each session begins with Get, so that at least once an hour the client hears the newest release itself: one that goes back, or has expired,
is then noticed, and the cache is as young as the session.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from coffer_protocol.address import Host
from coffer_protocol.errors import CofferError, MalformedMessageError, UnreachableError
from coffer_protocol.limits import SESSION_TIMEOUT_S
from coffer_protocol.message import Get, OkGet, Still, Watch

from .coffer import Coffer
from .connection import Connection, Deadline
from .errors import BusyServerError, ConfigurationError
from .fetch import DEFAULT_TIMEOUT_S, PASSING, combined
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attempt that failed. What was given before stays good.

    Attributes:
        error: why.
        retry_s: in how many seconds the next attempt begins.
    """

    error: CofferError
    retry_s: float


class Watcher:
    """The releases of a source, each as soon as it is there. To be iterated over once, without an end.

    It gives a `Coffer` for every release that is newer than the last one, and a `Failure` where none of the hosts could serve, or one was
    refused; whoever iterates decides whether to go on. A host that cannot serve is followed by the next; then there is a wait of a random
    part of a time that doubles with each failure, to a minute (capped exponential backoff with full jitter).
    """

    def __init__(
        self,
        source: Source,
        *,
        after: int = 0,
        pause: Callable[[float], object] = time.sleep,
        uniform: Callable[[float, float], float] = _uniform,
        monotonic: Callable[[], float] = time.monotonic,
        silence_s: float = SILENCE_S,
    ) -> None:
        """Nothing is connected yet.

        Args:
            source: whom to ask.
            after: the serial of the last release that is known; with 0, the current one is the first that is given.
            pause: waits for some seconds.
            uniform: draws a number between two.
            monotonic: gives the seconds by which a session's age is told.
            silence_s: the seconds after which a server that says nothing is gone.

        Raises:
            ConfigurationError: the client speaks suite 0, which has no Watch.
        """
        if source.wanted.credential.bare:
            raise ConfigurationError("a bare key can get and cannot watch (suite 0); be known by the public key text: coffer-client id")
        self._source = source
        self._serial = after
        self._pause = pause
        self._uniform = uniform
        self._monotonic = monotonic
        self._silence_s = silence_s
        self._attempt = 0

    def __iter__(self) -> Generator[Coffer | Failure, None, NoReturn]:
        while True:
            error: CofferError | None
            try:
                error = yield from self._round()
            except CofferError as refusal:
                error = refusal
            if error is None:
                continue
            retry_s = self._uniform(0, min(_LAST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(self._attempt, _ATTEMPTS_COUNTED)))
            self._attempt += 1
            yield Failure(error=error, retry_s=retry_s)
            self._pause(retry_s)

    def _round(self) -> Generator[Coffer, None, CofferError | None]:
        """The releases of one session with the first host that serves. Returns why none did; None where a session had its time."""
        failures: list[UnreachableError | BusyServerError] = []
        for host in self._source.wanted.address.hosts:
            try:
                yield from self._session(host)
            except PASSING as error:
                failures.append(error)
            except TimeoutError:
                failures.append(UnreachableError(f"{host}: the server has fallen silent"))
            else:
                return None
        return combined(failures)

    def _session(self, host: Host) -> Iterator[Coffer]:
        ends = self._monotonic() + SESSION_TIMEOUT_S * self._uniform(_SHORTEST_SESSION, 1)
        with self._source.connect(host, Deadline(DEFAULT_TIMEOUT_S)) as connection:
            connection.send(Get())
            yield from self._take(connection.receive(OkGet), connection)
            self._attempt = 0
            while True:
                asked = self._serial
                connection.deadline = Deadline(self._silence_s)
                connection.send(Watch(serial=asked))
                while isinstance(answer := connection.next_message(), Still):
                    if self._monotonic() >= ends:
                        return
                    connection.deadline = Deadline(self._silence_s)
                # The session lets nothing else through than what may follow.
                assert isinstance(answer, OkGet)
                connection.deadline = Deadline(DEFAULT_TIMEOUT_S)
                yield from self._take(answer, connection)
                if self._serial == asked:
                    raise MalformedMessageError(f"{host}: the server told of a new release, and gave one that is not newer than {asked}")

    def _take(self, answer: OkGet, connection: Connection) -> Iterator[Coffer]:
        coffer = self._source.take(answer, connection)
        if coffer.release.serial > self._serial:
            self._serial = coffer.release.serial
            yield coffer

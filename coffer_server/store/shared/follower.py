"""The follower of other servers' commits to the same PostgreSQL database. It uses LISTEN, and polls in case a notice is lost."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import psycopg

from ...logs import log
from ..base import StoreStatus, Trouble
from ..sql.postgres import Postgres
from .fallback import FallbackReads

# After so long without a notice, the follower looks into the tables all the same: the connection may have died without an error.
_SILENCE_S: Final = 1.0
# How long after a failure it tries the next connection.
_RETRY_S: Final = 0.5

_LAST_EVENT: Final = b"SELECT MAX(number) FROM events"
_BLOCKED: Final = b"SELECT client FROM blocked"
_NEWEST: Final = b"SELECT coffer, MAX(serial) FROM releases GROUP BY coffer"


class Follower:
    """A thread with a connection of its own that hears of every release and of every blocked client.

    A notice only says when to look. What was committed is read from the tables: at every notice, after every silence, and after every new
    connection. So if a notice is lost, the release comes a second late.

    Args:
        database: the database to follow.
        reads: told of releases, of blocked clients, and whether the database is away. The follower renews their answers.
        heard: also called for each release, with coffer and serial.

    Attributes:
        status: the last state of the store that it has read, or None before its first look.
    """

    def __init__(self, database: Postgres, reads: FallbackReads, heard: Callable[[str, int], None]) -> None:
        self._database = database
        self._reads = reads
        self._heard = heard
        self.status: StoreStatus | None = None
        self._is_noticed = False
        self._is_stopping = False
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._run, name="coffer-follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait until it has ended."""
        self._is_stopping = True
        os.write(self._waker, b"\0")
        self._thread.join()
        os.close(self._wake)
        os.close(self._waker)

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                with contextlib.closing(self._database.listen()) as connection:
                    self._follow(connection)
            except Exception as error:  # noqa: BLE001 (after any error, it tries the next connection)
                self._lost(error)
                self._wait(_RETRY_S)

    def _follow(self, connection: psycopg.Connection[Any]) -> None:
        connection.add_notify_handler(self._notice)
        while not self._is_stopping:
            self._is_noticed = False
            self._look(connection)
            self._found()
            has_more = self._reads.renew()
            # A notice that came together with an answer was already read, so the connection does not become readable for it.
            if not (self._is_noticed or has_more):
                self._wait(_SILENCE_S, connection.fileno())

    def _wait(self, timeout_s: float, *descriptors: int) -> None:
        # poll() instead of select(): in a server with many connections, the number of a descriptor may be too high for select().
        readable = select.poll()
        for descriptor in (self._wake, *descriptors):
            readable.register(descriptor, select.POLLIN)
        readable.poll(timeout_s * 1000)

    def _notice(self, _: psycopg.Notify) -> None:
        self._is_noticed = True

    def _look(self, connection: psycopg.Connection[Any]) -> None:
        # In this order, a release that is committed between the two reads is read twice. In the other order it could be missed.
        [(last_event,)] = connection.execute(_LAST_EVENT).fetchall()
        before = self.status
        if before is not None and (last_event or 0) == before.event:
            return
        newest = dict(connection.execute(_NEWEST).fetchall())
        # This is read after the releases and told before them, so that the listeners know of every block that came before a release.
        self._reads.heard_blocked(client for (client,) in connection.execute(_BLOCKED, binary=True).fetchall())
        for coffer, serial in newest.items():
            if before is None or before.releases.get(coffer) != serial:
                self._reads.heard(coffer, serial)
                self._heard(coffer, serial)
        self.status = StoreStatus(event=last_event or 0, releases=newest, away=None)

    def _lost(self, error: Exception) -> None:
        if not self._reads.is_away:
            reason = " ".join(str(error).split())
            self._reads.is_away = True
            if self.status is not None:
                self.status = replace(self.status, away=Trouble(since=int(time.time()), reason=reason))
            log.warning("the database is away: serving from memory", error=type(error).__name__, reason=reason)

    def _found(self) -> None:
        if self._reads.is_away:
            self._reads.is_away = False
            if self.status is not None:
                self.status = replace(self.status, away=None)
            log.info("the database is back")

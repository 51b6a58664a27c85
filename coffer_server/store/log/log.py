"""The event log in the database: appending events, and reading them in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, select

from ...errors import EventError
from .. import events
from ..events import BEGINNING, Event, Happening
from ..sealing import Keyring
from ..sql.schema import EVENT_BODY
from ..sql.schema import events as table

# The body of an event may have a hundred kilobytes.
_EVENTS_AT_A_TIME: Final = 64

_LAST: Final = select(table).order_by(table.c.number.desc()).limit(1)


def read(connection: Connection, keyring: Keyring, *, after: int = 0) -> Iterator[Event]:
    """Yield the events after the one with the number `after`, in order, and check their chain.

    Raises:
        EventError: if an event is missing, or if the chain is broken.
        SealError: if the body of an event does not open.
    """
    last = connection.execute(select(table).where(table.c.number == after)).first() if after else None
    number, prev = (0, BEGINNING) if last is None else (after, _event(last, keyring).sha256)
    rows = connection.execute(
        select(table).where(table.c.number > number).order_by(table.c.number), execution_options={"yield_per": _EVENTS_AT_A_TIME}
    )
    for row in rows:
        number += 1
        if row.number != number:
            raise EventError(f"event {number} is missing; the next one is event {row.number}")
        event = _event(row, keyring)
        if event.prev != prev:
            raise EventError(f"event {number} does not hold the hash of event {number - 1}, so one of them was changed")
        prev = event.sha256
        yield event


def _event(row: Any, keyring: Keyring) -> Event:
    return Event(number=row.number, at=row.at, kind=row.kind, body=keyring.open(EVENT_BODY.of(row.number), row.body), prev=row.prev)


class Appender:
    """Appends events to the log in a transaction, the only one that writes.

    Args:
        connection: the connection of the transaction.
        keyring: the database's keyring.
    """

    def __init__(self, connection: Connection, keyring: Keyring) -> None:
        self._connection = connection
        self._keyring = keyring
        last = connection.execute(_LAST).first()
        self._number: int = 0 if last is None else last.number
        self._prev = BEGINNING if last is None else _event(last, keyring).sha256

    def append(self, happening: Happening, *, at: int) -> None:
        """Append the next event. `at` is the time in seconds since 1970."""
        event = events.event(happening, number=self._number + 1, at=at, prev=self._prev)
        sealed = self._keyring.seal(EVENT_BODY.of(event.number), event.body)
        self._connection.execute(table.insert(), {"number": event.number, "at": at, "kind": event.kind, "body": sealed, "prev": event.prev})
        self._number, self._prev = event.number, event.sha256

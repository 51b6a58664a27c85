"""Dates and times that do not show themselves. `redacted.py` has the other values, so that coffers without dates do not load these."""

from __future__ import annotations

from datetime import date, datetime, time

from coffer_protocol.lean import TYPE_CHECKING

from .redacted import Redacted

if TYPE_CHECKING:
    from typing import Any, SupportsIndex


class SecretDateTime(Redacted, datetime):
    """A date with a time, with or without an offset, that hides itself."""

    __slots__ = ()
    _kind = "date-time"

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]:
        return datetime.fromisoformat, (self.isoformat(),)


class SecretDate(Redacted, date):
    """A date that hides itself."""

    __slots__ = ()
    _kind = "date"

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]:
        return date.fromisoformat, (self.isoformat(),)


class SecretTime(Redacted, time):
    """A time of day that hides itself."""

    __slots__ = ()
    _kind = "time"

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]:
        return time.fromisoformat, (self.isoformat(),)


def redact_date(value: datetime | date | time) -> SecretDateTime | SecretDate | SecretTime:
    """Return the same moment as the type that hides it."""
    match value:
        # A datetime is a date, so it comes first.
        case datetime():
            return SecretDateTime.fromisoformat(value.isoformat())
        case date():
            return SecretDate.fromisoformat(value.isoformat())
        case time():
            return SecretTime.fromisoformat(value.isoformat())

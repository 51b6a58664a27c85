"""Spans of time, as people write and read them."""

from __future__ import annotations

from datetime import timedelta

from coffer_client.errors import UsageError
from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

_UNITS: Final[Mapping[str, timedelta]] = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
# A thousand years: more is a mistake. Nine digits are the most that a timedelta takes of any unit.
_MOST: Final = timedelta(days=365_250)


def parse(text: str, flag: str) -> timedelta:
    """The span that a text such as 30s, 90m, 12h or 7d stands for; 0 needs no unit.

    Raises:
        UsageError: it is not one; the text names `flag`, where it was typed.
    """
    number, unit = (text, "s") if text == "0" else (text[:-1], text[-1:])
    if unit in _UNITS and number.isascii() and number.isdecimal() and len(number) <= 9 and int(number) * _UNITS[unit] <= _MOST:
        return int(number) * _UNITS[unit]
    raise UsageError(f"{flag} is a whole number with its unit, as in 30s, 90m, 12h or 7d; or 0")


def show(span: timedelta) -> str:
    """A span in its largest unit and the next: `2d 3h`, `12h`, `40s`."""
    parts = []
    for unit, size in _UNITS.items():
        count, span = divmod(span, size)
        if count:
            parts.append(f"{count}{unit}")
        if parts and (not count or len(parts) == 2):
            break
    return " ".join(parts) or "0s"

"""Spans of time as people write and read them: `30s`, `90m`, `12h`, `7d`, `52w`.

Every option, setting and definition that takes a span has this one grammar. The functions differ in what else they accept: `parse` accepts
`0`, `parse_timeout` accepts a bare number of seconds, and `parse_lifetime` accepts `never`.
"""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from typing import Final

NEVER: Final = "never"

_UNITS_S: Final[Mapping[str, int]] = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
# A century. A longer span is a typing mistake, or means "never".
_LONGEST_S: Final = 36_525 * 86400
# Enough for a century in seconds. It also bounds the work of turning the digits into a number.
_DIGITS: Final = 10
# Weeks are read and not shown: "7d" is what people expect to see.
_SHOWN_UNITS: Final = "dhms"
# A second unit adds nothing that matters to a span of ten days or more.
_LONG_S: Final = 10 * 86400


def parse(text: str, place: str) -> timedelta:
    """Parse a whole number with a unit, or `0`.

    Args:
        text: the span.
        place: the option or setting that has it, such as `--splay`: errors begin with it.

    Raises:
        UsageError: the text is neither, or the span is longer than a century.
    """
    from datetime import timedelta

    seconds = 0 if text == "0" else _seconds(text)
    if seconds is None:
        raise UsageError(f"{place}: expected a time such as 30s, 90m, 12h, 7d or 52w, or 0; got {text!r}")
    return timedelta(seconds=seconds)


def parse_timeout(text: str, place: str) -> float:
    """Parse a whole number with a unit, or a bare number of seconds, which may have a fraction. Return the seconds.

    Args:
        text: the span.
        place: as for `parse`.

    Raises:
        UsageError: the text is neither, or the span is not above 0.
    """
    seconds: float | None = _seconds(text)
    if seconds is None:
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
    # NaN compares as false.
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{place}: expected a time above 0, as seconds such as 2.5 or as 30s or 5m; got {text!r}")
    return seconds


def parse_lifetime(text: str, place: str) -> int | None:
    """Parse a whole number with a unit, or `never`. Return the seconds, or None for `never`.

    Args:
        text: the span.
        place: as for `parse`.

    Raises:
        UsageError: the text is neither, is zero, or is longer than a century.
    """
    if text == NEVER:
        return None
    seconds = _seconds(text)
    if not seconds:
        raise UsageError(f"{place}: expected a time such as 12h, 400d or 52w, up to a century, or {NEVER}; got {text!r}")
    return seconds


def _seconds(text: str) -> int | None:
    """Return the seconds of a whole number with a unit; None if the text is not one, or if the span is longer than a century."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS_S or not (number.isascii() and number.isdecimal()) or len(number) > _DIGITS:
        return None
    seconds = int(number) * _UNITS_S[unit]
    return seconds if seconds <= _LONGEST_S else None


def show(span: timedelta) -> str:
    """Return a span in its largest unit and the next smaller one: `2d 3h`, `12h`, `40s`; from ten days on in days: `400d`.

    Args:
        span: the span, not negative. Fractions of a second are dropped.
    """
    seconds = rest = int(span.total_seconds())
    parts: list[str] = []
    for unit in _SHOWN_UNITS:
        count, rest = divmod(rest, _UNITS_S[unit])
        if count:
            parts.append(f"{count}{unit}")
        if parts and (not count or len(parts) == 2 or seconds >= _LONG_S):
            break
    return " ".join(parts) or "0s"

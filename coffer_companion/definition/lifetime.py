"""Lifetimes as an operator writes them: `400d`, `52w`, `12h`, `never`."""

from __future__ import annotations

import re
from typing import Final

from coffer_protocol.errors import CofferError

NEVER: Final = "never"

_UNITS_S: Final = {"h": 3600, "d": 86400, "w": 7 * 86400}
_FORM: Final = re.compile(r"([0-9]{1,9})([hdw])")
# A century. Longer is a slip of the finger or means "never", which has a word of its own.
_LONGEST_S: Final = 36525 * 86400


class LifetimeError(CofferError, ValueError):
    """A lifetime is not one of the forms that `parse_lifetime` reads."""


def parse_lifetime(text: str) -> int | None:
    """A lifetime in seconds, or None for `never`.

    Args:
        text: a whole number and `h`, `d` or `w` (hours, days, weeks), or `never`.

    Raises:
        LifetimeError: it is neither, is zero, or is more than a hundred years.
    """
    if text == NEVER:
        return None
    match = _FORM.fullmatch(text)
    if match is None:
        raise LifetimeError(f"a lifetime is a number and h, d or w, such as 12h, 400d or 52w, or {NEVER!r}; this is {text!r}")
    seconds = int(match[1]) * _UNITS_S[match[2]]
    if seconds == 0:
        raise LifetimeError(f"a lifetime of {text} is over at once; give at least 1h")
    if seconds > _LONGEST_S:
        raise LifetimeError(f"a lifetime of {text} is more than a hundred years; say {NEVER!r} if that is meant")
    return seconds

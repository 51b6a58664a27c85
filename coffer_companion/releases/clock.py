"""Checks this machine's clock before its time is signed: against the newest release, the server's clock, and the clock itself.

A publisher says what is wrong before it signs (docs/protocol.md, 7). The server and every client refuse a release whose time is impossible.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from coffer_protocol.limits import CLOCK_START, ISSUED_AHEAD_S, ISSUED_NOTICE_S
from coffer_protocol.release.head import Head

from ..errors import PublisherClockError

_SET: Final = "set this machine's clock, then type the same command again"


def check_set(now: float) -> None:
    """Raise PublisherClockError if this machine's clock is that of a machine whose time was never set.

    Args:
        now: this machine's clock, in seconds since 1970.
    """
    if now < CLOCK_START:
        raise PublisherClockError(f"this machine's clock says {_when(now)}, which is wrong: nothing was signed", hint=_SET)


def compare_with_server(now: float, server: float) -> str | None:
    """Return a warning if this machine's clock and the server's differ, otherwise None.

    Args:
        now: this machine's clock, in seconds since 1970.
        server: the server's clock, according to the server.

    Raises:
        PublisherClockError: this machine's clock is so far ahead of the server's that the server would refuse the release.
    """
    told = f"this machine's clock says {_when(now)}, and the server's says {_when(server)}: one of the two clocks is wrong"
    if now - server > ISSUED_AHEAD_S:
        raise PublisherClockError(
            f"{told}, and nothing was signed",
            hint="if it is this machine's clock, set it; if it is the server's, its operator sets it. Then type the same command again",
        )
    return told if abs(now - server) > ISSUED_NOTICE_S else None


def compare_with_release(now: float, newest: Head) -> str | None:
    """Return a warning if the newest release was issued ahead of this machine's clock, otherwise None."""
    if newest.issued - now <= ISSUED_NOTICE_S:
        return None
    return (
        f"release {newest.serial} was issued at {_when(newest.issued)}, and this machine's clock says {_when(now)}: one of the two clocks "
        "is wrong"
    )


def is_a_day_behind(now: float, newest: Head) -> bool:
    """Return whether the newest release was issued so far ahead that only a restart may come after it (docs/protocol.md, 7)."""
    return newest.issued - now > ISSUED_AHEAD_S


def check_steady(before: float, after: float, elapsed_s: float) -> None:
    """Raise PublisherClockError if this machine's clock was changed while an upload was open.

    Args:
        before: the clock when the upload began, in seconds since 1970.
        after: the clock now.
        elapsed_s: the time that has passed meanwhile, by a clock that nobody sets.
    """
    if abs(after - before - elapsed_s) > ISSUED_NOTICE_S:
        raise PublisherClockError(
            f"this machine's clock went from {_when(before)} to {_when(after)} within {elapsed_s:.0f} s: nothing was signed", hint=_SET
        )


def check_expiry(now: float, expires: int | None, server: float) -> None:
    """Raise PublisherClockError if a release would already have expired by the server's clock."""
    if expires is not None and expires <= server:
        raise PublisherClockError(
            f"this machine's clock says {_when(now)}, and the server's says {_when(server)}: the release would have expired already, and "
            "nothing was signed",
            hint=_SET,
        )


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"

"""Times as people and scripts read them: ISO 8601, in UTC, to the second."""

from __future__ import annotations


def show(seconds: float) -> str:
    """Return a time such as `2026-01-31T12:00:00Z`. A time that no calendar has is shown as its seconds.

    Args:
        seconds: seconds since 1970.
    """
    # Loading datetime takes longer than most programs run, and few of them show a time.
    from datetime import UTC, datetime

    try:
        return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s after 1970"

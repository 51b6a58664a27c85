from __future__ import annotations

from datetime import timedelta

import pytest

from coffer_client.errors import UsageError
from coffer_common import durations


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0", timedelta()),
        ("0d", timedelta()),
        ("30s", timedelta(seconds=30)),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
    ],
)
def test_it_reads(text: str, span: timedelta) -> None:
    assert durations.parse(text, "--splay") == span


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5h", "7 d", "7D", "1w", "1_0s", "٣s", "999999999999d"])
def test_it_reads_nothing_else(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--max-stale is a whole number with its unit"):
        durations.parse(text, "--max-stale")


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(milliseconds=1500), "1s"),
        (timedelta(hours=12), "12h"),
        (timedelta(days=2, hours=3, minutes=9), "2d 3h"),
        (timedelta(days=2, minutes=9), "2d"),
    ],
)
def test_it_shows_two_units(span: timedelta, text: str) -> None:
    assert durations.show(span) == text

from __future__ import annotations

from datetime import timedelta

import pytest

from coffer_common import durations
from coffer_common.errors import UsageError

SPANS = [
    ("0d", 0),
    ("30s", 30),
    ("007s", 7),
    ("90m", 5400),
    ("12h", 43_200),
    ("7d", 604_800),
    ("52w", 31_449_600),
    ("36525d", 3_155_760_000),
    ("3155760000s", 3_155_760_000),
]
# None of the three takes these.
NO_SPANS = ["", "d", "-1d", "1.5h", "7 d", "7D", "1y", "1_0s", "٣s", "1d\n", " 1d", "+1d", "36526d", "9999999999w", "0" * 11 + "s", "soon"]


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), *SPANS])
def test_a_span_is_a_whole_number_with_its_unit_or_zero(text: str, seconds: int) -> None:
    assert durations.parse(text, "--splay") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", [*NO_SPANS, "7", "never", "00"])
def test_nothing_else_is_a_span(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--max-stale: expected a time such as 30s, 90m, 12h, 7d or 52w, or 0; got '"):
        durations.parse(text, "--max-stale")


@pytest.mark.parametrize(("text", "seconds"), [("5", 5.0), ("0.5", 0.5), ("1e3", 1000.0), *(span for span in SPANS if span[1])])
def test_a_timeout_may_be_a_bare_number_of_seconds(text: str, seconds: float) -> None:
    assert durations.parse_timeout(text, "--timeout") == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-1", "nan", "inf", "1e999", "1.5h", "5 m", "never", "soon"])
def test_nothing_else_is_a_timeout(text: str) -> None:
    with pytest.raises(UsageError, match=r"^COFFER_TIMEOUT: expected a time above 0, as seconds such as 2\.5 or as 30s or 5m; got '"):
        durations.parse_timeout(text, "COFFER_TIMEOUT")


@pytest.mark.parametrize(("text", "seconds"), [("never", None), *(span for span in SPANS if span[1])])
def test_a_lifetime_may_have_no_end(text: str, seconds: int | None) -> None:
    assert durations.parse_lifetime(text, "--expires") == seconds


@pytest.mark.parametrize("text", [*NO_SPANS, "0", "0d", "400", "Never"])
def test_nothing_else_is_a_lifetime(text: str) -> None:
    with pytest.raises(UsageError, match=r"^expires: expected a time such as 12h, 400d or 52w, up to a century, or never; got '"):
        durations.parse_lifetime(text, "expires")


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(milliseconds=1500), "1s"),
        (timedelta(seconds=61), "1m 1s"),
        (timedelta(hours=12), "12h"),
        (timedelta(days=2, hours=3, minutes=9), "2d 3h"),
        (timedelta(days=2, minutes=9), "2d"),
        (timedelta(days=9, hours=23), "9d 23h"),
        (timedelta(days=10, hours=23), "10d"),
        (timedelta(days=400), "400d"),
    ],
)
def test_a_span_is_shown_in_two_units(span: timedelta, text: str) -> None:
    assert durations.show(span) == text

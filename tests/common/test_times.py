from __future__ import annotations

import pytest

from coffer_common import times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000.9, "2023-11-14T22:13:20Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (253_402_300_800, "253402300800 s after 1970"),
        (2**64 - 1, "18446744073709551615 s after 1970"),
        (10.0**300, f"{10.0**300} s after 1970"),
    ],
)
def test_a_time_is_shown_in_utc(seconds: float, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    assert times.show(seconds) == text

from __future__ import annotations

import pytest

from coffer_companion.errors import PublisherClockError
from coffer_companion.releases import clock
from coffer_protocol.limits import CLOCK_START, ISSUED_AHEAD_S, ISSUED_NOTICE_S
from coffer_protocol.release.head import Head
from tests.support import identity

NOW = 1_800_000_000.0


def head(issued: float) -> Head:
    return Head(
        coffer="shop",
        serial=3,
        root=bytes(32),
        count=1,
        issued=int(issued),
        expires=None,
        prev=bytes(32),
        restart=False,
        publisher=identity("publisher").publisher_key(),
        publishers=None,
        servers=None,
        hosts=None,
    )


def test_a_clock_that_was_never_set() -> None:
    clock.check_set(CLOCK_START)
    with pytest.raises(PublisherClockError, match="this machine's clock says 1970-01-01 00:01:00 UTC"):
        clock.check_set(60)


def test_the_server_would_refuse_what_is_more_than_a_day_ahead_of_its_clock() -> None:
    assert clock.compare_with_server(NOW, NOW + ISSUED_NOTICE_S) is None
    assert clock.compare_with_server(NOW, NOW - ISSUED_NOTICE_S) is None
    for ahead_s in (ISSUED_NOTICE_S + 1, ISSUED_AHEAD_S, -ISSUED_NOTICE_S - 1, -10 * ISSUED_AHEAD_S):
        assert "this machine's clock says" in str(clock.compare_with_server(NOW + ahead_s, NOW))
    with pytest.raises(PublisherClockError, match="nothing was signed"):
        clock.compare_with_server(NOW + ISSUED_AHEAD_S + 1, NOW)


def test_the_newest_release_may_be_ahead_of_this_clock() -> None:
    assert clock.compare_with_release(NOW, head(NOW + ISSUED_NOTICE_S)) is None
    assert "release 3 was issued at" in str(clock.compare_with_release(NOW, head(NOW + ISSUED_NOTICE_S + 1)))
    assert not clock.is_a_day_behind(NOW, head(NOW + ISSUED_AHEAD_S))
    assert clock.is_a_day_behind(NOW, head(NOW + ISSUED_AHEAD_S + 1))


def test_a_clock_that_jumps() -> None:
    clock.check_steady(NOW, NOW + 600, 600)
    clock.check_steady(NOW, NOW + 600 + ISSUED_NOTICE_S, 600)
    for jump_s in (ISSUED_NOTICE_S + 1, -ISSUED_NOTICE_S - 1):
        with pytest.raises(PublisherClockError, match="within 600 s: nothing was signed"):
            clock.check_steady(NOW, NOW + 600 + jump_s, 600)


def test_a_release_that_would_have_expired() -> None:
    clock.check_expiry(NOW, None, NOW)
    clock.check_expiry(NOW, int(NOW) + 1, NOW)
    with pytest.raises(PublisherClockError, match="would have expired already"):
        clock.check_expiry(NOW, int(NOW), NOW)

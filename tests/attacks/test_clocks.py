"""Machines whose clocks are wrong: a publisher's, the server's, or both. Whatever they did, somebody can publish afterwards."""

from __future__ import annotations

import pytest

from coffer_protocol.release.head import Head, claimed_untrusted

from .conftest import Team, ok, typed

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


def newest(team: Team) -> Head:
    """Return the head that the server holds as the newest."""
    return claimed_untrusted(team.server.store.state()[team.coffer].signed)


@pytest.mark.parametrize("first", [True, False])
def test_a_clock_in_the_future_signs_nothing(team: Team, first: bool) -> None:
    if not first:
        ok(team.upload("one", {"web": "before"}))
    team.clocks_ahead_s["one"] = 2 * DAY_S
    done = team.upload("one", {"web": "new"})
    assert done.returncode == 1
    assert "this machine's clock says" in done.stderr
    assert "nothing was signed" in done.stderr
    # The clock is set: the same command works, and no serial was spent.
    team.clocks_ahead_s.clear()
    ok(team.companion("one", "upload", "secrets.toml"))
    assert newest(team).serial == (1 if first else 2)
    assert ok(team.get("web")) == "new"


def test_a_clock_that_was_never_set_signs_nothing(team: Team) -> None:
    ok(team.upload("one", {"web": "before"}))
    # 1970, or close to it.
    team.clocks_ahead_s["one"] = -55 * 365 * DAY_S
    for flags in ((), ("--restore",)):
        done = team.upload("one", {"web": "new"}, *flags)
        assert done.returncode == 1
        assert "this machine's clock says 197" in done.stderr
    team.clocks_ahead_s.clear()
    ok(team.companion("one", "upload", "secrets.toml"))
    assert newest(team).serial == 2


def test_a_clock_in_the_past_is_told_and_makes_no_release_that_has_expired(team: Team) -> None:
    team.clocks_ahead_s["one"] = -500 * DAY_S
    done = team.upload("one", {"web": "new"})
    assert done.returncode == 1
    assert "the release would have expired already, and nothing was signed" in done.stderr
    # Two days behind is told, and harms nobody.
    team.clocks_ahead_s["one"] = -2 * DAY_S
    done = team.upload("one", {"web": "new"})
    assert "this machine's clock says" in ok(done)
    assert ok(team.get("web")) == "new"


def test_some_hours_in_the_future_keep_nobody_from_publishing(team: Team) -> None:
    """A release of such a publisher is good for everybody. Those after it are issued at the same time until the clocks have caught up."""
    team.clocks_ahead_s["one"] = 23 * HOUR_S
    ok(team.upload("one", {"web": "first"}))
    issued = newest(team).issued
    assert ok(team.get("web")) == "first"
    team.clocks_ahead_s.clear()
    done = team.upload("one", {"web": "second"})
    assert "release 1 was issued at" in ok(done)
    assert newest(team).issued == issued
    assert ok(team.get("web")) == "second"


def test_server_and_publisher_in_the_future_keep_nobody_from_publishing(team: Team) -> None:
    """They made a release that no client with a right clock takes, and to which none can be added. A person's word begins it again."""
    ok(team.upload("one", {"web": "first"}))
    assert ok(team.get("web")) == "first"
    team.let_in("two")
    ok(team.companion("one", "publishers", "add", team.identity("two").public_text(), "--name", "two"))
    team.server.lies.clock_ahead_s = team.clocks_ahead_s["one"] = team.clocks_ahead_s["two"] = 3650 * DAY_S
    ok(team.upload("one", {"web": "future"}))
    ok(team.upload("two", {"web": "future"}, trusts=("one", "two")))
    # A client whose clock is right does not take it.
    shown = team.get("web")
    assert (shown.stdout, shown.returncode) == ("first", 0), shown.stderr
    assert "this clock is behind, or the publisher's was ahead" in shown.stderr
    # The clocks are set.
    team.server.lies.clock_ahead_s = 0.0
    team.clocks_ahead_s.clear()
    refused = team.upload("one", {"web": "third"})
    assert refused.returncode == 1
    assert "one of the two clocks is wrong" in refused.stderr
    ok(team.companion("one", *typed(refused)))
    assert newest(team).restart
    assert ok(team.get("web")) == "third"
    # The other publisher goes on after it, by a person's word.
    refused = team.upload("two", {"web": "fourth"}, trusts=("one", "two"))
    assert refused.returncode == 5
    ok(team.companion("two", *typed(refused), trusts=("one", "two")))
    assert ok(team.get("web")) == "fourth"
    ok(team.upload("one", {"web": "fifth"}))
    assert ok(team.get("web")) == "fifth"


def test_clients_whose_clock_was_wrong_too_follow_a_release_that_lasts(team: Team) -> None:
    team.server.lies.clock_ahead_s = team.clocks_ahead_s["one"] = team.clocks_ahead_s["web"] = 3650 * DAY_S
    ok(team.upload("one", {"web": "future"}))
    assert ok(team.get("web")) == "future"
    team.server.lies.clock_ahead_s = 0.0
    team.clocks_ahead_s.clear()
    refused = team.upload("one", {"web": "now"})
    ok(team.companion("one", *typed(refused)))
    # For them it is still the day that the release said, on which the new one has expired. They say what ends that.
    shown = team.get("web", "--max-stale", "0")
    assert shown.returncode == 5
    ok(team.companion("one", *typed(shown)))
    assert ok(team.get("web")) == "now"
    assert newest(team).serial == 1002


def test_a_server_in_the_past_refuses_and_changes_nothing(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.server.lies.clock_ahead_s = -2 * DAY_S
    done = team.upload("one", {"web": "second"})
    assert done.returncode == 1
    assert "its operator sets it" in done.stderr
    team.server.lies.clock_ahead_s = 0.0
    ok(team.companion("one", "upload", "secrets.toml"))
    assert newest(team).serial == 2

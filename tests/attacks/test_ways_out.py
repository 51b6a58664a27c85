"""The ways out that the companion's messages name, each walked by typing what was printed."""

from __future__ import annotations

import subprocess

import pytest

from coffer_protocol.identity import format_id
from coffer_protocol.release.head import Head, claimed_untrusted

from .conftest import Team, ok, typed


def newest(team: Team) -> Head:
    """Return the head that the server holds as the newest."""
    return claimed_untrusted(team.server.store.state()[team.coffer].signed)


def type_it(team: Team, who: str, refused: subprocess.CompletedProcess[str]) -> str:
    """Type the command that a refusal has named. Return what it prints."""
    assert refused.returncode != 0
    return ok(team.companion(who, *typed(refused), trusts=("one", "two")))


@pytest.fixture
def two(team: Team) -> Team:
    """The team with two publishers. Releases 1 and 2 are made, and everybody has seen them."""
    ok(team.upload("one", {"web": "first"}))
    team.let_in("two")
    ok(team.companion("one", "publishers", "add", team.identity("two").public_text(), "--name", "two"))
    team.define("two", {"web": "first"})
    ok(team.companion("two", "upload", "secrets.toml", trusts=("one", "two")))
    return team


def goes_on(team: Team) -> None:
    """See that the history that `one` has begun again is everybody's: the client follows it, and `two` does by a person's word."""
    head = newest(team)
    assert head.restart
    assert set(head.publishers or ()) == {team.identity(who).publisher_key() for who in ("one", "two")}
    assert ok(team.get("web")) == "again"
    stopped = team.upload("two", {"web": "on"}, trusts=("one", "two"))
    assert stopped.returncode == 5
    assert f"--accept-restart {head.serial}" in stopped.stderr
    type_it(team, "two", stopped)
    assert (newest(team).serial, newest(team).restart) == (head.serial + 1, False)
    assert ok(team.get("web")) == "on"
    ok(team.upload("one", {"web": "at last"}, trusts=("one", "two")))
    assert ok(team.get("web")) == "at last"


def test_a_server_that_was_set_back(two: Team) -> None:
    before = two.server.store.state()
    ok(two.upload("one", {"web": "second"}))
    assert ok(two.get("web")) == "second"
    two.server.store.put_back(before)
    refused = two.upload("one", {"web": "again"})
    assert "was set back to an old state" in refused.stderr
    type_it(two, "one", refused)
    goes_on(two)


def test_a_lost_database(two: Team) -> None:
    assert ok(two.get("web")) == "first"
    two.server.store.put_back({})
    for who in ("one", "two"):
        two.let_in(who)
    refused = two.upload("one", {"web": "again"})
    assert "lost its database" in refused.stderr
    type_it(two, "one", refused)
    goes_on(two)


def test_another_release_under_a_serial_that_was_seen(two: Team) -> None:
    before = two.server.store.state()
    ok(two.upload("one", {"web": "second"}))
    assert ok(two.get("web")) == "second"
    two.server.store.put_back(before)
    ok(two.upload("two", {"web": "third"}, trusts=("one", "two")))
    refused = two.upload("one", {"web": "again"})
    assert "is not the release 3 that was seen before" in refused.stderr
    type_it(two, "one", refused)
    goes_on(two)


def test_a_hidden_release(two: Team) -> None:
    ok(two.get("web"))
    ok(two.upload("two", {"web": "second"}, trusts=("one", "two")))
    ok(two.upload("two", {"web": "third"}, trusts=("one", "two")))
    two.server.lies.hides = {3}
    refused = two.upload("one", {"web": "again"})
    assert "does not follow release 2" in refused.stderr
    type_it(two, "one", refused)
    two.server.lies.hides = set()
    goes_on(two)


def test_a_spent_release_that_turns_up(two: Team) -> None:
    ok(two.get("web"))
    before = two.server.store.state()
    two.server.lies.keeps_and_refuses = True
    assert two.upload("one", {"web": "hidden"}).returncode != 0
    two.server.lies.keeps_and_refuses = False
    hidden = two.server.store.state()
    two.server.store.put_back(before)
    ok(two.upload("two", {"web": "third"}, trusts=("one", "two")))
    ok(two.upload("one", {"web": "fourth"}))
    two.server.store.put_back(hidden)
    refused = two.upload("one", {"web": "again"})
    assert refused.returncode == 5
    type_it(two, "one", refused)
    goes_on(two)


def test_clients_have_seen_what_the_publisher_has_not(two: Team) -> None:
    """The server was set back before anybody but a client had looked, so only the client knows. It says what its operator types."""
    before = two.server.store.state()
    ok(two.upload("two", {"web": "second"}, trusts=("one", "two")))
    assert ok(two.get("web")) == "second"
    two.server.store.put_back(before)
    refused = two.get("web", "--max-stale", "0")
    assert refused.returncode == 5
    assert "--restore" in typed(refused)
    two.define("one", {"web": "again"})
    type_it(two, "one", refused)
    assert newest(two).restart
    # To type it once more begins nothing again.
    done = two.companion("one", *typed(refused))
    assert "nothing to change" in done.stderr
    assert ok(two.get("web")) == "again"


def test_a_restart_that_was_killed_and_typed_again(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    assert ok(team.get("web")) == "first"
    team.server.store.put_back({})
    team.let_in("one")
    team.server.lies.refuses = True
    assert team.upload("one", {"web": "again"}, "--restore").returncode != 0
    team.server.lies.refuses = False
    refused = team.companion("one", "upload", "secrets.toml")
    ok(team.companion("one", *typed(refused)))
    # Above the one that was signed before.
    assert newest(team).serial == 2001
    assert ok(team.get("web")) == "again"


def test_a_release_that_may_still_come(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    team.server.lies.refuses = True
    assert team.upload("one", {"web": "second"}).returncode != 0
    team.server.lies.refuses = False
    pending = team.upload("one", {"web": "first"})
    assert pending.returncode == 3
    ok(team.companion("one", *typed(pending)))
    assert newest(team).serial == 3
    # Now it can no longer come, and that was said.
    assert "nothing to change" in team.upload("one", {"web": "first"}).stderr


def test_a_refused_commit_is_typed_again(team: Team) -> None:
    team.server.lies.refuses = True
    assert "Type the same command again" in team.upload("one", {"web": "first"}).stderr
    team.server.lies.refuses = False
    ok(team.companion("one", "upload", "secrets.toml"))
    assert newest(team).serial == 2
    assert ok(team.get("web")) == "first"


def test_a_lost_note(two: Team) -> None:
    two.server.lies.notes[two.identity("web").id()] = bytes(300)
    refused = two.upload("one", {"web": "again"})
    assert refused.returncode == 5
    ok(two.companion("one", *typed(refused)))
    two.server.lies.notes.clear()
    assert ok(two.get("web")) == "again"


def test_a_lost_note_of_an_entry_that_the_definition_does_not_have(two: Team) -> None:
    ok(two.upload("one", {"web": "second", "worker": "second"}))
    worker = two.identity("worker").id()
    two.server.lies.notes[worker] = bytes(300)
    refused = two.upload("one", {"web": "third"}, "--allow-removals")
    told = type_it(two, "one", refused)
    assert f"entry {format_id(worker)} stays" in told
    assert "--drop ID drops it" in told
    ok(two.companion("one", "upload", "secrets.toml", "--reseal", "--drop", format_id(worker), "--allow-removals"))
    assert two.get("worker").returncode != 0
    two.server.lies.notes.clear()
    ok(two.upload("two", {"web": "fourth"}, trusts=("one", "two")))

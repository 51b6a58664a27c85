"""When an old password may be dropped: `status` once said so while it was still in use. Each case is against the real programs."""

from __future__ import annotations

from typing import Any

from .conftest import Team, ok

COMMAND = ("--", "sh", "-c", "echo has $a; exec tail -f /dev/null")


def follows(told: dict[str, Any]) -> bool:
    """Whether the client has signed for something that it has put to use."""
    return told["follows"] is True


def has_fetched_2(told: dict[str, Any]) -> bool:
    """Whether the server has given the second release to the client."""
    return bool(told["fetched"] == 2)


def assert_old_password_stays(team: Team) -> None:
    """What was fetched is not in use, so nobody is told that the old password may go."""
    told = team.status("one", "web")
    assert (told["state"], told["fetched"], told["held"]) == ("behind", 2, 1)
    assert team.companion("one", "status", "--require-adopted", "--accept-fetched").returncode == 1


def test_while_an_application_runs_with_the_old_password_through_a_splay(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    # So long that the random part of it is not over meanwhile.
    with team.running("web", "run", "--watch", "--splay", "1d", *COMMAND) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "has first\n"
        team.status_once("web", follows)
        ok(team.companion("one", "status", "--require-adopted"))
        ok(team.upload("one", {"web": "second"}))
        team.status_once("web", has_fetched_2)
        assert_old_password_stays(team)
        running.terminate()
        assert running.stdout.read() == ""


def test_after_a_render_that_failed(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    (team.home("web") / "a.j2").write_text("password = {{ a }}\n", encoding="utf-8")
    with team.running("web", "render", "a.j2", "-o", "a.conf", "--watch") as running:
        team.status_once("web", follows)
        ok(team.companion("one", "status", "--require-adopted"))
        # The key gets another name, which the template does not know.
        definition = team.home("one") / "secrets.toml"
        definition.write_text(definition.read_text().replace('a = "first"', 'b = "second"'), encoding="utf-8")
        ok(team.companion("one", "upload", "secrets.toml", "--allow-removals"))
        assert running.stderr is not None
        assert "release 2: a.j2, line 1: release 2 of 'shop' has no key 'a'" in running.stderr.readline()
        team.status_once("web", has_fetched_2)
        assert_old_password_stays(team)
    assert (team.home("web") / "a.conf").read_text(encoding="utf-8") == "password = first\n"


def test_after_somebody_typed_get_on_that_machine(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    with team.running("web", "run", "--watch", "--splay", "1d", *COMMAND) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "has first\n"
        team.status_once("web", follows)
        ok(team.upload("one", {"web": "second"}))
        assert ok(team.get("web")) == "second"
        # That get has signed, too: it says nothing of the application.
        told = team.status_once("web", lambda told: len(told["receipts"]) == 2 and told["receipts"][0]["serial"] == 2)
        assert [(held["serial"], held["in_use"]) for held in told["receipts"]] == [(2, False), (1, True)]
        assert_old_password_stays(team)


def test_once_the_application_runs_with_the_new_password(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    with team.running("web", "run", "--watch", *COMMAND) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "has first\n"
        team.status_once("web", follows)
        ok(team.upload("one", {"web": "second"}))
        done = team.companion("one", "status", "--require-adopted", "--wait", "1m")
        assert "held, in use" in ok(done)
        assert running.stdout.readline() == "has second\n"
        assert team.status("one", "web")["fingerprint"] == team.identity("web").public().fingerprint_text()

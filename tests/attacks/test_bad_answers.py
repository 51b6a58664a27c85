"""Answers that do not verify, given to the real client: it goes on with what it has verified, says what the server did, and how to go on.

Each way out that a message names is walked by typing what the message says.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from coffer_protocol.address import ServerAddress
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.limits import SERIAL_JUMP
from coffer_protocol.release import head as heads
from coffer_protocol.release.head import claimed_untrusted
from tests.server.memory_store import _Release
from tests.server.running import coffer_server, running_server

from .conftest import Team, ended, ok

HOUR_S = 3600.0
# A command of ours in a sentence for people, as they would type it.
COMMAND = re.compile(r"coffer-(client|companion) ([a-z]+(?: (?:clear|reset))?(?: --[a-z-]+)*(?: FILE)?)")


def commands(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    """Return the commands that a program has printed for people to type: the program, and its words."""
    found = [(match[1], match[2]) for match in COMMAND.finditer(done.stderr)]
    return [[program, *("secrets.toml" if word == "FILE" else word for word in shlex.split(words))] for program, words in found]


def type_as(team: Team, done: subprocess.CompletedProcess[str], *words: str, who: str) -> subprocess.CompletedProcess[str]:
    """Type a command that a message names, on somebody's machine."""
    assert [*words] in commands(done), done.stderr
    program, command, *others = words
    if program == "companion":
        return team.companion(who, command, *others)
    return team.client(who, command, *others)


def with_hint(team: Team, done: subprocess.CompletedProcess[str], *words: str, who: str) -> str:
    """Type a command that asks a question, and type it again as its hint says where nobody can answer."""
    asked = type_as(team, done, *words, who=who)
    assert asked.returncode == 2
    (flag,) = re.findall(r"hint: (--\w+) answers yes", asked.stderr)
    return ok(team.client(who, *words[1:], flag))


def goes_on(team: Team, value: str, what: str, *, ways: tuple[str, ...] = ("get", "run", "render", "fetch")) -> None:
    """Assert that each way to get secrets delivers the value, and says what the server did; with `--max-stale 0`, refuses."""
    (team.home("web") / "template").write_text("{{a}}")
    for way in ways:
        if way == "fetch":
            application = ended(team.start_module("web", "tests.attacks.application", team.address("one")))
            told = json.loads(ok(application))
            assert (told["a"], told["is_stale"]) == (value, True)
            assert told["refusal"] is not None
            assert any(what in warning for warning in told["warnings"])
            continue
        words = {"get": ("a",), "run": ("--", "sh", "-c", 'printf %s "$a"'), "render": ("template",)}[way]
        done = team.client("web", way, *words)
        assert (done.stdout, done.returncode) == (value, 0), done.stderr
        assert "warning: the answer of the server was refused, so release" in done.stderr
        assert what in done.stderr
        assert "\nhint: " in done.stderr
    refused = team.get("web", "--max-stale", "0")
    assert (refused.stdout, refused.returncode) == ("", 5)
    assert what in refused.stderr
    assert "warning" not in refused.stderr
    doctor = team.client("web", "doctor", "--json")
    assert doctor.returncode == 5
    assert what in next(step for step in json.loads(doctor.stdout)["steps"] if step["name"] == "release")["sentence"]


@pytest.fixture
def forked(team: Team) -> Team:
    """The client has release 2, and the server shows another release 2, from a copy of the publisher's machine."""
    ok(team.upload("one", {"web": "first"}))
    before = team.server.store.state()
    team.copy("one", "copy")
    ok(team.upload("one", {"web": "second"}))
    assert ok(team.get("web")) == "second"
    team.server.store.put_back(before)
    ok(team.upload("copy", {"web": "forged"}))
    return team


def test_a_fork_that_is_shown_to_one_client(forked: Team) -> None:
    team = forked
    goes_on(team, "second", "release 2 of 'shop' is not the release 2 that was seen before")
    shown = ok(team.client("web", "trust")).splitlines()
    newest = sha256(team.server.store.state()["shop"].signed).hex()
    publisher = team.identity("one").publisher_key().hex().upper()
    assert shown[-3].startswith("evidence fork 20")
    assert shown[-3].endswith(f" {team.server.address.hosts[0]}")
    assert shown[-1].startswith(f"shown 2 {newest} ")
    assert shown[-1].endswith(f" {publisher}")
    # Somebody else can verify what is exported, with the publisher's key alone.
    (evidence,) = json.loads(ok(team.client("web", "trust", "--json")))["evidence"]
    both = [
        heads.verify_untrusted(bytes.fromhex(evidence[which]["signed"]), publishers=(team.identity("one").publisher_key(),))
        for which in ("known", "shown")
    ]
    assert [release.head.serial for release in both] == [2, 2]
    assert both[0].sha256 != both[1].sha256 == bytes.fromhex(newest)


def test_the_ways_out_of_a_fork_that_the_publisher_sees_too(forked: Team) -> None:
    team = forked
    refused = team.get("web", "--max-stale", "0")
    # This publisher has accepted the release that the client has.
    team.define("one", {"web": "third"})
    ok(type_as(team, refused, "companion", "upload", "--restore", "secrets.toml", who="one"))
    done = team.get("web")
    assert ok(done) == "third"
    assert "the history of coffer 'shop' was begun again" in done.stderr
    # It is told at each use, until somebody has looked.
    done = team.get("web")
    assert ok(done) == "third"
    assert "the history of coffer 'shop' was begun again" in done.stderr
    assert "restart" in ok(team.client("web", "trust"))
    removed = type_as(team, done, "client", "trust", "clear", who="web")
    assert "evidence fork" in removed.stderr
    assert "evidence restart" in removed.stderr
    assert ok(removed) == ""
    done = team.get("web")
    assert (done.stdout, done.stderr, done.returncode) == ("third", "", 0)
    assert team.client("web", "doctor").returncode == 0


def test_the_way_out_of_a_fork_that_only_the_client_sees(forked: Team) -> None:
    """The publisher of the copy goes on, and knows nothing of the release that this client has."""
    team = forked
    done = team.get("web")
    assert ok(done) == "second"
    with_hint(team, done, "client", "trust", "reset", who="web")
    done = team.get("web")
    assert ok(done) == "forged"
    # The evidence is not forgotten with the trust.
    assert "the history has a fork" in done.stderr
    ok(type_as(team, done, "client", "trust", "clear", who="web"))
    assert team.get("web").stderr == ""


def test_a_hidden_release_breaks_the_chain(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    assert ok(team.get("web")) == "first"
    ok(team.upload("one", {"web": "second"}))
    ok(team.upload("one", {"web": "third"}))
    team.server.lies.hides = {2}
    goes_on(team, "first", "does not follow release 1", ways=("get",))
    assert "evidence broken-chain" in ok(team.client("web", "trust"))
    # What follows is accepted as ever, and the evidence stays until somebody has looked.
    team.server.lies.hides = set()
    done = team.get("web")
    assert ok(done) == "third"
    ok(type_as(team, done, "client", "trust", "clear", who="web"))
    assert team.get("web").stderr == ""


def test_a_head_that_has_expired_and_the_way_out(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}, "--expires", "12h"))
    assert ok(team.get("web")) == "first"
    # Half a day passes.
    team.clocks_ahead_s["web"] = team.clocks_ahead_s["one"] = 13 * HOUR_S
    goes_on(team, "first", "expired at ", ways=("get", "fetch"))
    refused = team.get("web", "--max-stale", "0")
    ok(type_as(team, refused, "companion", "upload", "secrets.toml", who="one"))
    done = team.get("web")
    assert (done.stdout, done.returncode) == ("first", 0)
    assert "refused" not in done.stderr


def forge(team: Team, **changes: object) -> None:
    """Let the server hold one more release, which the publisher's key has signed: the newest one again, with changes."""
    state = team.server.store.state()
    history = state[team.coffer]
    before = claimed_untrusted(history.signed)
    head = replace(before, **{"serial": before.serial + 1, "prev": sha256(history.signed), **changes})  # type: ignore[arg-type]
    signed = heads.sign(head, team.identity("one"))
    history.releases[head.serial] = _Release(signed, 0, dict(history.members))
    history.last = replace(history.last, serial=head.serial, sha256=sha256(signed), issued=head.issued, expires=head.expires)
    team.server.store.put_back(state)


FORGERIES: dict[str, tuple[Callable[[Team], dict[str, object]], str, tuple[str, ...]]] = {
    "issued earlier": (
        lambda team: {"issued": claimed_untrusted(team.server.store.state()["shop"].signed).issued - 1},
        "its publisher's clock was behind",
        ("companion", "upload", "--restore", "secrets.toml"),
    ),
    "issued ahead": (
        lambda team: {"issued": claimed_untrusted(team.server.store.state()["shop"].signed).issued + int(48 * HOUR_S)},
        "this clock is behind, or the publisher's was ahead",
        ("companion", "upload", "--restore", "secrets.toml"),
    ),
    "a serial far above": (
        lambda team: {"serial": 3 + SERIAL_JUMP},
        "implausibly far above release 1",
        ("client", "trust", "reset"),
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_head_by_a_wrong_clock_or_hand_and_the_way_out(team: Team, forgery: str) -> None:
    changes, what, way_out = FORGERIES[forgery]
    ok(team.upload("one", {"web": "first"}))
    assert ok(team.get("web")) == "first"
    forge(team, **changes(team))
    goes_on(team, "first", what, ways=("get",))
    refused = team.get("web", "--max-stale", "0")
    if way_out[0] == "companion":
        team.define("one", {"web": "second"})
        ok(type_as(team, refused, *way_out, who="one"))
        assert ok(team.get("web")) == "second"
    else:
        with_hint(team, refused, *way_out, who="web")
        done = team.get("web")
        assert (done.stdout, done.stderr, done.returncode) == ("first", "", 0)


def test_an_address_without_the_publisher_and_the_way_out(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    refused = team.get("web", trusts=("two",))
    assert refused.returncode == 5
    address = ok(type_as(team, refused, "companion", "address", who="one")).strip()
    assert ok(team.run("web", "client", "get", "a", "--server", address, "--identity", "own.key")) == "first"


def test_a_refusal_without_a_remedy_of_its_own_leads_to_the_server(team: Team) -> None:
    """The server gives this client the shard of another one."""
    ok(team.upload("one", {"web": "first", "job": "other"}))
    assert ok(team.get("web")) == "first"
    state = team.server.store.state()
    history = state[team.coffer]
    web, job = (team.identity(who).id() for who in ("web", "job"))
    theirs = next(put for key, put in history.blobs.items() if key.client == job)
    mine = next(key for key in history.blobs if key.client == web)
    history.blobs[mine] = replace(history.blobs[mine], blob=theirs.blob)
    team.server.store.put_back(state)
    goes_on(team, "first", "is not this client's part of release 1", ways=("get",))
    ok(type_as(team, team.get("web"), "companion", "verify", who="one"))


def test_a_damaged_trust_and_the_way_out(team: Team) -> None:
    ok(team.upload("one", {"web": "first"}))
    assert ok(team.get("web")) == "first"
    (path,) = team.home("web").rglob("*.trust")
    path.write_bytes(b"")
    refused = team.get("web")
    assert refused.returncode == 1
    with_hint(team, refused, "client", "trust", "reset", who="web")
    assert ok(team.get("web")) == "first"


def test_a_clock_that_jumps_while_a_session_is_open(team: Team) -> None:
    """The command keeps what it has, and gets the next release that a right clock takes."""
    ok(team.upload("one", {"web": "first"}))
    with team.running("web", "run", "--watch", "--", "sh", "-c", 'echo "$a"; exec sleep 100') as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() == "first\n"
        forge(team, issued=claimed_untrusted(team.server.store.state()["shop"].signed).issued + int(48 * HOUR_S))
        # The publisher's clock has jumped, and is set again; its way out is the one above.
        assert "this clock is behind, or the publisher's was ahead" in running.stderr.readline()
        ok(team.upload("one", {"web": "second"}, "--restore"))
        assert running.stdout.readline() == "second\n"


# ---------------------------------------------------------------------------------------------- a real server, and its backup


class Shop:
    """A real server with a backup from before its second release, and a client that has seen that one."""

    def __init__(self, folder: Path, team: Team) -> None:
        self.team = team
        self._folder = folder
        self._backup = folder / "backup.db"

    def _address(self, server: ServerAddress) -> str:
        return str(replace(server, coffer="shop", publishers=(self.team.identity("one").publisher_key(),)))

    def companion(self, server: ServerAddress, value: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Define a value, and upload it."""
        self.team.define("one", {"web": value})
        return self.team.run("one", "companion", *words, "--server", self._address(server), "--identity", "own.key")

    def client(self, server: ServerAddress, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `coffer-client`."""
        return self.team.run("web", "client", command, "--server", self._address(server), "--identity", "own.key", *words)

    def prepare(self) -> None:
        """Publish twice, with a backup in between, and put that one back."""
        state = self._folder / "server"
        with running_server(state) as server:
            server.add_publisher("shop", self.team.identity("one").public_text())
            ok(self.companion(server.address, "first", "upload", "secrets.toml"))
            made = coffer_server("backup", state, self._backup)
            assert made.returncode == 0, made.stderr
            ok(self.companion(server.address, "second", "upload", "secrets.toml"))
            assert ok(self.client(server.address, "get", "a")) == "second"
        restored = coffer_server("restore", state, self._backup)
        assert restored.returncode == 0, restored.stderr


def test_a_restored_older_backup_stops_no_application_and_the_way_out(tmp_path: Path, team: Team) -> None:
    shop = Shop(tmp_path / "real", team)
    (tmp_path / "real").mkdir()
    shop.prepare()
    with running_server(tmp_path / "real" / "server") as server:
        done = shop.client(server.address, "get", "a")
        assert (done.stdout, done.returncode) == ("second", 0)
        assert "the server gave release 1 of 'shop', and release 2 has been seen before" in done.stderr
        # A lower serial is told, and not kept.
        assert "evidence" not in ok(shop.client(server.address, "trust"))
        assert shop.client(server.address, "doctor").returncode == 5
        refused = shop.client(server.address, "get", "a", "--max-stale", "0")
        assert refused.returncode == 5
        ((program, *words),) = commands(refused)
        assert program == "companion"
        ok(shop.companion(server.address, "third", *words))
        done = shop.client(server.address, "get", "a")
        assert ok(done) == "third"
        assert "the history of coffer 'shop' was begun again" in done.stderr
        assert ["client", "trust", "clear"] in commands(done)
        ok(shop.client(server.address, "trust", "clear"))
        done = shop.client(server.address, "get", "a")
        assert (done.stdout, done.stderr, done.returncode) == ("third", "", 0)

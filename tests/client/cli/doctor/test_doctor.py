"""`coffer-client doctor`: each step where it works, and each failure as it happens."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coffer_client.cli import main as cli
from coffer_client.cli.commands import doctor as command
from coffer_client.cli.doctor import FAIL, OK, SKIP, WARN, Asked, Step, examine
from coffer_client.cli.options import Parsed
from coffer_client.config.credential import Credential
from coffer_client.config.lookup import Configuration
from coffer_client.config.settings import Settings, trust_of
from coffer_client.io import happy_eyeballs
from coffer_common import keyfile
from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.crypto import primitives
from coffer_protocol.errors import UnavailableError
from coffer_protocol.message import Error, Get, Hello, KeyNotFound, Link
from tests.support import identity

from ...fake_server import (
    FakeServer,
    Peer,
    Script,
    address_of,
    answering,
    expecting_visits,
    giving,
    giving_in_turn,
    hosting,
    serving,
    unused_host,
)
from ...releases import NOW, PUBLISHER, History, make_body

Configure = Callable[[FakeServer, Credential], None]
Doctor = Callable[..., dict[str, Any]]

LOCAL = ["versions", "libraries", "configuration", "identity", "ml-kem", "state", "cache"]
HOST = ["name", "tcp", "hello"]
RELEASE = ["known", "release", "expiry", "clock"]
# Nothing here takes so long; it ends a test that would hang.
GUARD_S = 60.0
PROGRAM = [sys.executable, "-m", "coffer_client", "doctor"]


@pytest.fixture
def examined(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], whole: Credential) -> Doctor:
    """Runs `doctor --json` against an address or a script; what it says, once its exit code has been compared with it."""
    monkeypatch.setenv("COFFER_IDENTITY_TEXT", whole.identity.secret_text())

    def run(server: Script | ServerAddress | None, *words: str) -> dict[str, Any]:
        if callable(server):
            with FakeServer(expecting_visits(server)) as listening:
                return run(listening.address(), *words)
        if server is not None:
            words = ("--server", str(server), *words)
        code = cli.run(["doctor", "--json", *words])
        out, err = capfd.readouterr()
        content: dict[str, Any] = json.loads(out)
        assert err == ""
        assert content["exit"] == code
        assert content["ok"] == (code == 0)
        return content

    return run


def states(content: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["state"] for step in content["steps"]}


def step_of(content: dict[str, Any], name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [step for step in content["steps"] if step["name"] == name]
    assert len(found) == 1
    return found[0]


def failure(content: dict[str, Any], name: str, code: int) -> dict[str, Any]:
    """The one step that failed, which must be this one; nothing that depends on it was tried."""
    assert [step["name"] for step in content["steps"] if step["state"] == FAIL] == [name]
    assert content["exit"] == code
    names = [*LOCAL, *HOST, *RELEASE]
    if name in (*HOST, *RELEASE):
        assert {states(content)[later] for later in names[names.index(name) + 1 :]} <= {SKIP}
    return step_of(content, name)


# -------------------------------------------------------------------------------------------------------------- what works


def test_all_is_well(examined: Doctor, whole: Credential) -> None:
    content = examined(serving(whole, {"key": "canary-4711", "port": 5432}))
    assert content["ok"]
    assert states(content) == dict.fromkeys([*LOCAL, *HOST, *RELEASE], OK)
    assert not any(step["mend"] for step in content["steps"])
    assert (
        f"release 7 of 'shop' verifies; secrets: 2; signed by {PUBLISHER.publisher_key().hex().upper()}"
        in step_of(content, "release")["sentence"]
    )
    assert "does not expire" in step_of(content, "expiry")["sentence"]
    assert "there is none yet" in step_of(content, "cache")["sentence"]
    assert "COFFER_IDENTITY_TEXT" in step_of(content, "identity")["sentence"]
    assert "canary" not in json.dumps(content)
    assert "COFFER-SECRET-KEY" not in json.dumps(content)


def test_the_second_time_there_are_a_state_and_a_cache(examined: Doctor, whole: Credential) -> None:
    script = serving(whole, {})
    with FakeServer(expecting_visits(script)) as server:
        examined(server.address())
        content = examined(server.address())
    assert content["ok"]
    assert "the newest release seen is 7" in step_of(content, "state")["sentence"]
    assert "release 7, fetched" in step_of(content, "cache")["sentence"]


def test_the_versions_are_those_of_the_libraries(examined: Doctor) -> None:
    sentence = step_of(examined(None), "versions")["sentence"]
    for name in ("Python 3", "coffer-secrets", "PyNaCl 1", "cryptography", "cbor2", primitives.openssl_version()):
        assert name in sentence


def test_a_bare_client_is_well_too(configured: Configure, capfd: pytest.CaptureFixture[str]) -> None:
    bare = Credential(identity=identity("web"), bare=True)
    with FakeServer(expecting_visits(serving(bare, {}))) as server:
        configured(server, bare)
        assert cli.run(["doctor", "--json"]) == 0
    content = json.loads(capfd.readouterr().out)
    assert f"bare key is {bare.id_text()}" in step_of(content, "identity")["sentence"]


# ------------------------------------------------------------------------------------------------------------ this machine


def test_no_configuration(examined: Doctor) -> None:
    content = examined(None)
    found = failure(content, "configuration", 2)
    assert "no server is named" in found["sentence"]
    assert "coffer-client init ADDRESS" in found["mend"]
    assert {states(content)[name] for name in ("state", "cache", *HOST, *RELEASE)} == {SKIP}


def test_a_file_that_cannot_be_used(examined: Doctor, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "coffer.toml").write_text("time_out = 1")
    monkeypatch.chdir(home)
    content = examined(None)
    found = failure(content, "configuration", 2)
    assert "the key 'time_out' is unknown" in found["sentence"]
    assert found["mend"].startswith("mend that file, or name another one")
    # The identity may stand in the file, so it is not known either.
    assert step_of(content, "identity")["state"] == SKIP
    assert step_of(content, "identity")["sentence"] == "it needs the configuration"


def test_a_setting_that_cannot_be_used(examined: Doctor) -> None:
    found = failure(examined(address_of(unused_host()), "--max-stale", "soon"), "configuration", 2)
    assert found["mend"] == "correct it where it stands: in an option, a variable or a file"


def test_an_address_that_is_cut_short(examined: Doctor) -> None:
    found = failure(examined(None, "--server=coffer://x"), "configuration", 2)
    assert "coffer-companion address" in found["mend"]


def test_no_identity(examined: Doctor, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COFFER_IDENTITY_TEXT")
    found = failure(examined(address_of(unused_host())), "identity", 2)
    assert found["mend"] == f"coffer-client keygen {home}/.config/coffer/client.key"
    found = failure(examined(address_of(unused_host()), "--identity", "none.key"), "identity", 2)
    assert found["mend"] == "coffer-client keygen none.key"


def test_an_identity_where_it_is_made(examined: Doctor, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COFFER_IDENTITY_TEXT")
    path = home / ".config" / "coffer" / "client.key"
    made = Credential(identity=keyfile.create(path))
    expected = f"{path} (mode 0600, by default); its id is {made.id_text()}"
    assert step_of(examined(None), "identity")["sentence"] == expected
    assert step_of(examined(None, "--identity", str(path)), "identity")["sentence"] == expected.replace("default", "--identity")


def test_an_identity_that_others_can_read(examined: Doctor, home: Path) -> None:
    keyfile.create(home / "client.key")
    (home / "client.key").chmod(0o640)
    found = failure(examined(address_of(unused_host()), "--identity", str(home / "client.key")), "identity", 2)
    assert "mode 0640" in found["sentence"]
    assert found["mend"].startswith(f"chmod 600 {home}/client.key")


def test_the_public_half_of_an_identity(examined: Doctor, home: Path) -> None:
    keyfile.create(home / "client.key")
    found = failure(examined(address_of(unused_host()), "--identity", str(home / "client.key.pub")), "identity", 2)
    assert found["mend"] == f"name the identity itself: {home}/client.key"


def test_an_identity_that_is_none(examined: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COFFER_IDENTITY_TEXT", "COFFER-SECRET-KEY-1CANARY")
    content = examined(address_of(unused_host()))
    assert "coffer-client keygen" in failure(content, "identity", 2)["mend"]
    assert "CANARY" not in json.dumps(content)


def test_an_identity_in_a_folder_that_is_none(examined: Doctor, home: Path) -> None:
    (home / "file").touch()
    found = failure(examined(address_of(unused_host()), "--identity", str(home / "file" / "client.key")), "identity", 2)
    assert "let this user read" in found["mend"]


def without_mlkem() -> None:
    raise UnavailableError("no ML-KEM-768")


@pytest.mark.parametrize("bare", [False, True])
def test_a_machine_without_mlkem(home: Path, capfd: pytest.CaptureFixture[str], bare: bool) -> None:
    def handler(parsed: Parsed) -> None:
        command.main(parsed, check_mlkem=without_mlkem)

    keyfile.create(home / "client.key", bare=bare)
    code = cli.run(["doctor", "--json", "--identity", str(home / "client.key")], lambda name: handler)
    found = step_of(json.loads(capfd.readouterr().out), "ml-kem")
    if bare:
        assert found["state"] == SKIP
    else:
        assert (found["state"], found["exit"]) == (FAIL, 1)
        assert found["mend"].startswith("pip install")
    # The configuration, which is missing, came before it.
    assert code == 2


def test_a_state_that_is_damaged(examined: Doctor, home: Path, whole: Credential) -> None:
    with FakeServer(expecting_visits(serving(whole, {}))) as server:
        examined(server.address())
        (path,) = (home / ".local" / "state" / "coffer" / "client").glob("*.trust")
        path.write_bytes(b"\x00")
        content = examined(server.address())
    found = failure(content, "state", 1)
    assert "coffer-client trust reset" in found["mend"]
    assert states(content) | {"state": OK} == dict.fromkeys([*LOCAL, "name", "tcp"], OK) | dict.fromkeys(["cache", "hello", *RELEASE], SKIP)


def test_a_state_that_cannot_be_written(examined: Doctor, home: Path, whole: Credential) -> None:
    (home / "file").touch()
    content = examined(serving(whole, {}), "--state", str(home / "file" / "state"))
    assert content["ok"]
    assert states(content) == dict.fromkeys([*LOCAL, *HOST, *RELEASE], OK) | {"state": WARN}
    assert "COFFER_STATE" in step_of(content, "state")["mend"]


@pytest.mark.parametrize("word", ["--no-cache", "--max-stale=0"])
def test_a_cache_that_is_switched_off(examined: Doctor, word: str) -> None:
    assert states(examined(address_of(unused_host()), word))["cache"] == SKIP


def examine_as(whole: Credential, address: ServerAddress, **replaced: Any) -> dict[str, Step]:
    """The steps, by their names, with something in the place of the clock or of the system's names."""
    wanted = Settings(address=address, trust=trust_of(address), credential=whole)
    asked = Asked(
        load=lambda _: wanted,
        load_credential=lambda: whole,
        server=None,
        identity=None,
        configured=Configuration(os.environ, (), is_named=False),
    )
    return {step.name: step for step in examine(asked, **replaced)}


def test_a_cache_that_is_too_old(examined: Doctor, whole: Credential) -> None:
    with FakeServer(expecting_visits(serving(whole, {}))) as server:
        examined(server.address())
        steps = examine_as(whole, server.address(), clock=lambda: time.time() + 8 * 86_400)
    assert steps["cache"].state == WARN
    assert "8d" in steps["cache"].sentence
    assert steps["cache"].mend == "a fetch that works makes it anew"
    assert steps["release"].state == OK


# -------------------------------------------------------------------------------------------------------------- the server


def test_a_name_that_is_none(examined: Doctor) -> None:
    # A label has at most 63 characters, so no server of names is asked for this one.
    found = failure(examined(address_of(Host(name="a" * 64))), "name", 3)
    assert "cannot be resolved" in found["sentence"]
    assert "DNS" in found["mend"]
    assert found["subject"] == "a" * 64


def test_a_host_where_nobody_listens(examined: Doctor) -> None:
    found = failure(examined(address_of(unused_host())), "tcp", 3)
    # The host is the step's subject, and stands before it.
    assert found["sentence"] == "Connection refused"
    assert "coffer-server run" in found["mend"]


def test_one_of_a_hosts_addresses_does_not_listen(examined: Doctor, whole: Credential) -> None:
    with FakeServer(expecting_visits(serving(whole, {}))) as server:
        places = [place for name in (b"127.0.0.2", b"127.0.0.1") for place in happy_eyeballs.resolve(name, server.host.port)]
        steps = examine_as(whole, server.address(), resolve=lambda name, port: places)
    assert steps["name"].sentence == "127.0.0.2, 127.0.0.1"
    assert steps["tcp"].state == WARN
    assert steps["tcp"].sentence.startswith(f"connected to 127.0.0.1; but 127.0.0.2:{server.host.port}: Connection refused")
    assert steps["release"].state == OK


def test_each_host_is_tried(examined: Doctor, whole: Credential) -> None:
    dead = unused_host()
    with FakeServer(expecting_visits(serving(whole, {}))) as server:
        content = examined(address_of(dead, server.host))
    assert content["exit"] == 3
    by_host = {(step["name"], step["subject"]): step["state"] for step in content["steps"] if step["name"] in HOST}
    assert by_host == {
        ("name", str(dead)): OK,
        ("tcp", str(dead)): FAIL,
        ("hello", str(dead)): SKIP,
        ("name", str(server.host)): OK,
        ("tcp", str(server.host)): OK,
        ("hello", str(server.host)): OK,
    }
    assert {states(content)[name] for name in RELEASE} == {OK}


def test_two_hosts_that_answer_give_one_release(examined: Doctor, whole: Credential) -> None:
    def greeting(peer: Peer) -> None:
        peer.link()
        peer.wait_for_close()

    with FakeServer(expecting_visits(serving(whole, {}))) as one, FakeServer(expecting_visits(greeting)) as other:
        assert examined(address_of(one.host, other.host))["ok"]


def test_no_session_is_kept_while_other_hosts_are_tried(examined: Doctor, whole: Credential) -> None:
    """A server would end it, where they take their time."""
    is_over = threading.Event()

    def greeting_first(peer: Peer) -> None:
        peer.link()
        peer.wait_for_close()
        is_over.set()

    def greeting_then(peer: Peer) -> None:
        is_over.wait(GUARD_S)
        peer.link()
        peer.wait_for_close()

    first = expecting_visits(giving_in_turn(greeting_first, serving(whole, {})))
    with FakeServer(first) as one, FakeServer(expecting_visits(greeting_then)) as other:
        assert examined(address_of(one.host, other.host))["ok"]


def hang_up(peer: Peer) -> None:
    peer.expect(Hello)


def fall_silent(peer: Peer) -> None:
    peer.expect(Hello)
    peer.wait_for_close()


def answer_with_noise(peer: Peer) -> None:
    peer.expect(Hello)
    link = bytearray(peer.session.send(Link()))
    link[-1] ^= 1
    peer.write(bytes(link))
    peer.wait_for_close()


@pytest.mark.parametrize(
    ("script", "code", "mend"),
    [
        (hang_up, 3, "the server goes by another id"),
        (fall_silent, 3, "look at the server's log"),
        (answer_with_noise, 5, "what answers there is another server"),
        (answering(lambda hello: Error(code="busy", sentence="later")), 3, "try again in a minute"),
    ],
)
def test_a_server_that_does_not_answer(examined: Doctor, script: Script, code: int, mend: str) -> None:
    assert mend in failure(examined(script, "--timeout=2"), "hello", code)["mend"]


def test_a_server_that_does_not_know_this_client(examined: Doctor, whole: Credential) -> None:
    found = failure(examined(answering(lambda hello: KeyNotFound(client=hello.client))), "known", 4)
    assert found["mend"].endswith(f"\n{whole.clients_line()}")


def test_a_server_that_knows_this_client_by_its_other_key(examined: Doctor, whole: Credential) -> None:
    found = failure(examined(answering(lambda hello: Error(code="suite", sentence="no"))), "known", 4)
    assert "64 hex digits" in found["mend"]
    assert whole.clients_line() in found["mend"]


def give_nothing(peer: Peer) -> None:
    peer.link()
    peer.expect(Get)


def give_late(peer: Peer) -> None:
    peer.link()
    peer.wait_for_close()


WHOLE = Credential(identity=identity("web"))


@pytest.mark.parametrize(
    ("script", "code", "mend"),
    [
        (giving(b"\x80"), 5, "docs/releases-client.md"),
        (giving(make_body(WHOLE, {}, expires=NOW + 1)), 5, "look at the clock"),
        (hosting(History(WHOLE).add({}, by=identity("publisher2"))), 5, "if that publisher is right"),
        (give_nothing, 3, "look at the server's log"),
        (give_late, 3, "look at the server's log"),
    ],
)
def test_a_release_that_is_none(examined: Doctor, script: Script, code: int, mend: str) -> None:
    assert mend in failure(examined(script, "--timeout=3"), "release", code)["mend"]


@pytest.mark.parametrize(("days", "state"), [(29, WARN), (31, OK)])
def test_a_release_that_expires(examined: Doctor, whole: Credential, days: int, state: str) -> None:
    content = examined(serving(whole, {}, expires=int(time.time()) + days * 86_400 + 3_600))
    assert content["ok"]
    assert states(content)["expiry"] == state
    assert f"in {days} days" in step_of(content, "expiry")["sentence"]
    assert ("coffer-companion upload" in (step_of(content, "expiry")["mend"] or "")) == (state == WARN)


def test_a_clock_that_is_behind(examined: Doctor, whole: Credential) -> None:
    found = failure(examined(giving(make_body(whole, {}, issued=int(time.time()) + 86_400))), "clock", 1)
    assert "was signed later" in found["sentence"]
    assert "set the clock" in found["mend"]


# -------------------------------------------------------------------------------------------------------------- for people


def test_a_line_for_each_step(examined: Doctor, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor"]) == 2
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("✓ versions       Python")
    assert lines[1].startswith("✓ libraries      each has")
    assert lines[2].startswith("✗ configuration  no server is named")
    assert lines[3].startswith("                 → ")
    assert lines[-1].startswith("- clock ")


@pytest.mark.parametrize("is_coloured", [True, False])
def test_colours_are_for_a_terminal_that_wants_them(home: Path, is_coloured: bool) -> None:
    ours, terminal = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "" if is_coloured else "1"}
    with subprocess.Popen(PROGRAM, stdout=terminal, env=environment) as process:
        os.close(terminal)
        shown = b""
        try:
            while data := os.read(ours, 1 << 16):
                shown += data
        except OSError:
            # How Linux says that the other end is closed.
            pass
        assert process.wait() == 2
    os.close(ours)
    assert (b"\x1b[31m\xe2\x9c\x97\x1b[0m configuration" in shown) == is_coloured
    assert (b"\x1b" in shown) == is_coloured


def test_a_pipe_has_no_colours_and_the_exit_code_is_the_processs(home: Path) -> None:
    done = subprocess.run(PROGRAM, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (2, b"")
    assert b"\x1b" not in done.stdout

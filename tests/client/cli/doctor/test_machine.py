from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from coffer_client.cli import main as cli
from coffer_client.cli.commands import doctor as command
from coffer_client.cli.doctor import FAIL, OK, SKIP, WARN
from coffer_client.config.credential import Credential
from coffer_common import keyfile
from coffer_common.command_line import Parsed
from coffer_protocol.crypto import primitives
from coffer_protocol.errors import UnavailableError
from coffer_protocol.identity import Identity

from ...fake_server import FakeServer, address_of, expecting_visits, giving, hosting, serving, unused_host
from ...releases import PUBLISHER, History, make_body
from .examinations import HOST, LOCAL, RELEASE, Doctor, examine_as, failure, states, step_of


def test_the_versions_are_those_of_the_libraries(examined: Doctor) -> None:
    sentence = step_of(examined(None), "versions")["sentence"]
    for name in ("Python 3", "coffer-secrets", "PyNaCl 1", "cryptography", "cbor2", primitives.openssl_version()):
        assert name in sentence


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
    assert found["mend"].startswith("repair that file, or name another one")
    # The identity may stand in the file, so it is not known either.
    assert step_of(content, "identity")["state"] == SKIP
    assert step_of(content, "identity")["sentence"] == "it needs the configuration"


def test_a_setting_that_cannot_be_used(examined: Doctor) -> None:
    found = failure(examined(address_of(unused_host()), "--max-stale", "soon"), "configuration", 2)
    assert found["mend"] == "correct it in the option, the variable or the file that sets it"


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

    made = Credential(identity=Identity.generate(), bare=bare)
    keyfile.write(home / "client.key", made.file_text(), made.public_text())
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


def test_a_cache_that_is_too_old(examined: Doctor, whole: Credential) -> None:
    with FakeServer(expecting_visits(serving(whole, {}))) as server:
        examined(server.address())
        steps = examine_as(whole, server.address(), clock=lambda: time.time() + 8 * 86_400)
    assert steps["cache"].state == WARN
    assert "8d" in steps["cache"].sentence
    assert steps["cache"].mend == "a fetch that works makes it again"
    assert steps["release"].state == OK


def test_evidence_fails_until_somebody_has_looked(
    examined: Doctor, whole: Credential, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    history, fork = History(whole).add({"n": 1}), History(whole).add({"n": 2})
    assert examined(hosting(history))["ok"]
    # The release of a server that shows another history fails, and from then on the evidence does, whatever the server shows.
    content = examined(hosting(fork))
    assert content["exit"] == 5
    assert "release 1 of 'shop' is not the release 1 that was seen before" in step_of(content, "release")["sentence"]
    content = examined(hosting(history))
    assert content["exit"] == 5
    found = step_of(content, "evidence")
    assert found["state"] == FAIL
    assert "the history has a fork" in found["sentence"]
    assert "coffer-client trust clear" in found["mend"]
    assert states(content)["release"] == OK
    monkeypatch.setenv("COFFER_SERVER", str(address_of(unused_host())))
    assert cli.run(["trust", "clear"]) == 0
    capfd.readouterr()
    assert examined(hosting(history))["ok"]


def test_evidence_of_a_restart_is_a_warning(examined: Doctor, whole: Credential) -> None:
    examined(hosting(History(whole).add({"n": 1})))
    body = make_body(whole, {"n": 2}, serial=1002, publishers=(PUBLISHER.publisher_key(),), restart=True)
    for state in (OK, WARN):
        content = examined(giving(body))
        assert content["ok"]
        found = step_of(content, "evidence")
        assert found["state"] == state
    assert "was begun again with release 1002" in found["sentence"]
    assert "coffer-client trust clear" in found["mend"]


def test_damaged_evidence_is_a_failure(examined: Doctor, home: Path, whole: Credential) -> None:
    with FakeServer(expecting_visits(serving(whole, {}))) as server:
        examined(server.address())
        (path,) = home.rglob("*.trust")
        path.with_suffix(".evidence").write_bytes(b"\x80")
        content = examined(server.address())
    assert "coffer-client trust clear" in failure(content, "evidence", 1)["mend"]

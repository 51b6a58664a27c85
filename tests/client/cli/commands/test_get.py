from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coffer_client.cli import main as cli
from coffer_client.config.credential import Credential
from coffer_common import keyfile
from coffer_protocol.identity import Identity
from coffer_protocol.message import Get, KeyNotFound
from tests.support import ROOT, identity

from ...fake_server import FakeServer, Peer, Script, answering, giving, serving, unused_host
from ..command_lines import SECRETS, Configure, Served, hang_up


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["db.url"], b"postgres://"),
        (["port", "--format", "raw"], b"5432"),
        (["certificate"], b"\xff\x00"),
        (["--format=shell"], b"export db_url='postgres://'\nexport port='5432'\nexport certificate='/wA='\n"),
        (["--format=dotenv", "port", "db.url", "port"], b"port='5432'\ndb_url='postgres://'\n"),
        (["--format=toml"], b'"db.url" = "postgres://"\nport = 5432\ncertificate = "/wA="\n'),
        (["--format=docker", "--except", "cert*", "--upper"], b"DB_URL=postgres://\nPORT=5432\n"),
        (["--format=null", "--only=db.*", "--only=port", "--prefix=APP_"], b"APP_db_url=postgres://\0APP_port=5432\0"),
        (["--format=null", "port", "db.url", "--only=*r*"], b"port=5432\0db_url=postgres://\0"),
    ],
)
def test_get_prints_what_was_asked_for(
    served: Served, whole: Credential, capfdbinary: pytest.CaptureFixture[bytes], words: list[str], shown: bytes
) -> None:
    assert served(serving(whole, SECRETS), ["get", *words]) == 0
    assert capfdbinary.readouterr() == (shown, b"")


@pytest.mark.parametrize(
    ("words", "content"),
    [
        (["db.url"], b"postgres://"),
        (["--format", "systemd", "port"], b"port='5432'\n"),
        (["--format", "json", "port"], b'{\n  "port": 5432\n}\n'),
    ],
)
def test_get_writes_a_file(
    served: Served, whole: Credential, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], words: list[str], content: bytes
) -> None:
    path = tmp_path / "folder" / "result"
    path.parent.mkdir()
    path.write_bytes(b"old")
    path.chmod(0o644)
    assert served(serving(whole, SECRETS), ["get", *words, "-o", str(path)]) == 0
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert capfdbinary.readouterr() == (b"", b"")


def test_a_file_stays_if_a_format_cannot_hold_a_secret(served: Served, whole: Credential, tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_bytes(b"old")
    assert served(serving(whole, {"GITHUB_x": "canary"}), ["get", "--format", "github", "--output", str(path)]) == 2
    assert served(serving(whole, {"UID": "canary"}), ["get", "--format", "shell", "--output", str(path)]) != 0
    assert path.read_bytes() == b"old"


def test_github_gets_masks_before_variables(
    served: Served, whole: Credential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    path = tmp_path / "environment"
    assert served(serving(whole, {"key": "first\nsecond"}), ["get", "--format", "github", "-o", str(path)]) == 0
    assert capfd.readouterr() == ("", "::add-mask::first\n::add-mask::second\n")
    assert path.read_text().startswith("key<<coffer-")


def test_github_only_on_github(
    served: Served, whole: Credential, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert served(serving(whole, {"key": "canary"}), ["get", "--format", "github"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "this is not GitHub Actions" in err
    assert "canary" not in err


def test_get_prints_json(served: Served, whole: Credential, capfd: pytest.CaptureFixture[str]) -> None:
    assert served(serving(whole, SECRETS), ["get", "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"db.url": "postgres://", "port": 5432, "certificate": "/wA="}


def test_get_puts_secrets_into_files(
    configured: Configure, home: Path, whole: Credential, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        assert cli.run(["get", "--to-dir", "app/secrets"]) == 0
        assert {path.name: path.read_bytes() for path in (home / "app/secrets").iterdir()} == {
            "db.url": b"postgres://",
            "port": b"5432",
            "certificate": b"\xff\x00",
        }
        assert cli.run(["get", "--to-dir", "app/secrets", "port", "db.url", "--only=p*", "--upper"]) == 0
        assert {path.name: path.read_bytes() for path in (home / "app/secrets").iterdir()} == {"PORT": b"5432"}
    out, err = capfd.readouterr()
    assert out == ""
    # Where the tests' folder is on a disk, each says so once.
    assert all(line.startswith(f"coffer-client: warning: {home}/app/secrets is not on a tmpfs") for line in err.splitlines())
    assert cli.run(["get", "--to-dir", "app"]) == 2
    assert "not made by --to-dir" in capfd.readouterr().err


def test_a_pattern_that_is_like_no_key_is_no_such_key(served: Served, whole: Credential, capfd: pytest.CaptureFixture[str]) -> None:
    assert served(serving(whole, SECRETS), ["get", "--format", "json", "--only", "bd.*"]) == 6
    out, err = capfd.readouterr()
    assert out == ""
    assert "no key matches 'bd.*'; the keys are 'db.url', 'port', 'certificate'" in err


@pytest.mark.parametrize("words", [[], ["a", "b"], ["--format", "raw"]])
def test_raw_wants_one_key_and_says_what_else_there_is(home: Path, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.run(["get", *words]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "use another --format, or --to-dir" in err


@pytest.mark.parametrize("timeout", ["soon", "0", "-1", "inf", "nan"])
def test_a_timeout_is_a_number(served: Served, whole: Credential, timeout: str) -> None:
    assert served(serving(whole, SECRETS), ["get", "port", f"--timeout={timeout}"]) == 2


@pytest.mark.parametrize(
    ("script", "key", "code"),
    [
        (hang_up, "key", 3),
        (answering(lambda hello: KeyNotFound(client=hello.client)), "key", 4),
        (giving(b"\x80"), "key", 5),
        (serving(Credential(identity=identity("web")), SECRETS), "nokey", 6),
        (serving(Credential(identity=identity("web")), {"1": ""}), "1", 2),
    ],
)
def test_a_failure_has_its_exit_code_and_in_shell_format_is_one(
    served: Served, capfd: pytest.CaptureFixture[str], script: Script, key: str, code: int
) -> None:
    assert served(script, ["get", "--format", "shell", key]) == code
    out, err = capfd.readouterr()
    assert out == f"(exit {code})\n"
    assert err.startswith("coffer-client: ")
    assert "Traceback" not in err


def test_a_server_that_is_not_there(
    home: Path, whole: Credential, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    host = unused_host()
    with FakeServer(hang_up) as server:
        address = str(server.address()).replace(str(server.host), str(host))
    monkeypatch.setenv("COFFER_IDENTITY_TEXT", whole.identity.secret_text())
    assert cli.run(["get", "key", "--server", address]) == 3
    assert f"{host}: Connection refused (the cache cannot be used: it is empty)\nhint: is the server running" in capfd.readouterr().err


def test_a_file_of_keygen_bare_speaks_suite_0(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    bare = Credential(identity=Identity.generate(), bare=True)
    keyfile.write(home / ".config" / "coffer" / "client.key", bare.file_text(), bare.public_text())
    suites = []

    def script(peer: Peer) -> None:
        serving(bare, SECRETS)(peer)
        suites.append(peer.session.suite)

    with FakeServer(script) as server:
        assert cli.run(["get", "port", "--server", str(server.address(bare=True))]) == 0
    assert capfd.readouterr().out == "5432"
    assert suites == [0]


def test_the_secrets_are_asked_for_with_get(served: Served, whole: Credential) -> None:
    asked = []

    def script(peer: Peer) -> None:
        peer.link()
        asked.append(peer.expect(Get))

    assert served(script, ["get", "key"]) == 3
    assert asked == [Get()]


def test_get_says_once_that_no_server_answered(configured: Configure, whole: Credential, capfd: pytest.CaptureFixture[str]) -> None:
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        assert cli.run(["get", "port"]) == 0
    assert capfd.readouterr() == ("5432", "")
    assert cli.run(["get", "port"]) == 0
    out, err = capfd.readouterr()
    assert out == "5432"
    assert err.startswith("coffer-client: warning: no server answered, so release 7 of 'shop' is used, which was fetched ")
    assert err.count("\n") == 1
    assert cli.run(["get", "port", "--max-stale", "0"]) == 3
    assert cli.run(["get", "port", "--no-cache"]) == 3
    assert cli.run(["get", "port", "--max-stale", "soon"]) == 2


def test_a_state_of_ones_own_is_under_one_folder(configured: Configure, home: Path, whole: Credential) -> None:
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        assert cli.run(["get", "port", "--state", str(home / "mine")]) == 0
        assert cli.run(["get", "port", "--no-cache"]) == 0
    assert sorted(path.suffix for path in (home / "mine").iterdir()) == [".cache", ".lock", ".trust"]
    assert [path.suffix for path in sorted((home / ".local" / "state" / "coffer" / "client").iterdir())] == [".lock", ".trust"]
    assert not (home / ".cache").exists()


def test_a_state_that_cannot_be_kept_is_told_and_no_hindrance(
    configured: Configure, home: Path, whole: Credential, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / "file").touch()
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        assert cli.run(["get", "port", "--state", str(home / "file")]) == 0
    out, err = capfd.readouterr()
    assert out == "5432"
    assert err.startswith("coffer-client: warning: ")
    # Two files, two facts.
    assert "will not notice" in err.splitlines()[0]
    assert "there is no cache if no server answers" in err.splitlines()[1]
    assert err.count("\n") == 2


ORDER = """if 1:
    import sys
    events = []
    def note(event, arguments):
        if event in ("import", "socket.connect"):
            events.append(arguments[0] if event == "import" else event)
    sys.addaudithook(note)
    from coffer_client.cli.main import run
    code = run(["get", "db.url"])
    print()
    print(*events)
    sys.exit(code)
"""


def test_what_an_answer_needs_is_loaded_while_the_server_works_on_it(configured: Configure, whole: Credential) -> None:
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        done = subprocess.run([sys.executable, "-c", ORDER], cwd=ROOT, capture_output=True, text=True, check=True)
    secret, order = done.stdout.splitlines()
    assert secret == "postgres://"
    before, _, after = order.partition(" socket.connect ")
    late = {"coffer_client.coffer", "coffer_client.redacted", "coffer_client.conversation.verifying", "coffer_protocol.release.receipt"}
    assert late <= {*after.split()}
    assert not late & {*before.split()}

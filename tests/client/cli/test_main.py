from __future__ import annotations

import io
import json
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import tomli

from coffer_client.cli import main as cli
from coffer_client.cli.completion import SCRIPTS
from coffer_client.cli.options import Parsed
from coffer_client.config.credential import Credential
from coffer_common import keyfile
from coffer_protocol.message import Get, Hello, KeyNotFound
from coffer_protocol.shard import SecretValue
from tests.support import identity

from ..fake_server import FakeServer, Peer, Script, answering, giving, giving_in_turn, hosting, releasing, serving, unused_host
from ..releases import PUBLISHER, History

SECRETS: dict[str, SecretValue] = {"db.url": "postgres://", "port": 5432, "certificate": b"\xff\x00"}
Configure = Callable[[FakeServer, Credential], None]


@pytest.fixture
def served(configured: Configure, whole: Credential) -> Callable[[Script, list[str]], int]:
    """Runs a command line against a server that follows a script, and gives the exit code."""

    def run(script: Script, words: list[str]) -> int:
        with FakeServer(script) as server:
            configured(server, whole)
            return cli.run(words)

    return run


Served = Callable[[Script, list[str]], int]


def hang_up(peer: Peer) -> None:
    peer.expect(Hello)


# --------------------------------------------------------------------------------------------------------------------- get


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["db.url"], b"postgres://"),
        (["port", "--format", "raw"], b"5432"),
        (["certificate"], b"\xff\x00"),
        (["--format=shell"], b"export db_url='postgres://'\nexport port='5432'\nexport certificate='/wA='\n"),
        (["--format=dotenv", "port", "db.url", "port"], b'port="5432"\ndb_url="postgres://"\n'),
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
    assert "the other formats, and --to-dir" in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["get", "key"], "COFFER_SERVER"),
        (["get", "--format", "xml"], "--format is one of raw, shell, dotenv, json, toml, docker, null"),
        (["get", "key", "--only", "*", "--upper"], "--only and --upper: raw prints one value without its name"),
        (["get", "--format", "json", "-n"], "-n is for raw"),
        (["get", "--to-dir", "x", "-n"], "-n is for raw"),
        (["get", "--to-dir", "x", "--format", "raw"], "--to-dir has a form of its own"),
        (["get", "--to-dir", "/"], "--to-dir /: this folder cannot be replaced"),
        (["watch", "--prefix", "x"], "--prefix: these go with --exec"),
        (["get", "--nope"], "no option --nope"),
        (["get", "key", "--server", ""], "--server is empty: "),
        (["watch", "--state="], "--state is empty: "),
        (["get", "key", "--server", "x"], "the server's address: "),
        (["run"], "missing"),
        (["run", "--", "true"], "COFFER_SERVER"),
    ],
)
def test_wrong_usage_is_told(home: Path, capfd: pytest.CaptureFixture[str], words: list[str], reason: str) -> None:
    assert cli.run(words) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("coffer-client: ")
    assert reason in err


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


@pytest.mark.parametrize("words", [["get", "--format=shell", "--nope"], ["gett", "--format", "shell"], ["--nope", "--format", "shell"]])
def test_a_line_that_cannot_be_read_fails_in_the_shell_too(home: Path, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.run(words) == 2
    assert capfd.readouterr().out == "(exit 2)\n"


@pytest.mark.parametrize("words", [["get", "--", "--format", "shell"], ["run", "--nope", "--format", "shell"]])
def test_what_is_not_for_eval_is_not_answered_for_it(home: Path, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.run(words) == 2
    assert capfd.readouterr().out == ""


def raise_interrupt(parsed: Parsed) -> NoReturn:
    raise KeyboardInterrupt


def raise_mistake(parsed: Parsed) -> NoReturn:
    raise RuntimeError("a mistake")


def test_an_interruption_is_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["get", "--format=shell"], lambda name: raise_interrupt) == 130
    assert capfd.readouterr() == ("(exit 130)\n", "")


def test_a_mistake_of_ours_fails_in_the_shell_too(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError):
        cli.run(["get", "--format=shell"], lambda name: raise_mistake)
    assert capfd.readouterr().out == "(exit 1)\n"


def test_a_server_that_is_not_there(
    home: Path, whole: Credential, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    host = unused_host()
    with FakeServer(hang_up) as server:
        address = str(server.address()).replace(str(server.host), str(host))
    monkeypatch.setenv("COFFER_IDENTITY_TEXT", whole.identity.secret_text())
    assert cli.run(["get", "key", "--server", address]) == 3
    assert f"{host}: Connection refused (the cache cannot stand in: there is none)\nhint: is the server running" in capfd.readouterr().err


# ------------------------------------------------------------------------------------------------------------- keygen and id


def test_keygen_makes_the_identity_that_get_finds(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["keygen"]) == 0
    out, err = capfd.readouterr()
    path = home / ".config" / "coffer" / "client.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in err
    (key,) = tomli.loads(out).values()
    assert key == keyfile.read(path).public().text()
    assert cli.run(["id"]) == 0
    out, err = capfd.readouterr()
    assert out == f"{key}\n"
    assert keyfile.read(path).id().hex().upper() in err
    assert cli.run(["keygen"]) == 2
    assert "exists already" in capfd.readouterr().err


def test_keygen_bare_makes_an_identity_that_says_so(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = home / "my.key"
    assert cli.run(["keygen", "--bare", str(path)]) == 0
    out, err = capfd.readouterr()
    digits = keyfile.read(path).plain_id().hex().upper()
    assert out.endswith(f' = "{digits}"\n')
    assert "--identity" in err
    assert cli.run(["id", "--identity", str(path)]) == 0
    assert capfd.readouterr() == (f"{digits}\n", "")


def test_id_bare_shows_the_other_key_of_an_identity(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    web = identity("web")
    monkeypatch.setenv("COFFER_IDENTITY_TEXT", web.secret_text())
    assert cli.run(["id", "--bare"]) == 0
    assert capfd.readouterr().out == f"{web.plain_id().hex().upper()}\n"


def test_a_file_of_keygen_bare_speaks_suite_0(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    bare = Credential(identity=keyfile.create(home / ".config" / "coffer" / "client.key", bare=True), bare=True)
    suites = []

    def script(peer: Peer) -> None:
        serving(bare, SECRETS)(peer)
        suites.append(peer.session.suite)

    with FakeServer(script) as server:
        assert cli.run(["get", "port", "--server", str(server.address(bare=True))]) == 0
    assert capfd.readouterr().out == "5432"
    assert suites == [0]


# -------------------------------------------------------------------------------------------------------------------- typer


def test_help_and_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    assert "Usage: coffer-client" in capfd.readouterr().out
    assert cli.run(["get", "--help"]) == 0
    assert "--format raw|shell|dotenv|json|toml|docker|null" in capfd.readouterr().out
    assert cli.run(["--version"]) == 0
    assert capfd.readouterr().out.startswith("coffer-client ")


def test_no_command_shows_the_help() -> None:
    assert cli.run([]) == 2


def test_the_secrets_are_asked_for_with_get(served: Served, whole: Credential) -> None:
    asked = []

    def script(peer: Peer) -> None:
        peer.link()
        asked.append(peer.expect(Get))

    assert served(script, ["get", "key"]) == 3
    assert asked == [Get()]


# -------------------------------------------------------------------------------------------------------- cache and trust


def test_get_says_once_that_no_server_answered(configured: Configure, whole: Credential, capfd: pytest.CaptureFixture[str]) -> None:
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        assert cli.run(["get", "port"]) == 0
    assert capfd.readouterr() == ("5432", "")
    assert cli.run(["get", "port"]) == 0
    out, err = capfd.readouterr()
    assert out == "5432"
    assert err.startswith("coffer-client: warning: no server answered, so this is release 7 of 'shop' as it was fetched ")
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
    assert "will not be noticed" in err
    assert err.count("\n") == 1


def test_trust_is_shown_and_forgotten(
    configured: Configure, whole: Credential, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    history = History(whole).add({"n": 1}).add({"n": 2})
    with FakeServer(hosting(history)) as server:
        configured(server, whole)
        assert cli.run(["trust"]) == 0
        assert "release none\n" in capfd.readouterr().out
        assert cli.run(["get", "n"]) == 0
    with FakeServer(hosting(history, newest=1)) as server:
        configured(server, whole)
        assert cli.run(["get", "n"]) == 5
        capfd.readouterr()
        assert cli.run(["trust"]) == 0
        shown = capfd.readouterr().out
        assert shown.startswith("coffer shop\nrelease 2 ")
        assert f"publisher {PUBLISHER.publisher_key().hex().upper()}\n" in shown
        # Without a terminal and without --yes, nothing is forgotten.
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        assert cli.run(["trust", "reset"]) == 2
        assert "--yes" in capfd.readouterr().err
        assert cli.run(["get", "n"]) == 5
        assert cli.run(["trust", "reset", "--yes"]) == 0
        assert "forgotten" in capfd.readouterr().err
        assert cli.run(["get", "n"]) == 0
        assert capfd.readouterr().out == "1"
        assert cli.run(["trust", "forget"]) == 2


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("YES\n", 0), ("\n", 2), ("n\n", 2), ("", 2)])
def test_at_a_terminal_it_asks(
    configured: Configure, whole: Credential, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], typed: str, code: int
) -> None:
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        assert cli.run(["get", "port"]) == 0
        monkeypatch.setattr("sys.stdin", Terminal(typed))
        assert cli.run(["trust", "reset"]) == code
    err = capfd.readouterr().err
    assert "[y/N]" in err
    assert ("forgotten" in err) == (code == 0)
    assert cli.run(["get", "port"]) == (3 if code == 0 else 0)


# ------------------------------------------------------------------------------------------------------ keys and completion


def test_keys_are_listed_without_their_values(served: Served, whole: Credential, capfd: pytest.CaptureFixture[str]) -> None:
    assert served(serving(whole, {**SECRETS, "with space": "x", "-n": "x"}), ["keys"]) == 0
    assert capfd.readouterr() == ("db.url\nport\ncertificate\nwith space\n-n\n", "")
    # The server is gone, and not asked for.
    assert cli.run(["keys", "--cached"]) == 0
    assert capfd.readouterr() == ("db.url\nport\ncertificate\nwith space\n-n\n", "")
    assert cli.run(["keys", "--cached", "--max-stale", "0"]) == 1
    assert "the cache cannot be used: it was fetched" in capfd.readouterr().err


def test_keys_of_a_cache_that_is_not_there(configured: Configure, whole: Credential, capfd: pytest.CaptureFixture[str]) -> None:
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        assert cli.run(["keys", "--cached"]) == 1
    assert capfd.readouterr() == ("", "coffer-client: the cache cannot be used: there is none\n")


@pytest.mark.parametrize("shell", SCRIPTS)
def test_completion_prints_a_shells_script(home: Path, capfd: pytest.CaptureFixture[str], shell: str) -> None:
    assert cli.run(["completion", shell]) == 0
    assert capfd.readouterr() == (SCRIPTS[shell](), "")


@pytest.mark.parametrize("words", [["csh"], [], ["bash", "zsh"]])
def test_completion_is_for_one_shell_that_it_knows(home: Path, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.run(["completion", *words]) == 2
    assert capfd.readouterr().out == ""


# -------------------------------------------------------------------------------------------------------------------- watch


def watched(history: History) -> Script:
    """Each release of a history, and then a refusal, by which the program ends where it has just begun."""

    return giving_in_turn(releasing(history), answering(lambda hello: KeyNotFound(client=hello.client)))


def run_watch(*words: str, lines: int) -> tuple[list[str], subprocess.Popen[str]]:
    """The first lines of `watch`, which then is ended as Ctrl-C does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "coffer_client", "watch", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        shown = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    return shown, process


def test_watch_prints_a_line_for_each_release(configured: Configure, whole: Credential) -> None:
    with FakeServer(watched(History(whole).add({"n": 1}).add({"n": 2}))) as server:
        configured(server, whole)
        assert run_watch(lines=2)[0] == ["2023-11-14T22:13:20Z 1\n", "2023-11-14T22:13:20Z 2\n"]


def test_watch_runs_a_command_for_each_release(configured: Configure, whole: Credential) -> None:
    with FakeServer(watched(History(whole).add({"n": 1}).add({"1": 2}).add({"n": 3}))) as server:
        configured(server, whole)
        assert run_watch("--exec", 'echo "now $n"; exit 3', lines=2)[0] == ["now 1\n", "now 3\n"]


@pytest.fixture
def cores() -> Iterator[None]:
    """This process, and what it starts, may leave cores, if anybody may."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.mark.usefixtures("cores")
def test_watch_leaves_no_core(configured: Configure, whole: Credential) -> None:
    with FakeServer(watched(History(whole).add({"n": 1}).add({"n": 2}))) as server:
        configured(server, whole)
        assert run_watch("--exec", "ulimit -S -c", lines=2)[0] == ["0\n", "0\n"]


def test_watch_gives_a_command_what_was_chosen(configured: Configure, whole: Credential) -> None:
    with FakeServer(watched(History(whole).add({"n": 1, "a": 0}).add({"1": 2}).add({"n": 3, "b": 0}))) as server:
        configured(server, whole)
        shown, _ = run_watch("--only", "n", "--upper", "--prefix=my.", "--exec", 'echo "now $MY_N $a$b"', lines=2)
        assert shown == ["now 1 \n", "now 3 \n"]


@pytest.mark.parametrize(("words", "code"), [(["--only", "m"], 6), (["--prefix", "1"], 2)])
def test_watch_ends_where_its_first_release_has_not_what_is_wanted(
    configured: Configure, whole: Credential, words: list[str], code: int
) -> None:
    command = [sys.executable, "-m", "coffer_client", "watch", "--exec", "true", *words]
    with FakeServer(watched(History(whole).add({"n": 1}))) as server:
        configured(server, whole)
        assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False, timeout=60).returncode == code


def test_watch_ends_where_it_is_refused_from_the_start(configured: Configure, whole: Credential, capfd: pytest.CaptureFixture[str]) -> None:
    with FakeServer(answering(lambda hello: KeyNotFound(client=hello.client))) as server:
        configured(server, whole)
        assert cli.run(["watch"]) == 4
    assert "does not know this client" in capfd.readouterr().err

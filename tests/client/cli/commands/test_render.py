"""`render` as a process: where the result goes, when a command is run for it, and what is said."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from coffer_client.config.credential import Credential
from coffer_protocol.message import USE_FOLLOWED, USE_ONCE, Bye, KeyNotFound, Watch
from coffer_protocol.shard import SecretValue
from tests.support import ROOT

from ...fake_server import FakeServer, Peer, Script, answering, giving, giving_in_turn, releasing, serving
from ...releases import History

CANARY = "canary-4711"
SECRETS: dict[str, SecretValue] = {"db.url": "postgres://db", "db.port": 5432, "token": CANARY}
PROGRAM = [sys.executable, "-m", "coffer_client", "render"]
Configure = Callable[[FakeServer, Credential], None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, with a template in it."""
    made = tmp_path / "work"
    made.mkdir()
    monkeypatch.chdir(made)
    (made / "a.j2").write_text("url = {{ db.url }}\n")
    return made


def render(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *words], input=stdin, capture_output=True, text=True, check=False)


@pytest.fixture
def served(folder: Path, configured: Configure, whole: Credential) -> Iterator[None]:
    """A server that has the secrets above."""
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        yield


# ------------------------------------------------------------------------------------------------------------------ results


@pytest.mark.parametrize("words", [["a.j2"], ["a.j2", "-o", "-"], ["--output=-", "a.j2"]])
@pytest.mark.usefixtures("served")
def test_the_result_goes_to_stdout(words: list[str]) -> None:
    ran = render(*words)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "url = postgres://db\n", "")


@pytest.mark.usefixtures("served")
def test_the_template_may_come_from_stdin() -> None:
    ran = render("-", stdin="{{ db.port }}")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "5432", "")
    assert render("-", stdin="\n{{ nokey }}").stderr.startswith("coffer-client: stdin, line 2: ")


@pytest.mark.usefixtures("served")
def test_a_file_is_made_and_then_left_alone(folder: Path) -> None:
    path = folder / "a.conf"
    words = ["a.j2", "-o", "a.conf", "--exec", "echo reloaded"]
    ran = render(*words)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "reloaded\n", "")
    assert path.read_text() == "url = postgres://db\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    os.utime(path, ns=(1, 1))
    ran = render(*words)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert path.stat().st_mtime_ns == 1
    path.write_text("url = another\n")
    assert render(*words).stdout == "reloaded\n"
    assert path.read_text() == "url = postgres://db\n"
    assert sorted(each.name for each in folder.iterdir()) == ["a.conf", "a.j2"]


@pytest.mark.usefixtures("served")
def test_mode_and_owner_are_as_typed(folder: Path) -> None:
    owner = f"{os.geteuid()}:{os.getegid()}"
    ran = render("a.j2", "-o", "a.conf", "--mode", "0644", "--owner", owner)
    assert ran.returncode == 0
    assert ran.stderr == "coffer-client: warning: --mode 0644 lets every user of this machine read or change a.conf\n"
    assert stat.S_IMODE((folder / "a.conf").stat().st_mode) == 0o644


@pytest.mark.usefixtures("served")
def test_a_command_gets_no_secret_and_its_failure_is_the_programs(folder: Path) -> None:
    ran = render("a.j2", "-o", "a.conf", "--exec", "env; exit 3")
    assert (ran.returncode, ran.stderr) == (1, "coffer-client: --exec: the command ended with 3\n")
    assert "PATH=" in ran.stdout
    for secret in ("postgres://db", CANARY, "COFFER_IDENTITY_TEXT", "COFFER-SECRET-KEY"):
        assert secret not in ran.stdout
    assert (folder / "a.conf").read_text() == "url = postgres://db\n"


# ------------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "an argument is missing: TEMPLATE"),
        (["a.j2", "b.j2"], "expected at most 1 argument, got 2"),
        (["a.j2", "--watch"], "--watch need -o FILE"),
        (["a.j2", "--mode", "0600", "-o", "-"], "--mode, --owner, --exec and --watch need -o FILE"),
        (["a.j2", "-o", ""], "--output is empty"),
        (["a.j2", "-o", "x", "--mode", "rw"], "--mode rw: expected three octal digits"),
        (["a.j2", "-o", "x", "--owner", "no-such-user"], "this machine has no user 'no-such-user'"),
        (["a.j2", "-o", "./a.j2"], "./a.j2 is the template itself"),
        (["no.j2"], "no.j2: the template cannot be read: No such file or directory"),
        (["bytes.j2"], "bytes.j2: the template is not text in UTF-8, from byte 2 on"),
        (["broken.j2"], "broken.j2, line 2: unexpected '}'"),
        (["a.j2"], "COFFER_SERVER"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_fetched(home: Path, folder: Path, words: list[str], reason: str) -> None:
    (folder / "bytes.j2").write_bytes(b"ab\xff")
    (folder / "broken.j2").write_text("ab\n{{ }\n")
    ran = render(*words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert reason in ran.stderr
    assert not (folder / "x").exists()


@pytest.mark.parametrize(
    ("source", "code", "reason"),
    [
        ("{{ db.utl }}{{ token }}", 6, "a.j2, line 1: release 7 of 'shop' has no key 'db.utl'"),
        ("{{ token }}\n{{ token | int / 0 }}", 2, "a.j2, line 2: this fails with ZeroDivisionError"),
        ("{{ secrets[token ~ 'x'] }}", 6, "no key with the name that is computed here"),
        ("{{ [token] }}", 2, "a value of type list"),
        ("{{ token.__class__ }}", 2, "sandbox"),
    ],
)
@pytest.mark.usefixtures("served")
def test_a_failure_leaves_the_file_as_it_was_and_shows_no_value(folder: Path, source: str, code: int, reason: str) -> None:
    (folder / "a.j2").write_text(source)
    (folder / "a.conf").write_text("old")
    ran = render("a.j2", "-o", "a.conf", "--exec", "echo reloaded")
    assert (ran.returncode, ran.stdout) == (code, "")
    assert reason in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert CANARY not in ran.stderr
    assert (folder / "a.conf").read_text() == "old"
    assert render("a.j2").stdout == ""


def test_without_secrets_the_file_stays_as_it_was(folder: Path, configured: Configure, whole: Credential) -> None:
    (folder / "a.conf").write_text("old")
    with FakeServer(giving(b"\x80")) as server:
        configured(server, whole)
        assert render("a.j2", "-o", "a.conf", "--exec", "echo reloaded").returncode == 5
    assert (folder / "a.conf").read_text() == "old"


@pytest.mark.usefixtures("served")
def test_a_file_that_cannot_be_replaced_is_named(folder: Path) -> None:
    (folder / "link").symlink_to("a.conf")
    ran = render("a.j2", "-o", "link")
    assert (ran.returncode, ran.stderr) == (
        1,
        "coffer-client: link is a symbolic link to a.conf: name that file, or remove the link\n",
    )
    ran = render("a.j2", "-o", "no/a.conf")
    assert (ran.returncode, ran.stderr) == (1, "coffer-client: no/a.conf: there is no folder no: make it first\n")


WITHOUT = "import sys; sys.modules[{module!r}] = None; from coffer_client.cli.main import run; sys.exit(run(['render', 'a.j2']))"


@pytest.mark.parametrize("module", ["jinja2", "markupsafe"])
def test_a_missing_extra_is_named_with_the_line_that_installs_it(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT.format(module=module)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    remedy = "install coffer-secrets again with the extra 'template', as README.md says under Install"
    assert done.stderr == f"coffer-client: render needs {module}, which is not installed\nhint: {remedy}\n"


# -------------------------------------------------------------------------------------------------------------------- watch


def fetched_and_watched(history: History) -> Script:
    """The first release to a fetch, then all of them to who watches; afterwards it refuses."""

    def fetched(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        peer.expect(Bye)

    return giving_in_turn(fetched, releasing(history), answering(lambda hello: KeyNotFound(client=hello.client)))


class Watching:
    """`render --watch` while it runs."""

    def __init__(self, *words: str) -> None:
        self._process = subprocess.Popen([*PROGRAM, "--watch", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def lines(self, count: int) -> list[str]:
        """The next lines that its commands print."""
        assert self._process.stdout is not None
        return [self._process.stdout.readline() for _ in range(count)]

    def told(self, count: int) -> list[str]:
        """The next lines for people."""
        assert self._process.stderr is not None
        return [self._process.stderr.readline() for _ in range(count)]

    def end(self) -> str:
        """End it as Ctrl-C does. Returns what its commands have printed since."""
        self._process.send_signal(signal.SIGINT)
        out, _ = self._process.communicate()
        assert self._process.returncode == 130
        return out


def test_a_command_is_run_only_where_the_result_differs(folder: Path, configured: Configure, whole: Credential) -> None:
    history = History(whole).add({"db.url": "1"}).add({"db.url": "1", "other": "x"}).add({"db.url": "3"})
    with FakeServer(fetched_and_watched(history)) as server:
        configured(server, whole)
        with Watching("a.j2", "-o", "a.conf", "--exec", "cat a.conf") as watching:
            assert watching.lines(2) == ["url = 1\n", "url = 3\n"]
            (told,) = watching.told(1)
            assert told.endswith("(a.conf stays as it is; trying again)\n")
            assert watching.end() == ""
    assert (folder / "a.conf").read_text() == "url = 3\n"


def test_a_release_that_cannot_be_rendered_leaves_the_file(folder: Path, configured: Configure, whole: Credential) -> None:
    history = History(whole).add({"db.url": CANARY}).add({"db.utl": CANARY}).add({"db.url": "3"})
    with FakeServer(fetched_and_watched(history)) as server:
        configured(server, whole)
        with Watching("a.j2", "-o", "a.conf", "--exec", "cat a.conf; exit 3") as watching:
            assert watching.lines(2) == [f"url = {CANARY}\n", "url = 3\n"]
            first, second, third = watching.told(3)
            assert first == "coffer-client: release 1: --exec: the command ended with 3\n"
            assert second.startswith("coffer-client: release 2: a.j2, line 1: release 2 of 'shop' has no key 'db.url'")
            assert second.endswith(" (a.conf stays as it is)\n")
            assert third == "coffer-client: release 3: --exec: the command ended with 3\n"
            watching.end()


def receipts_of(configured: Configure, whole: Credential, history: History, *words: str, told: int) -> list[tuple[int, int]]:
    """The receipts in the session that watches, after so many lines for people."""
    receipts: list[tuple[int, int]] = []

    def fetched(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        peer.expect(Bye)
        assert [(held.serial, held.use) for held in peer.receipts] == [(1, USE_ONCE)]

    def watched(peer: Peer) -> None:
        releasing(history)(peer)
        peer.expect(Watch)
        receipts.extend((held.serial, held.use) for held in peer.receipts)

    with FakeServer(giving_in_turn(fetched, watched, answering(lambda hello: KeyNotFound(client=hello.client)))) as server:
        configured(server, whole)
        with Watching("a.j2", "-o", "a.conf", *words) as watching:
            assert "trying again" in watching.told(told + 1)[-1]
            watching.end()
    return receipts


def test_a_release_is_signed_for_once_its_result_is_in_the_file(folder: Path, configured: Configure, whole: Credential) -> None:
    history = History(whole).add({"db.url": "1"}).add({"db.utl": "2"}).add({"db.url": "1"}).add({"db.url": "4"})
    # Release 2 cannot be rendered, and 3 leaves the file as it is.
    assert receipts_of(configured, whole, history, told=1) == [(serial, USE_FOLLOWED) for serial in (1, 3, 4)]


def test_a_release_is_not_signed_for_while_its_command_has_not_worked(folder: Path, configured: Configure, whole: Credential) -> None:
    history = History(whole).add({"db.url": "1"}).add({"db.url": "2"}).add({"db.url": "2"}).add({"db.url": "4"})
    words = ("--exec", "! grep -q 2 a.conf")
    # Release 3 leaves the file as it is, and so does not run the command again.
    assert receipts_of(configured, whole, history, *words, told=1) == [(serial, USE_FOLLOWED) for serial in (1, 4)]


def test_a_first_result_that_cannot_be_made_ends_it(folder: Path, configured: Configure, whole: Credential) -> None:
    with FakeServer(fetched_and_watched(History(whole).add({"other": "1"}))) as server:
        configured(server, whole)
        ran = render("a.j2", "-o", "a.conf", "--watch")
    assert (ran.returncode, ran.stdout) == (6, "")
    assert not (folder / "a.conf").exists()


def test_a_bare_key_cannot_watch_and_nothing_is_begun(folder: Path, configured: Configure, whole: Credential) -> None:
    bare = Credential(identity=whole.identity, bare=True)
    with FakeServer(serving(bare, SECRETS)) as server:
        configured(server, bare)
        ran = render("a.j2", "-o", "a.conf", "--watch")
    assert ran.returncode == 2
    assert "cannot watch" in ran.stderr
    assert not (folder / "a.conf").exists()


def test_what_the_cache_has_is_rendered_where_no_server_answers(folder: Path, configured: Configure, whole: Credential) -> None:
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        assert render("a.j2").returncode == 0
    ran = render("a.j2", "-o", "a.conf")
    assert ran.returncode == 0
    assert "warning: no server answered" in ran.stderr
    assert (folder / "a.conf").read_text() == "url = postgres://db\n"
    assert render("a.j2", "-o", "b.conf", "--no-cache").returncode == 3

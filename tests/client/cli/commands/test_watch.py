from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from coffer_client.cli import main as cli
from coffer_client.config.credential import Credential
from coffer_protocol.message import USE_FOLLOWED, Held, KeyNotFound, Watch

from ...fake_server import FakeServer, Peer, Script, answering, giving_in_turn, releasing
from ...releases import History
from ..command_lines import Configure


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


def test_a_release_is_signed_for_once_its_command_has_worked(configured: Configure, whole: Credential) -> None:
    history = History(whole).add({"n": 1}).add({"n": 2}).add({"n": 3})
    receipts: list[tuple[int, int]] = []

    def script(peer: Peer) -> None:
        releasing(history)(peer)
        peer.expect(Watch)
        receipts.extend((held.serial, held.use) for held in peer.receipts)

    with FakeServer(giving_in_turn(script, answering(lambda hello: KeyNotFound(client=hello.client)))) as server:
        configured(server, whole)
        process = subprocess.Popen(
            [sys.executable, "-m", "coffer_client", "watch", "--exec", "[ $n != 2 ]"], stderr=subprocess.PIPE, text=True
        )
        with process:
            assert process.stderr is not None
            assert process.stderr.readline() == "coffer-client: release 2: --exec: the command ended with 1\n"
            assert "trying again" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
    assert receipts == [(1, USE_FOLLOWED), (3, USE_FOLLOWED)]


def test_who_only_looks_signs_for_nothing(configured: Configure, whole: Credential) -> None:
    history = History(whole).add({"n": 1}).add({"n": 2})
    receipts: list[Held] = []

    def script(peer: Peer) -> None:
        releasing(history)(peer)
        # It may have been ended already.
        peer.hear()
        receipts.extend(peer.receipts)

    with FakeServer(giving_in_turn(script, answering(lambda hello: KeyNotFound(client=hello.client)))) as server:
        configured(server, whole)
        run_watch(lines=2)
    assert receipts == []


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

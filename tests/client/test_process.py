"""The program as a process: exit codes, shells, signals, and what others can see of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from queue import Queue

import pytest

from coffer_client.credential import Credential
from coffer_protocol.message import Get, OkGet

from .fake_server import FakeServer, Peer, giving, serving
from .releases import make_body

CANARY = "canary-4711"
AWKWARD = {"quote": "it's", "lines": "a\n\nb\n\n", "dollar.s": "$HOME `id` \\", "key": "🔑 é", "empty": "", "dash": "-n"}
PROGRAM = [sys.executable, "-m", "coffer_client"]
Configure = Callable[[FakeServer, Credential], None]


def client(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=False)


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*PROGRAM, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# ------------------------------------------------------------------------------------------------------------------ shells


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_eval_sets_the_variables(shell: str, configured: Configure, credential: Credential) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = f'set -e; eval "$({PROGRAM[0]} -m coffer_client get --format shell)"; env -0'
    with FakeServer(serving(credential, AWKWARD)) as server:
        configured(server, credential)
        ran = subprocess.run([shell, "-c", script], capture_output=True, check=True)
    found = dict(line.split(b"=", 1) for line in ran.stdout.split(b"\0") if line)
    assert {key: found[key.replace(".", "_").encode()].decode() for key in AWKWARD} == AWKWARD


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_a_failure_stops_the_script(shell: str, configured: Configure, whole: Credential) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = f'set -e; eval "$({PROGRAM[0]} -m coffer_client get --format shell)"; echo went on'
    with FakeServer(giving(b"\x80")) as server:
        configured(server, whole)
        ran = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (5, "")


def test_get_warns_of_a_release_that_expires_soon(configured: Configure, whole: Credential) -> None:
    soon = int(time.time()) + 10 * 86400 + 3600
    with FakeServer(serving(whole, {"port": 5432}, expires=soon)) as server:
        configured(server, whole)
        ran = client("get", "port")
    assert (ran.returncode, ran.stdout) == (0, "5432")
    assert ran.stderr.startswith("coffer-client: warning: release 7 of 'shop' expires at ")
    assert "in 10 days" in ran.stderr


@pytest.mark.parametrize(("words", "shown"), [(["port"], b"5432\r\n"), (["-n", "port"], b"5432"), (["key"], b"\xff")])
def test_on_a_terminal_text_ends_its_line_unless_it_is_told_not_to(
    configured: Configure, whole: Credential, words: list[str], shown: bytes
) -> None:
    ours, theirs = os.openpty()
    try:
        with FakeServer(serving(whole, {"port": 5432, "key": b"\xff"})) as server:
            configured(server, whole)
            ran = subprocess.run([*PROGRAM, "get", *words], stdout=theirs, stderr=subprocess.PIPE, check=False)
        assert (ran.returncode, ran.stderr) == (0, b"")
        # The mark is there, so that a read has an end; and it is nobody's but this test's.
        os.write(theirs, b"|")
        found = b""
        while not found.endswith(b"|"):
            found += os.read(ours, 1024)
        assert found == shown + b"|"
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
def test_output_that_cannot_be_written_is_one_message(configured: Configure, whole: Credential) -> None:
    with FakeServer(serving(whole, {"port": 5432})) as server:
        configured(server, whole)
        with open("/dev/full", "wb") as full:
            ran = subprocess.run([*PROGRAM, "get", "port"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "coffer-client: stdout cannot be written: No space left on device\n")


# --------------------------------------------------------------------------------------------------------------------- run


def test_run_gives_the_secrets_and_takes_the_identity(configured: Configure, credential: Credential) -> None:
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    with FakeServer(serving(credential, AWKWARD)) as server:
        configured(server, credential)
        ran = client("run", "--", sys.executable, "-c", program)
    environment = json.loads(ran.stdout)
    assert {key: environment[key.replace(".", "_")] for key in AWKWARD} == AWKWARD
    assert "COFFER_IDENTITY_TEXT" not in environment
    assert credential.identity.secret_text() not in ran.stdout
    assert ran.stderr == ""


def test_run_hands_arguments_and_status_on(configured: Configure, whole: Credential) -> None:
    program = "import sys; print(sys.argv[1:]); sys.exit(42)"
    with FakeServer(serving(whole, {})) as server:
        configured(server, whole)
        ran = client("run", sys.executable, "-c", program, "--bare", "-h", "--", "a b", "")
    assert (ran.returncode, ran.stdout, ran.stderr) == (42, "['--bare', '-h', '--', 'a b', '']\n", "")


@pytest.mark.parametrize(("command", "code"), [("there-is-no-such-command", 127), ("/", 126)])
def test_run_says_what_it_cannot_run(configured: Configure, whole: Credential, command: str, code: int) -> None:
    with FakeServer(serving(whole, {})) as server:
        configured(server, whole)
        ran = client("run", "--", command)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.startswith(f"coffer-client: {command}: ")


def test_run_starts_nothing_without_the_secrets(configured: Configure, whole: Credential, tmp_path: Path) -> None:
    with FakeServer(giving(b"\x80")) as server:
        configured(server, whole)
        ran = client("run", "--", "touch", str(tmp_path / "mark"))
    assert ran.returncode == 5
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command_itself(configured: Configure, whole: Credential, number: signal.Signals) -> None:
    program = f"""if 1:
        import signal, sys
        signal.signal({int(number)}, lambda *_: sys.exit(77))
        print("ready", flush=True)
        signal.pause()
    """
    with FakeServer(serving(whole, {})) as server:
        configured(server, whole)
        with start("run", "--", sys.executable, "-c", program) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            assert process.wait() == 77


def test_a_signal_ends_the_command_as_it_would_alone(configured: Configure, whole: Credential) -> None:
    with FakeServer(serving(whole, {})) as server:
        configured(server, whole)
        with start("run", "--", "sh", "-c", "echo ready; read line") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.terminate()
            assert process.wait() == -signal.SIGTERM


# ------------------------------------------------------------------------------------------------------------------ canary


def listed_arguments(pid: int) -> str:
    """What anybody on the machine can see of a process."""
    return subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout


def test_no_process_list_shows_a_secret(configured: Configure, whole: Credential) -> None:
    body = make_body(whole, {"key": CANARY})
    pids: Queue[int] = Queue()
    listed: list[str] = []

    def list_while_it_waits(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        listed.append(listed_arguments(pids.get()))
        peer.send(OkGet(coffer=body))
        peer.wait_for_close()

    with FakeServer(list_while_it_waits) as server:
        configured(server, whole)
        with start("run", "--", "sh", "-c", 'echo "$key"; read line') as process:
            pids.put(process.pid)
            assert process.stdout is not None
            assert process.stdout.readline() == f"{CANARY}\n"
            listed.append(listed_arguments(process.pid))
            process.communicate("\n")
    assert "coffer_client" in listed[0]
    assert "read line" in listed[1]
    for line in listed:
        assert CANARY not in line
        assert "COFFER-SECRET-KEY" not in line


FAILURES = """if 1:
    import coffer_client
    coffer = coffer_client.fetch()
    value = coffer["key"]
    print(repr(coffer), repr(value), [value], dict(coffer))
    coffer["another"]
"""


def test_no_repr_and_no_traceback_shows_a_secret(configured: Configure, credential: Credential) -> None:
    with FakeServer(serving(credential, {"key": CANARY})) as server:
        configured(server, credential)
        ran = subprocess.run([sys.executable, "-X", "dev", "-c", FAILURES], capture_output=True, text=True, check=False)
    assert "NoSuchKeyError" in ran.stderr
    assert "<secret text>" in ran.stdout
    assert CANARY not in ran.stdout + ran.stderr
    assert "COFFER-SECRET-KEY" not in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ({"nul": f"{CANARY}\0"}, ["get", "--format", "shell"]),
        ({"1": CANARY}, ["get", "--format", "dotenv"]),
        ({"a.b": CANARY, "a-b": CANARY}, ["run", "--", "env"]),
        ({"key": CANARY}, ["get", "other"]),
        ({"key": CANARY * 100_000}, ["run", "--", "env"]),
        ({"key": CANARY}, ["run", "--", "there-is-no-such-command"]),
    ],
)
def test_no_error_shows_a_secret(configured: Configure, whole: Credential, secrets: dict[str, str], words: list[str]) -> None:
    with FakeServer(serving(whole, {key: value[: 1 << 19] for key, value in secrets.items()})) as server:
        configured(server, whole)
        ran = client(*words)
    assert ran.returncode in (2, 6, 126, 127)
    assert ran.stdout in ("", "(exit 2)\n")
    assert CANARY not in ran.stderr
    assert "Traceback" not in ran.stderr


# ---------------------------------------------------------------------------------------------------------------- start-up


def imported(*words: str) -> set[str]:
    """The modules that an interpreter loads with these arguments, by the names of their packages."""
    ran = subprocess.run([sys.executable, "-X", "importtime", *words], capture_output=True, text=True, check=True)
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in ran.stderr.splitlines()}


@pytest.mark.parametrize("words", [["get", "port"], ["run", "--", "true"]])
def test_get_and_run_load_nothing_that_they_do_not_need(configured: Configure, whole: Credential, words: list[str]) -> None:
    with FakeServer(serving(whole, {"port": 5432})) as server:
        configured(server, whole)
        # What an interpreter loads by itself, as for an editable installation, is not ours.
        loaded = imported("-m", "coffer_client", *words) - imported("-c", "pass")
    assert "coffer_client" in loaded
    unneeded = {
        "argparse",
        "asyncio",
        "click",
        "email",
        "jinja2",
        "json",
        "logging",
        "pathlib",
        "queue",
        "resource",
        "rich",
        "ssl",
        "subprocess",
        "trio",
        "typer",
    }
    assert loaded & unneeded == set()

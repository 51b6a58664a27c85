"""The program as a process: exit codes, shells, signals, and what others can see of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from queue import Queue
from typing import Final

import pytest

from coffer_client.config.credential import Credential
from coffer_protocol.message import Get, OkGet
from coffer_protocol.shard import SecretValue
from tests.support import ROOT

from .fake_server import FakeServer, Peer, giving, serving, staying
from .releases import make_body

CANARY = "canary-4711"
AWKWARD = {"quote": "it's", "lines": "a\n\nb\n\n", "dollar.s": "$HOME `id` \\", "key": "🔑 é", "empty": "", "dash": "-n"}
PROGRAM = [sys.executable, "-m", "coffer_client"]
Configure = Callable[[FakeServer, Credential], None]
# The ways in which `run` runs a command: in its own place, and beside itself. Nobody who waits for it can tell one from the other.
BESIDE = [["--watch"], ["--redact"], ["--watch", "--redact"]]
WAYS = [[], *BESIDE]
in_all_ways = pytest.mark.parametrize("way", WAYS, ids=" ".join)


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
    assert "in 10d" in ran.stderr


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


# ------------------------------------------------------------------------------------------------- streams that are not there


def client_with(redirections: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The program, with its standard streams as a shell has set them."""
    line = ["sh", "-c", f'exec "$@" {redirections}', "sh", *PROGRAM, *words]
    return subprocess.run(line, input=stdin, capture_output=True, text=True, check=False)


NO_STDERR = ["2>&-", pytest.param("2>/dev/full", marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's"))]


@pytest.mark.parametrize("stderr", NO_STDERR)
def test_without_stderr_nobody_is_told_and_all_else_is_as_ever(configured: Configure, whole: Credential, stderr: str) -> None:
    key = whole.public_text()
    with FakeServer(serving(whole, {"port": 5432})) as server:
        configured(server, whole)
        for line, shown in (
            ("get port", "5432"),
            ("get port --format dotenv", "port='5432'\n"),
            ("get port --format json", '{\n  "port": 5432\n}\n'),
            ("keys", "port\n"),
            ("id", f"{key}\n"),
        ):
            ran = client_with(stderr, *line.split())
            assert (ran.returncode, ran.stdout) == (0, shown)
        assert client_with(stderr, "--help").stdout.startswith("Usage: coffer-client")
        failed = [client_with(stderr, *words).returncode for words in (["get", "nokey"], ["get", "--nope"], ["gett"], ["keys", "--nope"])]
        assert failed == [6, 2, 2, 2]
    # Nobody answers any more, which is a warning; and what is in the cache is as good as before.
    for words, shown in ((["get", "port"], "5432"), (["keys"], "port\n")):
        ran = client_with(stderr, *words)
        assert (ran.returncode, ran.stdout) == (0, shown)
    assert client_with(stderr, "get", "port", "--no-cache").returncode == 3


NOT_WRITTEN = "coffer-client: stdout cannot be written: Bad file descriptor\n"
PRINTING = ["get port", "get port --format json", "keys", "id", "trust", "config", "doctor", "completion bash", "--help", "--version"]


@pytest.mark.parametrize("line", [*PRINTING, "render -", "get --help"])
def test_without_stdout_what_was_to_be_printed_is_a_failure(configured: Configure, whole: Credential, line: str) -> None:
    with FakeServer(serving(whole, {"port": 5432})) as server:
        configured(server, whole)
        ran = client_with(">&-", *line.split(), stdin="text")
        alone = client_with(">&- 2>&-", *line.split(), stdin="text")
    assert (ran.returncode, ran.stderr.splitlines(keepends=True)[-1]) == (1, NOT_WRITTEN)
    assert "Traceback" not in ran.stderr
    assert (alone.returncode, alone.stdout, alone.stderr) == (1, "", "")


def test_without_stdout_what_prints_nothing_works(configured: Configure, whole: Credential, tmp_path: Path) -> None:
    with FakeServer(serving(whole, {"port": 5432})) as server:
        configured(server, whole)
        ran = client_with("<&- >&- 2>&-", "get", "--to-dir", str(tmp_path / "secrets"))
    assert (ran.returncode, (tmp_path / "secrets" / "port").read_bytes()) == (0, b"5432")


def test_without_stdin_there_is_nobody_to_ask_and_nothing_to_read(configured: Configure, whole: Credential) -> None:
    with FakeServer(serving(whole, {"port": 5432})) as server:
        configured(server, whole)
        asked = client_with("<&-", "trust", "reset")
        read = client_with("<&-", "render", "-")
    assert (asked.returncode, read.returncode) == (2, 2)
    assert "stdin is not a terminal, so nobody can answer" in asked.stderr
    assert read.stderr == "coffer-client: -: the template cannot be read: Bad file descriptor\n"


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="there is no /proc")
def test_no_other_file_gets_the_number_of_a_stream(configured: Configure, whole: Credential) -> None:
    body = make_body(whole, {"port": 5432})
    pids: Queue[int] = Queue()
    seen: list[list[str]] = []

    def look_while_it_waits(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        pid = pids.get()
        seen.append([os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)])
        peer.send(OkGet(coffer=body))
        peer.wait_for_close()

    with FakeServer(look_while_it_waits) as server:
        configured(server, whole)
        # A shell that becomes the program keeps its number.
        with subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *PROGRAM, "get", "port"]) as process:
            pids.put(process.pid)
            assert process.wait() == 1
    assert seen == [[os.devnull] * 3]


@in_all_ways
def test_to_a_command_a_closed_stream_is_closed(configured: Configure, whole: Credential, way: list[str], tmp_path: Path) -> None:
    program = "import os, sys; open(sys.argv[1], 'w').write(str([stream is None for stream in (sys.stdin, sys.stdout, sys.stderr)]))"
    with FakeServer(staying(whole, {})) as server:
        configured(server, whole)
        ran = client_with("<&- >&- 2>&-", "run", *way, "--", sys.executable, "-c", program, str(tmp_path / "seen"))
    assert (ran.returncode, (tmp_path / "seen").read_text()) == (0, "[True, True, True]")


@pytest.mark.parametrize("line", [*PRINTING, "watch"])
def test_a_reader_that_has_gone_is_no_news(configured: Configure, whole: Credential, line: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with FakeServer(staying(whole, {"port": 5432})) as server, open(write_end, "wb") as broken:
        configured(server, whole)
        ran = subprocess.run([*PROGRAM, *line.split()], stdout=broken, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 128 + signal.SIGPIPE
    # What else there is to say is said.
    assert "stdout" not in ran.stderr
    assert "Traceback" not in ran.stderr


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


@in_all_ways
def test_run_pristine_gives_the_secrets_and_nothing_else(configured: Configure, whole: Credential, way: list[str]) -> None:
    with FakeServer(staying(whole, {"a.b": "x", "c": "y"})) as server:
        configured(server, whole)
        # Found by the PATH that it does not get.
        ran = client("run", *way, "--pristine", "--", "env", "-0")
    assert (ran.returncode, ran.stdout) == (0, "a_b=x\0c=y\0")


@in_all_ways
def test_exit_statuses_are_the_commands(configured: Configure, whole: Credential, way: list[str]) -> None:
    statuses = (0, 1, 127, 255)
    with FakeServer(staying(whole, {})) as server:
        configured(server, whole)
        assert tuple(client("run", *way, "--", "sh", "-c", f"exit {status}").returncode for status in statuses) == statuses


@in_all_ways
def test_a_signal_that_ends_the_command_is_what_a_parent_sees(configured: Configure, whole: Credential, way: list[str]) -> None:
    numbers = (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV)
    with FakeServer(staying(whole, {})) as server:
        configured(server, whole)
        ends = [client("run", *way, "--", "sh", "-c", f"kill -{int(number)} $$; exit 9").returncode for number in numbers]
    assert ends == [-number for number in numbers]


@in_all_ways
def test_run_writes_no_core(configured: Configure, whole: Credential, way: list[str]) -> None:
    words = [*PROGRAM, "run", *way, "--", "sh", "-c", "ulimit -S -c; ulimit -H -c"]
    with FakeServer(staying(whole, {})) as server:
        configured(server, whole)
        # Where whoever starts it has them on.
        ran = subprocess.run(
            ["sh", "-c", 'ulimit -S -c "$(ulimit -H -c)"; ulimit -c; exec "$@"', "sh", *words], capture_output=True, check=True
        )
    before, soft, hard = ran.stdout.split()
    if hard == b"0":
        pytest.skip("nobody can have a core here")
    assert (before, soft) == (hard, b"0")


@in_all_ways
@pytest.mark.parametrize(("command", "code"), [("there-is-no-such-command", 127), ("/", 126)])
def test_run_says_what_it_cannot_run(configured: Configure, whole: Credential, way: list[str], command: str, code: int) -> None:
    with FakeServer(staying(whole, {})) as server:
        configured(server, whole)
        ran = client("run", *way, "--", command)
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
        import os, signal, sys
        signal.signal({int(number)}, lambda *_: sys.exit(77))
        # Every signal is written here as well: one that comes before the wait for it would else be slept through.
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        print("ready", flush=True)
        os.read(woken, 1)
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


# ----------------------------------------------------------------------------------------------------------- configuration


def test_a_program_finds_what_the_command_finds(home: Path, whole: Credential, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "client.key").touch(0o600)
    (home / "client.key").write_text(whole.file_text())
    program = "import coffer_client; print(coffer_client.fetch()['port'])"
    monkeypatch.chdir(home)
    with FakeServer(serving(whole, {"port": 5432})) as server:
        (home / "coffer.toml").touch(0o600)
        (home / "coffer.toml").write_text(f'server = "{server.address()}"\nidentity = "client.key"\nstate = "state"\nno_cache = true')
        for words in ([*PROGRAM, "get", "port"], [sys.executable, "-c", program]):
            assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() == "5432"
    assert sorted(path.suffix for path in (home / "state").iterdir()) == [".lock", ".trust"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_somebody_elses_configuration_is_not_believed(home: Path, whole: Credential, configured: Configure) -> None:
    (home / "coffer.toml").write_text("timeout = 30")
    os.chown(home / "coffer.toml", 65_534, 65_534)
    with FakeServer(serving(whole, {"port": 5432})) as server:
        configured(server, whole)
        refused = subprocess.run([*PROGRAM, "run", "env"], cwd=home, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"{home}/coffer.toml belongs to another user" in refused.stderr


# ------------------------------------------------------------------------------------------------------------------ canary


def listed_arguments(pid: int) -> str:
    """Return what anybody on the machine can see of a process, as `ps` prints it, or as Linux tells `ps`."""
    listed = Path(f"/proc/{pid}/cmdline")
    if listed.exists():
        return listed.read_bytes().replace(b"\0", b" ").decode()
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


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="there is no /proc")
@pytest.mark.parametrize("way", BESIDE, ids=" ".join)
def test_who_stays_beside_a_command_shows_no_secret(configured: Configure, whole: Credential, way: list[str]) -> None:
    with FakeServer(staying(whole, {"key": CANARY})) as server:
        configured(server, whole)
        with start("run", *way, "--", "sh", "-c", "echo $PPID; read line") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{process.pid}\n"
            shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            # Its environment is for root alone, where the kernel takes that much from its own user.
            with contextlib.suppress(PermissionError):
                shown += Path(f"/proc/{process.pid}/environ").read_bytes()
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            process.communicate("\n")
    assert b"read line" in shown
    assert CANARY.encode() not in shown
    assert re.search(r"^Max core file size +0 ", limits, re.MULTILINE)


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="there is no /proc")
def test_a_command_in_the_place_of_run_has_no_identity(configured: Configure, whole: Credential) -> None:
    with FakeServer(staying(whole, {"key": CANARY})) as server:
        configured(server, whole)
        with start("run", "--", "sh", "-c", "echo $$; read line") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{process.pid}\n"
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
            process.communicate("\n")
    assert f"key={CANARY}".encode() in environment.split(b"\0")
    assert b"COFFER-SECRET-KEY" not in environment


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


SCRIPT: Final = str(ROOT / "coffer_client" / "coffer-client")


def imported(*words: str) -> set[str]:
    """The modules that an interpreter loads with these arguments, by the names of their packages.

    Without `site`, and so without what an editable installation loads by itself.
    """
    paths = f"{ROOT}{os.pathsep}{sysconfig.get_path('purelib')}{os.pathsep}{sysconfig.get_path('platlib')}"
    command = [sys.executable, "-S", "-X", "importtime", *words]
    ran = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=True)
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in ran.stderr.splitlines()}


def test_what_reads_a_configuration_is_loaded_where_there_is_one(configured: Configure, whole: Credential, home: Path) -> None:
    path = home / ".config" / "coffer" / "client.toml"
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    path.write_text("timeout = 30")
    with FakeServer(serving(whole, {"port": 5432})) as server:
        configured(server, whole)
        assert "tomllib" in imported(SCRIPT, "get", "port")


# A date needs what holds it.
@pytest.mark.parametrize(
    ("words", "secrets", "needed"),
    [
        (["get", "port"], {"port": 5432}, set()),
        (["get", "when"], {"when": datetime(2027, 1, 31, 8, tzinfo=UTC)}, {"datetime"}),
        (["get", "port"], {"port": 5432, "day": date(2027, 1, 31), "hour": time_of_day(8)}, {"datetime"}),
        (["run", "--", "true"], {"port": 5432}, set()),
    ],
)
def test_get_and_run_load_nothing_that_they_do_not_need(
    configured: Configure, whole: Credential, words: list[str], secrets: dict[str, SecretValue], needed: set[str]
) -> None:
    with FakeServer(serving(whole, secrets)) as server:
        configured(server, whole)
        loaded = imported(SCRIPT, *words)
    assert "coffer_client" in loaded
    unneeded = {
        "argparse",
        "asyncio",
        "base64",
        "click",
        "ctypes",
        "dataclasses",
        "datetime",
        "email",
        "hashlib",
        "inspect",
        "jinja2",
        "json",
        "logging",
        "pathlib",
        "queue",
        "re",
        "rich",
        "site",
        "socket",
        "ssl",
        "string",
        "subprocess",
        "tomllib",
        "trio",
        "typer",
        "typing",
    }
    assert loaded & unneeded == needed

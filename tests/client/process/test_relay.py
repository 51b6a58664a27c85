"""`run --redact` as a process: what comes out of it, and when, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO

import pytest

from coffer_client.config.credential import Credential
from coffer_protocol.shard import SecretValue

from ..fake_server import FakeServer, staying

CANARY = "canary-4711"
SECRETS: dict[str, SecretValue] = {"key": CANARY, "tls.key": "-----BEGIN-----\nMIIEvQIBADAN\n-----END-----\n", "port": 5432, "pin": "12345"}
PROGRAM = [sys.executable, "-m", "coffer_client", "run", "--redact", "--"]
Configure = Callable[[FakeServer, Credential], None]
Start = Callable[..., AbstractContextManager[subprocess.Popen[bytes]]]
# Lets the test say when it goes on: it reads a line.
PROLOGUE = """
import os, signal, sys
key = os.environb[b"key"]
def write(data, to=1):
    while data:
        data = data[os.write(to, data):]
def wait():
    sys.stdin.buffer.readline()
"""


@pytest.fixture
def start(configured: Configure, whole: Credential) -> Iterator[Start]:
    """Starts a Python program, or another command, under `run --redact`; meanwhile a server is running."""

    @contextmanager
    def begin(
        program: str | list[str], *, stdout: int | IO[bytes] = subprocess.PIPE, stderr: int = subprocess.PIPE
    ) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-c", PROLOGUE + program] if isinstance(program, str) else program
        with subprocess.Popen([*PROGRAM, *command], stdin=subprocess.PIPE, stdout=stdout, stderr=stderr) as process:
            try:
                yield process
            finally:
                process.terminate()

    with FakeServer(staying(whole, SECRETS)) as server:
        configured(server, whole)
        yield begin


def say(process: subprocess.Popen[bytes], line: bytes = b"\n") -> None:
    """Let the program go on."""
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


def read(process: subprocess.Popen[bytes], count: int) -> bytes:
    """So many bytes of its stdout, as they come."""
    assert process.stdout is not None
    return process.stdout.read(count)


# ---------------------------------------------------------------------------------------------------------- what comes out


def test_secrets_are_replaced_on_both_streams(start: Start) -> None:
    with start('write(b"out " + key + b".\\n"); write(b"err " + key + b".\\n", to=2)') as process:
        out, err = process.communicate()
    assert (out, err, process.returncode) == (b"out <secret key>.\n", b"err <secret key>.\n", 0)


def test_lines_of_a_text_are_replaced_and_what_is_short_or_encoded_is_not(start: Start) -> None:
    program = """if 1:
        for line in os.environb[b"tls_key"].splitlines():
            write(b"log: " + line + b"\\n")
        write(os.environb[b"port"] + os.environb[b"pin"] + key.hex().encode())
    """
    with start(program) as process:
        out, _ = process.communicate()
    assert out == b"log: <secret tls_key>\n" * 3 + b"543212345" + CANARY.encode().hex().encode()


def test_a_secret_in_two_pieces_is_replaced_and_only_that_waits(start: Start) -> None:
    with start('write(b"it is " + key[:5]); wait(); write(key[5:] + b"!"); wait(); write(key[:5])') as process:
        assert read(process, 6) == b"it is "
        say(process)
        assert read(process, 13) == b"<secret key>!"
        say(process)
        # Nothing follows any more that could make a secret of it.
        assert read(process, -1) == CANARY[:5].encode()


def test_a_question_is_seen_and_its_answer_gets_there(start: Start) -> None:
    with start('write(b"Name? "); name = sys.stdin.readline(); write(b"Hello, " + name.encode())') as process:
        assert read(process, 6) == b"Name? "
        say(process, b"canary-4711 me\n")
        assert read(process, -1) == b"Hello, <secret key> me\n"
        assert process.wait() == 0


def test_any_bytes_and_many_of_them_go_through(start: Start) -> None:
    with start("write(bytes(range(256)) * 20_000); write(key)") as process:
        out, _ = process.communicate()
    assert out == bytes(range(256)) * 20_000 + b"<secret key>"


def test_the_order_of_the_two_streams_is_kept_where_they_are_one(start: Start) -> None:
    with start('[write(b"%d\\n" % number, to=1 + number % 2) for number in range(1000)]', stderr=subprocess.STDOUT) as process:
        out, _ = process.communicate()
    assert out == b"".join(b"%d\n" % number for number in range(1000))


# ------------------------------------------------------------------------------------------------------ those who take it


def test_a_reader_that_goes_away_ends_the_command_as_it_would_alone(start: Start) -> None:
    with start(["yes"]) as process:
        assert read(process, 2) == b"y\n"
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == -signal.SIGPIPE
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
def test_a_file_that_takes_no_more_ends_the_command_and_says_so(start: Start) -> None:
    with open("/dev/full", "wb") as full, start(["yes"], stdout=full) as process:
        assert process.wait() == -signal.SIGPIPE
        assert process.stderr is not None
        assert process.stderr.read() == b"coffer-client: stdout cannot be written (No space left on device), so the command's is closed\n"


def test_a_stream_that_takes_nothing_for_now_gets_everything(start: Start) -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with open(read_end, "rb") as reader, open(write_end, "wb") as writer, start('write(b"x" * 1_000_000)', stdout=writer) as process:
        writer.close()
        assert reader.read() == b"x" * 1_000_000
        assert process.wait() == 0


def test_a_stream_that_is_closed_stays_closed(start: Start) -> None:
    program = "try: os.fstat(1)\nexcept OSError: write(b'closed ' + key, to=2)"
    line = ["sh", "-c", 'exec "$@" >&-', "sh", *PROGRAM, sys.executable, "-c", PROLOGUE + program]
    # The server and the environment are those of `start`.
    with subprocess.Popen(line, stderr=subprocess.PIPE) as process:
        _, err = process.communicate()
    assert (process.returncode, err) == (0, b"closed <secret key>")


# ----------------------------------------------------------------------------------------------------------- how it ends


def test_it_waits_for_those_who_still_write(start: Start) -> None:
    with start('pid = os.fork(); pid and os._exit(3); wait(); write(b"late " + key)') as process:
        say(process)
        assert read(process, -1) == b"late <secret key>"
        assert process.wait() == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_waiting_and_the_status_is_still_the_commands(start: Start, number: signal.Signals) -> None:
    # The one that stays behind says when the command has been waited for, and not only ended.
    program = """if 1:
        command = os.getpid()
        if os.fork():
            os._exit(3)
        try:
            while True:
                os.kill(command, 0)
        except ProcessLookupError:
            write(b"alone")
        wait()
    """
    with start(program) as process:
        assert read(process, 5) == b"alone"
        process.send_signal(number)
        assert process.wait() == 3
        say(process)


def test_every_signal_reaches_the_command_once(start: Start) -> None:
    numbers = [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH, signal.SIGALRM, signal.SIGTERM]
    program = f"""if 1:
        for number in {[int(number) for number in numbers]}:
            signal.signal(number, lambda number, frame: write(b"%3d" % number))
        write(b"has")
        wait()
    """
    with start(program) as process:
        assert read(process, 3) == b"has"
        for number in numbers:
            process.send_signal(number)
            assert read(process, 3) == b"%3d" % number
        say(process)
        assert process.wait() == 0

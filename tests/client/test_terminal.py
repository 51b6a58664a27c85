"""`run` at a real terminal, with a real shell: a person cannot tell it from the command alone."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coffer_client.config.credential import Credential

from .fake_server import FakeServer, staying
from .terminal import CTRL_BACKSLASH, CTRL_C, CTRL_Z, terminal

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
Configure = Callable[[FakeServer, Credential], None]
Line = Callable[..., str]
PROLOGUE = """
import os, signal, sys
# Every signal is written here as well: one that comes before the wait for it would else be slept through.
woken, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)
def say(*words):
    # In one piece: when it is seen, all of it is there.
    os.write(1, " ".join(words).encode() + b"\\n")
def on(name, do):
    signal.signal(signal.Signals["SIG" + name], lambda *_: do())
def ready():
    say("has", os.environ["n"])
    while True:
        os.read(woken, 1)
"""


@pytest.fixture(params=[[], ["--watch"], ["--redact"], ["--watch", "--redact"]], ids=" ".join)
def line(request: pytest.FixtureRequest, tmp_path: Path, configured: Configure, whole: Credential) -> Iterator[Line]:
    """Makes the line to type that runs a Python program in each of the ways that there are; meanwhile a server is running."""
    with FakeServer(staying(whole, {"n": "1"})) as server:
        configured(server, whole)

        def words(program: str, *arguments: str) -> str:
            path = tmp_path / "program.py"
            path.write_text(PROLOGUE + program)
            command = [sys.executable, "-m", "coffer_client", "run", *request.param, "--", sys.executable, str(path), *arguments]
            return shlex.join(command) + "\n"

        yield words


def test_an_interrupt_ends_it(line: Line) -> None:
    with terminal() as screen:
        screen.type(line('on("INT", lambda: say("heard")); signal.signal(signal.SIGQUIT, signal.SIG_DFL); ready()'))
        screen.see("has 1")
        screen.type(CTRL_C)
        screen.see("heard")
        screen.type(CTRL_BACKSLASH)
        assert "core dumped" not in screen.see("status=131")


def test_an_interrupt_that_the_command_does_not_handle(line: Line) -> None:
    with terminal() as screen:
        screen.type(line("signal.signal(signal.SIGINT, signal.SIG_DFL); ready()"))
        screen.see("has 1")
        screen.type(CTRL_C)
        screen.see("status=130")


def test_it_stops_and_goes_on(line: Line) -> None:
    with terminal() as screen:
        screen.type(line('on("CONT", lambda: say("goes on")); on("INT", lambda: sys.exit(7)); ready()'))
        screen.see("has 1")
        for _ in range(2):
            screen.type(CTRL_Z)
            screen.see("Stopped")
            screen.see("status=148")
            screen.type("fg\n")
            screen.see("goes on")
        screen.type(CTRL_C)
        screen.see("status=7")


def test_the_shell_waits_for_a_command_that_puts_the_terminal_in_order(line: Line, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    program = """if 1:
        def stop():
            terminal = os.open("/dev/tty", os.O_WRONLY)
            os.write(terminal, b"is putting in order\\n")
            open(sys.argv[1]).read()
            os.write(terminal, b"is in order\\n")
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            say("goes on")
        on("TSTP", stop)
        on("INT", lambda: sys.exit(7))
        ready()
    """
    with terminal() as screen:
        screen.type(line(program, str(gate)))
        screen.see("has 1")
        screen.type(CTRL_Z)
        screen.see("is putting in order")
        gate.write_bytes(b"")
        assert "Stopped" not in screen.see("is in order")
        screen.see("Stopped")
        screen.see("status=148")
        screen.type("fg\n")
        screen.see("goes on")
        screen.type(CTRL_C)
        screen.see("status=7")


def test_a_command_that_does_not_stop_is_not_left(line: Line) -> None:
    with terminal() as screen:
        screen.type(line('signal.signal(signal.SIGTSTP, signal.SIG_IGN); on("INT", lambda: sys.exit(7)); ready()'))
        screen.see("has 1")
        screen.type(CTRL_Z)
        screen.type(CTRL_C)
        assert "Stopped" not in screen.see("status=7")


# With `exec` it is in the place of the shell: the first process of the session, and the only one that the kernel tells of a hang-up.
@pytest.mark.parametrize("place", ["", "exec "])
@pytest.mark.parametrize("program", ["ready()", 'on("HUP", lambda: (os.write(int(sys.argv[1]), b"heard"), os._exit(0))); ready()'])
def test_a_hang_up_leaves_nothing_behind(line: Line, program: str, place: str) -> None:
    heard, alive = os.pipe()
    try:
        with terminal(inherited=[alive]) as screen:
            screen.type(place + line(program, str(alive)))
            screen.see("has 1")
            screen.hang_up()
            os.close(alive)
            # The end comes when nobody is left who has the other one.
            said = b"".join(iter(lambda: os.read(heard, 100), b""))
    finally:
        os.close(heard)
    # More than once where the shell tells its jobs after the terminal has.
    assert (b"heard" in said) == ("heard" in program)

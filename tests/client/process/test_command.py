from __future__ import annotations

import os
import signal as signals
import subprocess
import sys
from collections import UserDict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from coffer_client.delivery.naming import Naming
from coffer_client.errors import CommandNotExecutableError, CommandNotFoundError, EnvironmentNameError
from coffer_client.process import command as run
from tests.support import ROOT

PATH = os.environb[b"PATH"]
Handler = Callable[[int, FrameType | None], object] | signals.Handlers


def test_secrets_win_and_the_identity_is_taken_out() -> None:
    inherited = {b"HOME": b"/root", b"db_url": b"old", b"COFFER_IDENTITY_TEXT": b"canary", b"\xff": b"\xfe", b"COFFER_SERVER": b"x"}
    variables = run.command_environment({"db.url": "é", "port": 5432}, inherited)
    assert variables == {b"HOME": b"/root", b"db_url": "é".encode(), b"\xff": b"\xfe", b"COFFER_SERVER": b"x", b"port": b"5432"}


def test_only_what_was_chosen_is_there_under_the_names_that_were_asked_for() -> None:
    variables = run.command_environment({"db.url": "é", "web": "canary"}, {b"DB_URL": b"old"}, Naming(without=("w*",), upper=True))
    assert variables == {b"DB_URL": "é".encode()}


def test_secrets_that_cannot_stand_there_are_refused() -> None:
    with pytest.raises(EnvironmentNameError):
        run.command_environment({"1": "x"}, {})


@pytest.mark.parametrize("command", ["there-is-no-such-command", "/there/is/none"])
def test_a_command_that_does_not_exist(command: str) -> None:
    with pytest.raises(CommandNotFoundError, match=f"{command}: there is no such command$"):
        run.execute([command], {b"PATH": PATH})
    # Whoever goes on has the signals that it had.
    assert signals.getsignal(signals.SIGXFSZ) is signals.SIG_IGN


def test_a_command_is_looked_up_where_it_will_look_itself_and_else_where_this_process_does(tmp_path: Path) -> None:
    own = tmp_path / "own-command"
    own.write_text("#!/bin/sh\nexit 7\n")
    own.chmod(0o700)
    for variables, command, status in (({b"PATH": os.fsencode(tmp_path)}, "own-command", 7), ({}, "true", 0)):
        pid = run.spawn([command], variables, mask=())
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
    with pytest.raises(CommandNotFoundError, match=r"^true: there is no such command in the PATH that is a secret: "):
        run.spawn(["true"], {b"PATH": os.fsencode(tmp_path)}, mask=())


def test_a_file_stands_for_a_stream() -> None:
    read, write = os.pipe()
    pid = run.spawn(["sh", "-c", "echo out; echo err >&2"], {b"PATH": PATH}, mask=(), streams={1: write, 2: write})
    os.close(write)
    with open(read, "rb") as reader:
        assert reader.read() == b"out\nerr\n"
    os.waitpid(pid, 0)


def test_what_cannot_be_executed(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.touch(0o600)
    with pytest.raises(CommandNotExecutableError, match="Permission denied"):
        run.execute([str(path)], {b"PATH": PATH})
    with pytest.raises(CommandNotExecutableError, match="Permission denied"):
        run.execute([str(tmp_path)], {b"PATH": PATH})


def test_secrets_that_no_environment_takes_say_so() -> None:
    with pytest.raises(CommandNotExecutableError, match="too large for an environment"):
        run.execute(["true"], {b"PATH": PATH, b"key": b"x" * (1 << 20)})


class Asked(UserDict[bytes, bytes]):
    """Variables that tell what an interrupt would do when they were last asked for."""

    def __iter__(self) -> Iterator[bytes]:
        self.handler = signals.getsignal(signals.SIGINT)
        return super().__iter__()


@pytest.mark.parametrize(
    ("before", "meanwhile"), [(signals.default_int_handler, signals.SIG_DFL), (signals.SIG_IGN, signals.SIG_IGN)], ids=["usual", "ignored"]
)
def test_an_interrupt_in_the_last_moment_is_not_lost(before: Handler, meanwhile: Handler) -> None:
    variables = Asked()
    usual = signals.signal(signals.SIGINT, before)
    try:
        with pytest.raises(CommandNotFoundError):
            run.execute(["/there/is/none"], variables)
        assert variables.handler is meanwhile
        assert signals.getsignal(signals.SIGINT) is before
    finally:
        signals.signal(signals.SIGINT, usual)


@pytest.mark.parametrize("signal", ["PIPE", "XFSZ", "TERM", "INT"])
def test_the_command_has_the_usual_signals(signal: str) -> None:
    program = "import os, sys; from coffer_client.process import command; command.execute(sys.argv[1:], os.environb)"
    ran = subprocess.run([sys.executable, "-c", program, "sh", "-c", f"ulimit -c 0; kill -{signal} $$; exit 9"], cwd=ROOT, check=False)
    assert ran.returncode < 0

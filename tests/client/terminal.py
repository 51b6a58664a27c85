"""A terminal with a shell at it, as a person has, which shows the last status as its prompt: `status=0`."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence

# The first process of a session, with the terminal as its own; the shell takes its place.
_LEADER = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
_SHELL = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
# Nothing here takes so long; it ends a test that would hang.
_GUARD_S = 30.0

CTRL_C, CTRL_Z, CTRL_BACKSLASH = "\x03", "\x1a", "\x1c"


class Terminal:
    """What a person does at it, and sees on it. It does not show what is typed."""

    def __init__(self, end: int) -> None:
        self._end = end
        self._seen = b""

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._end, text.encode())

    def see(self, text: str) -> str:
        """Wait until this is there, and give what came before it since the last time."""
        while text.encode() not in self._seen:
            ready, _, _ = select.select([self._end], [], [], _GUARD_S)
            assert ready, f"{text!r} has not come; there is {self._seen!r}"
            self._seen += os.read(self._end, 1 << 16)
        before, _, self._seen = self._seen.partition(text.encode())
        return before.decode()

    def hang_up(self) -> None:
        """As a line that breaks, or a window that is closed."""
        os.close(self._end)
        self._end = -1


@contextlib.contextmanager
def terminal(*, inherited: Sequence[int] = ()) -> Iterator[Terminal]:
    """Opens a terminal with bash at it.

    Args:
        inherited: files that everything in it has.
    """
    ours, theirs = os.openpty()
    modes = termios.tcgetattr(theirs)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    shell = subprocess.Popen(
        [sys.executable, "-c", _LEADER, *_SHELL],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PS1": "status=$?\n", "HISTFILE": "", "LC_ALL": "C", "TERM": "dumb"},
        start_new_session=True,
        pass_fds=inherited,
    )
    os.close(theirs)
    made = Terminal(ours)
    try:
        made.see("status=0")
        yield made
    finally:
        if made._end >= 0:
            made.hang_up()
        try:
            shell.wait(_GUARD_S)
        finally:
            shell.kill()
            shell.wait()

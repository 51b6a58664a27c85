"""`run --redact`: a command's output goes through pipes of this process, which replaces the secrets in it.

The command sees pipes, even if this process has a terminal. stdin is untouched. Each piece of output is passed on as it comes. Only what
may be the beginning of a secret is held back, until more has come or until no writer is left. It is not passed on after a timeout, because
a program that writes a secret slowly would then show it. At worst, a prompt lacks its last letters, if a secret begins with those.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from .redaction import Redaction, marks_of

# The capacity of a pipe on Linux.
_PIECE_BYTES: Final = 1 << 16


class Relay:
    """The two output streams of a command, of every process that it starts, and of its successor after a restart. It works in threads."""

    def __init__(self, *, tell: Callable[[str], None]) -> None:
        """Make the pipes. Nothing is read yet.

        Args:
            tell: prints a line for people.
        """
        self._tell = tell
        self._redaction = Redaction({})
        # A stream that was closed when this process began stays closed. Another file that has its number by now is not inherited.
        targets = [number for number in (1, 2) if os.get_inheritable(number)]
        if len(targets) > 1 and os.path.sameopenfile(*targets):
            # `2>&1`, or a terminal: one pipe keeps the order in which the command writes.
            pipe = os.pipe()
            self._pipes = {targets[0]: pipe}
            self.streams: Mapping[int, int] = dict.fromkeys(targets, pipe[1])
        else:
            self._pipes = {target: os.pipe() for target in targets}
            self.streams = {target: write for target, (_, write) in self._pipes.items()}
        self._unfinished = set(self._pipes)

    @property
    def is_finished(self) -> bool:
        """Whether all output has been passed on, and no writer is left. This process gets a SIGCHLD when that becomes true."""
        return not self._unfinished

    def hide(self, variables: Mapping[bytes, bytes], *, in_force: Iterable[Mapping[bytes, bytes]] = ()) -> None:
        """Replace these texts from now on, and also the last ones of those before.

        Args:
            variables: the secrets' names in the environment, and their texts.
            in_force: environments that a process still has. Their secrets are replaced in any case.
        """
        texts = {text for others in in_force for text in marks_of(others)}
        # The threads use it from the next piece on.
        self._redaction = self._redaction.joined_by(marks_of(variables), in_force=texts)

    def start(self) -> None:
        """Start the threads that pass the output on. They block the signals that the caller blocks."""
        for target, (read, _) in self._pipes.items():
            threading.Thread(target=self._pass_on, args=(read, target), daemon=True).start()

    def close(self) -> None:
        """Close this process's writing ends. The relay is finished when every process that has them from `streams` has closed them."""
        for _, write in self._pipes.values():
            os.close(write)

    def _pass_on(self, source: int, target: int) -> None:
        held, covered = b"", 0
        try:
            while piece := os.read(source, _PIECE_BYTES):
                ready, held, covered = self._redaction.replace(held + piece, covered)
                _write(target, ready)
            _write(target, self._redaction.replace(held, covered, is_last=True)[0])
        except BrokenPipeError:
            # The command learns it in the same way: its own pipe is closed.
            pass
        except OSError as error:
            self._tell(f"{'stdout' if target == 1 else 'stderr'} cannot be written ({error.strerror}), so the command's is closed")
        finally:
            os.close(source)
            self._unfinished.discard(target)
            os.kill(os.getpid(), signal.SIGCHLD)


def _write(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:
            # Another program that has the same terminal or pipe has made it non-blocking.
            select.select([], [target], [])

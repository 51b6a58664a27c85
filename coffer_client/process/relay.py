"""`run --redact`: what a command writes goes through pipes of this process, which replaces the secrets in it.

A command so run sees pipes where this process has a terminal. stdin is untouched. Each piece is passed on as it comes; held back is only
what may be the beginning of a secret, until more has come or nobody is left who could write. It is not let go after a while, for a program
that writes a secret slowly would show it so. At worst a question lacks its last letters, where a secret begins with those.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from .redaction import Redaction, marks_of

# What a pipe of Linux holds.
_PIECE_BYTES: Final = 1 << 16


class Relay:
    """The two streams of a command, of all that it starts, and of what it is replaced by. It works in threads."""

    def __init__(self, *, tell: Callable[[str], None]) -> None:
        """Nothing is read yet.

        Args:
            tell: is given a sentence for people.
        """
        self._tell = tell
        self._redaction = Redaction({})
        # A stream that was closed when this process began stays so; what stands in its place by now is not inherited.
        targets = [number for number in (1, 2) if os.get_inheritable(number)]
        if len(targets) > 1 and os.path.sameopenfile(*targets):
            # `2>&1`, or a terminal: through one pipe, what was written first comes first.
            pipe = os.pipe()
            self._pipes = {targets[0]: pipe}
            self.streams: Mapping[int, int] = dict.fromkeys(targets, pipe[1])
        else:
            self._pipes = {target: os.pipe() for target in targets}
            self.streams = {target: write for target, (_, write) in self._pipes.items()}
        self._unfinished = set(self._pipes)

    @property
    def is_finished(self) -> bool:
        """Whether all that was written has been passed on, and nobody is left who could write more. A SIGCHLD tells of it."""
        return not self._unfinished

    def hide(self, variables: Mapping[bytes, bytes], *, in_force: Iterable[Mapping[bytes, bytes]] = ()) -> None:
        """Replace these texts from now on, beside the last of those that there were.

        Args:
            variables: the secrets' names in the environment, and their texts.
            in_force: environments that somebody has still, whose secrets are replaced in any case.
        """
        texts = {text for others in in_force for text in marks_of(others)}
        # The threads take it up with the next piece.
        self._redaction = self._redaction.joined_by(marks_of(variables), in_force=texts)

    def start(self) -> None:
        """Begin to pass on. The threads block the signals that the caller blocks."""
        for target, (read, _) in self._pipes.items():
            threading.Thread(target=self._pass_on, args=(read, target), daemon=True).start()

    def close(self) -> None:
        """Let go of the writing ends: it is finished when those who have them from `streams` have let go of theirs."""
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
            # The command is told in the same way, by the end of its own pipe.
            pass
        except OSError as error:
            self._tell(f"{'stdout' if target == 1 else 'stderr'} cannot be written ({error.strerror}): the command's is closed")
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
            # Another program with the same terminal or pipe has made it so.
            select.select([], [target], [])

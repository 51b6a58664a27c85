"""What the commands that stay do alike: take releases as they come, tell of what fails, and run a shell's command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping

from coffer_protocol.errors import CofferError

from ...coffer import Coffer
from ...conversation.retrieval import PASSING
from ...errors import CommandFailedError
from .common import tell


def releases(events: Iterable[Coffer | CofferError], *, has_begun: bool = False, meanwhile: str = "trying again") -> Iterator[Coffer]:
    """The releases among a Watcher's events. Of failures that follow each other, the first is told.

    Args:
        events: of a Watcher.
        has_begun: whether there was a release before the first event.
        meanwhile: what is said to happen until there is one again.

    Raises:
        CofferError: it fails from the start, for a reason that does not pass by itself.
    """
    is_failing = False
    for event in events:
        if isinstance(event, CofferError):
            # What is wrong from the start is for whoever has just typed it; later there may be nobody to type it again.
            if not has_begun and not isinstance(event, PASSING):
                raise event
            if not is_failing:
                tell(f"{event} ({meanwhile})")
            is_failing = True
            continue
        has_begun, is_failing = True, False
        yield event


def run_shell(command: str, variables: Mapping[bytes, bytes]) -> None:
    """Run a shell's command, and wait for it.

    Args:
        command: what `sh -c` is given.
        variables: its whole environment.

    Raises:
        CommandFailedError: its exit status is not 0, or a signal has ended it.
    """
    words = ["/bin/sh", "-c", command]
    # Its stdin would be this process's, which has none to give.
    status = subprocess.run(words, env=dict(variables), stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 (what was asked for)
    if status:
        raise CommandFailedError(f"--exec: the command ended with {status}")

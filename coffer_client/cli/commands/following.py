"""What the commands that follow releases share: taking releases as they come, reporting failures, running a shell's command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping

from coffer_protocol.errors import CofferError

from ...coffer import Coffer
from ...conversation.retrieval import asks_on
from ...errors import CommandFailedError, told
from .common import tell


def releases(events: Iterable[Coffer | CofferError], *, has_begun: bool = False, meanwhile: str = "trying again") -> Iterator[Coffer]:
    """Yield the releases among the events of a Watcher. Only the first of several failures in a row is printed.

    Args:
        events: those of a Watcher.
        has_begun: whether there was a release before the first event.
        meanwhile: what the printed failure says will happen until the next release.

    Raises:
        CofferError: the first event says that the server does not serve this client, or that this machine lacks something.
    """
    is_failing = False
    for event in events:
        if isinstance(event, CofferError):
            # At the start, the person who has typed the command can correct it. Later there may be nobody.
            if not has_begun and not asks_on(event):
                raise event
            if not is_failing:
                tell(told(event, meanwhile))
            is_failing = True
            continue
        has_begun, is_failing = True, False
        yield event


def run_shell(command: str, variables: Mapping[bytes, bytes]) -> None:
    """Run a command in a shell, and wait for it.

    Args:
        command: what `sh -c` is given.
        variables: its whole environment.

    Raises:
        CommandFailedError: its exit status is not 0, or a signal ended it.
    """
    words = ["/bin/sh", "-c", command]
    # It must not read this process's stdin.
    status = subprocess.run(words, env=dict(variables), stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 (what was asked for)
    if status:
        raise CommandFailedError(f"--exec: the command ended with {status}")

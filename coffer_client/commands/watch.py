"""`watch`: a line, or a command, for each release."""

from __future__ import annotations

import os

from .. import run
from ..coffer import Coffer
from ..errors import NamingError, NoSuchKeyError
from ..fetch import PASSING
from ..naming import Naming
from ..options import Parsed
from ..watching import Failure, Watcher
from .common import naming, refuse_naming, source, tell, write


def main(parsed: Parsed) -> None:
    """Do what the command line says, without an end."""
    command = parsed.text("exec")
    if command is None:
        refuse_naming(parsed, "these go with --exec")
    has_begun = is_failing = False
    for event in Watcher(source(parsed)):
        if isinstance(event, Failure):
            # What is wrong from the start is for whoever has just typed it; later there may be nobody to type it again.
            if not has_begun and not isinstance(event.error, PASSING):
                raise event.error
            if not is_failing:
                tell(f"{event.error} (trying again)")
            is_failing = True
            continue
        has_begun, is_failing = True, False
        if command is None:
            issued = f"{event.release.issued:%Y-%m-%dT%H:%M:%SZ}" if event.release.issued else "-"
            write(f"{issued} {event.release.serial}\n".encode())
        else:
            _run_for(event, command, naming(parsed))


def _run_for(coffer: Coffer, command: str, naming: Naming) -> None:
    """Run a shell's command with a release's secrets, and wait for it. Where it fails, the next release is another matter."""
    import subprocess

    try:
        variables = run.command_environment(coffer, os.environb, naming)
    except (NamingError, NoSuchKeyError) as error:
        tell(f"release {coffer.release.serial}: {error}")
        return
    words = ["/bin/sh", "-c", command]
    # Its stdin would be this process's, which has none to give.
    status = subprocess.run(words, env=dict(variables), stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 (what was asked for)
    if status:
        tell(f"release {coffer.release.serial}: the command ended with {status}")

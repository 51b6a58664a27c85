"""`watch`: print a line, or run a command, for each release."""

from __future__ import annotations

import os

from coffer_common import times
from coffer_common.command_line import Parsed

from ...conversation.watching import Watcher
from ...errors import CommandFailedError, NamingError, NoSuchKeyError
from ...io.blocking import iterate
from ...process import command as run
from .common import naming, refuse_naming, source, tell, write
from .following import releases, run_shell


def main(parsed: Parsed) -> None:
    """Print a line, or run the command, for each release. This never returns.

    Raises:
        NamingError, NoSuchKeyError: the first release does not have what was asked for.
    """
    command = parsed.text("exec")
    if command is None:
        refuse_naming(parsed, "only with --exec")
    has_begun = False
    watcher = Watcher(source(parsed))
    for coffer in releases(iterate(watcher.events())):
        if command is None:
            write(f"{times.show(coffer.release.issued_s)} {coffer.release.serial}\n".encode())
            continue
        try:
            run_shell(command, run.command_environment(coffer, os.environb, naming(parsed)))
            watcher.use(coffer.release)
        except (NamingError, NoSuchKeyError, CommandFailedError) as error:
            # At the start, the person who has typed the command can correct it. Later the next release may differ.
            if not has_begun and not isinstance(error, CommandFailedError):
                raise
            tell(f"release {coffer.release.serial}: {error}")
        has_begun = True

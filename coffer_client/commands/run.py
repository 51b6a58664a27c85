"""`run`: become a command that has the secrets in its environment; with `--watch`, stay beside it."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import NoReturn

from .. import run
from ..errors import UsageError
from ..options import Parsed
from .common import fetch, naming, source, span, tell


def main(parsed: Parsed) -> None:
    """Do what the command line says."""
    if parsed.switch("watch"):
        _supervise(parsed)
    if parsed.text("on-change") is not None or parsed.text("splay") is not None:
        raise UsageError("--on-change and --splay go with --watch")
    run.execute(parsed.arguments, run.command_environment(fetch(parsed, source(parsed)), os.environb, naming(parsed)))


def _supervise(parsed: Parsed) -> NoReturn:
    import random

    from .. import supervise
    from ..blocking import iterate
    from ..watching import Watcher

    change = supervise.Change.from_text(parsed.text("on-change") or supervise.RESTART)
    splay_s = span(parsed, "splay", timedelta()).total_seconds()
    origin = source(parsed)
    # Refused before the command is started, not after.
    watcher = Watcher(origin)
    first = fetch(parsed, origin)
    draw = random.SystemRandom().uniform
    supervisor = supervise.Supervisor(
        parsed.arguments,
        first,
        change=change,
        splay=lambda: draw(0, splay_s),
        tell=tell,
        inherited=os.environb,
        naming=naming(parsed),
    )
    supervisor.run(iterate(watcher.events()))

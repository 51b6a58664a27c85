"""`run`: become a command that has the secrets in its environment; with `--watch` or `--redact`, start it and keep running."""

from __future__ import annotations

import os

from coffer_protocol.lean import TYPE_CHECKING

from ...errors import UsageError
from ...process import command as run
from .common import fetch, naming, source, span, tell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from coffer_common.command_line import Parsed

    from ...coffer import Release


def main(parsed: Parsed) -> None:
    """Run the command that was typed."""
    is_watched = parsed.switch("watch")
    if not is_watched and (parsed.text("on-change") is not None or parsed.text("splay") is not None):
        raise UsageError("--on-change and --splay need --watch")
    inherited: Mapping[bytes, bytes] = {} if parsed.switch("pristine") else os.environb
    if is_watched or parsed.switch("redact"):
        _supervise(parsed, inherited)
    run.execute(parsed.arguments, run.command_environment(fetch(source(parsed)), inherited, naming(parsed)))


def _supervise(parsed: Parsed, inherited: Mapping[bytes, bytes]) -> NoReturn:
    import random

    from ...conversation.watching import Watcher
    from ...io.blocking import iterate
    from ...io.interruptible import InterruptibleSockets
    from ...process import supervisor as supervise
    from ...process.relay import Relay

    change = supervise.OnChange.from_text(parsed.text("on-change") or supervise.RESTART)
    splay = span(parsed, "splay")
    splay_s = splay.total_seconds() if splay else 0.0
    network = InterruptibleSockets()
    origin = source(parsed, network)
    # A server that cannot be watched is refused before the command is started.
    watcher = Watcher(origin) if parsed.switch("watch") else None

    def used(release: Release) -> None:
        if watcher is not None:
            watcher.use(release)
            network.interrupt()

    first = fetch(origin)
    draw = random.SystemRandom().uniform
    supervisor = supervise.Supervisor(
        parsed.arguments,
        first,
        change=change,
        splay=lambda: draw(0, splay_s),
        tell=tell,
        inherited=inherited,
        used=used,
        naming=naming(parsed),
        relay=Relay(tell=tell) if parsed.switch("redact") else None,
    )
    supervisor.run(iterate(watcher.events()) if watcher else ())

"""What each command does: a module for each command, with a function `main`. Data goes to stdout, everything else to stderr.

Modules:
    get.py          prints secrets, or writes them to files
    run.py          runs a command that has the secrets in its environment
    render.py       renders a template
    watch.py        prints a line or runs a command for each release
    keys.py         prints the names of the secrets
    init.py         sets up this machine's client
    keygen.py       makes an identity
    id.py           prints the public key
    config.py       shows each setting, and its source
    trust.py        shows or deletes what the client remembers
    doctor.py       tries what a fetch needs, step by step
    completion.py   prints a shell's completion script
    common.py       what several commands share: reading options, fetching, writing
    following.py    what the commands that follow releases share
"""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from coffer_common.command_line import Parsed

# A function that does what a command line says.
Handler: TypeAlias = "Callable[[Parsed], None]"


def load(name: str) -> Handler:
    """Return the handler of the command `name`. No other handler is loaded, so a start pays only for what it does."""
    handler: Handler = __import__(f"{__name__}.{name}", fromlist=["main"]).main
    return handler

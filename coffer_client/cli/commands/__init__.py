"""What each command does: a module for each, of the command's name, with a function `main`. Data goes to stdout, all else to stderr."""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING

from ..options import Parsed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

# Does what a command line says.
Handler: TypeAlias = "Callable[[Parsed], None]"


def load(name: str) -> Handler:
    """The handler of the command `name`. No other is loaded: a start pays for what it does."""
    handler: Handler = __import__(f"{__name__}.{name}", fromlist=["main"]).main
    return handler

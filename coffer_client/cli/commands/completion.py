"""`completion`: print a shell's script."""

from __future__ import annotations

from ...errors import UsageError
from ..completion import SCRIPTS
from ..parser import Parsed
from .common import write


def main(parsed: Parsed) -> None:
    """Do what the command line says."""
    script = SCRIPTS.get(parsed.arguments[0])
    if script is None:
        raise UsageError(f"there is completion for {', '.join(SCRIPTS)}, and for no other shell")
    write(script().encode())

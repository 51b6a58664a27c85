"""`completion`: print a shell's script."""

from __future__ import annotations

from coffer_common.command_line import Parsed

from ...errors import UsageError
from ..completion import SCRIPTS
from .common import write


def main(parsed: Parsed) -> None:
    """Print the script for the shell that was named."""
    script = SCRIPTS.get(parsed.arguments[0])
    if script is None:
        raise UsageError(f"no completion for this shell: the shells are {', '.join(SCRIPTS)}")
    write(script().encode())

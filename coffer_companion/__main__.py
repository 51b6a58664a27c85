"""The program `coffer-companion`, also as `python -m coffer_companion`."""

from __future__ import annotations

from typing import Final

from coffer_common.hardening import protect
from coffer_common.program import cannot_start, guard_streams

from . import PROGRAM

# What the extra installs, and what the base installation must have new enough.
_PACKAGES: Final = frozenset({"cryptography", "dotenv", "rich", "tomli", "tomlkit", "trio", "typer"})


def main() -> None:
    """Run the command line, or exit with 2 and the line that installs what is missing."""
    guard_streams()
    protect(PROGRAM)
    from coffer_protocol.errors import UnavailableError

    try:
        from coffer_protocol.crypto import known_answers

        known_answers.check()
        from .cli import app
    except (ImportError, UnavailableError) as error:
        cannot_start(PROGRAM, "companion", _PACKAGES, error)
    app()


if __name__ == "__main__":
    main()

"""The entry point of `coffer-server` and of `python -m coffer_server`."""

from __future__ import annotations

from typing import Final

from coffer_common.hardening import protect
from coffer_common.program import cannot_start, guard_streams
from coffer_protocol.errors import UnavailableError

from . import PROGRAM

# The packages that the extra `server` installs, and those of the base install that must be new enough.
_PACKAGES: Final = frozenset({"cryptography", "sqlalchemy", "structlog", "trio", "typer"})


def main() -> None:
    """Run the command line, or exit with 2 and the line that installs what is missing."""
    guard_streams()
    protect(PROGRAM)
    try:
        from coffer_protocol.crypto import known_answers

        known_answers.check()
        from . import cli
    except (ImportError, UnavailableError) as error:
        cannot_start(PROGRAM, "server", _PACKAGES, error)
    cli.app()


if __name__ == "__main__":
    main()

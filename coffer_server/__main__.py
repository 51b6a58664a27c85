"""`coffer-server`, and `python -m coffer_server`."""

from __future__ import annotations

from typing import Final

from coffer_common.hardening import protect
from coffer_common.program import cannot_start

_PROGRAM: Final = "coffer-server"
# What the extra installs, and what the base installation must have new enough.
_PACKAGES: Final = frozenset({"cryptography", "sqlalchemy", "structlog", "trio", "typer"})


def main() -> None:
    """Run the command line, or exit with 2 and the line that installs what is missing."""
    protect(_PROGRAM)
    from coffer_protocol.errors import UnavailableError

    try:
        from coffer_protocol.crypto import known_answers

        known_answers.check()
        from . import cli
    except (ImportError, UnavailableError) as error:
        cannot_start(_PROGRAM, "server", _PACKAGES, error)
    cli.app()


if __name__ == "__main__":
    main()

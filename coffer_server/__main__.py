"""`coffer-server`, and `python -m coffer_server`."""

from __future__ import annotations

import sys

from coffer_common.hardening import protect

_NEEDS = "coffer-server: {reason}; install what it needs:\n  pip install --upgrade 'coffer-secrets[server]'"
# What the extra installs, and what the base installation must have new enough.
_PACKAGES = frozenset({"cryptography", "sqlalchemy", "structlog", "trio"})


def main() -> None:
    """Run the command line.

    Its exit codes are those of cli.EXITS: 2 where a package is missing, too.
    """
    protect("coffer-server")
    from coffer_protocol.errors import UnavailableError

    try:
        from coffer_protocol.crypto import known_answers

        known_answers.check()
        from . import cli
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _PACKAGES:
            raise
        sys.exit(_usage(f"{package} is missing or too old"))
    except UnavailableError as error:
        sys.exit(_usage(str(error)))
    cli.app()


def _usage(reason: str) -> int:
    sys.stderr.write(_NEEDS.format(reason=reason) + "\n")
    return 2


if __name__ == "__main__":
    main()

"""The command `coffer-companion`. What it needs beyond the base install is an extra, and its absence has its own sentence."""

from __future__ import annotations

import sys
from typing import Final

from coffer_common.hardening import protect
from coffer_common.program import error_lines

# What the extra `companion` installs, by the names under which it is imported.
_EXTRA: Final = frozenset({"dotenv", "rich", "tomlkit", "trio"})


def main() -> None:
    """Run the command line; exit 2 with the line that mends it where the extra `companion` is not installed."""
    protect("coffer-companion")
    from coffer_protocol.crypto import known_answers
    from coffer_protocol.errors import UnavailableError

    try:
        known_answers.check()
        from .cli import run
    except UnavailableError as error:
        sys.stderr.write(error_lines("coffer-companion", error))
        sys.exit(2)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        sys.stderr.write(f"coffer-companion needs {missing}, which is not installed: pip install 'coffer-secrets[companion]'\n")
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()

"""The command `coffer-companion`. What it needs beyond the base install is an extra, and its absence has its own sentence."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; exit 2 with the line that mends it where the extra `companion` is not installed."""
    try:
        from .cli import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in ("rich", "tomlkit", "trio"):
            raise
        sys.exit(f"coffer-companion needs {error.name}, which is not installed: pip install 'coffer-secrets[companion]'")
    run()


if __name__ == "__main__":
    main()

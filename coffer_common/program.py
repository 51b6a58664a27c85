"""What the programs say of themselves in the same words: their help, their version, and what their exit codes mean."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from coffer_protocol.errors import CofferError

# For the context of a typer application; its commands inherit it.
HELP_OPTION: Final = {"help_option_names": ["-h", "--help"]}


def version_line(program: str) -> str:
    """What `PROGRAM --version` prints. A program that runs from its sources, where nothing is installed, says so."""
    # Most starts do not ask, and loading this takes longer than answering.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{program} {version('coffer-secrets')}"
    except PackageNotFoundError:
        return f"{program} (not installed)"


def exit_codes(meanings: Mapping[int, str]) -> str:
    """The sentence with which a help ends."""
    return f"Exit codes: {'; '.join(f'{code} {meaning}' for code, meaning in meanings.items())}."


def error_lines(program: str, error: CofferError) -> str:
    """Return what a program prints on stderr about an error: what happened and, if the error has a hint, that on a line of its own."""
    hint = f"hint: {error.hint}\n" if error.hint else ""
    return f"{program}: {error}\n{hint}"


def give_up_output() -> None:
    """Close stdout where it does not take what was written. Python would try it once more at its end, and fail in words of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            sys.stdout.close()

"""What the three programs have in common: help, version, exit codes, and how they print errors, warnings and hints."""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from coffer_protocol.errors import CofferError, UnavailableError


def version_line(program: str) -> str:
    """What `PROGRAM --version` prints. A program that runs from its sources, where nothing is installed, says so."""
    # Most starts do not ask, and loading this takes longer than answering.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{program} {version('coffer-secrets')}"
    except PackageNotFoundError:
        return f"{program} (not installed)"


def error_lines(program: str, error: CofferError) -> str:
    """Return what a program prints on stderr about an error: what happened and, if the error has a hint, that on a line of its own."""
    hint = f"hint: {error.hint}\n" if error.hint else ""
    return f"{program}: {error}\n{hint}"


def warning_lines(program: str, text: str, *, hint: str | None = None) -> str:
    """Return what a program prints on stderr as a warning: the text and, if there is a hint, that on a line of its own."""
    return f"{program}: warning: {text}\n" + (f"hint: {hint}\n" if hint else "")


def cannot_start(program: str, extra: str, packages: Collection[str], error: ImportError | UnavailableError) -> NoReturn:
    """End a program that lacks what it needs: name that and what installs it, with exit code 2. `--version` is answered all the same.

    Args:
        program: the name of the program.
        extra: the extra of coffer-secrets that installs what the program needs.
        packages: the packages that may be missing or too old, by the names under which they are imported.
        error: what was raised as the program was loaded.

    Raises:
        ImportError: it is another package that is missing.
    """
    # Loaded this late, for a program that starts does not need it.
    from coffer_protocol.errors import UnavailableError

    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(version_line(program) + "\n")
        sys.exit(0)
    if isinstance(error, ImportError):
        package = (error.name or "").partition(".")[0]
        if package not in packages:
            raise error
        error = UnavailableError(f"{package} is missing or too old")
    error.hint = error.hint or f"pip install --upgrade 'coffer-secrets[{extra}]'"
    sys.stderr.write(error_lines(program, error))
    sys.exit(2)


def give_up_output() -> None:
    """Close stdout if it does not take what was written. Python would try it once more at its end, and fail in words of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            sys.stdout.close()

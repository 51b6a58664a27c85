"""What the three programs have in common: standard streams, version, and how they end and print errors, warnings and hints.

A program starts with `guard_streams`, and everything that it prints goes through `run`. The client starts faster than that allows: it calls
`open_missing_streams` and `output_failure` itself, and only if a stream is missing or fails.
"""

from __future__ import annotations

import io
import os
import sys

from coffer_protocol.errors import CofferError
from coffer_protocol.lean import TYPE_CHECKING

from .errors import OutputError, ReaderGoneError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Final, Literal, NoReturn, TextIO

    from _typeshed import ReadableBuffer

    from coffer_protocol.errors import UnavailableError

FAILED: Final = 1
WRONG_USAGE: Final = 2
# As a shell has it for a program that SIGPIPE has ended: 128 and the number of that signal, which Python ignores.
READER_GONE: Final = 141


# ------------------------------------------------------------------------------------------------------------------ streams


def open_missing_streams() -> None:
    """Open /dev/null in place of each standard stream that was closed when this process began.

    Otherwise the next file that is opened, perhaps a database or a socket, gets the number of the stream, and everything that is written to
    the stream goes into that file. Reading such a stdin and writing to such a stdout fails, as in any program; what is written to such a
    stderr is lost.
    """
    # In this order, because a file gets the lowest free number. None is inherited: for a command that is started, the stream stays closed.
    if sys.stdin is None:
        sys.stdin = _open_null(os.O_WRONLY, "r")
    if sys.stdout is None:
        sys.stdout = _open_null(os.O_RDONLY, "w")
    if sys.stderr is None:
        sys.stderr = _open_null(os.O_WRONLY, "w")


def _open_null(flags: int, mode: Literal["r", "w"]) -> TextIO:
    return os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8", errors="backslashreplace")


def output_failure(error: OSError) -> OutputError:
    """Return what to raise if stdout does not take what is written, and let stdout take everything from now on.

    Without that, Python would write the rest of its buffer once more when it ends, and fail again with a message of its own.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return ReaderGoneError("the reader of stdout has gone")
    return OutputError(f"stdout cannot be written: {error.strerror}")


class _Stdout(io.FileIO):
    """Raises an error of Coffer's if it cannot be written, which no library takes for one of its own."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise output_failure(error) from None


class _Stderr(io.FileIO):
    """Never fails: an error could be reported only on stderr itself."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def guard_streams() -> None:
    """Open missing streams; let stdout raise OutputError or ReaderGoneError if it cannot be written, and stderr never fail."""
    open_missing_streams()
    sys.stdout = _wrapped(_Stdout(sys.stdout.fileno(), "w", closefd=False), sys.stdout, line_buffering=sys.stdout.isatty())
    sys.stderr = _wrapped(_Stderr(sys.stderr.fileno(), "w", closefd=False), sys.stderr, line_buffering=True)


def _wrapped(raw: io.FileIO, old: TextIO, *, line_buffering: bool) -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=old.encoding, errors=old.errors, line_buffering=line_buffering)


def run(program: str, body: Callable[[], object], report: Callable[[CofferError], int] | None = None) -> int:
    """Run a program to its end, and flush stdout. Return its exit code. An expected error is reported in a sentence, without a traceback.

    Args:
        program: the name of the program.
        body: the work of the program. It may end with SystemExit.
        report: reports an error to a person, and returns the exit code; None prints `error_lines` and returns 2 for wrong usage, else 1.
    """
    try:
        try:
            body()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
    except ReaderGoneError:
        return READER_GONE
    except CofferError as error:
        return _told(program, error, report)
    except OSError as error:
        # The system's own words, for example if a file cannot be written.
        return _told(program, CofferError(f"{error.filename or 'input/output'}: {error.strerror}"), report)
    return code


def _told(program: str, error: CofferError, report: Callable[[CofferError], int] | None) -> int:
    if report is not None:
        return report(error)
    sys.stderr.write(error_lines(program, error))
    return WRONG_USAGE if isinstance(error, UsageError) else FAILED


def error_lines(program: str, error: CofferError) -> str:
    """Return what a program prints on stderr about an error: what happened and, if the error has a hint, that on a line of its own."""
    hint = f"hint: {error.hint}\n" if error.hint else ""
    return f"{program}: {error}\n{hint}"


def warning_lines(program: str, text: str, *, hint: str | None = None) -> str:
    """Return what a program prints on stderr as a warning: the text and, if there is a hint, that on a line of its own."""
    return f"{program}: warning: {text}\n" + (f"hint: {hint}\n" if hint else "")


# ---------------------------------------------------------------------------------------------- version, and packages that are missing


def version_line(program: str) -> str:
    """Return what `PROGRAM --version` prints. A program that runs from its sources, and is not installed, says so."""
    # Loading this takes longer than answering, and most starts do not ask.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{program} {version('coffer-secrets')}"
    except PackageNotFoundError:
        return f"{program} (not installed)"


def with_extra(*extras: str) -> str:
    """Return what to do if a package is missing that these extras install. It names no index: Coffer may come from a clone or a wheel."""
    return f"install coffer-secrets again with {' and '.join(f'the extra {extra!r}' for extra in extras)}, as README.md says under Install"


def cannot_start(program: str, extra: str, packages: Collection[str], error: ImportError | UnavailableError) -> NoReturn:
    """End a program that lacks a package, with exit code 2 and the command that installs the package. `--version` is still answered.

    Args:
        program: the name of the program.
        extra: the extra of coffer-secrets that installs what the program needs.
        packages: the packages that may be missing or too old, by the names under which they are imported.
        error: the error that was raised as the program was loaded.

    Raises:
        ImportError: another package is missing.
    """
    from coffer_protocol.errors import UnavailableError

    if sys.argv[1:] == ["--version"]:
        sys.exit(run(program, lambda: sys.stdout.write(f"{version_line(program)}\n")))
    if isinstance(error, ImportError):
        package = (error.name or "").partition(".")[0]
        if package not in packages:
            raise error
        error = UnavailableError(f"{package} is missing or too old")
    error.hint = error.hint or with_extra(extra)
    sys.stderr.write(error_lines(program, error))
    sys.exit(WRONG_USAGE)

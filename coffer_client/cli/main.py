"""The command line: which parser reads it, and what an error looks like from outside."""

from __future__ import annotations

import gc
import os
import sys
from itertools import pairwise

from coffer_common.hardening import protect
from coffer_protocol.errors import CofferError
from coffer_protocol.lean import TYPE_CHECKING

from ..errors import ReaderGoneError
from .commands import load
from .options import GET, KEYS, PROGRAM, RUN, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, Literal, TextIO

    from .commands import Handler
    from .options import Parsed

# Applications wait for these, and whoever presses TAB, so they load nothing that they do not need.
_FAST: Final = {command.name: command for command in (GET, KEYS, RUN)}


def run(words: list[str], handler_of: Callable[[str], Handler] = load) -> int:
    """Do what the command line says, and return the exit code. Expected errors are one message on stderr, never a traceback.

    In shell format a failure prints `(exit N)` as its only stdout: `eval "$(coffer-client get --format shell)"` then fails, and under
    `set -e` the script stops, where an empty output would let it go on without its secrets.
    """
    code = 1
    try:
        code = _dispatch(words, handler_of)
    except (CofferError, KeyboardInterrupt) as error:
        code = _tell(error)
    finally:
        # Also where an error that nobody expected is on its way out.
        if code and _wants_shell(words):
            sys.stdout.write(f"(exit {code})\n")
    return code


def _tell(error: CofferError | KeyboardInterrupt) -> int:
    """Tell people of an error, where it is one and they are there. Returns its exit code."""
    # Few starts end so.
    from . import exits

    match error:
        case KeyboardInterrupt():
            return exits.EXIT_INTERRUPTED
        case ReaderGoneError():
            return exits.EXIT_READER_GONE
        case CofferError():
            from coffer_common.program import error_lines

            from .commands.common import say

            say(error_lines(PROGRAM, error))
            return exits.exit_code(error)


def _dispatch(words: list[str], handler_of: Callable[[str], Handler]) -> int:
    command = _FAST.get(words[0]) if words else None
    if command not in (GET, KEYS):
        # Those two end before there is garbage that is worth looking for: the script that starts them does not let Python look.
        gc.enable()
    if command is not None:
        parsed = parse(command, words[1:])
        if parsed is not None:
            handler_of(command.name)(parsed)
            return 0
    try:
        for parsed in _read_with_typer(words):
            handler_of(parsed.command.name)(parsed)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _read_with_typer(words: list[str]) -> list[Parsed]:
    """The command line, as typer reads it. What typer prints goes where all goes, and fails as all does.

    Raises:
        SystemExit: there is nothing to do, or it cannot be read; typer has said what there is to say.
        OutputError: stdout does not take it.
    """
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    from .app import build
    from .commands.common import say, write

    read: list[Parsed] = []
    out, err = StringIO(), StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            build(lambda name: read.append)(words, prog_name=PROGRAM)
    except SystemExit:
        if not read:
            raise
    finally:
        say(err.getvalue())
        write(out.getvalue().encode())
    return read


def _wants_shell(words: list[str]) -> bool:
    """Whether the output goes to `eval`. It is asked of lines that cannot be parsed, too."""
    own = words[: words.index("--")] if "--" in words else words
    return words[:1] != [RUN.name] and ("--format=shell" in own or ("--format", "shell") in pairwise(own))


def _open_missing_streams() -> None:
    """Put something in the place of a standard stream that was closed when this process began.

    Else the next file that is opened, the cache perhaps or a socket, has its number, and whatever writes to that number writes there.
    Reading such a stdin and writing to such a stdout fails, as it does in any program; what is said on such a stderr is said to nobody.
    """
    # In their order, for a file gets the lowest number that is free. None is inherited: to a command, a closed stream stays closed.
    if sys.stdin is None:
        sys.stdin = _open_null(os.O_WRONLY, "r")
    if sys.stdout is None:
        sys.stdout = _open_null(os.O_RDONLY, "w")
    if sys.stderr is None:
        sys.stderr = _open_null(os.O_WRONLY, "w")


def _open_null(flags: int, mode: Literal["r", "w"]) -> TextIO:
    return os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8", errors="backslashreplace")


def main() -> None:
    """The program `coffer-client`."""
    _open_missing_streams()
    protect(PROGRAM)
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        code = code or 1
    # Taking all of itself apart costs the interpreter a tenth of the time of `get`; the system takes it back at once.
    os._exit(code)

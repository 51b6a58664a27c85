"""Run a command line: choose the command, and show errors."""

from __future__ import annotations

import gc
import os
import sys

from coffer_common.command_line import HELP, VERSION, no_such_command, parse
from coffer_common.hardening import protect
from coffer_protocol.errors import CofferError
from coffer_protocol.lean import TYPE_CHECKING

from ..errors import ReaderGoneError
from .commands import load
from .options import COMMANDS, GET, KEYS, PROGRAM, RUN

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from coffer_common.command_line import Command

    from .commands import Handler

_USAGE: Final = 2


def run(words: list[str], handler_of: Callable[[str], Handler] = load) -> int:
    """Do what the command line says, and return the exit code. An expected error is one message on stderr, never a traceback.

    In shell format a failure prints `(exit N)`, and nothing else, on stdout: `eval "$(coffer-client get --format shell)"` then fails, and
    under `set -e` the script stops. After an empty output it would continue without its secrets.
    """
    code = 1
    try:
        code = _dispatch(words, handler_of)
    except (CofferError, KeyboardInterrupt) as error:
        code = _report(error)
    finally:
        # This also holds for an error that nobody expected.
        if code and _wants_shell(words):
            sys.stdout.write(f"(exit {code})\n")
    return code


def _report(error: CofferError | KeyboardInterrupt) -> int:
    """Print an error, if it is one that people need to see, and return its exit code."""
    # Few starts end like this.
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
    if words[:1] not in ([GET.name], [KEYS.name]):
        # These two end before there is garbage worth looking for, and the script that starts them has switched the search off.
        gc.enable()
    if not words:
        return _help()
    if words[0] in HELP.flags:
        return _help(is_asked_for=True)
    if words[0] == VERSION.flag:
        return _version()
    command = find(words[0])
    parsed = parse(command, words[1:])
    if parsed is None:
        return _help(command, is_asked_for=True)
    try:
        handler_of(command.name)(parsed)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def find(name: str) -> Command:
    """Return the command of that name.

    Raises:
        UsageError: there is no such command.
    """
    for command in COMMANDS:
        if command.name == name:
            return command
    raise no_such_command(PROGRAM, name, [command.name for command in COMMANDS], (*HELP.flags, VERSION.flag))


def _help(command: Command | None = None, *, is_asked_for: bool = False) -> int:
    from coffer_common.help import terminal_width

    from . import help as helps
    from .commands.common import say, write

    width = terminal_width(os.environ)
    text = helps.of_program(width) if command is None else helps.of_command(command, width)
    if is_asked_for:
        write(text.encode())
        return 0
    say(text)
    return _USAGE


def _version() -> int:
    from coffer_common.program import version_line

    from .commands.common import write

    write(f"{version_line(PROGRAM)}\n".encode())
    return 0


def _wants_shell(words: list[str]) -> bool:
    """Return whether the output goes to `eval`. The line need not be one that can be parsed."""
    # Only a failure asks.
    from itertools import pairwise

    own = words[: words.index("--")] if "--" in words else words
    return words[:1] != [RUN.name] and ("--format=shell" in own or ("--format", "shell") in pairwise(own))


def main() -> None:
    """Run the program `coffer-client` with this process's command line, and end the process."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from coffer_common.program import open_missing_streams

        open_missing_streams()
    protect(PROGRAM)
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        code = code or 1
    # It would take a tenth of the time of `get` for the interpreter to take itself apart. The system takes everything back at once.
    os._exit(code)

"""The command line: which parser reads it, and what an error looks like from outside."""

from __future__ import annotations

import gc
import os
import sys
from itertools import pairwise

from coffer_protocol.errors import CofferError
from coffer_protocol.lean import TYPE_CHECKING

from .commands import load
from .errors import EXIT_INTERRUPTED, exit_code
from .options import GET, KEYS, PROGRAM, RUN, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from .commands import Handler

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
    except CofferError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        code = exit_code(error)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    finally:
        # Also where an error that nobody expected is on its way out.
        if code and _wants_shell(words):
            sys.stdout.write(f"(exit {code})\n")
    return code


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
    from .app import build

    try:
        build(handler_of)(words, prog_name=PROGRAM)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _wants_shell(words: list[str]) -> bool:
    """Whether the output goes to `eval`. It is asked of lines that cannot be parsed, too."""
    own = words[: words.index("--")] if "--" in words else words
    return words[:1] != [RUN.name] and ("--format=shell" in own or ("--format", "shell") in pairwise(own))


def main() -> None:
    """The program `coffer-client`."""
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    # Taking all of itself apart costs the interpreter a tenth of the time of `get`; the system takes it back at once.
    os._exit(code)

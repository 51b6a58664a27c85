"""`trust`: print what this client remembers, or delete it."""

from __future__ import annotations

import os
import sys

from coffer_common.command_line import Parsed

from ...config import settings
from ...errors import OutputError, UsageError
from ...trust_store import Memory, describe, find_folders
from ..options import PROGRAM
from .common import say, tell, wanted, warn, write


def main(parsed: Parsed) -> None:
    """Print what is remembered, or delete it."""
    known = wanted(parsed)
    memory = Memory(known, find_folders(state=known.state, cache=True, environment=os.environ), warn=warn)
    match parsed.arguments:
        case ():
            write(describe(memory.recall()).encode())
        case ("reset",):
            _reset(memory, known, is_confirmed=parsed.switch("yes"))
        case _:
            raise UsageError(f"expected `{PROGRAM} trust` or `{PROGRAM} trust reset`")


def _reset(memory: Memory, known: settings.Settings, *, is_confirmed: bool) -> None:
    question = (
        f"This deletes which releases of {known.trust.coffer!r} this client has seen, and which publishers it trusts in addition to those "
        "of its address. If the server lies or was set back, it will not notice. Has your operator confirmed that the server is right?"
    )
    if not is_confirmed:
        if not sys.stdin.isatty():
            raise UsageError(f"stdin is not a terminal, so nobody can answer: {question}", hint="--yes answers yes")
        say(f"{question} [y/N] ")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageError("not confirmed: nothing was changed")
    try:
        was_there = memory.forget()
    except OSError as error:
        raise OutputError(f"{error.filename}: {error.strerror}: nothing, or not everything, was deleted") from None
    tell("deleted: the next fetch begins with what the address says" if was_there else "there was nothing to delete")

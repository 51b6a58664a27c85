"""Runs commands: under trio, and to an exit code, with what went wrong on stderr."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import trio
import typer

from coffer_common.program import error_lines
from coffer_protocol.errors import CofferError

from .. import PROGRAM
from ..errors import EXIT_INTERRUPTED, exit_code

T = TypeVar("T")


def execute(main: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function under trio, and return what it returns. An interruption ends the command. Raises what `main` raises."""
    try:
        return trio.run(main)
    except KeyboardInterrupt:
        _end_interrupted()
    except BaseExceptionGroup as group:
        # trio opens connections in a nursery, which wraps what ends it.
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        _end_interrupted()


def _end_interrupted() -> NoReturn:
    hint = "nothing was changed, unless the server was just committing the release: see `coffer-companion history`"
    typer.echo(error_lines(PROGRAM, CofferError("interrupted", hint=hint)), err=True, nl=False)
    raise typer.Exit(EXIT_INTERRUPTED)


def report(error: CofferError) -> int:
    """Print an error on stderr, and return its exit code."""
    typer.echo(error_lines(PROGRAM, error), err=True, nl=False)
    return exit_code(error)

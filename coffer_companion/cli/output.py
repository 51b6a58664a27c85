"""Prints the results of commands: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from coffer_common import durations, times
from coffer_common.program import warning_lines

from .. import PROGRAM
from ..releases.plan import ChangeKind, Plan

errors = Console(stderr=True, highlight=False, markup=False)
output = Console(highlight=False, markup=False)

# A person reads no more clients, and a terminal takes its time over each line.
CLIENTS_SHOWN: Final = 200
REVERTS_SHOWN: Final = 20
_STYLES: Final = {ChangeKind.ADDED: "green", ChangeKind.CHANGED: "yellow", ChangeKind.REMOVED: "red", ChangeKind.UNCHANGED: "dim"}


def warn(warnings: Iterable[str]) -> None:
    """Print warnings on stderr, a line each."""
    for warning in warnings:
        typer.echo(warning_lines(PROGRAM, warning), err=True, nl=False)


def tell(text: str) -> None:
    """Print a sentence that is not data on stderr."""
    errors.print(text, soft_wrap=True)


def show_plan(plan: Plan, as_json: bool, console: Console = output) -> None:
    """Print a plan for a person, or as JSON for a program."""
    if as_json:
        typer.echo(plan.to_json())
    else:
        for line in _plan_lines(plan):
            console.print(line, soft_wrap=True)


def _plan_lines(plan: Plan) -> Iterable[Text]:
    yield Text(f"coffer {plan.coffer}, release {plan.serial}: {plan.summary()}")
    for sentence in plan.remarks:
        yield Text(f"  {sentence}", style="bold")
    for revert in plan.reverts[:REVERTS_SHOWN]:
        yield Text(f"  {revert}", style="bold yellow")
    if len(plan.reverts) > REVERTS_SHOWN:
        yield Text(f"  … and {len(plan.reverts) - REVERTS_SHOWN} more go back: --json prints all of them")
    for client in plan.clients[:CLIENTS_SHOWN]:
        remark = f"  ({client.remark})" if client.remark else ""
        yield Text(f"  {client.change} {client.client}{remark}", style=_STYLES[client.change])
        for key in client.keys:
            public = "" if key.public is None else f" = {key.public}"
            yield Text(f"      {key.change} {key.key}{public}", style=_STYLES[key.change])
    if len(plan.clients) > CLIENTS_SHOWN:
        yield Text(f"  … and {len(plan.clients) - CLIENTS_SHOWN} more clients: --json prints all of them")
    if plan.is_renewal and not plan.clients:
        yield Text("  the release is renewed: only its expiry changes")


def show_json(value: Any) -> None:
    """Print a value as JSON on one line."""
    typer.echo(json.dumps(value))


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] | None = None) -> None:
    """Print a table with two spaces between columns, and a style for each row. The text is the same on a terminal and in a pipe."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (header, *rows)]
    for line, style in zip(lines, ("bold", *(styles or [""] * len(rows))), strict=True):
        # Styling a hundred thousand lines takes time, so it is done only if somebody sees it.
        if output.is_terminal:
            output.print(Text(line, style=style), soft_wrap=True)
        else:
            typer.echo(line)


def expiry(expires: int | None, now: float) -> str:
    """Return when a release expires, and how long that is from now."""
    if expires is None:
        return "never"
    if expires <= now:
        return f"expired {times.show(expires)}"
    return f"{times.show(expires)} (in {durations.show(timedelta(seconds=expires - now))})"


class progress_bar:  # noqa: N801 - a context manager, used as a function
    """Show a progress bar if stderr is a terminal."""

    def __init__(self) -> None:
        columns = (TextColumn("sealing and sending"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
        self._task = self._bar.add_task("", total=None, visible=False)

    def __enter__(self) -> Callable[[int, int], None]:
        self._bar.start()
        return self._update

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _update(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total, visible=True)

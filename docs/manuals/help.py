"""The help of each program and of all its commands, as a terminal of 80 columns shows it.

It is committed as text, so that a test run with other versions of the libraries shows whether they change it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

import coffer_companion
import coffer_companion.cli
import coffer_server
import coffer_server.cli
from coffer_client.cli import help as helps
from coffer_client.cli.options import COMMANDS, PROGRAM

_WIDTH: Final = 80


def texts() -> dict[str, str]:
    """Return the help texts of each program, by the program's name."""
    client = ((PROGRAM, helps.of_program(_WIDTH)), *((f"{PROGRAM} {one.name}", helps.of_command(one, _WIDTH)) for one in COMMANDS))
    return {
        PROGRAM: _joined(client),
        coffer_server.PROGRAM: _joined(_of_typer(coffer_server.cli.app, coffer_server.PROGRAM)),
        coffer_companion.PROGRAM: _joined(_of_typer(coffer_companion.cli.app, coffer_companion.PROGRAM)),
    }


def _joined(shown: Iterator[tuple[str, str]] | tuple[tuple[str, str], ...]) -> str:
    return "\n".join(f"$ {line} --help\n{text}" for line, text in shown)


def _of_typer(app: typer.Typer, program: str) -> Iterator[tuple[str, str]]:
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    for words in _lines(root):
        shown = StringIO()
        with redirect_stdout(shown):
            root.main([*words, "--help"], prog_name=program, standalone_mode=False, terminal_width=_WIDTH)
        yield " ".join((program, *words)), shown.getvalue()


def _lines(group: TyperGroup, *typed: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of a group, and of everything in it."""
    yield typed
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _lines(command, *typed, name)
        else:
            yield (*typed, name)

"""Describe `coffer-server` and `coffer-companion` from the help of their typer applications."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

import coffer_companion
import coffer_companion.cli
import coffer_companion.errors
import coffer_server
import coffer_server.cli
import coffer_server.health.report
from coffer_common.application import table_row

from .model import Command, Program

# Exit codes with their meanings.
_Exits = Mapping[int, str]


def _program(app: typer.Typer, name: str, *, source: str, exits: _Exits, own_exits: Mapping[str, _Exits], exits_else: str = "") -> Program:
    """Return a program. `own_exits` are the exit codes of commands that have their own, by the names of the commands."""
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    return Program(
        name=name,
        summary=root.help or "",
        source=source,
        commands=tuple(Command.of(table_row(command, f"{name} {typed}"), own_exits.get(typed, {})) for typed, command in _commands(root)),
        options=table_row(root, name).options,
        exits=exits,
        exits_else=exits_else,
        shared="exit status",
    )


def _commands(group: TyperGroup, *typed: str) -> Iterator[tuple[str, TyperCommand]]:
    """Yield every command of a group and of the groups in it, with the words that are typed for it."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, *typed, name)
        else:
            assert isinstance(command, TyperCommand)
            yield " ".join((*typed, name)), command


SERVER: Final = _program(
    coffer_server.cli.app,
    coffer_server.PROGRAM,
    source="coffer_server/cli.py",
    exits=coffer_server.cli.EXITS,
    own_exits={"health": coffer_server.cli.EXITS | coffer_server.health.report.EXITS},
    exits_else="`health` has more.",
)
COMPANION: Final = _program(
    coffer_companion.cli.app,
    coffer_companion.PROGRAM,
    source="coffer_companion/cli",
    exits={row.code: row.meaning for row in coffer_companion.errors.EXITS},
    own_exits={},
)

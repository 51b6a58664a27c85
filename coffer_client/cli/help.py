"""Write the help from the table in `options`."""

from __future__ import annotations

from coffer_common.command_line import GENERAL, HELP, VERSION
from coffer_common.help import INDENT, page, sections
from coffer_protocol.lean import TYPE_CHECKING

from .exits import EXITS
from .options import COMMANDS, GROUPS, PROGRAM, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coffer_common.command_line import Command
    from coffer_common.help import Entry


def of_program(width: int) -> str:
    """Return the help of the program, in lines of that width: its commands, its options and the exit codes."""
    lines = (
        *sections({"Commands": [(command.name, command.help) for command in COMMANDS], GENERAL: [VERSION.entry, HELP.entry]}, width),
        *sections({"Exit codes": _exits(row.code for row in EXITS)}, width),
    )
    return page(f"{PROGRAM} COMMAND [OPTION]... [ARGUMENT]...", (SUMMARY,), lines, width)


def of_command(command: Command, width: int) -> str:
    """Return the help of one command, in lines of that width."""
    options = (*command.options, HELP)
    lines = (
        *sections({"Arguments": [(taken.metavar, taken.help) for taken in command.arguments]}, width),
        *sections({group: [option.entry for option in options if option.group == group] for group in GROUPS}, width),
        "",
        "Examples:",
        # A shell takes them as they are, so they are not wrapped.
        *(f"{INDENT}{line}" for line in command.examples),
        *sections({"Exit codes": _exits(command.exits)}, width),
    )
    return page(command.usage, (command.help,), lines, width)


def _exits(codes: Iterable[int]) -> list[Entry]:
    meanings = {row.code: row.meaning for row in EXITS}
    return [(str(code), meanings[code]) for code in codes]

"""Write the help from the table in `options`."""

from __future__ import annotations

from coffer_common.help import INDENT, page, sections
from coffer_protocol.lean import TYPE_CHECKING

from .exits import EXITS
from .options import COMMANDS, GENERAL, GROUPS, HELP, PROGRAM, SUMMARY, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coffer_common.help import Entry

    from .options import Command, Option


def of_program(width: int) -> str:
    """Return the help of the program, in lines of that width: its commands, its options and the exit codes."""
    lines = (
        *sections({"Commands": [(command.name, command.help) for command in COMMANDS], GENERAL: _entries((VERSION, HELP))}, width),
        *sections({"Exit codes": _exits(row.code for row in EXITS)}, width),
    )
    return page(f"{PROGRAM} COMMAND [OPTION]... [ARGUMENT]...", (SUMMARY,), lines, width)


def of_command(command: Command, width: int) -> str:
    """Return the help of one command, in lines of that width."""
    taken = command.arguments
    options = (*command.options, HELP)
    lines = (
        *sections({"Arguments": [(taken.metavar, taken.help)] if taken else []}, width),
        *sections({group: _entries(option for option in options if option.group == group) for group in GROUPS}, width),
        "",
        "Examples:",
        # A shell takes them as they are, so they are not wrapped.
        *(f"{INDENT}{line}" for line in command.examples),
        *sections({"Exit codes": _exits(command.exits)}, width),
    )
    return page(usage(command), (command.help,), lines, width)


def usage(command: Command) -> str:
    """Return how a command is typed."""
    options = ["[OPTION]..."] if command.options else []
    arguments = [command.arguments.usage] if command.arguments else []
    return " ".join((PROGRAM, command.name, *options, *arguments))


def _entries(options: Iterable[Option]) -> list[Entry]:
    return [(" ".join(filter(None, (", ".join(reversed(option.flags)), option.metavar))), option.help) for option in options]


def _exits(codes: Iterable[int]) -> list[Entry]:
    meanings = {row.code: row.meaning for row in EXITS}
    return [(str(code), meanings[code]) for code in codes]

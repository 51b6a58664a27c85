"""Make man pages: one for each program and for each of its commands, in the man macros that every roff knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap
from typing import Final

from coffer_common.command_line import HELP, Option

from .model import Command, Entry, Program, grouped

# The date on the pages: that of the last change that a reader should know of.
DATE: Final = "2026-11-28"
_WIDTH: Final = 80
# No hyphenation, because a word may be a command, and no stretched lines.
_LAYOUT: Final = ".nh\n.ad l\n"
# Characters that roff prints as others, unless they are escaped.
_PLAIN: Final = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}


def pages(program: Program) -> dict[str, str]:
    """Return every page of a program, by the name of its file."""
    commands = {f"{_name(command)}.1": _command_page(program, command) for command in program.commands}
    return {f"{program.name}.1": _program_page(program)} | commands


def _program_page(program: Program) -> str:
    commands = (
        _entry(_bold(command.name), f"{paragraph(_paragraphs(command.help)[0])}See {_reference(_name(command))}.\n")
        for command in program.commands
    )
    exits_else = [".PP\n", paragraph(program.exits_else)] if program.exits_else else []
    return "".join(
        (
            _head(program.name, program.summary, program.source),
            _section("SYNOPSIS", f"{_bold(program.name)} {_italic('COMMAND')} [{_italic('OPTION')}]... [{_italic('ARGUMENT')}]...\n"),
            _section("DESCRIPTION", paragraph(program.summary)),
            _section("COMMANDS", *commands),
            _section("OPTIONS", *map(_option, (*program.options, HELP))),
            _section("EXIT STATUS", *_exits(program.exits), *exits_else),
            _section("ENVIRONMENT", *map(_named, program.environment)),
            _section("FILES", *map(_named, program.files)),
            _section("SEE ALSO", ",\n".join(_reference(_name(command)) for command in program.commands) + "\n"),
        )
    )


def _command_page(program: Program, command: Command) -> str:
    examples = [".EX\n", *(f"{_harmless(_escaped(line))}\n" for line in command.examples), ".EE\n"] if command.examples else []
    return "".join(
        (
            _head(_name(command), command.help, program.source),
            _section("SYNOPSIS", f"{_bold(command.line)}{_escaped(command.usage.removeprefix(command.line))}\n"),
            _section("DESCRIPTION", ".PP\n".join(map(paragraph, _paragraphs(command.help)))),
            _section("ARGUMENTS", *(_entry(_italic(taken.metavar), paragraph(taken.help)) for taken in command.arguments)),
            _section("OPTIONS", *_options((*command.options, HELP))),
            _section("EXIT STATUS", *_exits(command.exits)),
            _section("EXAMPLES", *examples),
            _section("SEE ALSO", f"{_reference(program.name)}: {program.shared}\n"),
        )
    )


def _name(command: Command) -> str:
    return command.line.replace(" ", "-")


def _head(name: str, told: str, source: str) -> str:
    # `man -k` takes its line from here, and understands few fonts.
    brief = _sentences(told)[0].removesuffix(".").replace("`", "")
    return (
        f'.\\" Made by scripts/manuals from {source}.\n.TH {_escaped(name.upper())} 1 {DATE} Coffer\n{_LAYOUT}'
        f".SH NAME\n{_sentence(f'{name} - {brief[0].lower()}{brief[1:]}')}"
    )


def _section(title: str, *parts: str) -> str:
    """Return a section, or nothing if it is empty."""
    return f".SH {title}\n{''.join(parts)}" if parts else ""


def _options(options: tuple[Option, ...]) -> Iterator[str]:
    for group, members in grouped(options):
        yield f".SS {_escaped(group)}\n" if group else ""
        yield from map(_option, members)


def _option(option: Option) -> str:
    flags = ", ".join(map(_bold, reversed(option.flags)))
    return _entry(f"{flags} {_italic(option.metavar)}" if option.metavar else flags, paragraph(option.help))


def _exits(meanings: Mapping[int, str]) -> Iterable[str]:
    return (_entry(_bold(str(code)), paragraph(f"{meaning}.")) for code, meaning in meanings.items())


def _named(entry: Entry) -> str:
    return _entry(_bold(entry.name), paragraph(entry.text))


def _entry(tag: str, body: str) -> str:
    return f".TP\n{tag}\n{body}"


def _reference(page: str) -> str:
    return f"{_bold(page)}(1)"


def _paragraphs(text: str) -> list[str]:
    return text.split("\n\n")


def paragraph(text: str) -> str:
    """Return a paragraph. Each sentence begins a line, as roff wants it. Text between backticks is bold."""
    return "".join(map(_sentence, _sentences(text)))


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.])\s+(?=[A-Z])", text)


def _sentence(text: str) -> str:
    parts = re.split("`([^`]+)`", text)
    line = "".join(_bold(part) if number % 2 else _escaped(part) for number, part in enumerate(parts))
    return "".join(f"{_harmless(part)}\n" for part in wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False))


def _harmless(line: str) -> str:
    # A dot at the beginning would make the line a request; so would an apostrophe, which is always escaped.
    return f"\\&{line}" if line.startswith(".") else line


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fP"


def _italic(text: str) -> str:
    return f"\\fI{_escaped(text)}\\fP"


def _escaped(text: str) -> str:
    """Return text in which every character is printed as it is."""
    return "".join(_PLAIN.get(character, character if character.isascii() else f"\\[u{ord(character):04X}]") for character in text)

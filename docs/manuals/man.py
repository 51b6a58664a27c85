"""Man pages: one for the program, and one for each command, in the man macros that every roff knows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from textwrap import wrap
from typing import Final

from coffer_client.exits import Exit
from coffer_client.options import COMMANDS, PROGRAM, SUMMARY, Command, Option

from .reference import ALL_EXITS, ENVIRONMENT, FILES, OWN_STATUS, ROOT_OPTIONS, Entry, exits, options, usage

# Pages bear a date: that of the last change to what they say that a reader should know of.
DATE: Final = "2026-11-26"
_WIDTH: Final = 80
# Neither words that are taken apart, which may be commands, nor lines that are stretched.
_LAYOUT: Final = ".nh\n.ad l\n"
# As typed they are the characters of prose, for which roff takes others.
_PLAIN: Final = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}


def pages() -> dict[str, str]:
    """Every page, by the name of its file."""
    return {f"{PROGRAM}.1": _program_page()} | {f"{_name(command)}.1": _command_page(command) for command in COMMANDS}


def _program_page() -> str:
    commands = (_entry(_bold(command.name), f"{paragraph(command.help)}See {_reference(_name(command))}.\n") for command in COMMANDS)
    return "".join(
        (
            _head(PROGRAM, SUMMARY),
            _section("SYNOPSIS", f"{_bold(PROGRAM)} {_italic('COMMAND')} [{_italic('OPTION')}]... [{_italic('ARGUMENT')}]...\n"),
            _section("DESCRIPTION", paragraph(SUMMARY)),
            _section("COMMANDS", *commands),
            _section("OPTIONS", *map(_option, ROOT_OPTIONS)),
            _section("EXIT STATUS", *_exits(ALL_EXITS), ".PP\n", paragraph(OWN_STATUS)),
            _section("ENVIRONMENT", *map(_named, ENVIRONMENT)),
            _section("FILES", *map(_named, FILES)),
            _section("SEE ALSO", ",\n".join(_reference(_name(command)) for command in COMMANDS) + "\n"),
        )
    )


def _command_page(command: Command) -> str:
    parts = [_head(_name(command), command.help), _section("SYNOPSIS", _usage(command)), _section("DESCRIPTION", paragraph(command.help))]
    if command.arguments:
        parts.append(_section("ARGUMENTS", _entry(_italic(command.arguments.metavar), paragraph(command.arguments.help))))
    parts.append(_section("OPTIONS", *map(_option, options(command))))
    parts.append(_section("EXIT STATUS", *_exits(exits(command))))
    if command.examples:
        parts.append(_section("EXAMPLES", ".EX\n", *(f"{_harmless(_escaped(line))}\n" for line in command.examples), ".EE\n"))
    parts.append(_section("SEE ALSO", f"{_reference(PROGRAM)}: environment and files\n"))
    return "".join(parts)


def _name(command: Command) -> str:
    return f"{PROGRAM}-{command.name}"


def _head(name: str, summary: str) -> str:
    # `man -k` takes its line from here, and knows little of fonts.
    brief = summary.removesuffix(".").replace("`", "")
    return (
        f'.\\" Made by scripts/manuals from coffer_client/options.py.\n.TH {_escaped(name.upper())} 1 {DATE} Coffer\n{_LAYOUT}'
        f".SH NAME\n{_sentence(f'{name} - {brief[0].lower()}{brief[1:]}')}"
    )


def _section(title: str, *parts: str) -> str:
    return f".SH {title}\n{''.join(parts)}"


def _usage(command: Command) -> str:
    own = f"{PROGRAM} {command.name}"
    return f"{_bold(own)}{_escaped(usage(command).removeprefix(own))}\n"


def _option(option: Option) -> str:
    flags = ", ".join(map(_bold, reversed(option.flags)))
    return _entry(f"{flags} {_italic(option.metavar)}" if option.metavar else flags, paragraph(option.help))


def _exits(rows: Iterable[Exit]) -> Iterable[str]:
    return (_entry(_bold(str(row.code)), paragraph(f"{row.meaning}.")) for row in rows)


def _named(entry: Entry) -> str:
    return _entry(_bold(entry.name), paragraph(entry.text))


def _entry(tag: str, body: str) -> str:
    return f".TP\n{tag}\n{body}"


def _reference(page: str) -> str:
    return f"{_bold(page)}(1)"


def paragraph(text: str) -> str:
    """A paragraph; each sentence begins a line, as roff wants it. What stands between backticks is bold."""
    return "".join(map(_sentence, re.split(r"(?<=[.]) (?=[A-Z])", text)))


def _sentence(text: str) -> str:
    parts = re.split("`([^`]+)`", text)
    line = "".join(_bold(part) if number % 2 else _escaped(part) for number, part in enumerate(parts))
    return "".join(f"{_harmless(part)}\n" for part in wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False))


def _harmless(line: str) -> str:
    # A dot at its beginning would make it a request; so would an apostrophe, which is always escaped.
    return f"\\&{line}" if line.startswith(".") else line


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fP"


def _italic(text: str) -> str:
    return f"\\fI{_escaped(text)}\\fP"


def _escaped(text: str) -> str:
    """Text, every character of which stands for itself."""
    return "".join(_PLAIN.get(character, character if character.isascii() else f"\\[u{ord(character):04X}]") for character in text)

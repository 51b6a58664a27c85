"""Make the reference in docs/client.md: the text between two marks is made, and everything else is written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from coffer_common.command_line import HELP, Option

from .model import Command, Entry, grouped
from .reference import CLIENT

BEGIN: Final = f"<!-- made by scripts/manuals from {CLIENT.source}: change it there -->"
END: Final = "<!-- the end of what is made -->"


def with_reference(text: str) -> str:
    """Return the page with a new reference."""
    before, _, rest = text.partition(f"{BEGIN}\n")
    _, _, after = rest.partition(f"{END}\n")
    return f"{before}{BEGIN}\n{''.join(_reference())}{END}\n{after}"


def by_hand(text: str) -> str:
    """Return the page without its reference."""
    return text[: text.index(BEGIN)] + text[text.index(END) + len(END) :]


def _reference() -> Iterator[str]:
    yield "\n## Commands\n"
    for command in CLIENT.commands:
        yield from _command(command)
    yield "\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n"
    yield from (f"| {code} | {meaning} |\n" for code, meaning in CLIENT.exits.items())
    yield f"\n{CLIENT.exits_else}\n"
    yield "\n## Environment\n\n"
    yield from _list(CLIENT.environment)
    yield "\n## Files\n\n"
    yield from _list(CLIENT.files)
    yield "\n"


def _command(command: Command) -> Iterator[str]:
    yield f"\n### {command.name}\n\n{command.help}\n\n```\n{command.usage}\n```\n\n"
    yield from (f"- `{taken.metavar}`: {taken.help}\n" for taken in command.arguments)
    for group, members in grouped((*command.options, HELP)):
        yield f"\n{group}:\n\n" if group else ""
        yield from map(_option, members)
    if command.examples:
        yield "\n```sh\n" + "".join(f"{line}\n" for line in command.examples) + "```\n"
    yield f"\nIts exit codes: {', '.join(map(str, command.exits))}.\n"


def _option(option: Option) -> str:
    flags = [f"`{flag}`" for flag in reversed(option.flags)]
    if option.metavar:
        flags[-1] = f"{flags[-1][:-1]} {option.metavar}`"
    return f"- {', '.join(flags)}: {option.help}\n"


def _list(entries: Iterable[Entry]) -> Iterator[str]:
    return (f"- {', '.join(f'`{name}`' for name in entry.name.split(', '))}: {entry.text}\n" for entry in entries)

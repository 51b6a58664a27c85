"""Define what a manual says about a program, whether it comes from a table of commands or from a typer application."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from coffer_client.cli.options import GROUPS
from coffer_common.command_line import Arguments, Option
from coffer_common.command_line import Command as Row


def grouped(options: Iterable[Option]) -> Iterator[tuple[str, list[Option]]]:
    """Yield the title of each group, with its options. The title is empty if there is only one group."""
    groups = {group: [option for option in options if option.group == group] for group in GROUPS}
    groups = {group: members for group, members in groups.items() if members}
    for group, members in groups.items():
        yield group if len(groups) > 1 else "", members


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A variable or a file, by its name, and what it is. Text between backticks is typed as it is."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a program.

    Attributes:
        program, name: as they are typed. The name of a command in a group is both words.
        usage: the words that are typed for it, with its arguments.
        help: what it does; the first sentence is a summary. An empty line separates paragraphs.
        options: in the order of the help, without `--help`.
        arguments: in their order.
        exits: what its exit codes mean; empty if only the program's page says so.
        examples: lines that a shell accepts as they are.
    """

    program: str
    name: str
    usage: str
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Arguments, ...]
    exits: Mapping[int, str]
    examples: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Row, exits: Mapping[int, str]) -> Command:
        """Return what the manual says about a command."""
        return cls(
            program=row.line.partition(" ")[0],
            name=row.name,
            usage=row.usage,
            help=row.help,
            options=row.options,
            arguments=row.arguments,
            exits=exits,
            examples=row.examples,
        )

    @property
    def line(self) -> str:
        """The first words that are typed for it."""
        return f"{self.program} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program with its commands.

    Attributes:
        name: as it is typed.
        summary: its purpose, in a sentence.
        source: the file or folder from which all of this is made.
        options: those that need no command, without `--help`.
        exits: what its exit codes mean.
        exits_else: another sentence about the exit codes.
        environment, files: what it reads, if that is known.
        shared: what its page says for all commands; their pages refer to it by these words.
    """

    name: str
    summary: str
    source: str
    commands: tuple[Command, ...]
    options: tuple[Option, ...]
    exits: Mapping[int, str]
    exits_else: str = ""
    environment: tuple[Entry, ...] = ()
    files: tuple[Entry, ...] = ()
    shared: str

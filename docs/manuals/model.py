"""What a manual tells of a program, wherever that is known from: a table of commands, or a typer application."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from coffer_client.cli.options import GROUPS, Arguments, Option


def grouped(options: Iterable[Option]) -> Iterator[tuple[str, list[Option]]]:
    """Yield the title of each group, with its options. The title is empty if there is only one group."""
    groups = {group: [option for option in options if option.group == group] for group in GROUPS}
    groups = {group: members for group, members in groups.items() if members}
    for group, members in groups.items():
        yield group if len(groups) > 1 else "", members


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A thing by its name, and what it is; between backticks stands what is typed."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command.

    Attributes:
        program, name: as they are typed; the name of one in a group is both words.
        help: what it does, first in a sentence. Paragraphs are apart by an empty line.
        options: in the order of the help, without that for help.
        arguments: in their order.
        exits: what its exit codes mean; empty where only the program's page says it.
        examples: lines that a shell takes as they stand.
    """

    program: str
    name: str
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Arguments, ...]
    exits: Mapping[int, str]
    examples: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """How it begins where it is typed."""
        return f"{self.program} {self.name}"

    @property
    def usage(self) -> str:
        """How it is typed."""
        options = ["[OPTION]..."] if self.options else []
        return " ".join([self.line, *options, *(taken.usage for taken in self.arguments)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program.

    Attributes:
        name: as it is typed.
        summary: what it is for, in a sentence.
        source: the file or folder that all of this is made from.
        options: those without a command, without that for help.
        exits: what its exit codes mean.
        exits_else: what is to be said of them beside that.
        environment, files: what it reads, where that is known.
        shared: what its page says for all commands, in the words of their pages.
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

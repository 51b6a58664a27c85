"""Typer applications whose help and usage errors are those of the client, so that they are the same with every version of typer.

Typer makes the table of commands from functions, and calls these. It only gets lines that `command_line` has read without an error: its own
help, and its texts about mistakes, changed with nearly each of its releases.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from coffer_protocol.errors import CofferError

from . import command_line
from .command_line import HELP, VERSION, Arguments, Option, no_such_command
from .help import page, sections, terminal_width
from .program import run, version_line


class Command(TyperCommand):
    """A command with our help and our usage errors.

    Attributes:
        exits: the meaning of its exit codes; empty if the help of the program has it.
    """

    exits: ClassVar[Mapping[int, str]] = {}

    def get_help(self, ctx: Any) -> str:
        """Return the help of the command."""
        return _help(self, ctx, {})

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what follows the name of the command.

        Raises:
            UsageError: the command does not know such a line.
        """
        # A shell that completes a line asks about one that is not whole.
        if not ctx.resilient_parsing and command_line.parse(table_row(self, ctx.command_path), args) is None:
            args = [HELP.flag]
        return super().parse_args(ctx, args)


class Group(TyperGroup):
    """A program, or a group of commands in one, with our help and our usage errors.

    Attributes:
        exits: the meaning of its exit codes.
    """

    exits: ClassVar[Mapping[int, str]] = {}

    def get_help(self, ctx: Any) -> str:
        """Return the help of the group, with its commands."""
        return _help(self, ctx, {name: _first_sentence(command.help) for name, command in self.commands.items()})

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options of the group, and the name of a command.

        Raises:
            UsageError: the group knows no such option or command.
        """
        # All of them are switches.
        own = {*HELP.flags, *(flag for option in self.params for flag in option.opts)}
        word = next((word for word in args if word not in own), None)
        if not ctx.resilient_parsing and word is not None and word not in self.commands:
            raise no_such_command(ctx.command_path, word, self.commands, own)
        return super().parse_args(ctx, args)


class Application(typer.Typer):
    """A program, or a group of commands in one.

    Args:
        exits: the meaning of its exit codes, for a program.
        cls: the class of the group.
        settings: as `typer.Typer` takes them.
    """

    def __init__(self, *, exits: Mapping[int, str] | None = None, cls: type[Group] = Group, **settings: Any) -> None:
        super().__init__(
            cls=_with_exits(cls, exits),
            no_args_is_help=True,
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
            context_settings={"help_option_names": [*HELP.flags]},
            **settings,
        )

    def command(self, name: str | None = None, *, exits: Mapping[int, str] | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Add a command, as `typer.Typer.command` does. `exits` is the meaning of its exit codes, if it has its own."""
        return super().command(name, cls=_with_exits(Command, exits), **settings)


class Program(Application):
    """A whole program: it has `--version`, and it ends as `program.run` does.

    Args:
        name: the name of the program.
        exits: the meaning of its exit codes.
        report: reports an error to a person, and returns the exit code; None as for `program.run`.
        settings: as `typer.Typer` takes them.
    """

    def __init__(self, name: str, exits: Mapping[int, str], *, report: Callable[[CofferError], int] | None = None, **settings: Any) -> None:
        class Commands(Group):
            def main(self, *args: Any, **kwargs: Any) -> Any:
                # Otherwise its name would be read from how it was started, by rules that change with typer's version.
                kwargs["prog_name"] = name
                body = partial(super().main, *args, **kwargs)
                # Otherwise other code calls it for its output, such as scripts/manuals, and the process must not end.
                is_program = kwargs.get("standalone_mode", True)
                return sys.exit(run(name, body, report)) if is_program else body()

        super().__init__(name=name, cls=Commands, exits=exits, **settings)

        def show_version(is_wanted: bool) -> None:
            if is_wanted:
                typer.echo(version_line(name))
                raise typer.Exit

        # A default and not an annotation: typer would look for its names in this module.
        option = typer.Option(False, VERSION.flag, callback=show_version, is_eager=True, help=VERSION.help)

        @self.callback()
        def root(version: bool = option) -> None:
            """Read the options of the program itself."""


def _with_exits(kind: Any, exits: Mapping[int, str] | None) -> Any:
    # Typer makes the objects, and does not pass on arguments that it does not know.
    return kind if exits is None else type(kind.__name__, (kind,), {"exits": exits})


def paragraphs(text: str | None) -> list[str]:
    """Return the paragraphs of a help text, each on one line."""
    return [" ".join(paragraph.split()) for paragraph in (text or "").split("\n\n")]


def _first_sentence(text: str | None) -> str:
    sentence, stop, _ = paragraphs(text)[0].partition(". ")
    return f"{sentence}." if stop else sentence


def table_row(command: TyperCommand | TyperGroup, line: str) -> command_line.Command:
    """Describe a command as the client's table describes its own. `line` is what is typed for it, with the program."""
    return command_line.Command(
        line=line,
        help=command.help or "",
        options=tuple(_option(option) for option in command.params if isinstance(option, TyperOption)),
        arguments=tuple(_argument(argument) for argument in command.params if isinstance(argument, TyperArgument)),
    )


def _option(option: TyperOption) -> Option:
    (flag,) = option.opts
    is_shown = option.show_default and not option.is_flag and option.default is not None
    return Option(
        name=flag.removeprefix("--"),
        metavar=None if option.is_flag else option.metavar,
        help=f"{option.help or ''} Default: {option.default}." if is_shown else option.help or "",
        is_repeatable=option.multiple,
    )


def _argument(argument: TyperArgument) -> Arguments:
    return Arguments(
        metavar=argument.metavar or "",
        help=argument.help or "",
        least=int(argument.required),
        most=None if argument.nargs < 0 else argument.nargs,
    )


def _help(command: Command | Group, context: Any, commands: Mapping[str, str]) -> str:
    row = table_row(command, context.command_path)
    usage = f"{row.line} COMMAND [OPTION]... [ARGUMENT]..." if commands else row.usage
    width = context.terminal_width or terminal_width(os.environ)
    lines = (
        *sections({"Arguments": [(taken.metavar, taken.help) for taken in row.arguments]}, width),
        *sections({"Commands": [*commands.items()], "Options": [*(option.entry for option in (*row.options, HELP))]}, width),
        *sections({"Exit codes": [(str(code), meaning) for code, meaning in command.exits.items()]}, width),
    )
    return page(usage, paragraphs(command.help), lines, width).removesuffix("\n")

"""Typer applications whose help is laid out as the client's, so that it is the same with every version of typer.

Typer reads the command line. What its own help looks like changed with nearly each of its releases.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, Final

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from coffer_protocol.errors import CofferError

from .help import Entry, page, sections, terminal_width
from .program import run, version_line

_HELP_FLAGS: Final = ("-h", "--help")
_HELP: Final = "Print this help."


class Command(TyperCommand):
    """A command with our help.

    Attributes:
        exits: what its exit codes mean; empty if the help of the program says it.
    """

    exits: ClassVar[Mapping[int, str]] = {}

    def get_help(self, ctx: Any) -> str:
        """Return the help of the command."""
        return _help(self, ctx, {})


class Group(TyperGroup):
    """A program, or a group of commands in one, with our help.

    Attributes:
        exits: what its exit codes mean.
    """

    exits: ClassVar[Mapping[int, str]] = {}

    def get_help(self, ctx: Any) -> str:
        """Return the help of the group, with its commands."""
        return _help(self, ctx, {name: _first_sentence(command.help) for name, command in self.commands.items()})


class Application(typer.Typer):
    """A program, or a group of commands in one.

    Args:
        exits: what its exit codes mean; for a program.
        cls: the class of the group.
        settings: as `typer.Typer` takes them.
    """

    def __init__(self, *, exits: Mapping[int, str] | None = None, cls: type[Group] = Group, **settings: Any) -> None:
        super().__init__(
            cls=_with_exits(cls, exits),
            no_args_is_help=True,
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
            context_settings={"help_option_names": [*_HELP_FLAGS]},
            **settings,
        )

    def command(self, name: str | None = None, *, exits: Mapping[int, str] | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Add a command, as `typer.Typer.command` does. `exits` is what its exit codes mean, if it has its own."""
        return super().command(name, cls=_with_exits(Command, exits), **settings)


class Program(Application):
    """A whole program: it has `--version`, and it ends as `program.run` does.

    Args:
        name: what the program is called.
        exits: what its exit codes mean.
        report: tells a person of an error, and returns the exit code; None as for `program.run`.
        settings: as `typer.Typer` takes them.
    """

    def __init__(self, name: str, exits: Mapping[int, str], *, report: Callable[[CofferError], int] | None = None, **settings: Any) -> None:
        class Commands(Group):
            def main(self, *args: Any, **kwargs: Any) -> Any:
                body = partial(super().main, *args, **kwargs)
                # Otherwise it is asked for what it prints, as by what makes the manuals, and does not end the process.
                is_program = kwargs.get("standalone_mode", True)
                return sys.exit(run(name, body, report)) if is_program else body()

        super().__init__(name=name, cls=Commands, exits=exits, **settings)

        def show_version(is_wanted: bool) -> None:
            if is_wanted:
                typer.echo(version_line(name))
                raise typer.Exit

        # A default and not an annotation: typer would look for its names in this module.
        option = typer.Option(False, "--version", callback=show_version, is_eager=True, help="Print the version.")

        @self.callback()
        def root(version: bool = option) -> None:
            """Read the options of the program itself."""


def _with_exits(kind: Any, exits: Mapping[int, str] | None) -> Any:
    # Typer makes the objects, and hands nothing on that it does not know.
    return kind if exits is None else type(kind.__name__, (kind,), {"exits": exits})


def paragraphs(text: str | None) -> list[str]:
    """Return the paragraphs of a help text, each on one line."""
    return [" ".join(paragraph.split()) for paragraph in (text or "").split("\n\n")]


def _first_sentence(text: str | None) -> str:
    sentence, stop, _ = paragraphs(text)[0].partition(". ")
    return f"{sentence}." if stop else sentence


def described(option: TyperOption) -> str:
    """Return what an option does, with its default, if that is shown."""
    is_shown = option.show_default and not option.is_flag and option.default is not None
    return f"{option.help or ''} Default: {option.default}." if is_shown else option.help or ""


def taken(argument: TyperArgument) -> str:
    """Return how an argument is typed."""
    name = argument.metavar or ""
    return (name if argument.required else f"[{name}]") + ("..." if argument.nargs < 0 else "")


def _help(command: Command | Group, context: Any, commands: Mapping[str, str]) -> str:
    arguments = [parameter for parameter in command.params if isinstance(parameter, TyperArgument)]
    options = [parameter for parameter in command.params if isinstance(parameter, TyperOption)]
    usage = " ".join((context.command_path, *_usage(arguments, options, has_commands=bool(commands))))
    width = context.terminal_width or terminal_width(os.environ)
    lines = (
        *sections({"Arguments": [(argument.metavar or "", argument.help or "") for argument in arguments]}, width),
        *sections({"Commands": [*commands.items()], "Options": [*map(_entry, options), (", ".join(_HELP_FLAGS), _HELP)]}, width),
        *sections({"Exit codes": [(str(code), meaning) for code, meaning in command.exits.items()]}, width),
    )
    return page(usage, paragraphs(command.help), lines, width).removesuffix("\n")


def _usage(arguments: Iterable[TyperArgument], options: Iterable[TyperOption], *, has_commands: bool) -> Iterable[str]:
    if has_commands:
        return ("COMMAND", "[OPTION]...", "[ARGUMENT]...")
    return (*(["[OPTION]..."] if [*options] else []), *map(taken, arguments))


def _entry(option: TyperOption) -> Entry:
    flags = ", ".join(option.opts)
    return f"{flags} {option.metavar}" if option.metavar and not option.is_flag else flags, described(option)

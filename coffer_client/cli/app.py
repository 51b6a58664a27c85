"""The typer application: help, and every command, built from the table in `options`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer

from coffer_common.program import HELP_OPTION, exit_codes, version_line

from .commands import Handler
from .exits import EXITS
from .options import COMMANDS, PROGRAM, SUMMARY, VERSION, Arguments, Command, Option, Parsed, Value

_ARGUMENTS = "arguments"


def build(handler_of: Callable[[str], Handler]) -> typer.Typer:
    """The application. `handler_of` gives a command's handler by its name; it is asked when the command is run."""
    # Without rich's markup, which would take [clients] for a style. Errors are for `cli`, which knows how they are shown.
    app = typer.Typer(
        name=PROGRAM,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings=HELP_OPTION,
        epilog=_exit_codes(row.code for row in EXITS),
    )
    app.callback(help=SUMMARY)(_root)
    for command in COMMANDS:
        context = {"allow_interspersed_args": not (command.arguments and command.arguments.are_command_line)}
        callback = _callback(command, handler_of)
        app.command(command.name, help=command.help, context_settings=context, epilog=_epilog(command))(callback)
    return app


def _epilog(command: Command) -> str:
    # Behind a line of \b, click leaves the lines as they are.
    examples = ["\b\n" + "\n".join(("Examples:", *(f"  {line}" for line in command.examples)))] if command.examples else []
    return "\n\n".join([*examples, _exit_codes(command.exits)])


def _exit_codes(codes: Iterable[int]) -> str:
    known = {row.code: row.meaning for row in EXITS}
    return exit_codes({code: known[code] for code in codes})


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_line(PROGRAM))
        raise typer.Exit


def _root(
    version: Annotated[bool, typer.Option(VERSION.flag, callback=_show_version, is_eager=True, help=VERSION.help)] = False,
) -> None:
    """The program without a command."""


def _callback(command: Command, handler_of: Callable[[str], Handler]) -> Callable[..., None]:
    """A function with the signature from which typer makes the command."""

    def invoke(**values: Any) -> None:
        given = values.pop(_ARGUMENTS, None) or ()
        typed = {option.name: _value(option, values[_identifier(option)]) for option in command.options}
        arguments = (given,) if isinstance(given, str) else tuple(given)
        handler_of(command.name)(Parsed(command=command, values=typed, arguments=arguments))

    parameters = [_option(option) for option in command.options]
    if command.arguments:
        parameters.append(_arguments(command.arguments))
    invoke.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # as inspect documents; typeshed has it not
    invoke.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return invoke


def _identifier(option: Option) -> str:
    # With something added, for `except` is a word of Python's own.
    return f"{option.name.replace('-', '_')}_"


def _value(option: Option, given: Any) -> Value:
    """As `options.parse` has it: typer gives a list, or None, for what may be repeated."""
    if option.is_repeatable:
        return tuple(given or ())
    value: Value = given
    return value


def _option(option: Option) -> inspect.Parameter:
    information = typer.Option(*option.flags, metavar=option.metavar, help=option.help)
    if option.metavar is None:
        return _parameter(_identifier(option), Annotated[bool, information], False)
    kind = list[str] if option.is_repeatable else str
    return _parameter(_identifier(option), Annotated[kind | None, information], None)


def _arguments(arguments: Arguments) -> inspect.Parameter:
    information = typer.Argument(metavar=arguments.metavar, help=arguments.help)
    kind = str if arguments.most == 1 else list[str]
    return _parameter(_ARGUMENTS, Annotated[kind | None, information], inspect.Parameter.empty if arguments.least else None)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

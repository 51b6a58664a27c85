from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, get_type_hints

import pytest
import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

import coffer_companion.cli
import coffer_server.cli
from coffer_common import command_line
from coffer_common.application import Application, Program, paragraphs, table_row
from coffer_common.errors import UsageError
from coffer_protocol.errors import CofferError
from tests.support import ROOT

app = Application(help="Do things.", add_completion=False, exits={0: "done", 7: "nothing is left"})
group = Application(name="sub", help="Do other things.")
app.add_typer(group)


@app.callback()
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """The program without a command."""


@app.command(exits={0: "done", 9: "too late"})
def work(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="The folder.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="The names.")] = None,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help="How many.")] = 20,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
    hidden: Annotated[str | None, typer.Option("--owner", metavar="USER", help="Whose.", show_default=False)] = None,
) -> None:
    """Work on a folder. It may take long.

    A second paragraph that is
    on two lines.
    """


@group.command("rest")
def rest() -> None:
    """Rest."""


def shown(*words: str, width: int = 60) -> str:
    result = CliRunner().invoke(app, [*words], prog_name="program", terminal_width=width)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_a_program(flag: str) -> None:
    assert shown(flag) == (
        "Usage: program COMMAND [OPTION]... [ARGUMENT]...\n"
        "\n"
        "Do things.\n"
        "\n"
        "Commands:\n"
        "  work        Work on a folder.\n"
        "  sub         Do other things.\n"
        "\n"
        "Options:\n"
        "  --version   Print the version.\n"
        "  -h, --help  Print this help.\n"
        "\n"
        "Exit codes:\n"
        "  0  done\n"
        "  7  nothing is left\n"
    )


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_a_command(flag: str) -> None:
    assert shown("work", flag) == (
        "Usage: program work [OPTION]... DIR [NAME]...\n"
        "\n"
        "Work on a folder. It may take long.\n"
        "\n"
        "A second paragraph that is on two lines.\n"
        "\n"
        "Arguments:\n"
        "  DIR   The folder.\n"
        "  NAME  The names.\n"
        "\n"
        "Options:\n"
        "  --count N     How many. Default: 20.\n"
        "  --quiet       Print nothing.\n"
        "  --owner USER  Whose.\n"
        "  -h, --help    Print this help.\n"
        "\n"
        "Exit codes:\n"
        "  0  done\n"
        "  9  too late\n"
    )


def test_the_help_of_a_command_in_a_group() -> None:
    assert shown("sub", "rest", "-h").startswith("Usage: program sub rest\n\nRest.\n\nOptions:\n")
    assert "Exit codes" not in shown("sub", "rest", "-h") + shown("sub", "-h")


def test_a_group_without_a_command_is_wrong_usage_and_shows_its_help() -> None:
    result = CliRunner().invoke(app, ["sub"], prog_name="program", terminal_width=60)
    assert result.exit_code == 2
    assert "Usage: program sub COMMAND" in result.stderr


def test_the_help_is_as_wide_as_the_environment_says() -> None:
    told = CliRunner(env={"COLUMNS": "44"}).invoke(app, ["work", "-h"], prog_name="program")
    assert told.stdout == shown("work", "-h", width=44)


def test_paragraphs() -> None:
    assert paragraphs("One\n two.\n\nThree.\n") == ["One two.", "Three."]
    assert paragraphs(None) == [""]


# ------------------------------------------------------------------------------------------------------------ a whole program


def report(error: CofferError) -> int:
    typer.echo(f"reported: {error}", err=True)
    return 9


whole = Program("coffer-x", {0: "done", 9: "it failed"}, report=report, help="Do things.", add_completion=False)


@whole.command()
def fail() -> None:
    """Fail."""
    raise CofferError("it failed")


@whole.command()
def lack() -> None:
    """Lack a file."""
    Path("/none/file").read_bytes()


@whole.command()
def leave() -> None:
    """Leave early."""
    raise typer.Exit(4)


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (["fail"], 9, "", "reported: it failed\n"),
        (["lack"], 9, "", "reported: /none/file: No such file or directory\n"),
        (["leave"], 4, "", ""),
        (["--version"], 0, f"coffer-x {version('coffer-secrets')}\n", ""),
    ],
)
def test_a_program_ends_with_an_exit_code_and_a_sentence(words: list[str], code: int, out: str, err: str) -> None:
    result = CliRunner().invoke(whole, words)
    assert (result.exit_code, result.stdout, result.stderr) == (code, out, err)


def test_the_help_of_a_whole_program() -> None:
    shown = CliRunner().invoke(whole, ["-h"], prog_name="coffer-x", terminal_width=60).stdout
    assert "Options:\n  --version   Print the version.\n  -h, --help  Print this help.\n" in shown
    assert "Exit codes:\n  0  done\n  9  it failed\n" in shown


# -------------------------------------------------------------------------------------------------------------- wrong usage


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        (["frob"], "no such command 'frob'", "`program --help` lists the commands"),
        (["wrok"], "no such command 'wrok'", "did you mean work?"),
        (["--frob"], "no such option --frob", "`program --help` lists the options"),
        (["--versoin"], "no such option --versoin", "did you mean --version?"),
        (["sub", "rets"], "no such command 'rets'", "did you mean rest?"),
        (["sub", "--version"], "no such option --version", "`program sub --help` lists the options"),
        (["sub", "rest", "more"], "expected no arguments, got 1", "`program sub rest --help` describes them"),
        (["work"], "an argument is missing: DIR", "`program work --help` describes it"),
        (["work", "d", "--conut=canary"], "no such option --conut", "did you mean --count?"),
        (["work", "d", "-x"], "no such option -x", "`program work --help` lists the options"),
        (["work", "d", "--count"], "--count needs a value", "type --count N"),
        (["work", "d", "--count="], "--count is empty", "give it a value (N), or leave it out"),
        (["work", "d", "--quiet=1"], "--quiet takes no value", "type --quiet alone"),
    ],
)
def test_wrong_usage_is_told_in_our_words(words: list[str], sentence: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        CliRunner().invoke(app, words, prog_name="program", catch_exceptions=False)
    assert (str(caught.value), caught.value.hint) == (sentence, hint)


@pytest.mark.parametrize("words", [["work", "-h", "--frob"], ["work", "-hx"], ["work", "d", "--quiet", "-h"]])
def test_what_comes_first_counts_help_or_a_mistake(words: list[str]) -> None:
    assert shown(*words) == shown("work", "--help")


def test_typer_gets_the_line_as_it_was_typed() -> None:
    seen: list[object] = []
    line = Application(help="Do things.")

    @line.command()
    def first(
        names: Annotated[list[str], typer.Argument(metavar="NAME", help="The names.")],
        only: Annotated[list[str] | None, typer.Option("--only", metavar="X", help="Only these.")] = None,
        to: Annotated[str | None, typer.Option("--to", metavar="Y", help="There.")] = None,
    ) -> None:
        """Do the first thing."""
        seen.extend((names, only, to))

    @line.command()
    def second() -> None:
        """Do the second thing."""

    words = ["first", "a", "--only=-b", "--only", "--to", "-", "--to=c", "--to", "d", "--", "--e"]
    assert CliRunner().invoke(line, words, catch_exceptions=False).exit_code == 0
    assert seen == [["a", "-", "--e"], ["-b", "--to"], "d"]


def test_a_program_prints_wrong_usage_as_it_prints_each_error() -> None:
    plain = Program("coffer-y", {0: "done"}, help="Do things.", add_completion=False)
    plain.command()(fail)
    result = CliRunner().invoke(plain, ["fial"], prog_name="coffer-y")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "coffer-y: no such command 'fial'\nhint: did you mean fail?\n"


@pytest.mark.parametrize("program", ["server", "companion"])
def test_a_program_has_its_name_however_it_was_started(program: str) -> None:
    line = [sys.executable, "-m", f"coffer_{program}", "init", "--nope"]
    ran = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stderr == f"coffer-{program}: no such option --nope\nhint: `coffer-{program} init --help` lists the options\n"


PROGRAMS: list[tuple[str, Program]] = [("coffer-server", coffer_server.cli.app), ("coffer-companion", coffer_companion.cli.app)]


def rows(program: str, typed: Program) -> Iterator[tuple[command_line.Command, Callable[..., object]]]:
    """Every command of a program, and what it calls."""
    waiting: list[tuple[str, object]] = [(program, get_command(typed))]
    while waiting:
        line, command = waiting.pop()
        if isinstance(command, TyperGroup):
            waiting += [(f"{line} {name}", each) for name, each in command.commands.items()]
        else:
            assert isinstance(command, TyperCommand)
            assert command.callback is not None
            yield table_row(command, line), command.callback


EVERY = [(program, typed, row, callback) for program, typed in PROGRAMS for row, callback in rows(program, typed)]


@pytest.mark.parametrize(("program", "typed", "row", "callback"), EVERY, ids=lambda value: getattr(value, "line", ""))
def test_every_command_refuses_an_option_that_it_does_not_have(
    program: str, typed: Program, row: command_line.Command, callback: Callable[..., object]
) -> None:
    result = CliRunner().invoke(typed, [*row.name.split(), "--canary=canary"], prog_name=program)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{program}: no such option --canary\nhint: `{row.line} --help` lists the options\n"


@pytest.mark.parametrize(("program", "typed", "row", "callback"), EVERY, ids=lambda value: getattr(value, "line", ""))
def test_typer_converts_nothing_that_it_could_refuse(
    program: str, typed: Program, row: command_line.Command, callback: Callable[..., object]
) -> None:
    """What it would say, of a number for one, is different in each version. The commands read such texts themselves."""
    kinds = get_type_hints(inspect.unwrap(callback)).items()
    allowed = {bool, str, str | None, Path, Path | None, list[str] | None}
    assert [name for name, kind in kinds if name != "return" and kind not in allowed] == []

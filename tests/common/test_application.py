from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from coffer_common.application import Application, Program, paragraphs
from coffer_protocol.errors import CofferError

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

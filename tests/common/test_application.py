from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from coffer_common.application import Application, paragraphs

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

"""The pages of the programs that typer makes, held to what these programs say when they are asked for help."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

import coffer_companion.cli
import coffer_server.cli
from coffer_companion.cli.imports import Source
from coffer_companion.errors import EXITS
from coffer_server.health import report as health
from docs.manuals.applications import COMPANION, SERVER
from docs.manuals.model import Command, Program

from .test_man import plain, read

APPLICATIONS = {SERVER.name: coffer_server.cli.app, COMPANION.name: coffer_companion.cli.app}
PROGRAMS = [SERVER, COMPANION]
COMMANDS = [command for program in PROGRAMS for command in program.commands]


def name(told: Program | Command) -> str:
    return told.name if isinstance(told, Program) else told.line.replace(" ", "-")


def help_of(program: str, *words: str) -> str:
    result = CliRunner().invoke(APPLICATIONS[program], [*words, "-h"], prog_name=program, terminal_width=1000)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def listed(shown: str, title: str) -> list[str]:
    """The first words of a help's lists."""
    section = shown.partition(f"\n{title}:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  ((?:-\w, )?\S+)", section, re.MULTILINE)


def leaves(program: str, *words: str) -> list[str]:
    """Every command that can be typed behind these words, as help lists them, group by group."""
    below = listed(help_of(program, *words), "Commands")
    return [leaf for word in below for leaf in leaves(program, *words, word)] if below else [" ".join(words)]


@pytest.mark.parametrize("program", PROGRAMS, ids=name)
def test_the_programs_page_has_every_command_option_and_exit_code(program: Program) -> None:
    shown, told = read(f"{program.name}.1"), " ".join(help_of(program.name).split())
    assert [command.name for command in program.commands] == leaves(program.name)
    for command in program.commands:
        first = plain(" ".join(command.help.split("\n\n")[0].split()))
        assert f" {command.name} {first} See {name(command)}(1)." in shown
    for option in program.options:
        assert f"{option.flag} {option.help}" in shown
        assert f"{option.flag} {option.help}" in told
    assert f"Exit codes: {' '.join(f'{code} {meaning}' for code, meaning in program.exits.items())}" in told
    assert all(f" {code} {plain(meaning)}." in shown for code, meaning in program.exits.items())


@pytest.mark.parametrize("command", COMMANDS, ids=name)
def test_a_commands_page_says_what_its_help_says(command: Command) -> None:
    shown, help_ = read(f"{name(command)}.1"), help_of(command.program, *command.name.split())
    told = " ".join(help_.split())
    assert " ".join(command.help.split()) in told
    assert plain(" ".join(command.help.split())) in shown
    assert listed(help_, "Options") == [*(option.flag for option in command.options), "-h, --help"]
    for option in command.options:
        line = f"{option.flag} {f'{option.metavar} ' if option.metavar else ''}{option.help}"
        assert line in told
        assert plain(line) in shown
    assert listed(help_, "Arguments") == [taken.metavar for taken in command.arguments]
    for taken in command.arguments:
        assert taken.help in told
        assert (f"[{taken.metavar}]" in help_.partition("\n\n")[0]) == (taken.least == 0)
        assert plain(f"{taken.metavar} {taken.help}") in shown


def test_exit_codes_stand_where_the_programs_have_them() -> None:
    codes = {name(command): [*command.exits] for command in COMMANDS if command.exits}
    assert codes == {"coffer-server-health": [0, 1, 2, health.EXIT_NOT_SERVING, health.EXIT_DEGRADED]}
    assert COMPANION.exits.keys() == {row.code for row in EXITS}
    assert re.search(r"\nExit codes:\n  0 +\w.*\n  1 +\w", help_of("coffer-server", "health"))


def test_completion_is_told_of_where_there_is_some() -> None:
    assert "--install-completion Install completion for the current shell." in read("coffer-companion.1")
    assert "completion" not in read("coffer-server.1")


def test_what_import_reads_is_told_of() -> None:
    shown = read("coffer-companion-import.1").partition("SOURCE The kind of source:")[2].partition(" FILE ")[0]
    assert all(source in shown for source in Source)

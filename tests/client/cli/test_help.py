from __future__ import annotations

import pytest

from coffer_client.cli import help as helps
from coffer_client.cli.exits import EXITS
from coffer_client.cli.options import COMMANDS, GET, GROUPS, ID, RENDER, RUN
from coffer_common.command_line import HELP, VERSION, Command


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
@pytest.mark.parametrize("width", [40, 80, 100])
def test_a_commands_help_has_all_of_the_table(command: Command, width: int) -> None:
    shown = helps.of_command(command, width)
    text = " ".join(shown.split())
    assert text.startswith(f"Usage: coffer-client {command.name} ")
    assert command.help in text
    for option in (*command.options, HELP):
        flags = ", ".join(reversed(option.flags))
        assert f" {flags} {f'{option.metavar} ' if option.metavar else ''}{option.help}" in text
    for taken in command.arguments:
        assert f"Arguments: {taken.metavar} {taken.help}" in text
    # A shell takes them as they are.
    assert all(f"\n  {line}\n" in shown for line in command.examples)
    assert all((f" {row.code} {row.meaning}" in text) == (row.code in command.exits) for row in EXITS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_options_stand_under_the_title_of_their_group(command: Command) -> None:
    titles = [line.removesuffix(":") for line in helps.of_command(command, 80).splitlines() if line.endswith(":") and line[0] != " "]
    groups = {option.group for option in (*command.options, HELP)}
    assert [title for title in titles if title in GROUPS] == [group for group in GROUPS if group in groups]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_longer_than_the_width(width: int) -> None:
    examples = {f"  {line}" for command in COMMANDS for line in command.examples}
    for shown in (helps.of_program(width), *(helps.of_command(command, width) for command in COMMANDS)):
        assert all(len(line) <= width for line in shown.splitlines() if line not in examples)


def test_the_programs_help_has_every_command_and_exit_code() -> None:
    text = " ".join(helps.of_program(80).split())
    for command in COMMANDS:
        assert f" {command.name} {command.help}" in text
    for row in EXITS:
        assert f" {row.code} {row.meaning}" in text
    for option in (VERSION, HELP):
        assert f"{option.flag} {option.help}" in text


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        (GET, "coffer-client get [OPTION]... [KEY]..."),
        (RUN, "coffer-client run [OPTION]... -- CMD..."),
        (RENDER, "coffer-client render [OPTION]... TEMPLATE"),
        (ID, "coffer-client id [OPTION]..."),
    ],
)
def test_usage(command: Command, usage: str) -> None:
    assert command.usage == usage

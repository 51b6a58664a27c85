from __future__ import annotations

import re
import shlex

import pytest

from coffer_client.cli.exits import EXITS
from coffer_client.cli.options import COMMANDS, CONFIG, GROUPS, PROGRAM
from coffer_common.command_line import HELP, Command, parse


def test_every_group_has_options_and_every_option_a_group() -> None:
    assert {option.group for command in COMMANDS for option in (*command.options, HELP)} == set(GROUPS)


def test_a_switch_is_not_repeatable() -> None:
    for option in (option for command in COMMANDS for option in command.options):
        assert not option.is_repeatable or option.metavar is not None


def test_every_option_and_argument_has_its_help() -> None:
    for command in COMMANDS:
        assert command.help.endswith(".")
        assert all(option.help.endswith(".") for option in command.options)
        assert all(taken.help.endswith(".") for taken in command.arguments)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_examples_are_lines_that_the_command_takes(command: Command) -> None:
    assert command.examples
    for line in command.examples:
        # What is within $(…) or <(…) is a line, too; what a pipe or a redirection hands on is not ours.
        _, _, ours = re.split("[|>]", re.sub(r"[$<]\(|\)\"?$", " ", line))[0].partition(f"{PROGRAM} ")
        name, *words = shlex.split(ours)
        assert name == command.name
        assert parse(command, words) is not None


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_exit_codes_are_those_of_the_table(command: Command) -> None:
    assert set(command.exits) <= {row.code for row in EXITS}
    assert list(command.exits) == sorted(command.exits)
    # Whoever waits for a server can be left without it, unknown to it, or lied to; `config` only tells how long one would wait.
    if command is not CONFIG and any(option.name == "timeout" for option in command.options):
        assert {3, 4, 5} <= set(command.exits)

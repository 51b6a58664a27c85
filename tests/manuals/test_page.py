from __future__ import annotations

import ast

import pytest

from coffer_client.cli.options import COMMANDS
from coffer_client.config.names import KINDS, variable_of
from coffer_common.command_line import Command
from docs.manuals.page import BEGIN, END, by_hand, with_reference
from docs.manuals.reference import CLIENT, ENVIRONMENT
from tests.support import ROOT

EMPTY = f"before\n{BEGIN}\nold\n{END}\nafter\n"
MADE = with_reference(EMPTY)


def test_what_is_written_by_hand_stays() -> None:
    assert MADE.startswith(f"before\n{BEGIN}\n")
    assert MADE.endswith(f"{END}\nafter\n")
    assert "\nold\n" not in MADE
    assert with_reference(MADE) == MADE
    assert by_hand(MADE) == by_hand(EMPTY) == "before\n\nafter\n"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_its_part(command: Command) -> None:
    part = MADE.partition(f"\n### {command.name}\n")[2].partition("\n##")[0]
    assert part.startswith(f"\n{command.help}\n\n```\ncoffer-client {command.name}")
    for option in command.options:
        assert f"`{option.flag}{f' {option.metavar}' if option.metavar else ''}`: {option.help}\n" in part
    for taken in command.arguments:
        assert f"- `{taken.metavar}`: {taken.help}\n" in part
    for line in command.examples:
        assert f"\n{line}\n" in part
    assert f"Its exit codes: {', '.join(map(str, command.exits))}, 130." in part


def test_every_exit_code_has_its_row() -> None:
    assert all(f"\n| {code} | {meaning} |\n" in MADE for code, meaning in CLIENT.exits.items())


def test_every_variable_that_the_client_reads_is_listed() -> None:
    named = {
        node.value
        for path in (ROOT / "coffer_client").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(("COFFER_", "XDG_"))
    }
    # Those of the settings are made of their names, behind the one beginning.
    settings = {variable_of(name) for name in KINDS}
    variables = {value for value in named - {"COFFER_"} if value.replace("_", "").isalnum() and value.isupper()} | settings
    assert variables
    assert variables <= {name for entry in ENVIRONMENT for name in entry.name.split(", ")}

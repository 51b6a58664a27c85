from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from coffer_client.cli.app import build
from coffer_client.cli.exits import EXITS
from coffer_client.cli.options import COMMANDS, GET, KEYGEN, RUN, Command, Parsed, parse
from coffer_client.errors import UsageError

SEEN: list[Parsed] = []
APP = build(lambda name: SEEN.append)


def read_with_typer(command: Command, words: list[str]) -> Parsed | str:
    """What typer's application makes of a line: what was typed, "help" or "refused"."""
    SEEN.clear()
    result = CliRunner().invoke(APP, [command.name, *words])
    if SEEN:
        return SEEN[0]
    return "help" if result.exit_code == 0 else "refused"


def read_from_the_table(command: Command, words: list[str]) -> Parsed | str:
    try:
        return parse(command, words) or "help"
    except UsageError:
        return "refused"


_WORDS = st.sampled_from(
    [
        "key",
        "-",
        "--",
        "",
        "a b",
        "-x",
        "-n",
        "-nn",
        "-nx",
        "-n=1",
        "-n-",
        "--no-newline",
        "--only",
        "--only=a*",
        "--except=",
        "--nope",
        "--bare",
        "--bare=1",
        "--server",
        "--server=x",
        "--format",
        "--format=json",
        "--identity=",
    ]
)


@pytest.mark.parametrize("command", [GET, RUN])
@given(words=st.lists(_WORDS, max_size=6))
def test_both_parsers_read_a_line_alike(command: Command, words: list[str]) -> None:
    assert read_with_typer(command, words) == read_from_the_table(command, words)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_has_every_option_of_the_table(command: Command) -> None:
    for flag in ("--help", "-h"):
        result = CliRunner().invoke(APP, [command.name, flag], env={"COLUMNS": "200"})
        assert result.exit_code == 0
        assert command.help in result.stdout
        for option in command.options:
            assert f"{option.flag} {option.metavar or ''}".strip() in result.stdout
            assert all(flag in result.stdout for flag in option.flags)
        if command.arguments:
            assert command.arguments.metavar in result.stdout
        assert all(f"  {line}\n" in result.stdout for line in command.examples)
        text = " ".join(result.stdout.split())
        assert all((f" {row.code} {row.meaning}" in text) == (row.code in command.exits) for row in EXITS)


def test_help_has_every_command_and_exit_code() -> None:
    shown = " ".join(CliRunner().invoke(APP, ["--help"]).stdout.split())
    for command in COMMANDS:
        assert f"{command.name} " in shown
    for row in EXITS:
        assert f"{row.code} {row.meaning}" in shown


def test_a_path_is_handed_on() -> None:
    parsed = read_with_typer(KEYGEN, ["--bare", "here.key"])
    assert isinstance(parsed, Parsed)
    assert (parsed.arguments, parsed.switch("bare")) == (("here.key",), True)
    assert read_with_typer(KEYGEN, []) == Parsed(command=KEYGEN, values={"bare": False}, arguments=())

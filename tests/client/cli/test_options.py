from __future__ import annotations

import re
import shlex

import pytest

from coffer_client.cli.exits import EXITS
from coffer_client.cli.options import COMMANDS, CONFIG, GET, HELP, HELP_FLAGS, KEYGEN, PROGRAM, RUN, Command, parse
from coffer_client.errors import UsageError


def test_options_and_arguments_in_any_order() -> None:
    parsed = parse(GET, ["a", "--server", "coffer://", "b", "--format=json", "--bare", "-", "--", "--c"])
    assert parsed is not None
    assert parsed.arguments == ("a", "b", "-", "--c")
    assert (parsed.text("server"), parsed.text("format"), parsed.text("identity")) == ("coffer://", "json", None)
    assert parsed.switch("bare")


@pytest.mark.parametrize("words", [["--bare", "--", "ls", "--bare", "-h", "--"], ["--bare", "ls", "--bare", "-h", "--"]])
def test_a_commands_own_line_is_left_alone(words: list[str]) -> None:
    parsed = parse(RUN, words)
    assert parsed is not None
    assert parsed.arguments == ("ls", "--bare", "-h", "--")


def test_the_last_of_two_counts_and_a_value_may_be_anything() -> None:
    parsed = parse(GET, ["--format", "json", "--format", "--server", "--prefix="])
    assert parsed is not None
    assert (parsed.text("format"), parsed.text("prefix")) == ("--server", "")


def test_what_may_be_given_several_times_keeps_all_in_order() -> None:
    parsed = parse(GET, ["--only", "b*", "key", "--only=a,b", "--only", "--except"])
    assert parsed is not None
    assert (parsed.texts("only"), parsed.texts("except")) == (("b*", "a,b", "--except"), ())
    assert parsed.arguments == ("key",)


@pytest.mark.parametrize("words", [["-n", "key"], ["key", "-nn"], ["key", "--no-newline"]])
def test_a_switch_may_have_a_letter(words: list[str]) -> None:
    parsed = parse(GET, words)
    assert parsed is not None
    assert parsed.switch("no-newline")
    assert parsed.arguments == ("key",)


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["key", "--bare", "-h"], ["--server", "x", "--help"], ["-nh"]])
def test_help_is_for_somebody_else(words: list[str]) -> None:
    assert parse(GET, words) is None


def test_the_manuals_know_the_flags_for_help() -> None:
    assert HELP.flags == HELP_FLAGS


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--nope"], "no option --nope"),
        (["--nope=canary"], "no option --nope:"),
        (["-x"], "no option -x"),
        (["-nx"], "no option -x:"),
        (["-xcanary"], "no option -x:"),
        (["-n-"], "no option --:"),
        (["--server"], "--server needs a value: --server ADDRESS"),
        (["--server", ""], "--server is empty: give it a value \\(ADDRESS\\), or leave it out"),
        (["--identity="], "--identity is empty"),
        (["--only=a", "--only="], "--only is empty"),
        (["--bare=1"], "--bare takes no value"),
    ],
)
def test_what_is_not_known_is_refused(words: list[str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        parse(GET, words)
    assert "canary" not in str(caught.value)


def test_arguments_are_counted() -> None:
    with pytest.raises(UsageError, match=r"missing.*coffer-client run --help"):
        parse(RUN, ["--"])
    with pytest.raises(UsageError, match="more arguments than 1"):
        parse(KEYGEN, ["a", "b"])


@pytest.mark.parametrize("command", [GET, RUN], ids=lambda command: command.name)
def test_where_the_line_is_parsed_here_only_switches_have_letters(command: Command) -> None:
    for option in command.options:
        assert option.letter is None or option.metavar is None


def test_a_switch_is_not_repeatable() -> None:
    for option in (option for command in COMMANDS for option in command.options):
        assert not option.is_repeatable or option.metavar is not None


def test_every_option_and_argument_has_its_help() -> None:
    for command in COMMANDS:
        assert command.help.endswith(".")
        assert all(option.help.endswith(".") for option in command.options)
        assert command.arguments is None or command.arguments.help.endswith(".")


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

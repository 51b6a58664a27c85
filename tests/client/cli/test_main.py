from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import pytest

from coffer_client.cli import help as helps
from coffer_client.cli import main as cli
from coffer_client.cli.options import COMMANDS
from coffer_client.errors import UsageError
from coffer_common.command_line import HELP, VERSION, Command, Parsed


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["get", "key"], "COFFER_SERVER"),
        (
            ["get", "--format", "xml"],
            "--format: expected one of raw, shell, dotenv, json, toml, docker, compose, systemd, gitlab, github, null",
        ),
        (["get", "key", "--only", "*", "--upper"], "--only and --upper: raw prints one value without its name"),
        (["get", "--format", "json", "-n"], "-n can only be used with raw"),
        (["get", "--to-dir", "x", "-n"], "-n can only be used with raw"),
        (["get", "--to-dir", "x", "--format", "raw"], "--to-dir and --format exclude each other"),
        (["get", "--to-dir", "/"], "--to-dir /: this folder cannot be replaced"),
        (["watch", "--prefix", "x"], "--prefix: only with --exec"),
        (["get", "--nope"], "no such option --nope"),
        (["get", "key", "--server", ""], "--server is empty\nhint: "),
        (["watch", "--state="], "--state is empty\nhint: "),
        (["get", "key", "--server", "x"], "the server's address: "),
        (["run"], "missing"),
        (["run", "--", "true"], "COFFER_SERVER"),
    ],
)
def test_wrong_usage_is_told(home: Path, capfd: pytest.CaptureFixture[str], words: list[str], reason: str) -> None:
    assert cli.run(words) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("coffer-client: ")
    assert reason in err


@pytest.mark.parametrize("words", [["get", "--format=shell", "--nope"], ["gett", "--format", "shell"], ["--nope", "--format", "shell"]])
def test_a_line_that_cannot_be_read_fails_in_the_shell_too(home: Path, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.run(words) == 2
    assert capfd.readouterr().out == "(exit 2)\n"


@pytest.mark.parametrize("words", [["get", "--", "--format", "shell"], ["run", "--nope", "--format", "shell"]])
def test_what_is_not_for_eval_is_not_answered_for_it(home: Path, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.run(words) == 2
    assert capfd.readouterr().out == ""


def raise_interrupt(parsed: Parsed) -> NoReturn:
    raise KeyboardInterrupt


def raise_mistake(parsed: Parsed) -> NoReturn:
    raise RuntimeError("a mistake")


def test_an_interruption_is_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["get", "--format=shell"], lambda name: raise_interrupt) == 130
    assert capfd.readouterr() == ("(exit 130)\n", "")


def test_a_mistake_of_ours_fails_in_the_shell_too(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError):
        cli.run(["get", "--format=shell"], lambda name: raise_mistake)
    assert capfd.readouterr().out == "(exit 1)\n"


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_printed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], flag: str) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert cli.run([flag]) == 0
    assert capfd.readouterr() == (helps.of_program(70), "")
    for command in COMMANDS:
        assert cli.run([command.name, flag]) == 0
        assert capfd.readouterr() == (helps.of_command(command, 70), "")


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capfd.readouterr() == (f"coffer-client {version('coffer-secrets')}\n", "")


def test_without_a_command_the_help_is_an_error(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert cli.run([]) == 2
    assert capfd.readouterr() == ("", helps.of_program(70))


def test_a_usage_error_is_a_sentence_and_a_hint(capfd: pytest.CaptureFixture[str]) -> None:
    for words, shown in (
        (["gett"], "coffer-client: no such command 'gett'\nhint: did you mean get?\n"),
        (["run", "--pristin", "env"], "coffer-client: no such option --pristin\nhint: did you mean --pristine?\n"),
        (["completion"], "coffer-client: an argument is missing: bash|zsh|fish\nhint: `coffer-client completion --help` describes it\n"),
    ):
        assert cli.run(words) == 2
        assert capfd.readouterr() == ("", shown)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_is_found_by_its_name(command: Command) -> None:
    assert cli.find(command.name) is command


@pytest.mark.parametrize(
    ("word", "sentence", "hint"),
    [
        ("gett", "no such command 'gett'", "did you mean get?"),
        ("Config", "no such command 'Config'", "did you mean config?"),
        ("", "no such command ''", "`coffer-client --help` lists the commands"),
        ("publish-it", "no such command 'publish-it'", "`coffer-client --help` lists the commands"),
        ("--versoin", "no such option --versoin", "did you mean --version?"),
        ("--server=canary", "no such option --server", "`coffer-client --help` lists the options"),
        ("-x", "no such option -x", "`coffer-client --help` lists the options"),
    ],
)
def test_what_is_no_command_is_refused(word: str, sentence: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        cli.find(word)
    assert (str(caught.value), caught.value.hint) == (sentence, hint)


def test_the_programs_own_options_are_no_commands() -> None:
    for flag in (*HELP.flags, *VERSION.flags):
        with pytest.raises(UsageError):
            cli.find(flag)

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from coffer_client.cli import main as cli
from coffer_client.cli.options import Parsed


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["get", "key"], "COFFER_SERVER"),
        (["get", "--format", "xml"], "--format is one of raw, shell, dotenv, json, toml, docker, null"),
        (["get", "key", "--only", "*", "--upper"], "--only and --upper: raw prints one value without its name"),
        (["get", "--format", "json", "-n"], "-n is for raw"),
        (["get", "--to-dir", "x", "-n"], "-n is for raw"),
        (["get", "--to-dir", "x", "--format", "raw"], "--to-dir has a form of its own"),
        (["get", "--to-dir", "/"], "--to-dir /: this folder cannot be replaced"),
        (["watch", "--prefix", "x"], "--prefix: these go with --exec"),
        (["get", "--nope"], "no option --nope"),
        (["get", "key", "--server", ""], "--server is empty: "),
        (["watch", "--state="], "--state is empty: "),
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


def test_help_and_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    assert "Usage: coffer-client" in capfd.readouterr().out
    assert cli.run(["get", "--help"]) == 0
    assert "--format raw|shell|dotenv|json|toml|docker|null" in capfd.readouterr().out
    assert cli.run(["--version"]) == 0
    assert capfd.readouterr().out.startswith("coffer-client ")


def test_no_command_shows_the_help() -> None:
    assert cli.run([]) == 2

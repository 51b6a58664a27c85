"""The command line as a whole: its commands, and how it ends. What each command does is in the test file of its module."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from coffer_common.program import version_line
from coffer_companion import PROGRAM
from tests.companion.conftest import Operator
from tests.support import ROOT

from .command_lines import Run, good

COMMANDS = [
    "init",
    "keygen",
    "id",
    "check",
    "explain",
    "import",
    "upload",
    "diff",
    "rollback",
    "renew",
    "address",
    "history",
    "show",
    "verify",
    "status",
]


def test_the_help_lists_the_commands_in_the_order_in_which_they_are_needed(run: Run) -> None:
    shown = good(run("--help")).out
    listed = re.findall(r"^  (?:│ )?([a-z]+)  ", shown[shown.index("Commands") :], flags=re.MULTILINE)
    assert listed == [*COMMANDS, "publishers"]


def test_the_version_is_the_programs(run: Run) -> None:
    assert good(run("--version")).out == f"{version_line(PROGRAM)}\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["uplaod"], "no such command 'uplaod'\nhint: did you mean upload?\n"),
        (["upload"], "an argument is missing: FILE\nhint: `coffer-companion upload --help` describes it\n"),
        (["upload", "--nope"], "no such option --nope\nhint: `coffer-companion upload --help` lists the options\n"),
        (["publishers", "invite"], "no such command 'invite'\nhint: `coffer-companion publishers --help` lists the commands\n"),
        (["history", "--limit", "0"], "--limit: expected a whole number from 1\n"),
        (["rollback", "canary"], "SERIAL: expected a whole number from 1\n"),
        (["show", "1.5"], "SERIAL: expected a whole number from 1\n"),
        (["upload", "secrets.toml", "--accept-restart", "9" * 21], "--accept-restart: expected a whole number from 1\n"),
        (["import", "canary", "secrets.toml", "web"], "SOURCE: expected one of dotenv, json, sops, folder, environment\n"),
    ],
)
def test_a_line_that_cannot_be_read_is_exit_2(run: Run, words: list[str], told: str) -> None:
    done = run(*words)
    assert (done.code, done.out, done.err) == (2, "", f"coffer-companion: {told}")


def test_a_stdout_that_is_full_is_one_sentence(operator: Operator) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "coffer_companion", "check", str(operator.write("[web]\na = 1", "web"))],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(operator.home)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"coffer-companion: stdout cannot be written: {os.strerror(28)}" in done.stderr
    assert "Traceback" not in done.stderr

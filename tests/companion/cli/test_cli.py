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


@pytest.mark.parametrize("words", [["uplaod"], ["upload"], ["upload", "--nope"], ["publishers", "invite"]])
def test_a_line_that_cannot_be_read_is_exit_2(run: Run, words: list[str]) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert "Usage: coffer-companion" in done.err


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

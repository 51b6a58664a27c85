from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from coffer_client.cli import main as cli

from ..doctor.examinations import PROGRAM, Doctor


def test_a_line_for_each_step(examined: Doctor, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor"]) == 2
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("✓ versions       Python")
    assert lines[1].startswith("✓ libraries      each has")
    assert lines[2].startswith("✗ configuration  no server is named")
    assert lines[3].startswith("                 → ")
    assert lines[-1].startswith("- clock ")


@pytest.mark.parametrize("is_coloured", [True, False])
def test_colours_are_for_a_terminal_that_wants_them(home: Path, is_coloured: bool) -> None:
    ours, terminal = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "" if is_coloured else "1"}
    with subprocess.Popen(PROGRAM, stdout=terminal, env=environment) as process:
        os.close(terminal)
        shown = b""
        try:
            while data := os.read(ours, 1 << 16):
                shown += data
        except OSError:
            # How Linux says that the other end is closed.
            pass
        assert process.wait() == 2
    os.close(ours)
    assert (b"\x1b[31m\xe2\x9c\x97\x1b[0m configuration" in shown) == is_coloured
    assert (b"\x1b" in shown) == is_coloured


def test_a_pipe_has_no_colours_and_the_exit_code_is_the_processs(home: Path) -> None:
    done = subprocess.run(PROGRAM, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (2, b"")
    assert b"\x1b" not in done.stdout

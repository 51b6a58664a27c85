from __future__ import annotations

from pathlib import Path

import pytest

from coffer_client.cli import main as cli
from coffer_client.cli.completion import SCRIPTS


@pytest.mark.parametrize("shell", SCRIPTS)
def test_completion_prints_a_shells_script(home: Path, capfd: pytest.CaptureFixture[str], shell: str) -> None:
    assert cli.run(["completion", shell]) == 0
    assert capfd.readouterr() == (SCRIPTS[shell](), "")


@pytest.mark.parametrize("words", [["csh"], [], ["bash", "zsh"]])
def test_completion_is_for_one_shell_that_it_knows(home: Path, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.run(["completion", *words]) == 2
    assert capfd.readouterr().out == ""

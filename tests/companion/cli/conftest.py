from __future__ import annotations

import sys
from pathlib import Path

import pytest

import coffer_companion.cli
from tests.companion.conftest import Operator

from .command_lines import Done, Run, good


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `coffer-companion` with these arguments in this process."""

    def command(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["coffer-companion", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            coffer_companion.cli.app()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(code=ended.value.code, out=printed.out, err=printed.err)

    return command


@pytest.fixture
def published(operator: Operator, run: Run) -> Operator:
    """Three releases: web and worker; web changed; worker removed and job added."""
    good(run("upload", operator.write("[web]\na = 1\n[worker]\nb = 1", "web", "worker")))
    good(run("upload", operator.write("[web]\na = 2\n[worker]\nb = 1", "web", "worker")))
    good(run("upload", "--allow-removals", operator.write("[web]\na = 2\n[job]\nc = 1", "web", "job")))
    return operator

"""Runs our commands as a person would, in a home of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support import ROOT

TIMEOUT_S: Final = 120.0


def home_environment(home: Path) -> dict[str, str]:
    """This process's environment for a user who lives in `home`, and has set nothing of Coffer's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COFFER_", "XDG_"))}
    folders = {"XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state", "XDG_CACHE_HOME": "cache"}
    for folder in (home, *(home / name for name in folders.values())):
        folder.mkdir(parents=True, exist_ok=True)
    return kept | {"HOME": str(home), "PYTHONPATH": str(ROOT)} | {variable: str(home / name) for variable, name in folders.items()}


def commands_folder(folder: Path) -> Path:
    """A folder with `coffer-client`, `coffer-companion` and `coffer-server`, which run this checkout's code."""
    folder.mkdir()
    for program in ("client", "companion", "server"):
        path = folder / f"coffer-{program}"
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m coffer_{program} "$@"\n')
        path.chmod(0o755)
    return folder


def run(module: str, *arguments: str | Path, environment: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """Run `python -m MODULE` to its end."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL)


def run_well(module: str, *arguments: str | Path, environment: Mapping[str, str], cwd: Path) -> str:
    """The same where it must succeed: what it printed."""
    done = run(module, *arguments, environment=environment, cwd=cwd)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def missing_programs(*names: str) -> list[str]:
    """Those of these programs that this machine does not have."""
    return [name for name in names if shutil.which(name) is None]

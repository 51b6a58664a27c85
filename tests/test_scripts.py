"""scripts/setup: when it makes .venv, with which Python, and what it says if it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

# A Python that knows its version and writes down what it is told to install.
PYTHON = """#!/bin/sh
case $1 in
    -c) exec {real} "$@" ;;
esac
echo "$0 $*" >> {calls}
if [ "$2" = venv ]; then
    rm -rf .venv
    mkdir -p .venv/bin
    echo "executable = $0" > .venv/pyvenv.cfg
    cp "$0" .venv/bin/python
fi
"""
OLD = """#!/bin/sh
exit 1
"""
NEEDED = ("scripts/setup", "pyproject.toml", "tests/requirements.lock", "coffer_client/coffer-client")


class Clone:
    """What scripts/setup needs of a clone, and a Python to set it up with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "my clone"
        self.calls = folder / "calls"
        for name in NEEDED:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        self.path = folder / "path"
        self.path.mkdir()
        self.put("python3", OLD)
        self.new = self.put("python3.new", PYTHON.format(real=sys.executable, calls=self.calls))

    def put(self, name: str, text: str) -> Path:
        """Put a program onto the path."""
        program = self.path / name
        program.write_text(text)
        program.chmod(0o755)
        return program

    def setup(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run scripts/setup from another folder."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHON"}
        environment |= {"PATH": f"{self.path}:{os.environ['PATH']}"} | variables
        return subprocess.run([self.folder / "scripts" / "setup"], env=environment, cwd="/", capture_output=True, text=True, check=False)

    def made(self) -> int:
        """Return how often .venv was made since this was last asked."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return sum("-m venv" in line for line in lines)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_it_makes_the_environment_once_and_keeps_its_python(clone: Clone) -> None:
    assert clone.setup(PYTHON="python3.new").returncode == 0
    assert clone.made() == 1
    for variables in ({}, {"PYTHON": "python3.new"}, {}):
        ran = clone.setup(**variables)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert clone.made() == 0


@pytest.mark.parametrize("name", NEEDED[1:])
def test_it_makes_the_environment_again_if_what_it_depends_on_changes(name: str, clone: Clone) -> None:
    clone.setup(PYTHON="python3.new")
    with (clone.folder / name).open("a") as file:
        file.write("# changed\n")
    assert clone.setup().returncode == 0
    assert clone.made() == 2


def test_a_clone_that_was_moved_or_copied_makes_its_own(clone: Clone) -> None:
    clone.setup(PYTHON="python3.new")
    first = clone.folder
    clone.folder = first.with_name("copy")
    shutil.copytree(first, clone.folder)
    assert clone.setup().returncode == 0
    assert clone.made() == 2
    clone.folder = clone.folder.rename(first.with_name("moved"))
    assert clone.setup().returncode == 0
    assert clone.made() == 1
    clone.folder = first
    assert clone.setup().returncode == 0
    assert clone.made() == 0


def test_a_python_that_is_gone_is_forgotten(clone: Clone) -> None:
    clone.setup(PYTHON="python3.new")
    clone.new.rename(clone.path / "python3")
    assert clone.setup().returncode == 0


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "scripts/setup: python3 is older than Python 3.11: name a newer one, as in PYTHON=python3.12 "),
        ({"PYTHON": "nope"}, "scripts/setup: there is no program nope: name one of Python 3.11 or newer, as in PYTHON=python3.12 "),
        ({"PYTHON": "python3.new", "TMPDIR": "/nowhere"}, "scripts/setup: there is no folder /nowhere that you can write, "),
    ],
    ids=["old", "no such program", "no folder for temporary files"],
)
def test_it_says_what_is_missing_before_it_makes_anything(variables: dict[str, str], said: str, clone: Clone) -> None:
    ran = clone.setup(**variables)
    assert ran.returncode == 1
    assert ran.stderr.startswith(said)
    assert ran.stderr.count("\n") == 1
    assert clone.made() == 0
    assert not (clone.folder / ".venv").exists()

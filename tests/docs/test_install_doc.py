"""docs/install.md: `man` finds the pages where the page says, and its commands do what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

from .commands import missing_programs

TEXT = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
PAGE = Path("share", "man", "man1", "coffer-client-get.1")


@pytest.fixture(autouse=True)
def programs() -> None:
    if missing := missing_programs("man"):
        pytest.skip(f"this machine has no {' and no '.join(missing)}")


def put(prefix: Path) -> Path:
    """Put the pages below a prefix as an installation does, and return the folder of programs."""
    shutil.copytree(ROOT / "docs" / "share" / "man", prefix / "share" / "man")
    (prefix / "bin").mkdir()
    return prefix / "bin"


def found(programs: Path, home: Path) -> str:
    """Return which page `man` finds while a folder of programs is in PATH, without the links that lead to it."""
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home)}
    ran = subprocess.run(["man", "-w", "coffer-client-get"], env=environment, capture_output=True, text=True, check=False)
    return ran.stdout.strip()


@pytest.mark.parametrize("prefix", ["my environment", ".local"])
def test_man_finds_the_pages_of_a_prefix_whose_programs_are_in_path(prefix: str, tmp_path: Path) -> None:
    programs = put(tmp_path / prefix)
    assert found(programs, tmp_path) == str(tmp_path / prefix / PAGE)
    shutil.rmtree(tmp_path / prefix / "share")
    assert found(programs, tmp_path) == ""


def test_the_pages_of_a_tool_of_uv_are_linked_by_what_it_says(tmp_path: Path) -> None:
    put(tmp_path / "tools" / "coffer-secrets")
    bin_folder = tmp_path / ".local" / "bin"
    bin_folder.mkdir(parents=True)
    uv = bin_folder / "uv"
    uv.write_text(f'#!/bin/sh\n[ "$*" = "tool dir" ] && echo "{tmp_path}/tools"\n')
    uv.chmod(0o755)
    assert found(bin_folder, tmp_path) == ""
    environment = {"PATH": f"{bin_folder}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    for _ in range(2):
        subprocess.run(["sh", "-eu", "-c", BLOCKS[0]], env=environment, check=True)
    assert found(bin_folder, tmp_path) == str(tmp_path / "tools" / "coffer-secrets" / PAGE)


def test_the_table_names_where_scripts_are_found_otherwise() -> None:
    client = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    assert "client.md#completion" in TEXT
    assert "\n## Completion\n" in client
    assert "coffer-client completion SHELL" in client

"""docs/importing.md says what happens: its commands are run as they are written, and its tables name what the code has."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from coffer_companion.cli.imports import Source
from coffer_companion.importers.dotenv.reading import DIALECTS
from tests.companion.definitions import clients
from tests.docs.commands import commands_folder, home_environment, missing_programs
from tests.docs.test_examples import blocks_of, matches
from tests.support import ROOT

TEXT = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")


def test_the_page_runs(tmp_path: Path) -> None:
    if missing := missing_programs("bash"):
        pytest.skip(f"this machine has no {' and no '.join(missing)}")
    folder = tmp_path / "operator"
    environment = home_environment(folder) | {"PATH": f"{commands_folder(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}"}
    (folder / "secrets.toml").write_text(f"{clients('web')}[web]\n", encoding="utf-8")
    refused, taken = blocks_of(TEXT)
    for block, code in ((refused, 2), (taken, 0)):
        done = subprocess.run(
            ["bash", "-eu", "-c", block.commands], cwd=folder, env=environment, check=False, timeout=60, capture_output=True, text=True
        )
        assert done.returncode == code
        assert block.output is not None
        assert matches(block.output, done.stdout + done.stderr), done.stderr
    assert 'PASSWORD = "pa$word1"' in (folder / "secrets.toml").read_text(encoding="utf-8")


def test_the_tables_are_whole() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", TEXT, flags=re.MULTILINE)
    assert rows == [*Source, *DIALECTS]

"""docs/releases.md says what happens: its commands are run as they stand, and print what it says; its exit codes are the code's.

The width of a column depends on what is in it, so spaces count as one.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from coffer_companion.errors import EXIT_CHANGES, EXITS
from tests.docs.commands import commands_folder, home_environment, missing_programs, run_well
from tests.docs.test_examples import blocks_of, matches, script_of
from tests.server.running import running_server
from tests.support import ROOT

TEXT = (ROOT / "docs" / "releases.md").read_text(encoding="utf-8")


def squeezed(text: str) -> str:
    return re.sub(r" +", " ", text)


def test_the_page_runs(tmp_path: Path) -> None:
    if missing := missing_programs("bash", "sed"):
        pytest.skip(f"this machine has no {' and no '.join(missing)}")
    folder, outputs = tmp_path / "operator", tmp_path / "outputs"
    outputs.mkdir()
    environment = home_environment(folder) | {"PATH": f"{commands_folder(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}"}
    for client in ("web", "worker"):
        run_well("coffer_client", "keygen", folder / f"{client}.key", environment=environment, cwd=folder)
    (definition,) = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    (folder / "secrets.toml").touch(mode=0o600)
    (folder / "secrets.toml").write_text(definition, encoding="utf-8")
    blocks = blocks_of(TEXT)
    with running_server(tmp_path / "server") as server:
        line = run_well("coffer_companion", "init", str(server.address), environment=environment, cwd=folder)
        server.add_publisher("secrets", line.split()[-1])
        environment["DIR"] = str(server.state_dir)
        script = script_of(blocks, outputs)
        done = subprocess.run(["bash", "-eu", "-c", script], cwd=folder, env=environment, check=False, timeout=600)
    for number, block in enumerate(blocks):
        printed = (outputs / str(number)).read_text() if (outputs / str(number)).exists() else ""
        assert block.output is None or matches(squeezed(block.output), squeezed(printed)), f"line {block.line} printed:\n{printed}"
    assert done.returncode == 0


def test_the_exit_codes_are_the_codes() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, flags=re.MULTILINE)}
    known = {row.code for row in EXITS if row.code}
    # `diff --exit-code` refuses nothing; the text has it where it belongs.
    assert documented == known - {EXIT_CHANGES}
    assert f"exits with {EXIT_CHANGES}" in TEXT

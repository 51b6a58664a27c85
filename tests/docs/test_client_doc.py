"""docs/client.md says what happens: its commands are run as they stand, and print what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from docs.manuals.page import by_hand
from tests.docs.commands import commands_folder, home_environment, missing_programs, run_well
from tests.docs.test_examples import blocks_of, matches, script_of
from tests.server.running import running_server
from tests.support import ROOT

# The reference is made, and tested with what makes it.
TEXT: Final = by_hand((ROOT / "docs" / "client.md").read_text(encoding="utf-8"))


def test_the_page_runs(tmp_path: Path) -> None:
    if missing := missing_programs("bash", "cut"):
        pytest.skip(f"this machine has no {' and no '.join(missing)}")
    folder, outputs = tmp_path / "home", tmp_path / "outputs"
    outputs.mkdir()
    environment = home_environment(folder) | {"PATH": f"{commands_folder(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}"}
    line = run_well("coffer_client", "keygen", environment=environment, cwd=folder)
    (secrets,) = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    definition = folder / "secrets.toml"
    definition.touch(mode=0o600)
    definition.write_text("[clients]\n" + re.sub(r"^\S+ =", "web =", line) + secrets, encoding="utf-8")
    blocks = blocks_of(TEXT)
    with running_server(tmp_path / "server") as server:
        publisher = run_well("coffer_companion", "init", str(server.address), environment=environment, cwd=folder)
        server.add_publisher("secrets", publisher.split()[-1])
        uploaded = run_well("coffer_companion", "upload", definition, environment=environment, cwd=folder)
        environment["ADDRESS"] = uploaded.splitlines()[-1]
        done = subprocess.run(["bash", "-eu", "-c", script_of(blocks, outputs)], cwd=folder, env=environment, check=False, timeout=600)
    for number, block in enumerate(blocks):
        printed = (outputs / str(number)).read_text() if (outputs / str(number)).exists() else ""
        assert block.output is None or matches(block.output, printed), f"line {block.line} printed:\n{printed}"
    assert done.returncode == 0

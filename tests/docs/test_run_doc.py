"""docs/run.md says what happens: its commands are run as they stand, and print what it says; its numbers are the code's."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from coffer_client.config.credential import Credential
from coffer_client.process import redaction, supervisor
from tests.client.fake_server import FakeServer, staying
from tests.support import ROOT, identity

from .commands import TIMEOUT_S, commands_folder, home_environment, missing_programs
from .test_examples import blocks_of, matches, script_of

TEXT = (ROOT / "docs" / "run.md").read_text(encoding="utf-8")


def test_the_page_runs(tmp_path: Path) -> None:
    if missing := missing_programs("bash"):
        pytest.skip(f"this machine has no {' and no '.join(missing)}")
    folder, outputs = tmp_path / "home", tmp_path / "outputs"
    outputs.mkdir()
    (secrets,) = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    client = Credential(identity=identity("web"))
    blocks = blocks_of(TEXT)
    with FakeServer(staying(client, tomllib.loads(secrets))) as server:
        environment = home_environment(folder) | {
            "PATH": f"{commands_folder(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}",
            "COFFER_SERVER": str(server.address()),
            "COFFER_IDENTITY_TEXT": client.identity.secret_text(),
        }
        script = script_of(blocks, outputs)
        done = subprocess.run(["bash", "-eu", "-c", script], cwd=folder, env=environment, check=False, timeout=TIMEOUT_S)
    for number, block in enumerate(blocks):
        printed = (outputs / str(number)).read_text() if (outputs / str(number)).exists() else ""
        assert block.output is not None
        assert matches(block.output, printed), f"line {block.line} printed:\n{printed}"
    assert done.returncode == 0


def test_its_numbers_are_the_codes() -> None:
    assert f"shorter than {redaction.LEAST_BYTES} bytes" in TEXT
    assert f"the last {redaction.REMEMBERED:,} texts" in TEXT
    assert f"waits for {supervisor.DRAIN_S:.3g} s at most" in TEXT

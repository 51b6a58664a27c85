"""docs/templates.md: its files are made, its commands are run in their order, and print what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from coffer_client.delivery.template import Template
from tests.server.running import running_server
from tests.support import ROOT

from .commands import commands_folder, home_environment, missing_programs, run_well
from .test_examples import blocks_of, matches, script_of

TEXT: Final = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")
FILES: Final = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", TEXT, flags=re.DOTALL)
_GUARD_S: Final = 120.0


def test_the_page_runs(tmp_path: Path) -> None:
    if missing := missing_programs("bash"):
        pytest.skip(f"this machine has no {' and no '.join(missing)}")
    folder, outputs = tmp_path / "machine", tmp_path / "outputs"
    outputs.mkdir()
    environment = home_environment(folder) | {"PATH": f"{commands_folder(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}"}
    line = run_well("coffer_client", "keygen", environment=environment, cwd=folder)
    for name, content in FILES:
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(content, encoding="utf-8")
    definition = folder / "secrets.toml"
    key = line.partition(" = ")[2]
    definition.write_text(f"[clients]\nweb = {key}\n{definition.read_text()}")
    blocks = blocks_of(TEXT)
    with running_server(tmp_path / "server") as server:
        publisher = run_well("coffer_companion", "init", str(server.address), environment=environment, cwd=folder)
        server.add_publisher("secrets", publisher.split()[-1])
        uploaded = run_well("coffer_companion", "upload", "secrets.toml", environment=environment, cwd=folder)
        environment["COFFER_SERVER"] = uploaded.splitlines()[-1]
        script = script_of(blocks, outputs)
        done = subprocess.run(["bash", "-eu", "-c", script], cwd=folder, env=environment, check=False, timeout=_GUARD_S)
    for number, block in enumerate(blocks):
        printed = (outputs / str(number)).read_text() if (outputs / str(number)).exists() else ""
        assert block.output is not None
        assert matches(block.output, printed), f"line {block.line} printed:\n{printed}"
    assert done.returncode == 0


def test_what_it_says_of_names_and_values_is_read_by_jinja() -> None:
    spans = re.findall(r"`(\{\{.*?\}\})`", TEXT)
    assert len(spans) > 5
    for span in spans:
        # A table has its own way to write a bar.
        Template(span.replace("\\|", "|"), name=span)

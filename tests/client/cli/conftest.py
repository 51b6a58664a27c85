from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coffer_client.cli import main as cli
from coffer_client.config.credential import Credential
from coffer_protocol.address import ServerAddress

from ..fake_server import FakeServer, Script, expecting_visits
from .command_lines import Configure
from .doctor.examinations import Doctor


@pytest.fixture
def served(configured: Configure, whole: Credential) -> Callable[[Script, list[str]], int]:
    """Runs a command line against a server that follows a script, and gives the exit code."""

    def run(script: Script, words: list[str]) -> int:
        with FakeServer(script) as server:
            configured(server, whole)
            return cli.run(words)

    return run


@pytest.fixture
def examined(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], whole: Credential) -> Doctor:
    """Runs `doctor --json` against an address or a script; what it says, once its exit code has been compared with it."""
    monkeypatch.setenv("COFFER_IDENTITY_TEXT", whole.identity.secret_text())

    def run(server: Script | ServerAddress | None, *words: str) -> dict[str, Any]:
        if callable(server):
            with FakeServer(expecting_visits(server)) as listening:
                return run(listening.address(), *words)
        if server is not None:
            words = ("--server", str(server), *words)
        code = cli.run(["doctor", "--json", *words])
        out, err = capfd.readouterr()
        content: dict[str, Any] = json.loads(out)
        assert err == ""
        assert content["exit"] == code
        assert content["ok"] == (code == 0)
        return content

    return run

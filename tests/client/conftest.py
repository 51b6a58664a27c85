from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coffer_client.credential import Credential
from tests.support import ROOT, identity

from .fake_server import FakeServer


@pytest.fixture(params=[False, True], ids=["suite1", "suite0"])
def credential(request: pytest.FixtureRequest) -> Credential:
    """The client, by each of its two keys."""
    return Credential(identity=identity("web"), bare=request.param)


@pytest.fixture
def whole() -> Credential:
    """The client, known by its public key text."""
    return Credential(identity=identity("web"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with nothing in it, and an environment without COFFER_ variables."""
    for name in list(os.environ):
        if name.startswith(("COFFER_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    # The programs that tests start find the sources as the tests do.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def configured(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeServer, Credential], None]:
    """Sets COFFER_SERVER and COFFER_IDENTITY_TEXT (and COFFER_BARE) for a server and a client."""

    def configure(server: FakeServer, credential: Credential) -> None:
        monkeypatch.setenv("COFFER_SERVER", str(server.address(bare=credential.bare)))
        monkeypatch.setenv("COFFER_IDENTITY_TEXT", credential.identity.secret_text())
        monkeypatch.setenv("COFFER_BARE", "1" if credential.bare else "")

    return configure

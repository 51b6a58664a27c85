from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from coffer_client.config.credential import Credential
from tests.support import identity

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
def configured(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeServer, Credential], None]:
    """Sets COFFER_SERVER and COFFER_IDENTITY_TEXT (and COFFER_BARE) for a server and a client."""

    def configure(server: FakeServer, credential: Credential) -> None:
        monkeypatch.setenv("COFFER_SERVER", str(server.address(bare=credential.bare)))
        monkeypatch.setenv("COFFER_IDENTITY_TEXT", credential.identity.secret_text())
        monkeypatch.setenv("COFFER_BARE", "1" if credential.bare else "")

    return configure

"""What tests of the doctor read from an examination."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from coffer_client.cli.doctor import FAIL, SKIP, Asked, Step, examine
from coffer_client.config.credential import Credential
from coffer_client.config.lookup import Configuration
from coffer_client.config.settings import Settings, trust_of
from coffer_protocol.address import ServerAddress

from ...fake_server import FakeServer

Configure = Callable[[FakeServer, Credential], None]
Doctor = Callable[..., dict[str, Any]]
LOCAL = ["versions", "libraries", "configuration", "identity", "ml-kem", "state", "evidence", "cache"]
HOST = ["name", "tcp", "hello"]
RELEASE = ["known", "release", "expiry", "clock"]
# Nothing here takes so long; it ends a test that would hang.
GUARD_S = 60.0
PROGRAM = [sys.executable, "-m", "coffer_client", "doctor"]


def states(content: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["state"] for step in content["steps"]}


def step_of(content: dict[str, Any], name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [step for step in content["steps"] if step["name"] == name]
    assert len(found) == 1
    return found[0]


def failure(content: dict[str, Any], name: str, code: int) -> dict[str, Any]:
    """The one step that failed, which must be this one; nothing that depends on it was tried."""
    assert [step["name"] for step in content["steps"] if step["state"] == FAIL] == [name]
    assert content["exit"] == code
    names = [*LOCAL, *HOST, *RELEASE]
    if name in (*HOST, *RELEASE):
        assert {states(content)[later] for later in names[names.index(name) + 1 :]} <= {SKIP}
    return step_of(content, name)


def examine_as(whole: Credential, address: ServerAddress, **replaced: Any) -> dict[str, Step]:
    """The steps, by their names, with something in the place of the clock or of the system's names."""
    wanted = Settings(address=address, trust=trust_of(address), credential=whole)
    asked = Asked(
        load=lambda _: wanted,
        load_credential=lambda: whole,
        server=None,
        identity=None,
        configured=Configuration(os.environ, (), is_named=False),
    )
    return {step.name: step for step in examine(asked, **replaced)}

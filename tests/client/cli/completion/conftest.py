from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coffer_client.config.credential import Credential
from coffer_protocol.shard import SecretValue
from tests.client.fake_server import FakeServer, serving

from .shells import make_home

# Keys that a shell would take apart, or for something else.
SECRETS: dict[str, SecretValue] = {
    "db.url": "canary-1",
    "db.password": "canary-2",
    "it's": "canary-3",
    "with space": "canary-4",
    "$HOME`id`": "canary-5",
    'quo"te\\d': "canary-6",
    "ns:colon:key": "canary-7",
    "set=to": "canary-8",
    "~tilde*": "canary-9",
    "🔑 é": "canary-10",
    "-n": "canary-11",
    "!bang;&|": "canary-12",
    "[ab]": "canary-13",
}


@pytest.fixture
def cached(configured: Callable[[FakeServer, Credential], None], whole: Credential, home: Path) -> dict[str, str]:
    """The environment of somebody who has fetched once from a server that is gone, and in whose PATH the program stands."""
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        subprocess.run([sys.executable, "-m", "coffer_client", "get", "db.url"], check=True, capture_output=True)
    make_home(home)
    return {**os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import coffer_client
from coffer_client.config.credential import Credential
from coffer_protocol.shard import SecretValue
from tests.support import identity

from .fake_server import FakeServer, serving

PLENTY_S = 30.0
SECRETS: dict[str, SecretValue] = {"db.url": "postgres://", "port": 5432}


def test_fetch_takes_texts_and_paths(home: Path, whole: Credential) -> None:
    path = home / "client.key"
    path.write_text(whole.file_text())
    path.chmod(0o600)
    with FakeServer(serving(whole, SECRETS)) as server:
        coffer = coffer_client.fetch(server=str(server.address()), identity=path, timeout_s=PLENTY_S)
    assert coffer["db.url"] == "postgres://"


def test_fetch_takes_what_the_environment_says(configured: Callable[..., None], credential: Credential) -> None:
    with FakeServer(serving(credential, SECRETS)) as server:
        configured(server, credential)
        assert coffer_client.fetch(timeout_s=PLENTY_S)["port"] == 5432


def test_an_identity_can_be_used_by_its_bare_key(home: Path) -> None:
    bare = Credential(identity=identity("web"), bare=True)
    with FakeServer(serving(bare, SECRETS)) as server:
        coffer = coffer_client.fetch(server=server.address(bare=True), identity=bare.identity, bare=True, timeout_s=PLENTY_S)
    assert coffer["port"] == 5432

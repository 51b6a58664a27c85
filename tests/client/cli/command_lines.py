"""What tests of several command lines need."""

from __future__ import annotations

from collections.abc import Callable

from coffer_client.config.credential import Credential
from coffer_protocol.message import Hello
from coffer_protocol.shard import SecretValue

from ..fake_server import FakeServer, Peer, Script

SECRETS: dict[str, SecretValue] = {"db.url": "postgres://", "port": 5432, "certificate": b"\xff\x00"}
Configure = Callable[[FakeServer, Credential], None]
Served = Callable[[Script, list[str]], int]


def hang_up(peer: Peer) -> None:
    peer.expect(Hello)

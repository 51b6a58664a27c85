"""Run a real server with a published coffer, from which benchmarks fetch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coffer_common import keyfile
from coffer_protocol.address import ServerAddress
from coffer_protocol.identity import Identity
from tests.server.running import RunningServer, running_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A server that serves one client.

    Attributes:
        server: the process.
        address: what the client is given: server, coffer, publisher, serial.
        identity: the client's.
        identity_path: the same, as a file.
    """

    server: RunningServer
    address: ServerAddress
    identity: Identity
    identity_path: Path


def command(folder: Path, program: str, *arguments: str) -> str:
    """Run one of the programs with its files in `folder`; its standard output."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, check=True
    )
    return done.stdout


@contextmanager
def published(folder: Path) -> Iterator[Setting]:
    """A server in `folder`, and on it the coffer `bench` with a database's address for one client."""
    identity_path = folder / "client.key"
    identity = keyfile.create(identity_path)
    definition = folder / "bench.toml"
    definition.touch(mode=0o600)
    definition.write_text(
        f'[clients]\nweb = "{identity.public_text()}"\n[web]\ndb_url = "postgres://web:orchid-lantern@db.internal/shop"\n'
    )
    with running_server(folder / "server") as server:
        command(folder, "coffer_companion", "init", str(server.address))
        publisher = keyfile.read(folder / ".config" / "coffer" / "publisher.key")
        server.add_publisher("bench", publisher.public_text())
        address = ServerAddress.from_text(command(folder, "coffer_companion", "upload", "bench.toml").splitlines()[-1])
        yield Setting(server=server, address=address, identity=identity, identity_path=identity_path)

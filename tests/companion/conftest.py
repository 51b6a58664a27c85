from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TypeVar

import pytest
import trio

import coffer_client
from coffer_common import keyfile
from coffer_companion import settings
from coffer_companion.definition import load
from coffer_companion.releases.commit import Approve, Base, Drafting, based, make
from coffer_companion.releases.plan import Plan
from coffer_companion.releases.publishers import Addition, Retirement
from coffer_companion.releases.shards import wanted_shards
from coffer_companion.releases.upload import Publication
from coffer_companion.target import Target
from coffer_protocol.address import ServerAddress
from coffer_protocol.identity import Identity
from coffer_protocol.release.head import DEFAULT_LIFETIME_S, SignedHead
from coffer_server.state import StateFolder
from tests.server.running import RunningServer, running_server

# The real clock, as the server has it, which refuses what is issued ahead of it.
NOW = float(int(time.time()))

T = TypeVar("T")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's home with nothing in it, and an environment that says nothing."""
    for name in list(os.environ):
        if name.startswith(("COFFER_", "XDG_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server process for all tests that do not stop it: each publishes a coffer of its own."""
    with running_server(tmp_path_factory.mktemp("shared") / "server") as running:
        yield running


def approve_all(plan: Plan) -> None:
    """Go on with any plan."""


@dataclass
class Operator:
    """An operator with an identity that the server lets publish `coffer`, and with clients."""

    home: Path
    server: RunningServer
    coffer: str
    identity: Identity
    clients: dict[str, Identity] = field(default_factory=dict)

    @property
    def address(self) -> ServerAddress:
        """The server's."""
        return self.server.address

    @property
    def target(self) -> Target:
        """This operator's coffer."""
        return Target.at(self.address, self.coffer, self.identity)

    def other(self, *, trusts: bool = True) -> Target:
        """The same coffer as another publisher, whom the server lets in, and who may be told of this one."""
        other = Identity.generate()
        self.let_in(other)
        publishers = (self.identity.publisher_key(),) if trusts else ()
        return Target.at(dataclasses.replace(self.address, publishers=publishers), self.coffer, other)

    def let_in(self, identity: Identity, name: str | None = None) -> None:
        """What `coffer-server publisher add` does, without a process."""
        store = StateFolder(self.server.state_dir).store()
        store.add_publisher(coffer=self.coffer, key=identity.public(), name=name, now=1)
        store.close()

    def shut_out(self, identity: Identity) -> None:
        """What `coffer-server publisher remove` does."""
        store = StateFolder(self.server.state_dir).store()
        assert store.remove_publisher(coffer=self.coffer, publisher=identity.id(), now=2)
        store.close()

    def client(self, name: str) -> Identity:
        """A client's identity, the same at each call."""
        return self.clients.setdefault(name, Identity.generate())

    def write(self, text: str, *names: str) -> Path:
        """A definition of this coffer with these clients, each with a public key text. `web*2` is a client with two of them."""
        lines = [f'[coffer]\nname = "{self.coffer}"\n[clients]']
        for name, _, number in (name.partition("*") for name in names):
            hosts = [name, *(f"{name}-{host}" for host in range(2, int(number or 1) + 1))]
            keys = ", ".join(f'"{self.client(host).public_text()}"' for host in hosts)
            lines.append(f"{name} = [{keys}]")
        path = self.home / "definition.toml"
        path.touch(mode=0o600)
        path.write_text("\n".join([*lines, text]), encoding="utf-8")
        return path

    def publication(self, text: str, *names: str) -> Publication:
        """What a definition publishes."""
        definition = load(self.write(text, *names), environ={}, today=date(2026, 1, 1))
        return Publication(
            wanted=wanted_shards(definition),
            public={client.name: client.public for client in definition.clients.values()},
            lifetime_s=DEFAULT_LIFETIME_S,
        )

    def make(
        self,
        drafting: Drafting,
        *,
        target: Target | None = None,
        approve: Approve = approve_all,
        now: float = NOW,
        restore: bool = False,
        accepted_restart: int | None = None,
    ) -> SignedHead | None:
        """Make a release of a draft."""
        return trio.run(
            lambda: make(
                target or self.target, drafting, approve=approve, now=lambda: now, restore=restore, accepted_restart=accepted_restart
            )
        )

    def publish(self, text: str, *names: str, target: Target | None = None) -> int:
        """Publish a definition that changes something. The serial."""
        release = self.make(self.publication(text, *names).draft, target=target)
        assert release is not None
        return release.head.serial

    def replace_publisher(self, publication: Publication | None) -> None:
        """Add a publisher and retire it: with a publication, under a new note key."""
        other = self.other()
        self.make(Addition(key=other.identity.public(), name="laptop").draft)
        self.shut_out(other.identity)
        self.make(Retirement(who="laptop", publication=publication, told=lambda publisher: None).draft)

    def look(self, question: Callable[[Base], Awaitable[T]], *, target: Target | None = None) -> T:
        """Ask something of the newest release."""

        async def main() -> T:
            async with based(target or self.target, now=lambda: NOW) as base:
                return await question(base)

        return trio.run(main)

    def fetch(self, name: str) -> coffer_client.Coffer:
        """What a client gets."""
        address = dataclasses.replace(self.address, coffer=self.coffer, publishers=(self.identity.publisher_key(),))
        return coffer_client.fetch(server=address, identity=self.client(name))


@pytest.fixture
def operator(home: Path, shared_server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """An operator at a real server, with a coffer and an identity of this test's own."""
    identity = keyfile.create(settings.publisher_key())
    coffer = f"c{identity.id().hex()[:12]}"
    monkeypatch.setenv("COFFER_SERVER", str(shared_server.address))
    operator = Operator(home=home, server=shared_server, coffer=coffer, identity=identity)
    operator.let_in(identity)
    return operator

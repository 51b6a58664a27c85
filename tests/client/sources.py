"""A client with files of its own in a test's folder, and a clock that the test sets."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from coffer_client.coffer import Coffer
from coffer_client.config.credential import Credential
from coffer_client.config.settings import Settings, trust_of
from coffer_client.conversation.network import Network
from coffer_client.conversation.retrieval import retrieve
from coffer_client.conversation.source import Source
from coffer_client.io.blocking import Sockets, finish
from coffer_client.trust_store import Folders, Memory
from coffer_protocol.address import ServerAddress
from coffer_protocol.release.trust import Trust

from .fake_server import FakeServer, Script, address_of, unused_host
from .releases import NOW

# Nothing here takes so long; it ends a test that would hang.
PLENTY_S = 30.0
# A `max_stale` with which the cache never stands in.
NEVER = timedelta()


class Client:
    """One client through several runs: each fetch is by new objects, and what it remembers is in the files alone."""

    def __init__(self, folder: Path, credential: Credential) -> None:
        self.folder = folder
        self.credential = credential
        self.now: float = NOW
        self.cache = True
        self.warnings: list[str] = []

    def memory(self, address: ServerAddress) -> Memory:
        """Its files for this address."""
        folder = str(self.folder)
        folders = Folders(state=folder, cache=folder if self.cache else None)
        return Memory(self._wanted(address), folders, warn=self.warnings.append)

    def source(
        self, address: ServerAddress, network: Network | None = None, *, max_stale: timedelta | None = None, timeout_s: float = PLENTY_S
    ) -> Source:
        """Return this client's source at this address."""
        wanted = self._wanted(address, max_stale=max_stale, timeout_s=timeout_s)
        return Source(wanted, self.memory(address), network or Sockets(), warn=self.warnings.append, clock=lambda: self.now)

    def fetch(self, address: ServerAddress, *, max_stale: timedelta | None = None, timeout_s: float = PLENTY_S) -> Coffer:
        """Fetch once."""
        return finish(retrieve(self.source(address, max_stale=max_stale, timeout_s=timeout_s)))

    def fetch_from(self, script: Script, *, serial: int = 0, max_stale: timedelta | None = None) -> Coffer:
        """Fetch once from a server that follows a script."""
        with FakeServer(script) as server:
            return self.fetch(server.address(bare=self.credential.bare, serial=serial), max_stale=max_stale)

    def fetch_from_nobody(self, *, max_stale: timedelta | None = None) -> Coffer:
        """Fetch once while no server answers."""
        return self.fetch(address_of(unused_host(), bare=self.credential.bare), max_stale=max_stale)

    def trust(self) -> Trust:
        """What it remembers."""
        return self.memory(address_of(unused_host(), bare=self.credential.bare)).recall()

    def _wanted(self, address: ServerAddress, *, max_stale: timedelta | None = None, timeout_s: float = PLENTY_S) -> Settings:
        return Settings(
            address=address,
            trust=trust_of(address),
            credential=self.credential,
            cache=self.cache,
            timeout_s=timeout_s,
            max_stale=max_stale,
        )

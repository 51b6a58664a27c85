"""The target of a command: one coffer on one server, and the publisher that works on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coffer_protocol.address import ServerAddress
from coffer_protocol.identity import Identity

from . import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One coffer on one server, and the publisher that works on it.

    Attributes:
        address: the server's address. Its publishers are trusted until a release names others, and no release below its serial is accepted.
        coffer: the coffer's name.
        identity: the publisher's identity.
        state_file: the file with this publisher's memory of the coffer.
    """

    address: ServerAddress
    coffer: str
    identity: Identity
    state_file: Path

    @classmethod
    def at(cls, address: ServerAddress, coffer: str, identity: Identity) -> Target:
        """Return a target whose state file is in the companion's default place."""
        state_file = settings.state_file(server=address.server, coffer=coffer, publisher=identity.id())
        return cls(address=address, coffer=coffer, identity=identity, state_file=state_file)

    def roots(self) -> frozenset[bytes]:
        """Return the publishers that are trusted before a release names any: this one, and those of the address."""
        return frozenset({self.identity.publisher_key(), *self.address.publishers})

    def client_address(self, publishers: frozenset[bytes], serial: int) -> ServerAddress:
        """Return the address for clients: it demands this coffer by these publishers, from `serial` on (0: from any serial)."""
        # This publisher comes first. The order of the others is always the same.
        own = self.identity.publisher_key()
        ordered = sorted(publishers, key=lambda key: (key != own, key))
        return ServerAddress(
            server=self.address.server, hosts=self.address.hosts, coffer=self.coffer, publishers=tuple(ordered), serial=serial
        )

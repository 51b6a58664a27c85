"""What a command works on: one coffer on one server, and as which publisher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coffer_protocol.address import ServerAddress
from coffer_protocol.identity import Identity

from . import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One coffer on one server, and as which publisher.

    Attributes:
        address: the server; its publishers are trusted until a release names others, its serial is the lowest that is believed.
        coffer: the coffer's name.
        identity: the publisher's.
        state_file: where this publisher's memory of the coffer is kept.
    """

    address: ServerAddress
    coffer: str
    identity: Identity
    state_file: Path

    @classmethod
    def at(cls, address: ServerAddress, coffer: str, identity: Identity) -> Target:
        """With its memory where the companion keeps it."""
        state_file = settings.state_file(server=address.server, coffer=coffer, publisher=identity.id())
        return cls(address=address, coffer=coffer, identity=identity, state_file=state_file)

    def roots(self) -> frozenset[bytes]:
        """The publishers trusted where no release has named them yet: this one, and those of the address."""
        return frozenset({self.identity.publisher_key(), *self.address.publishers})

    def client_address(self, publishers: frozenset[bytes], serial: int) -> ServerAddress:
        """What clients are to demand: this coffer of these publishers, from `serial` on (0: from any)."""
        # The publisher at work stands first, and the order of the others is always the same.
        own = self.identity.publisher_key()
        ordered = sorted(publishers, key=lambda key: (key != own, key))
        return ServerAddress(
            server=self.address.server, hosts=self.address.hosts, coffer=self.coffer, publishers=tuple(ordered), serial=serial
        )

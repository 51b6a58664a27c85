"""What a reader knows about a coffer, and what it demands of the next release (docs/protocol.md, 7)."""

from __future__ import annotations

from ..crypto.primitives import sha256
from ..lean import TYPE_CHECKING, Record
from .evidence import RESTART, Evidence

if TYPE_CHECKING:
    from collections.abc import Collection

    from .head import SignedHead


class Seen(Record):
    """The newest release that a reader has accepted.

    Attributes:
        serial: the release's serial.
        signed_sha256: the hash of its *signed*, 32 bytes.
        issued: the time of its issue, in seconds since 1970.
        signed: its *signed*, for evidence; None if it was not kept.
    """

    serial: int
    signed_sha256: bytes
    issued: int
    signed: bytes | None = None

    @classmethod
    def of(cls, release: SignedHead) -> Seen:
        """Return the entry for a release that has been accepted."""
        head = release.head
        return cls(serial=head.serial, signed_sha256=release.sha256, issued=head.issued, signed=release.signed)


class Demand(Record):
    """What a reader demands of a release.

    Attributes:
        coffer: the coffer's name.
        publishers: the keys whose signature counts, 32 bytes each.
        seen: the newest release accepted before, or None.
        lowest: the lowest serial that is accepted.
        latest: the highest `issued` that was accepted before. The reader's time is at least that.
    """

    coffer: str
    publishers: Collection[bytes]
    seen: Seen | None = None
    lowest: int = 0
    latest: int = 0

    @property
    def highest_serial(self) -> int:
        """The highest serial that the reader knows of; 0 if it knows no release."""
        return max(self.lowest, self.seen.serial if self.seen is not None else 0)


class Trust(Record):
    """What a reader knows about a coffer. Its demands of the next release follow from that.

    Attributes:
        coffer: the coffer's name.
        publishers: the keys whose signature counts from the next release on, 32 bytes each.
        servers: the ids under which the server may answer, 32 bytes each; None if no head has named any.
        hosts: the `HOST[:PORT]` texts that reach the server; None if no head has named any.
        seen: the newest release that was accepted; None before the first.
        signer: the publisher of `seen`. Its signature counts for that release even if the release retires it.
        lowest: the lowest serial that is accepted, which an address may name; 0 for any.
        latest: the highest `issued` that was ever accepted, in seconds since 1970.
    """

    coffer: str
    publishers: tuple[bytes, ...]
    servers: tuple[bytes, ...] | None = None
    hosts: tuple[str, ...] | None = None
    seen: Seen | None = None
    signer: bytes | None = None
    lowest: int = 0
    latest: int = 0

    def is_seen(self, signed: bytes) -> bool:
        """Return whether these are the very bytes of the newest release that was accepted."""
        return self.seen is not None and self.seen.signed_sha256 == sha256(signed)

    def demand(self, signed: bytes) -> Demand:
        """Return the demands of a release with this *signed*. Only the hash of *signed* is used."""
        again = (self.signer,) if self.signer is not None and self.is_seen(signed) else ()
        return Demand(coffer=self.coffer, publishers=(*self.publishers, *again), seen=self.seen, lowest=self.lowest, latest=self.latest)

    def after(self, release: SignedHead) -> Trust:
        """Return the trust that follows from a release that has been accepted under this one."""
        head = release.head
        return Trust(
            coffer=self.coffer,
            publishers=head.publishers or self.publishers,
            servers=head.servers or self.servers,
            hosts=head.hosts or self.hosts,
            seen=Seen.of(release),
            signer=head.publisher,
            lowest=self.lowest,
            latest=max(self.latest, head.issued),
        )

    def restart_in(self, release: SignedHead) -> Evidence | None:
        """Return the evidence of a restart, if an accepted release is one and another release was seen before it; otherwise None."""
        if not release.head.restart or self.seen is None or self.is_seen(release.signed):
            return None
        return Evidence(kind=RESTART, known=self.seen.signed, shown=release.signed)

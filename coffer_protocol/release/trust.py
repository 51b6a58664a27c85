"""What a reader knows of a coffer, and what it demands of the next release (PROTOCOL.md, 7)."""

from __future__ import annotations

from ..crypto.primitives import sha256
from ..lean import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Collection

    from .head import SignedHead


class Seen(Record):
    """The newest release that this reader has accepted before: it never goes back behind it."""

    serial: int
    signed_sha256: bytes | None = None


class Demand(Record):
    """What a reader demands of a release.

    Attributes:
        coffer: its name.
        publishers: whose signature counts, keys of 32 bytes.
        seen: the newest release accepted before, or None.
    """

    coffer: str
    publishers: Collection[bytes]
    seen: Seen | None = None


class Trust(Record):
    """What a reader knows of a coffer, and so what it demands of the next release.

    Attributes:
        coffer: the coffer's name.
        publishers: whose signature counts from the next release on, keys of 32 bytes.
        servers: the ids under which the server may answer, 32 bytes each; None where no head has named any.
        seen: the newest release that was accepted; without its hash, the lowest serial that may be; None for any.
        signer: who signed `seen`. It stays good for that release, also where the release retires it.
    """

    coffer: str
    publishers: tuple[bytes, ...]
    servers: tuple[bytes, ...] | None = None
    seen: Seen | None = None
    signer: bytes | None = None

    @property
    def is_anchored(self) -> bool:
        """Whether a release was accepted before, so that the next ones are told by its hash."""
        return self.seen is not None and self.seen.signed_sha256 is not None

    def is_seen(self, signed: bytes) -> bool:
        """Whether these are the very bytes of the newest release that was accepted."""
        return self.seen is not None and self.seen.signed_sha256 == sha256(signed)

    def demand(self, signed: bytes, *, lowest: int = 0) -> Demand:
        """What is demanded of the release whose *signed* this claims to be. Only its hash is looked at.

        Args:
            signed: as it came.
            lowest: the serial below which none is taken, where that is above what was seen.
        """
        again = (self.signer,) if self.signer is not None and self.is_seen(signed) else ()
        seen = self.seen
        if lowest > (seen.serial if seen is not None else 0):
            seen = Seen(serial=lowest)
        return Demand(coffer=self.coffer, publishers=(*self.publishers, *again), seen=seen)

    def after(self, release: SignedHead) -> Trust:
        """The trust that follows from a release that has been accepted under this one."""
        head = release.head
        return Trust(
            coffer=self.coffer,
            publishers=head.publishers or self.publishers,
            servers=head.servers or self.servers,
            seen=Seen(serial=head.serial, signed_sha256=release.sha256),
            signer=head.publisher,
        )

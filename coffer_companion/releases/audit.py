"""Whether what the server holds is exactly what was signed: every head, the newest release's entries, and what their notes say."""

from __future__ import annotations

from dataclasses import dataclass

from coffer_protocol.errors import UntrustedPublisherError
from coffer_protocol.release.head import SignedHead

from .commit import Base
from .publisher_entry import publishers_among, short_key
from .reader import in_batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found to be good.

    Attributes:
        first: the serial of the first release that the server has.
        newest: the newest.
        clients: how many clients' keys are in it.
        publishers: how many publishers stand in it.
    """

    first: int
    newest: SignedHead
    clients: int
    publishers: int


async def verify(base: Base) -> Verified:
    """Check all that a publisher can check. Its own shard and the newest release's entries were checked with the base.

    Raises:
        NoReleaseError: there is no release.
        ChainError: the heads are not one chain up to the newest.
        UntrustedPublisherError: a head is by a publisher whom those before it had not named.
        NoteError: a note is missing, or was changed.
        What `Reader.history` raises.
    """
    newest = base.existing()
    chain = await base.reader.history(1)
    _check_publishers(chain)
    publishers = 0
    for batch in in_batches(base.listing.values()):
        # Each note is opened, and so checked.
        publishers += len(publishers_among(await base.reader.notes(newest.head.serial, batch, base.note_keys)))
    return Verified(first=chain[0].head.serial, newest=newest, clients=len(base.listing) - publishers, publishers=publishers)


def _check_publishers(chain: list[SignedHead]) -> None:
    """See that each head is by one of those that the heads before it have named; until one names any, nobody knows who was trusted."""
    trusted: frozenset[bytes] | None = None
    for release in chain:
        head = release.head
        if trusted is not None and head.publisher not in trusted:
            raise UntrustedPublisherError(
                f"release {head.serial} of {head.coffer!r} is signed by {short_key(head.publisher)}, whom no release before it has named: "
                "the server let somebody publish who should not have"
            )
        if head.publishers is not None:
            trusted = frozenset(head.publishers)

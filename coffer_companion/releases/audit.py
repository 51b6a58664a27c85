"""Checks whether the server holds exactly what was signed: every head, the newest release's entries, and their notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coffer_protocol.errors import UntrustedPublisherError
from coffer_protocol.release.head import SignedHead

from .commit import Base
from .publisher_entry import PublisherEntry, label_of, publishers_among
from .reader import in_batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The result of a check that found nothing wrong.

    Attributes:
        first: the serial of the first release that the server has.
        newest: the newest release.
        clients: how many clients' keys are in the newest release.
        publishers: how many publishers are in the newest release.
    """

    first: int
    newest: SignedHead
    clients: int
    publishers: int


async def verify(base: Base) -> Verified:
    """Check everything that a publisher can check. The base has already checked its own shard and the newest release's entries.

    Raises:
        NoReleaseError: the coffer has no release.
        ChainError: the heads are not one chain up to the newest.
        UntrustedPublisherError: a head is signed by a publisher that the heads before it did not name.
        NoteError: a note is missing or was changed.
        What `Reader.history` raises.
    """
    newest = base.existing()
    chain = await base.reader.history(1)
    known = map(PublisherEntry.from_known, base.reader.state.tree)
    _check_publishers(chain, {entry.key.sign: entry for entry in known})
    publishers = 0
    for batch in in_batches(base.listing.values()):
        # Each note is opened, and so checked.
        publishers += len(publishers_among(await base.reader.notes(newest.head.serial, batch, base.note_keys)))
    return Verified(first=chain[0].head.serial, newest=newest, clients=len(base.listing) - publishers, publishers=publishers)


def _check_publishers(chain: list[SignedHead], known: Mapping[bytes, PublisherEntry]) -> None:
    """Check that the heads before each head have named its publisher. Before the first that names any, it is unknown who was trusted."""
    trusted: frozenset[bytes] | None = None
    for release in chain:
        head = release.head
        if trusted is not None and head.publisher not in trusted:
            raise UntrustedPublisherError(
                f"release {head.serial} of {head.coffer!r} is signed by {label_of(head.publisher, known)}, which no release before it "
                "has named: the server let a publisher in that nobody has named"
            )
        if head.publishers is not None:
            trusted = frozenset(head.publishers)

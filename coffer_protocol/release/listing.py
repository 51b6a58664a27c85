"""The list of a release that a publisher gets, and its check (docs/protocol.md, 7)."""

from __future__ import annotations

from ..errors import ListingError
from ..lean import TYPE_CHECKING
from .tree import Leaf, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..message import Entry
    from .head import SignedHead


def leaf_of(coffer: str, entry: Entry) -> Leaf:
    """Return the leaf of an entry."""
    return Leaf(coffer=coffer, client_id=entry.id, alg=entry.alg, since=entry.since, blob_sha256=entry.sha256)


def leaf_hashes(coffer: str, entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the leaf hashes of entries in the order of their ids.

    Raises:
        ListingError: the ids are not in strictly rising order.
    """
    last = b""
    for entry in entries:
        if entry.id <= last:
            raise ListingError("the server's list is not in the order of its ids: it is not the release that was signed")
        last = entry.id
        yield leaf_of(coffer, entry).hash()


def check_listing_untrusted(release: SignedHead, entries: Iterable[Entry]) -> None:
    """Check that entries are those of a release whose head has been accepted.

    Args:
        release: the head.
        entries: the entries that the server lists. They are read once.

    Raises:
        ListingError: the entries are not those of the release that was signed.
        MalformedMessageError: an item of the list is not an entry.
    """
    head = release.head
    shown = Tree(leaf_hashes(head.coffer, entries))
    if shown.size != head.count or shown.root != head.root:
        raise ListingError(
            f"what the server lists is not release {head.serial} of {head.coffer!r} as it was signed: nothing was signed. The server's "
            "database is damaged, or the server lies"
        )

"""What a publisher is shown of the current release, and how it checks it before it signs the next (PROTOCOL.md, 7)."""

from __future__ import annotations

from ..errors import ForkError, ListingError, RollbackError, WrongCofferError
from ..lean import TYPE_CHECKING
from . import head as heads
from . import tree
from .tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..message import Entry
    from .head import SignedHead
    from .trust import Demand


def leaf_hashes(coffer: str, entries: Iterable[Entry]) -> Iterator[bytes]:
    """The leaf hashes of entries in the order of their ids.

    Raises:
        ListingError: the ids are not in strictly rising order.
    """
    last = b""
    for entry in entries:
        if entry.id <= last:
            raise ListingError("the server's list is not in the order of its ids: it is not the release that was signed")
        last = entry.id
        yield tree.leaf_hash(tree.leaf_data(coffer=coffer, client_id=entry.id, alg=entry.alg, since=entry.since, blob_sha256=entry.sha256))


def check_listing_untrusted(signed: bytes, entries: Iterable[Entry], demand: Demand) -> SignedHead:
    """Check an OkOpen before anything is signed upon it. It need not be unexpired: the next release mends that.

    Args:
        signed: as it came.
        entries: the listing's entries, read once.
        demand: the coffer's name, the publishers trusted for it, and the newest release in the publisher's own state.

    Raises:
        NotAReleaseError, UntrustedPublisherError, BadSignatureError: the head is not one that a trusted publisher signed.
        WrongCofferError: it is of another coffer.
        RollbackError, ForkError: it is behind what this publisher has seen, or another at the same serial.
        ListingError: the entries are not the release that was signed.
        MalformedMessageError: an entry is not one.
    """
    release = heads.verify_untrusted(signed, publishers=demand.publishers)
    head = release.head
    if head.coffer != demand.coffer:
        raise WrongCofferError(f"the server shows a release of {head.coffer!r} where {demand.coffer!r} was opened: nothing was signed")
    seen = demand.seen
    if seen is not None and head.serial < seen.serial:
        raise RollbackError(
            f"the server shows release {head.serial} of {head.coffer!r} as the newest, and release {seen.serial} was published before: "
            "it was set back to an old state, or hides what is new. Nothing was signed; restore the server's newest backup"
        )
    if seen is not None and head.serial == seen.serial and seen.signed_sha256 not in (None, release.sha256):
        raise ForkError(
            f"the server shows another release {head.serial} of {head.coffer!r} than the one that was published from here. Nothing was "
            "signed; find out who else publishes with this key"
        )
    shown = Tree(leaf_hashes(head.coffer, entries))
    if shown.size != head.count or shown.root != head.root:
        raise ListingError(
            f"what the server lists is not release {head.serial} of {head.coffer!r} as it was signed: nothing was signed. The server's "
            "database is damaged, or the server lies"
        )
    return release
